//! KTAP version 1: the format of Linux's tests, and of the guest itself.

use super::{Report, indented};
use crate::suite::{Outcome, Summary, Verdict};

/// The reporter.
#[derive(Default)]
pub struct Ktap {
    number: usize,
}

impl Report for Ktap {
    fn start(&mut self, total: usize) {
        println!("KTAP version 1\n1..{total}");
    }

    fn begin(&mut self, _name: &str) {}

    fn case(&mut self, outcome: &Outcome) {
        self.number += 1;
        let (number, name) = (self.number, &outcome.name);
        let reasons = outcome.reasons.join("; ");
        match outcome.verdict {
            Verdict::Passed => println!("ok {number} {name}"),
            Verdict::Skipped => println!("ok {number} {name} # SKIP {reasons}"),
            Verdict::Failed => {
                print!("{}", indented(&outcome.claim, "# claim: "));
                print!("{}", indented(&outcome.console, "# | "));
                print!("{}", indented(&outcome.autopsy, "# "));
                println!("not ok {number} {name} # {reasons}");
            }
        }
    }

    fn end(&mut self, summary: &Summary) {
        let Summary { passed, failed, skipped, .. } = summary;
        println!("# pass:{passed} fail:{failed} skip:{skipped} total:{}", summary.total());
    }
}
