//! Going on after an exit that a case announced: skip, grant, or handle as ever.

use crate::expect::Seen;
use crate::machine::Machine;
use crate::ram::Perms;
use crate::record::Answer;
use crate::run::Stop;
use anyvisor_abi::map::STAGE2_GRANULE;
use anyvisor_abi::service::{AFTER_GRANT, AFTER_SKIP};
use anyvisor_arch::esr::Esr;

/// Does what `after` asks for; `None`: the exit is to be handled as if it had not been announced.
pub fn go_on(machine: &mut Machine, seen: Seen, after: u64) -> Result<Option<Answer>, Stop> {
    match after {
        AFTER_SKIP => skip(machine, seen).map(Some),
        AFTER_GRANT => grant(machine, seen).map(Some),
        _ => Ok(None),
    }
}

/// Steps over the instruction. The register of a load, or of an MRS, reads 0, where the syndrome
/// names it (a data abort with ISV = 0 names none).
fn skip(machine: &mut Machine, seen: Seen) -> Result<Answer, Stop> {
    let esr = Esr(seen.esr);
    if let Some(abort) = esr.data_abort()
        && let Some(access) = abort.access
        && !abort.write
    {
        machine.set_x(access.register, 0)?;
    }
    if let Some(access) = esr.system_access()
        && access.read
    {
        machine.set_x(access.rt, 0)?;
    }
    machine.advance()?;
    Ok(Answer::Skipped)
}

/// Allows everything on the granule, so that the same instruction passes.
fn grant(machine: &mut Machine, seen: Seen) -> Result<Answer, Stop> {
    let granule = seen.ipa & !(STAGE2_GRANULE - 1);
    if !machine.ram.range().contains(granule, STAGE2_GRANULE) {
        let ram = machine.ram.range();
        let why = format!(
            "a case asked to grant the page of IPA {:#x}, which is not in RAM {ram}",
            seen.ipa
        );
        return Err(Stop::Unhandled(why));
    }
    machine.ram.protect(granule, STAGE2_GRANULE, Perms::all())?;
    Ok(Answer::Granted)
}
