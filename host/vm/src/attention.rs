//! A vCPU's bell: how other threads get a running vCPU to look up.
//!
//! A running vCPU reads one word at the end of each block of instructions; a bit in it means
//! that somebody wants something. That is the only thing that threads share on the fast path.

use std::sync::atomic::{AtomicU32, Ordering};

/// Why the bell rings.
#[derive(Debug, Default)]
pub struct Attention(AtomicU32);

impl Attention {
    /// Leave the guest with [`crate::Exit::Canceled`]. Kept until a run has seen it.
    pub const CANCEL: u32 = 1 << 0;
    /// Let go of the stage-2 map for a moment: somebody wants to change it.
    pub const MAP: u32 = 1 << 1;
    /// Another vCPU has invalidated translations or code for all of them.
    pub const BROADCAST: u32 = 1 << 2;

    /// Rings for `reasons`.
    pub fn ring(&self, reasons: u32) {
        self.0.fetch_or(reasons, Ordering::Release);
    }

    /// Takes `reasons` back; returns those of them that were set.
    pub fn take(&self, reasons: u32) -> u32 {
        self.0.fetch_and(!reasons, Ordering::AcqRel) & reasons
    }

    /// What is wanted now.
    #[inline(always)]
    pub fn pending(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
