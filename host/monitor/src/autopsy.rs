//! What is known of a guest that stopped where it should not have: its registers, the last exits
//! and the instruction at the PC.

use crate::cpu::{Cpu, X};
use crate::trap::mmio;
use anyvisor_arch::esr::Esr;
use anyvisor_arch::pstate::Spsr;
use applevisor::prelude::{Reg, SysReg};
use std::fmt::Write;

/// The system registers that tell where a guest stands.
const SYSTEM: [(&str, SysReg); 13] = [
    ("sp_el0", SysReg::SP_EL0),
    ("sp_el1", SysReg::SP_EL1),
    ("elr_el1", SysReg::ELR_EL1),
    ("spsr_el1", SysReg::SPSR_EL1),
    ("esr_el1", SysReg::ESR_EL1),
    ("far_el1", SysReg::FAR_EL1),
    ("vbar_el1", SysReg::VBAR_EL1),
    ("sctlr_el1", SysReg::SCTLR_EL1),
    ("tcr_el1", SysReg::TCR_EL1),
    ("ttbr0_el1", SysReg::TTBR0_EL1),
    ("ttbr1_el1", SysReg::TTBR1_EL1),
    ("cntv_ctl", SysReg::CNTV_CTL_EL0),
    ("cntv_cval", SysReg::CNTV_CVAL_EL0),
];

/// Registers in a line of the report.
const COLUMNS: usize = 4;

impl Cpu {
    /// The report, some lines of text. What cannot be read is left out.
    pub(crate) fn autopsy(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = self.write_registers(&mut out);
        let _ = self.write_exits(&mut out);
        out
    }

    fn write_registers(&self, out: &mut String) -> std::fmt::Result {
        let read = |reg| self.vcpu.get_reg(reg).unwrap_or_default();
        let (pc, cpsr) = (read(Reg::PC), Spsr(read(Reg::CPSR)));
        writeln!(out, "pc   {pc:#018x}  {}", self.instruction(pc))?;
        writeln!(out, "cpsr {:#018x}  {cpsr}", cpsr.0)?;
        let general = X.iter().enumerate().map(|(n, reg)| (format!("x{n}"), read(*reg)));
        let system = SYSTEM.iter().filter_map(|(name, reg)| {
            Some(((*name).to_string(), self.vcpu.get_sys_reg(*reg).ok()?))
        });
        columns(out, 4, general)?;
        columns(out, 9, system)?;
        if let Ok(esr) = self.vcpu.get_sys_reg(SysReg::ESR_EL1)
            && esr != 0
        {
            writeln!(out, "esr_el1: {}", Esr(esr))?;
            // A guest whose vectors lead nowhere stands at a vector: who faulted is at ELR_EL1.
            let elr = self.vcpu.get_sys_reg(SysReg::ELR_EL1).unwrap_or_default();
            writeln!(out, "at elr_el1 {elr:#018x}: {}", self.instruction(elr))?;
        }
        Ok(())
    }

    fn write_exits(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "exits: {}", self.record.counts)?;
        for entry in self.record.last() {
            writeln!(out, "  {entry}")?;
        }
        Ok(())
    }

    /// The instruction at `pc`, or why it cannot be had.
    fn instruction(&self, pc: u64) -> String {
        match mmio::fetch(self, pc) {
            Ok(Some(word)) => format!("{word:#010x}  {}", anyvisor_cpu::text(word, pc)),
            Ok(None) => "not in RAM".into(),
            Err(error) => error.to_string(),
        }
    }
}

fn columns(
    out: &mut String,
    width: usize,
    registers: impl Iterator<Item = (String, u64)>,
) -> std::fmt::Result {
    for (i, (name, value)) in registers.enumerate() {
        let separator = match i % COLUMNS {
            0 if i == 0 => "",
            0 => "\n",
            _ => "  ",
        };
        write!(out, "{separator}{name:width$} {value:#018x}")?;
    }
    writeln!(out)
}
