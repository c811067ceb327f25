//! JSON lines: an object for each case as it ends, and one for the sum.

use super::Report;
use crate::console::say;
use crate::suite::{Outcome, Summary};

/// The reporter.
pub struct Json;

impl Report for Json {
    fn start(&mut self, _total: usize) {}

    fn begin(&mut self, _name: &str) {}

    fn case(&mut self, outcome: &Outcome) {
        match serde_json::to_string(outcome) {
            Ok(line) => say!("{line}"),
            Err(error) => log::error!("{}: no JSON: {error}", outcome.name),
        }
    }

    fn end(&mut self, summary: &Summary) {
        let Summary { passed, failed, skipped, exits, time } = summary;
        let sum = serde_json::json!({
            "total": summary.total(),
            "passed": passed,
            "failed": failed,
            "skipped": skipped,
            "exits": exits,
            "time_ns": time.as_nanos() as u64,
        });
        say!("{sum}");
    }
}
