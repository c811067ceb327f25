//! What happened in a case, in the order of time, for whoever shows it: a trace, a report.

use serde::{Deserialize, Serialize};

/// One exit with its answer, or something that the monitor did to a vCPU.
///
/// ```text
///   kind             what
///   hypercall, ...   an exit, by the names of `record::Kind`: its syndrome and addresses
///   console          the guest printed a line: the line
///   inject           the monitor raised or lowered a line, sent a message, cancelled an entry
///   power            a vCPU went on or off, the machine was reset or stopped
///   dropped          there was no room: `before` events are missing here
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Since the machine started, in nanoseconds.
    pub time_ns: u64,
    /// Whose.
    pub vcpu: u32,
    /// What kind, one word: see above.
    pub kind: String,
    /// The address of the instruction that exited (of an HVC: itself, not the one behind it), or
    /// that would have been next.
    pub pc: Option<u64>,
    /// The instruction word there, if the monitor could read it.
    pub word: Option<u32>,
    /// What was seen: the exit's syndrome and addresses, or the event.
    pub what: String,
    /// What the monitor did about it.
    pub answer: String,
    /// How many of the same kind came right before it and are not kept (console accesses).
    pub before: u64,
    /// How long the monitor had it, in nanoseconds: a WFI sleeps here.
    #[serde(default)]
    pub took_ns: u64,
    /// It is the machine's and no vCPU's (an SPI, a message, a reset): `vcpu` is 0 then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// The exception level that the guest was at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub el: Option<u8>,
    /// Where the instruction at `pc` stands in the kernel's ELF file: its address as linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The calls that led there, as addresses of the calling instructions in the ELF file, the
    /// innermost first. From the guest's frame records, as far as they go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<u64>,
    /// What the case had announced of this exit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<Announced>,
    /// Source lines of the instruction, the innermost function first, then its callers'. Filled by
    /// who has the kernel's debug information; see [`Event::place`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<Place>,
}

/// What a case had announced (`EXPECT_EXIT`), and how the exit compares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Announced {
    /// The fields that it named, with their values.
    pub fields: String,
    /// The names of the fields in which the exit differs. None: both sides agree.
    pub differs: Vec<String>,
}

/// A line of source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The function, without its arguments.
    pub function: String,
    /// The file, from the workspace's root on: `guest/kernel/src/cases/abort.rs`.
    pub file: String,
    /// The line, from 1 on.
    pub line: u32,
    /// What stands there, if the file is at hand.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

impl Event {
    /// The most interesting of the source lines: the innermost one in a case, or else the
    /// innermost of the kernel's own, or else the innermost.
    pub fn place(&self) -> Option<&Place> {
        let within = |folder: &str| self.source.iter().find(|place| place.file.starts_with(folder));
        within("guest/kernel/src/cases/")
            .or_else(|| within("guest/kernel/"))
            .or_else(|| self.source.first())
    }
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
