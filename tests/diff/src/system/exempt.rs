//! What is left open, or is not the same machine; each with its reason.

use super::cases::Topic;
use super::image::TCR_OF_CASES;
use super::record::{Case, Outcome};
use anyvisor_arch::sysreg::{Encoding, SysReg};

/// Why a register is not written and read.
pub fn register(register: SysReg) -> Option<&'static str> {
    let encoding = register.encoding();
    let place = (encoding.op0(), encoding.op1(), encoding.crn(), encoding.crm(), encoding.op2());
    Some(match place {
        (3, 0, 0, ..) => "identification: another processor",
        (3, 3, 0, 0, _) | (3, 1, 0, ..) | (3, 2, 0, ..) => "caches: another processor's",
        (3, _, 14, ..) => "time, and performance monitors",
        (3, _, 9, 12..=14, _) => "performance monitors: another count",
        (3, _, 12, 8..=12, _) | (3, 0, 4, 6, _) => "interrupt controller: another one",
        (2, ..) => "debug: another number of breakpoints, and what an external debugger sees",
        (3, 0, 1, 0, 0) => "SCTLR_EL1: the executor runs by it",
        (3, 0, 2, 0, 1) => "TTBR1_EL1: the executor runs by it",
        (3, 4.., ..) => "of EL2 and EL3, which neither machine has",
        _ => return None,
    })
}

/// Bits of a register that may be random, and those that stay.
pub fn writable(register: SysReg) -> (u64, u64) {
    match register {
        SysReg::TCR_EL1 => (TCR_OF_CASES, super::image::TCR),
        _ => (u64::MAX, 0),
    }
}

/// Words that are not compared at EL0.
pub fn word(word: u32) -> bool {
    let encoding = Encoding::of_instruction(word);
    let system = word >> 22 == 0x354;
    system
        && encoding.op0() >= 2
        && SysReg::from_encoding(encoding).is_none_or(|r| register(r).is_some())
}

/// Takes out what is left open.
pub fn level(topic: Topic, _case: &Case, ours: &mut Outcome, theirs: &mut Outcome) {
    if topic == Topic::Syndrome {
        // What FAR_EL1 holds after an exception that does not set it is UNKNOWN.
        theirs.far = ours.far;
    }
}
