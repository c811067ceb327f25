//! Text for people: a line for each group, the failures in full, the sum.

use super::{Report, indented};
use crate::console::say;
use crate::suite::{Outcome, Summary, Verdict};
use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// The reporter. The bar is drawn on the standard error, and only if that is a terminal.
pub struct Pretty {
    bar: ProgressBar,
    groups: Vec<Group>,
    failures: Vec<Outcome>,
    skipped: Vec<(String, String)>,
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
    /// A report that has nothing to tell yet.
    pub fn new() -> Self {
        Self {
            bar: ProgressBar::no_length(),
            groups: Vec::new(),
            failures: Vec::new(),
            skipped: Vec::new(),
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
        for (name, reason) in &self.skipped {
            say!("  {} {name}: {reason}", style("skipped").yellow());
        }
        for failure in &self.failures {
            print_failure(failure);
        }
        say!("\n{}", sum(summary));
        say!("exits: {}", summary.exits);
    }
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
