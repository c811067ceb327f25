//! What address translation derives from the control registers, kept until one of them changes.

use super::rights::{R0, R1, R1_PAN, W0, W1, W1_PAN, X0, X1};
use crate::state::{Cpu, Pstate};
use anyvisor_arch::sysreg::SysReg;
use anyvisor_arch::{pstate, sctlr, tcr};

/// The EL1&0 translation regime as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regime {
    /// SCTLR_EL1.M.
    pub enabled: bool,
    /// What TLB entries of address-space-specific pages must match: the ASID, and whether the
    /// MMU is on.
    pub context: u32,
    /// The right that a data read needs now.
    pub read: u16,
    /// The right that a data write needs now.
    pub write: u16,
    /// The right that an instruction fetch needs now.
    pub fetch: u16,
    /// SCTLR_EL1.A: every unaligned access faults.
    pub check_alignment: bool,
    /// SCTLR_EL1.nAA: acquire and release may be unaligned anywhere.
    pub unaligned_ordered: bool,
    /// SCTLR_EL1.SA or SA0 for the current level: SP must be 16-byte aligned as a base.
    pub check_sp: bool,
    /// TCR_EL1.TBI0 and TBI1: the top byte of an address is ignored.
    pub tbi: [bool; 2],
}

/// The bit of [`Regime::context`] that says that the MMU is on.
pub const CONTEXT_ON: u32 = 1 << 16;
/// The bits of [`Regime::context`] that hold the ASID.
pub const CONTEXT_ASID: u32 = 0xffff;

/// The ASID in `value`'s bits 63:48 as TCR_EL1.AS sizes it: that of a TTBR or a TLBI operand.
pub fn asid(tcr: u64, value: u64) -> u32 {
    let mask = if tcr & tcr::AS != 0 { 0xffff } else { 0xff };
    (value >> 48) as u32 & mask
}

impl Regime {
    /// Derives it from `cpu`'s registers.
    pub fn of(cpu: &Cpu) -> Self {
        let control = cpu.get(SysReg::SCTLR_EL1);
        let tcr = cpu.get(SysReg::TCR_EL1);
        let ttbr = if tcr & tcr::A1 != 0 { SysReg::TTBR1_EL1 } else { SysReg::TTBR0_EL1 };
        let enabled = control & sctlr::M != 0;
        let mut regime = Self {
            enabled,
            context: asid(tcr, cpu.get(ttbr)) | if enabled { CONTEXT_ON } else { 0 },
            check_alignment: control & sctlr::A != 0,
            unaligned_ordered: control & sctlr::N_AA != 0,
            tbi: [tcr & tcr::TBI0 != 0, tcr & tcr::TBI1 != 0],
            ..Self::default()
        };
        regime.enter(cpu.pstate, control);
        regime
    }

    /// What the exception level and PSTATE.PAN decide: all that an exception changes. `control`
    /// is SCTLR_EL1.
    #[inline]
    pub fn enter(&mut self, pstate: Pstate, control: u64) {
        (self.read, self.write, self.fetch) = match (pstate.el(), pstate.any(pstate::PAN)) {
            (0, _) => (R0, W0, X0),
            (_, false) => (R1, W1, X1),
            (_, true) => (R1_PAN, W1_PAN, X1),
        };
        let sp_bit = if pstate.el() == 0 { sctlr::SA0 } else { sctlr::SA };
        self.check_sp = control & sp_bit != 0;
    }

    /// The address that a branch to `target` reaches: without its tag (`AArch64.BranchAddr`).
    #[inline(always)]
    pub fn branch_address(&self, target: u64) -> u64 {
        let half = (target >> 55 & 1) as usize;
        if self.tbi[half] { ((target << 8) as i64 >> 8) as u64 } else { target }
    }
}
