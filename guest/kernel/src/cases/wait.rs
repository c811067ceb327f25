//! WFI: what ends the wait.
//!
//! With HCR_EL2.TWI set the instruction is taken to EL2 (EC 0x01), if it would wait; the hypervisor
//! blocks the vCPU's thread, adds 4 to PC, and runs it again when something is pending. Whoever
//! leaves TWI clear lets the core itself wait: simple, and nobody else runs there.
//!
//! ```text
//!   wfi --> would wait? --> EL2: sleep until IRQ, FIQ or SError pending,
//!           masked by PSTATE or not; PC += 4; run
//! ```

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
    /// WFI waits, and an interrupt that becomes pending ends the wait even while PSTATE masks it:
    /// wake-up events do not depend on PSTATE.I. Nothing is taken; execution goes on behind the
    /// WFI.
    ///
    /// The case has the monitor raise the IRQ line 3 ms later, and executes WFI with I set until
    /// ISR_EL1 shows something. It must be the IRQ, and not have been there before 3 ms have
    /// passed.
    ///
    /// ```text
    ///   wfi (I = 1) ....... line up ....... ISR_EL1.I = 1, nothing taken
    ///         |<------ 3 ms, asleep ----->|
    /// ```
    ///
    /// Linux's idle loop masks interrupts, looks whether there is work, executes WFI, and unmasks:
    /// the masked WFI closes the window between the look and the sleep. A hypervisor that wakes a
    /// vCPU only for interrupts that can be taken makes each idle guest sleep for ever, on the
    /// first WFI. One that returns at once is correct by the manual, and burns a core.
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
    /// With PSTATE.I clear the interrupt ends the wait and is taken. The WFI is then complete:
    /// ELR_EL1 points behind it, and the handler's return does not wait again.
    ///
    /// The case executes WFI unmasked with the line due to rise 3 ms later, and wants an IRQ whose
    /// ELR_EL1 is behind the WFI. As a busy host may deliver an interrupt before the WFI, there is
    /// always another on its way, and one in a hundred tries must fit.
    ///
    /// ```text
    ///   wfi                 IRQ --> 0x280, ELR = 2:
    ///   2: ...  <-- eret
    /// ```
    ///
    /// A hypervisor that handles the trap must advance PC past the WFI before it injects. If it
    /// does not, the handler returns to the WFI and the guest sleeps once more, with its work
    /// already announced and nothing else to come: a lost wake-up. If it advances PC twice, once
    /// itself and once in its framework, an instruction is skipped, which after a WFI is often the
    /// unmasking.
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
    /// If an interrupt is pending already, masked or not, WFI completes at once: the wait is for a
    /// state and not for an event that happens after.
    ///
    /// The case raises IRQ, and then FIQ, with both masked, and executes WFI ten times. If one of
    /// them waits, the case does not end, and whoever runs it says so.
    ///
    /// ```text
    ///   line  ------------------------------
    ///         wfi  wfi  wfi  wfi ...   each complete at once
    /// ```
    ///
    /// Between a guest's last look for work and its WFI there is always time for an interrupt. The
    /// hypervisor that is told "WFI" must look at what is pending after it has announced that the
    /// vCPU sleeps, and before it blocks; in the other order the interrupt falls between and the
    /// vCPU sleeps with work pending. FIQ and SError count as well as IRQ. It is the most common
    /// way in which guests hang.
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
