//! Going on after an exit that a case announced: skip, grant, or handle as ever.

use crate::cpu::Cpu;
use crate::expect::Seen;
use crate::ram::Perms;
use crate::record::Answer;
use crate::run::Stop;
use anyvisor_abi::map::STAGE2_GRANULE;
use anyvisor_abi::service::{AFTER_GRANT, AFTER_SKIP};
use anyvisor_arch::esr::Esr;

/// Does what `after` asks for; `None`: the exit is to be handled as if it had not been announced.
pub fn go_on(cpu: &mut Cpu, seen: Seen, after: u64) -> Result<Option<Answer>, Stop> {
    match after {
        AFTER_SKIP => skip(cpu, seen).map(Some),
        AFTER_GRANT => grant(cpu, seen).map(Some),
        _ => Ok(None),
    }
}

/// Steps over the instruction. The register of a load, or of an MRS, reads 0, where the syndrome
/// names it (a data abort with ISV = 0 names none).
fn skip(cpu: &mut Cpu, seen: Seen) -> Result<Answer, Stop> {
    let esr = Esr(seen.esr);
    if let Some(abort) = esr.data_abort()
        && let Some(access) = abort.access
        && !abort.write
    {
        cpu.set_x(access.register, 0)?;
    }
    if let Some(access) = esr.system_access()
        && access.read
    {
        cpu.set_x(access.rt, 0)?;
    }
    cpu.advance()?;
    Ok(Answer::Skipped)
}

/// Allows everything on the granule, so that the same instruction passes.
fn grant(cpu: &mut Cpu, seen: Seen) -> Result<Answer, Stop> {
    let granule = seen.ipa & !(STAGE2_GRANULE - 1);
    if !cpu.board.range.contains(granule, STAGE2_GRANULE) {
        let ram = cpu.board.range;
        let why = format!(
            "a case asked to grant the page of IPA {:#x}, which is not in RAM {ram}",
            seen.ipa
        );
        return Err(Stop::Unhandled(why));
    }
    cpu.board.protect(granule, STAGE2_GRANULE, Perms::all())?;
    Ok(Answer::Granted)
}
