//! The walk cache: where the last-level tables are, so that most walks read one descriptor.
//!
//! ```text
//!   VA, without the bits that the last level resolves, and TTBR
//!       --> address of the level 3 table, and the limits that the tables above it set
//!       --> the descriptors on the way to it: where each stood, and what it was
//! ```
//!
//! A walk may begin from a remembered table as long as no TLB maintenance has asked for more than
//! the last level (DDI 0487, "Caching of translation table walks"). After such maintenance a table
//! is in doubt: its next use reads all descriptors on the way again, and if each is what it was,
//! so is the table. TTBR as a whole is part of the name, so another address space finds nothing of
//! this one; whoever changes TCR_EL1 drops everything.

use super::attributes::Decoded;
use super::regime::Half;
use super::walk::read_descriptor;
use anyvisor_vm::{Recent, Stage2};

/// How many tables are remembered: one bit each in [`Tables::valid`].
const SLOTS: usize = u16::BITS as usize;

/// The descriptors of the tables above: guest physical address and value of each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way {
    steps: [(u64, u64); 3],
    count: usize,
}

impl Way {
    /// One more, of which there are three at most (levels 0 to 2).
    #[inline(always)]
    pub fn push(&mut self, at: u64, descriptor: u64) {
        if let Some(step) = self.steps.get_mut(self.count) {
            *step = (at, descriptor);
            self.count += 1;
        }
    }

    /// Whether all of them still stand there.
    fn holds(&self, recent: &mut Recent, map: &Stage2) -> bool {
        let mut steps = self.steps.iter().take(self.count);
        steps.all(|&(at, descriptor)| read_descriptor(map, recent, at) == Ok(descriptor))
    }
}

/// A table of level 3.
#[derive(Clone, Copy, Debug, Default)]
pub struct Table {
    /// Guest physical address.
    pub address: u64,
    /// What the table descriptors on the way to it forbid.
    pub limits: u64,
    /// These descriptors.
    pub way: Way,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// VA bits above what the table resolves, tag and all.
    region: u64,
    ttbr: u64,
    table: Table,
}

/// What walks leave behind for later ones.
#[derive(Debug, Default)]
pub struct Tables {
    slots: [Slot; SLOTS],
    /// What is in a slot was so once.
    valid: u16,
    /// It is so for all that maintenance has said since.
    sure: u16,
    /// The piece of guest memory that tables were last found in.
    pub recent: Recent,
    /// What descriptors were last taken for.
    pub decoded: Decoded,
}

#[inline(always)]
fn region(half: &Half, va: u64) -> (u64, usize) {
    let region = va >> half.region_bits;
    (region, region as usize % SLOTS)
}

impl Tables {
    /// The last-level table for `va`, if it is known.
    #[inline(always)]
    pub fn find(&mut self, half: &Half, map: &Stage2, va: u64) -> Option<&Table> {
        let (region, slot) = region(half, va);
        let kept = &self.slots[slot];
        if kept.region != region || kept.ttbr != half.ttbr {
            return None;
        }
        if self.sure >> slot & 1 == 0 && !self.make_sure(slot, map) {
            return None;
        }
        Some(&self.slots[slot].table)
    }

    #[inline(never)]
    fn make_sure(&mut self, slot: usize, map: &Stage2) -> bool {
        let bit = 1 << slot;
        let sure = self.valid & bit != 0 && self.slots[slot].table.way.holds(&mut self.recent, map);
        self.sure |= if sure { bit } else { 0 };
        sure
    }

    /// The descriptor of the last level for `va`, if the table is known, and the limits.
    #[inline(always)]
    pub fn last_descriptor(&mut self, half: &Half, map: &Stage2, va: u64) -> Option<(u64, u64)> {
        let &Table { address, limits, .. } = self.find(half, map, va)?;
        let entry = read_descriptor(map, &mut self.recent, half.last_entry(address, va)).ok()?;
        Some((entry, limits))
    }

    /// Remembers it.
    pub fn keep(&mut self, half: &Half, va: u64, table: Table) {
        let (region, slot) = region(half, va);
        self.slots[slot] = Slot { region, ttbr: half.ttbr, table };
        self.valid |= 1 << slot;
        self.sure |= 1 << slot;
    }

    /// Drops them all.
    pub fn clear(&mut self) {
        self.valid = 0;
        self.sure = 0;
    }

    /// None of them is to be believed without a look: maintenance for more than the last level.
    pub fn doubt(&mut self) {
        self.sure = 0;
    }
}
