//! WFI: what ends the wait.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use anyvisor_abi::case::Needs;
use anyvisor_abi::service::{LEVEL_HIGH, LEVEL_LOW, LINE_FIQ, LINE_IRQ};

use super::virq::{ISR_I, lower, pending};
use crate::interrupt;
use crate::services::{host_time, inject};
use crate::{case, check_eq};

/// WFI until `done`. It may come back for no reason, so it stands in a loop, but not for ever.
fn wait_for_interrupt(done: impl Fn() -> bool) {
    const PATIENCE: u64 = 2_000_000_000;
    let start = host_time();
    while !done() {
        aarch64_cpu::asm::wfi();
        assert!(host_time() - start < PATIENCE, "WFI had nothing to wait for in 2 s");
    }
}

const DELAY: u64 = 3_000_000;

case! {
    /// WFI waits, and an interrupt that becomes pending ends the wait even while it is masked.
    "virq.wfi_masked": "WFI with PSTATE.I set wakes when an IRQ becomes pending 3 ms later";
    reference: "DDI 0487: WFI wake-up events are independent of PSTATE.I";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn wfi_masked() {
        let start = host_time();
        inject(LINE_IRQ, LEVEL_HIGH, DELAY);
        wait_for_interrupt(|| pending() != 0);
        let waited = host_time() - start;
        check_eq!(pending(), ISR_I, "ISR_EL1");
        assert!(waited >= DELAY, "WFI came back after {waited} ns");
        inject(LINE_IRQ, LEVEL_LOW, 0);
    }
}

case! {
    /// Unmasked, the interrupt ends the wait and is taken; WFI itself is then complete, and ELR
    /// points behind it.
    "virq.wfi_unmasked": "WFI with PSTATE.I clear: the IRQ is taken with ELR behind the WFI";
    reference: "DDI 0487: WFI; preferred return address of an interrupt";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn wfi_unmasked() {
        static INTERRUPTED: AtomicU64 = AtomicU64::new(0);
        // On a busy host the interrupt may come before the WFI, which then has to be ended by
        // another: there is always one on its way.
        interrupt::listen(|frame| {
            INTERRUPTED.store(frame.elr, Ordering::Relaxed);
            lower(frame);
            inject(LINE_IRQ, LEVEL_HIGH, DELAY);
        });
        let start = host_time();
        inject(LINE_IRQ, LEVEL_HIGH, DELAY);
        let taken_behind_wfi = || {
            let behind: u64;
            // SAFETY: the handler is there; the mask is put back.
            unsafe {
                asm!(
                    "msr daifclr, #3",
                    "wfi",
                    "2: msr daifset, #3",
                    "adr {behind}, 2b",
                    behind = out(reg) behind,
                    options(nostack),
                );
            }
            INTERRUPTED.load(Ordering::Relaxed) == behind
        };
        assert!((0..100).any(|_| taken_behind_wfi()), "no IRQ had an ELR_EL1 behind the WFI");
        let waited = host_time() - start;
        assert!(waited >= DELAY, "WFI came back after {waited} ns");
        inject(LINE_IRQ, LEVEL_LOW, 0);
    }
}

case! {
    /// With an interrupt pending already WFI completes at once.
    "virq.wfi_pending": "WFI with an IRQ or FIQ pending and masked completes at once";
    reference: "DDI 0487: WFI wake-up events";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn wfi_pending() {
        for line in [LINE_IRQ, LINE_FIQ] {
            inject(line, LEVEL_HIGH, 0);
            for _ in 0..10 {
                aarch64_cpu::asm::wfi();
            }
            inject(line, LEVEL_LOW, 0);
        }
    }
}
