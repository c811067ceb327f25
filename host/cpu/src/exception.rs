//! Exception entry and return at EL1 (DDI 0487 D1.3; `AArch64.TakeException`,
//! `AArch64.ExceptionReturn`).
//!
//! ```text
//!   entry                                   return (ERET)
//!   SPSR_EL1 <- PSTATE                      PSTATE <- SPSR_EL1, if that is a legal state;
//!   ELR_EL1  <- return address                        else only flags and masks, and IL <- 1
//!   ESR_EL1, FAR_EL1 <- what happened       PC     <- ELR_EL1
//!   PSTATE: EL1h, DAIF set, IL, SS, UAO, BTYPE clear    the exclusive monitor is cleared
//!   PC <- VBAR_EL1 + vector offset
//! ```

use crate::debug;
use crate::state::{Cpu, Pstate};
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::pstate::{self, Mode, Spsr, Vector};
use anyvisor_arch::sctlr;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_bugs::{Bug, is};

/// A synchronous exception to be taken at EL1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// For ESR_EL1.
    pub syndrome: Esr,
    /// For FAR_EL1, where the exception has an address.
    pub far: Option<u64>,
    /// For ELR_EL1.
    pub return_address: u64,
}

/// DISR_EL1.A: an error was deferred; the bits below are its ISS, where ESR_EL1 has them.
const DISR_A: u64 = 1 << 31;

impl Cpu {
    /// Takes a synchronous exception to EL1.
    pub fn take_exception(&mut self, exception: &Exception) {
        self.set(SysReg::ESR_EL1, exception.syndrome.0);
        if let Some(far) = exception.far
            && !is(Bug::FarNotSet)
        {
            self.set(SysReg::FAR_EL1, far);
        }
        self.enter_vector(Vector::Synchronous, exception.return_address);
    }

    /// Takes an IRQ or FIQ to EL1, before the instruction at PC.
    pub fn take_interrupt(&mut self, vector: Vector) {
        self.enter_vector(vector, self.pc);
    }

    /// Takes the SError interrupt that waits, before the instruction at PC: `iss` is what ESR_EL1
    /// says of it.
    pub fn take_serror(&mut self, iss: u64) {
        self.serror = None;
        self.set(SysReg::ESR_EL1, Esr::new(ExceptionClass::SError, iss).0);
        self.enter_vector(Vector::SError, self.pc);
    }

    /// ESB: an SError interrupt that waits and is masked is written down in DISR_EL1 instead of
    /// being taken (`AArch64.ESBOperation`).
    pub fn synchronize_errors(&mut self) {
        if self.pstate.any(pstate::A)
            && let Some(iss) = self.serror.take()
        {
            self.set(SysReg::DISR_EL1, DISR_A | iss);
        }
    }

    fn enter_vector(&mut self, vector: Vector, return_address: u64) {
        let from = Spsr(self.pstate.0).mode().unwrap_or(Mode::El1h);
        let from = if is(Bug::VectorOfSp0) && from == Mode::El1t { Mode::El1h } else { from };
        self.set(SysReg::SPSR_EL1, self.pstate.0);
        self.set(SysReg::ELR_EL1, return_address);
        let mut next = self.pstate;
        next.put(pstate::DAIF, true);
        if is(Bug::FiqOpenOnEntry) {
            next.put(pstate::F, false);
        }
        next.put(pstate::SS | pstate::IL | pstate::UAO | pstate::BTYPE, false);
        if is(Bug::UaoKeptOnEntry) {
            next.0 |= self.pstate.0 & pstate::UAO;
        }
        let control = self.get(SysReg::SCTLR_EL1);
        // SCTLR_EL1.SPAN = 0: PAN is set on entry to EL1.
        if control & sctlr::SPAN == 0 && !is(Bug::PanNotSetOnEntry) {
            next.put(pstate::PAN, true);
        }
        next.put(pstate::SSBS, control & sctlr::DSSBS != 0);
        next.0 = next.0 & !pstate::MODE | Mode::El1h.bits();
        self.set_pstate(next);
        let entry = self.get(SysReg::VBAR_EL1).wrapping_add(pstate::vector_offset(from, vector));
        // `BranchTo`: VBAR's tag byte is not part of the PC where TBI ignores it.
        self.pc = self.regime.branch_address(entry);
    }

    /// ERET at EL1, to `target`: ELR_EL1, authenticated if the instruction says so.
    pub fn exception_return(&mut self, target: u64) {
        let spsr = Spsr(self.get(SysReg::SPSR_EL1));
        let state = spsr.0 & self.spsr_fields();
        let next = match spsr.mode() {
            Some(Mode::El0t | Mode::El1t | Mode::El1h) => state,
            _ if is(Bug::IllegalReturnUnmarked) => {
                state & !(pstate::MODE | pstate::SS) | self.pstate.0 & pstate::MODE
            }
            // Illegal: the level and the stack pointer stay, PSTATE.IL is set.
            _ => {
                let kept = self.pstate.0 & pstate::MODE;
                state & !(pstate::MODE | pstate::SS) | kept | pstate::IL
            }
        };
        let stepped = debug::return_ss(self, spsr.0, false);
        let ss = if stepped { pstate::SS } else { 0 };
        self.set_pstate(Pstate(next & !pstate::SS | ss));
        self.pc = self.regime.branch_address(target);
        if !is(Bug::ExclusiveKept) {
            self.exclusive = None;
        }
        self.event = !is(Bug::EventLostOnReturn);
    }

    /// An exception of `class` with an empty ISS, at the current instruction.
    pub fn here(&self, class: ExceptionClass, far: Option<u64>) -> Exception {
        Exception { syndrome: Esr::new(class, 0), far, return_address: self.pc }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyvisor_arch::tcr;

    #[test]
    fn a_tag_in_vbar_is_not_part_of_the_pc() {
        let mut cpu = Cpu::new(36, 0);
        cpu.set(SysReg::VBAR_EL1, 0x5a00_0000_4000_0000);
        cpu.take_interrupt(Vector::Irq);
        assert_eq!(cpu.pc, 0x5a00_0000_4000_0280, "TBI0 = 0");
        cpu.set(SysReg::TCR_EL1, tcr::TBI0);
        cpu.regime_changed();
        cpu.take_interrupt(Vector::Irq);
        assert_eq!(cpu.pc, 0x4000_0280);
    }

    #[test]
    fn an_serror_is_taken_or_deferred() {
        let mut cpu = Cpu::new(36, 0);
        cpu.serror = Some(0x100_0012);
        cpu.pc = 0x1234;
        // Everything is masked after reset.
        cpu.synchronize_errors();
        assert_eq!(cpu.serror, None);
        assert_eq!(cpu.get(SysReg::DISR_EL1), 0x8100_0012);
        cpu.serror = Some(0x7);
        cpu.pstate.put(pstate::A, false);
        cpu.synchronize_errors();
        assert_eq!(cpu.serror, Some(0x7), "unmasked it is to be taken");
        cpu.take_serror(0x7);
        assert_eq!(cpu.get(SysReg::ESR_EL1), 0xbe00_0007);
        assert_eq!((cpu.pc, cpu.get(SysReg::ELR_EL1)), (0x380, 0x1234));
        assert!(cpu.pstate.any(pstate::A));
    }
}
