//! The state of a vCPU after reset, noted when it is new and put back when it is switched on.
//!
//! A vCPU that goes off and on again, or through a reset of the machine, stays the same object of
//! the framework, which has no call to reset it. What a register's reset value is, is the
//! framework's to say: it is read once, before the vCPU has run.
//!
//! Left out, because it is UNKNOWN after a reset and no software may rely on it: the SIMD
//! registers. Left out, because the API has no call for them: the performance monitors, which
//! Apple's framework never shows. The CPU interface's pending state is not a register of it but of the distributor.

use applevisor::prelude::{GicIccReg, HypervisorError, Reg, SysReg, Vcpu};

/// The system registers that a guest can change, but for those in numbered groups.
const SYSTEM: [SysReg; 35] = [
    SysReg::ACTLR_EL1,
    SysReg::MDCCINT_EL1,
    SysReg::MDSCR_EL1,
    SysReg::SCTLR_EL1,
    SysReg::CPACR_EL1,
    SysReg::TTBR0_EL1,
    SysReg::TTBR1_EL1,
    SysReg::TCR_EL1,
    SysReg::APIAKEYLO_EL1,
    SysReg::APIAKEYHI_EL1,
    SysReg::APIBKEYLO_EL1,
    SysReg::APIBKEYHI_EL1,
    SysReg::APDAKEYLO_EL1,
    SysReg::APDAKEYHI_EL1,
    SysReg::APDBKEYLO_EL1,
    SysReg::APDBKEYHI_EL1,
    SysReg::APGAKEYLO_EL1,
    SysReg::APGAKEYHI_EL1,
    SysReg::SPSR_EL1,
    SysReg::ELR_EL1,
    SysReg::SP_EL0,
    SysReg::SP_EL1,
    SysReg::AFSR0_EL1,
    SysReg::AFSR1_EL1,
    SysReg::ESR_EL1,
    SysReg::FAR_EL1,
    SysReg::PAR_EL1,
    SysReg::MAIR_EL1,
    SysReg::AMAIR_EL1,
    SysReg::VBAR_EL1,
    SysReg::CONTEXTIDR_EL1,
    SysReg::TPIDR_EL1,
    SysReg::TPIDR_EL0,
    SysReg::TPIDRRO_EL0,
    SysReg::CNTKCTL_EL1,
];

/// The rest of them, after the others: CSSELR_EL1 and the timers, whose controls come last.
const LAST: [SysReg; 3] = [SysReg::CSSELR_EL1, SysReg::CNTV_CVAL_EL0, SysReg::CNTV_CTL_EL0];

/// The physical timer, which exists with a GIC only.
const WITH_GIC: [SysReg; 2] = [SysReg::CNTP_CVAL_EL0, SysReg::CNTP_CTL_EL0];

/// Control registers of breakpoints and watchpoints; a comparison that is off compares nothing,
/// so their values need not be put back.
const DEBUG: [SysReg; 32] = [
    SysReg::DBGBCR0_EL1,
    SysReg::DBGBCR1_EL1,
    SysReg::DBGBCR2_EL1,
    SysReg::DBGBCR3_EL1,
    SysReg::DBGBCR4_EL1,
    SysReg::DBGBCR5_EL1,
    SysReg::DBGBCR6_EL1,
    SysReg::DBGBCR7_EL1,
    SysReg::DBGBCR8_EL1,
    SysReg::DBGBCR9_EL1,
    SysReg::DBGBCR10_EL1,
    SysReg::DBGBCR11_EL1,
    SysReg::DBGBCR12_EL1,
    SysReg::DBGBCR13_EL1,
    SysReg::DBGBCR14_EL1,
    SysReg::DBGBCR15_EL1,
    SysReg::DBGWCR0_EL1,
    SysReg::DBGWCR1_EL1,
    SysReg::DBGWCR2_EL1,
    SysReg::DBGWCR3_EL1,
    SysReg::DBGWCR4_EL1,
    SysReg::DBGWCR5_EL1,
    SysReg::DBGWCR6_EL1,
    SysReg::DBGWCR7_EL1,
    SysReg::DBGWCR8_EL1,
    SysReg::DBGWCR9_EL1,
    SysReg::DBGWCR10_EL1,
    SysReg::DBGWCR11_EL1,
    SysReg::DBGWCR12_EL1,
    SysReg::DBGWCR13_EL1,
    SysReg::DBGWCR14_EL1,
    SysReg::DBGWCR15_EL1,
];

/// The GIC's CPU interface. The groups are disabled first, that nothing is signalled half-way.
const INTERFACE: [GicIccReg; 8] = [
    GicIccReg::IGRPEN0_EL1,
    GicIccReg::IGRPEN1_EL1,
    GicIccReg::CTLR_EL1,
    GicIccReg::PMR_EL1,
    GicIccReg::BPR0_EL1,
    GicIccReg::BPR1_EL1,
    GicIccReg::AP0R0_EL1,
    GicIccReg::AP1R0_EL1,
];

/// What a vCPU was like when it was new.
#[derive(Debug)]
pub struct ResetState {
    system: Vec<(SysReg, u64)>,
    interface: Vec<(GicIccReg, u64)>,
    floating: [u64; 2],
    vtimer_offset: u64,
}

impl ResetState {
    /// Notes the state of a vCPU that has not run.
    ///
    /// # Errors
    /// The framework's.
    pub fn of(vcpu: &Vcpu, gic: bool) -> Result<Self, HypervisorError> {
        let all = DEBUG.iter().chain(&SYSTEM).chain(&LAST);
        let more = if gic { &WITH_GIC[..] } else { &[] };
        // A register that this framework does not have cannot have been changed either.
        let system = all.chain(more).filter_map(|&reg| Some((reg, vcpu.get_sys_reg(reg).ok()?)));
        let interface = INTERFACE.iter().filter(|_| gic);
        let interface = interface.filter_map(|&reg| Some((reg, vcpu.get_icc_reg(reg).ok()?)));
        Ok(Self {
            system: system.collect(),
            interface: interface.collect(),
            floating: [vcpu.get_reg(Reg::FPCR)?, vcpu.get_reg(Reg::FPSR)?],
            vtimer_offset: vcpu.get_vtimer_offset()?,
        })
    }

    /// Disables both groups of the CPU interface, where there is a GIC.
    ///
    /// # Errors
    /// The framework's.
    pub fn disable_groups(&self, vcpu: &Vcpu) -> Result<(), HypervisorError> {
        if self.interface.is_empty() {
            return Ok(());
        }
        vcpu.set_icc_reg(GicIccReg::IGRPEN0_EL1, 0)?;
        vcpu.set_icc_reg(GicIccReg::IGRPEN1_EL1, 0)
    }

    /// Puts it back.
    ///
    /// # Errors
    /// The framework's.
    pub fn put_back(&self, vcpu: &Vcpu) -> Result<(), HypervisorError> {
        for &(reg, value) in &self.system {
            vcpu.set_sys_reg(reg, value)?;
        }
        for &(reg, value) in &self.interface {
            vcpu.set_icc_reg(reg, value)?;
        }
        vcpu.set_reg(Reg::FPCR, self.floating[0])?;
        vcpu.set_reg(Reg::FPSR, self.floating[1])?;
        vcpu.set_vtimer_offset(self.vtimer_offset)?;
        vcpu.set_vtimer_mask(false)
    }
}
