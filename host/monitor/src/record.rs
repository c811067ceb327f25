//! What the monitor remembers of the exits: how many of each kind, and the last few.

use crate::devices::Device;
use crate::expect::Seen;
use crate::trap::hypercall;
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_devices::pl011::offset;
use applevisor::prelude::ExitReason;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How many exits are shown.
const SHOWN: usize = 16;
/// How many have room: one more, for the entry that may be folded into the one before it.
const LAST: usize = SHOWN + 1;

/// The kinds of exits, as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Kind {
    /// HVC and SMC.
    Hypercall,
    /// Data aborts: devices, and pages without the permission.
    DataAbort,
    /// Instruction aborts.
    InstructionAbort,
    /// MSR, MRS and system instructions.
    System,
    /// WFI and WFE.
    Wait,
    /// The virtual timer.
    Timer,
    /// Cancelled.
    Canceled,
    /// The rest.
    Other,
}

impl Kind {
    /// The kinds with their names.
    pub const NAMES: [(Self, &'static str); 8] = [
        (Self::Hypercall, "hypercall"),
        (Self::DataAbort, "data-abort"),
        (Self::InstructionAbort, "instruction-abort"),
        (Self::System, "system-register"),
        (Self::Wait, "wait"),
        (Self::Timer, "timer"),
        (Self::Canceled, "canceled"),
        (Self::Other, "other"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// The kind of an exit.
    #[inline]
    pub fn of(reason: ExitReason, syndrome: u64) -> Self {
        match reason {
            ExitReason::CANCELED => Self::Canceled,
            ExitReason::VTIMER_ACTIVATED => Self::Timer,
            ExitReason::UNKNOWN => Self::Other,
            ExitReason::EXCEPTION => match Esr(syndrome).class() {
                Ok(ExceptionClass::Hvc | ExceptionClass::Smc) => Self::Hypercall,
                Ok(ExceptionClass::DataAbortLower) => Self::DataAbort,
                Ok(ExceptionClass::InstructionAbortLower) => Self::InstructionAbort,
                Ok(ExceptionClass::System) => Self::System,
                Ok(ExceptionClass::Wait) => Self::Wait,
                _ => Self::Other,
            },
        }
    }
}

/// How many exits there were of each kind, in the order of [`Kind::NAMES`]. In JSON an object:
/// the kinds that are not zero, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "BTreeMap<String, u64>", from = "BTreeMap<String, u64>")]
pub struct Counts([u64; Kind::NAMES.len()]);

impl Counts {
    /// The counts that are not zero, with the kinds' names.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Kind::NAMES.iter().map(|(kind, name)| (*name, self.0[*kind as usize])).filter(|c| c.1 > 0)
    }

    /// All exits.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds the exits of another run.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

impl From<Counts> for BTreeMap<String, u64> {
    fn from(counts: Counts) -> Self {
        counts.named().map(|(name, count)| (name.to_string(), count)).collect()
    }
}

impl From<BTreeMap<String, u64>> for Counts {
    fn from(named: BTreeMap<String, u64>) -> Self {
        Self(Kind::NAMES.map(|(_, name)| named.get(name).copied().unwrap_or(0)))
    }
}

/// `12 hypercall, 3 timer`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, count)) in self.named().enumerate() {
            write!(f, "{}{count} {name}", if i == 0 { "" } else { ", " })?;
        }
        if self.total() == 0 { f.write_str("none") } else { Ok(()) }
    }
}

/// What the monitor did about an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet, or nothing more: the machine stopped.
    Stopped,
    /// Served a hypercall.
    Call {
        /// The function identifier.
        id: u32,
        /// What X0 returned.
        x0: u64,
    },
    /// Served a hypercall that ended the run.
    LastCall {
        /// The function identifier.
        id: u32,
    },
    /// Emulated a read.
    Read {
        /// Of which device.
        device: Device,
        /// At which offset.
        offset: u64,
        /// The value.
        value: u64,
    },
    /// Emulated a write.
    Write {
        /// Of which device.
        device: Device,
        /// At which offset.
        offset: u64,
        /// The value.
        value: u64,
    },
    /// Stepped over the instruction.
    Skipped,
    /// Allowed everything on the page, to try again.
    Granted,
    /// Waited, or let others run.
    Waited,
    /// Gave the guest an UNDEFINED exception.
    Undefined,
    /// Raised the IRQ line for the virtual timer.
    TimerRaised,
    /// Went on after a cancelled entry.
    Continued,
}

impl Answer {
    /// Whether it was an access to the console, of which there are many.
    #[inline]
    fn is_console(&self) -> bool {
        let (Self::Read { device, .. } | Self::Write { device, .. }) = self else { return false };
        *device == Device::Uart
    }
}

impl Answer {
    /// Whether it was an access by which a guest prints: the console's data, or its flags, which
    /// say whether there is room.
    pub fn prints(&self) -> bool {
        let (Self::Read { device, offset, .. } | Self::Write { device, offset, .. }) = self else {
            return false;
        };
        *device == Device::Uart && matches!(*offset, offset::DR | offset::FR)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Call { id, x0 } => {
                write!(f, "{} ({id:#010x}) = {x0:#x}", hypercall::name(*id))?;
                hypercall::error(*x0).map_or(Ok(()), |name| write!(f, " ({name})"))
            }
            Self::LastCall { id } => write!(f, "{} ({id:#010x}): the end", hypercall::name(*id)),
            Self::Read { device, offset, value } => {
                write!(f, "{}+{offset:#x} reads {value:#x}", device.name())
            }
            Self::Write { device, offset, value } => {
                write!(f, "{}+{offset:#x} := {value:#x}", device.name())
            }
            Self::Skipped => f.write_str("skipped"),
            Self::Granted => f.write_str("granted, again"),
            Self::Waited => f.write_str("waited"),
            Self::Undefined => f.write_str("undefined exception"),
            Self::TimerRaised => f.write_str("IRQ raised"),
            Self::Continued => f.write_str("entered again"),
        }
    }
}

/// One exit.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    /// Why the run returned.
    pub reason: ExitReason,
    /// Syndrome, addresses, PC.
    pub seen: Seen,
    /// What the monitor did.
    pub answer: Answer,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pc {:#x} ", self.seen.pc)?;
        match self.reason {
            ExitReason::CANCELED => f.write_str("canceled")?,
            ExitReason::VTIMER_ACTIVATED => f.write_str("virtual timer")?,
            ExitReason::UNKNOWN => f.write_str("unknown reason")?,
            ExitReason::EXCEPTION => {
                let esr = Esr(self.seen.esr);
                write!(f, "{esr}")?;
                if esr.data_abort().is_some() || esr.instruction_abort().is_some() {
                    write!(f, ", FAR {:#x}, IPA {:#x}", self.seen.far, self.seen.ipa)?;
                }
            }
        }
        write!(f, " -> {}", self.answer)
    }
}

/// An exit that is remembered, and how many of its kind came right before it.
#[derive(Clone, Copy, Debug)]
pub struct Remembered {
    /// Its number, from 1.
    pub number: u64,
    /// The exit.
    pub exit: Exit,
    /// Console accesses that are not remembered, because this one followed them.
    pub before: u64,
}

/// The exits of a machine.
///
/// ```text
///   begin      | .. | #7 console | #8 console |       a new entry
///   end        | .. | #8 console, 1 before    |       folded into the one before it, if both
///                                                     are console accesses
/// ```
///
/// A guest that prints makes two exits a byte: without the folding they would push everything
/// else out.
#[derive(Debug)]
pub struct Record {
    last: [Remembered; LAST],
    /// Entries that were ever made; the newest is at `made - 1`.
    made: u64,
    count: u64,
    /// By kind.
    pub counts: Counts,
}

impl Default for Record {
    fn default() -> Self {
        let reason = ExitReason::UNKNOWN;
        let exit = Exit { reason, seen: Seen::default(), answer: Answer::Stopped };
        let none = Remembered { number: 0, exit, before: 0 };
        Self { last: [none; LAST], made: 0, count: 0, counts: Counts::default() }
    }
}

impl Record {
    /// An exit came.
    #[inline]
    pub fn begin(&mut self, reason: ExitReason, seen: Seen) {
        self.counts.0[Kind::of(reason, seen.esr) as usize] += 1;
        self.count += 1;
        let exit = Exit { reason, seen, answer: Answer::Stopped };
        *self.entry(self.made) = Remembered { number: self.count, exit, before: 0 };
        self.made += 1;
    }

    /// It was answered.
    #[inline]
    pub fn end(&mut self, answer: Answer) {
        let Some(newest) = self.made.checked_sub(1) else { return };
        self.entry(newest).exit.answer = answer;
        if answer.is_console() && newest > 0 {
            self.fold(newest);
        }
    }

    fn fold(&mut self, newest: u64) {
        let mut folded = *self.entry(newest);
        let previous = self.entry(newest - 1);
        if previous.exit.answer.is_console() {
            folded.before = previous.before + 1;
            *previous = folded;
            self.made = newest;
        }
    }

    fn entry(&mut self, at: u64) -> &mut Remembered {
        &mut self.last[at as usize % LAST]
    }

    /// How many exits there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The last exits, the oldest first.
    pub fn last(&self) -> impl DoubleEndedIterator<Item = &Remembered> {
        let kept = self.made.min(SHOWN as u64);
        (self.made - kept..self.made).map(|n| &self.last[n as usize % LAST])
    }
}

impl fmt::Display for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, exit, before } = self;
        write!(f, "#{number} {exit}")?;
        if *before > 0 { write!(f, " (and {before} console accesses before)") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HVC: Answer = Answer::Call { id: 0, x0: 0 };
    const CONSOLE: Answer = Answer::Write { device: Device::Uart, offset: 0, value: 0 };

    fn record(answers: &[Answer]) -> Record {
        let mut record = Record::default();
        for answer in answers {
            record.begin(ExitReason::EXCEPTION, Seen { esr: 0x5a00_0000, ..Seen::default() });
            record.end(*answer);
        }
        record
    }

    fn kept(record: &Record) -> Vec<(u64, u64)> {
        record.last().map(|entry| (entry.number, entry.before)).collect()
    }

    #[test]
    fn the_last_exits_are_kept_and_all_are_counted() {
        let record = record(&[HVC; 100]);
        assert_eq!(record.count(), 100);
        assert_eq!(record.counts.total(), 100);
        let numbers: Vec<u64> = record.last().map(|entry| entry.number).collect();
        assert_eq!(numbers, (101 - numbers.len() as u64..=100).collect::<Vec<_>>());
        assert_eq!(numbers.len(), SHOWN);
    }

    #[test]
    fn counts_survive_json() {
        let counts = record(&[HVC; 3]).counts;
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(json, r#"{"hypercall":3}"#);
        assert_eq!(serde_json::from_str::<Counts>(&json).unwrap(), counts);
    }

    #[test]
    fn console_accesses_in_a_row_are_one_entry() {
        let mut answers = vec![HVC, CONSOLE, CONSOLE, CONSOLE, HVC, CONSOLE];
        assert_eq!(kept(&record(&answers)), [(1, 0), (4, 2), (5, 0), (6, 0)]);
        answers.extend([CONSOLE; 1000]);
        assert_eq!(kept(&record(&answers)), [(1, 0), (4, 2), (5, 0), (1006, 1000)]);
    }
}
