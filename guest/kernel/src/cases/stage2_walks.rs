//! Stage 2 where the access is not the instruction's own: reads of stage 1's tables, writes of
//! their descriptors, AT, and the half of an access that lies in the next page.
//!
//! ```text
//!   LDR X7, [VA]
//!     level 1 descriptor at IPA a --- stage 2 ---> read     a is refused: S1PTW = 1, HPFAR = a
//!     level 2 descriptor at IPA b --- stage 2 ---> read
//!     level 3 descriptor at IPA c --- stage 2 ---> read, and with TCR_EL1.HA perhaps written
//!     the word        at IPA d --- stage 2 ---> read     d is refused: S1PTW = 0, HPFAR = d
//! ```
//!
//! FAR_EL2 is the VA of the access in every case. Which bits of HPFAR's page the descriptor stands
//! at hardware does not say; the page is compared.

use core::arch::asm;

use aarch64_cpu::registers::{ID_AA64MMFR1_EL1, PAR_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_abi::map::STAGE2_GRANULE;
use anyvisor_abi::service::{
    AFTER_GRANT, AFTER_SKIP, PERM_EXEC, PERM_READ, PERM_WRITE, VERDICT_MATCH, VERDICT_NONE,
};
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, DBM, Granule, PXN, TABLE_OR_PAGE, UXN, VALID};
use anyvisor_arch::esr::{Access, DataAbort, ExceptionClass, FaultStatus, InstructionAbort};
use anyvisor_arch::id::mmfr1;
use anyvisor_arch::tcr;
use tock_registers::interfaces::Readable;

use super::stage2::nowhere;
use crate::access::{El, RET, fetch, load, store, write_code};
use crate::mmu::window::{Page, Window};
use crate::mmu::{DATA, NORMAL, table};
use crate::services::{self, Expected, Seen};
use crate::{case, check_eq, skip};

/// The fault's status and level are how the hypervisor's tables are made; WnR of a walk differs.
const WALK: u64 = 0x1ff_ffff & !0b111_1111;
const BUT_LEVEL: u64 = 0x1ff_ffff & !0b11;

/// A window with one page, whose level 3 table is alone in a granule of stage 2's.
fn fenced_table(attributes: u64) -> (Window, Page, u64) {
    let mut window = Window::open(Granule::K4, 39);
    let va = window.base() + 0x4567_8000;
    let level3 = window.tables.take(STAGE2_GRANULE);
    window.tables.set(va, 2, level3 | TABLE_OR_PAGE | VALID);
    let page = window.page(va - window.base(), attributes);
    table::invalidate_all();
    (window, page, level3)
}

/// An exit of EC `class` on the walk for `va`.
fn on_walk(class: ExceptionClass, va: u64, after: u64) -> Expected {
    let iss = match class {
        ExceptionClass::InstructionAbortLower => {
            InstructionAbort { on_walk: true, ..InstructionAbort::new(FaultStatus::Permission(0)) }
                .iss()
        }
        _ => DataAbort { on_walk: true, ..DataAbort::new(FaultStatus::Permission(0), false) }.iss(),
    };
    Expected { ec: class as u64, iss: (iss, WALK), far: Some(va), ipa: None, pc: None, after }
}

#[track_caller]
fn check_record(verdict: u64, what: &str) -> Seen {
    let seen = services::exit_record();
    assert!(
        seen.verdict == verdict,
        "{what}: verdict {} (differs {:#07b}), expected {verdict}; the exit was {}, FAR {:#x}, IPA {:#x}",
        seen.verdict,
        seen.differs,
        seen.esr,
        seen.far,
        seen.ipa
    );
    seen
}

case! {
    /// The hypervisor takes all permissions from the page that holds a level 3 table of the
    /// guest's. A load through it, and a fetch, are exits at the walk: S1PTW = 1, FAR the address
    /// that was being translated, HPFAR the table's page. The monitor grants the page, and the
    /// same instruction goes on as if nothing had been.
    ///
    /// ```text
    ///   EL1  LDR X7, [VA]  walk: level 3 descriptor at IPA t     stage 2: t is not readable
    ///   EL2  EC 0x24, S1PTW 1, FAR = VA, HPFAR = t    make t readable, ERET    EL1: LDR again
    /// ```
    ///
    /// Memory that is shared copy-on-write, or was swapped out by the host, includes the guest's
    /// tables. A hypervisor that handles the exit as an access to HPFAR + FAR's offset resolves
    /// the wrong address; one that takes every S1PTW for a fatal error, or for MMIO, kills guests
    /// only under memory pressure. For the fetch the class is 0x20, although what failed was a
    /// data read.
    "stage2.walk_denied": "a stage-1 table without stage-2 permission: S1PTW for a load and a fetch; granted, both go on";
    reference: "DDI 0487: ESR_EL2, ISS for Data and Instruction Aborts (S1PTW); FAR_EL2, HPFAR_EL2";
    needs: Needs::SERVICES;
    fn walk_denied() {
        let code = NORMAL | AF | AP_READ_ONLY | UXN;
        let (_window, page, level3) = fenced_table(code);
        store(El::El1, page.pa + 8, 0x1234).value();
        write_code(page.pa, RET);
        for (class, is_fetch) in
            [(ExceptionClass::DataAbortLower, false), (ExceptionClass::InstructionAbortLower, true)]
        {
            table::invalidate_all();
            services::protect(level3, STAGE2_GRANULE, 0);
            let va = if is_fetch { page.va } else { page.va + 8 };
            services::expect_exit(on_walk(class, va, AFTER_GRANT));
            if is_fetch {
                fetch(El::El1, va).value();
            } else {
                check_eq!(load(El::El1, va).value(), 0x1234, "the word, after the grant");
            }
            let seen = check_record(VERDICT_MATCH, "the walk");
            check_eq!(seen.ipa & !(STAGE2_GRANULE - 1), level3, "the table's page");
        }
    }
}

case! {
    /// With TCR_EL1.HA (FEAT_HAFDBS) it is hardware that sets the access flag: the walk writes the
    /// descriptor. The table's page is read-only at stage 2, so that write is refused: an exit
    /// with a permission fault, S1PTW = 1, for a load. Granted, the load completes and the flag is
    /// set. With HD the same for a store that makes a clean page dirty. A read of a page whose
    /// flag is already set needs no write, and is no exit.
    ///
    /// ```text
    ///   EL1   LDR   AF = 0 in the descriptor     MMU: AF <- 1     stage 2: the table is read-only
    ///   EL2   EC 0x24, DFSC permission, S1PTW 1, HPFAR = the table
    /// ```
    ///
    /// A hypervisor that write-protects guest memory (dirty tracking, shadow tables) sees stores
    /// that no instruction of the guest makes. One that marks a page dirty only for exits with WnR
    /// = 1 and S1PTW = 0 misses them, and a migrated guest has stale flags in its tables. WnR is
    /// not compared: the manual says 1 for the update, implementations report both.
    "stage2.descriptor_update": "a hardware update of AF, and of dirty state, in a read-only table exits with S1PTW; granted, it is done";
    reference: "DDI 0487: FEAT_HAFDBS; TCR_EL1.HA, HD; stage 2 permission faults on descriptor updates";
    needs: Needs::SERVICES;
    fn descriptor_update() {
        let claimed = mmfr1::HAFDBS.get(ID_AA64MMFR1_EL1.get());
        if claimed == 0 {
            skip!("ID_AA64MMFR1_EL1.HAFDBS says no hardware update of the access flag");
        }
        let clean = DATA | AP_READ_ONLY | DBM;
        for (attributes, bit, set, write) in [(DATA & !AF, AF, AF, false), (clean, AP_READ_ONLY, 0, true)] {
            if write && claimed < 2 {
                continue;
            }
            let (window, page, level3) = fenced_table(attributes);
            window.control(0, tcr::HA | tcr::HD);
            services::protect(level3, STAGE2_GRANULE, PERM_READ);
            services::expect_exit(on_walk(ExceptionClass::DataAbortLower, page.va, AFTER_GRANT));
            if write {
                store(El::El1, page.va, 77).value();
            } else {
                load(El::El1, page.va).value();
            }
            let seen = check_record(VERDICT_MATCH, "the update");
            check_eq!(seen.ipa & !(STAGE2_GRANULE - 1), level3, "the table's page");
            check_eq!(window.tables.get(page.va, 3) & bit, set, "the bit that hardware changes");
            if write {
                check_eq!(load(El::El1, page.pa).value(), 77, "the word");
            }
            // Up to date, the descriptor is only read.
            services::protect(level3, STAGE2_GRANULE, PERM_READ);
            table::invalidate_all();
            services::expect_exit(on_walk(ExceptionClass::DataAbortLower, page.va, AFTER_SKIP));
            load(El::El1, page.va).value();
            check_record(VERDICT_NONE, "a load through what is up to date");
            services::protect(level3, STAGE2_GRANULE, PERM_READ | PERM_WRITE | PERM_EXEC);
        }
    }
}

/// AT S1E1R, and PAR_EL1.
fn at(va: u64) -> u64 {
    // SAFETY: writes PAR_EL1 only.
    unsafe { asm!("at s1e1r, {}", "isb", in(reg) va, options(nostack)) };
    PAR_EL1.get()
}

case! {
    /// AT S1E1R asks for stage 1's translation only. Where the address ends at stage 2 does not
    /// matter: for a page whose IPA is nowhere, or is not readable, PAR_EL1 has the IPA and F = 0,
    /// and there is no exit. But the walk reads tables, and those go through stage 2: a table
    /// beyond RAM makes AT itself an exit, S1PTW = 1 and CM = 1 ("by maintenance or address
    /// translation").
    ///
    /// ```text
    ///   AT S1E1R, VA    tables readable, output nowhere     PAR_EL1 = IPA, no exit
    ///   AT S1E1R, VA    a table nowhere                     exit: EC 0x24, S1PTW 1, CM 1, WnR 1
    /// ```
    ///
    /// A guest's kernel uses AT in its fault handler, so an exit in the middle of it is ordinary
    /// under memory pressure. The hypervisor shall make the table present and run AT again.
    /// Skipped because CM = 1 looks like cache maintenance, PAR_EL1 has the last answer in it, and
    /// the guest takes a stale translation for a fresh one.
    "stage2.at": "AT does not ask stage 2 for the output; of a table that stage 2 does not have it exits with S1PTW and CM";
    reference: "DDI 0487: AT S1E1R; PAR_EL1; ESR_EL2, ISS for a Data Abort (CM, S1PTW)";
    needs: Needs::SERVICES;
    fn at_and_stage2() {
        const PA: u64 = 0xffff_ffff_f000;
        let mut window = Window::open(Granule::K4, 39);
        let va = window.base() + 0x1234_5000;
        window.tables.map(va, nowhere() & !0xfff, 3, DATA);
        let nothing = on_walk(ExceptionClass::DataAbortLower, va, AFTER_SKIP);
        services::expect_exit(nothing);
        let par = at(va + 0x18);
        check_record(VERDICT_NONE, "AT of what stage 2 does not have");
        check_eq!(par & (PA | 1), nowhere() & !0xfff, "PAR_EL1");
        // A gigabyte on: a level 1 descriptor of its own.
        let beyond = va + (1 << 30);
        window.tables.set(beyond, 1, (nowhere() & !0xfff) | TABLE_OR_PAGE | VALID);
        table::invalidate_all();
        let mut expected = on_walk(ExceptionClass::DataAbortLower, beyond, AFTER_SKIP);
        let abort = DataAbort {
            on_walk: true,
            cache_maintenance: true,
            ..DataAbort::new(FaultStatus::Translation(0), true)
        };
        expected.iss = (abort.iss(), BUT_LEVEL);
        services::expect_exit(expected);
        at(beyond);
        let seen = check_record(VERDICT_MATCH, "AT through a table beyond RAM");
        check_eq!(seen.ipa & !0xfff, nowhere() & !0xfff, "the table's page");
    }
}

/// A load or store at the address in X1, by a routine that skips nothing by itself.
macro_rules! access {
    ($text:literal) => {
        (
            $text,
            (|va: u64| {
                // SAFETY: the access is the case's own, of its own window; what faults at stage 2 is
                // announced and skipped.
                unsafe {
                    asm!($text, in("x1") va, inout("x7") 0_u64 => _, inout("x6") 0_u64 => _,
                        options(nostack));
                }
            }) as fn(u64),
        )
    };
}

case! {
    /// An unaligned access over the end of a page: its first half is in RAM, its second half in a
    /// page that stage 2 does not have (and the other way round). The exit's FAR and HPFAR name
    /// the page that is missing, not the address in the register: for a fault in the second half
    /// that is another page of VA and an unrelated page of IPA.
    ///
    /// ```text
    ///   VA    |....first page|second page....|         LDR X7, [end of first page - 3]
    ///                      [xxx|xxxxx]
    ///   IPA        RAM           nowhere               FAR, HPFAR: the second page
    /// ```
    ///
    /// A hypervisor that resolves the fault and returns is right by itself, if it resolves the
    /// page that was named: one that uses the base register's address (from a decoded instruction)
    /// resolves the first page, returns, and faults again for ever. One that emulates must split
    /// the access in two. ISV may be 1, with the size of the whole access: that the access crosses
    /// a page the syndrome does not say.
    "stage2.crossing": "an access over two pages of which one is missing: FAR and IPA name that page, for loads, stores and pairs";
    reference: "DDI 0487: FAR_EL2, HPFAR_EL2 of an unaligned access that crosses a page; ISV, SAS";
    needs: Needs::SERVICES;
    fn crossing() {
        let mut window = Window::open(Granule::K4, 39);
        let first = window.page(0x1234_5000, DATA);
        window.tables.map(first.va + 0x1000, nowhere() & !0xfff, 3, DATA);
        window.tables.map(first.va - 0x1000, nowhere() & !0xfff, 3, DATA);
        let accesses = [
            (access!("ldr x7, [x1]"), false),
            (access!("str x7, [x1]"), true),
            (access!("ldp x7, x6, [x1]"), false),
            (access!("stp x7, x6, [x1]"), true),
        ];
        // The second half missing; then the first.
        for (va, missing) in [(first.va + 0xffd, first.va + 0x1000), (first.va - 3, first.va - 3)] {
            for ((name, access), write) in accesses {
                let abort = DataAbort::new(FaultStatus::Translation(0), write);
                services::expect_exit(Expected {
                    ec: ExceptionClass::DataAbortLower as u64,
                    // Kind, WnR, S1PTW and CM; whether it is described is open.
                    iss: (abort.iss(), 0b1_1111_1100),
                    far: None,
                    ipa: None,
                    pc: None,
                    after: AFTER_SKIP,
                });
                access(va);
                let seen = check_record(VERDICT_MATCH, name);
                check_eq!(seen.far & !0xfff, missing & !0xfff, "the page that FAR names, of {}", name);
                check_eq!(seen.ipa & !0xfff, nowhere() & !0xfff, "the page that HPFAR names, of {}", name);
                check_eq!(seen.far & 0xfff, seen.ipa & 0xfff, "the offset of FAR and IPA, of {}", name);
            }
        }
    }
}

case! {
    /// Unaligned accesses within one page, to memory that stage 1 calls Normal and stage 2 does
    /// not have: the exit describes them as any other, with FAR and IPA to the byte. Alignment is
    /// stage 1's and SCTLR_EL1.A's affair; at stage 2 an address is an address.
    ///
    /// ```text
    ///   LDR X7, [VA + 3]    ISV 1, SAS 3, FAR = VA + 3, IPA = page + 3
    /// ```
    ///
    /// What goes wrong is in the device model behind: an 8-byte read at offset 3 reaches code that
    /// expects register offsets, indexes an array by offset / 4, or panics the whole VMM. A
    /// hypervisor has to be ready for every address and size here, because a guest (or a program
    /// in it that got a mapping) can make them all.
    "stage2.unaligned": "unaligned accesses of Normal memory that stage 2 does not have: ISV, size, FAR and IPA to the byte";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (ISV, SAS); alignment checking is stage 1's";
    needs: Needs::SERVICES;
    fn unaligned() {
        let mut window = Window::open(Granule::K4, 39);
        let va = window.base() + 0x1234_5000;
        window.tables.map(va, nowhere() & !0xfff, 3, DATA | UXN | PXN);
        let plain = |size_log2, register_64| {
            Some(Access { size_log2, sign_extend: false, register: 7, register_64, ordered: false })
        };
        let accesses = [
            (access!("ldrh w7, [x1]"), 2, false, plain(1, false)),
            (access!("ldr w7, [x1]"), 4, false, plain(2, false)),
            (access!("ldr x7, [x1]"), 8, false, plain(3, true)),
            (access!("strh w7, [x1]"), 2, true, plain(1, false)),
            (access!("str w7, [x1]"), 4, true, plain(2, false)),
            (access!("str x7, [x1]"), 8, true, plain(3, true)),
        ];
        for ((name, access), size, write, described) in accesses {
            for offset in (1..size).map(|n| 0x238 + n) {
                let mut abort = DataAbort::new(FaultStatus::Translation(0), write);
                abort.access = described;
                services::expect_exit(Expected {
                    ec: ExceptionClass::DataAbortLower as u64,
                    iss: (abort.iss(), BUT_LEVEL),
                    far: Some(va + offset),
                    ipa: Some((nowhere() & !0xfff) + offset),
                    pc: None,
                    after: AFTER_SKIP,
                });
                access(va + offset);
                check_record(VERDICT_MATCH, name);
            }
        }
    }
}
