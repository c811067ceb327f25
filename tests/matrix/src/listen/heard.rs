//! What was heard of one case.

use anyvisor_monitor::ktap::Said;
use anyvisor_monitor::suite::Verdict;
use anyvisor_monitor::timeline::Figure;
use std::time::Duration;

/// The result of one case in one boot.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// How it went.
    pub verdict: Verdict,
    /// Why it failed or was skipped.
    pub reasons: Vec<String>,
    /// What was printed since the result before it.
    pub console: String,
    /// What it measured.
    pub figures: Vec<Figure>,
    /// Since the result before it.
    pub time: Duration,
}

impl Heard {
    /// A failure with nothing but a reason.
    pub fn failure(reason: String) -> Self {
        Self {
            verdict: Verdict::Failed,
            reasons: vec![reason],
            console: String::new(),
            figures: Vec::new(),
            time: Duration::ZERO,
        }
    }

    /// Something speaks against it. The reason of a skip is none of a failure.
    pub fn fail(&mut self, reason: String) {
        if self.verdict == Verdict::Skipped {
            self.reasons.clear();
        }
        self.verdict = Verdict::Failed;
        self.reasons.push(reason);
    }

    /// It says something else, and that counts.
    pub fn again(&mut self, said: &Said, console: &str) {
        self.console += console;
        self.verdict = verdict(said);
        self.reasons = reason(said.clone()).into_iter().collect();
    }
}

/// What a guest's word means.
pub fn verdict(said: &Said) -> Verdict {
    match said {
        Said::Ok => Verdict::Passed,
        Said::NotOk(_) => Verdict::Failed,
        Said::Skip(_) => Verdict::Skipped,
    }
}

/// Why, as the guest says it.
pub fn reason(said: Said) -> Option<String> {
    match said {
        Said::Ok => None,
        Said::NotOk(reason) if reason.is_empty() => Some("the guest does not say why".into()),
        Said::NotOk(reason) | Said::Skip(reason) => Some(reason),
    }
}
