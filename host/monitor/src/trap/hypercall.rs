//! HVC and SMC: the function identifier in W0 says what is asked for (SMCCC, DEN 0028).
//!
//! ```text
//! 31    30     29      24 23          16 15            0
//! fast  64-bit owner      zero           function
//!              0 architecture    4 PSCI    6 ours
//! ```
//!
//! The immediate is not looked at: SMCCC wants 0, and some hypervisors do not report it. X0
//! returns the result, X1 to X3 or more where a function says so; all other registers keep their
//! values.
//!
//! An unknown function answers NOT_SUPPORTED, -1, in all 64 bits of X0 (a 32-bit caller looks at
//! W0, which is the same).

use crate::cpu::Cpu;
use crate::record::Answer;
use crate::run::Leave;
use crate::trap::{psci, service};
use anyvisor_abi::{service as id, smccc};
use anyvisor_bugs::{Bug, is};

/// HVC: the PC is past the instruction already.
#[inline]
pub fn hvc(cpu: &mut Cpu) -> Result<Answer, Leave> {
    dispatch(cpu)
}

/// SMC: trapped, so the PC is at the instruction. There is no firmware below the monitor: the
/// same functions answer.
pub fn smc(cpu: &mut Cpu) -> Result<Answer, Leave> {
    cpu.advance()?;
    dispatch(cpu)
}

#[inline]
fn dispatch(cpu: &mut Cpu) -> Result<Answer, Leave> {
    let x0 = cpu.x(0)?;
    let id = if is(Bug::FunctionIdWide) && x0 >> 32 != 0 { u32::MAX } else { x0 as u32 };
    let result = match id {
        smccc::SMCCC_VERSION => smccc::SMCCC_VERSION_1_2 as i64,
        smccc::SMCCC_ARCH_FEATURES => arch_features(cpu.x(1)? as u32),
        _ if psci::owns(id) => psci::call(cpu, id).inspect_err(|_| {
            cpu.record.end(Answer::LastCall { id });
        })?,
        _ if service::owns(id) => service::call(cpu, id)?,
        _ => smccc::NOT_SUPPORTED,
    };
    let x0 = if is(Bug::SmcccErrorIsWord) { result as u32 as u64 } else { result as u64 };
    if is(Bug::HypercallClobbers) {
        cpu.set_x(4, 0)?;
    }
    cpu.set_x(0, x0)?;
    Ok(Answer::Call { id, x0 })
}

/// SMCCC_ARCH_FEATURES: 0 for the functions of the architecture range that exist.
pub fn arch_features(id: u32) -> i64 {
    match id {
        smccc::SMCCC_VERSION | smccc::SMCCC_ARCH_FEATURES => smccc::SUCCESS,
        _ => smccc::NOT_SUPPORTED,
    }
}

/// The name of an error, if X0 is one: both standards and the services have the same numbers.
pub fn error(x0: u64) -> Option<&'static str> {
    Some(match x0.cast_signed() {
        smccc::NOT_SUPPORTED => "NOT_SUPPORTED",
        smccc::INVALID_PARAMETERS => "INVALID_PARAMETERS",
        smccc::DENIED => "DENIED",
        smccc::ALREADY_ON => "ALREADY_ON",
        smccc::ON_PENDING => "ON_PENDING",
        smccc::INTERNAL_FAILURE => "INTERNAL_FAILURE",
        smccc::INVALID_ADDRESS => "INVALID_ADDRESS",
        _ => return None,
    })
}

/// How many registers from X1 on a function takes.
pub fn arguments(id: u32) -> u8 {
    match id {
        smccc::SMCCC_ARCH_FEATURES | smccc::PSCI_FEATURES | id::CANCEL => 1,
        smccc::PSCI_AFFINITY_INFO_32 | smccc::PSCI_AFFINITY_INFO_64 => 2,
        id::VTIMER | id::INJECT_MSI => 2,
        smccc::PSCI_CPU_ON_32 | smccc::PSCI_CPU_ON_64 => 3,
        smccc::PSCI_CPU_SUSPEND_32 | smccc::PSCI_CPU_SUSPEND_64 => 3,
        id::PROTECT | id::INJECT | id::INJECT_SPI => 3,
        id::EXPECT_EXIT => 7,
        _ => 0,
    }
}

/// A function's name, for people.
pub fn name(id: u32) -> &'static str {
    match id {
        smccc::SMCCC_VERSION => "SMCCC_VERSION",
        smccc::SMCCC_ARCH_FEATURES => "SMCCC_ARCH_FEATURES",
        smccc::PSCI_VERSION => "PSCI_VERSION",
        smccc::PSCI_CPU_SUSPEND_32 | smccc::PSCI_CPU_SUSPEND_64 => "CPU_SUSPEND",
        smccc::PSCI_CPU_OFF => "CPU_OFF",
        smccc::PSCI_CPU_ON_32 | smccc::PSCI_CPU_ON_64 => "CPU_ON",
        smccc::PSCI_AFFINITY_INFO_32 | smccc::PSCI_AFFINITY_INFO_64 => "AFFINITY_INFO",
        smccc::PSCI_MIGRATE_INFO_TYPE => "MIGRATE_INFO_TYPE",
        smccc::PSCI_MIGRATE_32 | smccc::PSCI_MIGRATE_64 => "MIGRATE",
        smccc::PSCI_MIGRATE_INFO_UP_CPU_32 | smccc::PSCI_MIGRATE_INFO_UP_CPU_64 => {
            "MIGRATE_INFO_UP_CPU"
        }
        smccc::PSCI_SYSTEM_OFF => "SYSTEM_OFF",
        smccc::PSCI_SYSTEM_RESET => "SYSTEM_RESET",
        smccc::PSCI_FEATURES => "PSCI_FEATURES",
        id::CALL_UID => "CALL_UID",
        id::CALL_REVISION => "CALL_REVISION",
        id::EXPECT_EXIT => "EXPECT_EXIT",
        id::EXIT_RECORD => "EXIT_RECORD",
        id::PROTECT => "PROTECT",
        id::INJECT => "INJECT",
        id::VTIMER => "VTIMER",
        id::CANCEL => "CANCEL",
        id::HOST_TIME => "HOST_TIME",
        id::INJECT_SPI => "INJECT_SPI",
        id::INJECT_MSI => "INJECT_MSI",
        _ => "unknown function",
    }
}
