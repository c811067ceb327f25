//! What the walker does beyond looking up: it gathers the limits of tables, sets access flags and
//! dirty state, joins runs of pages, and ignores what it is told to ignore.
//!
//! ```text
//!   table    |NS|APTable|UXNTable|PXNTable| ...        |      limits for all below; TCR_EL1.HPDn: none
//!   page     | UXN | PXN | C | DBM | ... |nG|AF|SH|AP|..       TCR_EL1.HA: AF by hardware
//!                                                              HA and HD: AP[2] is a state if DBM
//! ```
//!
//! All of it is stage 1, so a hypervisor that lets the hardware walk has no part in it. One that
//! walks a guest's tables itself (to emulate an access, to shadow them, to answer a debugger) must
//! come to the same end in each of these cases.

use core::arch::asm;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    ID_AA64MMFR0_EL1, ID_AA64MMFR1_EL1, ID_AA64MMFR2_EL1, MAIR_EL1, PAR_EL1, TCR_EL1, TTBR1_EL1,
};
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{
    AF, AP_EL0, AP_READ_ONLY, AP_TABLE_NO_EL0, AP_TABLE_READ_ONLY, ATTR_INDX, CONTIGUOUS, DBM,
    Granule, PXN, PXN_TABLE, SH_INNER, UXN, UXN_TABLE, VALID,
};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::id::{mmfr0, mmfr1, mmfr2};
use anyvisor_arch::{mair, tcr};
use tock_registers::interfaces::{Readable, Writeable};

use crate::access::{El, RET, data_abort, fetch, instruction_abort, load, store, write_code};
use crate::mmu::window::{Page, Window, is_supported};
use crate::mmu::{DATA, NORMAL, USER_DATA, table};
use crate::{case, check_eq, machine, skip};

fn hafdbs() -> u64 {
    mmfr1::HAFDBS.get(ID_AA64MMFR1_EL1.get())
}

case! {
    /// TCR_EL1.HA (FEAT_HAFDBS, where ID_AA64MMFR1_EL1 claims it): a descriptor with AF = 0 is no
    /// fault any more; the walk sets the flag, in memory, by an atomic write. Here by a load and a
    /// store of EL1, a load of EL0 and a fetch, for pages and for a block; the descriptor is read
    /// back, nothing else in it has changed, and its neighbour's flag is still 0. With HA = 0
    /// again such a page faults.
    ///
    /// ```text
    ///   HA = 0   AF = 0 -> access flag fault, the kernel sets AF
    ///   HA = 1   AF = 0 -> the walk writes AF = 1, the access goes on
    /// ```
    ///
    /// The flag is how a kernel learns what is in use before it swaps something out. A hypervisor
    /// (or an emulator) that claims the feature and does not write the flag makes every page look
    /// idle, and the guest evicts its working set. One that sets it with a plain store loses what
    /// another CPU changes in the descriptor at that moment. Not claimed, HA is RES0: the case
    /// skips.
    "mmu.hw_access_flag": "TCR_EL1.HA: loads, stores and fetches set AF in the descriptor, and only theirs";
    reference: "DDI 0487: FEAT_HAFDBS, hardware update of the Access flag; TCR_EL1.HA";
    needs: Needs::NONE;
    fn hw_access_flag() {
        if hafdbs() == 0 {
            skip!("ID_AA64MMFR1_EL1.HAFDBS says no hardware update of the access flag");
        }
        let mut window = Window::open(Granule::K4, 39);
        let code = NORMAL | AP_READ_ONLY | UXN;
        let [read, written, users, run, idle] = [
            (0x1000, DATA & !AF),
            (0x2000, DATA & !AF),
            (0x3000, USER_DATA & !AF),
            (0x4000, code),
            (0x5000, DATA & !AF),
        ]
        .map(|(offset, attributes)| window.page(offset, attributes));
        write_code(run.pa, RET);
        let unused = data_abort(El::El1, FaultStatus::AccessFlag(3), false);
        check_eq!(load(El::El1, read.va).fault().esr.0, unused, "ESR_EL1 with HA = 0");
        let before = |page: &Page| window.tables.get(page.va, 3);
        let descriptors = [&read, &written, &users, &run].map(before);
        window.control(0, tcr::HA);
        load(El::El1, read.va).value();
        store(El::El1, written.va, 1).value();
        load(El::El0, users.va).value();
        fetch(El::El1, run.va).value();
        for (page, before) in [&read, &written, &users, &run].into_iter().zip(descriptors) {
            let after = window.tables.get(page.va, 3);
            check_eq!(after, before | AF, "the descriptor of {:#x}", page.va);
        }
        check_eq!(window.tables.get(idle.va, 3) & AF, 0, "AF of a page that nobody used");
        let block = window.block(0x4000_0000, read.pa, 2, DATA & !AF);
        load(El::El1, block).value();
        check_eq!(window.tables.get(block, 2) & AF, AF, "AF of a block");
        window.control(tcr::HA, 0);
        check_eq!(load(El::El1, idle.va).fault().esr.0, unused, "ESR_EL1 with HA = 0 again");
    }
}

case! {
    /// With HD as well (HAFDBS = 2) a page with DBM = 1 and AP[2] = 1 is writable and clean: the
    /// first store of anybody who may write clears AP[2] and goes on. A load leaves it clean.
    /// Without DBM, with HD = 0, or for EL0 where AP[1] = 0, AP[2] is what it always was: a
    /// permission fault.
    ///
    /// ```text
    ///   DBM AP[2]            load        store
    ///    1    1   clean      stays       AP[2] <- 0, goes on
    ///    1    0   dirty      stays       stays
    ///    0    1   read-only  stays       permission fault
    /// ```
    ///
    /// This is stage 1's own dirty tracking; KVM uses the same at stage 2. The mistakes: dirty is
    /// set for a store that then faults at another place; a TLB entry filled by the load is taken
    /// to be writable, and the store never marks the page (so the guest drops a changed page as
    /// clean); or LDTR and STTR, EL0's accesses by EL1, are judged by EL1's right.
    "mmu.hw_dirty": "TCR_EL1.HD with DBM: the first store clears AP[2]; loads, and pages without DBM, as ever";
    reference: "DDI 0487: FEAT_HAFDBS, hardware management of dirty state; TCR_EL1.HD; DBM";
    needs: Needs::NONE;
    fn hw_dirty() {
        if hafdbs() < 2 {
            skip!("ID_AA64MMFR1_EL1.HAFDBS says no hardware management of dirty state");
        }
        let mut window = Window::open(Granule::K4, 39);
        let clean = DATA | AP_READ_ONLY | DBM;
        let page = window.page(0x1000, clean);
        let users = window.page(0x2000, clean | AP_EL0);
        let read_only = window.page(0x3000, DATA | AP_READ_ONLY);
        let denied = |el, write| data_abort(el, FaultStatus::Permission(3), write);
        window.control(0, tcr::HA);
        check_eq!(store(El::El1, page.va, 1).fault().esr.0, denied(El::El1, true), "ESR_EL1 with HD = 0");
        window.control(0, tcr::HA | tcr::HD);
        load(El::El1, page.va).value();
        let descriptor = |page: &Page| window.tables.get(page.va, 3);
        check_eq!(descriptor(&page) & AP_READ_ONLY, AP_READ_ONLY, "AP[2] after a load");
        let fault = store(El::El0, page.va, 1).fault();
        check_eq!(fault.esr.0, denied(El::El0, true), "ESR_EL1 of EL0's store to EL1's page");
        check_eq!(descriptor(&page) & AP_READ_ONLY, AP_READ_ONLY, "AP[2] after EL0's store");
        let before = descriptor(&page);
        store(El::El1, page.va, 0x55).value();
        check_eq!(descriptor(&page), before & !AP_READ_ONLY, "the descriptor after a store");
        check_eq!(load(El::El1, page.pa).value(), 0x55, "the word");
        load(El::El0, users.va).value();
        check_eq!(descriptor(&users) & AP_READ_ONLY, AP_READ_ONLY, "AP[2] after EL0's load");
        store(El::El0, users.va, 0x66).value();
        check_eq!(descriptor(&users) & AP_READ_ONLY, 0, "AP[2] after EL0's store");
        let fault = store(El::El1, read_only.va, 1).fault();
        check_eq!(fault.esr.0, denied(El::El1, true), "ESR_EL1 of a page without DBM");
        check_eq!(descriptor(&read_only) & AP_READ_ONLY, AP_READ_ONLY, "AP[2] without DBM");
    }
}

/// Read, write, execute at one level.
fn allowed(el: El, va: u64) -> [bool; 3] {
    let [read, write, execute] = [load(el, va), store(el, va + 8, 0), fetch(el, va)];
    for (access, write) in [(&read, false), (&write, true)] {
        if !access.is_allowed() {
            let wanted = data_abort(el, FaultStatus::Permission(3), write);
            check_eq!(access.fault().esr.0, wanted, "ESR_EL1 of an access");
        }
    }
    if !execute.is_allowed() {
        let wanted = instruction_abort(el, FaultStatus::Permission(3));
        check_eq!(execute.fault().esr.0, wanted, "ESR_EL1 of a fetch");
    }
    [read, write, execute].map(|access| access.is_allowed())
}

/// The table bits, and what they leave of a page that EL0 may do everything with, and of one that
/// is EL1's to read and execute.
const LIMITS: &[(u64, [bool; 3], [bool; 3])] = &[
    (0, [true, true, true], [true, false, true]),
    (AP_TABLE_READ_ONLY, [true, false, true], [true, false, true]),
    (AP_TABLE_NO_EL0, [false, false, true], [true, false, true]),
    (UXN_TABLE, [true, true, false], [true, false, true]),
    (PXN_TABLE, [true, true, true], [true, false, false]),
    (AP_TABLE_READ_ONLY | UXN_TABLE, [true, false, false], [true, false, true]),
    (AP_TABLE_NO_EL0 | PXN_TABLE, [false, false, true], [true, false, false]),
];

/// A window of four levels with a page for EL0 and one for EL1, both code.
fn four_levels() -> (Window, Page, Page) {
    let mut window = Window::open(Granule::K4, 48);
    let users = window.page(0x1234_5678_9000, NORMAL | AF | AP_EL0);
    let kernel = window.page(0x1234_5678_a000, NORMAL | AF | AP_READ_ONLY);
    for page in [users, kernel] {
        write_code(page.pa, RET);
    }
    (window, users, kernel)
}

case! {
    /// APTable, UXNTable and PXNTable in the table descriptors of levels 0, 1 and 2, in seven
    /// combinations at each level, and split over two levels: what a table forbids is forbidden
    /// for all below it, whatever the page says; limits of several levels add up; none ever allows
    /// anything. The fault is a permission fault of level 3, where the page's descriptor stands,
    /// not of the level whose table said no.
    ///
    /// ```text
    ///   level 0  UXNTable          |
    ///   level 1  ---               |  gathered on the way down
    ///   level 2  APTable = 10      v
    ///   level 3  AP, UXN, PXN  --> combined: EL0 may neither write nor execute; DFSC 0b001111
    /// ```
    ///
    /// A walker in software that looks at the last table only, or forgets the limits when it
    /// starts from a cached level 3 table, grants what the kernel took away. The TLB must keep
    /// limits with the entry; a walk cache must keep them with the table.
    "mmu.hierarchy": "APTable, UXNTable, PXNTable at levels 0, 1, 2 and split over two: limits add up, the fault is level 3's";
    reference: "DDI 0487: hierarchical control of data and instruction access permissions";
    needs: Needs::NONE;
    fn hierarchy() {
        for level in 0..=2 {
            for &(bits, el0, el1) in LIMITS {
                // All at one level, and the execute bits one level further down.
                for (upper, lower) in [(bits, 0), (bits & !(UXN_TABLE | PXN_TABLE), bits & (UXN_TABLE | PXN_TABLE))] {
                    let (mut window, users, kernel) = four_levels();
                    let below = if level == 2 { 1 } else { level + 1 };
                    for (level, bits) in [(level, upper), (below, lower)] {
                        let descriptor = window.tables.get(users.va, level);
                        window.tables.set(users.va, level, descriptor | bits);
                    }
                    table::invalidate_all();
                    let seen = (allowed(El::El0, users.va), allowed(El::El1, kernel.va));
                    assert!(
                        seen == (el0, el1),
                        "level {level}, table bits {upper:#x} and {lower:#x}: EL0 {:?}, EL1 {:?}; expected {el0:?}, {el1:?}",
                        seen.0,
                        seen.1
                    );
                }
            }
        }
    }
}

case! {
    /// TCR_EL1.HPD1 (FEAT_HPDS, ID_AA64MMFR1_EL1) tells the walker to ignore those bits in TTBR1's
    /// tables: the pages' own permissions are all that counts, and software may use bits 63:59 for
    /// itself. With every limit set in tables of three levels, everything is allowed while HPD1 is
    /// 1, and refused again after it is 0.
    ///
    /// ```text
    ///   HPD1 = 0    table: UXNTable, APTable = 11     page: EL0 RWX     -> EL0 nothing but refused
    ///   HPD1 = 1    (ignored)                         page: EL0 RWX     -> EL0 RWX
    /// ```
    ///
    /// Linux turns HPD on and does not look back. A hypervisor's software walker that does not
    /// know the bit reads the guest's own use of bits 63:59 as permissions and finds pages
    /// unreadable that the guest reads at that moment; the guest's debugger, or the emulation of
    /// its MMIO access, fails at random addresses. A TLB that is kept over the change of TCR_EL1
    /// is the guest's to flush.
    "mmu.hpd": "TCR_EL1.HPD1: the limits in table descriptors are ignored, and count again without it";
    reference: "DDI 0487: FEAT_HPDS; TCR_EL1.HPD1; ID_AA64MMFR1_EL1.HPDS";
    needs: Needs::NONE;
    fn hpd() {
        if mmfr1::HPDS.get(ID_AA64MMFR1_EL1.get()) == 0 {
            skip!("ID_AA64MMFR1_EL1.HPDS says that TCR_EL1.HPDn are RES0");
        }
        let (mut window, users, kernel) = four_levels();
        let limits = AP_TABLE_READ_ONLY | AP_TABLE_NO_EL0 | UXN_TABLE | PXN_TABLE;
        for level in 0..=2 {
            let descriptor = window.tables.get(users.va, level);
            window.tables.set(users.va, level, descriptor | limits);
        }
        for _ in 0..2 {
            window.control(0, tcr::HPD1);
            let seen = (allowed(El::El0, users.va), allowed(El::El1, kernel.va));
            assert!(seen == ([true; 3], [true, false, true]), "with HPD1: {seen:?}");
            window.control(tcr::HPD1, 0);
            let seen = (allowed(El::El0, users.va), allowed(El::El1, kernel.va));
            assert!(seen == ([false; 3], [true, false, false]), "without HPD1: {seen:?}");
        }
    }
}

case! {
    /// The Contiguous bit in each granule's last level: runs of 16 pages of 4 KiB, 128 of 16 KiB,
    /// 32 of 64 KiB (as many as this kernel's memory allows are touched), and of 16 blocks of 2
    /// MiB. Each page of the run translates to its own address, and a TLBI of one address in the
    /// run lets the descriptors be replaced one run at a time.
    ///
    /// ```text
    ///   entries  n   n+1  n+2 ... n+15     all valid, same attributes, contiguous output
    ///   C        1    1    1       1       one TLB entry of 64 KiB may hold them
    /// ```
    ///
    /// The bit is a hint for the TLB; a walker must still read the entry of the address. Software
    /// walkers get two things wrong: they mask the output address to the run's size although each
    /// descriptor has its own page's bits in it, or keep an entry for the run filled from
    /// one descriptor and do not drop it when TLBI names another page of the same run.
    "mmu.contiguous_runs": "runs of contiguous pages in each granule, and of 2 MiB blocks: each translates by its own descriptor";
    reference: "DDI 0487: the Contiguous bit; number of contiguous entries by granule and level";
    needs: Needs::NONE;
    fn contiguous_runs() {
        for granule in Granule::ALL.into_iter().filter(|granule| is_supported(*granule)) {
            let mut window = Window::open(granule, 39);
            // The run is aligned to its size in VA and PA. RAM holds it, and the arena is part of it.
            let run = granule.contiguous(3) * granule.size();
            let page = window.page(0, DATA);
            let first = page.pa & !(run - 1);
            let va = window.base() + 0x4000_0000;
            let ram = machine::get().ram;
            if first < ram.start || first + run > ram.end() {
                continue;
            }
            for n in 0..granule.contiguous(3) {
                let offset = n * granule.size();
                window.tables.map(va + offset, first + offset, 3, DATA | CONTIGUOUS);
            }
            // All of it is read against the kernel's own view; what is ours is written.
            for n in 0..granule.contiguous(3) {
                let offset = n * granule.size() + 8 * (n % 64);
                let (through, own) = (load(El::El1, va + offset), load(El::El1, first + offset));
                check_eq!(through.value(), own.value(), "page {} of a {:?} run", n, granule);
            }
            let ours = page.pa - first;
            store(El::El1, va + ours + 0x10, 0x1357).value();
            check_eq!(load(El::El1, page.pa + 0x10).value(), 0x1357, "the word, {:?}", granule);
            // The whole run goes, by one TLBI a page as the manual wants it, and faults.
            for n in 0..granule.contiguous(3) {
                window.tables.set(va + n * granule.size(), 3, 0);
                table::invalidate(va + n * granule.size());
            }
            let wanted = data_abort(El::El1, FaultStatus::Translation(3), false);
            check_eq!(load(El::El1, va + ours).fault().esr.0, wanted, "ESR_EL1, {:?}", granule);
        }
        let granule = Granule::K4;
        let mut window = Window::open(granule, 39);
        let page = window.page(0, DATA);
        let (size, count) = (granule.entry_size(2), granule.contiguous(2));
        let first = page.pa & !(size * count - 1);
        let ram = machine::get().ram;
        if first >= ram.start && first + size * count <= ram.end() {
            let va = window.base() + 0x4000_0000;
            for n in 0..count {
                window.tables.map(va + n * size, first + n * size, 2, DATA | CONTIGUOUS);
            }
            for n in 0..count {
                let offset = n * size + 0x1238;
                let (through, own) = (load(El::El1, va + offset), load(El::El1, first + offset));
                check_eq!(through.value(), own.value(), "block {} of a run", n);
            }
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
    /// AttrIndx of a descriptor selects one of MAIR_EL1's eight bytes. Each index is tried with
    /// each of nine kinds of memory, and AT says in PAR_EL1.ATTR what became of it: Device stays
    /// Device of some kind (0b0000dd00), Normal stays Normal; and an unaligned load, which Device
    /// memory never allows, tells the same by faulting or not.
    ///
    /// ```text
    ///   MAIR_EL1   |attr7|attr6|attr5|attr4|attr3|attr2|attr1|attr0|
    ///                          AttrIndx = 5 --^ of the descriptor      PAR_EL1.ATTR, bits 63:56
    /// ```
    ///
    /// PAR_EL1 may give what the implementation makes of an attribute (0xff for 0xbb, say), so the
    /// exact byte is not compared. A hypervisor meets the attributes where it combines them: stage
    /// 2's MemAttr makes weaker memory stronger, and without FEAT_S2FWB a guest that maps its RAM
    /// Non-cacheable sees past the cache. One that restores MAIR_EL1 wrongly at a switch of vCPUs
    /// turns a guest's RAM into Device memory: everything works, until the first unaligned access.
    "mmu.attributes": "each AttrIndx with each kind of memory: PAR_EL1.ATTR is Device for Device, Normal for Normal";
    reference: "DDI 0487: MAIR_EL1; PAR_EL1.ATTR; AttrIndx in stage 1 descriptors";
    needs: Needs::NONE;
    fn attributes() {
        let kinds = [
            mair::DEVICE_NGNRNE,
            mair::DEVICE_NGNRE,
            mair::DEVICE_NGRE,
            mair::DEVICE_GRE,
            mair::NORMAL_NC,
            0xaa, // write-through, read allocate
            0xee, // write-back, read allocate
            0xbb, // write-through, read and write allocate
            mair::NORMAL_WB,
        ];
        let mut window = Window::open(Granule::K4, 39);
        let before = MAIR_EL1.get();
        // Indices 0 and 1 are the kernel's own.
        for index in 2..8 {
            let attributes = ATTR_INDX.put(index) | SH_INNER | AF | UXN | PXN;
            let page = window.page(0x1000 * (index + 1), attributes);
            for kind in kinds {
                let shift = index * 8;
                MAIR_EL1.set(before & !(0xff << shift) | u64::from(kind) << shift);
                barrier::isb(barrier::SY);
                table::invalidate_all(); // attributes may be cached in a TLB
                let par = at(page.va);
                check_eq!(par & 0xffff_ffff_f001, page.pa, "PAR_EL1 of attribute {:#x}", u64::from(kind));
                let seen = (par >> 56) as u8;
                let normal = |byte: u8| byte & 0xf0 != 0 && byte & 0x0f != 0;
                assert!(
                    mair::is_device(seen) == mair::is_device(kind) && normal(seen) == normal(kind),
                    "PAR_EL1.ATTR {seen:#04x} for {kind:#04x} at index {index}"
                );
                let through = load(El::El1, page.va + 8);
                through.value();
                if !mair::is_device(kind) {
                    load(El::El1, page.va + 9).value();
                }
            }
        }
        MAIR_EL1.set(before);
        barrier::isb(barrier::SY);
    }
}

case! {
    /// TTBR1_EL1.CnP (FEAT_TTCNP) says that the tables are common to all CPUs of the inner
    /// shareable domain, so that CPUs which share a TLB may share entries. For one CPU nothing may
    /// change: the bit is no part of the table's address, and translations, faults and TLBI are as
    /// without it.
    ///
    /// ```text
    ///   TTBR1_EL1  | ASID | BADDR[47:1] |CnP|        CnP = 1: the same table, at BADDR
    /// ```
    ///
    /// Linux sets it wherever ID_AA64MMFR2_EL1.CnP claims it. A software walker that takes bits
    /// 47:0 of TTBR for the address reads its descriptors one byte off, or fails an alignment
    /// check; a hypervisor that finds the current address space by comparing TTBR with a saved
    /// value takes the same table for two.
    "mmu.common_not_private": "TTBR1_EL1.CnP = 1: the same translations, the same faults, and TLBI works";
    reference: "DDI 0487: FEAT_TTCNP; TTBR1_EL1.CnP; ID_AA64MMFR2_EL1.CnP";
    needs: Needs::NONE;
    fn common_not_private() {
        if mmfr2::CNP.get(ID_AA64MMFR2_EL1.get()) == 0 {
            skip!("ID_AA64MMFR2_EL1.CnP says that TTBRn_EL1.CnP is RES0");
        }
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x7000, DATA);
        let other = window.tables.take(0x1000);
        store(El::El1, other, 2).value();
        TTBR1_EL1.set(window.tables.root() | tcr::TTBR_CNP);
        barrier::isb(barrier::SY);
        table::invalidate_all();
        store(El::El1, page.va, 1).value();
        check_eq!(load(El::El1, page.pa).value(), 1, "the word behind the page");
        load(El::El1, page.va + 0x1000).fault();
        window.tables.set(page.va, 3, 0);
        table::invalidate(page.va);
        window.tables.map(page.va, other, 3, DATA);
        check_eq!(load(El::El1, page.va).value(), 2, "the word behind the new page");
        check_eq!(TTBR1_EL1.get() & tcr::TTBR_CNP, tcr::TTBR_CNP, "TTBR1_EL1.CnP");
    }
}

case! {
    /// TCR_EL1.E0PD1 (FEAT_E0PD) makes every access of EL0 to TTBR1's half a translation fault of
    /// level 0, whether something is mapped there or not, and as if it took the same time: a
    /// program cannot find out by timing where the kernel is. EL1's own accesses go on.
    ///
    /// ```text
    ///   EL0  LDR [kernel address]    E0PD1 = 0: walk, permission fault, level 3
    ///                                E0PD1 = 1: translation fault, level 0, no walk
    /// ```
    ///
    /// A claim of the feature in ID_AA64MMFR2_EL1 makes Linux leave out the costly separation of
    /// kernel and user tables (KPTI). A hypervisor that lets a claim through from the host's
    /// register on a CPU that is not that core, or an emulator that accepts the bit and does
    /// nothing, takes away that protection with it. Not claimed, the bit is RES0 and the case
    /// skips.
    "mmu.e0pd": "TCR_EL1.E0PD1: EL0's accesses to TTBR1's half are level 0 translation faults, EL1's go on";
    reference: "DDI 0487: FEAT_E0PD; TCR_EL1.E0PD1; ID_AA64MMFR2_EL1.E0PD";
    needs: Needs::NONE;
    fn e0pd() {
        const E0PD1: u64 = 1 << 56;
        if mmfr2::E0PD.get(ID_AA64MMFR2_EL1.get()) == 0 {
            skip!("ID_AA64MMFR2_EL1.E0PD says that TCR_EL1.E0PDn are RES0");
        }
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x7000, USER_DATA);
        load(El::El0, page.va).value();
        TCR_EL1.set(TCR_EL1.get() | E0PD1);
        barrier::isb(barrier::SY);
        for va in [page.va, page.va + 0x1000, page.va + (1 << 30)] {
            let status = FaultStatus::Translation(0);
            check_eq!(load(El::El0, va).fault().esr.0, data_abort(El::El0, status, false), "a load of EL0");
            check_eq!(store(El::El0, va, 0).fault().esr.0, data_abort(El::El0, status, true), "a store of EL0");
            check_eq!(fetch(El::El0, va).fault().esr.0, instruction_abort(El::El0, status), "a fetch of EL0");
        }
        store(El::El1, page.va, 3).value();
        check_eq!(load(El::El1, page.va).value(), 3, "the word, at EL1");
        TCR_EL1.set(TCR_EL1.get() & !E0PD1);
        barrier::isb(barrier::SY);
        check_eq!(load(El::El0, page.va).value(), 3, "the word, at EL0 again");
    }
}

/// Whether a block of `level` means something: with 52-bit addresses (FEAT_LPA) 64 KiB has blocks
/// of level 1 as well.
fn may_be_block(granule: Granule, level: u8) -> bool {
    let wide = mmfr0::PA_RANGE.get(ID_AA64MMFR0_EL1.get()) >= 6;
    granule.has_block(level) || wide && granule == Granule::K64 && level == 1
}

/// Reads through a page whose descriptor of `level` is made 0b01; what it takes, if anything.
fn load_through_reserved(granule: Granule, level: u8) -> Option<u64> {
    let mut window = Window::open(granule, 48);
    let page = window.page(0x4000_0000, DATA);
    load(El::El1, page.va).value();
    let base = page.pa & !(granule.entry_size(level) - 1);
    window.tables.set(page.va, level, base | DATA | VALID);
    table::invalidate_all();
    let seen = load(El::El1, page.va);
    (!seen.is_allowed()).then(|| seen.fault().esr.0)
}

case! {
    /// At level 3 a descriptor with bits 1:0 = 0b01 is valid and means nothing. It behaves as an
    /// invalid one: a translation fault of level 3, in each granule.
    ///
    /// ```text
    ///   level 3   ...|0|1|    reserved         level 2   ...|0|1|    a block
    ///   level 3   ...|1|1|    a page           level 2   ...|1|1|    a table
    /// ```
    ///
    /// Software keeps a page's address in an entry and clears bit 0 or bit 1 to take it away for a
    /// while; both must fault. A walker that tests bit 0 alone maps the page all the same, and a
    /// program goes on reading a page that its kernel has taken back.
    "mmu.reserved": "0b01 at level 3 is a translation fault of level 3, in each granule";
    reference: "DDI 0487: VMSAv8-64 level 3 descriptor formats, reserved encoding";
    needs: Needs::NONE;
    fn reserved() {
        let wanted = data_abort(El::El1, FaultStatus::Translation(3), false);
        for granule in Granule::ALL.into_iter().filter(|granule| is_supported(*granule)) {
            let seen = load_through_reserved(granule, 3).unwrap_or(0);
            check_eq!(seen, wanted, "ESR_EL1, {:?}", granule);
        }
    }
}

case! {
    /// A block where the granule has none: level 0, and level 1 of 16 KiB and (without FEAT_LPA)
    /// of 64 KiB. Bits 1:0 = 0b01 are reserved there, and fault as an invalid entry of that level
    /// does.
    ///
    /// ```text
    ///             level 0     level 1     level 2
    ///    4 KiB    reserved    1 GiB       2 MiB
    ///   16 KiB    reserved    reserved    32 MiB
    ///   64 KiB    no level    reserved    512 MiB
    /// ```
    ///
    /// A walker that treats "not a table" as "a block" at every level makes 512 GiB of memory out
    /// of a damaged level 0 entry, and gives a guest's stray pointer an answer instead of a fault.
    /// QEMU 7.2 does so.
    "mmu.reserved_blocks": "blocks at levels that have none are translation faults of that level";
    reference: "DDI 0487: VMSAv8-64 block descriptors, block sizes by granule; FEAT_LPA";
    needs: Needs::NONE;
    fn reserved_blocks() {
        for granule in Granule::ALL.into_iter().filter(|granule| is_supported(*granule)) {
            let levels = granule.start_level(48)..3;
            for level in levels.filter(|level| !may_be_block(granule, *level)) {
                match load_through_reserved(granule, level) {
                    Some(seen) => {
                        let wanted = data_abort(El::El1, FaultStatus::Translation(level), false);
                        check_eq!(seen, wanted, "ESR_EL1, {:?}, level {}", granule, level);
                    }
                    None => panic!("a {granule:?} block of level {level}, which has none, translates"),
                }
            }
        }
    }
}
