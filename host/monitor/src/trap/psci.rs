//! PSCI 1.1 (DEN 0022). Who is on, and how one is switched on: [`crate::processors`].
//!
//! A function whose identifier has bit 30 clear takes 32-bit arguments: only the low halves
//! count. CPU_SUSPEND of either kind is a standby, which the specification allows for a powerdown
//! request too: see [`crate::firmware`]. There is no Trusted OS, so there is nothing to migrate:
//! MIGRATE and MIGRATE_INFO_UP_CPU are NOT_SUPPORTED.

use crate::cpu::Cpu;
use crate::firmware;
use crate::processors::Processors;
use crate::run::{Leave, Stop};
use anyvisor_abi::smccc::*;
use anyvisor_bugs::{Bug, is};

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
pub fn call(cpu: &mut Cpu, id: u32) -> Result<i64, Leave> {
    let argument = |cpu: &Cpu, n| -> Result<u64, Leave> {
        let value = cpu.x(n)?;
        Ok(if is_64_bit(id) || is(Bug::Psci32TakesUpper) { value } else { value & 0xffff_ffff })
    };
    let all = &cpu.board.processors;
    Ok(match id {
        PSCI_VERSION => PSCI_VERSION_1_1 as i64,
        PSCI_FEATURES => features(argument(cpu, 1)? as u32),
        PSCI_MIGRATE_INFO_TYPE => TOS_NOT_PRESENT_MP,
        PSCI_AFFINITY_INFO_32 | PSCI_AFFINITY_INFO_64 => {
            affinity_info(all, argument(cpu, 1)?, argument(cpu, 2)?)
        }
        PSCI_CPU_ON_32 | PSCI_CPU_ON_64 => {
            let context = if is(Bug::CpuOnContextLost) { 0 } else { argument(cpu, 3)? };
            all.on(argument(cpu, 1)?, argument(cpu, 2)?, context)
        }
        PSCI_CPU_OFF if all.leave() => return Err(Stop::CpuOff.into()),
        PSCI_CPU_OFF => return Err(Leave::Off),
        PSCI_CPU_SUSPEND_32 | PSCI_CPU_SUSPEND_64 => {
            let refusal = refuse_state(argument(cpu, 1)?, all.is_entry(argument(cpu, 2)?));
            if refusal == SUCCESS {
                firmware::suspend(cpu)?;
            }
            refusal
        }
        PSCI_SYSTEM_OFF => return Err(Stop::Off.into()),
        PSCI_SYSTEM_RESET => return Err(Stop::Reset.into()),
        _ => NOT_SUPPORTED,
    })
}

/// CPU_SUSPEND's answer to a power_state that it does not enter; `SUCCESS` to others.
///
/// ```text
///   31..26  25..24      23..17  16         15..0
///   zero    PowerLevel  zero    StateType  StateID       the original format
/// ```
///
/// PSCI_FEATURES says that the format is the original one (flag 1 is 0). Any level and ID will do:
/// all states are the same standby. A powerdown (StateType 1) names where it would come back.
fn refuse_state(power_state: u64, entry_is_good: bool) -> i64 {
    const ZERO: u64 = 0xfcfe_0000;
    const POWERDOWN: u64 = 1 << 16;
    if power_state as u32 as u64 & ZERO != 0 && !is(Bug::SuspendStateUnchecked) {
        INVALID_PARAMETERS
    } else if power_state & POWERDOWN != 0 && !entry_is_good {
        INVALID_ADDRESS
    } else {
        SUCCESS
    }
}

/// PSCI_FEATURES: 0 for a function that exists and has no options. SMCCC_VERSION may be asked
/// for here, and only here, by a caller that does not know whether SMCCC 1.1 is there.
fn features(id: u32) -> i64 {
    let claimed = FUNCTIONS.contains(&id) || is(Bug::FeaturesOfMigrate) && owns(id);
    if id == SMCCC_VERSION || claimed { SUCCESS } else { NOT_SUPPORTED }
}

fn affinity_info(all: &Processors, target: u64, lowest_level: u64) -> i64 {
    // Levels above 0 need not be supported from PSCI 1.0 on.
    let served = lowest_level == 0 || is(Bug::AffinityLevelAccepted);
    if served { all.affinity_info(target) } else { INVALID_PARAMETERS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_that_the_format_does_not_have_are_refused() {
        assert_eq!(refuse_state(0, false), SUCCESS);
        assert_eq!(refuse_state(0x0300_ffff, false), SUCCESS);
        assert_eq!(refuse_state(1 << 31, true), INVALID_PARAMETERS);
        assert_eq!(refuse_state(1 << 17, true), INVALID_PARAMETERS);
        assert_eq!(refuse_state(1 << 16, false), INVALID_ADDRESS);
        assert_eq!(refuse_state(1 << 16, true), SUCCESS);
    }

    #[test]
    fn features_name_every_function_that_is_served() {
        for id in FUNCTIONS.into_iter().chain([SMCCC_VERSION]) {
            assert_eq!(features(id), SUCCESS, "{id:#x}");
        }
        let absent = [PSCI_MIGRATE_32, PSCI_MIGRATE_64, PSCI_MIGRATE_INFO_UP_CPU_32];
        for id in absent.into_iter().chain([0xc400_0000, 0x8400_001f, 0, u32::MAX]) {
            assert_eq!(features(id), NOT_SUPPORTED, "{id:#x}");
        }
        assert!(FUNCTIONS.into_iter().all(owns));
        assert!(!owns(SMCCC_VERSION) && !owns(0x8400_0020) && !owns(0x8600_0000));
    }
}
