//! Who may read, write and execute: AP, PXN, UXN, WXN, the tables' own bits, PAN, LDTR and STTR.

use core::arch::asm;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ID_AA64MMFR1_EL1, SCTLR_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{
    AF, AP_EL0, AP_READ_ONLY, AP_TABLE_NO_EL0, AP_TABLE_READ_ONLY, Granule, PXN, PXN_TABLE, UXN,
    UXN_TABLE,
};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::id::mmfr1;
use anyvisor_arch::sctlr;
use tock_registers::interfaces::{Readable, Writeable};

use crate::access::{El, RET, data_abort, fetch, instruction_abort, load, store, write_code};
use crate::mmu::window::{Page, Window};
use crate::mmu::{NORMAL, USER_DATA, table};
use crate::trap::{After, try_catch};
use crate::{case, check_eq, skip};

/// What is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Allowed {
    read: bool,
    write: bool,
    execute: bool,
}

/// Tries all three, and checks that what faults is a permission fault of level 3.
fn try_all(el: El, va: u64) -> Allowed {
    let (read, execute, write) = (load(el, va), fetch(el, va), store(el, va + 8, 0));
    let denied = FaultStatus::Permission(3);
    if !read.is_allowed() {
        check_eq!(read.fault().esr.0, data_abort(el, denied, false), "ESR_EL1 of a load");
    }
    if !write.is_allowed() {
        check_eq!(write.fault().esr.0, data_abort(el, denied, true), "ESR_EL1 of a store");
    }
    if !execute.is_allowed() {
        check_eq!(execute.fault().esr.0, instruction_abort(el, denied), "ESR_EL1 of a fetch");
    }
    Allowed { read: read.is_allowed(), write: write.is_allowed(), execute: execute.is_allowed() }
}

/// A window with a page of code.
fn page_of_code(attributes: u64) -> (Window, Page) {
    let mut window = Window::open(Granule::K4, 39);
    let page = window.page(0x8000, attributes);
    write_code(page.pa, RET);
    (window, page)
}

/// The 16 combinations of AP\[2:1\], PXN and UXN, and what the manual's table makes of them.
fn check_matrix(wxn: bool) {
    for bits in 0..16 {
        let bit = |n: u32, mask: u64| if bits >> n & 1 != 0 { mask } else { 0 };
        let attributes = bit(0, AP_EL0) | bit(1, AP_READ_ONLY) | bit(2, PXN) | bit(3, UXN);
        let [el0, read_only, pxn, uxn] = [0, 1, 2, 3].map(|n| bits >> n & 1 != 0);
        let writable = !read_only;
        let (_window, page) = page_of_code(NORMAL | AF | attributes);
        if wxn {
            SCTLR_EL1.set(SCTLR_EL1.get() | sctlr::WXN); // until the window is dropped
            barrier::isb(barrier::SY);
            table::invalidate_all(); // WXN may be cached in a TLB
        }
        // What EL0 can write, EL1 never executes, as if PXN were set.
        let el1 = Allowed {
            read: true,
            write: writable,
            execute: !(pxn || el0 && writable || wxn && writable),
        };
        // EL0 may execute what it cannot read: an execute-only page.
        let el0 = Allowed {
            read: el0,
            write: el0 && writable,
            execute: !(uxn || wxn && el0 && writable),
        };
        let seen = (try_all(El::El1, page.va), try_all(El::El0, page.va));
        assert!(
            seen == (el1, el0),
            "AP {:02b} PXN {} UXN {}: EL1 {:?}, EL0 {:?}; expected {el1:?}, {el0:?}",
            bits & 3,
            bits >> 2 & 1,
            bits >> 3 & 1,
            seen.0,
            seen.1,
        );
    }
}

case! {
    /// AP[2] makes read-only, AP[1] lets EL0 in, PXN and UXN forbid execution; and what EL0 can
    /// write EL1 cannot execute. EL0 may execute a page that it cannot read.
    "mmu.permissions": "all 16 of AP[2:1], PXN, UXN: read, write, execute at EL1 and EL0";
    reference: "DDI 0487: VMSAv8-64 stage 1 data access and instruction execution permissions";
    needs: Needs::NONE;
    fn permissions() {
        check_matrix(false);
    }
}

case! {
    /// SCTLR_EL1.WXN: what is writable is not executable, at either level for its own.
    "mmu.wxn": "SCTLR_EL1.WXN: all 16 combinations again, and nothing writable is executable";
    reference: "DDI 0487: SCTLR_EL1.WXN";
    needs: Needs::NONE;
    fn wxn() {
        check_matrix(true);
    }
}

case! {
    /// A table descriptor's APTable, PXNTable and UXNTable take permissions from everything
    /// below it, whatever the pages say; they never add any.
    "mmu.table_permissions": "APTable, PXNTable, UXNTable of a level 2 table override its pages";
    reference: "DDI 0487: hierarchical control of data access permissions; APTable, PXNTable";
    needs: Needs::NONE;
    fn table_permissions() {
        let all = |read, write, execute| Allowed { read, write, execute };
        let rows = [
            // bits of the table, attributes of the page, then EL1's and EL0's permissions
            (0, AP_EL0, all(true, true, false), all(true, true, true)),
            (AP_TABLE_READ_ONLY, AP_EL0, all(true, false, true), all(true, false, true)),
            (AP_TABLE_NO_EL0, AP_EL0, all(true, true, true), all(false, false, true)),
            (UXN_TABLE, AP_EL0, all(true, true, false), all(true, true, false)),
            (PXN_TABLE, 0, all(true, true, false), all(false, false, true)),
        ];
        for (bits, attributes, el1, el0) in rows {
            let (mut window, page) = page_of_code(NORMAL | AF | attributes);
            let table = window.tables.get(page.va, 2);
            window.tables.set(page.va, 2, table | bits);
            table::invalidate_all();
            let seen = (try_all(El::El1, page.va), try_all(El::El0, page.va));
            assert!(
                seen == (el1, el0),
                "table bits {bits:#x}, page bits {attributes:#x}: EL1 {:?}, EL0 {:?}; \
                 expected {el1:?}, {el0:?}",
                seen.0,
                seen.1,
            );
        }
    }
}

/// LDTR and STTR at EL1.
fn unprivileged(va: u64) -> (bool, bool) {
    // SAFETY: faults are announced; the address is that of the case's own window.
    let load = try_catch(After::Skip, || unsafe {
        asm!("ldtr {v}, [{va}]", v = out(reg) _, va = in(reg) va, options(nostack));
    });
    // SAFETY: as above.
    let store = try_catch(After::Skip, || unsafe {
        asm!("sttr xzr, [{va}]", va = in(reg) va, options(nostack));
    });
    for (trap, write) in [(load, false), (store, true)] {
        if let Some(trap) = trap {
            let wanted = data_abort(El::El1, FaultStatus::Permission(3), write);
            check_eq!(trap.esr.0, wanted, "ESR_EL1 of an unprivileged access");
        }
    }
    (load.is_none(), store.is_none())
}

case! {
    /// LDTR and STTR at EL1 use EL0's permissions: how a kernel touches a user's memory with the
    /// user's rights. The fault is still one from EL1 (EC 0x25).
    "mmu.unprivileged": "LDTR and STTR at EL1 are allowed what EL0 is allowed";
    reference: "DDI 0487: LDTR, STTR; AArch64.IsUnprivAccessPriv";
    needs: Needs::NONE;
    fn unprivileged_access() {
        for (attributes, wanted) in [
            (0, (false, false)),
            (AP_EL0, (true, true)),
            (AP_READ_ONLY, (false, false)),
            (AP_EL0 | AP_READ_ONLY, (true, false)),
        ] {
            let (_window, page) = page_of_code(NORMAL | AF | UXN | PXN | attributes);
            let seen = unprivileged(page.va);
            assert!(seen == wanted, "AP {attributes:#x}: {seen:?}, expected {wanted:?}");
        }
    }
}

fn set_pan(on: u64) {
    // SAFETY: FEAT_PAN is there (the caller looked); the kernel itself touches no page of EL0.
    unsafe { asm!("msr s3_0_c4_c2_3, {}", in(reg) on << 22, options(nostack)) };
}

case! {
    /// PSTATE.PAN keeps EL1 from touching what EL0 can, except by LDTR and STTR: a kernel that
    /// follows a user's pointer by mistake faults.
    "mmu.pan": "PSTATE.PAN: EL1's load and store of EL0's page fault, LDTR and STTR do not";
    reference: "DDI 0487: FEAT_PAN, PSTATE.PAN; ID_AA64MMFR1_EL1.PAN";
    needs: Needs::NONE;
    fn pan() {
        if mmfr1::PAN.get(ID_AA64MMFR1_EL1.get()) == 0 {
            skip!("ID_AA64MMFR1_EL1.PAN says no FEAT_PAN");
        }
        let (_window, page) = page_of_code(USER_DATA);
        set_pan(1);
        let (read, write) = (load(El::El1, page.va), store(El::El1, page.va, 0));
        let unprivileged = unprivileged(page.va);
        set_pan(0);
        let denied = FaultStatus::Permission(3);
        check_eq!(read.fault().esr.0, data_abort(El::El1, denied, false), "ESR_EL1 of a load");
        check_eq!(write.fault().esr.0, data_abort(El::El1, denied, true), "ESR_EL1 of a store");
        assert!(unprivileged == (true, true), "LDTR and STTR: {unprivileged:?}");
        load(El::El1, page.va).value();
    }
}

case! {
    /// SCTLR_EL1.SPAN = 0: taking an exception to EL1 sets PAN; SPSR keeps what it was before.
    "mmu.span": "SCTLR_EL1.SPAN = 0: exception entry sets PSTATE.PAN, ERET restores it";
    reference: "DDI 0487: SCTLR_EL1.SPAN; FEAT_PAN";
    needs: Needs::NONE;
    fn span() {
        use anyvisor_arch::pstate::PAN;

        use crate::cell::OneCpu;
        static INSIDE: OneCpu<u64> = OneCpu::new(0);
        if mmfr1::PAN.get(ID_AA64MMFR1_EL1.get()) == 0 {
            skip!("ID_AA64MMFR1_EL1.PAN says no FEAT_PAN");
        }
        fn read_pan() -> u64 {
            let pan: u64;
            // SAFETY: reads PSTATE; FEAT_PAN is there.
            unsafe { asm!("mrs {}, s3_0_c4_c2_3", out(reg) pan, options(nomem, nostack)) };
            pan
        }
        set_pan(0);
        SCTLR_EL1.set(SCTLR_EL1.get() & !sctlr::SPAN);
        barrier::isb(barrier::SY);
        let handler = After::Handler(|_| INSIDE.set(read_pan()));
        // SAFETY: the exception is announced.
        let trap = crate::trap::catch(handler, || unsafe { asm!("svc #0") });
        check_eq!(INSIDE.get(), PAN, "PAN in the handler");
        check_eq!(trap.spsr & PAN, 0, "SPSR_EL1.PAN");
        check_eq!(read_pan(), 0, "PAN after ERET");
    }
}
