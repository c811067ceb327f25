//! What happened in a case, in the order of time, for whoever shows it: a trace, a report.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

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

/// The longest unit, and the longest name.
const LONGEST: usize = 64;

/// Why a line of the console is no figure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FigureError {
    /// There are not three words.
    #[error("a figure has a name, a value and a unit: {0:?}")]
    Words(String),
    /// The name has other characters, or too many.
    #[error("a figure's name is made of letters, digits, _ and .: {0:?}")]
    Name(String),
    /// The value is none, or not finite.
    #[error("a figure's value is a number: {0:?}")]
    Value(String),
    /// The unit is none.
    #[error("a figure's unit is made of letters, digits, /, % and _: {0:?}")]
    Unit(String),
}

impl FromStr for Figure {
    type Err = FigureError;

    /// Reads `NAME VALUE UNIT`. The guest is not trusted: what becomes a column's head in a report
    /// is a plain word, and what is plotted is a finite number.
    fn from_str(line: &str) -> Result<Self, FigureError> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, value, unit] = words[..] else {
            return Err(FigureError::Words(line.into()));
        };
        let made_of = |word: &str, more: &[u8]| {
            let known = |b: u8| b.is_ascii_alphanumeric() || more.contains(&b);
            word.len() <= LONGEST && word.bytes().all(known)
        };
        if !made_of(name, b"_.") {
            return Err(FigureError::Name(name.into()));
        }
        let number = value.parse().ok().filter(|number: &f64| number.is_finite());
        let Some(number) = number else {
            return Err(FigureError::Value(value.into()));
        };
        if !made_of(unit, b"/%_") {
            return Err(FigureError::Unit(unit.into()));
        }
        Ok(Self { name: name.into(), value: number, unit: unit.into() })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.value, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_read_and_written_alike() {
        for line in ["latency.p50 1200 ns", "drift -3.25 ppm", "rate 10 1/s", "share 0.5 %"] {
            let figure: Figure = line.parse().unwrap();
            assert_eq!(figure.to_string(), line);
        }
    }

    #[test]
    fn what_is_no_figure_is_refused_by_name() {
        let error = |line: &str| line.parse::<Figure>().unwrap_err();
        assert_eq!(error("a 1"), FigureError::Words("a 1".into()));
        assert_eq!(error(""), FigureError::Words(String::new()));
        assert_eq!(error("a 1 ns ns"), FigureError::Words("a 1 ns ns".into()));
        assert_eq!(error("<b> 1 ns"), FigureError::Name("<b>".into()));
        assert_eq!(error("a one ns"), FigureError::Value("one".into()));
        assert_eq!(error("a NaN ns"), FigureError::Value("NaN".into()));
        assert_eq!(error("a 1e999 ns"), FigureError::Value("1e999".into()));
        assert_eq!(error("a 1 \u{b5}s"), FigureError::Unit("\u{b5}s".into()));
        let long = format!("{} 1 ns", "a".repeat(LONGEST + 1));
        assert!(matches!(error(&long), FigureError::Name(_)));
    }
}
