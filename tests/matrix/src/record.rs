//! What a run of the suite leaves behind: JSON lines, from which every report is made.
//!
//! ```text
//!   {"record":"hypervisor", ...}    once for each hypervisor, before its cases
//!   {"record":"lesson", ...}        once for each case of the kernel
//!   {"record":"case", ...}          one case on one hypervisor, as it ends
//!   {"record":"end", ...}           last: what was planned. A file without it is cut short.
//! ```
//!
//! Files of several machines (partitions of one run, or runs on other hypervisors) are merged by
//! putting their records together: nothing in a record depends on its place.

use anyvisor_monitor::suite::Verdict;
use anyvisor_monitor::timeline::{Event, Figure};
use serde::{Deserialize, Serialize};

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase")]
pub enum Record {
    /// Who ran the cases.
    Hypervisor(Hypervisor),
    /// What a case teaches.
    Lesson(Lesson),
    /// One case on one hypervisor.
    Case(Box<CaseRun>),
    /// The run is complete.
    End(End),
}

/// A hypervisor, as it was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hypervisor {
    /// Short and unique, of letters, digits, `-` and `.`: `software`, `qemu-tcg-max`.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it says of its version, one line.
    pub version: String,
    /// The command line, without the case.
    pub command: Vec<String>,
    /// vCPUs of the machine.
    pub vcpus: u8,
}

/// What a case teaches: the text above it in the kernel's source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// `group.name`.
    pub case: String,
    /// The claim, one line.
    pub claim: String,
    /// The manual's reference.
    pub reference: String,
    /// What it needs, by name.
    pub needs: Vec<String>,
    /// The text, Markdown with pictures in ```` ```text ````.
    pub text: String,
}

/// One case on one hypervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseRun {
    /// [`Hypervisor::id`].
    pub hypervisor: String,
    /// `group.name`.
    pub case: String,
    /// How it ended (the last attempt).
    pub verdict: Verdict,
    /// Why it failed or was skipped, one line each.
    pub reasons: Vec<String>,
    /// The explanation, if this failure of this hypervisor is a known difference.
    pub known: Option<String>,
    /// How often it was run. More than one and passed: it is flaky.
    pub attempts: u32,
    /// Time of the last attempt, in nanoseconds.
    pub time_ns: u64,
    /// What the guest printed.
    pub console: String,
    /// Registers and last exits of a failed case, where the hypervisor tells.
    pub autopsy: String,
    /// What it measured.
    pub figures: Vec<Figure>,
    /// Exits and injected events, where the hypervisor tells.
    pub events: Vec<Event>,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// `i/n` of a partition, `1/1` otherwise.
    pub partition: String,
    /// How many case records there must be.
    pub cases: usize,
    /// Wall-clock time of the whole, in nanoseconds.
    pub time_ns: u64,
}
