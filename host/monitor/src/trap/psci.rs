//! PSCI 1.1 (DEN 0022). Who is on, and how one is switched on: [`crate::processors`].
//!
//! A function whose identifier has bit 30 clear takes 32-bit arguments: only the low halves
//! count. CPU_SUSPEND of either kind is a standby, "as if a WFI was executed", which the
//! specification allows for a powerdown request too.

use crate::machine::Machine;
use crate::processors::Processors;
use crate::run::Stop;
use crate::trap::wfx;
use anyvisor_abi::smccc::*;
use applevisor::prelude::HypervisorError;
use std::sync::Arc;

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

/// Serves a call of vCPU 0; `Ok` is X0.
pub fn call(machine: &mut Machine, id: u32) -> Result<i64, Stop> {
    match id {
        PSCI_CPU_SUSPEND_32 | PSCI_CPU_SUSPEND_64 => {
            wfx::wait_for_interrupt(machine)?;
            Ok(SUCCESS)
        }
        PSCI_CPU_OFF if machine.processors.others_on() => Ok(DENIED),
        PSCI_CPU_OFF => Err(Stop::CpuOff),
        _ => answer(&machine.processors, id, |n| machine.x(n)),
    }
}

/// Serves what any vCPU may ask for, and what does not matter who asks; `Ok` is X0. `x` reads Xn.
pub fn answer(
    all: &Arc<Processors>,
    id: u32,
    x: impl Fn(u8) -> Result<u64, HypervisorError>,
) -> Result<i64, Stop> {
    let argument = |n| -> Result<u64, Stop> {
        let value = x(n)?;
        Ok(if is_64_bit(id) { value } else { value & 0xffff_ffff })
    };
    Ok(match id {
        PSCI_VERSION => PSCI_VERSION_1_1 as i64,
        PSCI_FEATURES => features(argument(1)? as u32),
        PSCI_MIGRATE_INFO_TYPE => TOS_NOT_PRESENT_MP,
        PSCI_AFFINITY_INFO_32 | PSCI_AFFINITY_INFO_64 => {
            affinity_info(all, argument(1)?, argument(2)?)
        }
        PSCI_CPU_ON_32 | PSCI_CPU_ON_64 => all.on(argument(1)?, argument(2)?, argument(3)?),
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

fn affinity_info(all: &Processors, target: u64, lowest_level: u64) -> i64 {
    // Levels above 0 need not be supported from PSCI 1.0 on.
    if lowest_level == 0 { all.affinity_info(target) } else { INVALID_PARAMETERS }
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
}
