//! From a virtual address to a guest-physical one, by reading the guest's own stage-1 tables.
//!
//! Needed where an exit reports too little: hardware does not say which instruction caused a
//! stage-2 fault with ISV = 0, so the monitor reads the word at the PC, and a PC is virtual.
//!
//! ```text
//!   SCTLR_EL1.M = 0   IPA = VA
//!   SCTLR_EL1.M = 1   VA bit 55 chooses TTBR0 or TTBR1, TCR_EL1 the granule and the size;
//!                     then one descriptor a level, down to a block or a page
//! ```
//!
//! Permissions, attributes and the access flag are not looked at: the access that is being
//! emulated has passed them. What the guest's TLB holds may differ from what stands in the tables
//! now; a guest that changes a mapping under its own feet (without break-before-make) gets
//! what the tables say.

use anyvisor_arch::descriptor::{Descriptor, Granule};
use anyvisor_arch::{sctlr, tcr};

/// The registers of stage 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage1 {
    /// SCTLR_EL1.
    pub sctlr: u64,
    /// TCR_EL1.
    pub tcr: u64,
    /// TTBR0_EL1.
    pub ttbr0: u64,
    /// TTBR1_EL1.
    pub ttbr1: u64,
}

/// Why an address has no translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// In neither region, or in one whose walks are disabled.
    #[error("{0:#x} is in no region of TCR_EL1")]
    NoRegion(u64),
    /// An invalid descriptor.
    #[error("{va:#x}: no valid descriptor at level {level}")]
    Invalid {
        /// The address.
        va: u64,
        /// The lookup level.
        level: u8,
    },
    /// A table that is not in RAM.
    #[error("{va:#x}: the level {level} descriptor at {at:#x} is not in RAM")]
    TableOutsideRam {
        /// The address.
        va: u64,
        /// The lookup level.
        level: u8,
        /// Where the descriptor should be.
        at: u64,
    },
}

impl Stage1 {
    /// Translates `va`; `read` reads a doubleword of guest-physical memory.
    ///
    /// # Errors
    /// No region, no valid descriptor, or a table outside memory.
    pub fn translate(&self, va: u64, read: impl Fn(u64) -> Option<u64>) -> Result<u64, WalkError> {
        if self.sctlr & sctlr::M == 0 {
            return Ok(va);
        }
        let region = self.region(va)?;
        let Region { granule, va_bits, .. } = region;
        let first = granule.start_level(va_bits);
        let mut table = region.table;
        for level in first..=3 {
            let at = table + 8 * granule.index(va, level, va_bits);
            let descriptor = read(at).ok_or(WalkError::TableOutsideRam { va, level, at })?;
            match granule.decode(descriptor, level) {
                Descriptor::Invalid => return Err(WalkError::Invalid { va, level }),
                Descriptor::Table(next) => table = next,
                Descriptor::Leaf(output) => {
                    return Ok(output | va & (granule.entry_size(level) - 1));
                }
            }
        }
        Err(WalkError::Invalid { va, level: 3 })
    }

    fn region(&self, va: u64) -> Result<Region, WalkError> {
        let upper = va >> 55 & 1 != 0;
        let (size, granule, disabled, top_ignored, ttbr) = if upper {
            (tcr::T1SZ, tcr::granule1(self.tcr), tcr::EPD1, tcr::TBI1, self.ttbr1)
        } else {
            (tcr::T0SZ, tcr::granule0(self.tcr), tcr::EPD0, tcr::TBI0, self.ttbr0)
        };
        // Out-of-range sizes behave as the nearest legal one (one of the manual's choices).
        let va_bits = 64 - size.get(self.tcr).clamp(tcr::TXSZ_MIN, tcr::txsz_max(granule)) as u32;
        let compared = if self.tcr & top_ignored != 0 { 56 } else { 64 };
        let outside = (va ^ if upper { u64::MAX } else { 0 }) << (64 - compared) >> (64 - compared);
        if self.tcr & disabled != 0 || outside >> va_bits != 0 {
            return Err(WalkError::NoRegion(va));
        }
        let align = granule.start_table_size(va_bits) - 1;
        let table = ttbr & tcr::TTBR_BADDR.mask() & !align;
        Ok(Region { granule, va_bits, table })
    }
}

struct Region {
    granule: Granule,
    va_bits: u32,
    table: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn walk(stage1: Stage1, memory: &[(u64, u64)], va: u64) -> Result<u64, WalkError> {
        let memory: HashMap<u64, u64> = memory.iter().copied().collect();
        stage1.translate(va, |at| memory.get(&at).copied())
    }

    fn on(granule: Granule, va_bits: u64) -> Stage1 {
        let size = tcr::T0SZ.put(64 - va_bits) | tcr::T1SZ.put(64 - va_bits);
        let tcr = size | tcr::tg0(granule) | tcr::tg1(granule);
        Stage1 { sctlr: sctlr::M, tcr, ttbr0: 0x4000_0000, ttbr1: 0x5000_0000 }
    }

    #[test]
    fn with_the_mmu_off_addresses_are_their_own_translation() {
        let off = Stage1 { sctlr: 0, ..on(Granule::K4, 39) };
        assert_eq!(walk(off, &[], 0x1234_5678), Ok(0x1234_5678));
    }

    #[test]
    fn pages_and_blocks_of_the_4_kib_granule() {
        let memory = [
            (0x4000_0008, 0x4000_1003),                   // level 1: table
            (0x4000_1010, 0x4000_2003),                   // level 2: table
            (0x4000_1018, 0x8020_0000 | 0x401),           // level 2: block
            (0x4000_2028, 0x9000_0000 | 0x403 | 1 << 54), // level 3: page
        ];
        let stage1 = on(Granule::K4, 39);
        let page = 1 << 30 | 2 << 21 | 5 << 12 | 0xabc;
        assert_eq!(walk(stage1, &memory, page), Ok(0x9000_0abc));
        let block = 1 << 30 | 3 << 21 | 0x1_2345;
        assert_eq!(walk(stage1, &memory, block), Ok(0x8021_2345));
        assert!(matches!(
            walk(stage1, &memory, 2 << 30),
            Err(WalkError::TableOutsideRam { level: 1, at: 0x4000_0010, .. })
        ));
    }

    #[test]
    fn the_upper_region_walks_ttbr1_with_16_and_64_kib_pages() {
        let memory = [(0x5000_0008, 0x5000_4003), (0x5000_4010, 0x8000_4003)];
        let va = 0xffff_fff0_0000_0000 | 1 << 25 | 2 << 14 | 0x123;
        assert_eq!(walk(on(Granule::K16, 36), &memory, va), Ok(0x8000_4123));

        let memory = [(0x5000_0000 + 8 * 3, 0x5001_0003), (0x5001_0000 + 8 * 4, 0x8003_0003)];
        let va = 0xffff_fc00_0000_0000 | 3 << 29 | 4 << 16 | 0x4567;
        assert_eq!(walk(on(Granule::K64, 42), &memory, va), Ok(0x8003_4567));
    }

    #[test]
    fn addresses_outside_both_regions_have_no_translation() {
        let stage1 = on(Granule::K4, 39);
        assert_eq!(walk(stage1, &[], 1 << 39), Err(WalkError::NoRegion(1 << 39)));
        let tagged = 0xab00_0000_0000_0000;
        assert_eq!(walk(stage1, &[], tagged), Err(WalkError::NoRegion(tagged)));
        let ignored = Stage1 { tcr: stage1.tcr | tcr::TBI0, ..stage1 };
        assert!(matches!(
            walk(ignored, &[(0x4000_0000, 0)], tagged),
            Err(WalkError::Invalid { level: 1, .. })
        ));
        let disabled = Stage1 { tcr: stage1.tcr | tcr::EPD0, ..stage1 };
        assert_eq!(walk(disabled, &[], 0), Err(WalkError::NoRegion(0)));
    }

    #[test]
    fn no_registers_and_no_table_upset_the_walk() {
        let mut word = 1u64;
        let mut next = || {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            word ^ word >> 29
        };
        for _ in 0..100_000 {
            let (tcr, ttbr0, ttbr1, va, seed) = (next(), next(), next(), next(), next());
            let stage1 = Stage1 { sctlr: sctlr::M, tcr, ttbr0, ttbr1 };
            let _ = stage1.translate(va, |at| Some(at.wrapping_mul(seed)));
        }
    }
}
