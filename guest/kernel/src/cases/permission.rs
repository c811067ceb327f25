//! Who may read, write and execute: AP, PXN, UXN, WXN, the tables' own bits, PAN, LDTR and STTR.
//!
//! The permissions of stage 1 are the guest's to give. Those of stage 2 are the hypervisor's, and
//! an access needs both. Hardware takes the intersection by itself; who emulates the MMU computes,
//! for each access, privilege, kind and the bits of every descriptor on the way.
//!
//! ```text
//!   AP[2:1]   EL1    EL0        and: PXN, UXN, WXN, PAN, and what
//!   00        rw     -          tables above took away
//!   01        rw     rw         (EL0 may write: EL1 never executes)
//!   10        r      -
//!   11        r      r
//! ```

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
    /// `AP[2]` makes a page read-only, `AP[1]` lets EL0 in, PXN and UXN forbid execution at EL1 and
    /// EL0. Two rules are less known. What EL0 can write EL1 cannot execute, as if PXN were set.
    /// And EL0 may execute a page that it cannot read: execution does not depend on `AP[1]`.
    ///
    /// The case maps a page of code with each of the 16 combinations and tries a load, a store and
    /// a fetch at both levels: 96 outcomes. What is denied must be a permission fault of level 3
    /// with the right EC and WnR.
    ///
    /// An implementation as a list of special cases gets one of the 96 wrong; a pure function of
    /// the four bits is easier to check. Each error has a victim: EL1 executing what EL0 wrote is
    /// the classic way into a kernel; an execute-only page that faults breaks programs that are
    /// linked so on Android; an EL0 store let through to read-only is the end of `fork`.
    "mmu.permissions": "all 16 of AP[2:1], PXN, UXN: read, write, execute at EL1 and EL0";
    reference: "DDI 0487: VMSAv8-64 stage 1 data access and instruction execution permissions";
    needs: Needs::NONE;
    fn permissions() {
        check_matrix(false);
    }
}

case! {
    /// SCTLR_EL1.WXN = 1 makes all memory that is writable at EL1 never executable there, and
    /// likewise for EL0 what EL0 can write. It takes away and never gives. The bit may be cached in
    /// a TLB, so changing it needs an invalidation.
    ///
    /// The case sets WXN and repeats the 16 combinations of `mmu.permissions`, at both levels, with
    /// load, store and fetch.
    ///
    /// ```text
    ///   EL1 executes:  not PXN,  not EL0-writable,  not (WXN and writable)
    ///   EL0 executes:  not UXN,  not (WXN and EL0-writable)
    /// ```
    ///
    /// Permissions that an emulator has computed once and keeps in its TLB were computed under the
    /// old WXN. If a write of SCTLR_EL1 does not drop them, hardening that a kernel switches on at
    /// boot has no effect, without a sign. A hypervisor that traps SCTLR_EL1 writes (HCR_EL2.TVM)
    /// must pass bits on that it does not know itself.
    "mmu.wxn": "SCTLR_EL1.WXN: all 16 combinations again, and nothing writable is executable";
    reference: "DDI 0487: SCTLR_EL1.WXN";
    needs: Needs::NONE;
    fn wxn() {
        check_matrix(true);
    }
}

case! {
    /// A table descriptor has APTable, PXNTable and UXNTable, which take permissions from
    /// everything below it, whatever the pages say. They never add any. With them a kernel can make
    /// a whole gigabyte unreachable for EL0 by one bit.
    ///
    /// The case sets one of the bits in a level 2 descriptor above a page of code and tries load,
    /// store and fetch at EL1 and EL0: read-only, no EL0 data access, no execution at EL0, no
    /// execution at EL1. What EL0 may not write any more (APTable), EL1 may execute again.
    ///
    /// ```text
    ///   L1 --> L2: table | APTable=10 --> L3: page, AP=01 (rw, rw)
    ///                                     effective: r, r
    /// ```
    ///
    /// The walker has to carry these bits down, an OR at every level, and combine them with the
    /// page's at the end, before it derives anything else from them. TLB entries that hold the
    /// page's own bits lose them. Linux sets PXNTable above user pages: a lost bit lets the kernel
    /// be led into user memory.
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
    /// LDTR and STTR, executed at EL1, are checked with EL0's permissions: a kernel touches a
    /// user's memory with the user's rights, so that a bad pointer from a system call cannot reach
    /// the kernel's own. The exception is still one taken from EL1: EC 0x25, the same level.
    ///
    /// The case executes LDTR and STTR at EL1 on pages with each of the four values of AP, and
    /// wants exactly what EL0 would be allowed; what is denied must be a permission fault of level
    /// 3 with EC 0x25.
    ///
    /// ```text
    ///   EL1  ldtr x0, [x1]  --> checked as EL0 --> denied --> EC 0x25
    ///   EL1  ldr  x0, [x1]  --> checked as EL1
    /// ```
    ///
    /// Linux's `copy_from_user` is made of these instructions. An emulator that decodes LDTR as LDR
    /// works with every well-behaved program and turns each system call with a hostile pointer into
    /// a read of kernel memory. One that reports EC 0x24 makes the kernel look for a fault of EL0
    /// in its own context.
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
    /// PSTATE.PAN = 1 (FEAT_PAN) makes a load or store of EL1 fault on every page that EL0 can
    /// access. LDTR and STTR are not affected: they are the way to do it on purpose. A kernel that
    /// follows a user's pointer by mistake then faults instead of obeying.
    ///
    /// The case maps a page for EL0, sets PAN, and tries LDR and STR, which must give permission
    /// faults of level 3, then LDTR and STTR, which must work; with PAN clear LDR works again. It
    /// skips where ID_AA64MMFR1_EL1.PAN is 0.
    ///
    /// ```text
    ///               PAN = 0     PAN = 1
    ///   LDR, STR    ok          0b0011LL
    ///   LDTR, STTR  ok          ok
    /// ```
    ///
    /// PAN is PSTATE, so it changes what a cached translation allows without any TLBI, many times
    /// in a system call. An emulator has to look at it on each access or keep two views. And it is
    /// in SPSR: a hypervisor that injects an exception must set or keep it as SCTLR_EL1.SPAN says.
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
    /// SCTLR_EL1.SPAN = 0 makes an exception to EL1 set PSTATE.PAN, so that a handler begins
    /// protected; SPAN = 1 leaves PAN as it is. SPSR_EL1 keeps the old value and ERET restores it.
    ///
    /// The case clears PAN and SPAN, executes SVC, and wants PAN to be 1 in the handler, 0 in
    /// SPSR_EL1, and 0 again after ERET. It skips where there is no FEAT_PAN.
    ///
    /// ```text
    ///   PAN 0 --SVC--> PAN 1 (SPAN = 0), SPSR.PAN 0 --ERET--> PAN 0
    /// ```
    ///
    /// Exceptions that hardware takes are right by themselves. A hypervisor that injects one builds
    /// the new PSTATE by hand, and SPAN is the field that is left out: the handler then runs
    /// without protection in just those cases that come by injection, an SError or an emulated
    /// abort. An emulator that restores SPSR without bit 22 leaves PAN on for ever, and the first
    /// plain access of the kernel to user memory that was meant to work faults.
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
