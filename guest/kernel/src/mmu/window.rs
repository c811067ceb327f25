//! The cases' own address space: TTBR1, the upper end of the virtual addresses.
//!
//! ```text
//!   0                        2^39                    2^64 - 2^va_bits           2^64
//!   |------ TTBR0: kernel -----|   neither: faults      |------ TTBR1: window ------|
//! ```
//!
//! TTBR1's region has its own granule (TCR_EL1.TG1) and size (T1SZ), so a case can walk tables
//! of any shape while the kernel stands on TTBR0's.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ID_AA64MMFR0_EL1, TCR_EL1, TTBR1_EL1};
use anyvisor_arch::descriptor::Granule;
use anyvisor_arch::id::mmfr0;
use anyvisor_arch::tcr;
use tock_registers::interfaces::{Readable, Writeable};

use super::table::{self, Arena, Tables};
use crate::image;

/// A window; gone when dropped.
pub struct Window {
    /// Its tables.
    pub tables: Tables,
    granule: Granule,
    base: u64,
}

impl Window {
    /// An empty window of 2^`va_bits` bytes, open. It takes the arena as a whole: one at a time.
    pub fn open(granule: Granule, va_bits: u32) -> Self {
        let tables = Tables::new(granule, va_bits, Arena::new(image::arena()));
        let size = tcr::T1SZ.put(64 - u64::from(va_bits));
        let value = super::default_tcr() & !(tcr::T1SZ.mask() | tcr::TG1.mask() | tcr::EPD1);
        TTBR1_EL1.set(tables.root());
        TCR_EL1.set(value | size | tcr::tg1(granule));
        barrier::isb(barrier::SY);
        table::invalidate_all();
        Self { tables, granule, base: u64::MAX << va_bits }
    }

    /// Its first address.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Maps one page at `offset` to a fresh zeroed one; returns its virtual address and its
    /// own.
    pub fn page(&mut self, offset: u64, attributes: u64) -> Page {
        let pa = self.tables.take(self.granule.size());
        let va = self.base + offset;
        self.tables.map(va, pa, 3, attributes);
        Page { va, pa }
    }

    /// Maps the block or page of `level` that holds `pa`, at `offset` (rounded down to its
    /// size); returns the virtual address of `pa` in it.
    pub fn block(&mut self, offset: u64, pa: u64, level: u8, attributes: u64) -> u64 {
        let size = self.granule.entry_size(level);
        let va = (self.base + offset) & !(size - 1);
        self.tables.map(va, pa & !(size - 1), level, attributes);
        table::invalidate_all();
        va + (pa & (size - 1))
    }

    /// Makes `root` the first table and `asid` the address space.
    pub fn switch(&self, root: u64, asid: u64) {
        TTBR1_EL1.set(tcr::TTBR_ASID.put(asid) | root);
        barrier::isb(barrier::SY);
    }

    /// Changes TCR_EL1's bits for the window: clears `clear`, sets `set`.
    pub fn control(&self, clear: u64, set: u64) {
        TCR_EL1.set(TCR_EL1.get() & !clear | set);
        barrier::isb(barrier::SY);
        table::invalidate_all();
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        super::reset();
    }
}

/// A page of a window.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Its address in the window.
    pub va: u64,
    /// Its own address, where the kernel may write it whatever the window says.
    pub pa: u64,
}

/// Whether the PE has a granule for stage 1 (ID_AA64MMFR0_EL1.TGran4, TGran16, TGran64: each
/// has its own numbers).
pub fn is_supported(granule: Granule) -> bool {
    let id = ID_AA64MMFR0_EL1.get();
    match granule {
        Granule::K4 => mmfr0::TGRAN4.get(id) != 0b1111,
        Granule::K16 => mmfr0::TGRAN16.get(id) != 0b0000,
        Granule::K64 => mmfr0::TGRAN64.get(id) != 0b1111,
    }
}
