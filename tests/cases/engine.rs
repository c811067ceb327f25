//! Every case on the monitor's own machine: whatever serves `hv_*` here.

use crate::program::anyvisor;
use crate::{missing, place};
use anyvisor_abi::case::Needs;
use anyvisor_monitor::image::{CaseInfo, Image, cases};
use anyvisor_monitor::ram::RamRange;
use anyvisor_monitor::suite::{Suite, Verdict};
use libtest_mimic::{Completion, Failed, Trial};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const MEMORY: u64 = 128 << 20;
/// Generous: the engine may be an unoptimised build on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A process has one VM at a time: whoever makes one in this process holds this.
pub static ONE_VM: Mutex<()> = Mutex::new(());

/// One test a case.
pub fn trials() -> Vec<Trial> {
    let (kernel, all) = match kernel() {
        Ok(found) => found,
        Err(reason) => return missing("engine", reason),
    };
    let trial = |case: CaseInfo| {
        let kernel = kernel.clone();
        Trial::ignorable_test(format!("engine::{}", case.name), move || run(&kernel, &case))
    };
    all.into_iter().map(trial).collect()
}

/// The kernel's file and its cases.
pub fn kernel() -> Result<(Arc<Vec<u8>>, Vec<CaseInfo>), String> {
    let path = place("ANYVISOR_KERNEL")?;
    let file = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
    let all = cases(&file).map_err(|error| format!("{path}: {error}"))?;
    Ok((Arc::new(file), all))
}

fn run(file: &[u8], case: &CaseInfo) -> Result<Completion, Failed> {
    let _turn = ONE_VM.lock().unwrap_or_else(PoisonError::into_inner);
    let ram = RamRange::new(MEMORY);
    let image = Image::elf(file, ram)?;
    let suite =
        Suite { image: &image, ram, timeout: TIMEOUT, gic: None, trace: false, events: None };
    let outcome = suite.run(case)?;
    let reasons = outcome.reasons.join("; ");
    match outcome.verdict {
        Verdict::Passed => Ok(Completion::Completed),
        // The software engine's machine is known: a case skips for what is named here, and any
        // other skip hides a fault. (Another machine may lack more: a granule, PAN.)
        Verdict::Skipped if cfg!(target_os = "macos") || lacks(case) => {
            Ok(Completion::ignored_with(reasons))
        }
        Verdict::Skipped => Err(format!("skipped, which it must not be here: {reasons}").into()),
        Verdict::Failed => {
            Err(format!("{reasons}\n{}\n{}", outcome.console, outcome.autopsy).into())
        }
    }
}

/// Whether a case needs what the software engine's machine does not have: by its needs, or
/// because an M1 without performance monitors has not what it is about. `PMUVer` is 0 and the OS
/// Lock is the hypervisor's, as in Hypervisor.framework; FEAT_E0PD is left out.
fn lacks(case: &CaseInfo) -> bool {
    let absent = ["bti.landing_pads", "debug.breakpoint_off", "mmu.e0pd"];
    case.needs.contains(Needs::EL2)
        || case.needs.contains(Needs::GICV2)
        || absent.contains(&case.name.as_str())
        || case.name.starts_with("pmu.")
}

/// The cases again, all in one process, for the processor that has what the default one lacks.
pub fn other_processor() -> Vec<Trial> {
    // There is nothing to choose on a machine that shows its own processor.
    let kernel = match place("ANYVISOR_KERNEL") {
        Ok(_) if cfg!(target_os = "macos") => {
            return missing("m2", "the Mac's own processor".into());
        }
        Ok(kernel) => kernel,
        Err(reason) => return missing("m2", reason),
    };
    let all = move || {
        let ended = anyvisor(&["run", &kernel, "--cpu", "m2", "--pmu", "--format", "ktap"])?;
        ended.expect(0, &ended.stdout, &["ok", "bti.landing_pads\n", "pmu.cycles\n"])?;
        let others = skipped(&ended.stdout).filter(|(_, why)| *why != "needs gicv2");
        let skipped: Vec<&str> = others.map(|(name, _)| name).collect();
        // The framework keeps the OS Lock; FEAT_E0PD is left out.
        if skipped != ["debug.breakpoint_off", "mmu.e0pd"] {
            return Err(format!("other cases are skipped: {skipped:?}").into());
        }
        Ok(())
    };
    vec![Trial::test("m2::every case, with performance monitors", all)]
}

/// The cases again on machines without a GIC, where the timer's interrupt is an exit, WFI and WFE
/// are the monitor's, and ICC registers are not there.
pub fn without_gic() -> Vec<Trial> {
    let kernel = match place("ANYVISOR_KERNEL") {
        Ok(kernel) => kernel,
        Err(reason) => return missing("bare", reason),
    };
    let all = move || {
        let ended = anyvisor(&["run", &kernel, "--gic", "none", "--format", "ktap"])?;
        ended.expect(0, &ended.stdout, &["ok", " timer.periodic_virtual\n"])?;
        let needs = |reason: &str| reason.starts_with("needs ") && reason.contains("gic");
        let of_the_gic: Vec<_> = skipped(&ended.stdout).filter(|(_, why)| needs(why)).collect();
        let named = |name: &str| of_the_gic.iter().any(|(skipped, _)| *skipped == name);
        if !named("timer.periodic_physical") || named("virq.irq_taken") {
            return Err(format!("these need a GIC: {of_the_gic:?}").into());
        }
        Ok(())
    };
    vec![Trial::test("bare::every case, without a GIC", all)]
}

/// The cases that a report in KTAP says were skipped, and why.
fn skipped(report: &str) -> impl Iterator<Item = (&str, &str)> {
    report.lines().filter_map(|line| {
        let (result, reason) = line.split_once(" # SKIP ")?;
        Some((result.split_whitespace().nth(2)?, reason))
    })
}
