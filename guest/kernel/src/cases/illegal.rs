//! Illegal exception returns: an SPSR that names no place to go.
//!
//! ERET takes PSTATE from SPSR_EL1, which is a register that software writes, so it may ask for
//! what cannot be. The return is then done in part, PSTATE.IL is set, and the next instruction
//! takes an Illegal Execution state exception (EC 0x0e), whatever it is:
//!
//! ```text
//!   ERET, SPSR.M impossible     PC = ELR, EL and SP stay, PSTATE.IL = 1
//!       |
//!       v
//!   any instruction at ELR      EC 0x0e, SPSR.IL = 1, ELR = its address
//! ```
//!
//! All of it is the PE's doing; a hypervisor meets it when it emulates ERET, or when its own ERET
//! into a guest carries a value that the guest supplied.

use core::arch::asm;

use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::pstate::{A, AARCH32, DAIF, IL, MODE, Mode, NZCV};

use crate::exception::TrapFrame;
use crate::trap::{After, Trap, catch};
use crate::{case, check_eq};

/// ERET with `spsr` to the next instruction, which then takes the exception.
fn return_with(spsr: u64) -> (Trap, u64) {
    fn handler(frame: &mut TrapFrame) {
        frame.spsr &= !IL;
        frame.elr = frame.x[9]; // not where it came from: bits of that may be UNKNOWN
    }
    let mut target = 0;
    let trap = catch(After::Handler(handler), || {
        // SAFETY: an illegal return stays at EL1 with the same stack pointer; the exception that
        // follows is announced, and its handler clears PSTATE.IL.
        unsafe {
            asm!(
                "adr x9, 2f",
                "msr elr_el1, x9",
                "msr spsr_el1, {spsr}",
                "eret",
                "2: nop",
                inout("x9") target,
                spsr = in(reg) spsr,
            );
        }
    });
    (trap, target)
}

fn check_illegal(spsr: u64, what: &str) {
    let (trap, target) = return_with(spsr);
    assert!(
        trap.esr == Esr::new(ExceptionClass::IllegalState, 0),
        "{what}: ESR_EL1 {}, expected EC 0x0e",
        trap.esr
    );
    if spsr & AARCH32 == 0 {
        // AArch64.ExceptionReturn: PC[63:32] and PC[1:0] are UNKNOWN after an illegal return to
        // AArch32.
        check_eq!(trap.elr, target, "ELR_EL1 with SPSR {:#x}", spsr);
    }
    check_eq!(trap.spsr & IL, IL, "SPSR_EL1.IL with SPSR {:#x}", spsr);
    check_eq!(trap.spsr & MODE, Mode::El1h.bits(), "SPSR_EL1.M with SPSR {:#x}", spsr);
}

case! {
    /// SPSR_EL1.M may ask for a mode that cannot be: a higher exception level, EL0 with SP_EL1, an
    /// encoding with `M[1]` set, or AArch32 in a mode that EL1 may not return to. Such a return is
    /// illegal. The branch is made, exception level and stack pointer stay as they are, PSTATE.IL
    /// becomes 1, and the next instruction takes EC 0x0e with ISS 0.
    ///
    /// The case returns to its own next instruction with EL2h, 0b0001, 0b0110 and AArch32 Monitor
    /// mode. Each time it wants EC 0x0e, SPSR_EL1.IL, mode EL1h, and ELR at the target (of which
    /// for AArch32 the manual leaves bits unknown: not compared there).
    ///
    /// ```text
    ///   eret, SPSR.M = EL2h --> PC = ELR, still EL1h, PSTATE.IL = 1
    ///   nop at ELR          --> EC 0x0e: not executed
    /// ```
    ///
    /// An emulator that believes SPSR without looking enters EL2 on the guest's word: the end of
    /// all isolation. A hypervisor that looks and stops the VM instead is wrong too: the mistake is
    /// the guest's own, and its handler for EC 0x0e is the one to report it.
    "exception.illegal_return": "ERET to a mode that cannot be: PSTATE.IL, EC 0x0e at the target";
    reference: "DDI 0487: IllegalExceptionReturn, SetPSTATEFromPSR; PSTATE.IL";
    needs: Needs::NONE;
    fn illegal_return() {
        check_illegal(DAIF | Mode::El2h.bits(), "a higher exception level");
        check_illegal(DAIF | 0b0001, "EL0 with SP_EL1");
        check_illegal(DAIF | 0b0110, "M[1] set");
        check_illegal(DAIF | AARCH32 | 0b0110, "AArch32 in Monitor mode");
    }
}

case! {
    /// An illegal return is not ignored. SetPSTATEFromPSR has a part that is done on legal returns
    /// only (the mode, and IL from SPSR) and a part that is done always: N, Z, C, V and D, A, I, F
    /// come from SPSR_EL1 even when the mode in it is impossible.
    ///
    /// The case runs with all masks set and returns with flags 0b1011, A clear, and mode EL2t,
    /// which is above EL1. The exception at the target saves PSTATE again, and its SPSR_EL1 must
    /// show those flags and masks.
    ///
    /// ```text
    ///   SPSR written   NZCV 1011   DAIF 1011   M = EL2t
    ///                    | taken     | taken     | refused, IL = 1
    ///   SPSR of 0x0e   NZCV 1011   DAIF 1011   M = EL1h
    /// ```
    ///
    /// An emulator that writes it as "if illegal, set IL and stop" loses the flags and, worse, the
    /// masks: a return that meant to unmask interrupts leaves them masked. The guest then no longer
    /// takes its timer, which looks like a hang somewhere else.
    "exception.illegal_return_flags": "an illegal return still takes N, Z, C, V and D, A, I, F";
    reference: "DDI 0487: SetPSTATEFromPSR, AArch64.ExceptionReturn";
    needs: Needs::NONE;
    fn illegal_return_flags() {
        let flags = 0b1011 << 28;
        let masks = DAIF & !A; // all four were set before
        let (trap, _) = return_with(flags | masks | Mode::El2t.bits());
        check_eq!(trap.spsr & NZCV, flags, "SPSR_EL1.NZCV");
        check_eq!(trap.spsr & DAIF, masks, "SPSR_EL1.DAIF");
    }
}

case! {
    /// SPSR_EL1.IL is an ordinary bit that ERET takes over into PSTATE. Set in an otherwise legal
    /// return, it asks for just that: the instruction at ELR_EL1 is not executed but takes EC 0x0e.
    /// So the state survives being saved and restored, and a hypervisor can pass it on, by
    /// SPSR_EL2, to a guest that it interrupted in that state.
    ///
    /// The case returns to EL1h with IL set by hand and wants the same as after an illegal return:
    /// EC 0x0e, ELR at the target, SPSR_EL1.IL set, mode EL1h.
    ///
    /// ```text
    ///   eret, SPSR = EL1h | IL --> legal, PSTATE.IL = 1
    ///   target: nop            --> EC 0x0e, SPSR.IL = 1, not executed
    /// ```
    ///
    /// A hypervisor that masks SPSR_EL2 down to flags and mode drops IL. A guest that was
    /// interrupted between an illegal ERET and its exception then goes on as if nothing were wrong,
    /// at the wrong level: a rare fault that depends on the moment of the interrupt. An emulator
    /// that looks at IL on exceptions only, and not before each instruction, executes the target
    /// first.
    "exception.il_in_spsr": "ERET with SPSR.IL set: the target's first instruction takes EC 0x0e";
    reference: "DDI 0487: SetPSTATEFromPSR (PSTATE.IL = spsr.IL); PSTATE.IL";
    needs: Needs::NONE;
    fn il_in_spsr() {
        check_illegal(IL | DAIF | Mode::El1h.bits(), "IL set by hand");
    }
}
