//! How a case went on a hypervisor, in one word that all reports share.

use crate::record::CaseRun;
use anyvisor_monitor::suite::Verdict;

/// One word for a case on a hypervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It failed.
    Failed,
    /// It failed before it passed.
    Flaky,
    /// It passed, though a difference is known: the explanation is out of date.
    Stale,
    /// It failed, as is known and explained.
    Known,
    /// The hypervisor lacks what it needs.
    Skipped,
    /// It passed.
    Passed,
    /// There is no record of it.
    Missing,
}

impl Status {
    /// All, the worst first.
    pub const ALL: [Self; 7] = [
        Self::Failed,
        Self::Flaky,
        Self::Stale,
        Self::Known,
        Self::Skipped,
        Self::Passed,
        Self::Missing,
    ];

    /// Of a record, if there is one.
    pub fn of(run: Option<&CaseRun>) -> Self {
        let Some(run) = run else { return Self::Missing };
        match (run.verdict, &run.known) {
            (Verdict::Failed, Some(_)) => Self::Known,
            (Verdict::Failed, None) => Self::Failed,
            (Verdict::Skipped, _) => Self::Skipped,
            (Verdict::Passed, Some(_)) => Self::Stale,
            (Verdict::Passed, None) if run.attempts > 1 => Self::Flaky,
            (Verdict::Passed, None) => Self::Passed,
        }
    }

    /// The word for it in a page's address and as a class.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Flaky => "flaky",
            Self::Stale => "stale",
            Self::Known => "known",
            Self::Skipped => "skipped",
            Self::Passed => "passed",
            Self::Missing => "missing",
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flaky => "passed at a later try",
            Self::Stale => "passed, though a difference is known",
            Self::Known => "known difference",
            Self::Missing => "not run",
            other => other.word(),
        }
    }
}
