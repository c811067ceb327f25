//! Who may access the performance monitors (DDI 0487, PMUSERENR_EL0).
//!
//! ```text
//!   EL0, with               may
//!   EN                      everything but PMINTEN* and writes of PMUSERENR
//!   SW                      write PMSWINC
//!   CR                      read PMCCNTR
//!   ER                      read PMEVCNTR<n>, PMXEVCNTR; read and write PMSELR
//!   none                    read PMUSERENR
//! ```
//!
//! What it may not traps to EL1. Without monitors in the ID registers an access at EL1 exits, as
//! Hypervisor.framework has it, and one at EL0 is UNDEFINED.

use super::Refusal;
use crate::pmu::user;
use crate::state::Cpu;
use anyvisor_arch::esr::Esr;
use anyvisor_arch::sysreg::MonitorRegister as R;
use anyvisor_bugs::{Bug, is};

/// Whether an access happens; `syndrome` makes its own (EC 0x18).
pub(super) fn check(
    cpu: &Cpu,
    register: R,
    read: bool,
    syndrome: impl Fn() -> Esr,
) -> Result<(), Refusal> {
    let el0 = cpu.pstate.el() == 0;
    if !cpu.processor.pmu {
        return Err(if el0 { Refusal::Undefined } else { Refusal::Exit(syndrome()) });
    }
    let granting = match register {
        R::User => return Ok(()),
        R::Increment => user::EN | user::SW,
        R::Cycles if read => user::EN | user::CR,
        R::Count(_) | R::SelectedCount if read => user::EN | user::ER,
        R::Select => user::EN | user::ER,
        _ => user::EN,
    };
    if el0 && cpu.pmu.user & granting == 0 && !is(Bug::PmuUserUnchecked) {
        Err(Refusal::Trap(syndrome()))
    } else {
        Ok(())
    }
}
