//! MSR and MRS that the framework does not answer by itself.
//!
//! * The OS lock and the double lock (OSLAR_EL1, OSDLR_EL1): writes are ignored, reads are 0:
//!   never locked. Kernels write them at boot.
//! * Everything else is UNDEFINED: the registers of the PMU (ID_AA64DFR0_EL1.PMUVer says that
//!   there is none), ICC_* where there is no GIC, and what has no name.

use crate::cpu::Cpu;
use crate::expect::Seen;
use crate::record::Answer;
use crate::run::Stop;
use crate::trap::undefined;
use anyvisor_arch::esr::Esr;
use anyvisor_arch::sysreg::{Encoding, SysReg};
use anyvisor_bugs::{Bug, is};

/// Whether it is one of the locks, which are open whatever is written.
fn is_ignored(register: Encoding) -> bool {
    let register = SysReg::from_encoding(register);
    matches!(register, Some(SysReg::OSLAR_EL1 | SysReg::OSDLR_EL1)) && !is(Bug::OslarUndefined)
}

/// The exit.
pub fn handle(cpu: &mut Cpu, seen: Seen) -> Result<Answer, Stop> {
    let access = Esr(seen.esr).system_access();
    match access.filter(|access| is_ignored(access.encoding)) {
        Some(access) => {
            if access.read {
                cpu.set_x(access.rt, 0)?;
            }
            cpu.advance()?;
            Ok(Answer::Skipped)
        }
        None => {
            undefined::inject(cpu)?;
            Ok(Answer::Undefined)
        }
    }
}
