//! A cancelled run: somebody called `hv_vcpus_exit`.

use crate::alarm::Event;
use crate::machine::Machine;
use crate::record::Answer;
use crate::run::Stop;

/// Does what became due and lets the guest go on, unless its time is up.
pub fn handle(machine: &mut Machine) -> Result<Answer, Stop> {
    let mut asked_for = std::mem::take(&mut machine.cancel_requested);
    for event in machine.alarm.take_due() {
        match event {
            Event::Timeout => return Err(Stop::Timeout),
            Event::Stop(stop) => return Err(stop),
            Event::Cancel => asked_for = true,
            Event::Line { line, level } => {
                machine.lines.drive(line, level);
            }
            Event::Input { bytes, taken } => machine.devices.input(&bytes, Some(taken)),
        }
    }
    // Several requests may have met in one cancelled entry: entries are what is counted.
    machine.cancelled += u64::from(asked_for);
    Ok(Answer::Continued)
}
