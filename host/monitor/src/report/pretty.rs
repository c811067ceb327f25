//! Text for people: a line for each group, the failures in full, the sum.

use super::{Report, indented};
use crate::console::say;
use crate::suite::{Outcome, Summary, Verdict};
use crate::timeline::Figure;
use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// The reporter. The bar is drawn on the standard error, and only if that is a terminal.
pub struct Pretty {
    bar: ProgressBar,
    groups: Vec<Group>,
    failures: Vec<Outcome>,
    skipped: Vec<(String, String)>,
    /// Passed, but not the first time: with the number of attempts.
    flaky: Vec<(String, u32)>,
    /// What was measured, by case; nobody asked: `None`.
    figures: Option<Vec<(String, Figure)>>,
}

/// The cases whose names have the same first part.
#[derive(Default)]
struct Group {
    name: String,
    passed: usize,
    failed: usize,
    skipped: usize,
    time: Duration,
}

impl Pretty {
    /// A report that has nothing to tell yet; with figures, if they are wanted.
    pub fn new(figures: bool) -> Self {
        Self {
            bar: ProgressBar::no_length(),
            groups: Vec::new(),
            failures: Vec::new(),
            skipped: Vec::new(),
            flaky: Vec::new(),
            figures: figures.then(Vec::new),
        }
    }
}

impl Report for Pretty {
    fn start(&mut self, total: usize) {
        self.bar = ProgressBar::new(total as u64);
        if let Ok(look) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
            self.bar.set_style(look);
        }
    }

    fn begin(&mut self, name: &str) {
        self.bar.set_message(name.to_string());
    }

    fn case(&mut self, outcome: &Outcome) {
        self.bar.inc(1);
        let at = self.groups.iter().position(|g| g.name == outcome.group());
        let group = match at {
            Some(at) => &mut self.groups[at],
            None => {
                let name = outcome.group().to_string();
                self.groups.push(Group { name, ..Group::default() });
                let last = self.groups.len() - 1;
                &mut self.groups[last]
            }
        };
        group.time += outcome.time();
        if let Some(all) = &mut self.figures {
            all.extend(outcome.figures.iter().map(|one| (outcome.name.clone(), one.clone())));
        }
        if outcome.is_flaky() {
            self.flaky.push((outcome.name.clone(), outcome.attempts));
        }
        match outcome.verdict {
            Verdict::Passed => group.passed += 1,
            Verdict::Failed => {
                group.failed += 1;
                self.failures.push(outcome.clone());
            }
            Verdict::Skipped => {
                group.skipped += 1;
                self.skipped.push((outcome.name.clone(), outcome.reasons.join("; ")));
            }
        }
    }

    fn end(&mut self, summary: &Summary) {
        self.bar.finish_and_clear();
        let width = self.groups.iter().map(|g| g.name.len()).max().unwrap_or(0);
        for group in &self.groups {
            say!("  {}", group.line(width));
        }
        for line in skips(&self.skipped) {
            say!("  {} {line}", style("skipped").yellow());
        }
        for (name, attempts) in &self.flaky {
            say!("  {} {name}: passed at attempt {attempts}", style("flaky  ").yellow());
        }
        for failure in &self.failures {
            print_failure(failure);
        }
        if let Some(figures) = &self.figures {
            for line in table(figures) {
                say!("{line}");
            }
        }
        say!("\n{}", sum(summary));
        say!("exits: {}", summary.exits);
    }
}

/// A line for each skipped case, and one for neighbours of a group with the same reason.
fn skips(skipped: &[(String, String)]) -> Vec<String> {
    let group = |name: &str| name.split('.').next().unwrap_or_default().to_string();
    let alike =
        |a: &(String, String), b: &(String, String)| a.1 == b.1 && group(&a.0) == group(&b.0);
    let runs = skipped.chunk_by(alike);
    runs.map(|run| match run {
        [(name, reason)] => format!("{name}: {reason}"),
        many => format!("{}, {}: {}", group(&many[0].0), super::cases(many.len()), many[0].1),
    })
    .collect()
}

impl Group {
    fn line(&self, width: usize) -> String {
        let mark = if self.failed > 0 { style("FAIL").red() } else { style("ok  ").green() };
        let mut counts = format!("{:3} passed", self.passed);
        for (count, what) in [(self.failed, "failed"), (self.skipped, "skipped")] {
            if count > 0 {
                counts += &format!(", {count} {what}");
            }
        }
        let name = &self.name;
        format!("{mark} {name:width$} {counts}  {:.1} ms", milliseconds(self.time))
    }
}

fn print_failure(outcome: &Outcome) {
    say!("\n{} {}", style("FAILED").red().bold(), style(&outcome.name).bold());
    say!("  claim: {}", outcome.claim);
    say!("  see:   {}", outcome.reference);
    for reason in &outcome.reasons {
        say!("  {} {reason}", style("->").red());
    }
    if !outcome.console.is_empty() {
        say!("  console:\n{}", indented(&outcome.console, "    | "));
    }
    if !outcome.autopsy.is_empty() {
        say!("  machine:\n{}", indented(&outcome.autopsy, "    "));
    }
}

/// A line for each figure, the case's name before its first one.
fn table(figures: &[(String, Figure)]) -> Vec<String> {
    let widest =
        |of: &dyn Fn(&(String, Figure)) -> usize| figures.iter().map(of).max().unwrap_or(0);
    let case_width = widest(&|(case, _)| case.len());
    let name_width = widest(&|(_, figure)| figure.name.len());
    let value_width = widest(&|(_, figure)| figure.value.to_string().len());
    let mut before = None;
    let mut lines = Vec::with_capacity(figures.len() + 1);
    if figures.is_empty() {
        lines.push("\nno figures".into());
    } else {
        lines.push("\nfigures:".into());
    }
    for (case, Figure { name, value, unit }) in figures {
        let head = if before == Some(case) { "" } else { case };
        before = Some(case);
        lines.push(format!(
            "  {head:case_width$}  {name:name_width$}  {value:>value_width$} {unit}"
        ));
    }
    lines
}

fn sum(summary: &Summary) -> String {
    let Summary { passed, failed, skipped, time, .. } = summary;
    let text = format!(
        "{}: {passed} passed, {failed} failed, {skipped} skipped in {:.0} ms",
        super::cases(summary.total()),
        milliseconds(*time)
    );
    if *failed > 0 { style(text).red().to_string() } else { style(text).green().to_string() }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_are_skipped_for_one_reason_share_a_line() {
        let skipped = [("a.b", "x"), ("c.d", "x"), ("c.e", "x"), ("c.f", "y")];
        let skipped = skipped.map(|(name, reason)| (name.to_string(), reason.to_string()));
        assert_eq!(skips(&skipped), ["a.b: x", "c, 2 cases: x", "c.f: y"]);
    }

    #[test]
    fn figures_stand_in_columns_and_a_case_is_named_once() {
        let figure = |case: &str, line: &str| (case.to_string(), line.parse().unwrap());
        let lines = table(&[
            figure("timer.latency", "p50 1200 ns"),
            figure("timer.latency", "most 9.5 us"),
            figure("a.b", "n 3 times"),
        ]);
        assert_eq!(
            lines,
            [
                "\nfigures:",
                "  timer.latency  p50   1200 ns",
                "                 most   9.5 us",
                "  a.b            n        3 times",
            ]
        );
        assert_eq!(table(&[]), ["\nno figures"]);
    }
}
