//! The performance monitors, where there are any.

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
    /// The cycle counter counts while it is enabled, keeps its value while it is not, and takes
    /// a value that is written; at the end of its 64 bits it says so.
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
    /// An event counter counts what PMEVTYPER<n>_EL0 says: writes to PMSWINC_EL0, here.
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
    /// Where PMCEID0_EL0 claims INST_RETIRED, a straight line of instructions counts as many.
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
