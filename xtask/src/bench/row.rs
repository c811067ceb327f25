//! A measured quantity: its samples on both engines, and what it is meant to be.

use super::guest::Engine;
use std::fmt;

/// What a number counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Millions of instructions a second.
    Mips,
    /// Millions of bytes a second.
    Megabytes,
    /// Thousands of events a second.
    Thousands,
    /// Nanoseconds an event.
    Nanoseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// 2^20 bytes.
    Mebibytes,
}

impl Unit {
    /// As it is written behind a number.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Mips => "MIPS",
            Self::Megabytes => "MB/s",
            Self::Thousands => "k/s",
            Self::Nanoseconds => "ns",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Mebibytes => "MiB",
        }
    }

    /// Whether more is better.
    pub fn is_rate(self) -> bool {
        matches!(self, Self::Mips | Self::Megabytes | Self::Thousands)
    }
}

/// What a number is meant to be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Target {
    /// In the row's unit.
    AtLeast(f64),
    /// In the row's unit.
    AtMost(f64),
    /// Than QEMU.
    TimesFaster(f64),
}

/// Whether it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// Nobody knows: a number is missing.
    Unknown,
}

/// The samples of one engine.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Samples(pub Vec<f64>);

impl Samples {
    /// The middle one; of an even number the mean of the middle two.
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            n if n.is_multiple_of(2) => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
            _ => Some(sorted[middle]),
        }
    }

    /// How far apart the smallest and the largest are, in percent of the median.
    pub fn spread(&self) -> Option<f64> {
        let median = self.median()?;
        let smallest = self.0.iter().copied().min_by(f64::total_cmp)?;
        let largest = self.0.iter().copied().max_by(f64::total_cmp)?;
        Some((largest - smallest) / median * 100.0)
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Of what.
    pub name: String,
    /// In what.
    pub unit: Unit,
    /// Ours.
    pub ours: Samples,
    /// QEMU's, where it applies.
    pub qemu: Samples,
    /// What it is meant to be.
    pub targets: Vec<Target>,
    /// What came out of the work, of a benchmark of the kernel.
    pub check: Option<u64>,
}

impl Row {
    /// Adds a sample.
    pub fn add(&mut self, engine: Engine, value: f64) {
        match engine {
            Engine::Ours => self.ours.0.push(value),
            Engine::Qemu => self.qemu.0.push(value),
        }
    }

    /// Compares what came out of the work with what came out before.
    ///
    /// # Errors
    /// What came out before, if it is something else.
    pub fn agree(&mut self, check: u64) -> Result<(), u64> {
        match *self.check.get_or_insert(check) {
            before if before == check => Ok(()),
            before => Err(before),
        }
    }

    /// Expresses all samples in another unit.
    pub fn convert(&mut self, unit: Unit, convert: impl Fn(f64) -> f64) {
        self.unit = unit;
        for value in self.ours.0.iter_mut().chain(&mut self.qemu.0) {
            *value = convert(*value);
        }
    }

    /// How many times faster than QEMU we are.
    pub fn times_faster(&self) -> Option<f64> {
        let (ours, qemu) = (self.ours.median()?, self.qemu.median()?);
        Some(if self.unit.is_rate() { ours / qemu } else { qemu / ours })
    }

    /// Whether a target is met.
    pub fn verdict(&self, target: Target) -> Verdict {
        let met = match target {
            Target::AtLeast(least) => self.ours.median().map(|value| value >= least),
            Target::AtMost(most) => self.ours.median().map(|value| value <= most),
            Target::TimesFaster(times) => self.times_faster().map(|value| value >= times),
        };
        match met {
            Some(true) => Verdict::Met,
            Some(false) => Verdict::Missed,
            None => Verdict::Unknown,
        }
    }

    /// A target in words.
    pub fn describe(&self, target: Target) -> String {
        let unit = self.unit.symbol();
        match target {
            Target::AtLeast(least) => format!("at least {least} {unit}"),
            Target::AtMost(most) => format!("under {most} {unit}"),
            Target::TimesFaster(times) => format!("{times} x QEMU"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::Unknown => "unknown",
        })
    }
}

/// All rows, in the order in which they were measured.
#[derive(Default, Debug)]
pub struct Rows {
    rows: Vec<Row>,
    /// What went wrong: these numbers are not to be used.
    pub complaints: Vec<String>,
    /// What was left out, and what else to know.
    pub notes: Vec<String>,
    /// For each run that was long enough to tell: whether something else ran on the host.
    pub disturbed: Vec<bool>,
}

impl Rows {
    /// The row of this name, made if it is not there.
    pub fn at(
        &mut self,
        name: &str,
        unit: Unit,
        targets: impl FnOnce() -> Vec<Target>,
    ) -> &mut Row {
        let index = self.rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
            self.rows.push(Row {
                name: name.into(),
                unit,
                ours: Samples::default(),
                qemu: Samples::default(),
                targets: targets(),
                check: None,
            });
            self.rows.len() - 1
        });
        &mut self.rows[index]
    }

    /// Says what went wrong; the same only once.
    pub fn complain(&mut self, what: String) {
        if !self.complaints.contains(&what) {
            self.complaints.push(what);
        }
    }

    /// Says what was left out.
    pub fn note(&mut self, what: String) {
        self.notes.push(what);
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(unit: Unit, ours: &[f64], qemu: &[f64]) -> Row {
        let mut rows = Rows::default();
        let row = rows.at("r", unit, Vec::new);
        ours.iter().for_each(|&v| row.add(Engine::Ours, v));
        qemu.iter().for_each(|&v| row.add(Engine::Qemu, v));
        row.clone()
    }

    #[test]
    fn medians_and_spreads() {
        assert_eq!(Samples(vec![]).median(), None);
        assert_eq!(Samples(vec![3.0, 1.0, 2.0]).median(), Some(2.0));
        assert_eq!(Samples(vec![4.0, 1.0, 2.0, 3.0]).median(), Some(2.5));
        assert_eq!(Samples(vec![9.0, 10.0, 12.0]).spread(), Some(30.0));
    }

    #[test]
    fn faster_means_more_of_a_rate_and_less_of_a_time() {
        assert_eq!(row(Unit::Mips, &[300.0], &[100.0]).times_faster(), Some(3.0));
        assert_eq!(row(Unit::Nanoseconds, &[100.0], &[300.0]).times_faster(), Some(3.0));
        assert_eq!(row(Unit::Nanoseconds, &[100.0], &[]).times_faster(), None);
    }

    #[test]
    fn verdicts() {
        let time = row(Unit::Milliseconds, &[4.0], &[20.0]);
        assert_eq!(time.verdict(Target::AtMost(5.0)), Verdict::Met);
        assert_eq!(time.verdict(Target::AtMost(3.0)), Verdict::Missed);
        assert_eq!(time.verdict(Target::TimesFaster(5.0)), Verdict::Met);
        assert_eq!(time.verdict(Target::TimesFaster(5.1)), Verdict::Missed);
        let alone = row(Unit::Mips, &[130.0], &[]);
        assert_eq!(alone.verdict(Target::AtLeast(120.0)), Verdict::Met);
        assert_eq!(alone.verdict(Target::AtLeast(131.0)), Verdict::Missed);
        assert_eq!(alone.verdict(Target::TimesFaster(2.0)), Verdict::Unknown);
        assert_eq!(row(Unit::Mips, &[], &[1.0]).verdict(Target::AtLeast(1.0)), Verdict::Unknown);
    }

    #[test]
    fn work_that_differs_is_noticed() {
        let mut row = row(Unit::Mips, &[], &[]);
        assert_eq!(row.agree(7), Ok(()));
        assert_eq!(row.agree(7), Ok(()));
        assert_eq!(row.agree(8), Err(7));
    }
}
