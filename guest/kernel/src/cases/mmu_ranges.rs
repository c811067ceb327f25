//! Region sizes, levels of faults in each granule, TLB maintenance of ranges and of the outer
//! shareable kind, and tables that are rebuilt under way.

use aarch64_cpu::registers::{ID_AA64ISAR0_EL1, ID_AA64MMFR2_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, Granule, NG, PXN, UXN};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::id::{isar0, mmfr2};
use anyvisor_arch::sysreg::Encoding;
use anyvisor_arch::tcr;
use tock_registers::interfaces::Readable;

use crate::access::{El, data_abort, fetch, instruction_abort, load, store};
use crate::mmu::table::{self, page};
use crate::mmu::window::{Page, Window, is_supported};
use crate::mmu::{self, DATA, NORMAL, USER_CODE};
use crate::probe::Probe;
use crate::{case, check_eq, image, skip};

/// The widths of regions that every machine has (TnSZ 16 to 39), and with FEAT_TTST (TnSZ up to
/// 48, 47 with 64 KiB) those below.
pub fn widths(granule: Granule) -> impl Iterator<Item = u32> {
    let small = mmfr2::ST.get(ID_AA64MMFR2_EL1.get()) != 0;
    let least = if small { 64 - tcr::txsz_max(granule) as u32 } else { 25 };
    (least..=48).rev()
}

/// Every TTBR1 region of a granule: its last page is reached, its first page too, and what lies
/// below is in no region.
fn sizes(granule: Granule) {
    if !is_supported(granule) {
        skip!("ID_AA64MMFR0_EL1 says no {granule:?} granule");
    }
    for va_bits in widths(granule) {
        let mut window = Window::open(granule, va_bits);
        let last = (1 << va_bits) - granule.size();
        let pages = [window.page(last, DATA), window.page(0, DATA)];
        for (n, Page { va, pa }) in pages.into_iter().enumerate() {
            let value = u64::from(va_bits) << 8 | n as u64;
            store(El::El1, va + 0x48, value).value();
            check_eq!(load(El::El1, pa + 0x48).value(), value, "a word of {} bits", va_bits);
        }
        let outside = data_abort(El::El1, FaultStatus::Translation(0), false);
        let below = load(El::El1, window.base().wrapping_sub(8)).fault();
        check_eq!(below.esr.0, outside, "ESR_EL1 below a region of {} bits", va_bits);
        let far_below = load(El::El1, window.base() & !(1 << 62)).fault();
        check_eq!(far_below.esr.0, outside, "ESR_EL1 with bit 62 clear, {} bits", va_bits);
    }
}

case! {
    /// TCR_EL1.T1SZ with 4 KiB pages, every size from 48 bits down to 25, and with FEAT_TTST down
    /// to 16. The size decides at which level a walk starts and how long the first table is: one
    /// that starts at level 1 with 39 bits starts at level 2 with 30. The region's first and last
    /// page are mapped, written and read back; the byte below the region, and an address with a
    /// wrong upper bit, are translation faults of level 0.
    ///
    /// ```text
    ///   T1SZ      16     24 25     33 34     42 43    48
    ///   starts at level 0  |  level 1  |  level 2 | level 3 (FEAT_TTST)
    /// ```
    ///
    /// A hypervisor walks the guest's tables when it emulates or debugs, and its author tried the
    /// two or three sizes of Linux. At a boundary (34, 43) an off-by-one starts a level too high
    /// and reads the wrong entry; a check of the upper bits that uses bit 55 alone takes addresses
    /// for valid that hardware refuses.
    "mmu.sizes_4k": "every T1SZ with 4 KiB pages: first and last page are reached, what is below is a level 0 fault";
    reference: "DDI 0487: TCR_EL1.T1SZ; VMSAv8-64 lookup levels; FEAT_TTST";
    needs: Needs::NONE;
    fn sizes_4k() {
        sizes(Granule::K4);
    }
}

case! {
    /// Every T1SZ with 16 KiB pages: a level resolves 11 bits, and of the widest region level 0
    /// has one bit left, a table of two entries, 16 bytes long and aligned to 64.
    ///
    /// ```text
    ///   T1SZ      16     17     27 28     38 39     48
    ///   starts at level 0 | level 1   | level 2  | level 3 (FEAT_TTST)
    /// ```
    ///
    /// The short first table is the trap: TTBR1's address is aligned to its size, but to 64 bytes
    /// at least, so bits 5:1 of the register are no address bits. A software walker that masks
    /// TTBR with the page's size reads another table; one that takes a full page of entries for
    /// the first level lets addresses through that the region does not have. Apple's systems use
    /// this granule, so a hypervisor there has its own page size in common with the guest only by
    /// accident.
    "mmu.sizes_16k": "every T1SZ with 16 KiB pages: first and last page are reached, what is below is a level 0 fault";
    reference: "DDI 0487: TCR_EL1.T1SZ, TG1 = 0b01; TTBR1_EL1.BADDR alignment; FEAT_TTST";
    needs: Needs::NONE;
    fn sizes_16k() {
        sizes(Granule::K16);
    }
}

case! {
    /// Every T1SZ with 64 KiB pages: a level resolves 13 bits and there is no level 0; the widest
    /// region starts at level 1 with 64 entries.
    ///
    /// ```text
    ///   T1SZ      16     21 22     34 35     47
    ///   starts at level 1  |  level 2  | level 3 (25 bits and less of it with FEAT_TTST)
    /// ```
    ///
    /// With this granule even Armv8.0 reaches level 3 first tables: 29 bits of region leave 13 for
    /// one level. So a walker that assumes that TTBR points at a table of tables fails here first.
    /// The largest TnSZ is 47, not 48, because one bit above the page must be left.
    "mmu.sizes_64k": "every T1SZ with 64 KiB pages: first and last page are reached, what is below is a level 0 fault";
    reference: "DDI 0487: TCR_EL1.T1SZ, TG1 = 0b11; VMSAv8-64 lookup levels; FEAT_TTST";
    needs: Needs::NONE;
    fn sizes_64k() {
        sizes(Granule::K64);
    }
}

/// Faults of every kind at every level that a granule has.
fn levels(granule: Granule) {
    if !is_supported(granule) {
        skip!("ID_AA64MMFR0_EL1 says no {granule:?} granule");
    }
    let mut window = Window::open(granule, 48);
    let page = window.page(0x1234_5678_0000, USER_CODE);
    let start = window.tables.start_level();
    for level in start..=3 {
        let va = (page.va ^ granule.entry_size(level)) + 0x18;
        for el in [El::El1, El::El0] {
            let status = FaultStatus::Translation(level);
            check_eq!(
                load(el, va).fault().esr.0,
                data_abort(el, status, false),
                "a load, level {}",
                level
            );
            check_eq!(
                store(el, va, 0).fault().esr.0,
                data_abort(el, status, true),
                "a store, level {}",
                level
            );
            check_eq!(
                fetch(el, va).fault().esr.0,
                instruction_abort(el, status),
                "a fetch, level {}",
                level
            );
        }
        if level < 3 && !granule.has_block(level) {
            continue;
        }
        let offset = 0x2234_5678_0000;
        let unused = window.block(offset, page.pa, level, NORMAL | AP_READ_ONLY | UXN | PXN);
        let status = FaultStatus::AccessFlag(level);
        check_eq!(
            load(El::El1, unused).fault().esr.0,
            data_abort(El::El1, status, false),
            "AF, level {}",
            level
        );
        check_eq!(
            fetch(El::El1, unused).fault().esr.0,
            instruction_abort(El::El1, status),
            "AF, level {}",
            level
        );
        let denied = window.block(offset, page.pa, level, NORMAL | AF | AP_READ_ONLY | UXN | PXN);
        let status = FaultStatus::Permission(level);
        check_eq!(
            store(El::El1, denied, 0).fault().esr.0,
            data_abort(El::El1, status, true),
            "AP, level {}",
            level
        );
        check_eq!(
            load(El::El0, denied).fault().esr.0,
            data_abort(El::El0, status, false),
            "AP, level {}",
            level
        );
        check_eq!(
            fetch(El::El1, denied).fault().esr.0,
            instruction_abort(El::El1, status),
            "PXN, level {}",
            level
        );
        // Away with it: the next level's block is at the same address.
        window.tables.set(denied, level, 0);
        table::invalidate_all();
    }
}

case! {
    /// With 16 KiB pages: translation faults of levels 0 to 3 for loads, stores and fetches of
    /// both levels, access flag and permission faults of level 2 (a block of 32 MiB) and level 3.
    /// The level in DFSC and IFSC is that of the descriptor that the walk stopped at.
    ///
    /// ```text
    ///   DFSC   0b0001LL translation   0b0010LL access flag   0b0011LL permission
    /// ```
    ///
    /// A kernel reads the level: Linux tells a hole in a page table from one in a directory by it.
    /// An emulator computes it as "three less the number of lookups left", a formula that is right
    /// with 4 KiB pages and one start level. Here level 0 has two entries and a walk of 48 bits
    /// has four levels, as with 4 KiB, but blocks exist at level 2 only.
    "mmu.levels_16k": "16 KiB pages: translation faults of levels 0-3, access flag and permission faults of levels 2 and 3";
    reference: "DDI 0487: ESR_ELx, DFSC and IFSC; VMSAv8-64 with the 16 KiB granule";
    needs: Needs::NONE;
    fn levels_16k() {
        levels(Granule::K16);
    }
}

case! {
    /// The same with 64 KiB pages: a walk of 48 bits starts at level 1, blocks are 512 MiB at
    /// level 2. A translation fault of level 0 can only mean an address outside the region.
    ///
    /// ```text
    ///   VA  |47   42|41     29|28     16|15     0|
    ///        level 1  level 2   level 3   offset
    /// ```
    ///
    /// The mistake is to count levels from 0: a walker that numbers its first lookup 0 reports
    /// every fault one level too high, and everything else works. A fault that says level 0 then
    /// looks to the guest like an address without a region, and its handler takes another way than
    /// for a page to be mapped.
    "mmu.levels_64k": "64 KiB pages: translation faults of levels 1-3, access flag and permission faults of levels 2 and 3";
    reference: "DDI 0487: ESR_ELx, DFSC and IFSC; VMSAv8-64 with the 64 KiB granule";
    needs: Needs::NONE;
    fn levels_64k() {
        levels(Granule::K64);
    }
}

/// DSB ISH, and ISB.
const DSB_ISH: u32 = 0xd503_3b9f;
const ISB: u32 = 0xd503_3fdf;

/// SYS of a TLBI with its operand in X0.
const fn tlbi(crm: u16, op2: u16) -> u32 {
    // The encodings of SYS and MSR differ by op0 alone.
    crate::probe::msr(Encoding::new(1, 0, 8, crm, op2), 0)
}

/// Maps `count` pages at `va` to the page at `pa`.
fn map_all(probe: &mut Probe, va: u64, count: u64, pa: u64, size: u64) {
    for n in 0..count {
        probe.window.tables.map(va + n * size, pa, 3, DATA);
    }
}

case! {
    /// FEAT_TLBIRANGE: one TLBI forgets (NUM + 1) * 2^(5 * SCALE + 1) pages from a base on.
    /// Sixty-four pages are mapped to one frame and touched, mapped to another, and the range is
    /// invalidated by each of RVAE1, RVAAE1, RVALE1, RVAALE1 and their inner and outer shareable
    /// forms, for each granule: after DSB every page of the range reads the new frame.
    ///
    /// ```text
    ///   63  48 47 46 45   44 43  39 38 37 36             0
    ///   | ASID | TG  | SCALE | NUM | TTL | BaseADDR (VA / page)  |     TG 1: 4 KiB, 2: 16, 3: 64
    /// ```
    ///
    /// The operand's traps: BaseADDR counts pages of the granule in TG, where other TLBIs count 4
    /// KiB whatever the granule; NUM is one less; SCALE is a power of 32. A hypervisor that traps
    /// TLBI (HCR_EL2.TTLB) or an emulator that rounds such a range down leaves the last pages in
    /// the TLB. A TLB may forget more than was named, so only what must be forgotten is looked at.
    "mmu.tlbi_range": "TLBI by range, 12 forms, each granule: every page of the range is read anew";
    reference: "DDI 0487: FEAT_TLBIRANGE; TLBI RVAE1, RVAAE1, RVALE1, RVAALE1 and IS, OS forms";
    needs: Needs::NONE;
    fn tlbi_range() {
        if isar0::TLB.get(ID_AA64ISAR0_EL1.get()) < 2 {
            skip!("ID_AA64ISAR0_EL1.TLB says no TLBI by range");
        }
        for granule in Granule::ALL.into_iter().filter(|granule| is_supported(*granule)) {
            let mut probe = Probe::open_with(granule, 39);
            let size = granule.size();
            let frames = [1, 2].map(|value| {
                let pa = probe.window.tables.take(size);
                store(El::El1, pa, value).value();
                pa
            });
            let va = probe.window.base() + 0x4000_0000;
            let mut old = 0;
            // NUM and SCALE, and how many pages they make.
            for (num, scale, count) in [(0, 0, 2), (31, 0, 64), (0, 1, 64), (2, 0, 6)] {
                for (crm, op2) in [6, 2, 5].into_iter().flat_map(|crm| [1, 3, 5, 7].map(|op2| (crm, op2))) {
                    map_all(&mut probe, va, count, frames[old], size);
                    for n in 0..count {
                        load(El::El1, va + n * size).value();
                    }
                    let new = 1 - old;
                    // The same permissions and attributes: only the output address changes, which
                    // a TLB conflict would need; so each entry is first made invalid.
                    for n in 0..count {
                        probe.window.tables.set(va + n * size, 3, 0);
                    }
                    let tg = match granule {
                        Granule::K4 => 1,
                        Granule::K16 => 2,
                        Granule::K64 => 3,
                    };
                    let base = va >> granule.page_bits() & ((1 << 37) - 1);
                    let operand = tg << 46 | scale << 44 | num << 39 | base;
                    let words = [DSB_ISH, tlbi(crm, op2), DSB_ISH, ISB];
                    probe.run(El::El1, &words, &[operand]).done("TLBI by range");
                    map_all(&mut probe, va, count, frames[new], size);
                    for n in 0..count {
                        let seen = load(El::El1, va + n * size).value();
                        check_eq!(seen, new as u64 + 1, "page {} of {} after CRm {} op2 {}", n, count, crm, op2);
                    }
                    old = new;
                }
                for n in 0..count {
                    probe.window.tables.set(va + n * size, 3, 0);
                }
                table::invalidate_all();
            }
        }
    }
}

case! {
    /// FEAT_TLBIOS: the forms of TLBI for the outer shareable domain. Each of VMALLE1OS, VAE1OS,
    /// ASIDE1OS, VAAE1OS, VALE1OS and VAALE1OS forgets at least what its inner shareable sister
    /// forgets: a page is touched, taken away, forgotten by the form, mapped elsewhere, and reads
    /// its new frame.
    ///
    /// ```text
    ///   TLBI VAE1      this PE         TLBI VAE1IS    inner shareable      TLBI VAE1OS    outer shareable
    ///                  |--------------------|--------------------------------|
    /// ```
    ///
    /// To a hypervisor the three differ in how far they reach, and all of its vCPUs are in the
    /// inner domain. HCR_EL2.FB makes local ones broadcast, HCR_EL2.TTLBOS traps these. The
    /// mistake is an emulator's or a trap handler's list of encodings in which the OS forms (CRm
    /// 1) are missing: they are UNDEFINED although claimed, or silently nothing, and a stale
    /// translation lives on.
    "mmu.tlbi_outer": "TLBI VMALLE1OS, VAE1OS, ASIDE1OS, VAAE1OS, VALE1OS, VAALE1OS forget what they name";
    reference: "DDI 0487: FEAT_TLBIOS; ID_AA64ISAR0_EL1.TLB";
    needs: Needs::NONE;
    fn tlbi_outer() {
        if isar0::TLB.get(ID_AA64ISAR0_EL1.get()) == 0 {
            skip!("ID_AA64ISAR0_EL1.TLB says no outer shareable TLBI");
        }
        let mut probe = Probe::open();
        let frames = [1, 2].map(|value| {
            let pa = probe.window.tables.take(0x1000);
            store(El::El1, pa, value).value();
            pa
        });
        let va = probe.window.base() + 0x4000_0000;
        // Not global: ASIDE1OS lets global pages be. The ASID is 0, as in the operand.
        for (n, op2) in [0, 1, 2, 3, 5, 7].into_iter().cycle().take(60).enumerate() {
            let [old, new] = [n % 2, 1 - n % 2];
            probe.window.tables.map(va, frames[old], 3, DATA | NG);
            check_eq!(load(El::El1, va).value(), old as u64 + 1, "the word before op2 {}", op2);
            probe.window.tables.set(va, 3, 0);
            // VMALLE1OS takes no operand: Rt is 31.
            let word = if op2 == 0 { tlbi(1, op2) | 31 } else { tlbi(1, op2) };
            probe.run(El::El1, &[DSB_ISH, word, DSB_ISH, ISB], &[page(va)]).done("TLBI OS");
            let wanted = data_abort(El::El1, FaultStatus::Translation(3), false);
            check_eq!(load(El::El1, va).fault().esr.0, wanted, "ESR_EL1 after op2 {}", op2);
            probe.window.tables.map(va, frames[new], 3, DATA | NG);
            check_eq!(load(El::El1, va).value(), new as u64 + 1, "the word after op2 {}", op2);
            probe.window.tables.set(va, 3, 0);
            table::invalidate_all();
        }
    }
}

case! {
    /// Five ways to rebuild a translation that is in use, each by break-before-make: pages become
    /// a block, a block becomes pages, a table is replaced by another, a page changes from Normal
    /// to Device and back, a page changes from global to an ASID's. The entry is made invalid,
    /// DSB, TLBI, DSB, and only then becomes what it shall be; after each step the right frame is
    /// read.
    ///
    /// ```text
    ///   old entry --> invalid --> DSB --> TLBI --> DSB --> new entry --> DSB, ISB
    /// ```
    ///
    /// What a TLB may hold of the old shape is more than the entry: a block entry covers 512
    /// pages, a walk cache holds the address of the old table. TLBI VAE1 must take both, though
    /// its last-level sister (VALE1) need not take the table. A software TLB with a cache of
    /// last-level tables that it flushes for VMALLE1 only goes on reading the freed one.
    "mmu.rebuilt": "pages to block, block to pages, another table, another type, another ASID: each by break-before-make";
    reference: "DDI 0487: break-before-make; TLBI VAAE1 and intermediate walk caches";
    needs: Needs::NONE;
    fn rebuilt() {
        let mut window = Window::open(Granule::K4, 39);
        let block = image::arena().start & !0x1f_ffff;
        let own = window.tables.take(0x1000);
        let other = window.tables.take(0x1000);
        store(El::El1, own, 1).value();
        store(El::El1, other, 2).value();
        let offset = own - block;
        let base = window.base() + 0x4000_0000;
        let va = base + offset;
        for _ in 0..20 {
            window.tables.map(va, other, 3, DATA);
            check_eq!(load(El::El1, va).value(), 2, "the page");
            // Pages to a block: the level 2 entry is a table, and becomes a block.
            let old_table = window.tables.get(va, 2);
            window.tables.set(va, 2, 0);
            table::invalidate(va);
            window.tables.map(base, block, 2, DATA);
            check_eq!(load(El::El1, va).value(), 1, "the block");
            // A block to pages, in the old table, which still says `other`.
            window.tables.set(va, 2, 0);
            table::invalidate(va);
            window.tables.set(va, 2, old_table);
            check_eq!(load(El::El1, va).value(), 2, "the page of the old table");
            // Another table.
            window.tables.set(va, 2, 0);
            table::invalidate(va);
            window.tables.map(va, own, 3, DATA); // builds a new one
            assert!(window.tables.get(va, 2) != old_table, "a table of its own");
            check_eq!(load(El::El1, va).value(), 1, "the page of the new table");
            // Another type of memory, and back.
            for attributes in [mmu::REGISTERS, DATA, DATA | NG] {
                window.tables.set(va, 3, 0);
                table::invalidate(va);
                window.tables.map(va, own, 3, attributes);
                check_eq!(load(El::El1, va).value(), 1, "the page with attributes {:#x}", attributes);
            }
            // The table goes back, for the next round: the old one, so that the arena lasts.
            window.tables.set(va, 3, 0);
            window.tables.set(va, 2, 0);
            table::invalidate(va);
            window.tables.set(va, 2, old_table);
            table::invalidate(va);
        }
    }
}
