//! TTBR0's half, reshaped while the kernel stands on it.
//!
//! The kernel itself stands on TTBR0, so its half cannot be reshaped from where the kernel runs.
//! What is about TTBR0 runs from an alias in TTBR1's half: a routine of a few instructions that
//! touches no stack, changes TTBR0 and TCR_EL1, asks with AT (which takes no exception), and puts
//! them back.
//!
//! ```text
//!   TTBR0: the kernel                         TTBR1: the window
//!     calls the alias of `ask_low` ---------->  TTBR0 <- the case's table, T0SZ, TG0
//!     (its own map is gone meanwhile)           AT S1E1R, VA ; PAR_EL1 -> X registers
//!     goes on <-----------------------------    TTBR0, TCR_EL1 <- the kernel's
//! ```

use core::arch::{asm, naked_asm};

use aarch64_cpu::registers::{TCR_EL1, TTBR0_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, Granule, UXN};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::tcr;
use tock_registers::interfaces::Readable;

use super::mmu_ranges::widths;
use crate::mmu::table::{Arena, Tables};
use crate::mmu::window::{Window, is_supported};
use crate::mmu::{DATA, NORMAL};
use crate::{case, check_eq, image};

/// What [`ask_low`] asks, and what it is told.
#[repr(C)]
struct Question {
    ttbr0: u64,
    tcr: u64,
    va: [u64; 4],
}

/// With TTBR0 and TCR_EL1 (X0, X1), AT S1E1R of X2 to X5; returns PAR_EL1 of each in X2 to X5.
/// Runs from an alias in TTBR1's half, all interrupts masked, and touches no memory.
#[unsafe(naked)]
unsafe extern "C" fn ask_low() {
    naked_asm!(
        ".balign 128",
        "mrs x6, ttbr0_el1",
        "mrs x7, tcr_el1",
        "msr ttbr0_el1, x0",
        "msr tcr_el1, x1",
        "isb",
        "tlbi vmalle1",
        "dsb ish",
        "isb",
        "at s1e1r, x2",
        "isb",
        "mrs x2, par_el1",
        "at s1e1r, x3",
        "isb",
        "mrs x3, par_el1",
        "at s1e1r, x4",
        "isb",
        "mrs x4, par_el1",
        "at s1e1r, x5",
        "isb",
        "mrs x5, par_el1",
        "msr ttbr0_el1, x6",
        "msr tcr_el1, x7",
        "isb",
        "tlbi vmalle1",
        "dsb ish",
        "isb",
        "ret",
    )
}

/// A window with an alias of [`ask_low`]'s page, and its address there.
fn alias() -> (Window, u64) {
    let mut window = Window::open(Granule::K4, 39);
    let own = ask_low as *const () as u64;
    let va = window.base() + 0x8000;
    // 128 bytes, aligned: within a page.
    window.tables.map(va, own & !0xfff, 3, NORMAL | AF | AP_READ_ONLY | UXN);
    (window, va + (own & 0xfff))
}

fn ask(alias: u64, question: &Question) -> [u64; 4] {
    let [mut a, mut b, mut c, mut d] = question.va;
    // SAFETY: the routine puts TTBR0 and TCR_EL1 back before it returns, and uses no memory while
    // they are others; interrupts are masked.
    unsafe {
        asm!(
            "blr {alias}",
            alias = in(reg) alias,
            inout("x0") question.ttbr0 => _,
            inout("x1") question.tcr => _,
            inout("x2") a,
            inout("x3") b,
            inout("x4") c,
            inout("x5") d,
            out("x6") _,
            out("x7") _,
            out("x30") _,
        );
    }
    [a, b, c, d]
}

/// PAR_EL1 of a fault.
fn failed(status: FaultStatus) -> u64 {
    1 | u64::from(status.code()) << 1
}

/// PAR_EL1.F and FST; F and PA.
const FAULT: u64 = 0x7f;
const WHERE: u64 = 0xffff_ffff_f001;

case! {
    /// TTBR0's half in every size and granule: T0SZ and TG0 (whose numbers are not TG1's) with a
    /// table of its own. AT tells for four addresses: the first page and the last page of the
    /// region translate; the address behind the region, and one with bit 55 clear but upper bits
    /// set, are translation faults of level 0.
    ///
    /// ```text
    ///   0 |--- 2^(64 - T0SZ) ---| nothing ...            bit 55 = 0: TTBR0
    ///      first            last ^ level 0 fault
    /// ```
    ///
    /// A kernel's programs live here, and the sizes change with the build: 39, 42, 47, 48 bits. A
    /// software walker that was tried with TTBR1 only gets TG0 wrong (0 is 4 KiB, 1 is 64, 2 is
    /// 16; for TG1 1 is 16, 2 is 4, 3 is 64), or sign-extends an address that belongs to the lower
    /// half.
    "mmu.low_region": "TTBR0's region in each T0SZ and TG0, asked with AT: first and last page, and what is behind";
    reference: "DDI 0487: TCR_EL1.T0SZ, TG0; TTBR0_EL1; AT S1E1R";
    needs: Needs::NONE;
    fn low_region() {
        let (_window, alias) = alias();
        // The upper half of the arena is the low region's; the window has the lower.
        let arena = image::arena();
        let half = arena.start + (arena.end - arena.start) / 2;
        for granule in Granule::ALL.into_iter().filter(|granule| is_supported(*granule)) {
            for va_bits in widths(granule) {
                let mut tables = Tables::new(granule, va_bits, Arena::new(half..arena.end));
                let last = (1_u64 << va_bits) - granule.size();
                let frames = [half + 0x1_0000, half + 0x2_0000].map(|pa| pa & !0xffff);
                tables.map(0, frames[0], 3, DATA);
                tables.map(last, frames[1], 3, DATA);
                let keep = !(tcr::T0SZ.mask() | tcr::TG0.mask());
                let size = tcr::T0SZ.put(64 - u64::from(va_bits)) | tcr::tg0(granule);
                let question = Question {
                    ttbr0: tables.root(),
                    tcr: TCR_EL1.get() & keep | size,
                    va: [0, last + 0xff8, 1 << va_bits, last | 1 << 60],
                };
                let [first, end, behind, upper] = ask(alias, &question);
                check_eq!(first & WHERE, frames[0], "first page, {:?} of {} bits", granule, va_bits);
                check_eq!(end & WHERE, frames[1], "last page, {:?} of {} bits", granule, va_bits);
                let outside = failed(FaultStatus::Translation(0));
                check_eq!(behind & FAULT, outside, "behind the region, {:?} of {} bits", granule, va_bits);
                check_eq!(upper & FAULT, outside, "bit 60 set, {:?} of {} bits", granule, va_bits);
            }
        }
    }
}

case! {
    /// TCR_EL1.EPD0 turns TTBR0's walks off: every address of the lower half is a translation
    /// fault of level 0, mapped or not, while TTBR1's half goes on; EPD1 the other way round (the
    /// kernel's own ordinary state). With both clear both translate.
    ///
    /// ```text
    ///   EPD0 = 1   a TLB miss below: level 0 fault, no lookup       TTBR0 may hold anything
    /// ```
    ///
    /// Kernels use it between two programs: TTBR0 holds nothing of use for a moment. A
    /// hypervisor's walker that reads TTBR0 all the same finds the last program's tables; with
    /// TLBI a "fault" that comes from a stale entry instead of EPD0 is a leak of one program's
    /// memory into another's.
    "mmu.walks_disabled_low": "TCR_EL1.EPD0: TTBR0's region is a level 0 fault, TTBR1's goes on; and it comes back";
    reference: "DDI 0487: TCR_EL1.EPD0, EPD1; AArch64.S1Walk";
    needs: Needs::NONE;
    fn walks_disabled_low() {
        let (mut window, alias) = alias();
        let page = window.page(0x20_0000, DATA);
        let kernel = image::text().start;
        let (ttbr0, tcr) = (TTBR0_EL1.get(), TCR_EL1.get());
        let va = [kernel, kernel + 0x1000, page.va, alias];
        for round in 0..4 {
            let off = round % 2 == 1;
            let control = if off { tcr | tcr::EPD0 } else { tcr & !tcr::EPD0 };
            let [first, second, high, code] = ask(alias, &Question { ttbr0, tcr: control, va });
            if off {
                for par in [first, second] {
                    check_eq!(par & FAULT, failed(FaultStatus::Translation(0)), "PAR_EL1 with EPD0");
                }
            } else {
                check_eq!(first & WHERE, kernel & !0xfff, "PAR_EL1 without EPD0");
                check_eq!(second & WHERE, (kernel + 0x1000) & !0xfff, "PAR_EL1 without EPD0");
            }
            check_eq!(high & WHERE, page.pa, "PAR_EL1 of TTBR1's half");
            check_eq!(code & 1, 0, "PAR_EL1.F of the code in TTBR1's half");
        }
    }
}
