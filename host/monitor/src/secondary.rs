//! A vCPU beyond the first: its thread, and what it can answer by itself.
//!
//! A secondary serves PSCI and the questions of SMCCC, waits for WFI and WFE, and stops the
//! machine, by name, for anything else. Left out until there is an interrupt controller to
//! share: devices, the monitor's services, interrupt lines and timers on a secondary; WFI ends
//! after [`NAP`] for no reason, which the architecture allows.

use crate::alarm::Event;
use crate::machine::{X, advance, set_x};
use crate::processors::{Processors, Start, mpidr};
use crate::run::Stop;
use crate::trap::{hypercall, psci, sysreg, undefined};
use anyvisor_abi::smccc;
use anyvisor_arch::esr::{Esr, ExceptionClass, Wait};
use anyvisor_arch::pstate;
use applevisor::prelude::{ExitReason, HypervisorError, Reg, SysReg, Vcpu, VcpuConfig, VcpuExit};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// How long a WFI waits: nothing but the end of the machine could wake it.
const NAP: Duration = Duration::from_micros(200);

/// How a secondary goes on after an exit.
enum Next {
    Run,
    Off,
}

/// The life of a secondary, on its own thread: from CPU_ON to CPU_OFF or the machine's end.
/// `created` hears of its vCPU; it is dropped without a word if there is none.
pub fn live(all: &Arc<Processors>, start: Start, created: &SyncSender<()>) {
    // Declared first: it goes off when its vCPU is gone, however this ends.
    let _off = Off(all, start.number);
    // A configuration of our own: without one the binding releases a null pointer.
    let vcpu = all.vm().vcpu_with_config(VcpuConfig::new());
    let vcpu = vcpu.and_then(|vcpu| reset_state(&vcpu, start).map(|()| vcpu));
    let vcpu = match vcpu {
        Ok(vcpu) => vcpu,
        Err(error) => {
            log::warn!("vCPU {} could not be made: {error}", start.number);
            return;
        }
    };
    all.is_on(start.number, vcpu.get_handle());
    if created.send(()).is_err() {
        return;
    }
    if let Err(stop) = run(all, &vcpu, start.number) {
        all.remote().send(Event::Stop(stop));
    }
}

/// Says that a secondary is off, when dropped.
struct Off<'a>(&'a Processors, u8);

impl Drop for Off<'_> {
    fn drop(&mut self) {
        self.0.is_off(self.1);
    }
}

/// The state of PSCI's CPU_ON (DEN 0022, "Initial core configuration"): EL1h, everything masked,
/// MMU off, X0 the context.
fn reset_state(vcpu: &Vcpu, start: Start) -> Result<(), HypervisorError> {
    vcpu.set_reg(Reg::PC, start.entry)?;
    vcpu.set_reg(Reg::CPSR, pstate::RESET)?;
    vcpu.set_reg(Reg::X0, start.context)?;
    vcpu.set_sys_reg(SysReg::MPIDR_EL1, mpidr(start.number))
}

fn run(all: &Arc<Processors>, vcpu: &Vcpu, number: u8) -> Result<(), Stop> {
    while !all.ending() {
        vcpu.run()?;
        let exit = vcpu.get_exit_info();
        let next = match exit.reason {
            ExitReason::CANCELED => Next::Run, // to look whether the machine ends
            ExitReason::EXCEPTION => exception(all, vcpu, number, exit)?,
            reason => return Err(unanswered(number, &format!("{reason:?}"))),
        };
        if let Next::Off = next {
            break;
        }
    }
    Ok(())
}

fn exception(all: &Arc<Processors>, vcpu: &Vcpu, number: u8, exit: VcpuExit) -> Result<Next, Stop> {
    let esr = Esr(exit.exception.syndrome);
    match esr.class() {
        Ok(ExceptionClass::Hvc) => call(all, vcpu),
        Ok(ExceptionClass::Smc) => {
            advance(vcpu)?;
            call(all, vcpu)
        }
        Ok(ExceptionClass::Wait) => {
            match esr.waiting() {
                Some(Wait::Interrupt) => std::thread::sleep(NAP),
                Some(Wait::Event) | None => std::thread::yield_now(),
            }
            advance(vcpu)?;
            Ok(Next::Run)
        }
        Ok(ExceptionClass::System) => {
            match esr.system_access().filter(|access| sysreg::is_ignored(access.encoding)) {
                Some(access) => {
                    if access.read {
                        set_x(vcpu, access.rt, 0)?;
                    }
                    advance(vcpu)?;
                }
                None => undefined::inject_into(vcpu)?,
            }
            Ok(Next::Run)
        }
        _ => {
            let (far, ipa) = (exit.exception.virtual_address, exit.exception.physical_address);
            let pc = vcpu.get_reg(Reg::PC)?;
            Err(unanswered(number, &format!("{esr}, FAR {far:#x}, IPA {ipa:#x}, PC {pc:#x}")))
        }
    }
}

/// A call by SMCCC: PSCI, and which SMCCC it is.
fn call(all: &Arc<Processors>, vcpu: &Vcpu) -> Result<Next, Stop> {
    let id = vcpu.get_reg(Reg::X0)? as u32;
    let result = match id {
        smccc::SMCCC_VERSION => smccc::SMCCC_VERSION_1_2 as i64,
        smccc::SMCCC_ARCH_FEATURES => hypercall::arch_features(vcpu.get_reg(Reg::X1)? as u32),
        smccc::PSCI_CPU_OFF => return Ok(Next::Off),
        smccc::PSCI_CPU_SUSPEND_32 | smccc::PSCI_CPU_SUSPEND_64 => {
            std::thread::sleep(NAP);
            smccc::SUCCESS
        }
        _ if psci::owns(id) => psci::answer(all, id, |n| vcpu.get_reg(X[usize::from(n)]))?,
        _ => smccc::NOT_SUPPORTED,
    };
    vcpu.set_reg(Reg::X0, result as u64)?;
    Ok(Next::Run)
}

fn unanswered(number: u8, what: &str) -> Stop {
    Stop::Unhandled(format!("vCPU {number} left the guest with what only vCPU 0 may: {what}"))
}
