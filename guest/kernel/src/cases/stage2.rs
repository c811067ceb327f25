//! Stage 2, from both sides: the guest does something that the hypervisor's tables do not allow,
//! and the monitor says which exit that made.
//!
//! The exit's syndrome has the format of ESR_EL2 (EC 0x20 and 0x24: aborts from a lower level).
//! The level in the fault status code is that of the hypervisor's own tables, which are nobody's
//! business here: it is not compared.

use core::arch::asm;

use anyvisor_abi::case::Needs;
use anyvisor_abi::map::STAGE2_GRANULE;
use anyvisor_abi::service::{
    AFTER_GRANT, AFTER_SKIP, PERM_EXEC, PERM_READ, PERM_WRITE, VERDICT_MATCH, VERDICT_NONE,
};
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, Granule, TABLE_OR_PAGE, UXN, VALID};
use anyvisor_arch::esr::{Access, DataAbort, ExceptionClass, FaultStatus, InstructionAbort};

use crate::access::{El, RET, load, store, write_code};
use crate::machine;
use crate::mmu::window::Window;
use crate::mmu::{DATA, NORMAL, table};
use crate::services::{self, Expected, Seen};
use crate::{case, check_eq};

/// All of an ISS but the fault's level.
const ALL_BUT_LEVEL: u64 = 0x1ff_ffff & !0b11;

/// LDR or STR of X7.
const X7: Access =
    Access { size_log2: 3, sign_extend: false, register: 7, register_64: true, ordered: false };

/// An address that is neither RAM nor a device.
pub fn nowhere() -> u64 {
    machine::get().ram.end().next_multiple_of(1 << 30) + 0x12_3000
}

/// Checks that the announced exit came and was as announced; the monitor compared.
#[track_caller]
pub fn check_exit() -> Seen {
    let seen = services::exit_record();
    assert!(
        seen.verdict == VERDICT_MATCH,
        "verdict {} (fields that differ {:#07b}): the exit was {}, FAR {:#x}, IPA {:#x}, PC {:#x}",
        seen.verdict,
        seen.differs,
        seen.esr,
        seen.far,
        seen.ipa,
        seen.pc
    );
    seen
}

/// An exit by a data abort.
fn data_abort(abort: DataAbort, va: u64, ipa: u64, pc: u64, after: u64) -> Expected {
    Expected {
        ec: ExceptionClass::DataAbortLower as u64,
        iss: (abort.iss(), ALL_BUT_LEVEL),
        far: Some(va),
        ipa: Some(ipa),
        pc: Some(pc),
        after,
    }
}

/// An exit by an instruction abort: FAR is the PC.
fn instruction_abort(status: FaultStatus, va: u64, ipa: u64, after: u64) -> Expected {
    Expected {
        ec: ExceptionClass::InstructionAbortLower as u64,
        iss: (InstructionAbort::new(status).iss(), ALL_BUT_LEVEL),
        far: Some(va),
        ipa: Some(ipa),
        pc: Some(va),
        after,
    }
}

/// LDR X7, \[X1\] with its exit announced; returns X7.
fn announced_load(status: FaultStatus, va: u64, ipa: u64, after: u64) -> u64 {
    let pc: u64;
    // SAFETY: computes an address.
    unsafe { asm!("adr {}, 2f", "b 3f", "2: ldr x7, [x1]", "ret", "3:", out(reg) pc) };
    let mut abort = DataAbort::new(status, false);
    abort.access = Some(X7);
    services::expect_exit(data_abort(abort, va, ipa, pc, after));
    let value: u64;
    // SAFETY: calls the two instructions above; what they read is nobody's.
    unsafe {
        asm!("blr {}", in(reg) pc, in("x1") va, inout("x7") u64::MAX => value, out("x30") _);
    }
    value
}

/// STR X7, \[X1\] with its exit announced.
fn announced_store(status: FaultStatus, va: u64, ipa: u64, value: u64, after: u64) {
    let pc: u64;
    // SAFETY: computes an address.
    unsafe { asm!("adr {}, 2f", "b 3f", "2: str x7, [x1]", "ret", "3:", out(reg) pc) };
    let mut abort = DataAbort::new(status, true);
    abort.access = Some(X7);
    services::expect_exit(data_abort(abort, va, ipa, pc, after));
    // SAFETY: calls the two instructions above; what they write is the case's own memory.
    unsafe { asm!("blr {}", in(reg) pc, in("x1") va, in("x7") value, out("x30") _) };
}

const MISSING: FaultStatus = FaultStatus::Translation(0);
const DENIED: FaultStatus = FaultStatus::Permission(0);

/// A window, and one page of it mapped to `pa` with `attributes`.
fn window_onto(pa: u64, attributes: u64) -> (Window, u64) {
    let mut window = Window::open(Granule::K4, 39);
    let va = window.base() + 0x12_3456_7000;
    window.tables.map(va, pa, 3, attributes);
    (window, va)
}

/// A page of the stage-2 granule from the window's memory; returns window, VA, IPA.
fn window_with_page(attributes: u64) -> (Window, u64, u64) {
    let mut window = Window::open(Granule::K4, 39);
    let ipa = window.tables.take(STAGE2_GRANULE);
    let va = window.base() + 0x12_3456_8000;
    window.tables.map_range(va, ipa, STAGE2_GRANULE, attributes);
    (window, va, ipa)
}

case! {
    /// A load from an address that stage 1 allows and stage 2 does not know: EC 0x24, a
    /// translation fault, and because it is a plain load of one register the syndrome describes
    /// it (ISV): X7, 8 bytes. FAR has the virtual address, HPFAR the IPA.
    "stage2.unmapped_read": "a load beyond RAM exits: EC 0x24, ISV, X7, 8 bytes, FAR, IPA, PC";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (ISV, SAS, SRT, SF, WnR); HPFAR_EL2";
    needs: Needs::SERVICES;
    fn unmapped_read() {
        let (_window, va) = window_onto(nowhere(), DATA);
        let value = announced_load(MISSING, va + 0x448, nowhere() + 0x448, AFTER_SKIP);
        check_exit();
        check_eq!(value, 0, "what the skipped load read");
    }
}

case! {
    /// The same for a store: WnR is set.
    "stage2.unmapped_write": "a store beyond RAM exits: EC 0x24, ISV, WnR, X7, FAR, IPA, PC";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (WnR); HPFAR_EL2";
    needs: Needs::SERVICES;
    fn unmapped_write() {
        let (_window, va) = window_onto(nowhere(), DATA);
        announced_store(MISSING, va + 0xff8, nowhere() + 0xff8, 1, AFTER_SKIP);
        check_exit();
    }
}

case! {
    /// A fetch from beyond RAM: EC 0x20, and no syndrome but the kind of fault. The page's last
    /// word is fetched and skipped; behind it stands a page that exists, with a RET.
    "stage2.unmapped_fetch": "a fetch beyond RAM exits: EC 0x20, translation fault, FAR = PC, IPA";
    reference: "DDI 0487: ESR_EL2, ISS for an Instruction Abort; HPFAR_EL2";
    needs: Needs::SERVICES;
    fn unmapped_fetch() {
        let code = NORMAL | AF | AP_READ_ONLY | UXN;
        let (mut window, va) = window_onto(nowhere(), code);
        let page = window.page(va + 0x1000 - window.base(), code);
        write_code(page.pa, RET);
        let last = va + 0xffc;
        services::expect_exit(instruction_abort(MISSING, last, nowhere() + 0xffc, AFTER_SKIP));
        // SAFETY: the fetch is skipped by the monitor, and the next instruction is the RET.
        unsafe { asm!("blr {}", in(reg) last, out("x30") _) };
        check_exit();
    }
}

case! {
    /// A page that stage 2 makes read-only: reading goes through without an exit, writing is a
    /// permission fault. The monitor grants it, and the same store is done.
    "stage2.readonly_write": "a store to a read-only page exits with a permission fault; then granted";
    reference: "DDI 0487: stage 2 S2AP; ESR_EL2, DFSC 0b0011LL";
    needs: Needs::SERVICES;
    fn readonly_write() {
        let (_window, va, ipa) = window_with_page(DATA);
        store(El::El1, ipa + 0x2010, 11).value();
        services::protect(ipa, STAGE2_GRANULE, PERM_READ);
        let read = load(El::El1, va + 0x2010).value();
        check_eq!(read, 11, "the word of the read-only page");
        announced_store(DENIED, va + 0x2010, ipa + 0x2010, 22, AFTER_GRANT);
        check_exit();
        let read = load(El::El1, ipa + 0x2010).value();
        check_eq!(read, 22, "the word after the page was granted");
    }
}

case! {
    /// The same, skipped: the store is not done.
    "stage2.readonly_skip": "a store to a read-only page that the monitor skips changes nothing";
    reference: "DDI 0487: stage 2 S2AP; ESR_EL2, DFSC 0b0011LL";
    needs: Needs::SERVICES;
    fn readonly_skip() {
        let (_window, va, ipa) = window_with_page(DATA);
        store(El::El1, ipa, 11).value();
        services::protect(ipa, STAGE2_GRANULE, PERM_READ);
        announced_store(DENIED, va, ipa, 22, AFTER_SKIP);
        check_exit();
        check_eq!(load(El::El1, va).value(), 11, "the word");
        services::protect(ipa, STAGE2_GRANULE, PERM_READ | PERM_WRITE);
        announced_nothing();
        store(El::El1, va, 33).value();
        check_eq!(services::exit_record().verdict, VERDICT_NONE, "the verdict of a granted store");
        check_eq!(load(El::El1, ipa).value(), 33, "the word");
    }
}

/// Announces any exit at all, to see that none comes.
fn announced_nothing() {
    let any = u64::MAX;
    services::expect_exit(Expected {
        ec: any,
        iss: (0, 0),
        far: None,
        ipa: None,
        pc: None,
        after: AFTER_SKIP,
    });
}

case! {
    /// A page that stage 2 makes execute-never: data accesses go through, a fetch is a
    /// permission fault. Granted, the same fetch is done and the code runs.
    "stage2.noexec_fetch": "a fetch from a no-execute page exits: EC 0x20, permission; then granted";
    reference: "DDI 0487: stage 2 XN; ESR_EL2, IFSC 0b0011LL";
    needs: Needs::SERVICES;
    fn noexec_fetch() {
        let (_window, va, ipa) = window_with_page(NORMAL | AF | AP_READ_ONLY | UXN);
        write_code(ipa + 0x1000, 0xd280_0aa0); // MOVZ X0, #0x55
        write_code(ipa + 0x1004, RET);
        services::protect(ipa, STAGE2_GRANULE, PERM_READ | PERM_WRITE);
        services::expect_exit(instruction_abort(DENIED, va + 0x1000, ipa + 0x1000, AFTER_GRANT));
        let value: u64;
        // SAFETY: the page holds two instructions that change X0 and return.
        unsafe { asm!("blr {}", in(reg) va + 0x1000, out("x0") value, out("x30") _) };
        check_exit();
        check_eq!(value, 0x55, "what the code returned");
        // Back to execute-never: the hypervisor must not remember that it could be run.
        services::protect(ipa, STAGE2_GRANULE, PERM_READ | PERM_WRITE);
        services::expect_exit(instruction_abort(DENIED, va + 0x1000, ipa + 0x1000, AFTER_GRANT));
        // SAFETY: as above.
        unsafe { asm!("blr {}", in(reg) va + 0x1000, out("x0") _, out("x30") _) };
        check_exit();
        services::protect(ipa, STAGE2_GRANULE, PERM_READ | PERM_WRITE | PERM_EXEC);
        announced_nothing();
        // SAFETY: as above.
        unsafe { asm!("blr {}", in(reg) va + 0x1000, out("x0") _, out("x30") _) };
        check_eq!(services::exit_record().verdict, VERDICT_NONE, "the verdict, executable again");
    }
}

case! {
    /// A page without any permission: reading exits too.
    "stage2.no_access_read": "a load from a page without permissions exits: permission or translation";
    reference: "DDI 0487: stage 2 S2AP = 00; ESR_EL2";
    needs: Needs::SERVICES;
    fn no_access_read() {
        let (_window, va, ipa) = window_with_page(DATA);
        store(El::El1, ipa + 8, 77).value();
        services::protect(ipa, STAGE2_GRANULE, 0);
        // How a hypervisor takes a page away is its choice: invalid, or without permission. So
        // the fault status is not compared; everything else is.
        let pc: u64;
        // SAFETY: computes an address.
        unsafe { asm!("adr {}, 2f", "b 3f", "2: ldr x7, [x1]", "ret", "3:", out(reg) pc) };
        let mut abort = DataAbort::new(DENIED, false);
        abort.access = Some(X7);
        let mut expected = data_abort(abort, va + 8, ipa + 8, pc, AFTER_GRANT);
        expected.iss.1 &= !0b11_1111;
        services::expect_exit(expected);
        let value: u64;
        // SAFETY: calls the two instructions above.
        unsafe {
            asm!("blr {}", in(reg) pc, in("x1") va + 8, out("x7") value, out("x30") _);
        }
        let seen = check_exit();
        let status = seen.esr.data_abort().map(|abort| abort.status);
        assert!(
            matches!(status, Some(FaultStatus::Permission(_) | FaultStatus::Translation(_))),
            "the fault status is {status:?}"
        );
        check_eq!(value, 77, "what the granted load read");
    }
}

case! {
    /// A stage-1 table that lies where stage 2 has nothing: the walk itself faults. S1PTW says
    /// so, FAR has the address that was being translated, the IPA is that of the descriptor.
    "stage2.walk": "a stage-1 walk that reads beyond RAM exits: S1PTW, IPA of the descriptor";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (S1PTW); HPFAR_EL2";
    needs: Needs::SERVICES;
    fn walk() {
        let (mut window, va) = window_onto(nowhere(), DATA);
        // 1 GiB away from the page: a level 1 entry of its own, whose table is beyond RAM.
        let va = va + (1 << 30) + 0x20_3040;
        window.tables.set(va, 1, nowhere() | TABLE_OR_PAGE | VALID);
        table::invalidate_all();
        let descriptor = nowhere() + 8 * Granule::K4.index(va, 2, 39);
        let pc: u64;
        // SAFETY: computes an address.
        unsafe { asm!("adr {}, 2f", "b 3f", "2: ldr x7, [x1]", "ret", "3:", out(reg) pc) };
        let mut abort = DataAbort::new(MISSING, false);
        abort.on_walk = true;
        let mut expected = data_abort(abort, va, descriptor, pc, AFTER_SKIP);
        // Hypervisors learn the page from HPFAR_EL2; where in it the descriptor stands is not
        // reported by hardware, and WnR is that of the access on some and 0 on others.
        expected.ipa = None;
        expected.iss.1 &= !(1 << 6);
        services::expect_exit(expected);
        // SAFETY: calls the two instructions above; the load is skipped.
        unsafe { asm!("blr {}", in(reg) pc, in("x1") va, out("x7") _, out("x30") _) };
        let seen = check_exit();
        check_eq!(seen.ipa & !0xfff, nowhere(), "the page of the descriptor's IPA");
    }
}

case! {
    /// Reading the record clears it, and an expectation that nothing met says so.
    "stage2.record_none": "EXIT_RECORD without an exit says so, and clears what was announced";
    reference: "Anyvisor's contract: EXPECT_EXIT, EXIT_RECORD";
    needs: Needs::SERVICES;
    fn record_none() {
        announced_nothing();
        services::host_time(); // a hypercall is not an exit in this sense
        check_eq!(services::exit_record().verdict, VERDICT_NONE, "verdict");
        check_eq!(services::exit_record().verdict, VERDICT_NONE, "verdict, read again");
    }
}
