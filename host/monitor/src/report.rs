//! How a run is told: KTAP for programs that read test reports, a summary for people, JSON for
//! programs of ours.

mod json;
mod ktap;
mod pretty;

use crate::suite::{Outcome, Summary};

/// The formats of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// KTAP version 1.
    Ktap,
    /// Text for people.
    Pretty,
    /// A JSON object a line: one for each case, then the sum.
    Json,
}

/// Someone who is told how a run goes on.
pub trait Report {
    /// The cases that will run.
    fn start(&mut self, total: usize);
    /// One of them starts.
    fn begin(&mut self, name: &str);
    /// One of them is over.
    fn case(&mut self, outcome: &Outcome);
    /// All are over.
    fn end(&mut self, summary: &Summary);
}

/// The report of a format, to the standard output. `figures`: text for people has a table of what
/// was measured; the others always say it.
pub fn reporter(format: Format, figures: bool) -> Box<dyn Report> {
    match format {
        Format::Ktap => Box::new(ktap::Ktap::default()),
        Format::Pretty => Box::new(pretty::Pretty::new(figures)),
        Format::Json => Box::new(json::Json),
    }
}

/// Indents each line of `text`.
fn indented(text: &str, by: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{by}{line}")).collect();
    lines.join("\n")
}
/// `1 case`, `2 cases`.
pub fn cases(count: usize) -> String {
    format!("{count} {}", if count == 1 { "case" } else { "cases" })
}
