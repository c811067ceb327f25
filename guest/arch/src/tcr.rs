//! TCR_EL1: how stage 1 splits and walks the virtual address space.

use crate::descriptor::Granule;
use crate::field::Field;

/// The size of TTBR0's region: 2^(64 - T0SZ) bytes.
pub const T0SZ: Field = Field::new(5, 0);
/// A TLB miss in TTBR0's region is a translation fault at level 0, without a walk.
pub const EPD0: u64 = 1 << 7;
/// Inner cacheability of TTBR0's walks.
pub const IRGN0: Field = Field::new(9, 8);
/// Outer cacheability of TTBR0's walks.
pub const ORGN0: Field = Field::new(11, 10);
/// Shareability of TTBR0's walks.
pub const SH0: Field = Field::new(13, 12);
/// TTBR0's granule: 0 is 4 KiB, 1 is 64 KiB, 2 is 16 KiB.
pub const TG0: Field = Field::new(15, 14);
/// The size of TTBR1's region.
pub const T1SZ: Field = Field::new(21, 16);
/// The ASID is TTBR1's (0: TTBR0's).
pub const A1: u64 = 1 << 22;
/// As EPD0, for TTBR1.
pub const EPD1: u64 = 1 << 23;
/// Inner cacheability of TTBR1's walks.
pub const IRGN1: Field = Field::new(25, 24);
/// Outer cacheability of TTBR1's walks.
pub const ORGN1: Field = Field::new(27, 26);
/// Shareability of TTBR1's walks.
pub const SH1: Field = Field::new(29, 28);
/// TTBR1's granule: 1 is 16 KiB, 2 is 4 KiB, 3 is 64 KiB. Not TG0's numbers.
pub const TG1: Field = Field::new(31, 30);
/// Size of the output address: 0 is 32 bits, 1 is 36, 2 is 40, 3 is 42, 4 is 44, 5 is 48.
pub const IPS: Field = Field::new(34, 32);
/// ASIDs have 16 bits (0: 8).
pub const AS: u64 = 1 << 36;
/// The top byte of addresses in TTBR0's region is ignored.
pub const TBI0: u64 = 1 << 37;
/// The top byte of addresses in TTBR1's region is ignored.
pub const TBI1: u64 = 1 << 38;
/// Hardware updates the access flag (FEAT_HAFDBS).
pub const HA: u64 = 1 << 39;
/// Hardware manages dirty state, if HA is set as well (FEAT_HAFDBS).
pub const HD: u64 = 1 << 40;
/// The limits of table descriptors are ignored in TTBR0's region (FEAT_HPDS).
pub const HPD0: u64 = 1 << 41;
/// The limits of table descriptors are ignored in TTBR1's region (FEAT_HPDS).
pub const HPD1: u64 = 1 << 42;
/// TBI0 is for data only: the top byte of an instruction's address counts (FEAT_PAuth).
pub const TBID0: u64 = 1 << 51;
/// As TBID0, for TBI1.
pub const TBID1: u64 = 1 << 52;

/// The smallest TnSZ: a region of 48 bits.
pub const TXSZ_MIN: u64 = 16;

/// The largest TnSZ with small translation tables (FEAT_TTST): one bit above the smallest page
/// of 64 KiB, and a region of 16 bits for the others.
pub const fn txsz_max(granule: Granule) -> u64 {
    match granule {
        Granule::K4 | Granule::K16 => 48,
        Granule::K64 => 47,
    }
}

/// What a write changes. Bit 6 is RES0, and the bits of extensions that are not there: HWU0nn
/// and HWU1nn (50:43), NFD, E0PD, TCMA, MTX, DS.
pub const WRITABLE: u64 = T0SZ.mask()
    | EPD0
    | IRGN0.mask()
    | ORGN0.mask()
    | SH0.mask()
    | TG0.mask()
    | T1SZ.mask()
    | A1
    | EPD1
    | IRGN1.mask()
    | ORGN1.mask()
    | SH1.mask()
    | TG1.mask()
    | IPS.mask()
    | AS
    | TBI0
    | TBI1
    | HA
    | HD
    | HPD0
    | HPD1
    | TBID0
    | TBID1;

/// TTBR's ASID.
pub const TTBR_ASID: Field = Field::new(63, 48);
/// TTBR's table address, before alignment; without 52-bit addresses.
pub const TTBR_BADDR: Field = Field::new(47, 1);
/// TTBR's CnP: the translations are common with those of other PEs (FEAT_TTCNP). A hint that
/// sharing is possible; nothing has to be shared.
pub const TTBR_CNP: u64 = 1 << 0;

/// The granule of TCR_EL1.TG0. The reserved value 3 behaves as 4 KiB: the manual lets the PE
/// choose, as if a value had been programmed that is not reserved.
pub const fn granule0(tcr: u64) -> Granule {
    match TG0.get(tcr) {
        0b01 => Granule::K64,
        0b10 => Granule::K16,
        _ => Granule::K4,
    }
}

/// The granule of TCR_EL1.TG1. The reserved value 0 behaves as 4 KiB.
pub const fn granule1(tcr: u64) -> Granule {
    match TG1.get(tcr) {
        0b01 => Granule::K16,
        0b11 => Granule::K64,
        _ => Granule::K4,
    }
}

/// TCR_EL1.TG0's value for a granule.
pub const fn tg0(granule: Granule) -> u64 {
    match granule {
        Granule::K4 => TG0.put(0b00),
        Granule::K16 => TG0.put(0b10),
        Granule::K64 => TG0.put(0b01),
    }
}

/// TCR_EL1.TG1's value for a granule.
pub const fn tg1(granule: Granule) -> u64 {
    match granule {
        Granule::K4 => TG1.put(0b10),
        Granule::K16 => TG1.put(0b01),
        Granule::K64 => TG1.put(0b11),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_granule_reads_back_from_both_fields() {
        for granule in Granule::ALL {
            assert_eq!(granule0(tg0(granule)), granule);
            assert_eq!(granule1(tg1(granule)), granule);
        }
    }
}
