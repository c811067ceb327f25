//! WFI and WFE, where they exit: on a machine without a GIC.
//!
//! The exit leaves the PC at the instruction; both complete by stepping over it.
//!
//! * WFI waits until an interrupt could wake it: a line that is high (PSTATE's masks do not
//!   matter to a wake-up), the virtual timer's deadline, or a notice of another thread.
//! * WFE gives the host's other threads a turn. Which events it waits for is known to nobody
//!   here: another vCPU's SEV does not exit, nor does the clearing of a monitor. Completing for
//!   no reason is always allowed; one that comes again and again, from the same place and with the
//!   same registers, sleeps a little longer each time, so that a guest that waits costs next to
//!   nothing.
//! * WFIT and WFET (FEAT_WFxT) are not in the ID registers; they are as WFE.
//!
//! With a GIC the framework waits by itself, for interrupts that only it knows of. (It is not
//! documented whether Apple's exits all the same; should it do so, the wait ends by itself soon.)

use crate::cpu::Cpu;
use crate::expect::Seen;
use crate::record::Answer;
use crate::run::Stop;
use crate::trap::vtimer;
use anyvisor_arch::esr::{Esr, Wait};
use std::time::{Duration, Instant};

/// The longest nap of a WFE: no nap is longer than all before it together, so what waited for
/// another vCPU waits twice as long as it had to, at most.
const LONGEST: Duration = Duration::from_micros(1 << 13);
/// The longest nap of a WFI whose interrupts only the framework knows of.
const NAP: Duration = Duration::from_millis(1);
/// WFEs in a row that only yield: what waits for a lock is let through soon.
const YIELDS: u32 = 16;

/// WFEs that came one after another, for all that can be seen in the same wait: a loop that looks
/// at memory and finds it unchanged ends where it began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// The PC and the general registers at the last one.
    place: [u64; 32],
    /// How many.
    rounds: u32,
}

/// The exit.
pub fn handle(cpu: &mut Cpu, seen: Seen) -> Result<Answer, Stop> {
    match Esr(seen.esr).waiting() {
        Some(Wait::Interrupt) => wait_for_interrupt(cpu)?,
        Some(Wait::Event) | None => wait_for_event(cpu)?,
    }
    cpu.advance()?;
    Ok(Answer::Waited)
}

/// Sleeps until there is something to wake up for.
pub fn wait_for_interrupt(cpu: &Cpu) -> Result<(), Stop> {
    if !cpu.lines.any() {
        let nap = cpu.board.gic.as_ref().and_then(|_| Instant::now().checked_add(NAP));
        sleep(cpu, nap)?;
    }
    Ok(())
}

fn wait_for_event(cpu: &mut Cpu) -> Result<(), Stop> {
    let mut place = [cpu.pc()?; 32];
    for (register, value) in (0..31).zip(&mut place[1..]) {
        *value = cpu.x(register)?;
    }
    let again = place == cpu.waits.place;
    let rounds = if again { cpu.waits.rounds.saturating_add(1) } else { 0 };
    match nap(rounds) {
        None => std::thread::yield_now(),
        Some(_) if cpu.lines.any() => {} // an interrupt is an event to WFE too
        Some(nap) => sleep(cpu, Instant::now().checked_add(nap))?,
    }
    cpu.waits = Waits { place, rounds };
    Ok(())
}

/// How long the WFE sleeps that has so many before it; `None`: it yields.
fn nap(rounds: u32) -> Option<Duration> {
    let doublings = rounds.checked_sub(YIELDS)?.min(LONGEST.as_micros().ilog2());
    Some(Duration::from_micros(1 << doublings))
}

/// Sleeps until `latest`, the virtual timer's deadline or a notice.
fn sleep(cpu: &Cpu, latest: Option<Instant>) -> Result<(), Stop> {
    cpu.board.devices().flush();
    let deadline = [latest, vtimer::deadline(cpu)?].into_iter().flatten().min();
    cpu.board.processors.sleep(cpu.number, deadline);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_naps_of_a_wfe_grow_up_to_the_longest() {
        assert_eq!(nap(0), None);
        assert_eq!(nap(YIELDS - 1), None);
        assert_eq!(nap(YIELDS), Some(Duration::from_micros(1)));
        assert!((YIELDS..40).all(|rounds| nap(rounds) <= nap(rounds + 1)));
        assert_eq!(nap(u32::MAX), Some(LONGEST));
    }
}
