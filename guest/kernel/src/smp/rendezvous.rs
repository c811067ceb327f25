//! Waiting for another CPU, without missing its word and without waiting for ever.
//!
//! ```text
//!   tell(line, v)                        wait_until(...)
//!     STLR, DSB, SEV ------------------->  LDAR: not yet -> WFE -+
//!        the event register is set, so     ^                     |
//!        WFE comes back at once            +---------------------+
//! ```

use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::asm::{self, barrier};

use super::{DONE, Patience, STOPPED, check_others, is_secondary, leave};

/// What CPUs share, on a cache line of its own.
#[repr(C, align(64))]
pub struct Line(pub AtomicU64);

impl Line {
    /// A line that holds zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// What it holds, with acquire semantics.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Adds to it, and wakes whoever waits for it.
    pub fn add(&self, n: u64) -> u64 {
        let before = self.0.fetch_add(n, Ordering::AcqRel);
        barrier::dsb(barrier::ISHST);
        asm::sev();
        before
    }

    /// Puts it back to zero, before others are started.
    pub fn clear(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

/// Stores with release semantics, and wakes whoever waits for it.
pub fn tell(line: &Line, value: u64) {
    line.0.store(value, Ordering::Release);
    barrier::dsb(barrier::ISHST);
    asm::sev();
}

/// Waits with `pause` until it is so. Another CPU whose case was abandoned goes; the first one fails
/// its case when another failed, or none comes.
#[track_caller]
fn wait_by(mut done: impl FnMut() -> bool, pause: impl Fn()) {
    let secondary = is_secondary();
    let patience = Patience::new();
    while !done() {
        if !secondary {
            check_others();
            patience.check("another CPU does not do its part");
        } else if STOPPED.load(Ordering::Relaxed) {
            leave(DONE);
        }
        pause();
    }
}

/// Waits until it is so, which another CPU says with [`tell`] or [`Line::add`]. WFE gives a
/// hypervisor with more vCPUs than CPUs the chance to run the one that is waited for.
#[track_caller]
pub fn wait_until(done: impl FnMut() -> bool) {
    wait_by(done, asm::wfe);
}

/// Looks again and again until it is so: for what nobody sends an event for.
#[track_caller]
pub fn spin_until(done: impl FnMut() -> bool) {
    wait_by(done, core::hint::spin_loop);
}

/// Waits for an interrupt until it is so.
#[track_caller]
pub fn sleep_until(done: impl FnMut() -> bool) {
    wait_by(done, asm::wfi);
}

/// Waits until `line` holds `value`.
#[track_caller]
pub fn wait_for(line: &Line, value: u64) {
    wait_until(|| line.get() == value);
}

/// A place where all meet, again and again: nobody goes on before all are there.
///
/// The count only grows. Whoever comes as number `n` (from 0) waits until all of its round are
/// there: until the count has reached the next multiple of `all`.
pub struct Meeting {
    came: Line,
}

impl Meeting {
    /// Nobody has come.
    pub const fn new() -> Self {
        Self { came: Line::new() }
    }

    /// Nobody has come: before others are started.
    pub fn clear(&self) {
        self.came.clear();
    }

    /// Comes, and waits for the others; returns the round, from 0.
    #[track_caller]
    pub fn meet(&self, all: u64) -> u64 {
        let round = self.came.0.fetch_add(1, Ordering::AcqRel) / all;
        let last_one_came = || self.came.get() >= (round + 1) * all;
        if last_one_came() {
            barrier::dsb(barrier::ISHST);
            asm::sev();
        } else {
            wait_until(last_one_came);
        }
        round
    }
}
