//! The other CPUs of a case that sends interrupts: how many each took, who is ready, when it is over.

use crate::machine::MOST_CPUS;
use crate::smp::Line;

/// How many interrupts each CPU took.
pub static TAKEN: [Line; MOST_CPUS] = [const { Line::new() }; MOST_CPUS];
/// How many CPUs are ready to take some.
pub static READY: Line = Line::new();
/// Tells the others to end.
pub static OVER: Line = Line::new();

/// Nobody took any, nobody is ready: before others are started.
pub fn clear() {
    TAKEN.iter().for_each(Line::clear);
    READY.clear();
    OVER.clear();
}

/// How many all of them took.
pub fn all_taken() -> u64 {
    TAKEN.iter().map(Line::get).sum()
}
