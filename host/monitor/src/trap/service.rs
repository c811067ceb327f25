//! The monitor's own services: [`anyvisor_abi::service`] is their contract.

use crate::alarm::Event;
use crate::expect::Expected;
use crate::machine::Machine;
use crate::ram::Perms;
use crate::run::Stop;
use crate::trap::vtimer;
use anyvisor_abi::map::STAGE2_GRANULE;
use anyvisor_abi::service::*;
use anyvisor_abi::smccc::{DENIED, INVALID_PARAMETERS, NOT_SUPPORTED, SUCCESS};
use std::time::{Duration, Instant};

/// Whether the identifier is in the vendor-specific hypervisor range, of either width.
#[inline]
pub fn owns(id: u32) -> bool {
    id & 0xbfff_0000 == 0x8600_0000
}

/// Serves a call; `Ok` is X0.
pub fn call(machine: &mut Machine, id: u32) -> Result<i64, Stop> {
    match id {
        CALL_UID => {
            for (n, word) in (1..4).zip(&UID[1..]) {
                machine.set_x(n, u64::from(*word))?;
            }
            Ok(i64::from(UID[0]))
        }
        CALL_REVISION => {
            machine.set_x(1, u64::from(REVISION.1))?;
            Ok(i64::from(REVISION.0))
        }
        EXPECT_EXIT => expect_exit(machine),
        EXIT_RECORD => exit_record(machine),
        PROTECT => protect(machine),
        INJECT => inject(machine),
        VTIMER => vtimer_control(machine),
        CANCEL => cancel(machine),
        HOST_TIME => {
            machine.set_x(1, machine.started.elapsed().as_nanos() as u64)?;
            Ok(SUCCESS)
        }
        _ => Ok(NOT_SUPPORTED),
    }
}

fn expect_exit(machine: &mut Machine) -> Result<i64, Stop> {
    let expected = Expected {
        ec: machine.x(1)?,
        iss: machine.x(2)?,
        iss_mask: machine.x(3)?,
        far: machine.x(4)?,
        ipa: machine.x(5)?,
        pc: machine.x(6)?,
        after: machine.x(7)?,
    };
    if !matches!(expected.after, AFTER_SKIP | AFTER_GRANT | AFTER_HANDLE) {
        return Ok(INVALID_PARAMETERS);
    }
    machine.expect.arm(expected);
    Ok(SUCCESS)
}

fn exit_record(machine: &mut Machine) -> Result<i64, Stop> {
    let verdict = machine.expect.take();
    let seen = verdict.seen;
    let results = [seen.esr, seen.far, seen.ipa, seen.pc, verdict.verdict, verdict.differences];
    for (n, value) in (1..).zip(results) {
        machine.set_x(n, value)?;
    }
    Ok(SUCCESS)
}

fn protect(machine: &mut Machine) -> Result<i64, Stop> {
    let (ipa, size, bits) = (machine.x(1)?, machine.x(2)?, machine.x(3)?);
    let aligned = (ipa | size) & (STAGE2_GRANULE - 1) == 0;
    let Some(perms) = Perms::from_bits(bits) else { return Ok(INVALID_PARAMETERS) };
    if !aligned || size == 0 || !machine.ram.range().contains(ipa, size) {
        return Ok(INVALID_PARAMETERS);
    }
    machine.ram.protect(ipa, size, perms)?;
    Ok(SUCCESS)
}

fn inject(machine: &mut Machine) -> Result<i64, Stop> {
    let (line, level, delay) = (machine.x(1)?, machine.x(2)?, machine.x(3)?);
    if !matches!(line, LINE_IRQ | LINE_FIQ) || level > LEVEL_PULSE {
        return Ok(INVALID_PARAMETERS);
    }
    match delay {
        0 => {
            machine.lines.drive(line, level);
        }
        _ if !later(machine, delay, Event::Line { line, level }) => return Ok(DENIED),
        _ => {}
    }
    Ok(SUCCESS)
}

fn vtimer_control(machine: &mut Machine) -> Result<i64, Stop> {
    let (operation, value) = (machine.x(1)?, machine.x(2)?);
    let result = match operation {
        VTIMER_SET_OFFSET => {
            let before = machine.vcpu.get_vtimer_offset()?;
            machine.vcpu.set_vtimer_offset(value)?;
            before
        }
        VTIMER_GET_OFFSET => machine.vcpu.get_vtimer_offset()?,
        VTIMER_SET_MASK if value <= 1 => {
            let before = machine.vcpu.get_vtimer_mask()?;
            match value {
                0 => vtimer::release(machine)?,
                _ => machine.vcpu.set_vtimer_mask(true)?,
            }
            u64::from(before)
        }
        VTIMER_COUNT => machine.vtimer_exits,
        _ => return Ok(INVALID_PARAMETERS),
    };
    machine.set_x(1, result)?;
    Ok(SUCCESS)
}

fn cancel(machine: &mut Machine) -> Result<i64, Stop> {
    match machine.x(1)? {
        0 => {
            machine.cancel_requested = true;
            machine.vm.vcpus_exit(&[machine.vcpu.get_handle()])?; // kept for the next run
        }
        delay if !later(machine, delay, Event::Cancel) => return Ok(DENIED),
        _ => {}
    }
    machine.set_x(1, machine.cancelled)?;
    Ok(SUCCESS)
}

/// Lets `event` happen after `delay` nanoseconds; false if too many wait already. One that lies
/// beyond the clock never happens.
fn later(machine: &Machine, delay: u64, event: Event) -> bool {
    let deadline = Instant::now().checked_add(Duration::from_nanos(delay));
    deadline.is_none_or(|deadline| machine.alarm.set(deadline, event))
}
