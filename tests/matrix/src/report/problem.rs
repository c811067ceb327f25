//! What can be wrong with files of records, each with the place and what it means.

use std::fmt;
use thiserror::Error;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// The last line ends in its middle.
    #[error("{0}: the last line is cut short: the run was stopped there, and what it said is lost")]
    Cut(Place),
    /// A line is no record.
    #[error("{at}: no record of a run, and not counted: {why}: {excerpt}")]
    Foreign {
        /// Where.
        at: Place,
        /// What is wrong with it.
        why: String,
        /// How it begins.
        excerpt: String,
    },
    /// The file has nothing in it.
    #[error("{file}: holds no records")]
    Empty {
        /// The file.
        file: String,
    },
    /// There is no end record.
    #[error("{file}: has no end record: the run did not come to its end ({cases} cases are there)")]
    NoEnd {
        /// The file.
        file: String,
        /// Cases that it has.
        cases: usize,
    },
    /// The end record names another number of cases.
    #[error("{at}: the run says that it had {planned} cases, but {found} are there")]
    Count {
        /// The end record.
        at: Place,
        /// What it says.
        planned: usize,
        /// What there is.
        found: usize,
    },
    /// A partition is not `i/n`.
    #[error("{at}: `{text}` is no partition of a run: i/n, count:i/n or hash:i/n with 1 <= i <= n")]
    Partition {
        /// The end record.
        at: Place,
        /// What it says.
        text: String,
    },
    /// Partitions of a run are not there.
    #[error(
        "{hypervisor}: of {of} partitions {} missing: give their files, too, or --partial",
        list(missing)
    )]
    Missing {
        /// Whose.
        hypervisor: String,
        /// Which, from 1.
        missing: Vec<u64>,
        /// How many there must be.
        of: u64,
    },
    /// A run was divided in more than one way.
    #[error("{hypervisor}: partitions that do not belong together: {}", ways.join(", "))]
    Mixed {
        /// Whose.
        hypervisor: String,
        /// `FILE: i/n` of each.
        ways: Vec<String>,
    },
    /// Cases that are in two places with the same verdict.
    #[error("{hypervisor}: {} in {a} and in {b}: the partitions overlap: {}",
        several(cases.len(), "case is", "cases are"), some(cases))]
    Twice {
        /// Whose.
        hypervisor: String,
        /// One file.
        a: String,
        /// The other; it may be the same.
        b: String,
        /// The cases.
        cases: Vec<String>,
    },
    /// A case that two runs tell differently.
    #[error("{hypervisor}: {case}: {a} says {says_a}, {b} says {says_b}; the worse one counts")]
    Disagree {
        /// Whose.
        hypervisor: String,
        /// The case.
        case: String,
        /// One place.
        a: Place,
        /// What it says.
        says_a: String,
        /// The other place.
        b: Place,
        /// What it says.
        says_b: String,
    },
    /// Two hypervisors have one name.
    #[error("{at}: `{id}` is another hypervisor than before: {what}")]
    OtherHypervisor {
        /// The later record.
        at: Place,
        /// [`Hypervisor::id`](crate::record::Hypervisor::id).
        id: String,
        /// What differs.
        what: String,
    },
    /// A case whose lesson differs: the partitions ran different kernels.
    #[error("{at}: {case} is not what it was before: this run had another kernel")]
    OtherKernel {
        /// The later record.
        at: Place,
        /// The case.
        case: String,
    },
    /// A case of a hypervisor without a record of its own.
    #[error("{at}: no record says what the hypervisor `{id}` is")]
    Unknown {
        /// The first case.
        at: Place,
        /// Its hypervisor.
        id: String,
    },
}

impl Problem {
    /// Whether it only says that something is not there.
    pub fn is_a_missing_part(&self) -> bool {
        match self {
            Self::Cut(_) | Self::NoEnd { .. } | Self::Missing { .. } => true,
            Self::Count { planned, found, .. } => found < planned,
            _ => false,
        }
    }
}

fn list(numbers: &[u64]) -> String {
    let all: Vec<_> = numbers.iter().map(u64::to_string).collect();
    let verb = if all.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", all.join(", "))
}

fn several(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}
