//! Aborts of stage 1: every kind of fault at every level that has it, for loads, stores and
//! fetches, from EL1 and EL0.
//!
//! The window is 48 bits of 4 KiB granule, so that a walk starts at level 0. One page is mapped;
//! what is near it shares its tables down to some level, and faults there:
//!
//! ```text
//!   page + 4 KiB     tables of levels 0 1 2 3 exist, the level 3 entry is invalid
//!   page + 2 MiB     the level 2 entry is invalid
//!   page + 1 GiB     the level 1 entry is invalid
//!   page + 512 GiB   the level 0 entry is invalid
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
    /// A load or store whose walk meets an invalid descriptor: a translation fault of the level
    /// where it stood. FAR holds the address in full, ISS.WnR tells a store from a load.
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
    /// The same for a fetch: ELR and FAR both hold the address that could not be fetched, so the
    /// link register is what tells where the branch came from.
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
    /// An address that neither TTBR covers, between the two regions, is not looked up at all:
    /// a translation fault of level 0.
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
    /// TCR_EL1.EPD1 turns off the walks of TTBR1: a translation fault of level 0 for all of its
    /// region, whatever the tables say.
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
    /// A translation that is there but does not allow the access: a permission fault of the
    /// level of the block or page. Level 1 is a block of 1 GiB, level 2 one of 2 MiB.
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
    /// Execute-never is a permission too: PXN for EL1, UXN for EL0.
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
    /// A valid block or page with AF = 0 faults on its first use, so that software learns that
    /// it is used. It comes before the permission check, and from loads, stores and fetches.
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
    /// An output address with bits above TCR_EL1.IPS: an address size fault of the level whose
    /// descriptor holds it, a block's or page's as well as a table's.
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
