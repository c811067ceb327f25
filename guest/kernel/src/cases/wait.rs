//! WFI: what ends the wait.

use core::arch::asm;

use anyvisor_abi::case::Needs;
use anyvisor_abi::service::{LEVEL_HIGH, LEVEL_LOW, LINE_FIQ, LINE_IRQ};

use super::virq::{ISR_I, lower, only_one, pending};
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
        interrupt::listen(lower);
        let start = host_time();
        inject(LINE_IRQ, LEVEL_HIGH, DELAY);
        let behind: u64;
        // SAFETY: the handler is there; the mask is put back. The masks are cleared in front of
        // a loop, because WFI may come back early; the loop ends when the handler has run.
        unsafe {
            asm!(
                "msr daifclr, #3",
                "2: wfi",
                "3: ldr {scratch}, [{count}]",
                "cbz {scratch}, 2b",
                "msr daifset, #3",
                "adr {behind}, 3b",
                count = in(reg) interrupt::counter(),
                scratch = out(reg) _,
                behind = out(reg) behind,
                options(nostack),
            );
        }
        let waited = host_time() - start;
        assert!(waited >= DELAY, "WFI came back after {waited} ns");
        let taken = only_one();
        assert!(
            (behind - 4..behind + 12).contains(&taken.elr),
            "ELR_EL1 is {:#x}, the instruction behind the WFI is at {behind:#x}",
            taken.elr
        );
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
