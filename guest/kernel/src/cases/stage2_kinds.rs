//! Stage 2 against every kind of access: what is refused, what passes, and what the exit says.
//!
//! ```text
//!                       stage 1 (the guest's)        stage 2 (the hypervisor's)
//!   VA --------------------> IPA -----------------------> PA
//!        allows the access         none, R, RX, RW, RWX
//!                                       |
//!                   the exit: EC 0x24 or 0x20; ISS; FAR = VA; HPFAR = IPA; ELR_EL2 = PC
//! ```
//!
//! The ISS describes the access (ISV, SAS, SRT, SF, AR) only for a load or store of one
//! general-purpose register without writeback that is not exclusive. Of all others (pairs,
//! writeback, exclusives, atomics, SIMD, DC ZVA, cache maintenance) it says WnR and the fault's
//! kind. Atomics read and write: WnR says 0 if a read of the address would have faulted too, else
//! 1. (DDI 0487, ESR_ELx, ISS encoding for an exception from a Data Abort.)
//!
//! Left out: DC IVAC of memory that stage 2 does not let be written (the PE may turn it into
//! DC CIVAC), and what an unpaired STXR does.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CPACR_EL1, ID_AA64ISAR0_EL1, SCTLR_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_abi::map::STAGE2_GRANULE;
use anyvisor_abi::service::{
    AFTER_GRANT, AFTER_SKIP, PERM_EXEC, PERM_READ, PERM_WRITE, VERDICT_MATCH, VERDICT_NONE,
};
use anyvisor_arch::descriptor::{AF, AP_EL0, AP_READ_ONLY, Granule};
use anyvisor_arch::esr::{Access, DataAbort, ExceptionClass, FaultStatus, InstructionAbort};
use anyvisor_arch::id::isar0;
use anyvisor_arch::sctlr;
use tock_registers::interfaces::{Readable, Writeable};

use super::stage2::nowhere;
use crate::access::{El, RET, load, write_code};
use crate::mmu::window::is_supported;
use crate::mmu::{NORMAL, USER_DATA};
use crate::probe::Probe;
use crate::services::{self, Expected};
use crate::{case, check_eq, machine, skip};

const R: u64 = PERM_READ;
const W: u64 = PERM_WRITE;

/// What an access needs of stage 2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// To read, at its first word.
    Read,
    /// To write, at its first word.
    Write,
    /// Both, in one go.
    Atomic,
    /// To read at its first word, and to write at its second: LDXR, STXR.
    Exclusive,
    /// A translation, and no permission; the ISS says CM.
    Maintenance,
    /// Nothing: it never faults.
    Hint,
}

/// One kind of access, at the address in X1.
pub struct Kind {
    name: &'static str,
    words: &'static [u32],
    need: Need,
    /// What the syndrome says of it; nothing: ISV = 0.
    access: Option<Access>,
    /// EL0 may do it (with SCTLR_EL1.DZE set).
    el0: bool,
}

const fn plain(
    size_log2: u8,
    sign_extend: bool,
    register_64: bool,
    ordered: bool,
) -> Option<Access> {
    Some(Access { size_log2, sign_extend, register: 7, register_64, ordered })
}

const fn row(
    name: &'static str,
    words: &'static [u32],
    need: Need,
    access: Option<Access>,
) -> Kind {
    Kind { name, words, need, access, el0: true }
}

const X: Option<Access> = plain(3, false, true, false);

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    row("LDR X7",             &[0xf940_0027], Need::Read,   X),
    row("LDRH W7",            &[0x7940_0027], Need::Read,   plain(1, false, false, false)),
    row("LDRSB W7",           &[0x39c0_0027], Need::Read,   plain(0, true, false, false)),
    row("LDTR X7",            &[0xf840_0827], Need::Read,   X),
    row("LDAR X7",            &[0xc8df_fc27], Need::Read,   plain(3, false, true, true)),
    row("LDR X7, post-index", &[0xf840_8427], Need::Read,   None),
    row("LDP X7, X6",         &[0xa940_1827], Need::Read,   None),
    row("LDPSW X7, X6",       &[0x6940_1827], Need::Read,   None),
    row("LDAXP X7, X6",       &[0xc87f_9827], Need::Read,   None),
    row("LDR Q0",             &[0x3dc0_0020], Need::Read,   None),
    row("LDR D0",             &[0xfd40_0020], Need::Read,   None),
    row("LDP Q0, Q1",         &[0xad40_0420], Need::Read,   None),
    row("LD1 of two",         &[0x4c40_a020], Need::Read,   None),
    row("STR X7",             &[0xf900_0027], Need::Write,  X),
    row("STTR X7",            &[0xf800_0827], Need::Write,  X),
    row("STLR X7",            &[0xc89f_fc27], Need::Write,  plain(3, false, true, true)),
    row("STP X7, X6",         &[0xa900_1827], Need::Write,  None),
    row("STR Q0",             &[0x3d80_0020], Need::Write,  None),
    row("STR D0",             &[0xfd00_0020], Need::Write,  None),
    row("ST1 of two",         &[0x4c00_a020], Need::Write,  None),
    row("DC ZVA",             &[0xd50b_7421], Need::Write,  None),
    row("LDXR, STXR",         &[0xc85f_7c27, 0xc805_7c26], Need::Exclusive, None),
    row("PRFM",               &[0xf980_0020], Need::Hint,   None),
];

/// Only with FEAT_LSE.
#[rustfmt::skip]
const ATOMICS: &[Kind] = &[
    row("LDADD X6, X7",       &[0xf826_0027], Need::Atomic, None),
    row("STADD X6",           &[0xf826_003f], Need::Atomic, None),
    row("SWPAL X6, X7",       &[0xf8e6_8027], Need::Atomic, None),
    row("CAS X6, X7",         &[0xc8a6_7c27], Need::Atomic, None),
    row("CASP X4, X5",        &[0x4824_7c26], Need::Atomic, None),
];

/// EL1's.
#[rustfmt::skip]
const MAINTENANCE: &[Kind] = &[
    Kind { name: "DC CIVAC", words: &[0xd50b_7e21], need: Need::Maintenance, access: None, el0: false },
    Kind { name: "DC CVAC",  words: &[0xd50b_7a21], need: Need::Maintenance, access: None, el0: false },
    Kind { name: "DC CVAU",  words: &[0xd50b_7b21], need: Need::Maintenance, access: None, el0: false },
    Kind { name: "IC IVAU",  words: &[0xd50b_7521], need: Need::Maintenance, access: None, el0: false },
];

fn has_atomics() -> bool {
    isar0::ATOMIC.get(ID_AA64ISAR0_EL1.get()) >= 2
}

/// All rows that this machine has.
fn kinds() -> impl Iterator<Item = &'static Kind> {
    let atomics = if has_atomics() { ATOMICS } else { &[] };
    KINDS.iter().chain(atomics).chain(MAINTENANCE)
}

impl Kind {
    /// If stage 2 with `permissions` refuses it: the word that exits, and WnR.
    fn refused(&self, permissions: u64) -> Option<(usize, bool)> {
        let lacks = |need| permissions & need == 0;
        match self.need {
            Need::Read => lacks(R).then_some((0, false)),
            Need::Write => lacks(W).then_some((0, true)),
            // "Set to 0 if a read of the address would have generated the fault."
            Need::Atomic => (lacks(R) || lacks(W)).then_some((0, !lacks(R))),
            Need::Exclusive if lacks(R) => Some((0, false)),
            Need::Exclusive => lacks(W).then_some((1, true)),
            Need::Maintenance | Need::Hint => None,
        }
    }
}

/// FP and SIMD for both levels, DC ZVA for EL0.
fn allow() {
    CPACR_EL1.set(0b11 << 20);
    SCTLR_EL1.set(SCTLR_EL1.get() | sctlr::DZE);
    barrier::isb(barrier::SY);
}

/// ISS bits that count: not the fault's level, which is the hypervisor's tables'.
const BUT_LEVEL: u64 = 0x1ff_ffff & !0b11;
/// Nor whether it is a permission or a translation fault: how a page is taken away is a choice.
const BUT_STATUS: u64 = 0x1ff_ffff & !0b11_1111;

/// Runs `kind` at `va` and `el`, with this exit announced or none.
fn try_kind(probe: &Probe, el: El, kind: &Kind, va: u64, announced: Option<Expected>) {
    let nothing =
        Expected { ec: u64::MAX, iss: (0, 0), far: None, ipa: None, pc: None, after: AFTER_SKIP };
    services::expect_exit(announced.unwrap_or(nothing));
    let registers = [0, va, 0, 0, 0, 0, 0x66, 0x77];
    // An LDXR that is skipped marked nothing, so its STXR is not tried.
    let first_only = kind.need == Need::Exclusive
        && announced.is_some_and(|exit| exit.pc == Some(probe.start(el)));
    let words = if first_only { &kind.words[..1] } else { kind.words };
    let ended = probe.run(el, words, &registers);
    let seen = services::exit_record();
    let verdict = if announced.is_some() { VERDICT_MATCH } else { VERDICT_NONE };
    assert!(
        seen.verdict == verdict,
        "{} at {el:?}: verdict {} (differs {:#07b}), expected {verdict}; the exit was {}, FAR {:#x}, IPA {:#x}, PC {:#x}",
        kind.name,
        seen.verdict,
        seen.differs,
        seen.esr,
        seen.far,
        seen.ipa,
        seen.pc
    );
    ended.done(kind.name);
}

/// The exit of a refused access.
fn exit(
    probe: &Probe,
    el: El,
    kind: &Kind,
    (word, write): (usize, bool),
    (status, mask): (FaultStatus, u64),
    (va, ipa): (u64, u64),
) -> Expected {
    let mut abort = DataAbort::new(status, write);
    abort.access = kind.access;
    abort.cache_maintenance = kind.need == Need::Maintenance;
    Expected {
        ec: ExceptionClass::DataAbortLower as u64,
        iss: (abort.iss(), mask),
        far: Some(va),
        ipa: Some(ipa),
        pc: Some(probe.start(el) + 4 * word as u64),
        after: AFTER_SKIP,
    }
}

/// All permissions, all kinds, both levels, with stage-1 pages of `granule`.
fn matrix(granule: Granule) {
    if !is_supported(granule) {
        skip!("ID_AA64MMFR0_EL1 says no {granule:?} granule");
    }
    let mut probe = Probe::open_with(granule, 39);
    allow();
    let size = granule.size().max(STAGE2_GRANULE);
    let ipa = probe.window.tables.take(size);
    let va = probe.window.base() + 0x4000_0000;
    probe.window.tables.map_range(va, ipa, size, USER_DATA);
    let code = probe.window.base() + 0x5000_0000;
    let readable_code = NORMAL | AF | AP_EL0 | AP_READ_ONLY;
    probe.window.tables.map_range(code, ipa, size, readable_code);
    let (at, ret) = (0x1240, 0x2480);
    write_code(ipa + ret, RET);
    let all = R | W | PERM_EXEC;
    for permissions in [0, R, R | PERM_EXEC, R | W, all] {
        for el in [El::El1, El::El0] {
            services::protect(ipa, size, permissions);
            // Without any permission the page may as well be unmapped, and then maintenance faults.
            let here = |kind: &&Kind| {
                (el == El::El1 || kind.el0) && (permissions != 0 || kind.need != Need::Maintenance)
            };
            for kind in kinds().filter(here) {
                let mask = if permissions == 0 { BUT_STATUS } else { BUT_LEVEL };
                let status = (FaultStatus::Permission(0), mask);
                let refused = kind.refused(permissions);
                let announced =
                    refused.map(|how| exit(&probe, el, kind, how, status, (va + at, ipa + at)));
                try_kind(&probe, el, kind, va + at, announced);
            }
            fetch(&probe, el, (code + ret, ipa + ret), permissions);
        }
    }
    services::protect(ipa, size, all);
}

/// Calls the RET at `va`. A fetch that is refused is granted; the caller protects anew.
fn fetch(probe: &Probe, el: El, (va, ipa): (u64, u64), permissions: u64) {
    const CALL: Kind = row("BLR X1", &[0xaa1e_03e9, 0xd63f_0020, 0xaa09_03fe], Need::Hint, None);
    let mask = if permissions == 0 { BUT_STATUS } else { BUT_LEVEL };
    let announced = (permissions & PERM_EXEC == 0).then(|| Expected {
        ec: ExceptionClass::InstructionAbortLower as u64,
        iss: (InstructionAbort::new(FaultStatus::Permission(0)).iss(), mask),
        far: Some(va),
        ipa: Some(ipa),
        pc: Some(va),
        after: AFTER_GRANT,
    });
    try_kind(probe, el, &CALL, va, announced);
}

case! {
    /// A page of the guest's under five stage-2 permissions (none, R, RX, RW, RWX), touched in
    /// nearly thirty ways at EL1 and EL0: loads and stores of each sort, pairs, writeback,
    /// exclusives, LSE atomics, SIMD, DC ZVA, prefetch, cache maintenance, and a fetch. What the
    /// permission covers goes through without an exit. What it does not is an exit whose every
    /// field is compared: EC 0x24 (a fetch: 0x20), ISV and its fields, WnR, CM, FAR, IPA, PC.
    ///
    /// ```text
    ///          LDR   STR   LDXR,STXR  LDADD      DC ZVA  DC CVAC  fetch
    ///   R      -     exit  - , exit   exit WnR1  exit    -        exit
    ///   RW     -     -     - , -      -          -       -        exit
    ///   none   exit  exit  exit       exit WnR0  exit    (open)   exit
    /// ```
    ///
    /// This is how hypervisors track dirty pages and share memory copy-on-write: they take W away
    /// and wait for the exit. Mistakes are of the kinds that a boot does not have: an atomic taken
    /// for a read because WnR was trusted, an ISS decoded although ISV is 0, DC ZVA or a pair let
    /// through, W taken away but X left. A guest loses a store, and finds out in its filesystem.
    "stage2.matrix_4k": "permission x kind of access at EL1 and EL0, stage 1 with 4 KiB pages: each exit as it must be, or none";
    reference: "DDI 0487: stage 2 S2AP, XN; ESR_EL2, ISS for a Data Abort (ISV, WnR, CM); HPFAR_EL2";
    needs: Needs::SERVICES;
    fn matrix_4k() {
        matrix(Granule::K4);
    }
}

case! {
    /// The same matrix with 16 KiB pages at stage 1. A page of the guest is then exactly a page of
    /// a host with a 16 KiB granule, or four of a 4 KiB one: stage 1's granule is the guest's
    /// affair, and nothing of the exit may depend on it.
    ///
    /// ```text
    ///   stage 1   |      16 KiB page       |
    ///   stage 2   |  4  |  4  |  4  |  4   |     HPFAR_EL2 has bits 47:12 of the IPA all the same
    /// ```
    ///
    /// HPFAR_EL2 gives the IPA down to bit 12 and the offset comes from FAR_EL2. A hypervisor that
    /// puts the two together with its own page size (bits 13:0 from FAR, the rest from HPFAR) is
    /// right by luck as long as VA and IPA agree in bits 13:12; one that walks the guest's tables
    /// itself, to find an instruction to emulate, must know TG1's numbers, which are not TG0's.
    "stage2.matrix_16k": "permission x kind of access at EL1 and EL0, stage 1 with 16 KiB pages";
    reference: "DDI 0487: TCR_EL1.TG1; stage 2 S2AP, XN; ESR_EL2; HPFAR_EL2";
    needs: Needs::SERVICES;
    fn matrix_16k() {
        matrix(Granule::K16);
    }
}

case! {
    /// The same matrix with 64 KiB pages at stage 1: sixteen of a host's 4 KiB pages, or four of
    /// 16 KiB, under one descriptor of the guest. The hardware's TLB may hold the smaller of the
    /// two sizes only, and stage 2's permission is that of each piece.
    ///
    /// ```text
    ///   stage 1   |                     64 KiB page                       |
    ///   stage 2   | RW | R- | RW | RW |  ...      a fault names the piece: FAR, HPFAR
    /// ```
    ///
    /// What goes wrong: a software TLB that caches the guest's page whole, with the permissions of
    /// the piece that was touched first, lets a store through into the piece beside it that had
    /// become read-only. Dirty tracking then misses pages, which shows when the guest is migrated.
    "stage2.matrix_64k": "permission x kind of access at EL1 and EL0, stage 1 with 64 KiB pages";
    reference: "DDI 0487: TCR_EL1.TG1; stage 2 S2AP, XN; ESR_EL2; HPFAR_EL2";
    needs: Needs::SERVICES;
    fn matrix_64k() {
        matrix(Granule::K64);
    }
}

case! {
    /// One 64 KiB page of the guest (or a 2 MiB block where that granule is not there), of which
    /// the hypervisor makes a single granule read-only and later writable again. All other
    /// granules stay as they are: after each change every granule is stored to, and only the one
    /// that lost W exits, with FAR and IPA naming it.
    ///
    /// ```text
    ///   guest    |              one page, one descriptor               |
    ///   stage 2  |   RWX   |   R    |   RWX   |   RWX   |
    ///   STR          -        exit       -         -
    /// ```
    ///
    /// Changing a permission at stage 2 needs TLB maintenance by IPA, and because a TLB may hold
    /// VA-to-PA entries that combine both stages, stage 1's entries of that VMID too (TLBI
    /// IPAS2E1IS, DSB, TLBI VMALLE1IS). A hypervisor that leaves out the second half is caught
    /// here: the stores before the change have put the combined entry into the TLB.
    "stage2.piece_of_page": "one stage-2 granule of a larger stage-1 page loses W: it exits, its neighbours do not";
    reference: "DDI 0487: combining stage 1 and stage 2; TLBI IPAS2E1IS, VMALLE1IS after a stage 2 change";
    needs: Needs::SERVICES;
    fn piece_of_page() {
        const PIECES: u64 = 4;
        let granule = if is_supported(Granule::K64) { Granule::K64 } else { Granule::K4 };
        let mut probe = Probe::open_with(granule, 39);
        let size = PIECES * STAGE2_GRANULE; // 64 KiB
        let ipa = probe.window.tables.take(size);
        let va = probe.window.base() + 0x4000_0000;
        probe.window.tables.map_range(va, ipa, size, USER_DATA);
        let store = &KINDS.iter().find(|kind| kind.name == "STR X7").expect("a row");
        let denied = (FaultStatus::Permission(0), BUT_LEVEL);
        for chosen in 0..PIECES {
            for permissions in [R, R | W | PERM_EXEC] {
                services::protect(ipa + chosen * STAGE2_GRANULE, STAGE2_GRANULE, permissions);
                for piece in 0..PIECES {
                    let offset = piece * STAGE2_GRANULE + 8 * piece + 0x100;
                    let refused = piece == chosen && permissions & W == 0;
                    let places = (va + offset, ipa + offset);
                    let announced = refused.then(|| exit(&probe, El::El1, store, (0, true), denied, places));
                    try_kind(&probe, El::El1, store, va + offset, announced);
                }
            }
        }
    }
}

case! {
    /// Every kind of access at an IPA that is neither RAM nor a device, through a stage-1 page
    /// that allows all: each is an exit with a translation fault. Cache maintenance is one too: DC
    /// CIVAC, CVAC, CVAU and IC IVAU need a translation, and say CM = 1 and WnR = 1, whatever they
    /// do. DC ZVA is a store: WnR = 1, CM = 0. A prefetch is a hint and never exits.
    ///
    /// ```text
    ///   EL1   DC CIVAC, X1     stage 1: IPA     stage 2: nothing
    ///   EL2   EC 0x24, ISV 0, CM 1, WnR 1, FAR = X1          skip it: there is nothing to clean
    /// ```
    ///
    /// A hypervisor treats such an exit as MMIO. It must look at CM first: there is no device
    /// access to emulate, and the right answer is to step over the instruction. KVM had to learn
    /// that from guests that clean a range which runs past the end of RAM; a decoder that takes
    /// the word for a load or store with ISV = 0 injects an abort, or stops the VM.
    "stage2.unmapped_kinds": "every kind of access and of cache maintenance beyond RAM exits, as its syndrome must say";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (CM, WnR, ISV); DC and IC by VA, faults";
    needs: Needs::SERVICES;
    fn unmapped_kinds() {
        let mut probe = Probe::open();
        allow();
        let va = probe.window.base() + 0x4000_0000;
        probe.window.tables.map(va, nowhere() & !0xfff, 3, USER_DATA);
        let (va, ipa) = (va + 0x640, (nowhere() & !0xfff) + 0x640);
        for el in [El::El1, El::El0] {
            for kind in kinds().filter(|kind| el == El::El1 || kind.el0) {
                let maintenance = (kind.need == Need::Maintenance).then_some((0, true));
                let announced = kind.refused(0).or(maintenance).map(|how| {
                    exit(&probe, el, kind, how, (FaultStatus::Translation(0), BUT_LEVEL), (va, ipa))
                });
                try_kind(&probe, el, kind, va, announced);
            }
        }
    }
}

case! {
    /// Accesses that a device cannot have described: exclusives, LSE atomics, SIMD loads and
    /// stores and structures, on the emulated test device, mapped as Device memory as a driver
    /// would map it. Each is an exit with ISV = 0; the monitor is told to skip it, and the
    /// device's word is the same afterwards. DC ZVA is another matter: on Device memory it is an
    /// alignment fault of stage 1, which is EL1's own and never reaches the hypervisor.
    ///
    /// ```text
    ///   EL1   LDADD X6, X7, [X1]      X1 -> device
    ///   EL2   EC 0x24, ISV 0, WnR 0   what now?  skip, inject an abort, or emulate: never half
    ///   EL1   DC ZVA, X1              EC 0x25, DFSC 0x21, to EL1's own vector
    /// ```
    ///
    /// A hypervisor that takes ISV = 0 for "a plain store, look at the word" and decodes a STXR as
    /// STR writes to the device and leaves the status register unwritten, so that the guest loops
    /// for ever; one that runs the atomic's read and forgets its write makes a lock that is held
    /// by everybody.
    "stage2.mmio_undescribed": "exclusives, atomics and SIMD accesses of a device exit with ISV = 0; skipped, the device is as before";
    reference: "DDI 0487: ESR_EL2, ISS for a Data Abort (ISV, WnR of atomics); DC ZVA of Device memory";
    needs: Needs::SERVICES;
    fn mmio_undescribed() {
        let Some(device) = machine::get().scratch else {
            skip!("the FDT names no device \"anyvisor,scratch\"");
        };
        let mut probe = Probe::open();
        allow();
        let va = probe.window.base() + 0x4000_0000;
        probe.window.tables.map(va, device.start, 3, crate::mmu::DEVICE | (USER_DATA & !NORMAL));
        let (va, ipa) = (va + 0xa00, device.start + 0xa00);
        let pattern = 0x1122_3344_5566_7788;
        crate::access::store(El::El1, ipa, pattern).value();
        let zero_block = |kind: &&Kind| kind.name == "DC ZVA";
        let undescribed = |kind: &&Kind| {
            let wide = kind.access.is_none() && !kind.name.contains("post-index");
            wide && kind.need != Need::Hint && kind.need != Need::Maintenance
                && !matches!(kind.name, "LDP X7, X6" | "LDPSW X7, X6" | "STP X7, X6")
        };
        for kind in kinds().filter(undescribed).filter(|kind| !zero_block(kind)) {
            let how = kind.refused(0).expect("needs a permission");
            let announced = exit(&probe, El::El1, kind, how, (FaultStatus::Translation(0), BUT_LEVEL), (va, ipa));
            try_kind(&probe, El::El1, kind, va, Some(announced));
            check_eq!(load(El::El1, ipa).value(), pattern, "the device after {}", kind.name);
        }
        let zva = KINDS.iter().find(zero_block).expect("a row");
        let ended = probe.run(El::El1, zva.words, &[0, va]);
        let wanted = crate::access::data_abort(El::El1, FaultStatus::Alignment, true);
        check_eq!(ended.trap.esr.0, wanted, "ESR_EL1 of DC ZVA on Device memory");
        check_eq!(ended.trap.far, va, "FAR_EL1 of DC ZVA on Device memory");
        check_eq!(load(El::El1, ipa).value(), pattern, "the device after DC ZVA");
    }
}
