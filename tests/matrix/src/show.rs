//! A run for people: one table, case by hypervisor, with its legend.
//!
//! ```text
//!   A  software       Anyvisor ...            anyvisor 0.1.0
//!   B  qemu-tcg-max   QEMU, TCG: ...          QEMU emulator version ...
//!
//!                          A        B
//!   gic.past_the_last      ok       known 1
//!   hypercall.uid          ok       skip 2
//!
//!   known 1   GICD_TYPER.ITLinesNumber N says ...
//!   skip 2    needs services
//! ```

use crate::crew::is_failure;
use crate::record::{CaseRun, Hypervisor};
use anyvisor_monitor::suite::Verdict;
use console::{Style, style};
use std::collections::HashMap;

/// Of a failed case's console the last lines are shown.
const CONSOLE_LINES: usize = 12;

/// What is shown.
#[derive(Debug)]
pub struct Shown<'a> {
    /// The columns.
    pub hypervisors: &'a [Hypervisor],
    /// The rows, in order.
    pub cases: &'a [&'a str],
    /// What there is in them.
    pub runs: &'a [CaseRun],
    /// What should have differed, and did not: case, hypervisor, explanation.
    pub stale: &'a [(String, String, String)],
    /// Leave out cases that passed everywhere.
    pub brief: bool,
}

/// What a cell says, without its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Mark {
    Passed,
    Flaky,
    Failed,
    Known,
    Skipped,
    Absent,
}

impl Mark {
    fn of(run: Option<&CaseRun>) -> Self {
        match run {
            None => Self::Absent,
            Some(run) if is_failure(run) => Self::Failed,
            Some(run) => match run.verdict {
                Verdict::Passed if run.attempts > 1 => Self::Flaky,
                Verdict::Passed => Self::Passed,
                Verdict::Skipped => Self::Skipped,
                Verdict::Failed => Self::Known,
            },
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Flaky => "flaky",
            Self::Failed => "FAIL",
            Self::Known => "known",
            Self::Skipped => "skip",
            Self::Absent => "-",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Passed => Style::new().green(),
            Self::Failed => Style::new().red().bold(),
            Self::Known | Self::Flaky => Style::new().yellow(),
            Self::Skipped | Self::Absent => Style::new().dim(),
        }
    }
}

/// Numbers for reasons, each reason once.
#[derive(Default)]
struct Legend {
    numbers: HashMap<(Mark, String), usize>,
    entries: Vec<(Mark, String)>,
}

impl Legend {
    fn number(&mut self, mark: Mark, run: &CaseRun) -> Option<usize> {
        let reason = match mark {
            Mark::Passed | Mark::Absent => return None,
            Mark::Flaky => format!("passed at attempt {}", run.attempts),
            Mark::Known => run.known.clone().unwrap_or_default(),
            Mark::Failed | Mark::Skipped => run.reasons.join("; "),
        };
        let entries = &mut self.entries;
        let number = self.numbers.entry((mark, reason.clone())).or_insert_with(|| {
            entries.push((mark, reason));
            entries.len()
        });
        Some(*number)
    }
}

impl Shown<'_> {
    /// The lines.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let letters: Vec<String> = (0..self.hypervisors.len()).map(letter).collect();
        let width = |text: &dyn Fn(&Hypervisor) -> usize| {
            self.hypervisors.iter().map(text).max().unwrap_or(0)
        };
        let (ids, names) = (width(&|h| h.id.len()), width(&|h| h.name.len()));
        for (letter, Hypervisor { id, name, version, .. }) in letters.iter().zip(self.hypervisors) {
            lines.push(format!("{letter:2} {id:ids$}  {name:names$}  {version}"));
        }
        let by_cell: HashMap<(&str, &str), &CaseRun> =
            self.runs.iter().map(|run| ((&*run.case, &*run.hypervisor), run)).collect();
        let mut legend = Legend::default();
        let mut rows = Vec::new();
        for case in self.cases {
            let cells: Vec<(Mark, String)> = self
                .hypervisors
                .iter()
                .map(|hypervisor| {
                    let run = by_cell.get(&(*case, &*hypervisor.id)).copied();
                    let mark = Mark::of(run);
                    let number = run.and_then(|run| legend.number(mark, run));
                    let number = number.map_or(String::new(), |number| format!(" {number}"));
                    (mark, format!("{}{number}", mark.word()))
                })
                .collect();
            if !(self.brief && cells.iter().all(|(mark, _)| *mark == Mark::Passed)) {
                rows.push((*case, cells));
            }
        }
        let first = rows.iter().map(|(case, _)| case.len()).max().unwrap_or(0).max(8);
        let cell = rows.iter().flat_map(|(_, cells)| cells).map(|(_, text)| text.len());
        let cell = cell.max().unwrap_or(0).max(5);
        let joined = |cells: Vec<String>| cells.join("  ").trim_end().to_string();
        let head = joined(letters.iter().map(|letter| format!("{letter:cell$}")).collect());
        if !rows.is_empty() {
            lines.push(format!("\n{:first$}  {head}", ""));
        }
        for (case, cells) in rows {
            let cells = cells
                .iter()
                .map(|(mark, text)| mark.style().apply_to(format!("{text:cell$}")).to_string());
            lines.push(format!("{case:first$}  {}", joined(cells.collect())));
        }
        lines.push(String::new());
        for mark in
            [Mark::Passed, Mark::Flaky, Mark::Failed, Mark::Known, Mark::Skipped, Mark::Absent]
        {
            let counts: Vec<usize> =
                self.hypervisors.iter().map(|h| self.count(&h.id, mark, &by_cell)).collect();
            if mark == Mark::Passed || counts.iter().any(|&count| count > 0) {
                let counts = counts.iter().map(|count| format!("{count:<cell$}"));
                let what = if mark == Mark::Absent { "not run" } else { mark.word() };
                lines.push(format!("{what:first$}  {}", joined(counts.collect())));
            }
        }
        if !legend.entries.is_empty() {
            lines.push(String::new());
        }
        for (number, (mark, reason)) in (1..).zip(&legend.entries) {
            let head = format!("{:9}", format!("{} {number}", mark.word()));
            lines.push(format!("{}  {}", mark.style().apply_to(head), printable(reason)));
        }
        self.failures(&mut lines);
        for (case, hypervisor, why) in self.stale {
            let head = style("stale").yellow();
            lines.push(format!(
                "{head}: {case} passed on {hypervisor}, but is known to differ: {why}"
            ));
        }
        lines
    }

    fn count(&self, id: &str, mark: Mark, cells: &HashMap<(&str, &str), &CaseRun>) -> usize {
        let of = |case: &&&str| Mark::of(cells.get(&(**case, id)).copied()) == mark;
        self.cases.iter().filter(of).count()
    }

    /// The failures that nobody knows, in full.
    fn failures(&self, lines: &mut Vec<String>) {
        for run in self.runs.iter().filter(|run| is_failure(run)) {
            let CaseRun { case, hypervisor, attempts, console, autopsy, .. } = run;
            let attempts =
                if *attempts > 1 { format!(" ({attempts} attempts)") } else { String::new() };
            lines
                .push(format!("\n{} {case} on {hypervisor}{attempts}", style("FAIL").red().bold()));
            lines.extend(run.reasons.iter().map(|reason| format!("  -> {}", printable(reason))));
            let console: Vec<&str> = console.lines().collect();
            let last = &console[console.len().saturating_sub(CONSOLE_LINES)..];
            lines.extend(last.iter().map(|line| format!("  | {}", printable(line))));
            lines.extend(autopsy.lines().map(|line| format!("    {}", printable(line))));
        }
    }
}

/// What a guest or a program said, harmless to a terminal.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// A to Z, AA, AB, ...
fn letter(column: usize) -> String {
    let last = char::from(b'A' + (column % 26) as u8);
    if column < 26 { last.to_string() } else { letter(column / 26 - 1) + &last.to_string() }
}

#[cfg(test)]
mod tests;
