//! The same kernel under QEMU, which is another hypervisor: it knows nothing of the monitor's
//! services, so the cases that need them skip by themselves, and all others have to pass, but for
//! the known differences (`tests/matrix/known.toml`).
//!
//! The runner of the matrix does it, on each of its machines that QEMU emulates.

use crate::engine::kernel;
use crate::{missing, place};
use anyvisor_abi::case::Needs;
use anyvisor_matrix::boot::Limits;
use anyvisor_matrix::choice::Table;
use anyvisor_matrix::hypervisor::{ROWS, Row, Way, look};
use anyvisor_matrix::known::Known;
use anyvisor_matrix::listen::Heard;
use anyvisor_matrix::process::Interrupt;
use anyvisor_matrix::session::Session;
use anyvisor_monitor::image::CaseInfo;
use anyvisor_monitor::suite::Verdict;
use libtest_mimic::{Completion, Failed, Trial};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Generous: a case that takes a tenth of a second takes many on a busy machine.
const LIMITS: Limits = Limits { case: Duration::from_secs(120), console: 1 << 20 };

struct Kernel {
    elf: PathBuf,
    image: PathBuf,
    cases: Vec<CaseInfo>,
}

/// What a machine said of a case, and the explanation if that is a known difference.
type Results = Result<Vec<(Heard, Option<String>)>, String>;

/// One test a machine and case.
pub fn trials() -> Vec<Trial> {
    let found = || {
        let missing = || std::env::var("ANYVISOR_QEMU_MISSING");
        place("ANYVISOR_QEMU").map_err(|unset| missing().unwrap_or(unset))?;
        let (elf, image) = (place("ANYVISOR_KERNEL")?, place("ANYVISOR_KERNEL_IMAGE")?);
        Ok(Kernel { elf: elf.into(), image: image.into(), cases: kernel()?.1 })
    };
    let kernel = match found() {
        Ok(kernel) => Arc::new(kernel),
        Err(reason) => return missing("qemu", reason),
    };
    let rows = ROWS.iter().filter(|row| row.id.starts_with("qemu-tcg-"));
    rows.flat_map(|row| machine(row, &kernel)).collect()
}

fn machine(row: &'static Row, kernel: &Arc<Kernel>) -> Vec<Trial> {
    let all = {
        let kernel = kernel.clone();
        Arc::new(LazyLock::new(move || run(row, &kernel)))
    };
    let trial = |(place, case): (usize, &CaseInfo)| {
        let (all, case) = (all.clone(), case.clone());
        Trial::ignorable_test(format!("{}::{}", row.id, case.name), move || {
            let all = all.as_ref().as_ref()?;
            verdict(row, &case, all.get(place).ok_or("it was not run")?)
        })
    };
    kernel.cases.iter().enumerate().map(trial).collect()
}

/// All cases on one machine, in the order of the table.
fn run(row: &Row, kernel: &Kernel) -> Results {
    let known = Known::ours().map_err(|error| error.to_string())?;
    let hypervisor = look(row, None)?;
    let Way::Boots(boots) = &hypervisor.way else { return Err("it boots nothing".into()) };
    let session = Session {
        id: row.id,
        boots,
        table: Table(&kernel.cases),
        elf: &kernel.elf,
        image: &kernel.image,
        limits: LIMITS,
        interrupt: &Interrupt::default(),
    };
    let explain = |place: usize, heard: &Heard| {
        let case = &kernel.cases[place].name;
        let difference = known.explain(row.id, &hypervisor.version, case, &heard.reasons);
        difference.map(|difference| difference.explanation())
    };
    // QEMU's timers are a thread of its own, which a busy machine may leave behind the counter: what
    // fails is run again, once.
    let mut results = BTreeMap::new();
    let mut wanted: Vec<usize> = (0..kernel.cases.len()).collect();
    for _ in 0..2 {
        let (heard, error) = session.run(&wanted, &mut |_| {});
        if let Some(error) = error {
            return Err(error.to_string());
        }
        results.extend(heard);
        wanted.retain(|place| {
            results.get(place).is_some_and(|heard| {
                heard.verdict == Verdict::Failed && explain(*place, heard).is_none()
            })
        });
    }
    let explained = |(place, heard): (usize, Heard)| {
        let known = explain(place, &heard);
        (heard, known)
    };
    Ok(results.into_iter().map(explained).collect())
}

fn verdict(
    row: &Row,
    case: &CaseInfo,
    (heard, known): &(Heard, Option<String>),
) -> Result<Completion, Failed> {
    let reasons = heard.reasons.join("; ");
    match (heard.verdict, known) {
        (Verdict::Passed, _) => Ok(Completion::Completed),
        (Verdict::Failed, Some(known)) => Ok(Completion::ignored_with(format!("known: {known}"))),
        (Verdict::Failed, None) => Err(format!("{reasons}\n{}", heard.console).into()),
        // A machine lacks what its row says, and nothing else that a case may need.
        (Verdict::Skipped, _) if reasons.starts_with("needs ") && !lacks(row, case) => {
            Err(format!("skipped, which it must not be here: {reasons}").into())
        }
        (Verdict::Skipped, _) => Ok(Completion::ignored_with(reasons)),
    }
}

/// Whether a case needs what the machine of this row does not have.
fn lacks(row: &Row, case: &CaseInfo) -> bool {
    let gicv2 = row.id == "qemu-tcg-gicv2";
    let controller = if gicv2 { Needs::GIC } else { Needs::GICV2 };
    let absent = [Needs::SERVICES, controller];
    absent.iter().any(|need| case.needs.contains(*need)) || case.needs.vcpu_count() > row.vcpus
}
