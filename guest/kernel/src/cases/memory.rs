//! Memory types and the order of things: alignment, exclusives, code that changes.

use core::arch::asm;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::SCTLR_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, Granule, UXN};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::sctlr;
use tock_registers::interfaces::{Readable, Writeable};

use crate::access::{El, data_abort, load, store, write_code};
use crate::mmu::window::Window;
use crate::mmu::{DATA, NORMAL, REGISTERS};
use crate::trap::{After, try_catch};
use crate::{case, check_eq, skip};

case! {
    /// Normal memory takes accesses of any alignment while SCTLR_EL1.A is 0, also across the
    /// border of two pages that are nowhere near each other.
    "mmu.unaligned_normal": "unaligned loads and stores of Normal memory, also across two pages";
    reference: "DDI 0487: alignment of data accesses; SCTLR_EL1.A = 0";
    needs: Needs::NONE;
    fn unaligned_normal() {
        let mut window = Window::open(Granule::K4, 39);
        let first = window.page(0x3000, DATA);
        let _gap = window.tables.take(Granule::K4.size());
        let second = window.page(0x4000, DATA);
        let va = second.va - 3;
        store(El::El1, va, 0x8877_6655_4433_2211).value();
        check_eq!(load(El::El1, va).value(), 0x8877_6655_4433_2211, "the word read back");
        let end = load(El::El1, first.pa + 0xff8).value();
        check_eq!(end >> 40, 0x33_2211, "its first three bytes, in the first page");
        check_eq!(load(El::El1, second.pa).value(), 0x88_7766_5544, "its last five");
        // The half that faults names its own page, and nothing of the store is done before.
        window.tables.set(second.va, 3, 0);
        crate::mmu::table::invalidate(second.va);
        let trap = load(El::El1, va).fault();
        let wanted = data_abort(El::El1, FaultStatus::Translation(3), false);
        check_eq!(trap.esr.0, wanted, "ESR_EL1 with the second page gone");
        check_eq!(trap.far & !0xfff, second.va, "the page that FAR_EL1 names");
    }
}

case! {
    /// SCTLR_EL1.A checks every access; SCTLR_EL1.A = 0 still leaves exclusives checked, with
    /// FEAT_LSE2 only those that are not within 16 aligned bytes.
    "mmu.alignment_check": "SCTLR_EL1.A: unaligned access faults with DFSC 0x21; LDXR without it too";
    reference: "DDI 0487: SCTLR_EL1.A; AArch64.UnalignedAccessFaults; DFSC 0b100001";
    needs: Needs::NONE;
    fn alignment_check() {
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x3000, DATA);
        let va = page.va + 1;
        // SAFETY: faults are announced; the address is that of the case's own window.
        let exclusive = try_catch(After::Skip, || unsafe {
            let va = va + 8; // over the end of the first 16 bytes
            asm!("ldxr {v}, [{va}]", "clrex", v = out(reg) _, va = in(reg) va, options(nostack));
        });
        let wanted = data_abort(El::El1, FaultStatus::Alignment, false);
        let exclusive = exclusive.expect("an unaligned LDXR faults");
        check_eq!(exclusive.esr.0, wanted, "ESR_EL1 of LDXR");
        check_eq!(exclusive.far, va + 8, "FAR_EL1 of LDXR");
        SCTLR_EL1.set(SCTLR_EL1.get() | sctlr::A);
        barrier::isb(barrier::SY);
        let (read, write) = (load(El::El1, va), store(El::El1, va, 0));
        SCTLR_EL1.set(SCTLR_EL1.get() & !sctlr::A);
        barrier::isb(barrier::SY);
        check_eq!(read.fault().esr.0, wanted, "ESR_EL1 of a load");
        let wanted = data_abort(El::El1, FaultStatus::Alignment, true);
        check_eq!(write.fault().esr.0, wanted, "ESR_EL1 of a store");
    }
}

case! {
    /// Device memory takes aligned accesses only, whatever SCTLR_EL1.A says: the fault comes
    /// from the memory type, so after the walk.
    "mmu.unaligned_device": "an unaligned access to Device memory faults with DFSC 0x21";
    reference: "DDI 0487: AArch64.S1Translate, alignment of Device memory; DFSC 0b100001";
    needs: Needs::NONE;
    fn unaligned_device() {
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x3000, REGISTERS);
        load(El::El1, page.va + 8).value();
        let (read, write) = (load(El::El1, page.va + 4), store(El::El1, page.va + 1, 0));
        let allowed = read.is_allowed() && write.is_allowed();
        assert!(!allowed, "unaligned accesses to Device memory went through");
        let wanted = data_abort(El::El1, FaultStatus::Alignment, false);
        check_eq!(read.fault().esr.0, wanted, "ESR_EL1 of a load");
        check_eq!(read.fault().far, page.va + 4, "FAR_EL1 of a load");
        let wanted = data_abort(El::El1, FaultStatus::Alignment, true);
        check_eq!(write.fault().esr.0, wanted, "ESR_EL1 of a store");
    }
}

/// LDXR of `va`, then `between`, then STXR of 7; whether the store was done.
fn exclusive(va: u64, between: impl FnOnce()) -> bool {
    let status: u64;
    // SAFETY: the address is that of the case's own window.
    unsafe { asm!("ldxr {v}, [{va}]", v = out(reg) _, va = in(reg) va, options(nostack)) };
    between();
    // SAFETY: as above.
    unsafe {
        asm!("stxr {s:w}, {v}, [{va}]", s = out(reg) status, v = in(reg) 7_u64, va = in(reg) va,
            options(nostack));
    }
    status == 0
}

case! {
    /// LDXR marks an address, STXR stores only if the mark is still there: how every lock is
    /// made. CLREX takes the mark away, and so does ERET.
    "memory.exclusives": "STXR stores after LDXR, not after CLREX, an exception's ERET, or alone";
    reference: "DDI 0487: synchronization and semaphores; LDXR, STXR, CLREX; ERET";
    needs: Needs::NONE;
    fn exclusives() {
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x3000, DATA);
        // An implementation may fail a store for no reason, but not for ever.
        assert!((0..100).any(|_| exclusive(page.va, || {})), "STXR never stored");
        check_eq!(load(El::El1, page.va).value(), 7, "the word stored");
        store(El::El1, page.va, 1).value();
        // SAFETY: takes the mark away.
        let cleared = exclusive(page.va, || unsafe { asm!("clrex", options(nostack)) });
        assert!(!cleared, "STXR stored after CLREX");
        let interrupted = exclusive(page.va, || {
            // SAFETY: the exception is announced.
            let trap = try_catch(After::Resume, || unsafe { asm!("svc #0") });
            assert!(trap.is_some());
        });
        assert!(!interrupted, "STXR stored after an exception and its ERET");
        check_eq!(load(El::El1, page.va).value(), 1, "the word not stored");
    }
}

/// The instruction MOVZ X0, #`value`.
const fn movz_x0(value: u16) -> u32 {
    0xd280_0000 | (value as u32) << 5
}

case! {
    /// Code that was run, then changed: after DC CVAU, DSB, IC IVAU, DSB, ISB the new
    /// instruction is what is fetched. An emulator that keeps translations of code must notice.
    "memory.code_change": "changed code runs as changed after DC CVAU, IC IVAU, ISB; 50 times";
    reference: "DDI 0487: concurrent modification and execution of instructions; IC IVAU";
    needs: Needs::NONE;
    fn code_change() {
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x3000, NORMAL | AF | AP_READ_ONLY | UXN);
        write_code(page.pa + 4, crate::access::RET);
        for n in 0..50 {
            write_code(page.pa, movz_x0(n * 7));
            let value: u64;
            // SAFETY: calls the two instructions on the page, which change X0 only.
            unsafe {
                asm!("blr {}", in(reg) page.va, out("x0") value, out("x30") _, options(nostack));
            }
            check_eq!(value, u64::from(n) * 7, "what the code of round {} returned", n);
        }
    }
}

case! {
    /// DC ZVA zeroes a naturally aligned block whose size DCZID_EL0 says, wherever in it the
    /// address points.
    "memory.dc_zva": "DC ZVA zeroes its block, and nothing beside it";
    reference: "DDI 0487: DC ZVA; DCZID_EL0.BS, DZP";
    needs: Needs::NONE;
    fn dc_zva() {
        let id: u64;
        // SAFETY: reads an ID register.
        unsafe { asm!("mrs {}, dczid_el0", out(reg) id, options(nomem, nostack)) };
        if id >> 4 & 1 != 0 {
            skip!("DCZID_EL0.DZP prohibits DC ZVA");
        }
        let size = 4 << (id & 0xf);
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x3000, DATA);
        for offset in (0..size * 3).step_by(8) {
            store(El::El1, page.va + offset, u64::MAX).value();
        }
        // SAFETY: the block lies in the case's own page.
        unsafe { asm!("dc zva, {}", in(reg) page.va + size * 2 - 3, options(nostack)) };
        for offset in (0..size * 3).step_by(8) {
            let inside = (size..size * 2).contains(&offset);
            let wanted = if inside { 0 } else { u64::MAX };
            check_eq!(load(El::El1, page.va + offset).value(), wanted, "word at {:#x}", offset);
        }
    }
}
