//! PSCI 1.1 (DEN 0022) for a machine with one vCPU.
//!
//! A function whose identifier has bit 30 clear takes 32-bit arguments: only the low halves
//! count. CPU_ON has nobody to switch on: the only vCPU is ALREADY_ON, any other does not exist
//! (INVALID_PARAMETERS). CPU_SUSPEND of either kind is a standby, "as if a WFI was executed",
//! which the specification allows for a powerdown request too.

use crate::machine::{MPIDR, Machine};
use crate::run::Stop;
use crate::trap::wfx;
use anyvisor_abi::smccc::*;

/// AFFINITY_INFO: the vCPU is on.
const ON: i64 = 0;
/// The affinity fields of MPIDR_EL1 in the 64-bit form of target_affinity.
const AFFINITY: u64 = 0xff_00ff_ffff;

/// The functions that exist, by their lower half: both widths where there are two.
const FUNCTIONS: [u32; 12] = [
    PSCI_VERSION,
    PSCI_CPU_SUSPEND_32,
    PSCI_CPU_SUSPEND_64,
    PSCI_CPU_OFF,
    PSCI_CPU_ON_32,
    PSCI_CPU_ON_64,
    PSCI_AFFINITY_INFO_32,
    PSCI_AFFINITY_INFO_64,
    PSCI_MIGRATE_INFO_TYPE,
    PSCI_SYSTEM_OFF,
    PSCI_SYSTEM_RESET,
    PSCI_FEATURES,
];

/// Whether the identifier is in PSCI's range: standard secure service, functions 0 to 0x1f.
#[inline]
pub fn owns(id: u32) -> bool {
    id & 0xbfff_ffe0 == PSCI_VERSION
}

/// Serves a call; `Ok` is X0.
pub fn call(machine: &mut Machine, id: u32) -> Result<i64, Stop> {
    let argument = |n| -> Result<u64, Stop> {
        let value = machine.x(n)?;
        Ok(if is_64_bit(id) { value } else { value & 0xffff_ffff })
    };
    Ok(match id {
        PSCI_VERSION => PSCI_VERSION_1_1 as i64,
        PSCI_FEATURES => features(argument(1)? as u32),
        PSCI_MIGRATE_INFO_TYPE => TOS_NOT_PRESENT_MP,
        PSCI_AFFINITY_INFO_32 | PSCI_AFFINITY_INFO_64 => affinity_info(argument(1)?, argument(2)?),
        PSCI_CPU_ON_32 | PSCI_CPU_ON_64 => cpu_on(argument(1)?),
        PSCI_CPU_SUSPEND_32 | PSCI_CPU_SUSPEND_64 => {
            wfx::wait_for_interrupt(machine)?;
            SUCCESS
        }
        PSCI_CPU_OFF => return Err(Stop::CpuOff),
        PSCI_SYSTEM_OFF => return Err(Stop::Off),
        PSCI_SYSTEM_RESET => return Err(Stop::Reset),
        _ => NOT_SUPPORTED,
    })
}

/// PSCI_FEATURES: 0 for a function that exists and has no options. SMCCC_VERSION may be asked
/// for here, and only here, by a caller that does not know whether SMCCC 1.1 is there.
fn features(id: u32) -> i64 {
    if id == SMCCC_VERSION || FUNCTIONS.contains(&id) { SUCCESS } else { NOT_SUPPORTED }
}

fn is_the_vcpu(target: u64) -> bool {
    target == MPIDR & AFFINITY
}

fn affinity_info(target: u64, lowest_level: u64) -> i64 {
    // Levels above 0 need not be supported from PSCI 1.0 on.
    if is_the_vcpu(target) && lowest_level == 0 { ON } else { INVALID_PARAMETERS }
}

fn cpu_on(target: u64) -> i64 {
    if is_the_vcpu(target) { ALREADY_ON } else { INVALID_PARAMETERS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_name_every_function_that_is_served() {
        for id in FUNCTIONS.into_iter().chain([SMCCC_VERSION]) {
            assert_eq!(features(id), SUCCESS, "{id:#x}");
        }
        for id in [0x8400_0005, 0x8400_0007, 0xc400_0000, 0x8400_001f, 0, u32::MAX] {
            assert_eq!(features(id), NOT_SUPPORTED, "{id:#x}");
        }
        assert!(FUNCTIONS.into_iter().all(owns));
        assert!(!owns(SMCCC_VERSION) && !owns(0x8400_0020) && !owns(0x8600_0000));
    }

    #[test]
    fn there_is_one_vcpu_and_it_is_on() {
        assert_eq!(affinity_info(0, 0), ON);
        assert_eq!(affinity_info(1, 0), INVALID_PARAMETERS);
        assert_eq!(affinity_info(0, 1), INVALID_PARAMETERS);
        assert_eq!(cpu_on(0), ALREADY_ON);
        assert_eq!(cpu_on(1 << 32), INVALID_PARAMETERS);
    }
}
