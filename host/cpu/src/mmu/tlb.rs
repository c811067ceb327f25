//! The TLB: 4 KiB translations with the host page behind them, tagged with the ASID.
//!
//! ```text
//!   VA 63                     12 11     0
//!      [ page, tag byte and all ][offset]
//!          | low bits                          hit if
//!          v                                     page is equal, all 52 bits
//!      entries[page mod N]  -------------->      (context ^ now) & care == 0
//!                                                rights & need != 0
//! ```
//!
//! An entry's rights are those of stage 1 and stage 2 together, so a hit needs no further check.
//! `context` holds the ASID, whether the MMU was on, and the TLB's epoch: dropping everything is
//! a new epoch. `care` leaves out the ASID for global pages. Blocks larger than a page are kept in pieces;
//! where they are is remembered coarsely, so that an invalidation by address inside one drops
//! everything, and any other touches one entry only.

use super::regime::{CONTEXT_ASID, CONTEXT_ON, CONTEXT_WATCHED, Regime};
use super::walk::Leaf;
use anyvisor_vm::HostPage;

/// Number of entries; a power of two.
const ENTRIES: usize = 1024;
/// The bits of a context that hold the epoch, above those of a regime.
const CONTEXT_EPOCH: u32 = !(CONTEXT_WATCHED | CONTEXT_ON | CONTEXT_ASID);
/// The next epoch is this much more.
const EPOCH_STEP: u32 = CONTEXT_WATCHED << 1;
/// How many blocks are remembered one by one before they run together.
const BLOCKS: usize = 8;

/// One translation.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// VA bits 63:12, or [`Entry::NO_PAGE`].
    page: u64,
    context: u32,
    care: u32,
    /// Rights of both stages.
    pub rights: u16,
    /// Device memory.
    pub device: bool,
    span_bits: u8,
    /// The host page.
    pub host: HostPage,
    /// Guest physical address of the page.
    pub ipa: u64,
}

impl Entry {
    /// No VA has this page number.
    const NO_PAGE: u64 = u64::MAX;

    const EMPTY: Self = Self {
        page: Self::NO_PAGE,
        context: 0,
        care: CONTEXT_EPOCH,
        rights: 0,
        device: false,
        span_bits: 12,
        host: HostPage::NONE,
        ipa: 0,
    };

    /// The entry for the page of `va`, with what stage 2 leaves of its rights.
    pub fn new(regime: &Regime, va: u64, leaf: &Leaf, host: HostPage, stage2: u16) -> Self {
        Self {
            page: va >> 12,
            context: regime.context & !CONTEXT_WATCHED,
            care: if leaf.global { !CONTEXT_ASID } else { u32::MAX },
            rights: leaf.rights & stage2,
            device: leaf.device,
            span_bits: leaf.span_bits as u8,
            host,
            ipa: leaf.ipa & !0xfff,
        }
    }
}

/// A vCPU's TLB.
pub struct Tlb {
    entries: Box<[Entry; ENTRIES]>,
    /// In the bits of [`CONTEXT_EPOCH`].
    epoch: u32,
    /// Blocks that have pieces here: (VA of the block without its tag, its size in bits).
    blocks: Vec<(u64, u32)>,
    /// More blocks than are remembered: any address may be inside one.
    many_blocks: bool,
}

impl Default for Tlb {
    fn default() -> Self {
        Self {
            entries: Box::new([Entry::EMPTY; ENTRIES]),
            epoch: 0,
            blocks: Vec::with_capacity(BLOCKS),
            many_blocks: false,
        }
    }
}

/// A VA without tag and sign: what TLBI's operand can say of it.
fn untagged(va: u64) -> u64 {
    va & ((1 << 56) - 1)
}

impl Tlb {
    /// The entry that gives `need` for `va`, if there is one.
    #[inline(always)]
    pub fn lookup(&self, regime: &Regime, va: u64, need: u16) -> Option<&Entry> {
        let page = va >> 12;
        let entry = &self.entries[page as usize % ENTRIES];
        let hit = entry.page == page
            && (entry.context ^ (regime.context | self.epoch)) & entry.care == 0
            && entry.rights & need != 0;
        hit.then_some(entry)
    }

    /// Keeps a translation.
    pub fn fill(&mut self, mut entry: Entry) {
        entry.context |= self.epoch;
        if entry.span_bits > 12 {
            let bits = u32::from(entry.span_bits);
            let block = (untagged(entry.page << 12) >> bits << bits, bits);
            if !self.blocks.contains(&block) {
                if self.blocks.len() < BLOCKS {
                    self.blocks.push(block);
                } else {
                    self.many_blocks = true;
                }
            }
        }
        self.entries[entry.page as usize % ENTRIES] = entry;
    }

    /// Drops everything.
    pub fn flush_all(&mut self) {
        self.epoch = self.epoch.wrapping_add(EPOCH_STEP);
        if self.epoch == 0 {
            self.entries.fill(Entry::EMPTY);
        }
        self.blocks.clear();
        self.many_blocks = false;
    }

    /// Drops what belongs to `asid` and is not global.
    pub fn flush_asid(&mut self, asid: u32) {
        for entry in self.entries.iter_mut() {
            if entry.care & CONTEXT_ASID != 0 && entry.context & CONTEXT_ASID == asid {
                *entry = Entry::EMPTY;
            }
        }
    }

    /// Drops the translation of the page of `va`, for every ASID: more than TLBI VAE1 asks for,
    /// which is allowed.
    pub fn flush_va(&mut self, va: u64) {
        let va = untagged(va);
        let inside = |&(start, bits): &(u64, u32)| va >> bits == start >> bits;
        if self.many_blocks || self.blocks.iter().any(inside) {
            self.flush_all();
            return;
        }
        let entry = &mut self.entries[(va >> 12) as usize % ENTRIES];
        if entry.page != Entry::NO_PAGE && untagged(entry.page << 12) == va & !0xfff {
            *entry = Entry::EMPTY;
        }
    }
}
