//! Interrupts that the monitor injects: taken, held back, in order. As wake-up events they are in
//! `wait.rs`.
//!
//! The monitor drives the vCPU's IRQ and FIQ lines directly (no interrupt controller between),
//! so what is seen here is the PE's own behaviour: lines are levels, PSTATE.I and F hold them
//! back, and taking one masks both.

use core::arch::{asm, global_asm};

use anyvisor_abi::case::Needs;
use anyvisor_abi::service::{INJECT, LEVEL_HIGH, LEVEL_LOW, LEVEL_PULSE, LINE_FIQ, LINE_IRQ};
use anyvisor_arch::pstate::{self, DAIF, Mode, Vector, vector_offset};

use crate::exception::TrapFrame;
use crate::interrupt::{self, Taken, unmasked};
use crate::services::{self, host_time, inject};
use crate::timer::{self, VIRTUAL};
use crate::trap::{After, catch};
use crate::user::{self, User};
use crate::{case, check_eq, user_code};

/// ISR_EL1: what is pending at this vCPU, masked or not.
pub fn pending() -> u64 {
    let isr: u64;
    // SAFETY: reads a register.
    unsafe { asm!("isb", "mrs {}, isr_el1", out(reg) isr, options(nostack)) };
    isr & (ISR_I | ISR_F)
}

/// ISR_EL1.I: an IRQ is pending.
pub const ISR_I: u64 = 1 << 7;
/// ISR_EL1.F: a FIQ is pending.
pub const ISR_F: u64 = 1 << 6;

/// Lowers the line that the vector belongs to.
pub fn lower(frame: &mut TrapFrame) {
    let line = if frame.entry.kind() == Vector::Fiq { LINE_FIQ } else { LINE_IRQ };
    inject(line, LEVEL_LOW, 0);
}

/// The one interrupt that was taken.
#[track_caller]
pub fn only_one() -> Taken {
    check_eq!(interrupt::count() as u64, 1, "interrupts taken");
    interrupt::nth(0).expect("the first is in the log")
}

/// Makes the INJECT call in line; returns the address of the instruction behind the HVC.
fn inject_here(line: u64, level: u64) -> u64 {
    let behind: u64;
    // SAFETY: the call changes an interrupt line; SMCCC says which registers it may change.
    unsafe {
        asm!(
            "hvc #0",
            "2:",
            "adr x9, 2b",
            inout("x0") u64::from(INJECT) => _, inout("x1") line => _,
            inout("x2") level => _, inout("x3") 0_u64 => _,
            out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _,
            out("x9") behind, out("x10") _, out("x11") _, out("x12") _, out("x13") _,
            out("x14") _, out("x15") _, out("x16") _, out("x17") _, options(nostack),
        );
    }
    behind
}

/// An unmasked line that goes high is taken before the next instruction.
fn check_taken_at_once(line: u64, kind: Vector) {
    interrupt::listen(lower);
    let behind = unmasked(|| inject_here(line, LEVEL_HIGH));
    let taken = only_one();
    check_eq!(taken.entry.offset(), vector_offset(Mode::El1h, kind), "vector");
    check_eq!(taken.elr, behind, "ELR_EL1");
    check_eq!(taken.spsr & DAIF, DAIF & !(pstate::I | pstate::F), "SPSR_EL1.DAIF");
    check_eq!(taken.spsr & pstate::MODE, Mode::El1h.bits(), "SPSR_EL1.M");
}

case! {
    /// An IRQ raised during a hypercall is taken when the call returns: at vector 0x280, with
    /// ELR behind the HVC.
    "virq.irq_taken": "an unmasked IRQ is taken at once: vector 0x280, ELR behind the HVC";
    reference: "DDI 0487: AArch64.TakePhysicalIRQException; HCR_EL2.VI";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn irq_taken() {
        check_taken_at_once(LINE_IRQ, Vector::Irq);
    }
}

case! {
    /// FIQ is the same with its own vector and its own mask.
    "virq.fiq_taken": "an unmasked FIQ is taken at once: vector 0x300, ELR behind the HVC";
    reference: "DDI 0487: AArch64.TakePhysicalFIQException; HCR_EL2.VF";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn fiq_taken() {
        check_taken_at_once(LINE_FIQ, Vector::Fiq);
    }
}

/// A masked line is pending, is seen in ISR_EL1, is not taken, and is gone when lowered.
fn check_masked(line: u64, isr: u64) {
    // No handler: if it is taken, the case fails.
    inject(line, LEVEL_HIGH, 0);
    check_eq!(pending(), isr, "ISR_EL1 while the line is high");
    host_time(); // another exit and entry: still there
    check_eq!(pending(), isr, "ISR_EL1 after another exit");
    inject(line, LEVEL_LOW, 0);
    check_eq!(pending(), 0, "ISR_EL1 after the line is low");
    interrupt::listen(lower);
    unmasked(host_time);
    check_eq!(interrupt::count() as u64, 0, "interrupts taken after the line is low");
}

case! {
    /// PSTATE.I holds an IRQ back: it stays pending, ISR_EL1.I shows it, nothing is taken. When
    /// the line goes low before it is unmasked, it was never there.
    "virq.irq_masked": "an IRQ masked by PSTATE.I is pending in ISR_EL1 and not taken";
    reference: "DDI 0487: PSTATE.I; ISR_EL1.I";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn irq_masked() {
        check_masked(LINE_IRQ, ISR_I);
    }
}

case! {
    /// PSTATE.F does the same for FIQ.
    "virq.fiq_masked": "a FIQ masked by PSTATE.F is pending in ISR_EL1 and not taken";
    reference: "DDI 0487: PSTATE.F; ISR_EL1.F";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn fiq_masked() {
        check_masked(LINE_FIQ, ISR_F);
    }
}

case! {
    /// Unmasking takes what is pending: MSR DAIFClr is context-synchronizing for this purpose,
    /// so the interrupt comes before the next instruction.
    "virq.unmask": "a pending IRQ is taken as soon as PSTATE.I is cleared";
    reference: "DDI 0487: MSR (immediate) DAIFClr; asynchronous exception behavior";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn unmask() {
        interrupt::listen(lower);
        inject(LINE_IRQ, LEVEL_HIGH, 0);
        check_eq!(interrupt::count() as u64, 0, "interrupts taken while masked");
        let at: u64;
        // SAFETY: the handler is there; the mask is put back.
        unsafe {
            asm!("msr daifclr, #2", "2: isb", "msr daifset, #2", "adr {}, 2b",
                out(reg) at, options(nostack));
        }
        let elr = only_one().elr;
        assert!([at, at + 4].contains(&elr), "ELR_EL1: {elr:#x}, expected the ISB at {at:#x}, or behind");
    }
}

case! {
    /// Each line has its own mask: F clear and I set lets FIQ through and holds IRQ.
    "virq.masks_are_separate": "PSTATE.F clear, I set: of both pending only the FIQ is taken";
    reference: "DDI 0487: PSTATE.I, PSTATE.F";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn masks_are_separate() {
        interrupt::listen(lower);
        inject(LINE_IRQ, LEVEL_HIGH, 0);
        inject(LINE_FIQ, LEVEL_HIGH, 0);
        check_eq!(pending(), ISR_I | ISR_F, "ISR_EL1");
        // SAFETY: the handler is there; the mask is put back.
        unsafe { asm!("msr daifclr, #1", "isb", "msr daifset, #1", options(nostack)) };
        check_eq!(only_one().entry.offset(), vector_offset(Mode::El1h, Vector::Fiq), "vector");
        check_eq!(pending(), ISR_I, "ISR_EL1 after the FIQ");
        inject(LINE_IRQ, LEVEL_LOW, 0);
    }
}

case! {
    /// Both pending, both unmasked: both are taken, one after the other, each once. Which is
    /// first is the implementation's choice.
    "virq.both": "IRQ and FIQ pending together are both taken, once each";
    reference: "DDI 0487: prioritization of asynchronous exceptions is IMPLEMENTATION DEFINED";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn both() {
        interrupt::listen(lower);
        inject(LINE_IRQ, LEVEL_HIGH, 0);
        inject(LINE_FIQ, LEVEL_HIGH, 0);
        unmasked(|| {});
        check_eq!(interrupt::count() as u64, 2, "interrupts taken");
        let kinds = [0, 1].map(|n| interrupt::nth(n).expect("two are in the log").entry.kind());
        assert!(
            kinds == [Vector::Irq, Vector::Fiq] || kinds == [Vector::Fiq, Vector::Irq],
            "taken were {kinds:?}"
        );
        check_eq!(pending(), 0, "ISR_EL1 after both");
    }
}

case! {
    /// Taking an exception masks I and F. A handler that clears F lets a FIQ interrupt it: the
    /// second frame lies on the first, and its SPSR says that I was masked.
    "virq.fiq_nests": "a FIQ interrupts an IRQ handler that unmasks F; both return";
    reference: "DDI 0487: AArch64.TakeException masks D, A, I, F";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn fiq_nests() {
        interrupt::listen(|frame| {
            lower(frame);
            if frame.entry.kind() == Vector::Irq {
                inject(LINE_FIQ, LEVEL_HIGH, 0);
                check_eq!(interrupt::count() as u64, 1, "interrupts taken while F is masked");
                // SAFETY: the handler can be entered again; the mask is put back.
                unsafe { asm!("msr daifclr, #1", "isb", "msr daifset, #1", options(nostack)) };
                check_eq!(interrupt::count() as u64, 2, "interrupts taken with F unmasked");
            }
        });
        unmasked(|| inject(LINE_IRQ, LEVEL_HIGH, 0));
        check_eq!(interrupt::count() as u64, 2, "interrupts taken");
        let inner = interrupt::nth(1).expect("two are in the log");
        check_eq!(inner.entry.offset(), vector_offset(Mode::El1h, Vector::Fiq), "the inner vector");
        check_eq!(inner.spsr & DAIF, DAIF & !pstate::F, "the inner SPSR_EL1.DAIF");
    }
}

case! {
    /// An interrupt raised inside a synchronous handler waits for its ERET, which unmasks by
    /// SPSR: it is taken before the instruction that the ERET goes to.
    "virq.after_eret": "an IRQ raised in an SVC handler is taken right after its ERET";
    reference: "DDI 0487: ERET; PSTATE.I restored from SPSR_EL1";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn after_eret() {
        interrupt::listen(lower);
        let trap = unmasked(|| {
            let handler = After::Handler(|_| {
                inject(LINE_IRQ, LEVEL_HIGH, 0);
                check_eq!(interrupt::count() as u64, 0, "interrupts taken in the handler");
            });
            // SAFETY: the exception is announced.
            catch(handler, || unsafe { asm!("svc #0") })
        });
        check_eq!(only_one().elr, trap.elr, "ELR_EL1 of the IRQ");
    }
}

case! {
    /// EL0 is interrupted through the third group of vectors. Its loop ends because the handler
    /// moves it on, which is all a scheduler does.
    "virq.from_el0": "an IRQ during EL0's loop takes vector 0x480 and can move EL0 on";
    reference: "DDI 0487: exception vectors, from a lower level using AArch64";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn from_el0() {
        interrupt::listen(|frame| {
            lower(frame);
            frame.elr += 4;
        });
        let start = user_code!(user_spins);
        let mut user = User::at(start);
        user.pstate = DAIF & !(pstate::I | pstate::F) | Mode::El0t.bits();
        inject(LINE_IRQ, LEVEL_HIGH, 1_000_000);
        let trap = user::run(&mut user);
        let taken = only_one();
        check_eq!(taken.entry.offset(), vector_offset(Mode::El0t, Vector::Irq), "vector");
        check_eq!(taken.elr, start, "ELR_EL1");
        check_eq!(taken.spsr & pstate::MODE, Mode::El0t.bits(), "SPSR_EL1.M");
        check_eq!(trap.elr, start + 8, "ELR_EL1 of EL0's SVC");
    }
}

case! {
    /// A line is a level: a handler that does not lower it is called again as soon as it
    /// returns.
    "virq.level": "a line that stays high is taken again after the handler returns";
    reference: "DDI 0487: interrupts are level-sensitive at the PE";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn level() {
        interrupt::listen(|frame| {
            if interrupt::count() == 3 {
                lower(frame);
            }
        });
        let behind = unmasked(|| inject_here(LINE_IRQ, LEVEL_HIGH));
        check_eq!(interrupt::count() as u64, 3, "interrupts taken");
        for n in 0..3 {
            check_eq!(interrupt::nth(n).expect("in the log").elr, behind, "ELR_EL1 of {}", n);
        }
    }
}

case! {
    /// A pulse is presented at one entry only: taken if unmasked then, gone if not.
    "virq.pulse": "a pulse is taken once without being lowered; masked, it is gone after an exit";
    reference: "hv_vcpu_set_pending_interrupt: cleared when a run returns";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn pulse() {
        interrupt::listen(|_| {
            host_time(); // an exit inside the handler: the line is low from here on
        });
        unmasked(|| inject(LINE_IRQ, LEVEL_PULSE, 0));
        check_eq!(interrupt::count() as u64, 1, "interrupts taken");
        inject(LINE_FIQ, LEVEL_PULSE, 0);
        check_eq!(pending(), ISR_F, "ISR_EL1 at the entry with the pulse");
        host_time();
        check_eq!(pending(), 0, "ISR_EL1 at the next entry");
        check_eq!(interrupt::count() as u64, 1, "interrupts taken in all");
    }
}

case! {
    /// Being cancelled (hv_vcpus_exit) and entered again is invisible to the guest: its
    /// registers, and the time that it thinks of, go on.
    "virq.cancel": "a cancelled entry is counted by the monitor and invisible to the guest";
    reference: "hv_vcpus_exit; Anyvisor's contract: CANCEL";
    needs: Needs::SERVICES;
    fn cancel() {
        const DELAY: u64 = 500_000;
        const NEVER: u64 = 3600 * 1_000_000_000;
        const PATIENCE: u64 = 2_000_000_000;
        let start = host_time();
        let before = services::cancel(DELAY);
        let (mut rounds, mut sum) = (0_u64, 0_u64);
        loop {
            // Busy for 1 ms without an exit of its own.
            let end = (VIRTUAL.counter)() + timer::frequency() / 1000;
            while (VIRTUAL.counter)() < end {
                (rounds, sum) = (rounds + 1, sum + rounds);
            }
            // Asking announces another one, which never comes.
            let cancelled = services::cancel(NEVER) - before;
            if cancelled > 0 {
                check_eq!(cancelled, 1, "entries cancelled");
                break;
            }
            let waited = host_time() - start;
            assert!(waited < PATIENCE, "no entry was cancelled in {waited} ns");
        }
        check_eq!(sum, rounds * (rounds - 1) / 2, "the sum of what was counted meanwhile");
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".global user_spins",
    "user_spins: b user_spins",
    "            svc #0",
    ".popsection",
);
