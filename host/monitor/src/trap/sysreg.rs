//! MSR and MRS that the framework does not answer by itself.
//!
//! * The OS lock and the double lock (OSLAR_EL1, OSDLR_EL1): writes are ignored, reads are 0:
//!   never locked. Kernels write them at boot.
//! * Everything else is UNDEFINED: the registers of the PMU (ID_AA64DFR0_EL1.PMUVer says that
//!   there is none), ICC_* (no GIC), and what has no name.

use crate::expect::Seen;
use crate::machine::Machine;
use crate::record::Answer;
use crate::run::Stop;
use crate::trap::undefined;
use anyvisor_arch::esr::Esr;
use anyvisor_arch::sysreg::SysReg;

/// The exit.
pub fn handle(machine: &mut Machine, seen: Seen) -> Result<Answer, Stop> {
    let access = Esr(seen.esr).system_access();
    let register = access.and_then(|access| SysReg::from_encoding(access.encoding));
    match (register, access) {
        (Some(SysReg::OSLAR_EL1 | SysReg::OSDLR_EL1), Some(access)) => {
            if access.read {
                machine.set_x(access.rt, 0)?;
            }
            machine.advance()?;
            Ok(Answer::Skipped)
        }
        _ => {
            undefined::inject(machine)?;
            Ok(Answer::Undefined)
        }
    }
}
