//! Stage 1 of the MMU: granules, region sizes, block sizes, tags.

use core::arch::asm;

use aarch64_cpu::registers::PAR_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_EL0, AP_READ_ONLY, CONTIGUOUS, Granule, PXN, UXN};
use anyvisor_arch::esr::{Esr, ExceptionClass, FaultStatus};
use anyvisor_arch::tcr;
use tock_registers::interfaces::Readable;

use crate::access::{El, data_abort, fetch, load, store, write_code};
use crate::mmu::window::{Window, is_supported};
use crate::mmu::{DATA, NORMAL};
use crate::trap::{After, catch};
use crate::user::EL1H_MASKED;
use crate::{case, check_eq, image, skip};

/// The instruction BRK #0.
const BRK: u32 = 0xd420_0000;

const PATTERN: u64 = 0x0123_4567_89ab_cdef;

/// Walks of `granule` from every level that a walk can start at.
fn walks(granule: Granule) {
    if !is_supported(granule) {
        skip!("ID_AA64MMFR0_EL1 says no {granule:?} granule");
    }
    for va_bits in [48, 47, 42, 39, 36, 33, 30, 28, 25] {
        let mut window = Window::open(granule, va_bits);
        // The region's last page, so that every bit of every index is set.
        let last = (1 << va_bits) - granule.size();
        let page = window.page(last, DATA);
        store(El::El1, page.va + 0x40, PATTERN + u64::from(va_bits)).value();
        let own = load(El::El1, page.pa + 0x40).value();
        check_eq!(own, PATTERN + u64::from(va_bits), "the page's word ({} bits)", va_bits);
        let next_to_it = page.va - granule.size();
        if window.tables.start_level() < 3 {
            let fault = load(El::El1, next_to_it).fault();
            let wanted = data_abort(El::El1, FaultStatus::Translation(3), false);
            check_eq!(fault.esr.0, wanted, "ESR_EL1 next to it ({} bits)", va_bits);
        }
        // The region ends where T1SZ says: an address below it is in no region.
        let below = window.base() - 8;
        let wanted = data_abort(El::El1, FaultStatus::Translation(0), false);
        check_eq!(load(El::El1, below).fault().esr.0, wanted, "ESR_EL1 below {} bits", va_bits);
    }
}

case! {
    /// 4 KiB pages: a level resolves 9 bits, a walk starts at level 0 (48 to 40 bits), 1 (39 to
    /// 31) or 2 (30 to 25).
    "mmu.granule_4k": "4 KiB granule: walks of 25 to 48 bits reach the right page, and end";
    reference: "DDI 0487: TCR_EL1.TG1, T1SZ; VMSAv8-64 lookup levels; ID_AA64MMFR0_EL1.TGran4";
    needs: Needs::NONE;
    fn granule_4k() {
        walks(Granule::K4);
    }
}

case! {
    /// 16 KiB pages: a level resolves 11 bits; of level 0 only one bit is left (48 bits).
    "mmu.granule_16k": "16 KiB granule: walks of 25 to 48 bits reach the right page, and end";
    reference: "DDI 0487: TCR_EL1.TG1, T1SZ; VMSAv8-64 lookup levels; ID_AA64MMFR0_EL1.TGran16";
    needs: Needs::NONE;
    fn granule_16k() {
        walks(Granule::K16);
    }
}

case! {
    /// 64 KiB pages: a level resolves 13 bits; there is no level 0.
    "mmu.granule_64k": "64 KiB granule: walks of 25 to 48 bits reach the right page, and end";
    reference: "DDI 0487: TCR_EL1.TG1, T1SZ; VMSAv8-64 lookup levels; ID_AA64MMFR0_EL1.TGran64";
    needs: Needs::NONE;
    fn granule_64k() {
        walks(Granule::K64);
    }
}

case! {
    /// A descriptor above level 3 may map a block: 1 GiB and 2 MiB with 4 KiB pages, 32 MiB with
    /// 16 KiB, 512 MiB with 64 KiB. All address bits below the block's size are the offset.
    "mmu.blocks": "blocks of 1 GiB, 2 MiB, 32 MiB, 512 MiB translate to the right byte";
    reference: "DDI 0487: VMSAv8-64 block descriptors; output address bits [47:n]";
    needs: Needs::NONE;
    fn blocks() {
        for granule in Granule::ALL.into_iter().filter(|g| is_supported(*g)) {
            for level in (1..=2).filter(|level| granule.has_block(*level)) {
                let mut window = Window::open(granule, 48);
                let page = window.page(0, DATA);
                let size = granule.entry_size(level);
                let va = window.block(1 << 46, page.pa, level, DATA);
                let value = PATTERN ^ size;
                store(El::El1, va + 0x388, value).value();
                let own = load(El::El1, page.pa + 0x388).value();
                check_eq!(own, value, "the word of a {:?} block of level {}", granule, level);
                let beyond = (va | (size - 1)) + 1;
                let fault = load(El::El1, beyond).fault();
                let wanted = data_abort(El::El1, FaultStatus::Translation(level), false);
                check_eq!(fault.esr.0, wanted, "ESR_EL1 beyond a {:?} block", granule);
            }
        }
    }
}

case! {
    /// The Contiguous bit lets one TLB entry hold a run of pages (16 with 4 KiB). It is a hint:
    /// the pages must translate as they would without it.
    "mmu.contiguous": "16 pages with the Contiguous bit translate as they do without it";
    reference: "DDI 0487: the Contiguous bit of VMSAv8-64 descriptors";
    needs: Needs::NONE;
    fn contiguous() {
        let granule = Granule::K4;
        let mut window = Window::open(granule, 39);
        let (count, size) = (granule.contiguous(3), granule.size());
        let pa = window.tables.take(count * size); // aligned to the run, as the run must be
        let va = window.base() + 0x40_0000;
        for n in 0..count {
            window.tables.map(va + n * size, pa + n * size, 3, DATA | CONTIGUOUS);
        }
        for n in 0..count {
            store(El::El1, va + n * size + 8, PATTERN + n).value();
        }
        for n in (0..count).rev() {
            check_eq!(load(El::El1, pa + n * size + 8).value(), PATTERN + n, "word of page {}", n);
            check_eq!(load(El::El1, va + n * size + 8).value(), PATTERN + n, "word at page {}", n);
        }
    }
}

case! {
    /// With TCR_EL1.TBI1 the top byte of an address in TTBR1's region is software's: loads and
    /// stores ignore it, bit 55 alone says which TTBR. Without it such an address faults.
    "mmu.tbi": "TCR_EL1.TBI1: the top byte of a data address is ignored; without it level 0 fault";
    reference: "DDI 0487: TCR_EL1.TBI1; address tagging";
    needs: Needs::NONE;
    fn tbi() {
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x5000, DATA);
        let tagged = page.va & !(0xff << 56) | 0x5a << 56;
        let fault = store(El::El1, tagged, 1).fault();
        let wanted = data_abort(El::El1, FaultStatus::Translation(0), true);
        check_eq!(fault.esr.0, wanted, "ESR_EL1 with TBI1 = 0");
        window.control(0, tcr::TBI1);
        store(El::El1, tagged, PATTERN).value();
        check_eq!(load(El::El1, page.pa).value(), PATTERN, "the page's word");
        check_eq!(load(El::El1, page.va & !(1 << 60)).value(), PATTERN, "the word by another tag");
        window.control(tcr::TBI1, 0);
        load(El::El1, tagged).fault();
    }
}

case! {
    /// A branch to a tagged address does not take the tag into PC: it becomes copies of bit 55,
    /// so that ELR and the link register hold plain addresses.
    "mmu.tbi_branch": "a branch to a tagged address: PC gets bit 55 in its top byte";
    reference: "DDI 0487: AArch64.BranchAddr; TCR_EL1.TBI1, TBID1";
    needs: Needs::NONE;
    fn tbi_branch() {
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x5000, NORMAL | AF | AP_READ_ONLY | UXN);
        write_code(page.pa, BRK);
        window.control(0, tcr::TBI1);
        let tagged = page.va & !(0xff << 56) | 0x12 << 56;
        let trap = fetch(El::El1, tagged).fault();
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Brk, 0).0, "ESR_EL1");
        check_eq!(trap.elr, page.va, "ELR_EL1");
    }
}

case! {
    /// ERET is a branch too: ELR may hold a tagged address, PC does not.
    "mmu.tbi_eret": "ERET to a tagged address: PC gets bit 55 in its top byte";
    reference: "DDI 0487: AArch64.ExceptionReturn, AArch64.BranchAddr; TCR_EL1.TBI1";
    needs: Needs::NONE;
    fn tbi_eret() {
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x5000, NORMAL | AF | AP_READ_ONLY | UXN);
        write_code(page.pa, BRK);
        window.control(0, tcr::TBI1);
        let tagged = page.va & !(0xff << 56) | 0x34 << 56;
        let trap = catch(After::Link, || {
            // SAFETY: goes to the page, whose BRK is announced; its handler comes back by X30.
            unsafe {
                asm!(
                    "adr x30, 2f",
                    "msr elr_el1, {tagged}",
                    "msr spsr_el1, {spsr}",
                    "eret",
                    "2:",
                    tagged = in(reg) tagged,
                    spsr = in(reg) EL1H_MASKED,
                    out("x30") _,
                );
            }
        });
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Brk, 0).0, "ESR_EL1");
        check_eq!(trap.elr, page.va, "ELR_EL1");
    }
}

/// PAR_EL1 after an AT instruction.
macro_rules! translate {
    ($operation:literal, $va:expr) => {{
        // SAFETY: only writes PAR_EL1.
        unsafe { asm!(concat!("at ", $operation, ", {}"), "isb", in(reg) $va, options(nostack)) };
        PAR_EL1.get()
    }};
}

case! {
    /// AT asks the MMU without an access: PAR_EL1 gets the output address, or F = 1 and the
    /// fault status. S1E0 asks as EL0 would, S1E1W for a write.
    "mmu.address_translate": "AT S1E1R, S1E1W, S1E0R, S1E0W: PAR_EL1 has the address or the fault";
    reference: "DDI 0487: AT S1E1R, AT S1E0W; PAR_EL1.F, PA, FST";
    needs: Needs::NONE;
    fn address_translate() {
        let mut window = Window::open(Granule::K4, 48);
        let kernel = window.page(0x1000, DATA);
        let shared = window.page(0x2000, NORMAL | AF | AP_EL0 | AP_READ_ONLY | UXN | PXN);
        let (hole, pa) = (window.base() + 0x3000, 0x0000_ffff_ffff_f000);
        let fault = |status: FaultStatus| 1 | u64::from(status.code()) << 1;
        let (f_and_fst, f) = (0x7f, 1);
        check_eq!(translate!("s1e1r", kernel.va + 0x123) & (pa | f), kernel.pa, "S1E1R");
        check_eq!(translate!("s1e1w", kernel.va) & (pa | f), kernel.pa, "S1E1W");
        check_eq!(translate!("s1e0r", shared.va) & (pa | f), shared.pa, "S1E0R");
        let denied = fault(FaultStatus::Permission(3));
        check_eq!(translate!("s1e0r", kernel.va) & f_and_fst, denied, "S1E0R of EL1's page");
        check_eq!(translate!("s1e1w", shared.va) & f_and_fst, denied, "S1E1W of a read-only page");
        check_eq!(translate!("s1e0w", shared.va) & f_and_fst, denied, "S1E0W of a read-only page");
        let missing = fault(FaultStatus::Translation(3));
        check_eq!(translate!("s1e1r", hole) & f_and_fst, missing, "S1E1R of a hole");
    }
}

case! {
    /// The kernel keeps W^X for itself: its code cannot be written, its data not executed, and
    /// the page below its stack is not there.
    "mmu.kernel_map": "the kernel's own map: code not writable, data not executable, stack guarded";
    reference: "DDI 0487: AP[2:1], PXN; this kernel's mmu.rs";
    needs: Needs::NONE;
    fn kernel_map() {
        let code = image::text().start + 64;
        let fault = store(El::El1, code, 0).fault();
        let wanted = data_abort(El::El1, FaultStatus::Permission(3), true);
        check_eq!(fault.esr.0, wanted, "ESR_EL1 of a store to code");
        let constants = image::relro().start;
        check_eq!(store(El::El1, constants, 0).fault().esr.0, wanted, "of a store to constants");
        let data = image::arena().start;
        write_code(data, crate::access::RET);
        let trap = fetch(El::El1, data).fault();
        assert!(trap.esr.instruction_abort().is_some(), "a fetch from data: {}", trap.esr);
        let fault = load(El::El1, image::stack_guard().start).fault();
        let wanted = data_abort(El::El1, FaultStatus::Translation(3), false);
        check_eq!(fault.esr.0, wanted, "ESR_EL1 of the guard page");
        // EL0 sees none of it.
        assert!(!load(El::El0, code).is_allowed() && !load(El::El0, data).is_allowed());
        // The user page is EL0's to execute and nobody's to write.
        let user = image::user_text().start;
        store(El::El1, user, 0).fault();
        let trap = catch(After::Link, || {
            // SAFETY: the fetch faults, as PXN says, and the handler returns for it.
            unsafe { asm!("blr {}", in(reg) user, out("x30") _) }
        });
        assert!(trap.esr.instruction_abort().is_some(), "EL1 executes EL0's page: {}", trap.esr);
    }
}
