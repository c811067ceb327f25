//! The kernel's own address space: stage 1, identity, in TTBR0, 4 KiB granule.
//!
//! ```text
//!   VA = IPA                                        EL1   EL0
//!   devices      pages that the FDT names           RW-   ---   Device-nGnRnE
//!   RAM, all regions: blocks of 1 GiB, 2 MiB, 4 KiB RW-   ---
//!     text                                          R-X   ---
//!     user text  (one page inside)                  R--   R-X
//!     rodata, relro                                 R--   ---
//!     data, bss                                     RW-   ---
//!     guard      (a page below the stack)           ---   ---
//!     stack                                         RW-   ---
//!     user data  (EL0's stack, one page)            RW-   RW-
//!     tables, arena                                 RW-   ---
//! ```
//!
//! Nothing is both writable and executable. TTBR1 stays off: it is the cases' window
//! ([`window`]), where they choose granule, sizes and permissions without pulling the floor from
//! under the kernel.

pub mod table;
pub mod window;

use core::ops::Range;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    ID_AA64MMFR0_EL1, MAIR_EL1, SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1,
};
use anyvisor_arch::descriptor::{AF, AP_EL0, AP_READ_ONLY, ATTR_INDX, Granule, PXN, SH_INNER, UXN};
use anyvisor_arch::id::mmfr0;
use anyvisor_arch::{mair, sctlr, tcr};
use tock_registers::interfaces::{Readable, Writeable};

use crate::machine::memory::Memory;
use crate::machine::{GicCpus, Machine, Region};
use crate::{image, machine};
use table::{Arena, Tables};

/// MAIR_EL1: the attributes that descriptors name by index.
const MAIR: u64 = mair::of(&[mair::DEVICE_NGNRNE, mair::NORMAL_WB]);
/// Device-nGnRnE.
pub const DEVICE: u64 = ATTR_INDX.put(0);
/// Normal, write-back, read and write allocate, inner shareable.
pub const NORMAL: u64 = ATTR_INDX.put(1) | SH_INNER;

/// EL1 may execute and read.
const CODE: u64 = NORMAL | AF | AP_READ_ONLY | UXN;
/// EL1 may read.
const CONSTANTS: u64 = NORMAL | AF | AP_READ_ONLY | UXN | PXN;
/// EL1 may read and write.
pub const DATA: u64 = NORMAL | AF | UXN | PXN;
/// EL0 may execute and read, EL1 read.
pub const USER_CODE: u64 = NORMAL | AF | AP_READ_ONLY | AP_EL0 | PXN;
/// EL0 and EL1 may read and write.
pub const USER_DATA: u64 = NORMAL | AF | AP_EL0 | UXN | PXN;
/// EL1 may read and write, in order and unmerged.
pub const REGISTERS: u64 = DEVICE | AF | UXN | PXN;

/// The kernel's region: 512 GiB, so that walks start at level 1.
const VA_BITS: u32 = 39;

/// SCTLR_EL1 as the kernel runs with: MMU and caches on, SP alignment checked at both levels,
/// WFI and WFE at EL0 not trapped; EL0 may not read CTR_EL0 or use DC ZVA, nor touch DAIF.
const SCTLR: u64 = sctlr::LSMAOE
    | sctlr::N_TLSMD
    | sctlr::EIS
    | sctlr::TSCXT
    | sctlr::EOS
    | sctlr::SPAN
    | sctlr::M
    | sctlr::C
    | sctlr::I
    | sctlr::SA
    | sctlr::SA0
    | sctlr::N_TWI
    | sctlr::N_TWE;

/// Builds the tables and turns the MMU on.
///
/// # Panics
/// If RAM is in so many pieces that the tables do not fit.
pub fn init(machine: Machine) {
    let arena = Arena::new(image::tables());
    let mut tables = Tables::new(Granule::K4, VA_BITS, arena);
    map_ram(&mut tables, &machine::memory());
    for device in devices(machine) {
        let (start, end) = (device.start & !0xfff, device.end().next_multiple_of(0x1000));
        identity(&mut tables, start..end, REGISTERS);
    }
    MAIR_EL1.set(MAIR);
    TCR_EL1.set(default_tcr());
    TTBR0_EL1.set(tables.root());
    TTBR1_EL1.set(0);
    barrier::isb(barrier::SY);
    table::invalidate_all();
    SCTLR_EL1.set(SCTLR);
    barrier::isb(barrier::SY);
}

/// Puts the registers of stage 1 back to what the kernel runs with, and forgets every
/// translation: a case may have left others.
pub fn reset() {
    SCTLR_EL1.set(SCTLR);
    TCR_EL1.set(default_tcr());
    TTBR1_EL1.set(0);
    TTBR0_EL1.set(TTBR0_EL1.get() & tcr::TTBR_BADDR.mask()); // ASID 0
    barrier::isb(barrier::SY);
    table::invalidate_all();
}

/// TCR_EL1 as the kernel runs with: TTBR1 off, walks cacheable, all of the PE's address size.
pub fn default_tcr() -> u64 {
    const WRITE_BACK: u64 = 0b01;
    const INNER: u64 = 0b11;
    // IPS has PARange's numbers; 5 (48 bits) is what descriptors without FEAT_LPA can hold.
    let ips = mmfr0::PA_RANGE.get(ID_AA64MMFR0_EL1.get()).min(5);
    tcr::T0SZ.put(64 - u64::from(VA_BITS))
        | tcr::IRGN0.put(WRITE_BACK)
        | tcr::ORGN0.put(WRITE_BACK)
        | tcr::SH0.put(INNER)
        | tcr::tg0(Granule::K4)
        | tcr::T1SZ.put(64 - u64::from(VA_BITS))
        | tcr::EPD1
        | tcr::IRGN1.put(WRITE_BACK)
        | tcr::ORGN1.put(WRITE_BACK)
        | tcr::SH1.put(INNER)
        | tcr::tg1(Granule::K4)
        | tcr::IPS.put(ips)
}

fn devices(machine: Machine) -> impl Iterator<Item = Region> {
    let gic = machine.gic.into_iter().flat_map(|gic| {
        let cpus = match gic.cpus {
            GicCpus::V3 { redistributors, .. } => redistributors,
            GicCpus::V2(interface) => [Some(interface), None, None, None],
        };
        let messages = gic.messages.map(|messages| messages.frame);
        [Some(gic.distributor), messages].into_iter().chain(cpus).flatten()
    });
    let console = machine.console.map(|console| console.registers);
    [console, machine.scratch].into_iter().flatten().chain(gic)
}

/// All RAM but the image, which has its own permissions, and but what must not be mapped. RAM
/// beyond the region is left alone.
fn map_ram(tables: &mut Tables, memory: &Memory) {
    let whole = image::whole();
    let holes = || memory.unmapped.iter().map(|hole| hole.start..hole.end()).chain([whole.clone()]);
    for ram in memory.ram.iter() {
        let end = (ram.end() & !0xfff).min(1 << VA_BITS);
        let mut from = ram.start.next_multiple_of(0x1000);
        while from < end {
            // What `from` stands in, or the next thing behind it.
            let hole = holes().filter(|hole| hole.end > from && hole.start < end);
            let hole = hole.min_by_key(|hole| hole.start).unwrap_or(end..end);
            identity(tables, from..hole.start & !0xfff, DATA);
            from = hole.end.next_multiple_of(0x1000).max(from);
        }
    }
    let user_text = image::user_text();
    identity(tables, image::text().start..user_text.start, CODE);
    identity(tables, user_text, USER_CODE);
    identity(tables, page_aligned(image::rodata()), CONSTANTS);
    identity(tables, image::relro(), CONSTANTS);
    let (user_data, guard) = (image::user_data(), image::stack_guard());
    identity(tables, image::relro().end..guard.start, DATA);
    identity(tables, guard.end..user_data.start, DATA);
    identity(tables, user_data.clone(), USER_DATA);
    identity(tables, user_data.end..whole.end, DATA);
}

fn identity(tables: &mut Tables, range: Range<u64>, attributes: u64) {
    tables.map_range(range.start, range.start, range.end.saturating_sub(range.start), attributes);
}

fn page_aligned(range: Range<u64>) -> Range<u64> {
    range.start..range.end.next_multiple_of(0x1000)
}
