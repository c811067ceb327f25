//! The cheapest counter of the host, for the time that a vCPU spends in its guest.
//!
//! Every entry and exit reads it, so it must cost next to nothing: the time stamp counter, or
//! CNTVCT_EL0, at some rate of its own. The rate is found when somebody asks for a time: by what
//! the counter and the monotonic clock have both counted since the process made its first VM;
//! from [`SETTLED`] on it stays as it is, so that a time never goes back.

use crate::clock;
use std::sync::OnceLock;

/// Reads the counter, in units of its own.
#[inline]
pub(crate) fn read() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: RDTSC exists on every x86-64 processor and touches no memory. (A system that
    // forbids it to user space does not run Rust's standard library's clocks either.)
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(target_arch = "aarch64")]
    {
        let count: u64;
        // SAFETY: CNTVCT_EL0 is readable at EL0 on every system that this crate compiles for;
        // the instruction writes one register and nothing else.
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
        count
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    clock::ticks()
}

/// Both counters at one moment: units, and ticks of 24 MHz.
fn both() -> (u64, u64) {
    (read(), clock::ticks())
}

/// Where the comparison of the two counters starts.
static START: OnceLock<(u64, u64)> = OnceLock::new();

/// Nanoseconds after which the rate is known well enough to be kept: reading both counters at
/// once is uncertain by some 100 ns, so this is good to a few parts in a million.
const SETTLED: u64 = 50_000_000;

/// The rate that is kept: nanoseconds, and units counted in them.
static RATE: OnceLock<(u64, u64)> = OnceLock::new();

/// Starts the comparison. To be called once before the first measurement.
pub(crate) fn start() {
    START.get_or_init(both);
}

/// Nanoseconds, and units counted in them.
fn rate() -> (u64, u64) {
    if let Some(rate) = RATE.get() {
        return *rate;
    }
    let start = *START.get_or_init(both);
    let now = both();
    let counted = now.0.saturating_sub(start.0).max(1);
    let elapsed = (now.1.saturating_sub(start.1)).saturating_mul(125) / 3;
    match elapsed {
        SETTLED.. => *RATE.get_or_init(|| (elapsed, counted)),
        _ => (elapsed, counted),
    }
}

/// What `units` of the counter are in nanoseconds.
pub(crate) fn nanoseconds(units: u64) -> u64 {
    let (elapsed, counted) = rate();
    (u128::from(units) * u128::from(elapsed) / u128::from(counted)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_nanoseconds_of_the_monotonic_clock() {
        start();
        // The clock that is known is read outside and inside of the counter.
        let (outer, before, inner) = (std::time::Instant::now(), read(), std::time::Instant::now());
        std::thread::sleep(std::time::Duration::from_millis(30));
        let (inner, units, outer) = (inner.elapsed(), read() - before, outer.elapsed());
        let measured = nanoseconds(units);
        // The rate is known to a few parts in a thousand after so short a time.
        let (least, most) = (inner.as_nanos() as u64, outer.as_nanos() as u64);
        let range = least - least / 50..=most + most / 50;
        assert!(range.contains(&measured), "{measured} ns measured of {least} to {most}");
    }
}
