//! A summary for a terminal: sums, what failed and why, what is known, what was measured.

use super::merge::Report;
use super::status::Status;
use super::text::{line, number, time};
use std::fmt::Write;

/// Text of plain lines.
pub fn write(report: &Report) -> String {
    let mut text = String::new();
    for (column, hypervisor) in report.hypervisors.iter().enumerate() {
        let sums =
            Status::ALL.into_iter().rev().map(|status| (status, report.count(column, status)));
        let sums = sums.filter(|(status, n)| *n > 0 || *status == Status::Passed);
        let sums: Vec<_> = sums.map(|(status, n)| format!("{n} {}", status.word())).collect();
        let runs = report.cases.iter().filter_map(|case| case.runs[column].as_ref());
        let total: u64 = runs.map(|run| run.time_ns).fold(0, u64::saturating_add);
        let (id, version) = (line(&hypervisor.id), line(&hypervisor.version));
        let _ = writeln!(text, "{id}: {} in {} ({version})", sums.join(", "), time(total as f64));
        for case in &report.cases {
            let status = case.status(column);
            let Some(run) = &case.runs[column] else { continue };
            if status == Status::Passed {
                continue;
            }
            let _ = write!(text, "  {:<8}{}", status.word(), line(&case.name));
            let tries =
                if run.attempts > 1 { format!(" ({} tries)", run.attempts) } else { String::new() };
            let _ = writeln!(text, "{tries}");
            for reason in run.known.iter().chain(&run.reasons) {
                let _ = writeln!(text, "          {}", line(reason));
            }
        }
    }
    let figures = report.cases.iter().flat_map(|case| {
        let runs = case.runs.iter().zip(&report.hypervisors);
        runs.flat_map(|(run, hypervisor)| run.iter().map(move |run| (run, hypervisor)))
    });
    for (run, hypervisor) in figures {
        for figure in &run.figures {
            let (case, name, unit) = (line(&run.case), line(&figure.name), line(&figure.unit));
            let id = line(&hypervisor.id);
            let _ = writeln!(text, "figure {case} {name}: {} {unit} ({id})", number(figure.value));
        }
    }
    text
}
