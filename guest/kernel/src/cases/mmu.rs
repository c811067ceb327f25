//! Stage 1 of the MMU: granules, region sizes, block sizes, tags.
//!
//! With stage 2 in hardware these are the guest's registers and the guest's tables, and a
//! hypervisor stays out of the way: it switches TTBR0_EL1, TTBR1_EL1, TCR_EL1, MAIR_EL1 and
//! SCTLR_EL1 with the vCPU, and the PE walks. An emulator, a hypervisor with shadow tables, and a
//! debugger that reads a guest's memory by virtual address have to repeat the walk in software.
//! These cases are for them.
//!
//! ```text
//!   VA --[stage 1: TTBR, TCR; the guest's]--> IPA --[stage 2: VTTBR]--> PA
//! ```

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
    /// With 4 KiB pages a table holds 512 descriptors, so a level resolves 9 bits. TCR_EL1.T1SZ
    /// says how large the region is, and with that where a walk starts: at level 0 for 48 to 40
    /// bits, 1 for 39 to 31, 2 for 30 to 25. The first table may be shorter than a page.
    ///
    /// The case opens regions of nine sizes from 48 to 25 bits. In each it maps the region's last
    /// page, so that every bit of every index is set, stores through it and reads the page at its
    /// own address. The page next to it must miss at level 3, and an address just below the region
    /// must be a level 0 fault.
    ///
    /// ```text
    ///   47:39   38:30   29:21   20:12   11:0
    ///   L0      L1      L2      L3      offset
    /// ```
    ///
    /// A software walker that always begins at level 0, or computes the width of the first index
    /// from the granule, works for Linux's usual 48 bits and fails for kernels built with 39. One
    /// that forgets the region's end finds pages for addresses that have none.
    "mmu.granule_4k": "4 KiB granule: walks of 25 to 48 bits reach the right page, and end";
    reference: "DDI 0487: TCR_EL1.TG1, T1SZ; VMSAv8-64 lookup levels; ID_AA64MMFR0_EL1.TGran4";
    needs: Needs::NONE;
    fn granule_4k() {
        walks(Granule::K4);
    }
}

case! {
    /// With 16 KiB pages a table holds 2048 descriptors and a level resolves 11 bits; the page
    /// offset has 14. For 48 bits a single bit is left for level 0, so its table has two entries. A
    /// region of 47 to 37 bits starts at level 1, of 36 to 26 at level 2, and of 25 bits the walk
    /// is level 3 alone.
    ///
    /// The case does what `mmu.granule_4k` does, with TCR_EL1.TG1 for 16 KiB: nine sizes, last
    /// page, its neighbour (where the walk has more than one level), and the region's end. It skips
    /// where ID_AA64MMFR0_EL1.TGran16 says that there is no such granule.
    ///
    /// ```text
    ///   47   46:36   35:25   24:14   13:0
    ///   L0   L1      L2      L3      offset
    /// ```
    ///
    /// This is the granule of Apple's systems, and the one that x86 habits break: masks of 0xfff, a
    /// first table assumed to be full, TG0 and TG1 thought to have the same encoding (they have
    /// not: 16 KiB is 0b10 in TG0 and 0b01 in TG1). A debugger that walks so shows nothing of such
    /// a guest's memory.
    "mmu.granule_16k": "16 KiB granule: walks of 25 to 48 bits reach the right page, and end";
    reference: "DDI 0487: TCR_EL1.TG1, T1SZ; VMSAv8-64 lookup levels; ID_AA64MMFR0_EL1.TGran16";
    needs: Needs::NONE;
    fn granule_16k() {
        walks(Granule::K16);
    }
}

case! {
    /// With 64 KiB pages a table holds 8192 descriptors and a level resolves 13 bits; the offset
    /// has 16. There is no level 0: 48 to 43 bits start at level 1 with at most 64 entries, 42 to
    /// 30 at level 2, 29 to 25 at level 3 alone.
    ///
    /// The case does what `mmu.granule_4k` does with TG1 for 64 KiB, and skips where
    /// ID_AA64MMFR0_EL1.TGran64 is 0b1111.
    ///
    /// ```text
    ///   47:42   41:29   28:16   15:0
    ///   L1      L2      L3      offset
    /// ```
    ///
    /// Server distributions have shipped 64 KiB kernels for years, so a hypervisor meets them. Its
    /// own granule need not be the guest's: with 4 KiB at stage 2, one guest page is sixteen of the
    /// hypervisor's, and each may have other permissions. An emulator whose TLB caches the guest's
    /// 64 KiB as one entry then misses a stage-2 change in the middle of it: dirty logging loses
    /// writes, and a migrated guest has stale pages.
    "mmu.granule_64k": "64 KiB granule: walks of 25 to 48 bits reach the right page, and end";
    reference: "DDI 0487: TCR_EL1.TG1, T1SZ; VMSAv8-64 lookup levels; ID_AA64MMFR0_EL1.TGran64";
    needs: Needs::NONE;
    fn granule_64k() {
        walks(Granule::K64);
    }
}

case! {
    /// A descriptor above level 3 may map a block instead of pointing to a table: bits 1:0 are
    /// 0b01. With 4 KiB pages blocks are 1 GiB (level 1) and 2 MiB (level 2), with 16 KiB 32 MiB
    /// (level 2), with 64 KiB 512 MiB (level 2). All address bits below the block's size are the
    /// offset; output address bits above it come from the descriptor.
    ///
    /// The case maps a page's memory by each kind of block that the PE's granules have, stores
    /// through it, reads the page itself, and wants a translation fault of the same level behind
    /// the block's end.
    ///
    /// ```text
    ///   level 2, 4 KiB    VA 20:0  --------------+
    ///   descriptor 47:21 --> PA 47:21 | PA 20:0 <+
    /// ```
    ///
    /// Linux maps by blocks wherever it can, so a walker without them fails at once; one with the
    /// wrong mask for 16 or 64 KiB does not until such a kernel comes. A hypervisor that breaks its
    /// own blocks for dirty logging must not let that show here: the guest's block stays one.
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
    /// The Contiguous bit says that a run of neighbouring descriptors (16 at level 3 with 4 KiB)
    /// maps one aligned run of memory with the same attributes, so that a TLB may hold it as one
    /// entry. It is a hint: the pages must translate as they would without it.
    ///
    /// The case maps 16 pages with the bit, memory and address both aligned to the run, stores a
    /// different word through each, and reads them back backwards, by the window and at their own
    /// addresses.
    ///
    /// ```text
    ///   L3 table   [n] C  [n+1] C  ...  [n+15] C
    ///   TLB        one entry of 64 KiB, or sixteen: software cannot tell
    /// ```
    ///
    /// A PE may ignore it, and an emulator had better do so. Where one TLB entry is made of the
    /// run, three things go wrong easily: the offset within the run is lost (all pages show the
    /// first), the run is taken from where the access was and not from its aligned start, and TLBI
    /// of one page leaves the other fifteen. Linux uses the bit for hugetlb pages and for its own
    /// mapping of memory.
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
    /// With TCR_EL1.TBI1 = 1 the top byte of an address in TTBR1's region is software's: loads and
    /// stores ignore bits 63:56, and bit 55 alone says which TTBR translates. With TBI1 = 0 such an
    /// address is in no region: a translation fault of level 0.
    ///
    /// The case stores through an address with 0x5a in its top byte. Without TBI1 it must fault;
    /// with it the store must reach the page, which then reads by another tag as well; and without
    /// it again it must fault.
    ///
    /// ```text
    ///   63:56   55   54:39        38:0
    ///   tag     1    must be 1s   offset in a 2^39 region
    ///           +--> TTBR1
    /// ```
    ///
    /// The PE does it. Whoever takes a guest's virtual address out of FAR_EL2 or a register and
    /// walks or compares it, an emulator's TLB above all, must strip the tag first or it sees two
    /// addresses for one page. A TLB that is looked up by the tagged address misses invalidations
    /// made with another tag: stale translations under kernels with tag-based KASAN or MTE, which
    /// tag pointers everywhere.
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
    /// A branch to a tagged address does not take the tag into PC. AArch64.BranchAddr replaces the
    /// top byte by copies of bit 55 where TBI is on for the region, so that PC, ELR_EL1 and X30
    /// hold plain addresses. (With FEAT_PAuth, TCR_EL1.TBID1 can take instructions out of it; it is
    /// 0 here.)
    ///
    /// The case puts BRK on a page, calls it by an address with 0x12 as its top byte, and wants the
    /// BRK's exception with ELR_EL1 equal to the untagged address.
    ///
    /// ```text
    ///   blr 0x12ff_ff80_....   -->   PC = 0xffff_ff80_....
    ///                                      BRK: ELR = PC
    /// ```
    ///
    /// If the tag stays in PC, everything seems to work, for the fetch ignores it. But return
    /// addresses in stack frames are tagged, ADR computes tagged addresses, a kernel finds no
    /// symbol or exception table entry for its ELR_EL1, and Linux panics at the first fault that it
    /// would have fixed up. A breakpoint at the address does not match either.
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
    /// ERET is a branch too: ELR_EL1 may hold a tagged address, and PC does not get the tag. The
    /// rule is that of `mmu.tbi_branch`, but the code path is another one
    /// (AArch64.ExceptionReturn), so an implementation may have one right and not the other. What
    /// decides is the translation regime that is returned to.
    ///
    /// The case returns by ERET, from EL1 to EL1, to an address with 0x34 as its top byte, where a
    /// BRK stands. ELR_EL1 in the BRK's frame must be the plain address.
    ///
    /// ```text
    ///   ELR_EL1 = 0x34ff_ff80_....   ERET -->  PC = 0xffff_ff80_....
    /// ```
    ///
    /// The hypervisor has the same at its own ERET: ELR_EL2 may carry what a guest had in a
    /// register, and the PE cleans it by the guest's TBI bits. An emulator that loads PC from ELR
    /// as it stands shows the difference only for guests that tag function pointers; a debugger
    /// attached to the vCPU then reports a PC in nowhere.
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
    /// AT asks the MMU without an access: PAR_EL1 gets the output address, or F = 1 and the fault
    /// status in FST. The name says for whom: S1E1R as EL1 for a read, S1E1W for a write, S1E0R and
    /// S1E0W as EL0. No exception is taken for a fault of stage 1.
    ///
    /// The case asks for a kernel's page, for one that EL0 may only read, and for a hole, by all
    /// four forms, and compares address or status: permission for what is not allowed, translation
    /// fault of level 3 for the hole.
    ///
    /// ```text
    ///   at s1e0w, x0 --> walk, permissions of EL0, write --> PAR_EL1
    ///                                             F=1 | FST << 1
    /// ```
    ///
    /// Stage 1 forms yield the IPA and need no help from EL2. The result stands in a register, so a
    /// hypervisor that takes an exit between AT and the read of PAR_EL1 must save and restore
    /// PAR_EL1 (KVM did once forget it). Linux uses AT on a fault to tell a spurious one from a
    /// real one: with a wrong PAR it loops or panics.
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
    /// This case is about this kernel more than about a rule: it keeps W^X for itself. Code is
    /// read-only, data is never executable, constants are read-only after relocation, the page
    /// below the stack is not mapped, and EL0 sees only its own two pages. It is AP, PXN and UXN at
    /// work in the map under which all other cases run.
    ///
    /// The case stores to code and to constants, fetches from data, loads from the guard page,
    /// tries code and data from EL0, and tries to write and to execute EL0's page of code at EL1.
    /// Each must fault as the descriptor says.
    ///
    /// ```text
    ///   text   r-x      rodata, relro  r--      data, stack  rw-
    ///   guard  ---      user text      EL0 r-x, EL1 r--
    /// ```
    ///
    /// If it fails, either the machine ignores permissions, and then all security of a guest's
    /// kernel with it, or stage 2 gives more than stage 1 asked for: an engine that combines the
    /// stages by "or" instead of "and" shows itself here.
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
