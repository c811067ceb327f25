//! Translation tables: building them, and telling the TLB about changes.
//!
//! All memory is mapped at its own address, so a table's address is also the pointer to it,
//! with the MMU on and off.

use core::arch::asm;
use core::ops::Range;

use aarch64_cpu::asm::barrier;
use anyvisor_arch::descriptor::{ADDRESS, Descriptor, Granule, TABLE_OR_PAGE, VALID};

/// Memory that is handed out from the start, and never taken back.
pub struct Arena {
    left: Range<u64>,
}

impl Arena {
    /// An arena of `memory`, which must be the kernel's, mapped at its own address, and nobody
    /// else's as long as the arena or what it gave out is in use.
    pub fn new(memory: Range<u64>) -> Self {
        Self { left: memory }
    }

    /// `size` zero bytes, aligned to their size (a power of two).
    ///
    /// # Panics
    /// If no more is left.
    pub fn take(&mut self, size: u64) -> u64 {
        let at = self.left.start.next_multiple_of(size);
        assert!(at + size <= self.left.end, "the arena is too small: see linker/memory.ld");
        self.left.start = at + size;
        for word in (at..at + size).step_by(8) {
            // SAFETY: inside memory that `new` was given, which is the kernel's to write.
            unsafe { (word as *mut u64).write(0) };
        }
        at
    }
}

/// The tables of one region.
pub struct Tables {
    granule: Granule,
    va_bits: u32,
    root: u64,
    arena: Arena,
}

impl Tables {
    /// Empty tables for a region of 2^`va_bits` bytes, made of pieces of `arena`.
    pub fn new(granule: Granule, va_bits: u32, mut arena: Arena) -> Self {
        let root = arena.take(granule.start_table_size(va_bits));
        Self { granule, va_bits, root, arena }
    }

    /// The address of the first table, for TTBR.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Starts again with an empty first table; what was built stays where it is. Returns the
    /// address of the new one.
    pub fn new_root(&mut self) -> u64 {
        self.root = self.arena.take(self.granule.start_table_size(self.va_bits));
        self.root
    }

    /// Zero bytes from the arena, aligned to their size.
    pub fn take(&mut self, size: u64) -> u64 {
        self.arena.take(size)
    }

    /// Maps `size` bytes in the largest blocks and pages that fit.
    ///
    /// # Panics
    /// If an address is not page-aligned.
    pub fn map_range(&mut self, va: u64, pa: u64, size: u64, attributes: u64) {
        let mut done = 0;
        while done < size {
            let (va, pa, left) = (va + done, pa + done, size - done);
            let fits = |level: &u8| {
                let step = self.granule.entry_size(*level);
                let may = *level == 3 || self.granule.has_block(*level);
                may && *level >= self.start_level()
                    && (va | pa).is_multiple_of(step)
                    && step <= left
            };
            let level = (1..=3).find(fits).expect("what is mapped is whole pages");
            self.write(va, level, leaf(pa, level, attributes));
            done += self.granule.entry_size(level);
        }
        publish();
    }

    /// Maps one page (`level` 3) or block.
    pub fn map(&mut self, va: u64, pa: u64, level: u8, attributes: u64) {
        self.set(va, level, leaf(pa, level, attributes));
    }

    /// Writes the descriptor of `va` at `level`, building the tables above it. The walker may
    /// see it at once; what the TLB holds is the caller's business.
    pub fn set(&mut self, va: u64, level: u8, descriptor: u64) {
        self.write(va, level, descriptor);
        publish();
    }

    fn write(&mut self, va: u64, level: u8, descriptor: u64) {
        let mut table = self.root;
        for above in self.start_level()..level {
            let entry = self.entry(table, va, above);
            table = match self.granule.decode(read(entry), above) {
                Descriptor::Table(next) => next,
                Descriptor::Leaf(at) => panic!("a block stands in the way of {va:#x}: {at:#x}"),
                Descriptor::Invalid => {
                    let next = self.arena.take(self.granule.size());
                    write(entry, next | TABLE_OR_PAGE | VALID);
                    next
                }
            };
        }
        write(self.entry(table, va, level), descriptor);
    }

    /// The descriptor of `va` at `level`, whose tables above must be there.
    pub fn get(&self, va: u64, level: u8) -> u64 {
        let table = (self.start_level()..level).fold(self.root, |table, above| {
            read(self.entry(table, va, above)) & ADDRESS.mask() & !(self.granule.size() - 1)
        });
        read(self.entry(table, va, level))
    }

    /// The level at which a walk starts.
    pub fn start_level(&self) -> u8 {
        self.granule.start_level(self.va_bits)
    }

    fn entry(&self, table: u64, va: u64, level: u8) -> u64 {
        table + 8 * self.granule.index(va, level, self.va_bits)
    }
}

/// The descriptor of a page (`level` 3) or block.
fn leaf(pa: u64, level: u8, attributes: u64) -> u64 {
    let kind = if level == 3 { TABLE_OR_PAGE } else { 0 };
    pa | attributes | kind | VALID
}

/// Makes the walker see what was written (DDI 0487: DSB completes the writes, ISB lets what
/// follows use them).
fn publish() {
    barrier::dsb(barrier::SY);
    barrier::isb(barrier::SY);
}

fn read(entry: u64) -> u64 {
    // SAFETY: an entry of a table that the arena gave, at its own address.
    unsafe { (entry as *const u64).read_volatile() }
}

fn write(entry: u64, descriptor: u64) {
    // SAFETY: as above; a walker reads it in one piece, as this writes it.
    unsafe { (entry as *mut u64).write_volatile(descriptor) }
}

/// Forgets all translations of EL1 and EL0 on this PE, and all fetched instructions.
pub fn invalidate_all() {
    // SAFETY: what is forgotten is read again from the tables.
    unsafe { asm!("dsb ish", "tlbi vmalle1", "ic iallu", "dsb ish", "isb", options(nostack)) }
}

/// Forgets the translation of one page, of all ASIDs (TLBI VAAE1).
pub fn invalidate(va: u64) {
    // SAFETY: as above.
    unsafe {
        asm!("dsb ish", "tlbi vaae1, {}", "dsb ish", "isb", in(reg) page(va), options(nostack));
    }
}

/// The operand of TLBI by address: bits 43:0 are VA\[55:12\], whatever the granule; bits 63:48
/// the ASID.
pub const fn page(va: u64) -> u64 {
    va << 8 >> 20
}
