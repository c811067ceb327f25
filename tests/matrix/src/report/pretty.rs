//! For a terminal: the table of a run, as the run itself prints it, and what was measured.

use super::merge::Report;
use super::status::Status;
use super::text::{line, number, visible};
use crate::record::CaseRun;
use crate::show::Shown;

/// Lines of text.
pub fn write(report: &Report) -> String {
    // Names and texts are from other machines: none may act on this terminal.
    let mut hypervisors = report.hypervisors.clone();
    for hypervisor in &mut hypervisors {
        for text in [&mut hypervisor.id, &mut hypervisor.name, &mut hypervisor.version] {
            *text = line(text);
        }
    }
    let names: Vec<String> = report.cases.iter().map(|case| line(&case.name)).collect();
    let runs = report.cases.iter().flat_map(|case| case.runs.iter().flatten());
    let runs: Vec<CaseRun> = runs.map(shown).collect();
    let stale = runs.iter().filter(|run| Status::of(Some(run)) == Status::Stale).map(|run| {
        (run.case.clone(), run.hypervisor.clone(), run.known.clone().unwrap_or_default())
    });
    let table = Shown {
        hypervisors: &hypervisors,
        cases: &names.iter().map(String::as_str).collect::<Vec<_>>(),
        runs: &runs,
        stale: &stale.collect::<Vec<_>>(),
        brief: false,
    };
    let mut lines = table.lines();
    for CaseRun { case, hypervisor, figures, .. } in &runs {
        let of = |f: &anyvisor_monitor::timeline::Figure| {
            let (name, unit) = (line(&f.name), line(&f.unit));
            format!("figure {case} {name}: {} {unit} on {hypervisor}", number(f.value))
        };
        lines.extend(figures.iter().map(of));
    }
    lines.join("\n") + "\n"
}

/// The same run with texts that do nothing but say something.
fn shown(run: &CaseRun) -> CaseRun {
    let mut run = run.clone();
    run.events.clear();
    for text in [&mut run.case, &mut run.hypervisor].into_iter().chain(&mut run.reasons) {
        *text = line(text);
    }
    run.known = run.known.as_deref().map(line);
    for text in [&mut run.console, &mut run.autopsy] {
        *text = visible(text);
    }
    run
}
