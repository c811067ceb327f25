//! Giving the guest an UNDEFINED exception, as if the hardware had raised it: AArch64.TakeException
//! to EL1 with EC 0.

use crate::cpu::Cpu;
use anyvisor_arch::esr::Esr;
use anyvisor_arch::pstate::{self, Mode, Spsr, Vector};
use anyvisor_arch::sctlr;
use applevisor::prelude::{HypervisorError, Reg, SysReg};

/// Enters the guest's vector for a synchronous exception at the current instruction.
pub fn inject(cpu: &Cpu) -> Result<(), HypervisorError> {
    let vcpu = &cpu.vcpu;
    let (pc, cpsr) = (vcpu.get_reg(Reg::PC)?, vcpu.get_reg(Reg::CPSR)?);
    let control = vcpu.get_sys_reg(SysReg::SCTLR_EL1)?;
    let vectors = vcpu.get_sys_reg(SysReg::VBAR_EL1)?;
    vcpu.set_sys_reg(SysReg::ELR_EL1, pc)?;
    vcpu.set_sys_reg(SysReg::SPSR_EL1, cpsr)?;
    vcpu.set_sys_reg(SysReg::ESR_EL1, Esr::unknown().0)?;
    let from = Spsr(cpsr).mode().unwrap_or(Mode::El1h);
    let offset = pstate::vector_offset(from, Vector::Synchronous);
    vcpu.set_reg(Reg::PC, vectors.wrapping_add(offset))?;
    vcpu.set_reg(Reg::CPSR, on_entry(cpsr, control))
}

/// PSTATE after the entry: EL1h, everything masked, no step, no IL, UAO or BTYPE; PAN stays, or is
/// set if SCTLR_EL1.SPAN is 0; SSBS is SCTLR_EL1.DSSBS; the flags and DIT stay.
fn on_entry(cpsr: u64, sctlr: u64) -> u64 {
    let kept = Spsr(cpsr & (pstate::NZCV | pstate::DIT | pstate::PAN));
    let pan = kept.has(pstate::PAN) || sctlr & sctlr::SPAN == 0;
    let entered = kept.with(pstate::PAN, pan).with(pstate::SSBS, sctlr & sctlr::DSSBS != 0);
    entered.0 | pstate::RESET
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_masks_everything_and_keeps_the_flags() {
        let el0 = pstate::Z | pstate::SS | pstate::IL;
        assert_eq!(on_entry(el0, sctlr::SPAN), pstate::Z | pstate::RESET);
        assert_eq!(on_entry(el0, 0), pstate::Z | pstate::PAN | pstate::RESET);
        assert_eq!(on_entry(pstate::PAN, sctlr::SPAN), pstate::PAN | pstate::RESET);
    }
}
