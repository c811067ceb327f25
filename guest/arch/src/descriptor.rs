//! Stage-1 translation table descriptors (VMSAv8-64, 48-bit addresses), and the arithmetic of the
//! three granules.
//!
//! ```text
//!        63     59 58    55 54  53  52 51  50 48 47       n   11 10 9  8 7  6 5  4   2 1 0
//! table |NS|AP|U|P|             ignored         | next table |         ignored      |1|1|
//! block | ignored |software|UXN|PXN|C |DBM| RES0| output     |nG|AF| SH | AP |NS|Attr|0|1|
//! page  | ignored |software|UXN|PXN|C |DBM| RES0| output     |nG|AF| SH | AP |NS|Attr|1|1|
//!
//! VA for a granule of 2^p bytes: a level resolves p - 3 bits (a table is one granule of 8-byte
//! entries), the lowest p are the offset:
//!            level 0     level 1     level 2     level 3      offset
//!  4 KiB    [47:39]     [38:30]     [29:21]     [20:12]      [11:0]
//! 16 KiB    [47]        [46:36]     [35:25]     [24:14]      [13:0]
//! 64 KiB                [47:42]     [41:29]     [28:16]      [15:0]
//! ```

use crate::field::Field;

/// The descriptor is valid; with it clear the entry is a translation fault.
pub const VALID: u64 = 1 << 0;
/// A table (levels 0 to 2) or a page (level 3); clear: a block, or reserved at level 3.
pub const TABLE_OR_PAGE: u64 = 1 << 1;
/// Which byte of MAIR_EL1.
pub const ATTR_INDX: Field = Field::new(4, 2);
/// Non-secure; ignored in Non-secure state.
pub const NS: u64 = 1 << 5;
/// AP\[1\]: EL0 may access.
pub const AP_EL0: u64 = 1 << 6;
/// AP\[2\]: read only.
pub const AP_READ_ONLY: u64 = 1 << 7;
/// Shareability.
pub const SH: Field = Field::new(9, 8);
/// SH: outer shareable.
pub const SH_OUTER: u64 = SH.put(0b10);
/// SH: inner shareable.
pub const SH_INNER: u64 = SH.put(0b11);
/// Access flag; with it clear the first access is an access flag fault.
pub const AF: u64 = 1 << 10;
/// Not global: the TLB entry belongs to the current ASID.
pub const NG: u64 = 1 << 11;
/// Dirty bit modifier: with TCR_EL1.{HA, HD} set, AP\[2\] = 1 here means "writable, but clean",
/// and hardware clears AP\[2\] at the first write (FEAT_HAFDBS).
pub const DBM: u64 = 1 << 51;
/// Guarded page: indirect branches into it need landing pads (FEAT_BTI; ignored without it).
pub const GP: u64 = 1 << 50;
/// One of a run of entries that a single TLB entry may hold; see [`Granule::contiguous`].
pub const CONTIGUOUS: u64 = 1 << 52;
/// EL1 may not execute.
pub const PXN: u64 = 1 << 53;
/// EL0 may not execute.
pub const UXN: u64 = 1 << 54;
/// Bits for software's own use.
pub const SOFTWARE: Field = Field::new(58, 55);

/// Table: EL1 may not execute from anything below.
pub const PXN_TABLE: u64 = 1 << 59;
/// Table: EL0 may not execute from anything below.
pub const UXN_TABLE: u64 = 1 << 60;
/// Table, APTable\[0\]: EL0 may not access anything below.
pub const AP_TABLE_NO_EL0: u64 = 1 << 61;
/// Table, APTable\[1\]: nothing below may be written.
pub const AP_TABLE_READ_ONLY: u64 = 1 << 62;

/// Bits \[47:12\], the address part common to all granules; each keeps its own upper part.
pub const ADDRESS: Field = Field::new(47, 12);

/// What a valid or invalid descriptor is at its level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Descriptor {
    /// A translation fault.
    Invalid,
    /// The address of the next level's table.
    Table(u64),
    /// The output address of a block or page.
    Leaf(u64),
}

/// A translation granule: the size of a page and of a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Granule {
    /// 4 KiB.
    K4,
    /// 16 KiB.
    K16,
    /// 64 KiB.
    K64,
}

impl Granule {
    /// The three of them.
    pub const ALL: [Self; 3] = [Self::K4, Self::K16, Self::K64];

    /// Address bits within a page.
    pub const fn page_bits(self) -> u32 {
        match self {
            Self::K4 => 12,
            Self::K16 => 14,
            Self::K64 => 16,
        }
    }

    /// The page's size in bytes.
    pub const fn size(self) -> u64 {
        1 << self.page_bits()
    }

    /// Address bits that one level resolves: a table is a page of 8-byte descriptors.
    pub const fn bits_per_level(self) -> u32 {
        self.page_bits() - 3
    }

    /// The lowest address bit that `level` (0 to 3) resolves: an entry maps 2^shift bytes.
    pub const fn level_shift(self, level: u8) -> u32 {
        self.page_bits() + (3 - level as u32) * self.bits_per_level()
    }

    /// Bytes that one entry of `level` maps.
    pub const fn entry_size(self, level: u8) -> u64 {
        1 << self.level_shift(level)
    }

    /// The level where a walk of a region of 2^`va_bits` bytes starts.
    ///
    /// `va_bits` is 64 - TnSZ; a region needs at least one bit above the page.
    pub const fn start_level(self, va_bits: u32) -> u8 {
        let levels = (va_bits - self.page_bits()).div_ceil(self.bits_per_level());
        4 - levels as u8
    }

    /// The index of `va` in a table of `level`, in a region of 2^`va_bits` bytes: the start
    /// level's table may be shorter than a page.
    pub const fn index(self, va: u64, level: u8, va_bits: u32) -> u64 {
        let shift = self.level_shift(level);
        let top = shift + self.bits_per_level();
        let top = if top > va_bits { va_bits } else { top };
        if top <= shift { 0 } else { (va >> shift) & ((1 << (top - shift)) - 1) }
    }

    /// The size in bytes of the start level's table for a region of 2^`va_bits` bytes; TTBR's
    /// address is aligned to it, and to 64 bytes at least.
    pub const fn start_table_size(self, va_bits: u32) -> u64 {
        let bits = va_bits - self.level_shift(self.start_level(va_bits)) + 3;
        if bits < 6 { 1 << 6 } else { 1 << bits }
    }

    /// Whether an entry of `level` may be a block (without 52-bit addresses).
    pub const fn has_block(self, level: u8) -> bool {
        match self {
            Self::K4 => level == 1 || level == 2,
            Self::K16 | Self::K64 => level == 2,
        }
    }

    /// How many adjacent entries of `level` the Contiguous bit joins.
    pub const fn contiguous(self, level: u8) -> u64 {
        match (self, level) {
            (Self::K4, _) => 16,
            (Self::K16, 3) => 128,
            (Self::K16 | Self::K64, _) => 32,
        }
    }

    /// What `descriptor` is at `level`. A block where the granule has none, and 0b01 at level 3,
    /// are reserved: they fault as invalid ones do.
    pub const fn decode(self, descriptor: u64, level: u8) -> Descriptor {
        if descriptor & VALID == 0 {
            return Descriptor::Invalid;
        }
        let address = descriptor & ADDRESS.mask();
        match (descriptor & TABLE_OR_PAGE != 0, level) {
            (true, 0..=2) => Descriptor::Table(address & !(self.size() - 1)),
            (true, _) => Descriptor::Leaf(address & !(self.size() - 1)),
            (false, _) if self.has_block(level) => {
                Descriptor::Leaf(address & !(self.entry_size(level) - 1))
            }
            (false, _) => Descriptor::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_split_addresses_as_the_manual_draws_them() {
        let shifts = |g: Granule| [0, 1, 2, 3].map(|l| g.level_shift(l));
        assert_eq!(shifts(Granule::K4), [39, 30, 21, 12]);
        assert_eq!(shifts(Granule::K16), [47, 36, 25, 14]);
        assert_eq!(shifts(Granule::K64), [55, 42, 29, 16]);
    }

    #[test]
    fn start_levels() {
        // DDI 0487, "Implications of the effective minimum and maximum TnSZ": the tables of
        // initial lookup levels, at both edges of each row.
        for (granule, rows) in [
            (
                Granule::K4,
                &[(48, 0), (40, 0), (39, 1), (31, 1), (30, 2), (22, 2), (21, 3), (16, 3)][..],
            ),
            (Granule::K16, &[(48, 0), (47, 1), (37, 1), (36, 2), (26, 2), (25, 3), (16, 3)][..]),
            (Granule::K64, &[(48, 1), (43, 1), (42, 2), (30, 2), (29, 3), (17, 3)][..]),
        ] {
            for &(va_bits, level) in rows {
                assert_eq!(granule.start_level(va_bits), level, "{granule:?} {va_bits} bits");
            }
        }
    }

    #[test]
    fn indexes_and_offset_make_up_the_address() {
        let va = 0x0000_9abc_def1_2345_u64;
        for granule in Granule::ALL {
            for va_bits in 17..=48 {
                let region = va & ((1 << va_bits) - 1);
                let mut sum = region & (granule.size() - 1);
                for level in granule.start_level(va_bits)..=3 {
                    sum += granule.index(va, level, va_bits) << granule.level_shift(level);
                }
                assert_eq!(sum, region, "{granule:?} {va_bits} bits");
            }
        }
    }

    #[test]
    fn the_first_table_is_as_long_as_its_index_needs() {
        assert_eq!(Granule::K4.start_table_size(48), 0x1000);
        assert_eq!(Granule::K16.start_table_size(48), 64, "two entries, 64-byte aligned");
        assert_eq!(Granule::K64.start_table_size(48), 64 * 8);
        assert_eq!(Granule::K4.start_table_size(36), 64 * 8);
        assert_eq!(Granule::K64.start_table_size(17), 64, "two entries again");
    }

    #[test]
    fn descriptors_by_level() {
        let g = Granule::K16;
        assert_eq!(g.decode(0x8000_0000, 2), Descriptor::Invalid);
        assert_eq!(g.decode(0x8000_7003, 2), Descriptor::Table(0x8000_4000));
        assert_eq!(g.decode(0x8200_0701, 2), Descriptor::Leaf(0x8200_0000));
        assert_eq!(g.decode(0x8000_0701, 1), Descriptor::Invalid, "no level 1 block");
        assert_eq!(g.decode(0x8000_4703, 3), Descriptor::Leaf(0x8000_4000));
        assert_eq!(g.decode(0x8000_4701, 3), Descriptor::Invalid, "reserved");
        assert_eq!(Granule::K4.decode(0x4000_0701, 1), Descriptor::Leaf(0x4000_0000));
        assert_eq!(Granule::K4.decode(0x4000_0701, 0), Descriptor::Invalid);
    }
}
