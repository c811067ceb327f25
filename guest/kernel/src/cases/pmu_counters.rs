//! The event counters among themselves: whom they count, how two make one, and who may look.

use core::arch::{asm, global_asm};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::ID_AA64DFR0_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::id::dfr0;
use tock_registers::interfaces::Readable;

use crate::user::{self, User};
use crate::{case, check_eq, skip, user_code};

/// PMCR_EL0.E, P, C, LC.
const E: u64 = 1;
const P: u64 = 1 << 1;
const C: u64 = 1 << 2;
const LC: u64 = 1 << 6;
/// PMEVTYPER<n>_EL0.P and U: not at EL1, not at EL0.
const NOT_EL1: u64 = 1 << 31;
const NOT_EL0: u64 = 1 << 30;
/// Events.
const SW_INCR: u64 = 0x00;
const INST_RETIRED: u64 = 0x08;
const CHAIN: u64 = 0x1e;
/// PMUSERENR_EL0.EN, SW, CR, ER.
const EN: u64 = 1;
const SW: u64 = 1 << 1;
const CR: u64 = 1 << 2;
const ER: u64 = 1 << 3;

macro_rules! read {
    ($name:literal) => {{
        let value: u64;
        barrier::isb(barrier::SY);
        // SAFETY: reads a counter, or a control of one.
        unsafe { asm!(concat!("mrs {}, ", $name), out(reg) value, options(nostack)) };
        value
    }};
}
macro_rules! write {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: the counters are nobody else's, and their interrupts stay off.
        unsafe { asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nostack)) };
        barrier::isb(barrier::SY);
    }};
}

/// Stops and clears everything, or skips where there is nothing; how many event counters there are.
fn reset() -> u64 {
    let version = dfr0::PMU_VER.get(ID_AA64DFR0_EL1.get());
    if version == 0 || version == 0xf {
        skip!("ID_AA64DFR0_EL1.PMUVer says no PMUv3");
    }
    write!("pmcntenclr_el0", 0xffff_ffff);
    write!("pmovsclr_el0", 0xffff_ffff);
    write!("pmuserenr_el0", 0);
    write!("pmcr_el0", P | C | LC);
    read!("pmcr_el0") >> 11 & 0x1f
}

/// Skips unless the common event `number` is claimed.
fn claimed(number: u64) {
    if read!("pmceid0_el0") >> number & 1 == 0 {
        skip!("PMCEID0_EL0 does not claim event {number:#x}");
    }
}

case! {
    /// A profiler asks either for a program or for the kernel below it. PMEVTYPER<n>_EL0.P keeps a
    /// counter from counting at EL1, U at EL0; with neither it counts at both.
    ///
    /// ```text
    ///             EL1 ... ERET   EL0: 5 instructions   SVC ... EL1
    ///   P = 1                    counts
    ///   U = 1     counts                               counts
    /// ```
    ///
    /// A hypervisor that emulates the monitors sees neither the ERET nor the SVC, so it must give
    /// the filters to hardware or to its own perf layer, level by level; one that ignores them
    /// charges programs for their kernel.
    "pmu.filters": "PMEVTYPER<n>_EL0.P and U: one counter sees EL0's instructions alone, one EL1's";
    reference: "DDI 0487: PMEVTYPER<n>_EL0.{P, U}; event INST_RETIRED";
    needs: Needs::NONE;
    fn filters() {
        if reset() < 2 {
            skip!("PMCR_EL0.N says fewer than two event counters");
        }
        claimed(INST_RETIRED);
        write!("pmevtyper0_el0", NOT_EL1 | INST_RETIRED);
        write!("pmevtyper1_el0", NOT_EL0 | INST_RETIRED);
        write!("pmcntenset_el0", 0b11);
        write!("pmcr_el0", E | LC);
        for _ in 0..100 {
            core::hint::black_box(0);
        }
        let (before, kernel) = (read!("pmevcntr0_el0"), read!("pmevcntr1_el0"));
        let mut user = User::at(user_code!(user_sixteen_nops));
        let trap = user::run(&mut user);
        let (after, more) = (read!("pmevcntr0_el0"), read!("pmevcntr1_el0"));
        reset();
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Svc, 0).0, "ESR_EL1 of EL0's end");
        check_eq!(before, 0, "EL0's counter before anything ran there");
        assert!(kernel >= 100, "EL1's counter saw {kernel} instructions of a hundred rounds");
        // 16 NOPs and the SVC; a core may count one or two late or early.
        assert!((15..=19).contains(&after), "EL0's counter saw {after} instructions of 17");
        assert!(more > kernel, "EL1's counter stood still at {more} in the kernel");
    }
}

case! {
    /// 32 bits are few: at a billion instructions a second a counter overflows every four seconds.
    /// Event CHAIN in an odd counter counts the overflows of the even one below it, so that the
    /// two are one counter of 64 bits. The overflow is reported as ever, besides.
    "pmu.chain": "event 0x1e in counter 1 counts the overflows of counter 0, each once";
    reference: "DDI 0487: event CHAIN; PMEVCNTR<n>_EL0; PMOVSCLR_EL0";
    needs: Needs::NONE;
    fn chain() {
        if reset() < 2 {
            skip!("PMCR_EL0.N says fewer than two event counters");
        }
        claimed(CHAIN);
        write!("pmevtyper0_el0", SW_INCR);
        write!("pmevtyper1_el0", CHAIN);
        write!("pmevcntr0_el0", 0xffff_fffe);
        write!("pmevcntr1_el0", 5);
        write!("pmcntenset_el0", 0b11);
        write!("pmcr_el0", E | LC);
        for (low, high) in [(0xffff_ffff, 5), (0, 6), (1, 6)] {
            write!("pmswinc_el0", 1);
            check_eq!(read!("pmevcntr0_el0") & 0xffff_ffff, low, "the lower half");
            check_eq!(read!("pmevcntr1_el0") & 0xffff_ffff, high, "the upper half at {:#x}", low);
        }
        check_eq!(read!("pmovsclr_el0") & 0b11, 0b01, "PMOVSCLR_EL0");
        reset();
    }
}

case! {
    /// What a counter shows tells one program about another, so EL0 sees none unless
    /// PMUSERENR_EL0 says so: EN for all, CR for reads of the cycle counter, ER of the event
    /// counters, SW for software increments. What is not given away traps to EL1, which hears by EC
    /// 0x18 which register it was.
    ///
    /// A hypervisor that shows monitors has to let these traps happen at EL1, not in itself: they
    /// are the guest kernel's business.
    "pmu.el0_access": "PMUSERENR_EL0.{EN, SW, CR, ER} against four accesses at EL0: through, or EC 0x18";
    reference: "DDI 0487: PMUSERENR_EL0; ESR_ELx.EC 0x18";
    needs: Needs::NONE;
    fn el0_access() {
        if reset() == 0 {
            skip!("PMCR_EL0.N says no event counters");
        }
        let start = user_code!(user_monitors);
        // In the order of the code: PMCCNTR, PMEVCNTR0, PMSWINC, PMCNTENSET; each needs one bit.
        let accesses = [("PMCCNTR_EL0", EN | CR), ("PMEVCNTR0_EL0", EN | ER), ("PMSWINC_EL0", EN | SW),
            ("PMCNTENSET_EL0", EN)];
        for control in 0..16_u64 {
            for ((name, granting), at) in accesses.into_iter().zip((start..).step_by(8)) {
                write!("pmuserenr_el0", control);
                let mut user = User::at(at);
                let trap = user::run(&mut user);
                write!("pmuserenr_el0", 0);
                let through = trap.esr.class() == Ok(ExceptionClass::Svc);
                let trapped = trap.esr.class() == Ok(ExceptionClass::System) && trap.elr == at;
                let allowed = control & granting != 0;
                assert!(through || trapped, "{name} with PMUSERENR_EL0 = {control:#x}: {}", trap.esr);
                assert!(through == allowed, "{name} with PMUSERENR_EL0 = {control:#x}: {}", trap.esr);
            }
        }
        reset();
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".global user_sixteen_nops, user_monitors",
    "user_sixteen_nops:",
    ".rept 16",
    "    nop",
    ".endr",
    "    svc #0",
    "user_monitors:",
    "    mrs x0, pmccntr_el0",
    "    svc #0",
    "    mrs x0, pmevcntr0_el0",
    "    svc #0",
    "    msr pmswinc_el0, xzr",
    "    svc #0",
    "    mrs x0, pmcntenset_el0",
    "    svc #0",
    ".popsection",
);
