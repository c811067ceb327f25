//! What names a translation: all bits of an ASID, and the tables that led to it.

use core::arch::asm;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ID_AA64MMFR0_EL1, ID_AA64MMFR1_EL1, PAR_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AP_EL0, Granule, NG, TABLE_OR_PAGE, VALID};
use anyvisor_arch::tcr;
use tock_registers::interfaces::Readable;

use crate::access::{El, load, store};
use crate::mmu::DATA;
use crate::mmu::table::page;
use crate::mmu::window::Window;
use crate::{case, check_eq, skip};

/// ID_AA64MMFR0_EL1.ASIDBits: 0b0010 is 16 bits.
const ASID_BITS_SHIFT: u32 = 4;
/// ID_AA64MMFR1_EL1.PAN: 0b0010 and more have AT S1E1RP.
const PAN_SHIFT: u32 = 20;

/// Two pages of a window's memory that hold 1 and 2.
fn two_pages(window: &mut Window) -> [u64; 2] {
    [1, 2].map(|value| {
        let pa = window.tables.take(Granule::K4.size());
        store(El::El1, pa, value).value();
        pa
    })
}

case! {
    /// With TCR_EL1.AS = 1 an ASID has sixteen bits, if ID_AA64MMFR0_EL1.ASIDBits says so, and all
    /// of them tell address spaces apart. Linux hands out ASIDs in order, so a TLB that keeps eight
    /// bits works until the 257th process, which then sees the memory of the first.
    ///
    /// Here ASIDs 1 and 0x101 map one address to two pages, and each sees its own, time and again
    /// without a TLBI.
    "mmu.asid_wide": "ASIDs 0x001 and 0x101 with TCR_EL1.AS = 1: each sees its own page, without a TLBI";
    reference: "DDI 0487: TCR_EL1.AS; ID_AA64MMFR0_EL1.ASIDBits; TTBR1_EL1.ASID";
    needs: Needs::NONE;
    fn asid_wide() {
        if ID_AA64MMFR0_EL1.get() >> ASID_BITS_SHIFT & 0xf != 0b0010 {
            skip!("ID_AA64MMFR0_EL1.ASIDBits says 8 bits");
        }
        let mut window = Window::open(Granule::K4, 39);
        let pages = two_pages(&mut window);
        let va = window.base() + 0x7000;
        window.tables.map(va, pages[0], 3, DATA | NG);
        window.control(0, tcr::A1 | tcr::AS);
        let first = window.tables.root();
        let second = window.tables.new_root();
        window.tables.map(va, pages[1], 3, DATA | NG);
        for round in 0..3 {
            window.switch(first, 0x001);
            check_eq!(load(El::El1, va).value(), 1, "ASID 0x001's word, round {}", round);
            window.switch(second, 0x101);
            check_eq!(load(El::El1, va).value(), 2, "ASID 0x101's word, round {}", round);
        }
    }
}

case! {
    /// A TLB may keep more of a walk than its end: copies of table descriptors, so that the next
    /// walk starts further down. TLBI VAE1 drops them with the page; VALE1 need not (it is for a
    /// change of the last level alone).
    ///
    /// ```text
    ///   level 2 entry --> table A --> page 1        after TLBI VAE1:
    ///                 \-> table B --> page 2        the walk reads the entry again
    /// ```
    ///
    /// Here another table takes the place of one that was just used, and VAE1 and VAAE1 are told of
    /// a page below it. What keeps the old table writes into memory that the kernel has freed.
    "mmu.tlbi_tables": "another table in place of one in use: after TLBI VAE1 or VAAE1 of a page its pages are seen";
    reference: "DDI 0487: TLBI VAE1, TLBI VALE1; caching of translation table entries of any level";
    needs: Needs::NONE;
    fn tlbi_tables() {
        for all_asids in [false, true] {
            let mut window = Window::open(Granule::K4, 39);
            let pages = two_pages(&mut window);
            let va = window.base() + 0x20_7000;
            window.tables.map(va, pages[0], 3, DATA);
            let old = window.tables.get(va, 2);
            window.tables.set(va, 2, 0);
            // Builds a new table, as there is none any more.
            window.tables.map(va, pages[1], 3, DATA);
            let new = window.tables.get(va, 2);
            assert!(old != new && new & (VALID | TABLE_OR_PAGE) == VALID | TABLE_OR_PAGE);
            for round in 0..3 {
                for (table, word) in [(old, 1), (new, 2)] {
                    window.tables.set(va, 2, 0);
                    invalidate(va, all_asids);
                    window.tables.set(va, 2, table);
                    check_eq!(load(El::El1, va).value(), word, "the word, round {}", round);
                }
            }
        }
    }
}

/// TLBI VAAE1 or VAE1 (for ASID 0, which is the current one), and the barriers around it.
fn invalidate(va: u64, all_asids: bool) {
    let operand = page(va);
    // SAFETY: what is forgotten is read again from the tables.
    unsafe {
        match all_asids {
            true => asm!("dsb ishst", "tlbi vaae1, {}", "dsb ish", "isb", in(reg) operand,
                options(nostack)),
            false => asm!("dsb ishst", "tlbi vae1, {}", "dsb ish", "isb", in(reg) operand,
                options(nostack)),
        }
    }
}

case! {
    /// PSTATE.PAN keeps EL1's loads and stores from pages that EL0 may use, and a kernel that wants
    /// to know beforehand asks by AT. There are two kinds: S1E1R and S1E1W do not look at PAN,
    /// S1E1RP and S1E1WP (FEAT_PAN2) do. An emulator that has one operation for both tells a kernel
    /// that it may read what it may not.
    "mmu.at_pan": "AT S1E1RP and S1E1WP of EL0's page fail with PSTATE.PAN = 1 and pass without; S1E1R passes";
    reference: "DDI 0487: AT S1E1RP, AT S1E1WP; PSTATE.PAN; ID_AA64MMFR1_EL1.PAN (FEAT_PAN2)";
    needs: Needs::NONE;
    fn at_pan() {
        if ID_AA64MMFR1_EL1.get() >> PAN_SHIFT & 0xf < 2 {
            skip!("ID_AA64MMFR1_EL1.PAN says no FEAT_PAN2");
        }
        let mut window = Window::open(Granule::K4, 39);
        let users = window.page(0x4000, DATA | AP_EL0);
        let own = window.page(0x5000, DATA);
        macro_rules! at {
            ($operation:literal, $va:expr) => {{
                // SAFETY: PAN is set for the AT alone (by the number, which needs no extension of
                // the assembler), and an AT writes PAR_EL1 and nothing else. No memory is accessed.
                unsafe {
                    asm!(".inst 0xd500419f", $operation, ".inst 0xd500409f", "isb",
                        in("x0") $va, options(nostack));
                }
                PAR_EL1.get() & 1
            }};
        }
        // SYS #0, C7, C9, #0 and #1 are AT S1E1RP and S1E1WP.
        check_eq!(at!("sys #0, c7, c9, #0, x0", users.va), 1, "S1E1RP of EL0's page: PAR_EL1.F");
        check_eq!(at!("sys #0, c7, c9, #1, x0", users.va), 1, "S1E1WP of EL0's page: PAR_EL1.F");
        check_eq!(at!("sys #0, c7, c9, #0, x0", own.va), 0, "S1E1RP of EL1's page: PAR_EL1.F");
        check_eq!(at!("at s1e1r, x0", users.va), 0, "S1E1R of EL0's page: PAR_EL1.F");
        check_eq!(at!("at s1e1w, x0", users.va), 0, "S1E1W of EL0's page: PAR_EL1.F");
        // And without PAN.
        // SAFETY: as above.
        unsafe { asm!("sys #0, c7, c9, #0, {}", in(reg) users.va, options(nostack)) };
        barrier::isb(barrier::SY);
        check_eq!(PAR_EL1.get() & 1, 0, "S1E1RP with PSTATE.PAN = 0: PAR_EL1.F");
    }
}
