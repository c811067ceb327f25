//! What cannot be compared, each with its reason. Everything else must agree.

use crate::case::{End, Outcome};
use anyvisor_arch::sysreg::Encoding;
use anyvisor_cpu::a64::Row;

/// Rows that the oracle has no answer for.
pub const ROWS: [(&str, &str); 1] =
    [("Svc", "it is a system call: what comes back is the kernel's")];

/// Rows of which every word is UNDEFINED, or trapped, at EL0.
pub const NEVER_AT_EL0: [&str; 4] = ["Eret", "Hvc", "Smc", "MsrImm"];

/// The oracle does not check the alignment of LDAR and STLR, so that they are aligned here.
pub const ORDERED_ALIGNMENT: bool = true;

/// op1:CRn:CRm:op2 of DC ZVA, CVAC, CVAU, CIVAC and IC IVAU.
pub const CACHE_OPERATIONS: [u32; 5] = [0x1ba1, 0x1bd1, 0x1bd9, 0x1bf1, 0x1ba9];

/// Whether a word of `row` is left out.
pub fn word(row: Row, word: u32) -> bool {
    let field = |lsb: u32| word >> lsb & 31;
    let (rt, rn, rt2, rs) = (field(0), field(5), field(10), field(16));
    let load = word & 1 << 22 != 0;
    match row.name() {
        // CONSTRAINED UNPREDICTABLE: write-back to a register that is transferred; a register
        // loaded twice; the status of a store exclusive in a register that it uses.
        "LoadStoreImm9" => word & 1 << 10 != 0 && rn == rt && rn != 31,
        "LoadStorePair" => {
            let writeback = word & 1 << 23 != 0;
            load && rt == rt2 || writeback && rn != 31 && (rn == rt || rn == rt2)
        }
        "Exclusive" => !load && (rs == rt || rs == rn && rn != 31),
        "ExclusivePair" if load => rt == rt2,
        "ExclusivePair" => rs == rt || rs == rt2 || rs == rn && rn != 31,
        // The oracle does nothing with an address that it does not need, so that it does not
        // fault; XZR would be such an address.
        "Sys" => CACHE_OPERATIONS[1..].contains(&(word >> 5 & 0x3fff)) && rt == 31,
        "Mrs" | "MsrReg" => system_register(Encoding::of_instruction(word)),
        _ => false,
    }
}

/// Registers that differ from machine to machine.
pub fn system_register(encoding: Encoding) -> bool {
    match (encoding.op0(), encoding.op1(), encoding.crn(), encoding.crm(), encoding.op2()) {
        // Linux shows ID registers to programs by emulation.
        (3, 0, 0, _, _) => true,
        // CTR_EL0: cache lines of a Cortex-A57.
        (3, 3, 0, 0, 1) => true,
        // Counters and timers: time.
        (3, 3, 14, _, _) => true,
        // PMUSERENR_EL0 can be read at EL0; we have no PMU.
        (3, 3, 9, 14, 0) => true,
        // Debug communication: EL0's access is a matter of MDSCR_EL1.TDCC and the debugger.
        (2, 3, 0, _, _) => true,
        _ => false,
    }
}

/// Words that we do not have and QEMU's user mode has: HLT #0xf000, its semihosting.
pub fn unallocated(word: u32) -> bool {
    word == 0xd45e_0000
}

/// Takes out of two outcomes what the manual leaves open.
pub fn level(ours: &mut Outcome, theirs: &mut Outcome) {
    if let (End::Abort(a), End::Abort(b)) = (&mut ours.end, &mut theirs.end) {
        // A store that aborts may have written what it could (STP, and what crosses a page).
        theirs.state.window = ours.state.window;
        // Linux clears the tag of a fault address. From 47 bits on an x86 host does not know it.
        let tag = 0xff << 56;
        *a &= !tag;
        *b &= !tag;
        if (*a + 16) >> 47 != 0 {
            *b = *a;
        }
    }
}
