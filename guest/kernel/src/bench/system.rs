//! System registers, exclusives, the counter, and the upkeep of translations.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::TTBR0_EL1;
use anyvisor_arch::tcr;
use tock_registers::interfaces::{Readable, Writeable};

use super::kernels::*;
use super::space::Space;
use super::{Report, Setting, time};
use crate::mmu::table;

/// Times `n` rounds that hold `events` events and `insns` instructions each.
fn rounds(name: &'static str, n: u64, events: u64, insns: u64, body: impl FnOnce(u64) -> u64) {
    let (ticks, check) = time(|| body(n));
    let (events, insns) = (n * events, n * insns);
    Report { name, events, insns, ticks, check, ..Report::NOTHING }.print();
}

/// MRS and MSR of TPIDR_EL1, which has no effect on anything.
pub fn sysreg(setting: &Setting) {
    rounds("sysreg", setting.times(10_000_000), 2, 4, |n| {
        bench_sysreg(n);
        0
    });
}

/// LDAXR, STLXR.
pub fn ldxr(setting: &Setting) {
    let mut space = Space::new(setting);
    let at = space.pages(1);
    // SAFETY: memory of our own, mapped for as long as `space` lives.
    rounds("ldxr", setting.times(10_000_000), 1, 6, |n| unsafe {
        (at as *mut u64).write_volatile(0);
        bench_ldxr(n, at)
    });
}

/// MRS CNTVCT_EL0.
pub fn cntvct(setting: &Setting) {
    rounds("cntvct", setting.times(2_000_000), 1, 3, |n| {
        bench_cntvct(n);
        0
    });
}

/// TLBI VAAE1IS of a page, and a load from it.
pub fn tlbi_va(setting: &Setting) {
    let mut space = Space::new(setting);
    let at = space.pages(1);
    // SAFETY: what is forgotten is read again from the tables; reading has no effect.
    rounds("tlbi_va", setting.times(300_000), 1, 6, |n| unsafe {
        bench_tlbi_va(n, at, table::page(at));
        0
    });
}

/// TLBI VMALLE1IS, and a load from each of 16 pages.
pub fn tlbi_all16(setting: &Setting) {
    let mut space = Space::new(setting);
    let base = space.pages(16);
    // SAFETY: as above.
    rounds("tlbi_all16", setting.times(100_000), 1, 71, |n| unsafe {
        bench_tlbi_all16(n, base);
        0
    });
}

/// Another ASID in TTBR0_EL1, and a load from each of 16 (global) pages.
pub fn asid16(setting: &Setting) {
    let mut space = Space::new(setting);
    let base = space.pages(16);
    let before = TTBR0_EL1.get();
    let ttbr0 = before & tcr::TTBR_BADDR.mask() | tcr::TTBR_ASID.put(1);
    // SAFETY: the tables stay the same, and all their entries are global.
    rounds("asid16", setting.times(100_000), 1, 71, |n| unsafe {
        bench_asid16(n, base, ttbr0);
        0
    });
    TTBR0_EL1.set(before);
    barrier::isb(barrier::SY);
}

/// A load from each of 16384 pages, more than a TLB holds.
pub fn walk16384(setting: &Setting) {
    const PAGES: u64 = 16384;
    let mut space = Space::new(setting);
    let base = space.pages(PAGES);
    // SAFETY: the pages are mapped, and reading has no effect.
    let touch = || unsafe { bench_touch(PAGES, base) };
    touch(); // the host's own pages
    rounds("walk16384", setting.times(400), PAGES, PAGES * 4, |n| {
        (0..n).for_each(|_| {
            touch();
        });
        0
    });
}
