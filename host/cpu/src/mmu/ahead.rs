//! Reading ahead: who uses one page after the other finds the next ones translated.
//!
//! ```text
//!   page      n-1    n      n+1    n+2    n+3    n+4
//!             miss   miss                        miss       (n+1 a multiple of 4)
//!                    |  \___ in a row: the rest of its group of four
//!                    refill
//! ```
//!
//! A TLB may be filled at any time with what the tables say then (DDI 0487 D8, "TLB maintenance
//! requirements": a speculative walk is one of the reasons for break-before-make), and a
//! maintenance instruction drops such a translation like any other. Only a descriptor that is
//! like the one before it is taken: one that hardware would have to change, or that faults, is
//! not.

use super::attributes::Attributes;
use super::regime::Regime;
use super::tlb::{Entry, Tlb};
use super::walk::read_descriptor;
use anyvisor_vm::{Perms, Stage2};

/// Pages in a group.
const GROUP: u64 = 4;
/// Only pages of this size are read ahead: of larger ones an entry is a part.
pub const PAGE_BITS: u32 = 12;
const PAGE: u64 = 1 << PAGE_BITS;

/// A page of 4 KiB that was translated just now.
pub struct Filled {
    /// Its address, or that of something in it.
    pub va: u64,
    /// Its descriptor.
    pub descriptor: u64,
    /// What was kept of it.
    pub attributes: Attributes,
    /// What stage 2 allows.
    pub perms: Perms,
}

/// Translates the rest of the group of `page`, as far as all but the addresses stay the same.
#[inline(never)]
pub fn read_ahead(regime: &Regime, tlb: &mut Tlb, map: &Stage2, page: &Filled) {
    let half = regime.half(page.va);
    let Some(table) = tlb.tables.find(half, map, page.va).map(|table| table.address) else {
        return;
    };
    let rest = GROUP - 1 - (page.va / PAGE) % GROUP;
    for va in (1..=rest).map(|n| page.va.wrapping_add(n * PAGE)) {
        let at = half.last_entry(table, va);
        let Ok(descriptor) = read_descriptor(map, &mut tlb.tables.recent, at) else { return };
        if (descriptor ^ page.descriptor) & half.attributes != 0 {
            return;
        }
        let ipa = descriptor & half.output;
        let Some((host, perms)) = map.lookup_near(&mut tlb.recent, ipa) else { return };
        if perms != page.perms {
            return;
        }
        tlb.fill(Entry::new(regime, va, ipa, page.attributes, PAGE_BITS, host));
        tlb.follow(va);
    }
}
