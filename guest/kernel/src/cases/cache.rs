//! Caches, as software sees them: what CTR_EL0, CLIDR_EL1, CCSIDR_EL1 and DCZID_EL0 say, what code
//! that writes code has to do, and what maintenance may fault on.
//!
//! ```text
//!   STR (new instruction)     data cache         DC CVAU   clean to the point of unification
//!                                 |              DSB
//!                                 v
//!   fetch  <--- instruction cache <-- unified    IC IVAU   forget the old one;  DSB, ISB
//!
//!   CTR_EL0.IDC = 1: the clean is not needed       CTR_EL0.DIC = 1: the invalidation is not needed
//! ```
//!
//! A hypervisor leaves all of it to the hardware, but for three things: it may trap set/way
//! operations (HCR_EL2.TSW), it may show another CTR_EL0 or CCSIDR_EL1 than the hardware's (TID2),
//! and where it emulates instructions it must not keep a decoded form of what was overwritten.

use core::arch::asm;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::ID_AA64MMFR2_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, Granule, UXN};
use anyvisor_arch::id::{ctr, mmfr2};
use anyvisor_arch::sysreg::SysReg;
use tock_registers::interfaces::Readable;

use crate::access::{El, RET, load, store};
use crate::mmu::window::{Page, Window};
use crate::mmu::{DATA, NORMAL};
use crate::probe::{Probe, mrs};
use crate::{case, check_eq};

fn ctr_el0() -> u64 {
    let value: u64;
    // SAFETY: reads an ID register.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) value, options(nomem, nostack)) };
    value
}

/// Bytes of the smallest line of the data and of the instruction caches.
fn lines() -> (u64, u64) {
    let ctr = ctr_el0();
    (4 << ctr::D_MIN_LINE.get(ctr), 4 << ctr::I_MIN_LINE.get(ctr))
}

/// MOVZ X0, #`value`.
const fn movz(value: u32) -> u32 {
    0xd280_0000 | (value & 0xffff) << 5
}

fn write_word(at: u64, word: u32) {
    // SAFETY: memory of the case's own window, at its own or an alias' address.
    unsafe { (at as *mut u32).write_volatile(word) };
}

/// Calls code that returns X0.
fn call(va: u64) -> u64 {
    let value: u64;
    // SAFETY: the case wrote a function there that changes X0 only.
    unsafe { asm!("blr {}", in(reg) va, out("x0") value, out("x30") _, options(nostack)) };
    value
}

/// Cleans the data cache's lines of a range to the point of unification, by the smallest line.
fn clean(from: u64, bytes: u64) {
    let (line, _) = lines();
    for at in (from & !(line - 1)..from + bytes).step_by(line as usize) {
        // SAFETY: cleaning changes no value.
        unsafe { asm!("dc cvau, {}", in(reg) at, options(nostack)) };
    }
    barrier::dsb(barrier::ISH);
}

/// Invalidates the instruction cache's lines of a range.
fn invalidate(from: u64, bytes: u64) {
    let (_, line) = lines();
    for at in (from & !(line - 1)..from + bytes).step_by(line as usize) {
        // SAFETY: instructions are fetched again.
        unsafe { asm!("ic ivau, {}", in(reg) at, options(nostack)) };
    }
    barrier::dsb(barrier::ISH);
}

/// What CTR_EL0 makes necessary for `va`, and nothing more.
fn publish(va: u64, bytes: u64) {
    let ctr = ctr_el0();
    if ctr::IDC.get(ctr) == 0 {
        clean(va, bytes);
    } else {
        barrier::dsb(barrier::ISHST);
    }
    if ctr::DIC.get(ctr) == 0 {
        invalidate(va, bytes);
    }
    barrier::isb(barrier::SY);
}

const CODE: u64 = NORMAL | AF | AP_READ_ONLY | UXN;

/// A page of code, and a writable alias of it.
fn page_and_alias() -> (Window, Page, u64) {
    let mut window = Window::open(Granule::K4, 39);
    let code = window.page(0x7000, CODE);
    let alias = window.base() + 0x4000_0000;
    window.tables.map(alias, code.pa, 3, DATA);
    (window, code, alias)
}

case! {
    /// What the cache registers say, and whether it can be. CTR_EL0: bit 31 set, lines between 16
    /// bytes and 2 KiB, the write-back and reservation granules no smaller than a line or "not
    /// told" (0). CLIDR_EL1: no cache behind the first level that has none; LoUU, LoUIS not beyond
    /// LoC, LoC not beyond the last cache. CCSIDR_EL1 of each cache that CLIDR names: its lines
    /// are no smaller than CTR's smallest. DCZID_EL0: a block of 4 bytes to 2 KiB.
    ///
    /// ```text
    ///   CLIDR_EL1  |ICB|LoUU|LoC|LoUIS|Ctype7|...|Ctype2|Ctype1|    0 none  1 I  2 D  3 I+D  4 unified
    ///   CSSELR_EL1 <- level, InD ; ISB ; CCSIDR_EL1 -> line size, ways, sets
    /// ```
    ///
    /// Hypervisors hide the host's caches (HCR_EL2.TID2): KVM makes up one set and one way. What
    /// they show must still be possible, and no line larger than the real one may be shown in
    /// CTR_EL0, or a guest's loop of DC CVAU steps over lines, and stale instructions are executed
    /// once a day.
    "cache.geometry": "CTR_EL0, CLIDR_EL1, CCSIDR_EL1 of each cache, and DCZID_EL0 can be true together";
    reference: "DDI 0487: CTR_EL0, CLIDR_EL1, CSSELR_EL1, CCSIDR_EL1, DCZID_EL0; HCR_EL2.TID2";
    needs: Needs::NONE;
    fn geometry() {
        let probe = Probe::open();
        let read = |register: SysReg| {
            probe.run(El::El1, &[mrs(0, register.encoding())], &[]).done(register)[0]
        };
        let ctr = read(SysReg::CTR_EL0);
        check_eq!(ctr & ctr::RES1, ctr::RES1, "CTR_EL0, bit 31");
        for (field, name) in [(ctr::D_MIN_LINE, "DminLine"), (ctr::I_MIN_LINE, "IminLine")] {
            assert!((2..=9).contains(&field.get(ctr)), "CTR_EL0.{name} of {ctr:#x}");
        }
        for (field, name) in [(ctr::CWG, "CWG"), (ctr::ERG, "ERG")] {
            let value = field.get(ctr);
            assert!(value == 0 || (2..=9).contains(&value), "CTR_EL0.{name} of {ctr:#x}");
        }
        let cwg = ctr::CWG.get(ctr);
        assert!(cwg == 0 || cwg >= ctr::D_MIN_LINE.get(ctr), "CWG below DminLine: {ctr:#x}");
        let clidr = read(SysReg::CLIDR_EL1);
        let kind = |level: u64| clidr >> (3 * (level - 1)) & 0b111;
        let caches = (1..=7).take_while(|level| kind(*level) != 0).count() as u64;
        for level in 1..=7 {
            assert!(kind(level) <= 4, "CLIDR_EL1.Ctype{level} is reserved: {clidr:#x}");
            assert!(level <= caches || kind(level) == 0, "a cache behind none: {clidr:#x}");
        }
        let [uis, loc, uu] = [21, 24, 27].map(|shift| clidr >> shift & 0b111);
        assert!(uis <= loc.max(caches) && uu <= loc.max(caches) && loc <= caches, "CLIDR_EL1 {clidr:#x}");
        let wide = mmfr2::CCIDX.get(ID_AA64MMFR2_EL1.get()) != 0;
        let select = SysReg::CSSELR_EL1.encoding();
        for level in 1..=caches {
            for instruction in [0, 1] {
                // Data or unified; instruction.
                let is_there = if instruction == 1 { matches!(kind(level), 1 | 3) } else { kind(level) >= 2 };
                if !is_there {
                    continue;
                }
                let words = [crate::probe::msr(select, 0), 0xd503_3fdf, mrs(1, SysReg::CCSIDR_EL1.encoding())];
                let chosen = (level - 1) << 1 | instruction;
                let ccsidr = probe.run(El::El1, &words, &[chosen]).done("CCSIDR_EL1")[1];
                let line = 16_u64 << (ccsidr & 0b111);
                let (data, code) = lines();
                let least = if instruction == 1 { code } else { data };
                assert!(line >= least, "a line of {line} bytes at level {level}, CTR_EL0 says {least}");
                if !wide {
                    check_eq!(ccsidr >> 32, 0, "CCSIDR_EL1's upper half without FEAT_CCIDX");
                }
            }
        }
        let dczid = read(SysReg::DCZID_EL0);
        check_eq!(dczid >> 5, 0, "DCZID_EL0's RES0 bits");
        assert!(dczid & 0xf <= 9, "DCZID_EL0.BS of {dczid:#x}: at most 2 KiB");
    }
}

case! {
    /// Code is written and run 200 times on one CPU, with exactly the maintenance that CTR_EL0
    /// asks for: DC CVAU only if IDC = 0, IC IVAU only if DIC = 0, a DSB and an ISB in any case.
    /// Each time the new instruction runs, at EL1 here; the next case does it at EL0.
    ///
    /// ```text
    ///   IDC DIC     STR, then
    ///    0   0      DC CVAU, DSB, IC IVAU, DSB, ISB
    ///    1   0      DSB,          IC IVAU, DSB, ISB
    ///    1   1      DSB,                        ISB
    /// ```
    ///
    /// Every JIT compiler reads these bits and leaves out what it may. So they are a promise: an
    /// emulator that caches decoded blocks and watches IC IVAU must not show DIC = 1, unless it
    /// watches stores as well; a hypervisor whose VM may run on two kinds of cores has to show the
    /// weaker of the two, and trap CTR_EL0 (TID2) to do so.
    "cache.code_by_ctr": "new code runs after just the maintenance that CTR_EL0.IDC and DIC leave necessary, 200 times";
    reference: "DDI 0487: CTR_EL0.IDC, DIC; concurrent modification and execution of instructions";
    needs: Needs::NONE;
    fn code_by_ctr() {
        let (_window, code, alias) = page_and_alias();
        write_word(alias + 4, RET);
        publish(alias + 4, 4);
        publish(code.va + 4, 4);
        for round in 1..=200 {
            write_word(alias, movz(round));
            // The maintenance is by the address that is executed.
            publish(code.va, 4);
            check_eq!(call(code.va), round.into(), "what the code returns");
        }
    }
}

case! {
    /// One function lies over the end of a page: its first two instructions in one page, its last
    /// two in another that is nowhere near in memory. Both pages are rewritten, maintained by VA
    /// in lines of the sizes of CTR_EL0, and the whole runs as written, 100 times.
    ///
    /// ```text
    ///   VA   |... MOVZ X0 | MOVK X0 || ADD X0 | RET ...|
    ///   PA     page a               ^   page c          a + 4096 is somebody else's
    /// ```
    ///
    /// Nothing fetches or decodes by pages in the architecture. An emulator does: its block of
    /// decoded instructions ends at the page, or runs on by the physical address and executes what
    /// lies behind the first page in memory. When only the second page is written, a block that
    /// began in the first one has to be thrown away as well.
    "cache.code_over_pages": "a function over two pages that are apart in memory is rewritten, page by page, and runs as written";
    reference: "DDI 0487: instruction fetch; IC IVAU, DC CVAU by VA";
    needs: Needs::NONE;
    fn code_over_pages() {
        let mut window = Window::open(Granule::K4, 39);
        let first = window.page(0x7000, CODE);
        let gap = window.tables.take(0x1000);
        write_word(gap, 0xd4200000); // BRK: not to be run
        let second = window.page(0x8000, CODE);
        assert!(second.pa != first.pa + 0x1000, "the pages are apart");
        let movk = |value: u32| 0xf2a0_0000 | (value & 0xffff) << 5; // MOVK X0, #value, LSL #16
        let add = |value: u32| 0x9100_0000 | (value & 0xfff) << 10; // ADD X0, X0, #value
        for round in 1..=100_u32 {
            // All four, then the second page alone, then the first alone.
            for (step, pages) in [(0, [true, true]), (1, [false, true]), (2, [true, false])] {
                let value = 4 * round + step;
                if pages[0] {
                    write_word(first.pa + 0xff8, movz(value));
                    write_word(first.pa + 0xffc, movk(value));
                    publish(first.va + 0xff8, 8);
                }
                if pages[1] {
                    write_word(second.pa, add(value));
                    write_word(second.pa + 4, RET);
                    publish(second.va, 8);
                }
                let low = if pages[0] { value } else { 4 * round };
                let added = if pages[1] { value } else { 4 * round + 1 };
                let wanted = u64::from(low) << 16 | u64::from(low);
                check_eq!(call(first.va + 0xff8), wanted + u64::from(added), "step {} of round {}", step, round);
            }
        }
    }
}

case! {
    /// The same code is mapped at three addresses. It is written through a fourth, and maintained
    /// by one of the addresses that execute it; then it is run by all of them. With a PIPT
    /// instruction cache (CTR_EL0.L1Ip = 3) one IC IVAU by any VA of the location is enough; with
    /// a virtually indexed one (VIPT) each address is maintained, as the manual then asks.
    ///
    /// ```text
    ///   VA a --\                 STR by d ; DC CVAU, IC IVAU by a ; DSB ; ISB
    ///   VA b ---> one page       run at a, b, c: the new code
    ///   VA c --/
    /// ```
    ///
    /// Programs do that when they map a JIT's buffer twice, writable and executable, as they must
    /// where W^X is enforced. A cache of decoded code that is keyed by virtual address, and drops
    /// only the address that IC IVAU names, runs the old code at the others. L1Ip is a promise
    /// too: a hypervisor that shows 3 on a host with VIPT caches makes this fail now and then.
    "cache.code_aliases": "code written by one alias and maintained by another is new at every alias, as CTR_EL0.L1Ip promises";
    reference: "DDI 0487: CTR_EL0.L1Ip; IC IVAU and aliases; PIPT and VIPT instruction caches";
    needs: Needs::NONE;
    fn code_aliases() {
        const PIPT: u64 = 3;
        let (mut window, code, alias) = page_and_alias();
        let views = [code.va, window.base() + 0x5000_3000, window.base() + 0x6000_a000];
        for view in &views[1..] {
            window.tables.map(*view, code.pa, 3, CODE);
        }
        write_word(alias + 4, RET);
        publish(code.va + 4, 4);
        let physical = ctr::L1_IP.get(ctr_el0()) == PIPT;
        for round in 1..=90_u32 {
            write_word(alias, movz(round));
            let by = views[round as usize % 3];
            publish(by, 4);
            if !physical {
                views.iter().for_each(|view| publish(*view, 4));
            }
            for view in views {
                check_eq!(call(view), round.into(), "what the code at {:#x} returns", view);
            }
        }
    }
}

case! {
    /// DC CVAC, CVAU and CIVAC, and IC IVAU, at every offset within a line and at the ends of a
    /// page: the address need not be aligned, what is named is the line, and no byte changes. IC
    /// IALLU and IALLUIS with code that was changed: all of it is new. DC IVAC of a line that was
    /// written and cleaned before: the data is there.
    ///
    /// ```text
    ///   |------------ line ------------|
    ///        ^ DC CVAC, X1: any byte of it names it
    /// ```
    ///
    /// In a VM the hardware turns DC IVAC into DC CIVAC (HCR_EL2.VM = 1 says: invalidate by clean
    /// and invalidate), so that a guest cannot uncover what the host had in that line. An emulator
    /// that throws data away for DC IVAC, or aligns the operand to the wrong line size and then
    /// cleans one line for a loop over two, is seen here.
    "cache.by_address": "DC CVAC, CVAU, CIVAC, IVAC and IC IVAU, IALLU, IALLUIS at any offset: no byte changes, new code runs";
    reference: "DDI 0487: DC CVAC, DC CVAU, DC CIVAC, DC IVAC, IC IVAU, IC IALLU, IC IALLUIS";
    needs: Needs::NONE;
    fn by_address() {
        let mut window = Window::open(Granule::K4, 39);
        let page = window.page(0x7000, DATA);
        let (line, _) = lines();
        let words = || (0..512_u64).map(|n| (page.va + 8 * n, n * 0x0101_0101_0101 + 7));
        for (at, value) in words() {
            store(El::El1, at, value).value();
        }
        for offset in (0..line).chain([0xfff, 0xff8, 0x800]) {
            let at = page.va + offset;
            // SAFETY: the page is the case's own; cleaned first, nothing is lost by an invalidation.
            unsafe {
                asm!(
                    "dc cvac, {at}",
                    "dc cvau, {at}",
                    "dc civac, {at}",
                    "dsb sy",
                    "dc ivac, {at}",
                    "ic ivau, {at}",
                    "dsb sy",
                    at = in(reg) at,
                    options(nostack),
                );
            }
        }
        for (at, value) in words() {
            check_eq!(load(El::El1, at).value(), value, "the word at {:#x}", at);
        }
        drop(window);
        let (_window, code, alias) = page_and_alias();
        for round in 1..=50_u32 {
            write_word(alias, movz(round));
            write_word(alias + 4, RET);
            clean(alias, 8);
            // SAFETY: instructions are fetched again.
            unsafe {
                if round % 2 == 0 {
                    asm!("ic iallu", "dsb ish", "isb", options(nostack));
                } else {
                    asm!("ic ialluis", "dsb ish", "isb", options(nostack));
                }
            }
            check_eq!(call(code.va), round.into(), "what the code returns");
        }
    }
}
