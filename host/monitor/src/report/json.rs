//! JSON lines: an object for each case as it ends, and one for the sum.

use super::Report;
use crate::suite::{Outcome, Summary};

/// The reporter.
pub struct Json;

impl Report for Json {
    fn start(&mut self, _total: usize) {}

    fn begin(&mut self, _name: &str) {}

    fn case(&mut self, outcome: &Outcome) {
        match serde_json::to_string(outcome) {
            Ok(line) => println!("{line}"),
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
            "time": time,
        });
        println!("{sum}");
    }
}
