//! Maintenance of caches by address and by set and way, and DC ZVA: what it may fault on, and that
//! it loses nothing.
//!
//! ```text
//!                 not mapped       no right          at EL0
//!   DC C.. by VA  abort, CM WnR    EL1 needs none    SCTLR_EL1.UCI, and the right to read
//!   DC IVAC       abort, CM WnR    needs to write    UNDEFINED
//!   IC IVAU       may abort        may abort         SCTLR_EL1.UCI
//!   DC ZVA        abort, WnR       needs to write    SCTLR_EL1.DZE
//!   by set/way    -                -                 UNDEFINED
//! ```
//!
//! Emulators tend to make all of these NOPs, since their memory is coherent. The faults are still
//! promised.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ID_AA64MMFR2_EL1, SCTLR_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_EL0, AP_READ_ONLY, PXN, UXN};
use anyvisor_arch::esr::{DataAbort, Esr, ExceptionClass, FaultStatus, SystemAccess};
use anyvisor_arch::id::mmfr2;
use anyvisor_arch::sctlr;
use anyvisor_arch::sysreg::{Encoding, SysReg};
use tock_registers::interfaces::{Readable, Writeable};

use crate::access::{El, load, store};
use crate::mmu::{DATA, NORMAL, USER_DATA, table};
use crate::probe::{Probe, mrs};
use crate::{case, check_eq};

/// DC and IC by address in X1: name, word, needs the right to write.
const BY_ADDRESS: [(&str, u32, bool); 5] = [
    ("DC CVAC", 0xd50b_7a21, false),
    ("DC CVAU", 0xd50b_7b21, false),
    ("DC CIVAC", 0xd50b_7e21, false),
    ("IC IVAU", 0xd50b_7521, false),
    ("DC IVAC", 0xd508_7621, true),
];

case! {
    /// Maintenance by address translates, and may fault. Of an address that is not mapped each
    /// operation is a translation fault: a data abort (also for IC IVAU) with CM = 1, WnR = 1 and
    /// FAR as the register had it. At EL1 no permission is needed, a page of EL0's or a read-only
    /// one is fine; but DC IVAC wants the right to write, since it may change memory.
    ///
    /// ```text
    ///   DC CVAC, X1    X1 not mapped     EC 0x25, CM 1, WnR 1, DFSC translation
    ///   DC IVAC, X1    X1 read-only      EC 0x25, CM 1, WnR 1, DFSC permission
    /// ```
    ///
    /// WnR = 1 is the surprise. A kernel's fault handler that took it for a write would break
    /// copy-on-write for a clean; Linux looks at CM first. An emulator that makes these NOPs (the
    /// memory is coherent anyway) never faults, and a guest that relies on the fault to find a bad
    /// address passed by a program does not get it.
    "cache.faults": "DC and IC by address that cannot: CM = 1, WnR = 1, FAR; DC IVAC needs the right to write, others none";
    reference: "DDI 0487: ESR_ELx, ISS for a Data Abort (CM, WnR); permissions of cache maintenance";
    needs: Needs::NONE;
    fn faults() {
        let mut probe = Probe::open();
        let base = probe.window.base() + 0x4000_0000;
        let nothing = base + 0x8010;
        let read_only = probe.window.page(0x4000_0000, DATA | AP_READ_ONLY);
        let users = probe.window.page(0x4000_1000, USER_DATA);
        let syndrome = |status| {
            let abort = DataAbort { cache_maintenance: true, ..DataAbort::new(status, true) };
            Esr::new(ExceptionClass::DataAbortSame, abort.iss())
        };
        for (name, word, writes) in BY_ADDRESS {
            let run = |va: u64| probe.run(El::El1, &[word], &[0, va]);
            let ended = run(nothing);
            let (seen, wanted) = (ended.trap.esr, syndrome(FaultStatus::Translation(3)));
            if name == "IC IVAU" && ended.is_done() {
                continue; // whether IC IVAU faults on a translation is the implementation's choice
            }
            assert!(seen == wanted, "{name} of nothing: {seen}, expected {wanted}");
            check_eq!(ended.trap.far, nothing, "FAR_EL1 of {}", name);
            run(users.va + 1).done(name);
            let ended = run(read_only.va + 0x44);
            if writes {
                let (seen, wanted) = (ended.trap.esr, syndrome(FaultStatus::Permission(3)));
                assert!(seen == wanted, "{name} of a read-only page: {seen}, expected {wanted}");
                check_eq!(ended.trap.far, read_only.va + 0x44, "FAR_EL1 of {}", name);
            } else {
                ended.done(name);
            }
        }
    }
}

case! {
    /// EL0 may use DC CVAU, CVAC, CIVAC and IC IVAU if SCTLR_EL1.UCI says so; else each is a trap
    /// to EL1, EC 0x18, with the operation's encoding and Rt. DC IVAC and everything by set/way
    /// are UNDEFINED at EL0, whatever UCI says. With UCI = 1 EL0 needs the right to read what it
    /// names: a page that is EL1's alone is a permission fault (EC 0x24, CM = 1, WnR = 1).
    ///
    /// ```text
    ///   EL0  DC CVAU, X1   UCI = 0:  EC 0x18, ISS: op0 1, op1 3, CRn 7, CRm 11, op2 1, Rt 1
    ///                      UCI = 1:  done, or EC 0x24 for what EL0 may not read
    /// ```
    ///
    /// JIT compilers in programs live by this. Kernels trap it to mend errata, a hypervisor may
    /// trap it once more (HCR_EL2.TPU, TPCP); EL1's trap has priority. If the hypervisor answers
    /// first the guest's kernel never learns of a CTR_EL0 or DC that it wanted to emulate.
    "cache.from_el0": "DC CVAU, CVAC, CIVAC, IC IVAU at EL0: EC 0x18 without SCTLR_EL1.UCI, with it the right to read; IVAC and set/way UNDEFINED";
    reference: "DDI 0487: SCTLR_EL1.UCI; ESR_ELx, ISS for System instructions; HCR_EL2.TPU, TPCP";
    needs: Needs::NONE;
    fn from_el0() {
        let mut probe = Probe::open();
        let kernel = probe.window.page(0x4000_0000, DATA);
        let users = probe.window.page(0x4000_1000, NORMAL | AF | AP_READ_ONLY | AP_EL0 | PXN | UXN);
        for allowed in [false, true] {
            let uci = if allowed { sctlr::UCI } else { 0 };
            SCTLR_EL1.set(SCTLR_EL1.get() & !sctlr::UCI | uci);
            barrier::isb(barrier::SY);
            for (name, word, _) in BY_ADDRESS {
                let ended = probe.run(El::El0, &[word], &[0, users.va + 0x10]);
                if name == "DC IVAC" {
                    ended.undefined(name);
                } else if allowed {
                    ended.done(name);
                    let ended = probe.run(El::El0, &[word], &[0, kernel.va + 0x10]);
                    // IC IVAU: whether it needs the right to read is the implementation's choice.
                    if name == "IC IVAU" && ended.is_done() {
                        continue;
                    }
                    let status = FaultStatus::Permission(3);
                    let abort = DataAbort { cache_maintenance: true, ..DataAbort::new(status, true) };
                    let wanted = Esr::new(ExceptionClass::DataAbortLower, abort.iss());
                    let seen = ended.trap.esr;
                    assert!(seen == wanted, "{name} of EL1's page: {seen}, expected {wanted}");
                } else {
                    let encoding = Encoding::of_instruction(word);
                    let access = SystemAccess { encoding, rt: 1, read: false };
                    let (seen, wanted) = (ended.trap.esr, Esr::system(access));
                    assert!(seen == wanted, "{name} with UCI = 0: {seen}, expected {wanted}");
                }
            }
            for (name, word) in [("DC ISW", 0xd508_7641), ("DC CSW", 0xd508_7a41), ("DC CISW", 0xd508_7e41)] {
                probe.run(El::El0, &[word], &[0, 0]).undefined(name);
            }
        }
    }
}

case! {
    /// DC CISW over all ways and sets of every data or unified cache that CLIDR_EL1 and CCSIDR_EL1
    /// name, as firmware does it, and DC CSW as well; a page of data that was dirty before has
    /// every byte afterwards, by both of its addresses. At most 64 sets and 4 ways of a level are
    /// done, so that it ends in time.
    ///
    /// ```text
    ///   for each level:  CSSELR_EL1 <- level ; CCSIDR_EL1 -> sets, ways, line
    ///     for each way, set:  DC CISW, | way | ... | set | ... | level |0|
    /// ```
    ///
    /// Set/way operations are for one CPU's own caches and mean nothing in a VM that may move
    /// between CPUs. So hypervisors trap them (HCR_EL2.TSW): KVM flushes the whole of the guest's
    /// memory, once, others do nothing because all memory is coherent. What none may do is make
    /// them UNDEFINED, or invalidate what was dirty.
    "cache.set_way": "DC CISW and CSW over the caches that are named lose no byte, and are not UNDEFINED at EL1";
    reference: "DDI 0487: DC CISW, DC CSW; CLIDR_EL1, CCSIDR_EL1; HCR_EL2.TSW";
    needs: Needs::NONE;
    fn set_way() {
        let mut probe = Probe::open();
        let page = probe.window.page(0x4000_0000, DATA);
        let read = |word: u32, registers: &[u64]| probe.run(El::El1, &[word], registers);
        let clidr = read(mrs(0, SysReg::CLIDR_EL1.encoding()), &[]).done("CLIDR_EL1")[0];
        for (n, at) in (page.va..page.va + 0x1000).step_by(8).enumerate() {
            store(El::El1, at, n as u64 ^ 0xa5a5).value();
        }
        let wide = mmfr2::CCIDX.get(ID_AA64MMFR2_EL1.get()) != 0;
        let levels = (0..7).take_while(|level| clidr >> (3 * level) & 0b111 != 0);
        // Without a cache the operations are still there: level 1, way 0, set 0.
        for level in levels.clone().chain([0]) {
            let words = [
                crate::probe::msr(SysReg::CSSELR_EL1.encoding(), 0),
                0xd503_3fdf,
                mrs(1, SysReg::CCSIDR_EL1.encoding()),
            ];
            let is_data = clidr >> (3 * level) & 0b111 >= 2;
            let ccsidr = if is_data { probe.run(El::El1, &words, &[level << 1]).done("CCSIDR_EL1")[1] } else { 0 };
            let line = (ccsidr & 0b111) + 4;
            let (ways, sets) = if wide {
                (ccsidr >> 3 & 0x1f_ffff, ccsidr >> 32 & 0xff_ffff)
            } else {
                (ccsidr >> 3 & 0x3ff, ccsidr >> 13 & 0x7fff)
            };
            let shift = (ways as u32).leading_zeros().min(31);
            for way in 0..=ways.min(3) {
                for set in 0..=sets.min(63) {
                    let operand = way << shift | set << line | level << 1;
                    for word in [0xd508_7e40, 0xd508_7a40] {
                        read(word, &[operand]).done("DC by set and way");
                    }
                }
            }
        }
        barrier::dsb(barrier::SY);
        table::invalidate_all();
        for (n, at) in (0..0x1000).step_by(8).enumerate() {
            let wanted = n as u64 ^ 0xa5a5;
            check_eq!(load(El::El1, page.va + at).value(), wanted, "the word at {:#x}", at);
            check_eq!(load(El::El1, page.pa + at).value(), wanted, "the word at {:#x}, its own address", at);
        }
    }
}

case! {
    /// DC ZVA is a store of zeros with an address anywhere in its block, and faults as a store
    /// does: WnR = 1 and CM = 0, unlike the maintenance that its name suggests. To a read-only
    /// page it is a permission fault, to none a translation fault; at EL0 it obeys SCTLR_EL1.DZE,
    /// and DCZID_EL0.DZP tells EL0 so.
    ///
    /// ```text
    ///   DCZID_EL0.BS = 4     a block of 64 bytes     DC ZVA, X1: X1 & ~63 .. + 64  <- 0
    ///   FAR_EL1              an address within the block, of the page that faulted
    /// ```
    ///
    /// memset uses it for every large clear, on pages that were never touched: so this is the
    /// fault that maps a new page. Taken for a read (WnR = 0) the kernel maps the shared zero page
    /// read-only, returns, and the second fault must say "permission" or the program hangs. A
    /// hypervisor that tells EL0 another block size than the hardware's makes memset skip half the
    /// lines.
    "cache.zero_block_faults": "DC ZVA faults as a store: WnR = 1, CM = 0; read-only, unmapped, and at EL0 by DZE and DZP";
    reference: "DDI 0487: DC ZVA; ESR_ELx, ISS for a Data Abort; DCZID_EL0.DZP; SCTLR_EL1.DZE";
    needs: Needs::NONE;
    fn zero_block_faults() {
        const DC_ZVA: u32 = 0xd50b_7421;
        const DZP: u64 = 1 << 4;
        let mut probe = Probe::open();
        let read_only = probe.window.page(0x4000_0000, USER_DATA | AP_READ_ONLY);
        let page = probe.window.page(0x4000_1000, USER_DATA);
        let dczid = mrs(0, SysReg::DCZID_EL0.encoding());
        for allowed in [false, true] {
            let dze = if allowed { sctlr::DZE } else { 0 };
            SCTLR_EL1.set(SCTLR_EL1.get() & !sctlr::DZE | dze);
            barrier::isb(barrier::SY);
            let seen = probe.run(El::El0, &[dczid], &[]).done("DCZID_EL0 at EL0")[0];
            check_eq!(seen & DZP, if allowed { 0 } else { DZP }, "DCZID_EL0.DZP at EL0");
        }
        let bytes = 4 << (probe.run(El::El1, &[dczid], &[]).done("DCZID_EL0")[0] & 0xf);
        for (el, class) in [(El::El1, ExceptionClass::DataAbortSame), (El::El0, ExceptionClass::DataAbortLower)] {
            for (va, status) in [
                (read_only.va + 0x145, FaultStatus::Permission(3)),
                (page.va + 0x1145, FaultStatus::Translation(3)),
            ] {
                let ended = probe.run(el, &[DC_ZVA], &[0, va]);
                let wanted = Esr::new(class, DataAbort::new(status, true).iss());
                let seen = ended.trap.esr;
                assert!(seen == wanted, "DC ZVA at {el:?}: {seen}, expected {wanted}");
                let first = va & !(bytes - 1);
                assert!(
                    (first..first + bytes).contains(&ended.trap.far),
                    "FAR_EL1 {:#x} of DC ZVA, {va:#x}",
                    ended.trap.far
                );
            }
            // The address is anywhere in the block.
            for offset in [0, 1, bytes - 1] {
                for at in (0..2 * bytes).step_by(8) {
                    store(El::El1, page.va + at, u64::MAX).value();
                }
                probe.run(el, &[DC_ZVA], &[0, page.va + offset]).done("DC ZVA");
                for at in (0..2 * bytes).step_by(8) {
                    let wanted = if at < bytes { 0 } else { u64::MAX };
                    check_eq!(load(El::El1, page.va + at).value(), wanted, "the word at {:#x}", at);
                }
            }
        }
    }
}
