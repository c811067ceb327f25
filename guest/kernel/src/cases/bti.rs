//! Branch target identification: an indirect branch into a guarded page must find a landing pad.
//!
//! ```text
//!   BLR, BR --> PSTATE.BTYPE = 01, 10 or 11
//!      --> first instruction in a page with GP = 1:
//!          pad that accepts BTYPE --> executed, BTYPE = 00
//!          anything else          --> EC 0x0d, ISS = BTYPE
//! ```
//!
//! The GP bit is in the guest's stage-1 descriptors and BTYPE in its PSTATE: nothing for the
//! hypervisor to do but to keep both, and to clear BTYPE whenever it steps over an instruction
//! itself.

use core::arch::asm;

use aarch64_cpu::registers::ID_AA64PFR1_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, GP, Granule, UXN};
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::id::pfr1;
use anyvisor_arch::pstate::BTYPE;
use tock_registers::interfaces::Readable;

use crate::access::{RET, write_code};
use crate::mmu::NORMAL;
use crate::mmu::window::Window;
use crate::trap::{After, Trap, try_catch};
use crate::{case, check_eq, skip};

const NOP: u32 = 0xd503_201f;
const BTI: u32 = 0xd503_241f;
const BTI_C: u32 = 0xd503_245f;
const BTI_J: u32 = 0xd503_249f;
const BTI_JC: u32 = 0xd503_24df;
const PACIASP: u32 = 0xd503_233f;
const BR_X9: u32 = 0xd61f_0120;

/// PSTATE.BTYPE after BLR; after BR by a register other than X16 and X17 in a guarded page; after
/// BR by X16, or by any register in a page that is not guarded.
const BLR: u64 = 0b10;
const BR: u64 = 0b11;
const BR_X16: u64 = 0b01;

/// Branches to `target` so that BTYPE is `btype`; there is one instruction and a RET. `springboard`
/// stands in a guarded page: BTI jc, BR X9.
fn branch(target: u64, btype: u64, springboard: u64) -> Option<Trap> {
    // SAFETY: what is called returns at once, or takes the exception that is announced, whose
    // handler returns for it. PACIASP does nothing while SCTLR_EL1.EnIA is 0.
    try_catch(
        After::Handler(|frame| {
            frame.elr = frame.x[30];
            frame.spsr &= !BTYPE;
        }),
        || unsafe {
            match btype {
                BLR => asm!("blr {}", in(reg) target, out("x30") _, options(nostack)),
                BR => asm!(
                    "adr x30, 2f",
                    "br x16",
                    "2:",
                    in("x16") springboard,
                    in("x9") target,
                    out("x30") _,
                    options(nostack)
                ),
                _ => {
                    asm!("adr x30, 2f", "br x16", "2:", in("x16") target, out("x30") _, options(nostack))
                }
            }
        },
    )
}

case! {
    /// In a guarded page (GP = 1) the first instruction behind an indirect branch must accept its
    /// BTYPE: `BTI c` accepts calls and jumps by X16 or X17, `BTI j` jumps, `BTI jc` all. PACIASP
    /// accepts them too while SCTLR_EL1.BT1 is 0. BTI without a letter, and every other
    /// instruction, accept none: EC 0x0d, ISS the BTYPE, ELR_EL1 at the instruction, SPSR_EL1.BTYPE
    /// as it was.
    ///
    /// The case tries six instructions with three kinds of branch, in a guarded and a free page.
    ///
    /// ```text
    ///               BLR (10)   BR (11)   BR X16 (01)
    ///   BTI c       ok         0x0d      ok
    ///   BTI j       0x0d       ok        ok
    ///   BTI jc      ok         ok        ok
    ///   NOP, BTI    0x0d       0x0d      0x0d
    /// ```
    ///
    /// GP is a property of the page at the fetch, so it must be in the TLB entry. BTYPE must
    /// survive an exit in SPSR_EL2. A hypervisor that emulates the access of a function's first
    /// instruction and adds 4 to PC without clearing BTYPE makes the next instruction fault; KVM
    /// clears it when it skips.
    "bti.landing_pads": "in a guarded page only the right landing pad takes a BLR or a BR";
    reference: "DDI 0487: BTI; PSTATE.BTYPE; SCTLR_EL1.BT1; EC 0x0d; stage 1 GP";
    needs: Needs::NONE;
    fn landing_pads() {
        if pfr1::BT.get(ID_AA64PFR1_EL1.get()) == 0 {
            skip!("ID_AA64PFR1_EL1.BT says no BTI");
        }
        const GUARDED: u64 = NORMAL | AF | AP_READ_ONLY | UXN | GP;
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x5000, GUARDED);
        let free = window.page(0x7000, GUARDED & !GP);
        let springboard = window.page(0x9000, GUARDED);
        write_code(springboard.pa, BTI_JC);
        write_code(springboard.pa + 4, BR_X9);
        let pads = [
            (NOP, false, false, false),
            (BTI, false, false, false),
            (BTI_C, true, false, true),
            (BTI_J, false, true, true),
            (BTI_JC, true, true, true),
            (PACIASP, true, true, true),
        ];
        for (pad, call, jump, jump_x16) in pads {
            for (btype, accepted) in [(BLR, call), (BR, jump), (BR_X16, jump_x16)] {
                for (page, guarded) in [(page, true), (free, false)] {
                    write_code(page.pa, pad);
                    write_code(page.pa + 4, RET);
                    match branch(page.va, btype, springboard.va) {
                        None => assert!(
                            accepted || !guarded,
                            "{pad:#x} took a branch with BTYPE {btype:#b}"
                        ),
                        Some(trap) => {
                            assert!(
                                !accepted && guarded,
                                "{pad:#x} refused BTYPE {btype:#b}: {}",
                                trap.esr
                            );
                            let wanted = Esr::new(ExceptionClass::BranchTarget, btype);
                            check_eq!(trap.esr.0, wanted.0, "ESR_EL1 at {:#x}", pad);
                            check_eq!(trap.elr, page.va, "ELR_EL1");
                            check_eq!(trap.spsr & BTYPE, btype << 10, "SPSR_EL1.BTYPE");
                        }
                    }
                }
            }
        }
    }
}
