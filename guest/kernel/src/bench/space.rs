//! Memory for the benchmarks: free RAM, seen through the window of TTBR1 in a layout that is the
//! same on every machine, whatever RAM it has.
//!
//! ```text
//!   window + 0        pages    EL1 read and write    4 KiB pages, one descriptor each
//!   window + 1 GiB    code     EL1 read and execute  2 MiB blocks; written at its own address
//!   window + 1.5 GiB  hole     nothing
//! ```

use core::cmp::Reverse;
use core::ops::Range;

use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, Granule, UXN};

use super::Setting;
use crate::image;
use crate::machine::Region;
use crate::mmu::window::Window;
use crate::mmu::{DATA, NORMAL};

const VA_BITS: u32 = 39;
const PAGE: u64 = 4 << 10;
const BLOCK: u64 = 2 << 20;
const CODE: u64 = 1 << 30;
const HOLE: u64 = CODE + (1 << 29);

/// The window, open, with nothing in it but what was asked for.
pub struct Space {
    window: Window,
    free: Range<u64>,
}

/// Code memory: the same bytes at two addresses, so that nothing is both writable and
/// executable.
pub struct Code {
    /// Where it is written.
    pub written: u64,
    /// Where it is executed.
    pub fetched: u64,
}

impl Space {
    /// An empty space.
    pub fn new(setting: &Setting) -> Self {
        Self { window: Window::open(Granule::K4, VA_BITS), free: free_ram(setting) }
    }

    /// Maps `count` pages of 4 KiB; returns the first one's address. Once only.
    ///
    /// # Panics
    /// If RAM has not as much left.
    pub fn pages(&mut self, count: u64) -> u64 {
        let pa = self.take(count * PAGE);
        let va = self.window.base();
        for at in (0..count * PAGE).step_by(PAGE as usize) {
            self.window.tables.map(va + at, pa + at, 3, DATA);
        }
        va
    }

    /// Maps `size` bytes of code memory. Once only.
    ///
    /// # Panics
    /// If RAM has not as much left.
    pub fn code(&mut self, size: u64) -> Code {
        let written = self.take(size);
        let fetched = self.window.base() + CODE;
        let attributes = NORMAL | AF | AP_READ_ONLY | UXN;
        for at in (0..size).step_by(BLOCK as usize) {
            self.window.tables.map(fetched + at, written + at, 2, attributes);
        }
        Code { written, fetched }
    }

    /// An address that nothing is mapped at.
    pub fn hole(&self) -> u64 {
        self.window.base() + HOLE
    }

    fn take(&mut self, size: u64) -> u64 {
        let (at, left) = (self.free.start, self.free.end - self.free.start);
        assert!(size <= left, "{left:#x} bytes of RAM are free, {size:#x} are needed: give more");
        self.free.start = (at + size).next_multiple_of(BLOCK);
        at
    }
}

/// Where the FDT stands. Its header was read before: `machine::init` refuses what is no FDT.
pub fn fdt_region(fdt: u64) -> Region {
    const TOTALSIZE: u64 = 4; // struct fdt_header: big-endian words, the second is totalsize
    // SAFETY: the FDT's header, which `machine::init` has checked; RAM is mapped as it stands.
    let size = unsafe { ((fdt + TOTALSIZE) as *const u32).read() };
    Region { start: fdt, size: u64::from(u32::from_be(size)) }
}

/// The largest piece of RAM that neither the image nor the FDT takes, in whole blocks.
fn free_ram(setting: &Setting) -> Range<u64> {
    let (ram, image) = (setting.machine.ram, image::whole());
    let mut taken = [image, setting.fdt.start..setting.fdt.end()];
    taken.sort_unstable_by_key(|range| range.start);
    let [low, high] = taken;
    let gaps = [ram.start..low.start, low.end..high.start, high.end..ram.end()];
    let blocks = gaps.map(|gap| gap.start.next_multiple_of(BLOCK)..gap.end & !(BLOCK - 1));
    let size = |gap: &Range<u64>| Reverse(gap.end.saturating_sub(gap.start));
    blocks.into_iter().min_by_key(size).filter(|gap| gap.start < gap.end).unwrap_or(0..0)
}
