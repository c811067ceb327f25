//! The performance monitors, where there are any.
//!
//! ```text
//!   PMCR_EL0.E and PMCNTENSET<n> --> counter n counts event PMEVTYPER<n>
//!   overflow --> PMOVS<n> --> with PMINTENSET<n>: the PMU's PPI
//! ```
//!
//! A hypervisor that lets a guest count either gives it the hardware's counters and switches them,
//! or traps everything (MDCR_EL2.TPM) and emulates by events of its host, as KVM does. It may also
//! offer none: ID_AA64DFR0_EL1.PMUVer is then 0 or 0xf, and these cases skip.

use core::arch::asm;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::ID_AA64DFR0_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::id::dfr0;
use tock_registers::interfaces::Readable;

use crate::{case, check_eq, hypercall, skip};

/// PMCR_EL0.E, P, C, LC.
const E: u64 = 1;
const P: u64 = 1 << 1;
const C: u64 = 1 << 2;
const LC: u64 = 1 << 6;
/// The cycle counter's bit in the enable, overflow and interrupt masks.
const CYCLES: u64 = 1 << 31;
/// Events.
const SW_INCR: u64 = 0x00;
const INST_RETIRED: u64 = 0x08;

macro_rules! reads {
    ($function:ident, $name:literal) => {
        fn $function() -> u64 {
            let value;
            barrier::isb(barrier::SY);
            // SAFETY: reads a counter or a control of one.
            unsafe { asm!(concat!("mrs {}, ", $name), out(reg) value, options(nostack)) };
            value
        }
    };
}
macro_rules! writes {
    ($function:ident, $name:literal) => {
        fn $function(value: u64) {
            // SAFETY: the counters are nobody else's, and their interrupts stay off.
            unsafe { asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nostack)) };
            barrier::isb(barrier::SY);
        }
    };
}
reads!(pmcr, "pmcr_el0");
writes!(set_pmcr, "pmcr_el0");
writes!(enable, "pmcntenset_el0");
writes!(disable, "pmcntenclr_el0");
reads!(pmccntr, "pmccntr_el0");
writes!(set_pmccntr, "pmccntr_el0");
writes!(set_pmccfiltr, "pmccfiltr_el0");
reads!(pmovs, "pmovsclr_el0");
writes!(clear_overflow, "pmovsclr_el0");
reads!(pmevcntr0, "pmevcntr0_el0");
writes!(set_pmevcntr0, "pmevcntr0_el0");
writes!(set_pmevtyper0, "pmevtyper0_el0");
reads!(pmceid0, "pmceid0_el0");

/// Stops and clears everything, or skips where there is nothing.
fn reset() {
    let version = dfr0::PMU_VER.get(ID_AA64DFR0_EL1.get());
    if version == 0 || version == 0xf {
        skip!("ID_AA64DFR0_EL1.PMUVer says no PMUv3");
    }
    disable(0xffff_ffff);
    clear_overflow(0xffff_ffff);
    set_pmccfiltr(0);
    set_pmcr(P | C | LC);
}

case! {
    /// PMCCNTR_EL0 counts cycles while PMCR_EL0.E and its bit in PMCNTENSET_EL0 are both set; it
    /// keeps its value while they are not; it can be written; and when it wraps its bit in
    /// PMOVSCLR_EL0 is set until software clears it.
    ///
    /// The case resets it by PMCR_EL0.C, enables its bit only (still 0), sets E (counts), disables
    /// (stands still), writes a value close to the end (with PMCR_EL0.LC = 1, of 64 bits) and lets
    /// it wrap.
    ///
    /// ```text
    ///   E  bit 31   counts?
    ///   0  1        no
    ///   1  1        yes
    ///   1  0        no        wrap: PMOVS bit 31
    /// ```
    ///
    /// How fast a cycle passes is the machine's affair. In a guest it should not count while the
    /// vCPU is out: a hypervisor that reads the host's raw counter shows its own exits as the
    /// guest's work. If a disabled counter runs on, `perf stat` is wrong by all that other tasks
    /// did.
    "pmu.cycles": "PMCCNTR_EL0 counts when enabled, stands still when not, and its overflow shows";
    reference: "DDI 0487: PMCCNTR_EL0, PMCR_EL0.{E, C, LC}, PMCNTENSET_EL0, PMOVSCLR_EL0";
    needs: Needs::NONE;
    fn cycles() {
        reset();
        check_eq!(pmccntr(), 0, "PMCCNTR_EL0 after PMCR_EL0.C");
        enable(CYCLES);
        check_eq!(pmccntr(), 0, "PMCCNTR_EL0 with PMCR_EL0.E = 0");
        set_pmcr(E | LC);
        let first = pmccntr();
        for _ in 0..1000 {
            core::hint::black_box(0);
        }
        let second = pmccntr();
        assert!(second > first, "PMCCNTR_EL0 went from {first} to {second}");
        disable(CYCLES);
        let stopped = pmccntr();
        assert!(stopped >= second && pmccntr() == stopped, "PMCCNTR_EL0 counts while disabled");
        set_pmccntr(u64::MAX - 4);
        check_eq!(pmovs() & CYCLES, 0, "PMOVSCLR_EL0 before");
        enable(CYCLES);
        for _ in 0..1000 {
            core::hint::black_box(0);
        }
        disable(CYCLES);
        check_eq!(pmovs() & CYCLES, CYCLES, "PMOVSCLR_EL0 after");
        assert!(pmccntr() < u64::MAX - 4, "PMCCNTR_EL0 did not wrap");
        clear_overflow(CYCLES);
        check_eq!(pmovs() & CYCLES, 0, "PMOVSCLR_EL0 cleared");
        set_pmcr(0);
    }
}

case! {
    /// Event 0x00 counts writes of PMSWINC_EL0 whose bit for the counter is set: an event that
    /// software makes, exact on every machine. A counter that is not enabled does not count. An
    /// event counter overflows at 2^32 (without FEAT_PMUv3p5's long counters) and sets its bit in
    /// PMOVSCLR_EL0.
    ///
    /// The case increments a counter that is off, then three times when on, and once another
    /// counter; then from 0xffff_ffff to 0, and wants the overflow bit.
    ///
    /// ```text
    ///   msr pmswinc_el0, #1    counter 0: n -> n + 1
    ///   0xffff_ffff + 1        0, PMOVS bit 0
    /// ```
    ///
    /// KVM emulates this event in its trap handler and has a special case for it, as no host event
    /// exists. What goes wrong is the width: with a 64-bit counter behind it the guest's overflow
    /// comes 2^32 too late, so that sampling, which is done by overflows, gets no samples.
    "pmu.software_increment": "event 0x00 counts PMSWINC_EL0, and overflows at 2^32";
    reference: "DDI 0487: PMSWINC_EL0, PMEVCNTR<n>_EL0, event SW_INCR";
    needs: Needs::NONE;
    fn software_increment() {
        reset();
        let increment = |mask: u64| {
            // SAFETY: adds to counters of our own.
            unsafe { asm!("msr pmswinc_el0, {}", in(reg) mask, options(nostack)) };
        };
        if pmcr() >> 11 & 0x1f == 0 {
            skip!("PMCR_EL0.N says no event counters");
        }
        set_pmevtyper0(SW_INCR);
        set_pmevcntr0(0);
        set_pmcr(E | LC);
        increment(1);
        check_eq!(pmevcntr0(), 0, "a counter that is not enabled");
        enable(1);
        for _ in 0..3 {
            increment(1);
        }
        increment(2);
        check_eq!(pmevcntr0(), 3, "three increments, and one of another counter");
        set_pmevcntr0(0xffff_ffff);
        increment(1);
        // FEAT_PMUv3p5 has 64 bits, of which 32 decide about an overflow (PMCR_EL0.LP = 0).
        check_eq!(pmevcntr0() & 0xffff_ffff, 0, "the counter after its end");
        check_eq!(pmovs() & 1, 1, "PMOVSCLR_EL0");
        reset();
    }
}

case! {
    /// Where PMCEID0_EL0 claims event 0x08, INST_RETIRED, a counter counts instructions that were
    /// executed architecturally. 64 more in a straight line make 64 more.
    ///
    /// The case reads the counter twice with an ISB between, then once more behind 64 NOPs and an
    /// ISB; the difference of the differences must be 64: exactly on our machine, within two
    /// elsewhere, for the manual allows a reasonable inaccuracy.
    ///
    /// ```text
    ///   isb; mrs a; isb; mrs b; 64 x nop; isb; mrs c
    ///   (c - b) - (b - a) = 64
    /// ```
    ///
    /// Taking the difference twice removes what reading itself costs. An emulator that counts by
    /// blocks must add a block's instructions when it is left, also in its middle by an exception,
    /// and split the count where the counter is read. In a hypervisor the host's instructions
    /// during an exit must not be in it: filters by exception level do that in hardware. Profilers
    /// that weigh code by instructions are wrong otherwise.
    "pmu.instructions": "event 0x08 counts instructions: 64 more make 64 more";
    reference: "DDI 0487: event INST_RETIRED; PMCEID0_EL0";
    needs: Needs::NONE;
    fn instructions() {
        reset();
        if pmceid0() >> INST_RETIRED & 1 == 0 || pmcr() >> 11 & 0x1f == 0 {
            skip!("PMCEID0_EL0 says no INST_RETIRED");
        }
        set_pmevtyper0(INST_RETIRED);
        set_pmevcntr0(0);
        enable(1);
        set_pmcr(E | LC);
        let (first, second, third): (u64, u64, u64);
        // SAFETY: reads counters and does nothing in between.
        unsafe {
            asm!(
                "isb",
                "mrs {first}, pmevcntr0_el0",
                "isb",
                "mrs {second}, pmevcntr0_el0",
                ".rept 64",
                "nop",
                ".endr",
                "isb",
                "mrs {third}, pmevcntr0_el0",
                first = out(reg) first,
                second = out(reg) second,
                third = out(reg) third,
                options(nostack),
            );
        }
        reset();
        let more = third.wrapping_sub(second).wrapping_sub(second - first);
        if hypercall::has_services() {
            check_eq!(more, 64, "64 more instructions"); // the monitor's machine counts exactly
        } else {
            // The manual allows a reasonable inaccuracy: a core may count one or two late.
            assert!((62..=66).contains(&more), "64 more instructions count as {more}");
        }
    }
}
