//! WFI and WFE.
//!
//! The exit leaves the PC at the instruction; both complete by stepping over it.
//!
//! * WFI waits until an interrupt could wake it: a line that is high (PSTATE's masks do not
//!   matter to a wake-up), the virtual timer's deadline, or anything that the alarm delivers.
//! * WFE completes at once, after giving the host's other threads a turn: with one vCPU there is
//!   nobody who could send an event, and completing for no reason is always allowed.
//! * WFIT and WFET (FEAT_WFxT) are not in the ID registers; they complete at once too.

use crate::expect::Seen;
use crate::machine::Machine;
use crate::record::Answer;
use crate::run::Stop;
use crate::trap::vtimer;
use anyvisor_arch::esr::{Esr, Wait};

/// The exit.
pub fn handle(machine: &mut Machine, seen: Seen) -> Result<Answer, Stop> {
    match Esr(seen.esr).waiting() {
        Some(Wait::Interrupt) => wait_for_interrupt(machine)?,
        Some(Wait::Event) | None => std::thread::yield_now(),
    }
    machine.advance()?;
    Ok(Answer::Waited)
}

/// Sleeps until there is something to wake up for.
pub fn wait_for_interrupt(machine: &mut Machine) -> Result<(), Stop> {
    if machine.lines.any() {
        return Ok(());
    }
    machine.devices.console.flush();
    machine.alarm.sleep(vtimer::deadline(machine)?);
    Ok(())
}
