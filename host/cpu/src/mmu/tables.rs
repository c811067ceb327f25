//! The walk cache: where the last-level tables are, so that most walks read one descriptor.
//!
//! ```text
//!   VA, without the bits that the last level resolves, and TTBR
//!       --> address of the level 3 table, and the limits that the tables above it set
//! ```
//!
//! A walk may begin from a remembered table as long as no TLB maintenance has asked for more than
//! the last level (DDI 0487, "Caching of translation table walks"). TTBR as a whole is part of
//! the name, so another address space finds nothing of this one; whoever changes TCR_EL1 drops
//! everything.

use super::regime::Half;
use anyvisor_vm::Recent;

/// How many tables are remembered: one bit each in [`Tables::valid`].
const SLOTS: usize = u16::BITS as usize;

/// A table of level 3.
#[derive(Clone, Copy, Debug, Default)]
pub struct Table {
    /// VA bits above what the table resolves, tag and all.
    region: u64,
    ttbr: u64,
    /// Guest physical address.
    pub address: u64,
    /// What the table descriptors on the way to it forbid.
    pub limits: u64,
}

/// What walks leave behind for later ones.
#[derive(Debug, Default)]
pub struct Tables {
    slots: [Table; SLOTS],
    valid: u16,
    /// The piece of guest memory that tables were last found in.
    pub recent: Recent,
}

#[inline(always)]
fn region(half: &Half, va: u64) -> (u64, usize) {
    let region = va >> half.level_shift(2);
    (region, region as usize % SLOTS)
}

impl Tables {
    /// The last-level table for `va`, if it is known.
    #[inline(always)]
    pub fn find(&self, half: &Half, va: u64) -> Option<&Table> {
        let (region, slot) = region(half, va);
        let table = &self.slots[slot];
        let hit = self.valid >> slot & 1 == 1 && table.region == region && table.ttbr == half.ttbr;
        hit.then_some(table)
    }

    /// Remembers it.
    pub fn keep(&mut self, half: &Half, va: u64, address: u64, limits: u64) {
        let (region, slot) = region(half, va);
        self.slots[slot] = Table { region, ttbr: half.ttbr, address, limits };
        self.valid |= 1 << slot;
    }

    /// Drops them all.
    pub fn clear(&mut self) {
        self.valid = 0;
    }
}
