//! Stage 2, from both sides: the guest does something that the hypervisor's tables do not allow,
//! and the monitor says which exit that made.
//!
//! ```text
//!   EL0, EL1   ldr x7, [x1]
//!                stage 1: VA --> IPA       (the guest's tables allow it)
//!                stage 2: IPA --> fault    (the hypervisor's do not)
//!   EL2        ESR_EL2, FAR_EL2 (VA), HPFAR_EL2 (IPA), ELR_EL2
//!                emulate and step over | map and retry | inject
//! ```
//!
//! A stage-2 fault never shows in the guest by itself; what the guest sees is what the hypervisor
//! makes of it. The syndrome has the format of ESR_EL2 (EC 0x20 and 0x24: aborts from a lower
//! level). A case announces the exit that it is about to provoke, field by field; the monitor
//! compares, and goes on as it was told. The level in the fault status code is that of the
//! hypervisor's own tables, which are nobody's business here: it is not compared.

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
pub const ALL_BUT_LEVEL: u64 = 0x1ff_ffff & !0b11;

/// LDR or STR of X7.
pub const X7: Access =
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
    /// A load from an address that stage 1 allows and stage 2 does not know is taken to EL2: EC
    /// 0x24, a translation fault. Because it is a plain load of one register the syndrome describes
    /// it (ISV = 1): SAS the size, SRT the register, SF its width, WnR = 0. FAR_EL2 has the virtual
    /// address, HPFAR_EL2 the IPA's page, ELR_EL2 the instruction.
    ///
    /// The case maps a page beyond RAM and loads X7 from it, with all of that announced. The
    /// monitor compares, writes 0 to X7 and steps over.
    ///
    /// ```text
    ///   ldr x7, [x1]   ESR_EL2 = 24 | ISV, SAS 3, SRT 7, SF | 0001LL
    ///      VA ......448   FAR_EL2         IPA ......448   HPFAR_EL2, FAR
    /// ```
    ///
    /// This is the exit of which all device emulation is made. If the hypervisor takes FAR for the
    /// IPA it works until the guest turns its MMU on. If PC is not advanced the load repeats for
    /// ever; if SRT is misread some other variable of the driver becomes the device's register.
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
    /// A store that stage 2 does not know makes the same exit as a load, with WnR = 1: SRT now
    /// names the register that holds the data. The store is not done. The hypervisor does it to its
    /// device model and advances PC by 4.
    ///
    /// The case stores X7 near the end of a page beyond RAM and has EC, ISV, SAS, SRT, SF, WnR,
    /// FAR, IPA and PC compared; the monitor skips it.
    ///
    /// ```text
    ///   str x7, [x1]   IPA unknown --> EL2: WnR = 1, SRT = 7
    ///                  hypervisor: device.write(ipa, size, X7); PC += 4
    /// ```
    ///
    /// WnR taken from the wrong bit turns a write into a read: the driver's register is overwritten
    /// and the device never hears of the command. A write to an address where there is no device
    /// should end as it would on hardware, ignored or as an external abort injected into the guest.
    /// A hypervisor that stops the VM instead gives every process that can map a device page a way
    /// to do so.
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
    /// A fetch from an IPA that stage 2 does not know is an instruction abort from a lower level:
    /// EC 0x20 with a translation fault. The syndrome says no more, for there is no instruction:
    /// ISV does not exist here. FAR_EL2 and ELR_EL2 are both the address of the fetch, HPFAR_EL2
    /// its IPA.
    ///
    /// The case maps an executable page beyond RAM and branches to its last word. The monitor
    /// checks the exit and skips a word; behind it stands a page that exists, with a RET.
    ///
    /// ```text
    ///   blr x --> beyond RAM, last word   EC 0x20 --> EL2: PC += 4
    ///             next page, RAM: ret  <----------------+
    /// ```
    ///
    /// The hypervisor must not try to emulate an instruction that it cannot read, nor run from a
    /// device. What is left is to map memory and retry, or to inject an instruction abort (EC 0x21,
    /// synchronous external) at the guest's vector. One that handles 0x20 like 0x24 decodes fields
    /// that are not there. A guest that has lost its way then corrupts a register instead of
    /// getting its own oops.
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
    /// A page that stage 2 makes read-only (S2AP = 0b01) may be read with no exit. A store exits
    /// with a permission fault, DFSC 0b0011LL, WnR = 1. The hypervisor may grant the page and run
    /// the guest again at the same PC; the store is then done.
    ///
    /// The case has the monitor make a page read-only, reads it, stores to it with the exit
    /// announced, and wants the store's value in the page afterwards.
    ///
    /// ```text
    ///   str --> permission fault --> EL2: note "dirty", S2AP = 11, TLBI
    ///   str --> done             <-- ERET to the same instruction
    /// ```
    ///
    /// This is dirty logging, copy-on-write between VMs, and live migration. Here PC must not be
    /// advanced: a hypervisor that does loses the store. One that maps the page writable and
    /// forgets the TLB invalidation may exit for ever. One that changes its tables and leaves out
    /// which page it was has lost a dirty page, and the migrated guest has old memory.
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
    /// The same permission fault, but the monitor steps over the store. Nothing may have been
    /// written: a stage-2 fault comes before the access, and the page keeps its word. This is how a
    /// hypervisor gives a guest memory that it cannot change, such as firmware: writes are ignored,
    /// or go to a device model as flash commands.
    ///
    /// The case stores to a read-only page, has the store skipped, and wants the old word. Then the
    /// page is made writable again, from the monitor's side alone; a store must go through with no
    /// exit, and arrive.
    ///
    /// ```text
    ///   protect r--    str 22 --> exit, skipped     word 11
    ///   protect rw-    str 33 --> no exit           word 33
    /// ```
    ///
    /// The second half tests what is cached. A TLB entry, or an emulator's fast path, that still
    /// says read-only makes exits that the hypervisor no longer expects; it looks for a device,
    /// finds RAM, and gives up. The opposite, an entry that still says writable, is the lost dirty
    /// page.
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
    /// A page that stage 2 makes execute-never (XN) may be read and written with no exit. A fetch
    /// is a permission fault with EC 0x20, IFSC 0b0011LL. Granted, the same fetch is done and the
    /// code runs.
    ///
    /// The case writes two instructions to a page, has its execute permission taken away, calls it,
    /// and wants the announced exit and the code's result. It is taken away and tried once more:
    /// that it could be executed before must not be remembered. Given back without a fetch, the
    /// call must not exit.
    ///
    /// ```text
    ///   rw-  blr --> exit, granted --> runs
    ///   rw-  blr --> exit again           what was decoded before is not used
    ///   rwx  blr --> runs, no exit
    /// ```
    ///
    /// Hypervisors use it to learn when code is executed first, to clean its caches, or to keep a
    /// guest's kernel from running data. An emulator that keeps decoded blocks by address runs the
    /// second call out of its cache with no look at the permission.
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
    /// A page without any permission at stage 2 (S2AP = 0b00), or one that is not mapped at all,
    /// exits on a read too. How a hypervisor takes a page away is its own choice, so here either
    /// fault status is accepted, permission or translation; EC, ISV and the description of the
    /// access, FAR, IPA and PC are compared.
    ///
    /// The case stores 77, has all permissions removed, loads with the exit announced, and wants 77
    /// once the page is granted.
    ///
    /// ```text
    ///   ldr --> EL2: 0011LL or 0001LL --> page given back --> ldr reads 77
    /// ```
    ///
    /// This is how memory is taken from a guest behind its back: ballooning, swapping, post-copy
    /// migration. The load must come back with the true contents however long that took, and the
    /// guest must not be able to tell. A hypervisor that takes a missing page of RAM for a device
    /// emulates the load and returns zero; the guest's data are gone without any error.
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
    /// A stage-1 table is read through stage 2 like any memory. If a table lies at an IPA that
    /// stage 2 does not have, the walk itself faults at stage 2: an abort to EL2 with S1PTW = 1.
    /// FAR_EL2 has the virtual address that was being translated; HPFAR_EL2 has the IPA of the
    /// descriptor; ISV is 0.
    ///
    /// The case points a level 1 entry at a table beyond RAM and loads through it. EC, S1PTW, ISV,
    /// FAR and PC are compared, and of the IPA its page. WnR is not, because implementations
    /// differ.
    ///
    /// ```text
    ///   VA --> L1 entry --> table at IPA x --[stage 2]--> missing
    ///                        EL2: S1PTW = 1, HPFAR = x, FAR = VA
    /// ```
    ///
    /// A hypervisor that misses S1PTW takes the exit for MMIO at `x`, finds the "device" written by
    /// no instruction that it can decode, and stops. Right is to map the table's page and retry (it
    /// may have been swapped out or write-protected), or to inject a fault on the walk.
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
    /// This one is about the tool with which the others look: Anyvisor's services EXPECT_EXIT and
    /// EXIT_RECORD. An expectation that no exit met must say so, a hypercall is not an exit in this
    /// sense, and reading the record clears it.
    ///
    /// The case announces any exit at all, makes a hypercall, and reads the record twice: both say
    /// "none".
    ///
    /// ```text
    ///   EXPECT_EXIT any --> HOST_TIME (hvc) --> EXIT_RECORD: none
    ///                                           EXIT_RECORD: none
    /// ```
    ///
    /// It guards the cases that prove an absence, such as `stage2.readonly_skip`, whose last store
    /// must not exit: if a stale verdict stayed in the record, or if the hypercall that asks
    /// counted as the exit, they would pass or fail for no reason. A test that says that nothing
    /// happened is only as good as its way of noticing.
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
