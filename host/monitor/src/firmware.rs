//! The monitor's code in the guest's address space, and CPU_SUSPEND, which needs it.
//!
//! A vCPU that calls CPU_SUSPEND sleeps until an interrupt wakes it. Without a GIC the monitor
//! knows the interrupt lines and sleeps itself. With one only the framework knows them, and it
//! waits inside `hv_vcpu_run` alone, when the guest executes WFI. So the vCPU is sent to a WFI of
//! ours, with the MMU off and interrupts masked, and comes back by a hypercall:
//!
//! ```text
//!   map::FIRMWARE_BASE    wfi        what wakes it is pending, and not taken here
//!                         hvc #0     the exit's PC says who called
//! ```
//!
//! Then the guest's PC, PSTATE and SCTLR_EL1 are put back; nothing else was touched.

use crate::cpu::Cpu;
use crate::ram::Perms;
use crate::run::{Leave, Stop};
use crate::seam;
use crate::trap::{cancel, vtimer, wfx};
use anyvisor_abi::map::{FIRMWARE_BASE, STAGE2_GRANULE};
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::{pstate, sctlr};
use applevisor::memory::{MemPerms, Memory};
use applevisor::prelude::{
    ExitReason, GicDisabled, HypervisorError, Reg, SysReg, VirtualMachineInstance,
};

/// WFI; HVC #0.
const CODE: [u32; 2] = [0xd503_207f, 0xd400_0002];
/// The PC of the exit that says that the wait is over.
const DONE: u64 = FIRMWARE_BASE + 4 * CODE.len() as u64;

/// Maps the code.
///
/// # Errors
/// The framework's.
pub fn map(vm: &VirtualMachineInstance<GicDisabled>) -> Result<Memory, HypervisorError> {
    let mut memory = vm.memory_create(STAGE2_GRANULE as usize)?;
    memory.map(FIRMWARE_BASE, MemPerms::ReadWriteExec)?; // the one value that is passed right
    for (at, word) in (FIRMWARE_BASE..).step_by(4).zip(CODE) {
        memory.write_u32(at, word)?;
    }
    seam::protect(FIRMWARE_BASE, STAGE2_GRANULE as usize, Perms::READ | Perms::EXEC)?;
    Ok(memory)
}

/// CPU_SUSPEND: waits as WFI does.
pub fn suspend(cpu: &mut Cpu) -> Result<(), Leave> {
    if cpu.board.gic.is_none() {
        return Ok(wfx::wait_for_interrupt(cpu)?);
    }
    let kept = [cpu.vcpu.get_reg(Reg::PC)?, cpu.vcpu.get_reg(Reg::CPSR)?];
    let control = cpu.vcpu.get_sys_reg(SysReg::SCTLR_EL1)?;
    cpu.vcpu.set_sys_reg(SysReg::SCTLR_EL1, control & !sctlr::M)?;
    cpu.vcpu.set_reg(Reg::CPSR, pstate::RESET)?;
    cpu.vcpu.set_reg(Reg::PC, FIRMWARE_BASE)?;
    let waited = wait(cpu);
    cpu.vcpu.set_reg(Reg::PC, kept[0])?;
    cpu.vcpu.set_reg(Reg::CPSR, kept[1])?;
    cpu.vcpu.set_sys_reg(SysReg::SCTLR_EL1, control)?;
    waited
}

fn wait(cpu: &mut Cpu) -> Result<(), Leave> {
    loop {
        cpu.vcpu.run()?;
        let exit = cpu.vcpu.get_exit_info();
        match (exit.reason, Esr(exit.exception.syndrome).class()) {
            (ExitReason::CANCELED, _) => {
                cancel::handle(cpu)?;
            }
            (ExitReason::EXCEPTION, Ok(ExceptionClass::Hvc)) if cpu.pc()? == DONE => return Ok(()),
            // A framework whose timer exits all the same: it wakes, too.
            (ExitReason::VTIMER_ACTIVATED, _) => {
                vtimer::activated(cpu);
                return Ok(());
            }
            // A framework whose WFI exits all the same.
            (ExitReason::EXCEPTION, Ok(ExceptionClass::Wait)) => {
                wfx::wait_for_interrupt(cpu)?;
                return Ok(());
            }
            (reason, _) => {
                let (esr, pc) = (Esr(exit.exception.syndrome), cpu.pc()?);
                let why = format!("CPU_SUSPEND ended by {reason:?}, {esr}, PC {pc:#x}");
                return Err(Stop::Unhandled(why).into());
            }
        }
    }
}
