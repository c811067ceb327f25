//! Where things are, the same for both CPUs: an instruction sees its address, and addresses in
//! its registers.
//!
//! ```text
//!   EXECUTOR  the program that QEMU runs                       (QEMU only)
//!   CODE      one page: a slot for each case of a batch        execute, read
//!             | word ... word | BRK |  x 64
//!   WINDOW    two pages                                        read, write
//!             |........|middle|middle|........|....|end|  nothing
//!                             ^ page boundary
//!   RECORDS   states in and out                                (QEMU only)
//! ```
//!
//! None of them can be reached from another by a direct branch (128 MiB) or a literal load, nor
//! by a small offset from a power of two: a wild address finds nothing on either side. The
//! records are where no random number of 32 bits points: an SP inside the executor's signal
//! stack would make the kernel believe that a signal is being handled.

/// One page of both CPUs.
pub const PAGE: u64 = 0x1000;

/// Where the executor's own code stands.
pub const EXECUTOR: u64 = 0x1357_0000;

/// The instructions under test.
pub const CODE: u64 = 0x4b1d_c000;
/// Words of a slot; the last is a BRK.
pub const SLOT_WORDS: usize = 16;
/// Bytes of a slot.
pub const SLOT_BYTES: u64 = 4 * SLOT_WORDS as u64;
/// Cases of a batch.
pub const BATCH: usize = (PAGE / SLOT_BYTES) as usize;

/// The memory that loads and stores aim at.
pub const WINDOW: u64 = 0x5eed_0000;
/// Pages of it.
pub const WINDOW_PAGES: u64 = 2;
/// Bytes around the boundary between the pages that are set and compared.
pub const MIDDLE_BYTES: u64 = 384;
/// Where they start.
pub const MIDDLE: u64 = WINDOW + PAGE - MIDDLE_BYTES / 2;
/// Bytes at the very end that are set and compared.
pub const END_BYTES: u64 = 128;
/// Where they start.
pub const END: u64 = WINDOW + WINDOW_PAGES * PAGE - END_BYTES;
/// Doublewords that are set and compared: the middle, then the end.
pub const WINDOW_WORDS: usize = ((MIDDLE_BYTES + END_BYTES) / 8) as usize;

/// Where the executor keeps the records, and after them its own data.
pub const RECORDS: u64 = 0x1_6f0d_0000;

/// The slot of a batch's case `index`.
pub const fn slot(index: usize) -> u64 {
    CODE + SLOT_BYTES * index as u64
}

/// The address of the `index`th doubleword that is set and compared.
pub const fn window_address(index: usize) -> u64 {
    let offset = 8 * index as u64;
    if offset < MIDDLE_BYTES { MIDDLE + offset } else { END + offset - MIDDLE_BYTES }
}
