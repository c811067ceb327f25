//! The identification registers, which the distributor and a redistributor's RD_base have alike.
//!
//! IIDR and the Peripheral IDs but PIDR2 read as zero: they name a maker and a product by a number
//! that a registry gives out, and drivers match them against lists of faulty parts; this one is on
//! no list. PIDR2.ArchRev is what drivers ask for (3: GICv3). The Component IDs are the fixed
//! preamble of a CoreSight component, class 0xf, which IHI 0069 recommends.

use anyvisor_arch::gic::gicd;

/// GICv3.
const ARCH_REV: u64 = 3;
const CIDR: [u64; 4] = [0x0d, 0xf0, 0x05, 0xb1];

/// An access to a register that is none, or has another size, reads zero.
pub fn read(offset: u64, bytes: u8) -> u64 {
    match (offset, bytes) {
        (gicd::PIDR2, 4) => gicd::PIDR2_ARCH_REV.put(ARCH_REV),
        (gicd::CIDR0.., 4) if offset.is_multiple_of(4) => {
            CIDR.get(((offset - gicd::CIDR0) / 4) as usize).copied().unwrap_or(0)
        }
        _ => 0,
    }
}
