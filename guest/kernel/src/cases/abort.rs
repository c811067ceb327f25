//! Aborts of stage 1: every kind of fault at every level that has it, for loads, stores and
//! fetches, from EL1 and EL0.
//!
//! A walk of the guest's own tables that ends in a fault is an abort taken to EL1, with no part for
//! the hypervisor, whose tables (stage 2) translate only the addresses that the walk reads and
//! yields. EC tells data (0x24, 0x25) from fetch (0x20, 0x21), and the lower level's (even) from
//! EL1's own (odd). The fault status code in the ISS has kind and level; FAR_EL1 has the virtual
//! address. An operating system's paging lives on exactly these fields. A hypervisor that keeps
//! shadow tables, or an emulator, has to produce every one of them itself.
//!
//! The window is 48 bits of 4 KiB granule, so that a walk starts at level 0. One page is mapped;
//! what is near it shares its tables down to some level, and faults there:
//!
//! ```text
//!   page + 4 KiB     has tables of levels 0 to 3, entry of 3 invalid
//!   page + 2 MiB     the entry of level 2 is invalid
//!   page + 1 GiB     the entry of level 1 is invalid
//!   page + 512 GiB   the entry of level 0 is invalid
//! ```

use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{
    AF, AP_EL0, AP_READ_ONLY, Granule, PXN, TABLE_OR_PAGE, UXN, VALID,
};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::pstate::{Mode, Vector, vector_offset};
use anyvisor_arch::tcr;

use crate::access::{Access, El, data_abort, fetch, instruction_abort, load, store};
use crate::machine;
use crate::mmu::window::{Page, Window};
use crate::mmu::{DATA, NORMAL, USER_CODE, USER_DATA, table};
use crate::{case, check_eq, skip};

const GRANULE: Granule = Granule::K4;
const VA_BITS: u32 = 48;

/// A window with one page in it, away from its edges.
fn window(attributes: u64) -> (Window, Page) {
    let mut window = Window::open(GRANULE, VA_BITS);
    let page = window.page(0x1234_5678_9000, attributes);
    (window, page)
}

#[track_caller]
fn check_data(access: Access, el: El, va: u64, status: FaultStatus, write: bool) {
    let trap = access.fault();
    let from = if el == El::El0 { Mode::El0t } else { Mode::El1h };
    check_eq!(trap.entry.offset(), vector_offset(from, Vector::Synchronous), "vector");
    check_eq!(trap.esr.0, data_abort(el, status, write), "ESR_EL1 ({:?} from {:?})", status, el);
    check_eq!(trap.far, va, "FAR_EL1 ({:?} from {:?})", status, el);
}

#[track_caller]
fn check_fetch(el: El, va: u64, status: FaultStatus) {
    let trap = fetch(el, va).fault();
    check_eq!(trap.esr.0, instruction_abort(el, status), "ESR_EL1 ({:?} from {:?})", status, el);
    check_eq!(trap.far, va, "FAR_EL1 ({:?} from {:?})", status, el);
    check_eq!(trap.elr, va, "ELR_EL1 ({:?} from {:?})", status, el);
}

/// Every level with the address near `va` that faults there.
fn holes(va: u64) -> [(u8, u64); 4] {
    [0, 1, 2, 3].map(|level| (level, (va ^ GRANULE.entry_size(level)) + 0x18))
}

case! {
    /// A load or store whose walk meets an invalid descriptor takes a translation fault of the
    /// level where the walk stood: DFSC 0b0001LL. ISS.WnR tells a store from a load, FAR_EL1 holds
    /// the address in full, ELR_EL1 the instruction, so that it can be done again once the page is
    /// there.
    ///
    /// The case loads and stores at addresses that miss at levels 0, 1, 2 and 3, from EL1 and EL0,
    /// and compares vector, the whole ESR_EL1, and FAR_EL1. The page beside them still reads.
    ///
    /// ```text
    ///   VA --> [L0] --> [L1] --> [L2] --> [L3]  0: no descriptor
    ///            walk stops here, level 3  ^
    ///          EL1: EC 0x25 (or 0x24), DFSC 0b000111, FAR = VA
    /// ```
    ///
    /// ISV is 0 and the fields beside it are 0: only aborts taken to EL2 describe the access. WnR
    /// wrong makes Linux treat a write as a read: it maps a copy-on-write page read-only, the store
    /// faults again, and so for ever. A level that is wrong is less visible but breaks whoever
    /// counts on it to free tables.
    "exception.data_translation": "data translation faults of levels 0 to 3: ESR level, WnR, FAR";
    reference: "DDI 0487: ESR_ELx, ISS for a Data Abort (DFSC 0b0001LL); FAR_EL1";
    needs: Needs::NONE;
    fn data_translation() {
        let (_window, page) = window(USER_DATA);
        for (level, va) in holes(page.va) {
            let status = FaultStatus::Translation(level);
            for el in [El::El1, El::El0] {
                check_data(load(el, va), el, va, status, false);
                check_data(store(el, va, 1), el, va, status, true);
            }
        }
        load(El::El1, page.va).value();
    }
}

case! {
    /// A fetch whose walk finds nothing is an instruction abort (EC 0x20 from EL0, 0x21 from EL1)
    /// with IFSC 0b0001LL. ELR_EL1 and FAR_EL1 both hold the address that could not be fetched: the
    /// branch itself is complete, so where it came from only the link register tells. There is no
    /// WnR here.
    ///
    /// The case branches to addresses that miss at each of the four levels, from EL1 and EL0, and
    /// compares ESR_EL1, FAR_EL1 and ELR_EL1.
    ///
    /// ```text
    ///   blr x0 (X30 set) --> fetch at x0: walk ends at level n
    ///                        EC 0x21, IFSC 0001LL, ELR = FAR = x0
    /// ```
    ///
    /// An emulator that translates ahead, block by block, is tempted to report the fault at the
    /// branch, or when it decodes and not when it executes: a block whose end runs into the next
    /// page must execute its first part before the fault comes. A demand-paged program faults like
    /// this at the start of every page of code; if ELR_EL1 is a few instructions early, they are
    /// executed twice.
    "exception.fetch_translation": "instruction translation faults of levels 0 to 3: ESR, FAR = ELR";
    reference: "DDI 0487: ESR_ELx, ISS for an Instruction Abort (IFSC 0b0001LL); FAR_EL1";
    needs: Needs::NONE;
    fn fetch_translation() {
        let (_window, page) = window(USER_CODE);
        for (level, va) in holes(page.va) {
            for el in [El::El1, El::El0] {
                check_fetch(el, va, FaultStatus::Translation(level));
            }
        }
    }
}

case! {
    /// TCR_EL1.T0SZ and T1SZ give each TTBR a region: one from address 0 up, one from the top down.
    /// An address in neither is not looked up at all. It is a translation fault of level 0,
    /// whatever level the tables would start at, for loads, stores and fetches alike.
    ///
    /// ```text
    ///   0 ......... 2^39 |  no region: level 0 fault  | 2^64 ...
    ///      TTBR0                                         TTBR1
    /// ```
    ///
    /// The case tries four addresses between the kernel's 39 bits and the (closed) upper region:
    /// just behind the end, just below 2^48, at 2^48 and far up; a load from EL1, a store from EL0,
    /// a fetch. ESR_EL1 and FAR_EL1 must have the address as it is, all 64 bits.
    ///
    /// An emulator that only masks the address to the size of the region wraps around: a wild
    /// pointer then reads some page of the kernel. That is what the hole between the regions is
    /// there to catch, for null-like pointers with a large offset and for corrupted ones.
    "exception.between_regions": "an address between TTBR0's and TTBR1's regions: level 0 fault";
    reference: "DDI 0487: AArch64.S1Translate, a VA outside the ranges of TCR_EL1.T0SZ and T1SZ";
    needs: Needs::NONE;
    fn between_regions() {
        for va in [1 << 39, 0x0000_ffff_ffff_fff8, 0x0001_0000_0000_0000, 0xfff0_0000_0000_0000] {
            check_data(load(El::El1, va), El::El1, va, FaultStatus::Translation(0), false);
            check_data(store(El::El0, va, 0), El::El0, va, FaultStatus::Translation(0), true);
            check_fetch(El::El1, va, FaultStatus::Translation(0));
        }
    }
}

case! {
    /// TCR_EL1.EPD1 = 1 turns off table walks for TTBR1's region: an address there that misses in
    /// the TLB is a translation fault of level 0, whatever the tables say. (EPD0 is the same for
    /// TTBR0.) It is how a kernel that has no tables for one half says so, instead of pointing TTBR
    /// at an empty page.
    ///
    /// The case loads through a mapped page, sets EPD1 and invalidates the TLB, wants the level 0
    /// fault with FAR_EL1, clears EPD1 and loads again.
    ///
    /// ```text
    ///   EPD1 = 0   VA --> walk by TTBR1_EL1 --> data
    ///   EPD1 = 1   VA --> no walk: DFSC 0b000100, level 0
    /// ```
    ///
    /// The bit works on a TLB miss, so without the invalidation old entries may still be used; that
    /// is why the case does not try that. A hypervisor that shadows the guest's tables sees writes
    /// of TCR_EL1 (it traps them by HCR_EL2.TVM) and must honour EPD1. If it walks all the same, a
    /// guest that switches an address space off during a context switch keeps using the old one,
    /// and reads another process's memory.
    "exception.walks_disabled": "TCR_EL1.EPD1 makes TTBR1's whole region a level 0 fault";
    reference: "DDI 0487: TCR_EL1.EPD1";
    needs: Needs::NONE;
    fn walks_disabled() {
        let (window, page) = window(DATA);
        load(El::El1, page.va).value();
        window.control(0, tcr::EPD1);
        check_data(load(El::El1, page.va), El::El1, page.va, FaultStatus::Translation(0), false);
        window.control(tcr::EPD1, 0);
        load(El::El1, page.va).value();
    }
}

/// Maps the memory around `page.pa` by one block or page of `level` with `attributes`, at
/// another entry of every level than the page's own; returns the address that means the page.
fn remap(window: &mut Window, page: Page, level: u8, attributes: u64) -> u64 {
    window.block(0x4000_0000_0000, page.pa, level, attributes)
}

case! {
    /// A translation that is there but does not allow the access is a permission fault, DFSC
    /// 0b0011LL, with the level of the block or page that was found: 1 for a block of 1 GiB, 2 for
    /// one of 2 MiB, 3 for a page. ISS.WnR says what was tried.
    ///
    /// The case maps the same memory by a block of each level and by a page, read-only and for EL1
    /// only. EL1 may load; EL1's store, and EL0's load and store, must fault with that level, and
    /// FAR_EL1 must be the address.
    ///
    /// ```text
    ///   AP 0b10 (read-only, EL1)     load     store
    ///   EL1                          ok       0b0011LL, WnR 1
    ///   EL0                          0b0011LL 0b0011LL, WnR 1
    /// ```
    ///
    /// Whether a fault is one of translation or of permission decides what a kernel does: fill the
    /// page in, or copy it on write. An engine that caches "not accessible" without the reason, or
    /// computes the level from the granule and not from where the walk ended, sends Linux down the
    /// wrong path, and the process gets SIGSEGV for a page that it owns.
    "exception.data_permission": "data permission faults of levels 1 to 3: write to read-only, EL0";
    reference: "DDI 0487: ESR_ELx, ISS for a Data Abort (DFSC 0b0011LL); AP[2:1]";
    needs: Needs::NONE;
    fn data_permission() {
        for level in 1..=3 {
            let (mut window, page) = window(DATA);
            let va = remap(&mut window, page, level, NORMAL | AF | AP_READ_ONLY | UXN | PXN);
            let status = FaultStatus::Permission(level);
            load(El::El1, va).value();
            check_data(store(El::El1, va, 1), El::El1, va, status, true);
            check_data(load(El::El0, va), El::El0, va, status, false);
            check_data(store(El::El0, va, 1), El::El0, va, status, true);
        }
    }
}

case! {
    /// Execute-never is a permission too: PXN forbids fetches at EL1, UXN at EL0. A fetch from such
    /// a page or block is an instruction abort with IFSC 0b0011LL and the level of the descriptor
    /// that was found. Data accesses to the same page go through.
    ///
    /// The case maps memory that both levels may read, with PXN and UXN, by a 1 GiB block, a 2 MiB
    /// block and a page. It loads from it, then branches to it, at EL1 and EL0, and wants the
    /// permission fault each time, with FAR_EL1 and ELR_EL1 at the target.
    ///
    /// ```text
    ///   ldr (fills the TLB)  ok
    ///   blr                  EC 0x21 or 0x20, IFSC 0011LL, ELR = FAR
    /// ```
    ///
    /// The load before the fetch is on purpose: it puts the translation into the TLB. A TLB entry
    /// that was made for data and is then used for a fetch without a look at its execute bits is an
    /// easy mistake in an emulator that keeps one cache for both. The guest would notice nothing
    /// until somebody jumps into a stack: no-execute protection would be silently gone.
    "exception.fetch_permission": "instruction permission faults of levels 1 to 3: PXN and UXN";
    reference: "DDI 0487: ESR_ELx, ISS for an Instruction Abort (IFSC 0b0011LL); PXN, UXN";
    needs: Needs::NONE;
    fn fetch_permission() {
        for level in 1..=3 {
            let (mut window, page) = window(DATA);
            let attributes = NORMAL | AF | AP_READ_ONLY | AP_EL0 | UXN | PXN;
            let va = remap(&mut window, page, level, attributes);
            for el in [El::El1, El::El0] {
                load(el, va).value();
                check_fetch(el, va, FaultStatus::Permission(level));
            }
        }
    }
}

case! {
    /// A valid block or page with AF = 0 faults on its first use, DFSC or IFSC 0b0010LL, so that
    /// software learns that it is used and sets the flag. It comes before the permission check, for
    /// loads, stores and fetches alike. With hardware management of the flag (FEAT_HAFDBS,
    /// TCR_EL1.HA) the PE would set it instead; here HA is 0.
    ///
    /// The case maps memory by a 1 GiB block, a 2 MiB block and a page, read-only, never
    /// executable, with AF = 0. A load, a store and a fetch must each give an access flag fault of
    /// that level, although the last two would not be permitted either.
    ///
    /// ```text
    ///   descriptor --> valid? --> size fits? --> AF set? --> permitted?
    ///                  0001LL     0000LL         0010LL      0011LL
    /// ```
    ///
    /// In the wrong order, a store to a fresh read-only page is reported as a permission fault;
    /// Linux then goes to copy-on-write for a page that nobody has touched, and its count of
    /// recently used pages is off.
    "exception.access_flag": "access flag faults of levels 1 to 3, before permission faults";
    reference: "DDI 0487: ESR_ELx, DFSC and IFSC 0b0010LL; AF; TCR_EL1.HA = 0";
    needs: Needs::NONE;
    fn access_flag() {
        for level in 1..=3 {
            let (mut window, page) = window(DATA);
            let va = remap(&mut window, page, level, NORMAL | AP_READ_ONLY | UXN | PXN);
            let status = FaultStatus::AccessFlag(level);
            check_data(load(El::El1, va), El::El1, va, status, false);
            check_data(store(El::El1, va, 1), El::El1, va, status, true);
            check_fetch(El::El1, va, status);
        }
    }
}

/// A window that translates to 32 bits of output address. The kernel's own must fit.
fn narrow_window() -> (Window, Page) {
    if machine::get().ram.end() > 1 << 32 {
        skip!("RAM reaches above 4 GiB, so TCR_EL1.IPS cannot be narrowed");
    }
    let (window, page) = window(DATA);
    window.control(tcr::IPS.mask(), tcr::IPS.put(0));
    (window, page)
}

case! {
    /// TCR_EL1.IPS limits the size of output addresses. A descriptor that holds one beyond it gives
    /// an address size fault, 0b0000LL, of the level whose descriptor holds it. This is true of a
    /// block or page as well as of a table's address.
    ///
    /// The case narrows IPS to 32 bits and puts bit 36 into a page, into blocks of levels 1 and 2,
    /// and into table descriptors of levels 0, 1 and 2. A load, and for blocks and pages also a
    /// store and a fetch, must fault with that level. It skips if RAM reaches above 4 GiB.
    ///
    /// ```text
    ///   L0 table --> L1 table or block --> L2 --> L3 page
    ///      any of them with an address beyond IPS: 0000LL of that level
    /// ```
    ///
    /// The guest never gets as far as stage 2. An engine that ignores IPS hands the address on, and
    /// stage 2 faults: the hypervisor looks for a device. A guest with a corrupted table entry then
    /// stops its whole VM instead of one process; one that masks the high bits makes two addresses
    /// out of one.
    "exception.address_size": "an output address beyond TCR_EL1.IPS: address size faults, levels 0-3";
    reference: "DDI 0487: ESR_ELx, DFSC and IFSC 0b0000LL; TCR_EL1.IPS";
    needs: Needs::NONE;
    fn address_size() {
        const TOO_LARGE: u64 = 1 << 36;
        for level in 1..=3 {
            let (mut window, page) = narrow_window();
            let va = remap(&mut window, page, level, NORMAL | AF | UXN | PXN | TOO_LARGE);
            let status = FaultStatus::AddressSize(level);
            check_data(load(El::El1, va), El::El1, va, status, false);
            check_data(store(El::El1, va, 1), El::El1, va, status, true);
            check_fetch(El::El1, va, status);
        }
        for level in 0..=2 {
            let (mut window, page) = narrow_window();
            let va = page.va ^ GRANULE.entry_size(level);
            window.tables.set(va, level, TOO_LARGE | TABLE_OR_PAGE | VALID);
            table::invalidate_all();
            check_data(load(El::El1, va), El::El1, va, FaultStatus::AddressSize(level), false);
        }
    }
}
