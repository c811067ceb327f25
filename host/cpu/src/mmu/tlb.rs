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
//! a new epoch. `care` leaves out the ASID for global pages.
//!
//! Blocks, and pages of the larger granules, are kept in pieces of 4 KiB. An invalidation by any
//! of their addresses has to drop all of them, so it is remembered for each size (coarsely: by
//! a hash) where such translations have been seen:
//!
//! ```text
//!   TLBI of an address --> is there a 2^n translation that may hold it? --> all its pieces
//!                          none                                         --> one entry
//! ```

use super::attributes::Attributes;
use super::domain::Member;
use super::invalidate::{Invalidation, Stale};
use super::regime::{CONTEXT_ASID, CONTEXT_ON, CONTEXT_WATCHED, Regime};
use super::tables::Tables;
use anyvisor_bugs::{Bug, is};
use anyvisor_vm::{HostPage, Recent};
use std::ops::RangeInclusive;

/// Number of entries; a power of two.
const ENTRIES: usize = 1024;
/// The bits of a context that hold the epoch, above those of a regime.
const CONTEXT_EPOCH: u32 = !(CONTEXT_WATCHED | CONTEXT_ON | CONTEXT_ASID);
/// The next epoch is this much more.
const EPOCH_STEP: u32 = CONTEXT_WATCHED << 1;
/// The size of the pieces in which it is remembered where code was fetched: 64 KiB.
const CODE_BITS: u32 = 16;
/// Up to so many pages are looked for one by one; for more, each entry is looked at.
const FEW_PAGES: u64 = 64;

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
    /// A guarded page (FEAT_BTI).
    pub guarded: bool,
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
        guarded: false,
        span_bits: 12,
        host: HostPage::NONE,
        ipa: 0,
    };

    /// The entry for the page of `va`, a part of 2^`span_bits` bytes that are translated as one.
    /// The rights are what is left of those of both stages.
    #[inline(always)]
    pub fn new(
        regime: &Regime,
        va: u64,
        ipa: u64,
        page: Attributes,
        span_bits: u32,
        host: HostPage,
    ) -> Self {
        Self {
            page: va >> 12,
            context: regime.context & !CONTEXT_WATCHED,
            care: if page.global { !CONTEXT_ASID } else { u32::MAX },
            rights: page.rights,
            device: page.device,
            guarded: page.guarded,
            span_bits: span_bits as u8,
            host,
            ipa: ipa & !0xfff,
        }
    }
}

/// A VA without tag and sign: what TLBI's operand can say of it.
fn untagged(va: u64) -> u64 {
    va & UNTAGGED
}

const UNTAGGED: u64 = (1 << 56) - 1;

/// A set of aligned pieces of the address space, by a hash of their numbers: what is in it is
/// found in it, and sometimes what is not.
#[derive(Clone, Copy, Debug, Default)]
struct Pieces([u64; 4]);

impl Pieces {
    fn place(number: u64) -> (usize, u64) {
        let hash = number ^ number >> 8 ^ number >> 16;
        (hash as usize >> 6 & 3, 1 << (hash & 63))
    }

    fn insert(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        self.0[word] |= bit;
    }

    /// Whether any of `numbers` may be in it.
    fn may_hold(&self, numbers: RangeInclusive<u64>) -> bool {
        if numbers.end() - numbers.start() >= FEW_PAGES {
            return self.0 != [0; 4];
        }
        numbers.into_iter().any(|number| {
            let (word, bit) = Self::place(number);
            self.0[word] & bit != 0
        })
    }
}

/// A vCPU's TLB.
#[derive(Default)]
pub struct Tlb {
    entries: Entries,
    /// In the bits of [`CONTEXT_EPOCH`].
    epoch: u32,
    /// Translations larger than an entry: the logarithm of their size, and where they are.
    large: Vec<(u32, Pieces)>,
    /// Where instructions were fetched by what is believed now of the way to code.
    code: Pieces,
    /// The walk cache.
    pub tables: Tables,
    /// The piece of guest memory that translations last led to.
    pub recent: Recent,
    /// VA bits 63:12 behind the page that was last filled in.
    following: u64,
    /// How it hears of other vCPUs' maintenance, and they of its.
    pub member: Option<Member>,
}

struct Entries(Box<[Entry; ENTRIES]>);

impl Default for Entries {
    fn default() -> Self {
        Self(Box::new([Entry::EMPTY; ENTRIES]))
    }
}

impl Tlb {
    /// The TLB of a vCPU that shares its maintenance with others.
    pub fn of(member: Member) -> Self {
        Self { member: Some(member), ..Self::default() }
    }

    /// The entry that gives `need` for `va`, if there is one.
    #[inline(always)]
    pub fn lookup(&self, regime: &Regime, va: u64, need: u16) -> Option<&Entry> {
        let page = va >> 12;
        let entry = &self.entries.0[page as usize % ENTRIES];
        let hit = entry.page == page
            && (entry.context ^ (regime.context | self.epoch)) & entry.care == 0
            && entry.rights & need != 0;
        hit.then_some(entry)
    }

    /// Keeps a translation.
    #[inline(always)]
    pub fn fill(&mut self, mut entry: Entry) {
        entry.context |= self.epoch;
        if entry.span_bits > 12 {
            let bits = u32::from(entry.span_bits);
            self.remember_large(bits, untagged(entry.page << 12) >> bits);
        }
        self.entries.0[entry.page as usize % ENTRIES] = entry;
    }

    /// Remembers that the page of `va` was filled in; whether it follows the one before it.
    #[inline(always)]
    pub fn follow(&mut self, va: u64) -> bool {
        let page = va >> 12;
        let follows = page == self.following;
        self.following = page + 1;
        follows
    }

    #[inline(never)]
    fn remember_large(&mut self, bits: u32, number: u64) {
        match self.large.iter_mut().find(|(size, _)| *size == bits) {
            Some((_, pieces)) => pieces.insert(number),
            None => {
                let mut pieces = Pieces::default();
                pieces.insert(number);
                self.large.push((bits, pieces));
            }
        }
    }

    /// Says that code was found by its translation at `pc`.
    pub fn fetched(&mut self, pc: u64) {
        self.code.insert(untagged(pc) >> CODE_BITS);
    }

    /// Nothing is believed any more of the way to code.
    pub fn forget_fetches(&mut self) {
        self.code = Pieces::default();
    }

    /// Does what a maintenance instruction asks for; says what that means for code.
    pub fn invalidate(&mut self, what: Invalidation) -> Stale {
        match what {
            Invalidation::All => {
                self.flush();
                self.tables.doubt();
                Stale::Translations
            }
            Invalidation::Asid(asid) => {
                self.flush_asid(asid);
                Stale::Translations
            }
            Invalidation::Addresses { start, bytes, last_level } => {
                if !last_level && !is(Bug::TlbiKeepsTables) {
                    self.tables.doubt();
                }
                self.flush_addresses(start, bytes)
            }
            Invalidation::Code => Stale::Words,
        }
    }

    /// Drops everything: a control register has changed.
    pub fn flush_all(&mut self) {
        self.flush();
        self.tables.clear();
    }

    /// Drops every translation.
    fn flush(&mut self) {
        self.epoch = self.epoch.wrapping_add(EPOCH_STEP);
        if self.epoch == 0 {
            self.entries.0.fill(Entry::EMPTY);
        }
        self.large.clear();
    }

    /// Drops what belongs to `asid` and is not global.
    fn flush_asid(&mut self, asid: u32) {
        self.tables.doubt();
        for entry in self.entries.0.iter_mut() {
            let named = entry.context & CONTEXT_ASID == asid && !is(Bug::TlbiAsidKept);
            if entry.care & CONTEXT_ASID != 0 && named {
                *entry = Entry::EMPTY;
            }
        }
    }

    /// Drops every translation of `bytes` bytes at `start`, 0 standing for the one of `start`:
    /// whole ones, for every ASID.
    fn flush_addresses(&mut self, start: u64, bytes: u64) -> Stale {
        let start = untagged(start);
        let end = start.saturating_add(bytes.saturating_sub(1)).min(UNTAGGED);
        let (mut first, mut last) = (start, end);
        for (bits, pieces) in &self.large {
            if pieces.may_hold(start >> bits..=end >> bits) && !is(Bug::TlbiKeepsPieces) {
                first = first.min(start >> bits << bits);
                last = last.max(end | ((1 << bits) - 1));
            }
        }
        let pages = first >> 12..=last >> 12;
        let number = |entry: &Entry| untagged(entry.page << 12) >> 12;
        let inside = |entry: &Entry| entry.page != Entry::NO_PAGE && pages.contains(&number(entry));
        if pages.end() - pages.start() < FEW_PAGES {
            for page in pages.clone() {
                let entry = &mut self.entries.0[page as usize % ENTRIES];
                if inside(entry) {
                    *entry = Entry::EMPTY;
                }
            }
        } else {
            self.entries.0.iter_mut().filter(|e| inside(e)).for_each(|e| *e = Entry::EMPTY);
        }
        match self.code.may_hold(first >> CODE_BITS..=last >> CODE_BITS) {
            true => Stale::Translations,
            false => Stale::Nothing,
        }
    }
}
