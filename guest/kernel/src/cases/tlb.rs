//! What the TLB may keep and what it must forget.
//!
//! The TLB is allowed to forget at any time, so the cases never check that an old translation
//! is still used; they check that it is not used where the manual forbids it.

use core::arch::asm;

use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, Granule, NG, PXN, UXN};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::tcr;

use crate::access::{El, data_abort, load, store};
use crate::mmu::table::{invalidate, page};
use crate::mmu::window::Window;
use crate::mmu::{DATA, NORMAL};
use crate::{case, check_eq};

const VA: u64 = 0x7000;

/// A window, and two pages that hold 1 and 2, the first of them mapped at `VA`.
fn two_pages(attributes: u64) -> (Window, u64, [u64; 2]) {
    let mut window = Window::open(Granule::K4, 39);
    let pages = [1, 2].map(|value| {
        let pa = window.tables.take(Granule::K4.size());
        store(El::El1, pa, value).value();
        pa
    });
    let va = window.base() + VA;
    window.tables.map(va, pages[0], 3, attributes);
    (window, va, pages)
}

case! {
    /// An entry that faults is never kept: neither an invalid descriptor nor one with AF = 0. So
    /// making it valid needs a barrier, but no TLBI.
    "mmu.faults_not_cached": "invalid to valid, and AF 0 to 1, need no TLBI";
    reference: "DDI 0487: TLB maintenance requirements; entries that fault are not cached";
    needs: Needs::NONE;
    fn faults_not_cached() {
        let (mut window, va, pages) = two_pages(DATA);
        let next = va + Granule::K4.size();
        load(El::El1, next).fault();
        window.tables.map(next, pages[1], 3, DATA & !AF);
        let status = FaultStatus::AccessFlag(3);
        let wanted = data_abort(El::El1, status, false);
        check_eq!(load(El::El1, next).fault().esr.0, wanted, "ESR_EL1 with AF = 0");
        window.tables.map(next, pages[1], 3, DATA);
        check_eq!(load(El::El1, next).value(), 2, "the word behind the new page");
    }
}

case! {
    /// After TLBI and DSB no access uses the old translation: not for reading (another page),
    /// not for writing (a page made read-only), not at all (a page taken away).
    "mmu.tlbi": "after TLBI, DSB, ISB: a new page, a read-only page, no page; at once";
    reference: "DDI 0487: TLBI VAAE1; ordering and completion of TLB maintenance instructions";
    needs: Needs::NONE;
    fn tlbi() {
        let (mut window, va, pages) = two_pages(DATA);
        check_eq!(load(El::El1, va).value(), 1, "the word behind the old page");
        store(El::El1, va + 8, 5).value();
        window.tables.set(va, 3, 0);
        invalidate(va);
        window.tables.map(va, pages[1], 3, DATA);
        check_eq!(load(El::El1, va).value(), 2, "the word behind the new page");
        window.tables.map(va, pages[1], 3, NORMAL | AF | AP_READ_ONLY | PXN | UXN);
        invalidate(va);
        let wanted = data_abort(El::El1, FaultStatus::Permission(3), true);
        check_eq!(store(El::El1, va, 7).fault().esr.0, wanted, "ESR_EL1 of a store to read-only");
        window.tables.set(va, 3, 0);
        invalidate(va);
        let wanted = data_abort(El::El1, FaultStatus::Translation(3), false);
        check_eq!(load(El::El1, va).fault().esr.0, wanted, "ESR_EL1 of a load from nothing");
    }
}

/// One form of TLBI: its name, the instruction with the barriers around it, and how its operand
/// is made of address and ASID.
struct Form {
    name: &'static str,
    run: fn(operand: u64),
    operand: fn(va: u64, asid: u64) -> u64,
}

macro_rules! form {
    ($name:literal) => {
        Form {
            name: $name,
            // SAFETY: what is forgotten is read again from the tables.
            run: |_| unsafe {
                asm!("dsb ishst", concat!("tlbi ", $name), "dsb ish", "isb", options(nostack));
            },
            operand: |_, _| 0,
        }
    };
    ($name:literal, $operand:expr) => {
        Form {
            name: $name,
            // SAFETY: as above.
            run: |operand| unsafe {
                asm!("dsb ishst", concat!("tlbi ", $name, ", {}"), "dsb ish", "isb",
                    in(reg) operand, options(nostack));
            },
            operand: $operand,
        }
    };
}

fn by_asid(_va: u64, asid: u64) -> u64 {
    asid << 48
}

fn by_address(va: u64, asid: u64) -> u64 {
    page(va) | asid << 48
}

fn by_address_of_all(va: u64, _asid: u64) -> u64 {
    page(va)
}

static FORMS: [Form; 12] = [
    form!("vmalle1"),
    form!("vmalle1is"),
    form!("aside1", by_asid),
    form!("aside1is", by_asid),
    form!("vae1", by_address),
    form!("vae1is", by_address),
    form!("vale1", by_address),
    form!("vale1is", by_address),
    form!("vaae1", by_address_of_all),
    form!("vaae1is", by_address_of_all),
    form!("vaale1", by_address_of_all),
    form!("vaale1is", by_address_of_all),
];

case! {
    /// Every TLBI of EL1, on this PE and broadcast (IS): by address and ASID, by address, by
    /// ASID, everything; "last level" forms reach the page's own entry.
    "mmu.tlbi_forms": "VAE1, VAAE1, VALE1, VAALE1, ASIDE1, VMALLE1 and their IS forms all work";
    reference: "DDI 0487: TLBI VAE1, VAAE1, VALE1, VAALE1, ASIDE1, VMALLE1, and IS";
    needs: Needs::NONE;
    fn tlbi_forms() {
        const ASID: u64 = 3;
        for form in &FORMS {
            let (mut window, va, _) = two_pages(DATA | NG);
            window.control(0, tcr::A1); // the ASID is TTBR1's
            window.switch(window.tables.root(), ASID);
            check_eq!(load(El::El1, va).value(), 1, "the word before {}", form.name);
            window.tables.set(va, 3, 0);
            (form.run)((form.operand)(va, ASID));
            let wanted = data_abort(El::El1, FaultStatus::Translation(3), false);
            check_eq!(load(El::El1, va).fault().esr.0, wanted, "ESR_EL1 after {}", form.name);
        }
    }
}

case! {
    /// Splitting a block into pages: break (invalid), TLBI, make. Without the break the TLB
    /// could hold the block and a page for one address.
    "mmu.break_before_make": "a 2 MiB block is broken into pages of other permissions and places";
    reference: "DDI 0487: using break-before-make when updating translation table entries";
    needs: Needs::NONE;
    fn break_before_make() {
        let (mut window, _, pages) = two_pages(DATA);
        let va = window.block(1 << 32, pages[0], 2, DATA);
        check_eq!(load(El::El1, va).value(), 1, "the word by the block");
        window.tables.set(va, 2, 0);
        invalidate(va);
        let wanted = data_abort(El::El1, FaultStatus::Translation(2), false);
        check_eq!(load(El::El1, va).fault().esr.0, wanted, "ESR_EL1 while broken");
        window.tables.map(va, pages[1], 3, NORMAL | AF | AP_READ_ONLY | PXN | UXN);
        check_eq!(load(El::El1, va).value(), 2, "the word by the page");
        let wanted = data_abort(El::El1, FaultStatus::Permission(3), true);
        check_eq!(store(El::El1, va, 0).fault().esr.0, wanted, "ESR_EL1 of a store to the page");
        load(El::El1, va + Granule::K4.size()).fault();
    }
}

case! {
    /// TLBI by address means the translation of that address, and that is all of its block: after
    /// it no other address of the block may use the old one either.
    "mmu.tlbi_block": "TLBI of one address in a 2 MiB block forgets all of the block";
    reference: "DDI 0487: TLBI VAAE1, entries that translate the specified address";
    needs: Needs::NONE;
    fn tlbi_block() {
        let (mut window, _, pages) = two_pages(DATA);
        let va = window.block(1 << 32, pages[0], 2, DATA);
        let others = [0, 0x1000, 0x5000, 0x2_0008, 0x8_0010].map(|offset| va + offset);
        for other in others {
            load(El::El1, other).value();
        }
        window.tables.set(va, 2, 0);
        invalidate(others[2]);
        let wanted = data_abort(El::El1, FaultStatus::Translation(2), false);
        for other in others {
            check_eq!(load(El::El1, other).fault().esr.0, wanted, "ESR_EL1 at {:#x}", other);
        }
    }
}

case! {
    /// A non-global entry belongs to the ASID it was made for. Two address spaces have other
    /// pages at the same address; switching is a write to TTBR, and no TLBI.
    "mmu.asid": "two ASIDs, two tables, one address: each sees its own page without TLBI";
    reference: "DDI 0487: TTBR1_EL1.ASID, TCR_EL1.A1; the nG bit";
    needs: Needs::NONE;
    fn asid() {
        let (mut window, va, pages) = two_pages(DATA | NG);
        window.control(0, tcr::A1);
        let first = window.tables.root();
        let second = window.tables.new_root();
        window.tables.map(va, pages[1], 3, DATA | NG);
        for round in 0..3 {
            window.switch(first, 1);
            check_eq!(load(El::El1, va).value(), 1, "ASID 1's word, round {}", round);
            window.switch(second, 2);
            check_eq!(load(El::El1, va).value(), 2, "ASID 2's word, round {}", round);
        }
    }
}

case! {
    /// TLBI ASIDE1 forgets one ASID. What is checked is that it does forget that one, when the
    /// other is current: ASID 1's page is taken away while ASID 2 runs.
    "mmu.tlbi_other_asid": "TLBI ASIDE1 of an ASID that is not the current one";
    reference: "DDI 0487: TLBI ASIDE1";
    needs: Needs::NONE;
    fn tlbi_other_asid() {
        let (mut window, va, pages) = two_pages(DATA | NG);
        window.control(0, tcr::A1);
        let first = window.tables.root();
        window.switch(first, 1);
        check_eq!(load(El::El1, va).value(), 1, "ASID 1's word");
        window.tables.set(va, 3, 0);
        let second = window.tables.new_root();
        window.tables.map(va, pages[1], 3, DATA | NG);
        window.switch(second, 2);
        check_eq!(load(El::El1, va).value(), 2, "ASID 2's word");
        // SAFETY: what is forgotten is read again from the tables.
        unsafe {
            asm!("dsb ishst", "tlbi aside1, {}", "dsb ish", "isb", in(reg) 1_u64 << 48,
                options(nostack));
        }
        window.switch(first, 1);
        load(El::El1, va).fault();
        window.switch(second, 2);
        check_eq!(load(El::El1, va).value(), 2, "ASID 2's word after ASID 1 is gone");
    }
}
