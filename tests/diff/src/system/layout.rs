//! Where things are in the RAM that both machines have.
//!
//! ```text
//!   0x4000_0000  (QEMU's device tree)
//!   0x4020_0000  code: executor, vectors, the slot of a case     EL1: read, execute
//!                the same for EL0 at BLOCK 8, for writing at BLOCK 9
//!   0x4040_0000  mailbox, records                                EL1: read, write
//!   0x4060_0000  tables and data of cases                        EL1: read, write
//!   0x4080_0000  the executor's tables
//! ```
//!
//! The executor sees it all in the upper half of the address space, as blocks of 2 MiB at
//! [`virt`].

use anyvisor_arch::descriptor::{
    AF, AP_EL0, AP_READ_ONLY, ATTR_INDX, PXN, SH_INNER, TABLE_OR_PAGE, UXN, VALID,
};

/// The start of RAM.
pub const RAM: u64 = 0x4000_0000;
/// Its size.
pub const RAM_BYTES: u64 = 16 << 20;
const BLOCK: u64 = 2 << 20;

/// The executor: where a processor starts.
pub const CODE: u64 = RAM + BLOCK;
/// The vectors.
pub const VECTORS: u64 = CODE + 0x800;
/// Where a case's code runs.
pub const SLOT: u64 = CODE + 0x2000;
/// Words of a case.
pub const SLOT_WORDS: usize = 16;
/// How many cases are left; 0: nothing to do.
pub const MAILBOX: u64 = RAM + 2 * BLOCK;
/// The records of a batch.
pub const RECORDS: u64 = MAILBOX + 0x1000;
/// Tables of cases, 64 KiB apart.
pub const TABLES: u64 = RAM + 3 * BLOCK;
/// The data that addresses of cases lead to.
pub const DATA: u64 = TABLES + 0x18_0000;
/// The executor's first table.
pub const TTBR1_TABLE: u64 = RAM + 4 * BLOCK;

/// The GIC, which the virt board has here: distributor, and redistributor 0xa_0000 behind it.
pub const GIC_PLACE: u64 = 0x800_0000;
/// The executor's address of it.
pub const GIC: u64 = virt(RAM + GIC_BLOCK * BLOCK);
const GIC_BLOCK: u64 = 64;

/// The slot as data, to be written.
pub const SLOT_DATA: u64 = SLOT - CODE + RAM + 9 * BLOCK;
/// The slot as EL0 sees it.
pub const SLOT_EL0: u64 = SLOT - CODE + RAM + 8 * BLOCK;

/// The executor's address of a place.
pub const fn virt(place: u64) -> u64 {
    place - RAM + 0xffff_ffff_c000_0000
}

/// The executor's tables: places and doublewords.
pub fn tables() -> Vec<(u64, u64)> {
    let level2 = TTBR1_TABLE + 0x1000;
    let block = |place: u64, rights: u64| place | rights | AF | SH_INNER | VALID;
    let data = UXN | PXN;
    let blocks = [
        (1, block(CODE, AP_READ_ONLY | UXN)),
        (2, block(MAILBOX, data)),
        (3, block(TABLES, data)),
        (8, block(CODE, AP_EL0 | AP_READ_ONLY | PXN)),
        (9, block(CODE, data)),
        // Attribute 1 is Device memory (image.rs, MAIR).
        (GIC_BLOCK, GIC_PLACE | ATTR_INDX.put(1) | data | AF | VALID),
    ];
    // The last gigabyte of 39 bits, and for the boot the second one, where RAM is.
    let first = [511, 1].map(|i| (TTBR1_TABLE + 8 * i, level2 | TABLE_OR_PAGE | VALID));
    blocks.into_iter().map(|(i, entry)| (level2 + 8 * i, entry)).chain(first).collect()
}
