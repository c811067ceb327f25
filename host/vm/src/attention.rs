//! A vCPU's bell: how other threads get a running or sleeping vCPU to look up.
//!
//! A running vCPU reads one word at the end of each block of instructions; a bit in it means
//! that somebody wants something. That is the only thing that threads share on the fast path.
//!
//! ```text
//!   vCPU's thread                         another thread
//!   -------------                         --------------
//!   sets ASLEEP; what was set before?     sets a reason; was ASLEEP set before?
//!     a reason: does not sleep              yes: wakes the thread
//!     none: parks until it is woken         no: the vCPU sees the bit by itself
//! ```
//!
//! Both sides change the same word, so one of them sees the other: no ring is lost.

use crate::sync::{AtomicU32, Thread, current, park, park_timeout};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Why the bell rings. It belongs to the thread that made it.
#[derive(Debug)]
pub struct Attention {
    word: AtomicU32,
    owner: Thread,
}

impl Default for Attention {
    fn default() -> Self {
        Self { word: AtomicU32::new(0), owner: current() }
    }
}

impl Attention {
    /// Leave the guest with [`crate::Exit::Canceled`]. Kept until a run has seen it.
    pub const CANCEL: u32 = 1 << 0;
    /// Let go of the stage-2 map for a moment: somebody wants to change it.
    pub const MAP: u32 = 1 << 1;
    /// Another vCPU has invalidated translations or code for all of them.
    pub const BROADCAST: u32 = 1 << 2;
    /// The lines of the interrupt controller have changed.
    pub const INTERRUPT: u32 = 1 << 3;
    /// Another vCPU has sent an event (SEV).
    pub const EVENT: u32 = 1 << 4;
    /// The owner sleeps, or is about to.
    const ASLEEP: u32 = 1 << 31;

    /// Rings for `reasons`.
    pub fn ring(&self, reasons: u32) {
        if self.word.fetch_or(reasons, Ordering::SeqCst) & Self::ASLEEP != 0 {
            self.owner.unpark();
        }
    }

    /// Takes `reasons` back; returns those of them that were set.
    pub fn take(&self, reasons: u32) -> u32 {
        self.word.fetch_and(!reasons, Ordering::AcqRel) & reasons
    }

    /// What is wanted now.
    #[inline(always)]
    pub fn pending(&self) -> u32 {
        self.word.load(Ordering::Relaxed)
    }

    /// Sleeps until the bell has rung for one of `reasons`, or for `limit` (`None`: for ever). The
    /// reasons stay set. Only the owner may call it.
    pub fn sleep(&self, reasons: u32, limit: Option<Duration>) {
        // A limit too far away to be a time is none.
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut word = self.word.fetch_or(Self::ASLEEP, Ordering::SeqCst);
        let mut parked = false;
        while word & reasons == 0 {
            parked = true;
            match end {
                None => park(),
                Some(end) => match end.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => park_timeout(left),
                    _ => break,
                },
            }
            word = self.word.load(Ordering::SeqCst);
        }
        self.word.fetch_and(!Self::ASLEEP, Ordering::SeqCst);
        // A thread has one token for all who unpark it: if somebody else's was used up here, its next
        // park would wait for ever. One too many is allowed, parks may end for no reason.
        if parked {
            self.owner.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_ring_before_the_sleep_is_not_lost() {
        let bell = Attention::default();
        bell.ring(Attention::EVENT);
        bell.sleep(Attention::EVENT, None);
        assert_eq!(bell.take(u32::MAX), Attention::EVENT, "and no mark of the sleep is left");
    }

    #[test]
    fn only_the_reasons_that_were_asked_for_wake() {
        let bell = Attention::default();
        bell.ring(Attention::BROADCAST);
        bell.sleep(Attention::CANCEL, Some(Duration::from_millis(1)));
        assert_eq!(bell.pending(), Attention::BROADCAST);
    }

    #[test]
    fn another_thread_wakes_the_owner() {
        for _ in 0..200 {
            let (tell, hear) = mpsc::channel();
            let sleeper = std::thread::spawn(move || {
                let bell = std::sync::Arc::new(Attention::default());
                tell.send(bell.clone()).unwrap();
                bell.sleep(Attention::INTERRUPT, None);
                bell.take(Attention::INTERRUPT)
            });
            let bell = hear.recv().unwrap();
            bell.ring(Attention::MAP);
            bell.ring(Attention::INTERRUPT);
            assert_eq!(sleeper.join().unwrap(), Attention::INTERRUPT);
        }
    }
}
