//! A cancelled run: somebody called `hv_vcpus_exit`.

use crate::cpu::Cpu;
use crate::processors::Notice;
use crate::record::Answer;
use crate::run::Leave;

/// Does what stands in the mailbox and lets the guest go on, unless the vCPU is to halt.
pub fn handle(cpu: &mut Cpu) -> Result<Answer, Leave> {
    let mut asked_for = std::mem::take(&mut cpu.cancel_requested);
    let notices = cpu.board.processors.take_notices(cpu.number).ok_or(Leave::Halted)?;
    for notice in notices {
        match notice {
            Notice::Cancel => asked_for = true,
            Notice::Line { line, level } => {
                cpu.lines.drive(line, level);
            }
            Notice::Wake => {}
        }
    }
    // Several requests may have met in one cancelled entry: entries are what is counted.
    cpu.cancelled += u64::from(asked_for);
    Ok(Answer::Continued)
}
