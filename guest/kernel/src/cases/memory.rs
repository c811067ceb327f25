//! Memory types and the order of things: alignment, exclusives, code that changes.
//!
//! All of it is between the guest and the PE. A hypervisor comes in where it breaks assumptions:
//! stage 2 can turn Normal memory into Device, a world switch between LDXR and STXR clears the
//! exclusive monitor, and pages that it writes (to load a guest, to migrate it) need the same cache
//! maintenance that the guest would do. An emulator has to build every rule.

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
    /// Normal memory takes loads and stores of any alignment while SCTLR_EL1.A is 0, also across
    /// the border of two pages that are nowhere near each other physically. Such an access may be
    /// done in parts; each part is translated by itself, and the part that faults names its own
    /// page in FAR_EL1.
    ///
    /// The case maps two neighbouring addresses to pages with a gap between, stores 8 bytes over
    /// the border (3 here, 5 there), reads them back whole and in each page. Then it removes the
    /// second page: a load must fault with a translation fault of level 3, FAR_EL1 in the second
    /// page.
    ///
    /// ```text
    ///   VA   ...[ 11 22 33 | 44 55 66 77 88 ]...
    ///              page 1     page 2, elsewhere: two translations
    /// ```
    ///
    /// An emulator that translates the first byte and copies eight writes into whatever lies behind
    /// the first page: another process's memory. If FAR_EL1 names the start of the access, Linux
    /// maps the page that is there already and the load faults for ever.
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
        // The half that faults names its own page.
        window.tables.set(second.va, 3, 0);
        crate::mmu::table::invalidate(second.va);
        let trap = load(El::El1, va).fault();
        let wanted = data_abort(El::El1, FaultStatus::Translation(3), false);
        check_eq!(trap.esr.0, wanted, "ESR_EL1 with the second page gone");
        check_eq!(trap.far & !0xfff, second.va, "the page that FAR_EL1 names");
    }
}

case! {
    /// SCTLR_EL1.A = 1 makes every unaligned load or store an alignment fault: a data abort with
    /// DFSC 0b100001. With A = 0 exclusives are still checked. FEAT_LSE2 relaxes that: what lies
    /// within 16 aligned bytes is fine, what crosses them is not.
    ///
    /// The case executes LDXR at 9 bytes into a page, so that its 8 bytes cross the 16-byte line,
    /// with A = 0: it must fault, FAR_EL1 the address. Then with A = 1 an unaligned load and store
    /// must, with WnR telling them apart.
    ///
    /// ```text
    ///   0        8 9      16       24
    ///   |--------|-[======|=]------|      LDXR of 8 bytes at 9
    /// ```
    ///
    /// On hardware it costs the hypervisor nothing. Emulators on x86, where unaligned locked
    /// operations work, skip the check and give the guest atomics that real hardware refuses; a
    /// lock placed wrongly in a packed structure is then found only in production. Others ignore A:
    /// test kernels that hunt unaligned accesses hunt in vain.
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
    /// Device memory takes aligned accesses only, whatever SCTLR_EL1.A says: otherwise DFSC
    /// 0b100001. The check needs the memory type, so it comes after the walk; a page that is not
    /// there gives a translation fault first.
    ///
    /// The case maps ordinary memory as Device-nGnRnE, loads 8 bytes at an aligned address, which
    /// works, and then at 4 and stores at 1, which must fault with FAR_EL1 the address and WnR as
    /// it was. QEMU before 9.0 lets both through.
    ///
    /// ```text
    ///   alignment (SCTLR.A) --> walk --> type is Device? --> alignment again
    /// ```
    ///
    /// With real devices the access would otherwise be split, and a register read twice has side
    /// effects twice. A hypervisor profits: what reaches its MMIO emulation is aligned, if the
    /// guest maps devices as Device. It must not rely on that, for the guest may map them as
    /// Normal; then an unaligned access does reach stage 2.
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
    // SAFETY: the address is that of the case's own window.
    unsafe { asm!("ldxr {v}, [{va}]", v = out(reg) _, va = in(reg) va, options(nostack)) };
    between();
    store_exclusive(va)
}

/// STXR of 7; whether the store was done.
fn store_exclusive(va: u64) -> bool {
    let status: u64;
    // SAFETY: as above.
    unsafe {
        asm!("stxr {s:w}, {v}, [{va}]", s = out(reg) status, v = in(reg) 7_u64, va = in(reg) va,
            options(nostack));
    }
    status == 0
}

case! {
    /// LDXR marks an address in the exclusive monitor, STXR stores only if the mark is still there,
    /// and says so in its status register. CLREX takes the mark away, and so does an exception
    /// return. An STXR without a mark does not store. A store that is allowed may still fail for no
    /// reason, but not for ever.
    ///
    /// The case stores after LDXR (one in a hundred tries must work), then tries after CLREX, after
    /// an SVC and its ERET, and alone: none of these may store, and the word must be unchanged.
    ///
    /// ```text
    ///   ldxr    ------------------> stxr   0: stored
    ///   ldxr  clrex --------------> stxr   1
    ///   ldxr  svc .. eret --------> stxr   1
    ///                               stxr   1
    /// ```
    ///
    /// If ERET leaves the mark, two processes that share a CPU can both believe that they hold a
    /// lock: the first is interrupted between LDXR and STXR, the second takes it, and the first's
    /// STXR succeeds. A hypervisor's own ERET clears the monitor likewise; whoever emulates by
    /// comparing values instead of marks meets the ABA problem.
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
        assert!(!store_exclusive(page.va), "STXR stored without an LDXR");
        check_eq!(load(El::El1, page.va).value(), 1, "the word not stored");
    }
}

/// The instruction MOVZ X0, #`value`.
const fn movz_x0(value: u16) -> u32 {
    0xd280_0000 | (value as u32) << 5
}

case! {
    /// Instruction and data caches need not be coherent, so code that was run and then changed
    /// needs: the store, DC CVAU, DSB, IC IVAU, DSB, ISB. After that the new instruction is what is
    /// fetched. (CTR_EL0.IDC and DIC say which steps a PE does not need; doing them is always
    /// right.)
    ///
    /// The case writes MOVZ with another constant, does the maintenance, calls it and wants that
    /// constant; fifty times at one address.
    ///
    /// ```text
    ///   str --> dc cvau --> dsb --> ic ivau --> dsb --> isb --> blr
    ///           to memory           out of the I-cache    refetch
    /// ```
    ///
    /// An emulator that keeps decoded or translated code must drop it at IC IVAU at the latest.
    /// Some compare the code with memory instead, or watch for stores to pages that were executed;
    /// all must notice. Otherwise the old constant comes back: Linux's static keys, ftrace and
    /// every just-in-time compiler patch code this way, and a stale branch there goes to a function
    /// that is gone.
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
    /// DC ZVA zeroes a naturally aligned block whose size DCZID_EL0.BS gives (4 bytes shifted left
    /// by BS; 64 bytes on most cores), wherever in the block the address points. DCZID_EL0.DZP = 1
    /// means that it may not be used, and the case skips.
    ///
    /// The case fills three blocks with ones, executes DC ZVA with an address 3 bytes before the
    /// end of the second, and wants the second block zero and the two beside it as they were.
    ///
    /// ```text
    ///   |1111 1111|1111 1111|1111 1111|
    ///                    ^ DC ZVA
    ///   |1111 1111|0000 0000|1111 1111|
    /// ```
    ///
    /// To permissions and stage 2 it is a store: a fault has WnR = 1, and its exit has ISV = 0, so
    /// that a hypervisor that finds it on a device page has to decode it or refuse. An emulator
    /// that does not align the address down, or whose DCZID_EL0 disagrees with what it does,
    /// corrupts the neighbours: Linux's `clear_page` steps by the size that it read.
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
