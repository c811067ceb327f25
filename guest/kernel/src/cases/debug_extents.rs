//! What exactly a comparator compares: which bytes a watchpoint watches, which address it reports,
//! and what a breakpoint means that is linked to a context.

use core::arch::{asm, global_asm};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CONTEXTIDR_EL1, ID_AA64DFR0_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::debug::{bcr, control};
use anyvisor_arch::esr::{Esr, ExceptionClass};
use tock_registers::interfaces::{Readable, Writeable};

use crate::trap::Trap;
use crate::user::{self, User};
use crate::{case, check_eq, image, user_code};

/// MDSCR_EL1: monitor debug events.
const MDE: u64 = 1 << 15;
/// DBGWCR, DBGBCR: enabled, at EL0 (PAC, PMC = 0b10).
const AT_EL0: u64 = 1 | 0b10 << 1;
/// DBGWCR.LSC.
const LOADS: u64 = 0b01 << 3;
const STORES: u64 = 0b10 << 3;
/// DBGBCR.BAS: all four bytes of an instruction.
const INSTRUCTION: u64 = 0xf << 5;
/// DBGBCR.BT: an address that is linked; the context ID that it is linked to.
const LINKED_ADDRESS: u64 = 0b0001;
const LINKED_CONTEXT: u64 = 0b0011;
/// ID_AA64DFR0_EL1.BRPs: breakpoints, less one.
const BRPS_SHIFT: u32 = 12;

macro_rules! set {
    ($register:literal, $value:expr) => {
        // SAFETY: the debug registers are the cases' own; what they provoke is announced.
        unsafe { asm!(concat!("msr ", $register, ", {}"), in(reg) $value, options(nostack)) }
    };
}

/// Sets breakpoint `n`.
fn set_breakpoint(n: u64, value: u64, control: u64) {
    macro_rules! by_number {
        ($($number:literal $value:literal $control:literal,)+) => {
            match n {
                $($number => {
                    set!($value, value);
                    set!($control, control);
                })+
                _ => unreachable!("the field has four bits"),
            }
        };
    }
    by_number!(
        0 "dbgbvr0_el1" "dbgbcr0_el1",
        1 "dbgbvr1_el1" "dbgbcr1_el1",
        2 "dbgbvr2_el1" "dbgbcr2_el1",
        3 "dbgbvr3_el1" "dbgbcr3_el1",
        4 "dbgbvr4_el1" "dbgbcr4_el1",
        5 "dbgbvr5_el1" "dbgbcr5_el1",
        6 "dbgbvr6_el1" "dbgbcr6_el1",
        7 "dbgbvr7_el1" "dbgbcr7_el1",
        8 "dbgbvr8_el1" "dbgbcr8_el1",
        9 "dbgbvr9_el1" "dbgbcr9_el1",
        10 "dbgbvr10_el1" "dbgbcr10_el1",
        11 "dbgbvr11_el1" "dbgbcr11_el1",
        12 "dbgbvr12_el1" "dbgbcr12_el1",
        13 "dbgbvr13_el1" "dbgbcr13_el1",
        14 "dbgbvr14_el1" "dbgbcr14_el1",
        15 "dbgbvr15_el1" "dbgbcr15_el1",
    );
}

/// Runs EL0 at `start`, X1 = `address`, with monitor debug events on, and switches them off.
fn run(start: u64, address: u64) -> Trap {
    set!("oslar_el1", 0_u64);
    set!("mdscr_el1", MDE);
    barrier::isb(barrier::SY);
    let mut user = User::at(start).with(1, address);
    let trap = user::run(&mut user);
    set!("mdscr_el1", 0_u64);
    set!("dbgwcr0_el1", 0_u64);
    barrier::isb(barrier::SY);
    trap
}

fn is_watchpoint(trap: &Trap) -> bool {
    trap.esr.class() == Ok(ExceptionClass::WatchpointLower)
}

case! {
    /// A watchpoint watches bytes, not words: DBGWCR<n>_EL1.BAS has a bit for each byte of the
    /// doubleword that DBGWVR<n>_EL1 names. A store of the byte beside it is no hit, or a debugger
    /// that watches a `char` stops at each change of its neighbours.
    ///
    /// Here each byte of a doubleword is watched in turn, and each stored to: 64 accesses, of which
    /// eight may trap. A hypervisor that lends the watchpoints to the guest must save and restore
    /// all of DBGWCR; one that emulates must compare by byte.
    "debug.watchpoint_bytes": "each bit of DBGWCR<n>_EL1.BAS against a store of each byte: its own traps, no other";
    reference: "DDI 0487: DBGWCR<n>_EL1.BAS; WatchpointByteMatch";
    needs: Needs::NONE;
    fn watchpoint_bytes() {
        let address = image::user_data().start + 0x100;
        for watched in 0..8_u64 {
            for stored in 0..8 {
                set!("dbgwvr0_el1", address);
                set!("dbgwcr0_el1", AT_EL0 | STORES | 1 << (5 + watched));
                let trap = run(user_code!(user_stores_byte), address + stored);
                let hit = is_watchpoint(&trap);
                assert!(
                    hit == (watched == stored),
                    "byte {watched} is watched, byte {stored} stored: {}", trap.esr
                );
                if hit {
                    check_eq!(trap.far, address + stored, "FAR_EL1");
                }
            }
        }
    }
}

case! {
    /// An access may be larger than what is watched, and FAR_EL1 has to lead the debugger to it:
    /// to an address from the access's first byte up to its last watched one, in an aligned block
    /// of memory that holds a watched byte and is no larger than DC ZVA's.
    ///
    /// ```text
    ///            block before        |  block with the watched doubleword
    ///   LDP         [ 8 bytes        |  8 bytes ]
    ///   watched                      | [8 bytes ]        FAR_EL1: in this block
    /// ```
    ///
    /// Here a pair lies over the end of such a block, and only its second half is watched: the
    /// access's own address is the wrong answer.
    "debug.watchpoint_far": "a pair over a block's end with its second half watched: FAR_EL1 is in the second block";
    reference: "DDI 0487: determining the memory location that caused a Watchpoint exception; DCZID_EL0.BS";
    needs: Needs::NONE;
    fn watchpoint_far() {
        let zero_block: u64;
        // SAFETY: reads an ID register.
        unsafe { asm!("mrs {}, dczid_el0", out(reg) zero_block, options(nomem, nostack)) };
        let block = 4_u64 << (zero_block & 0xf);
        let second = (image::user_data().start + 0x100).next_multiple_of(block);
        assert!(image::user_data().contains(&(second + 8)), "a block of {block} bytes is on the page");
        set!("dbgwvr0_el1", second);
        set!("dbgwcr0_el1", AT_EL0 | LOADS | 0xff << 5);
        let trap = run(user_code!(user_loads_pair), second - 8);
        assert!(is_watchpoint(&trap), "the pair: {}", trap.esr);
        let allowed = second..second + 8;
        assert!(allowed.contains(&trap.far), "FAR_EL1 is {:#x}, not in {allowed:#x?}", trap.far);
    }
}

case! {
    /// A debugger of one process asks for an address and a context: an address breakpoint of type
    /// 0b0001 matches only if the breakpoint that its LBN names, of type 0b0011, finds its value in
    /// CONTEXTIDR_EL1, where the kernel keeps the process. The second one alone matches nothing.
    ///
    /// The last breakpoints are those that can hold a context: ID_AA64DFR0_EL1.CTX_CMPs says how
    /// many. A hypervisor that offers fewer breakpoints than the machine has must offer the last.
    "debug.linked": "a breakpoint linked to a context ID matches in that context, and in no other";
    reference: "DDI 0487: DBGBCR<n>_EL1.{BT, LBN}; linked Context ID match; CONTEXTIDR_EL1";
    needs: Needs::NONE;
    fn linked() {
        let last = ID_AA64DFR0_EL1.get() >> BRPS_SHIFT & 0xf;
        let start = user_code!(user_stores_byte);
        let before = CONTEXTIDR_EL1.get();
        let linked = bcr::BT.put(LINKED_ADDRESS) | control::LBN.put(last);
        for (context, hits) in [(5, true), (6, false), (5 << 16, false), (5, true)] {
            CONTEXTIDR_EL1.set(context);
            set_breakpoint(0, start, AT_EL0 | INSTRUCTION | linked);
            set_breakpoint(last, 5, AT_EL0 | INSTRUCTION | bcr::BT.put(LINKED_CONTEXT));
            let trap = run(start, image::user_data().start + 0x100);
            set_breakpoint(0, 0, 0);
            set_breakpoint(last, 0, 0);
            CONTEXTIDR_EL1.set(before);
            let wanted = match hits {
                true => ExceptionClass::BreakpointLower,
                false => ExceptionClass::Svc,
            };
            assert!(trap.esr.class() == Ok(wanted), "CONTEXTIDR_EL1 = {context:#x}: {}", trap.esr);
        }
        // On its own it links nothing, and matches nothing.
        CONTEXTIDR_EL1.set(5);
        set_breakpoint(last, 5, AT_EL0 | INSTRUCTION | bcr::BT.put(LINKED_CONTEXT));
        let trap = run(start, image::user_data().start + 0x100);
        set_breakpoint(last, 0, 0);
        CONTEXTIDR_EL1.set(before);
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Svc, 7).0, "a linked context alone");
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".global user_stores_byte, user_loads_pair",
    "user_stores_byte:",
    "    strb w0, [x1]",
    "    svc #7",
    "user_loads_pair:",
    "    ldp x2, x3, [x1]",
    "    svc #7",
    ".popsection",
);
