//! KTAP version 1: the format of Linux's tests, and of the guest itself.

use super::{Report, indented};
use crate::console::say;
use crate::suite::{Outcome, Summary, Verdict};

/// The reporter.
#[derive(Default)]
pub struct Ktap {
    number: usize,
}

impl Report for Ktap {
    fn start(&mut self, total: usize) {
        say!("KTAP version 1\n1..{total}");
    }

    fn begin(&mut self, _name: &str) {}

    fn case(&mut self, outcome: &Outcome) {
        self.number += 1;
        let (number, name) = (self.number, &outcome.name);
        let reasons = outcome.reasons.join("; ");
        for figure in &outcome.figures {
            say!("# figure {figure}");
        }
        match outcome.verdict {
            Verdict::Passed => say!("ok {number} {name}"),
            Verdict::Skipped => say!("ok {number} {name} # SKIP {reasons}"),
            Verdict::Failed => {
                for (text, by) in [
                    (&outcome.claim, "# claim: "),
                    (&outcome.console, "# | "),
                    (&outcome.autopsy, "# "),
                ] {
                    // Nothing to say is no line: KTAP has no empty ones.
                    if !text.is_empty() {
                        say!("{}", indented(text, by));
                    }
                }
                say!("not ok {number} {name} # {reasons}");
            }
        }
    }

    fn end(&mut self, summary: &Summary) {
        let Summary { passed, failed, skipped, .. } = summary;
        say!("# pass:{passed} fail:{failed} skip:{skipped} total:{}", summary.total());
    }
}
