//! The monitor's own services: [`anyvisor_abi::service`] is their contract.

use crate::alarm::Event;
use crate::cpu::Cpu;
use crate::expect::Expected;
use crate::processors::Notice;
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
pub fn call(cpu: &mut Cpu, id: u32) -> Result<i64, Stop> {
    match id {
        CALL_UID => {
            for (n, word) in (1..4).zip(&UID[1..]) {
                cpu.set_x(n, u64::from(*word))?;
            }
            Ok(i64::from(UID[0]))
        }
        CALL_REVISION => {
            cpu.set_x(1, u64::from(REVISION.1))?;
            Ok(i64::from(REVISION.0))
        }
        EXPECT_EXIT => expect_exit(cpu),
        EXIT_RECORD => exit_record(cpu),
        PROTECT => protect(cpu),
        INJECT => inject(cpu),
        INJECT_SPI => inject_spi(cpu),
        INJECT_MSI => inject_msi(cpu),
        VTIMER => vtimer_control(cpu),
        CANCEL => cancel(cpu),
        HOST_TIME => {
            cpu.set_x(1, cpu.board.started.elapsed().as_nanos() as u64)?;
            Ok(SUCCESS)
        }
        _ => Ok(NOT_SUPPORTED),
    }
}

fn expect_exit(cpu: &mut Cpu) -> Result<i64, Stop> {
    let expected = Expected {
        ec: cpu.x(1)?,
        iss: cpu.x(2)?,
        iss_mask: cpu.x(3)?,
        far: cpu.x(4)?,
        ipa: cpu.x(5)?,
        pc: cpu.x(6)?,
        after: cpu.x(7)?,
    };
    if !matches!(expected.after, AFTER_SKIP | AFTER_GRANT | AFTER_HANDLE) {
        return Ok(INVALID_PARAMETERS);
    }
    cpu.expect.arm(expected);
    Ok(SUCCESS)
}

fn exit_record(cpu: &mut Cpu) -> Result<i64, Stop> {
    let verdict = cpu.expect.take();
    let seen = verdict.seen;
    let results = [seen.esr, seen.far, seen.ipa, seen.pc, verdict.verdict, verdict.differences];
    for (n, value) in (1..).zip(results) {
        cpu.set_x(n, value)?;
    }
    Ok(SUCCESS)
}

fn protect(cpu: &mut Cpu) -> Result<i64, Stop> {
    let (ipa, size, bits) = (cpu.x(1)?, cpu.x(2)?, cpu.x(3)?);
    let aligned = (ipa | size) & (STAGE2_GRANULE - 1) == 0;
    let Some(perms) = Perms::from_bits(bits) else { return Ok(INVALID_PARAMETERS) };
    if !aligned || size == 0 || !cpu.board.range.contains(ipa, size) {
        return Ok(INVALID_PARAMETERS);
    }
    cpu.board.protect(ipa, size, perms)?;
    Ok(SUCCESS)
}

fn inject(cpu: &mut Cpu) -> Result<i64, Stop> {
    let (line, level, delay) = (cpu.x(1)?, cpu.x(2)?, cpu.x(3)?);
    if cpu.board.gic.is_some() {
        return Ok(NOT_SUPPORTED); // the lines are the GIC's outputs
    }
    if !matches!(line, LINE_IRQ | LINE_FIQ) || level > LEVEL_PULSE {
        return Ok(INVALID_PARAMETERS);
    }
    match delay {
        0 => {
            cpu.lines.drive(line, level);
        }
        _ => {
            let notice = Notice::Line { line, level };
            if !later(cpu, delay, Event::Notice(cpu.number, notice)) {
                return Ok(DENIED);
            }
        }
    }
    Ok(SUCCESS)
}

fn inject_spi(cpu: &Cpu) -> Result<i64, Stop> {
    let (intid, level, delay) = (cpu.x(1)?, cpu.x(2)?, cpu.x(3)?);
    if cpu.board.gic.is_none() {
        return Ok(NOT_SUPPORTED);
    }
    let intid = u32::try_from(intid).ok().filter(|intid| cpu.board.can_drive_spi(*intid));
    let Some(intid) = intid.filter(|_| level <= LEVEL_PULSE) else { return Ok(INVALID_PARAMETERS) };
    match delay {
        0 => cpu.board.drive_spi(intid, level),
        _ if !later(cpu, delay, Event::Spi { intid, level }) => return Ok(DENIED),
        _ => {}
    }
    Ok(SUCCESS)
}

fn inject_msi(cpu: &Cpu) -> Result<i64, Stop> {
    let (intid, delay) = (cpu.x(1)?, cpu.x(2)?);
    if !cpu.board.has_messages() {
        return Ok(NOT_SUPPORTED);
    }
    let intid = u32::try_from(intid).ok().filter(|intid| cpu.board.can_send_message(*intid));
    let Some(intid) = intid else { return Ok(INVALID_PARAMETERS) };
    match delay {
        0 => cpu.board.send_message(intid),
        _ if !later(cpu, delay, Event::Message { intid }) => return Ok(DENIED),
        _ => {}
    }
    Ok(SUCCESS)
}

fn vtimer_control(cpu: &mut Cpu) -> Result<i64, Stop> {
    let (operation, value) = (cpu.x(1)?, cpu.x(2)?);
    let result = match operation {
        VTIMER_SET_OFFSET => {
            let before = cpu.vcpu.get_vtimer_offset()?;
            cpu.vcpu.set_vtimer_offset(value)?;
            before
        }
        VTIMER_GET_OFFSET => cpu.vcpu.get_vtimer_offset()?,
        VTIMER_SET_MASK if value <= 1 => {
            let before = cpu.vcpu.get_vtimer_mask()?;
            match value {
                0 => vtimer::release(cpu)?,
                _ => cpu.vcpu.set_vtimer_mask(true)?,
            }
            u64::from(before)
        }
        VTIMER_COUNT => cpu.vtimer_exits,
        _ => return Ok(INVALID_PARAMETERS),
    };
    cpu.set_x(1, result)?;
    Ok(SUCCESS)
}

fn cancel(cpu: &mut Cpu) -> Result<i64, Stop> {
    match cpu.x(1)? {
        0 => {
            cpu.cancel_requested = true;
            cpu.board.vm.vcpus_exit(&[cpu.vcpu.get_handle()])?; // kept for the next run
        }
        delay if !later(cpu, delay, Event::Notice(cpu.number, Notice::Cancel)) => {
            return Ok(DENIED);
        }
        _ => {}
    }
    cpu.set_x(1, cpu.cancelled)?;
    Ok(SUCCESS)
}

/// Lets `event` happen after `delay` nanoseconds; false if too many wait already. One that lies
/// beyond the clock never happens.
fn later(cpu: &Cpu, delay: u64, event: Event) -> bool {
    let deadline = Instant::now().checked_add(Duration::from_nanos(delay));
    deadline.is_none_or(|deadline| cpu.board.alarm.set(deadline, event))
}
