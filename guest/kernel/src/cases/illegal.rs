//! Illegal exception returns: an SPSR that names no place to go.

use core::arch::asm;

use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::pstate::{AARCH32, DAIF, IL, MODE, Mode, NZCV};

use crate::trap::{After, Trap, catch};
use crate::{case, check_eq};

/// ERET with `spsr` to the next instruction, which then takes the exception.
fn return_with(spsr: u64) -> (Trap, u64) {
    let mut target = 0;
    let trap = catch(After::Handler(|frame| frame.spsr &= !IL), || {
        // SAFETY: an illegal return stays at EL1 with the same stack pointer; the exception that
        // follows is announced, and its handler clears PSTATE.IL.
        unsafe {
            asm!(
                "adr {target}, 2f",
                "msr elr_el1, {target}",
                "msr spsr_el1, {spsr}",
                "eret",
                "2: nop",
                target = inout(reg) target,
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
    check_eq!(trap.elr, target, "ELR_EL1 with SPSR {:#x}", spsr);
    check_eq!(trap.spsr & IL, IL, "SPSR_EL1.IL with SPSR {:#x}", spsr);
    check_eq!(trap.spsr & MODE, Mode::El1h.bits(), "SPSR_EL1.M with SPSR {:#x}", spsr);
}

case! {
    /// ERET to a higher level, to a mode that does not exist, or to AArch32 with M[3:0] reserved
    /// is an illegal return: the branch to ELR is done, level and stack pointer stay, PSTATE.IL
    /// is set, and the next instruction takes an exception of class 0x0e, whatever it is.
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
    /// The flags and masks of an illegal return's SPSR are taken over all the same; only what
    /// cannot be is not.
    "exception.illegal_return_flags": "an illegal return still takes N, Z, C, V and D, A, I, F";
    reference: "DDI 0487: SetPSTATEFromPSR, AArch64.ExceptionReturn";
    needs: Needs::NONE;
    fn illegal_return_flags() {
        let flags = 0b1011 << 28;
        let (trap, _) = return_with(flags | DAIF | Mode::El2t.bits());
        check_eq!(trap.spsr & NZCV, flags, "SPSR_EL1.NZCV");
        check_eq!(trap.spsr & DAIF, DAIF, "SPSR_EL1.DAIF");
    }
}

case! {
    /// SPSR.IL set in an otherwise legal return asks for just that: the instruction at ELR takes
    /// the exception. It is how a hypervisor passes an illegal state on to its guest.
    "exception.il_in_spsr": "ERET with SPSR.IL set: the target's first instruction takes EC 0x0e";
    reference: "DDI 0487: SetPSTATEFromPSR (PSTATE.IL = spsr.IL); PSTATE.IL";
    needs: Needs::NONE;
    fn il_in_spsr() {
        check_illegal(IL | DAIF | Mode::El1h.bits(), "IL set by hand");
    }
}
