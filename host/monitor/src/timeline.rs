//! What happened in a case, in the order of time, for whoever shows it: a trace, a report.

use serde::{Deserialize, Serialize};

/// One exit with its answer, or something that the monitor did to a vCPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Since the machine started, in nanoseconds.
    pub time_ns: u64,
    /// Whose.
    pub vcpu: u32,
    /// What kind, one word: `hypercall`, `data-abort`, ... as the counts have it, or `inject`.
    pub kind: String,
    /// The guest's PC, where there is one.
    pub pc: Option<u64>,
    /// The instruction word there, if the monitor could read it.
    pub word: Option<u32>,
    /// What was seen: the exit's syndrome and addresses, or the event.
    pub what: String,
    /// What the monitor did about it.
    pub answer: String,
    /// How many of the same kind came right before it and are not kept (console accesses).
    pub before: u64,
}

/// A measurement, as a guest's line `# figure NAME VALUE UNIT` says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured: letters, digits, `_`, `.`.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Its unit: `ns`, `us`, `ppm`, `1/s`, ...
    pub unit: String,
}
