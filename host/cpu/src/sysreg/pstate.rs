//! The registers that show PSTATE and the stack pointers, and MSR (immediate), which writes
//! single fields of it.

use super::{Refusal, traps};
use crate::emit::PstateField;
use crate::state::{Cpu, Pstate};
use anyvisor_arch::esr::{Esr, SystemAccess};
use anyvisor_arch::pstate::{A, CURRENT_EL_SHIFT, DAIF, DIT, F, I, NZCV, PAN, SPSEL_SP, SSBS, UAO};
use anyvisor_arch::sctlr;
use anyvisor_arch::sysreg::{Encoding, View};
use anyvisor_bugs::{Bug, is};

/// What a view of PSTATE reads as.
pub(super) fn read(cpu: &Cpu, view: View) -> u64 {
    let field = |mask: u64| cpu.pstate.0 & mask;
    match view {
        View::CurrentEl => u64::from(cpu.pstate.el()) << CURRENT_EL_SHIFT,
        View::SpSel => cpu.pstate.sp_index() as u64,
        View::Daif => field(DAIF),
        View::Nzcv => field(NZCV),
        View::Pan => field(PAN),
        View::Uao => field(UAO),
        View::Dit => field(DIT),
        View::Ssbs => field(SSBS),
        View::SpEl0 => cpu.sp[0],
        View::SpEl1 => cpu.sp[1],
        // ISR_EL1 has A, I and F where PSTATE has their masks.
        View::Interrupts => {
            let bit = |pending, bit| if pending { bit } else { 0 };
            bit(cpu.serror.is_some(), A) | bit(cpu.irq_line(), I) | bit(cpu.fiq_line(), F)
        }
    }
}

/// Writes through a view of PSTATE; nothing for one that is read-only.
pub(super) fn write(cpu: &mut Cpu, view: View, value: u64) {
    match view {
        View::SpSel => cpu.pstate.put(SPSEL_SP, value & SPSEL_SP != 0),
        View::Daif => replace(cpu, DAIF, value),
        View::Nzcv => replace(cpu, NZCV, value),
        View::Pan => replace(cpu, PAN, value),
        View::Uao => replace(cpu, UAO, value),
        View::Dit => replace(cpu, DIT, value),
        View::Ssbs => replace(cpu, SSBS, value),
        View::SpEl0 => cpu.sp[0] = value,
        View::SpEl1 => cpu.sp[1] = value,
        View::CurrentEl | View::Interrupts => {}
    }
}

/// MSR (immediate): `imm` is CRm.
///
/// # Errors
/// At EL0: DAIFSet and DAIFClr without SCTLR_EL1.UMA trap to EL1, SPSel, PAN and UAO are
/// UNDEFINED.
pub fn write_immediate(cpu: &mut Cpu, field: PstateField, imm: u32) -> Result<(), Refusal> {
    let el0 = cpu.pstate.el() == 0;
    let trapped = el0 && !traps::sctlr_has(cpu, if is(Bug::UmaIgnored) { !0 } else { sctlr::UMA });
    let imm = u64::from(imm);
    let masks = imm << F.trailing_zeros() & DAIF;
    match field {
        PstateField::SpSel | PstateField::Pan | PstateField::Uao if el0 => {
            return Err(Refusal::Undefined);
        }
        PstateField::DaifSet | PstateField::DaifClr if trapped => {
            return Err(Refusal::Trap(syndrome(field, imm)));
        }
        PstateField::SpSel => cpu.pstate.put(SPSEL_SP, imm & 1 != 0),
        PstateField::Pan => replace(cpu, PAN, imm << PAN.trailing_zeros()),
        PstateField::DaifSet => cpu.pstate.put(masks, true),
        PstateField::DaifClr => cpu.pstate.put(masks, false),
        PstateField::Uao => replace(cpu, UAO, imm << UAO.trailing_zeros()),
        PstateField::Ssbs => replace(cpu, SSBS, imm << SSBS.trailing_zeros()),
        PstateField::Dit => replace(cpu, DIT, imm << DIT.trailing_zeros()),
    }
    Ok(())
}

/// The syndrome of a trapped MSR (immediate): op0 is 0, Rt is 31 (DDI 0487, the encoding of MSR
/// immediate), CRm the immediate.
fn syndrome(field: PstateField, imm: u64) -> Esr {
    let (op1, op2) = match field {
        PstateField::SpSel => (0, 5),
        PstateField::Pan => (0, 4),
        PstateField::Uao => (0, 3),
        PstateField::Ssbs => (3, 1),
        PstateField::Dit => (3, 2),
        PstateField::DaifSet => (3, 6),
        PstateField::DaifClr => (3, 7),
    };
    let encoding = Encoding::new(0, op1, 4, (imm & 0xf) as u16, op2);
    Esr::system(SystemAccess { encoding, rt: 31, read: false })
}

/// Replaces the bits of `mask`. PAN is a part of what address translation derives.
fn replace(cpu: &mut Cpu, mask: u64, value: u64) {
    let pstate = Pstate(cpu.pstate.0 & !mask | value & mask);
    if mask & PAN != 0 { cpu.set_pstate(pstate) } else { cpu.pstate = pstate }
}
