//! Branch target identification (FEAT_BTI; DDI 0487 D8.4.6, "Branch target identification").
//!
//! ```text
//!   BR, BLR and kin  -->  PSTATE.BTYPE  -->  the next instruction, in a guarded page:
//!                                              a landing pad for this BTYPE   goes on
//!                         01  BR, from outside a guarded page,                or
//!                             or through X16 or X17                           EC 0x0d
//!                         10  BLR
//!                         11  any other BR
//! ```
//!
//! An indirect branch ends its block, so only the first instruction of a block can find BTYPE set;
//! and all instructions but these branches clear it. It is cleared here, before the instruction:
//! an exception that it takes itself saves BTYPE as 0, which the manual allows (ZEROBTYPE), but for
//! a breakpoint instruction, whose SPSR has it as it was.

use super::{Interp, Stopped};
use crate::a64::Pattern;
use crate::emit::Indirect;
use crate::exception::Exception;
use crate::model::Feature;
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::pstate::BTYPE;
use anyvisor_arch::sctlr;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_bugs::{Bug, is};

const BRK: Pattern = Pattern::new("11010100001----------------00000");
const HLT: Pattern = Pattern::new("11010100010----------------00000");
/// BTI, BTI c, BTI j, BTI jc: which in bits 7:6.
const BTI: Pattern = Pattern::new("110101010000001100100100--011111");
/// PACIASP and PACIBSP.
const PACIXSP: Pattern = Pattern::new("1101010100000011001000110-111111");

impl Interp<'_> {
    /// PSTATE.BTYPE after an indirect branch. (Only a model with FEAT_BTI has it.)
    #[inline(always)]
    pub(super) fn set_branch_type(&mut self, how: Indirect) {
        if !self.cpu.processor.model.has(Feature::Bti) {
            return;
        }
        let kind = match how {
            Indirect::Return => 0b00,
            Indirect::Call => 0b10,
            Indirect::Jump(16 | 17) => 0b01,
            Indirect::Jump(_) if self.guarded => 0b11,
            Indirect::Jump(_) => 0b01,
        };
        self.cpu.pstate.0 = self.cpu.pstate.0 & !BTYPE | kind << BTYPE.trailing_zeros();
    }

    /// The first instruction after an indirect branch is `word`.
    #[cold]
    pub(super) fn land(&mut self, word: u32) -> Result<(), Stopped> {
        let kind = (self.cpu.pstate.0 & BTYPE) >> BTYPE.trailing_zeros();
        if self.guarded && !self.is_landing_pad(word, kind) {
            let syndrome = Esr::new(ExceptionClass::BranchTarget, kind);
            let return_address = self.cpu.pc;
            return Err(self.raise(Exception { syndrome, far: None, return_address }));
        }
        if !BRK.matches(word) {
            self.cpu.pstate.put(BTYPE, false);
        }
        Ok(())
    }

    /// `BTypeCompatible`: whether `word` may be reached with a BTYPE of `kind`, 1 to 3.
    fn is_landing_pad(&self, word: u32, kind: u64) -> bool {
        if BTI.matches(word) {
            // Not at all, not by BR, not by BLR, by all.
            let call = kind != 0b11 || is(Bug::BtiCAcceptsJump);
            return [false, call, kind != 0b10, true][(word >> 6 & 3) as usize];
        }
        if PACIXSP.matches(word) {
            let control = if self.cpu.pstate.el() == 0 { sctlr::BT0 } else { sctlr::BT1 };
            return kind != 0b11 || self.cpu.get(SysReg::SCTLR_EL1) & control == 0;
        }
        BRK.matches(word) || HLT.matches(word)
    }
}
