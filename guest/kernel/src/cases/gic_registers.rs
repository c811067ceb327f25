//! What the GIC says of itself, and what its registers keep.

use core::arch::global_asm;

use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::Esr;
use anyvisor_arch::gic::gicr::waker;
use anyvisor_arch::gic::intid::SPIS;
use anyvisor_arch::gic::{bank, gicd, gicr, icc as fields};

use crate::gic::interrupt::{Interrupt, Trigger};
use crate::gic::{self, FREE_SPIS, cpu_interface as icc};
use crate::user::{self, User};
use crate::{case, check_eq, skip, smp, user_code};

case! {
    /// The architecture's version stands at the same place of every frame.
    "gic.version": "GICD_PIDR2 and each GICR_PIDR2 say GICv3 or GICv4";
    reference: "IHI 0069: GICD_PIDR2.ArchRev, GICR_PIDR2.ArchRev";
    needs: Needs::GIC;
    fn version() {
        let frames = (0..smp::cpu_count()).map(gic::redistributor);
        for frame in frames.chain([gic::distributor()]) {
            let revision = gicd::PIDR2_ARCH_REV.get(frame.read(gicd::PIDR2).into());
            assert!([3, 4].contains(&revision), "ArchRev is {revision}");
        }
    }
}

case! {
    /// With affinity routing and one security state (all that a guest gets), GICD_CTLR keeps the
    /// two group enables, and ARE and DS read as one.
    "gic.control": "GICD_CTLR keeps EnableGrp0 and EnableGrp1; ARE and DS stay 1, RWP falls";
    reference: "IHI 0069: GICD_CTLR (DS = 1)";
    needs: Needs::GIC;
    fn control() {
        use gicd::ctlr::{ARE, DS, ENABLE_GRP0, ENABLE_GRP1};
        if !gic::is_one_security_state() {
            skip!("GICD_CTLR.DS is 0: this is the Non-secure view of two security states");
        }
        let gicd = gic::distributor();
        for enables in [0, ENABLE_GRP0, ENABLE_GRP1, ENABLE_GRP0 | ENABLE_GRP1] {
            gicd.write(gicd::CTLR, ARE | enables);
            gic::settle(); // for ever, if RWP does not fall
            let seen = gicd.read(gicd::CTLR) & (ARE | DS | ENABLE_GRP0 | ENABLE_GRP1);
            check_eq!(seen.into(), (ARE | DS | enables).into(), "GICD_CTLR");
        }
    }
}

case! {
    /// Each PE has a redistributor that names its affinity, each has another processor number,
    /// and the last one in the region says so.
    "gic.redistributors": "each CPU has a GICR with its affinity; numbers differ, one is Last";
    reference: "IHI 0069: GICR_TYPER.Affinity_Value, Processor_Number, Last";
    needs: Needs::GIC;
    fn redistributors() {
        use gicr::typer::{AFFINITY_VALUE, LAST, PROCESSOR_NUMBER};
        let (mut numbers, mut last) = (0_u64, 0);
        for cpu in 0..smp::cpu_count() {
            let typer = gic::redistributor(cpu).read64(gicr::TYPER);
            let affinity = smp::affinity(cpu);
            let wanted = affinity >> 32 << 24 | affinity & 0xff_ffff;
            check_eq!(AFFINITY_VALUE.get(typer), wanted, "Affinity_Value of CPU {}", cpu);
            let number = PROCESSOR_NUMBER.get(typer);
            assert!(number < 64 && numbers >> number & 1 == 0, "two PEs have number {number}");
            numbers |= 1 << number;
            last += u64::from(typer & LAST != 0);
            // The same by halves.
            let halves = [0, 4].map(|half| gic::redistributor(cpu).read(gicr::TYPER + half));
            check_eq!(u64::from(halves[1]) << 32 | u64::from(halves[0]), typer, "by halves");
        }
        check_eq!(last, 1, "redistributors that say Last");
    }
}

case! {
    /// The CPU interface is there by system registers; how many bits a priority has is one number
    /// for PMR, BPR and CTLR.PRIbits.
    "gic.cpu_interface": "ICC_SRE.SRE is 1; PMR keeps PRIbits + 1 bits; BPR0, BPR1 keep what is not below a minimum";
    reference: "IHI 0069: ICC_SRE_EL1, ICC_CTLR_EL1.PRIbits, ICC_PMR_EL1, ICC_BPR0_EL1, ICC_BPR1_EL1";
    needs: Needs::GIC;
    fn cpu_interface() {
        check_eq!(icc::sre() & fields::sre::SRE, 1, "ICC_SRE_EL1.SRE");
        let bits = icc::priority_bits();
        assert!((4..=8).contains(&bits), "{bits} bits of priority: 16 levels are the least");
        let mask = 0xff & !(0xff >> bits);
        for value in [0, 0xff, 0x55, 0xaa] {
            icc::set_pmr(value);
            check_eq!(icc::pmr(), value & mask, "ICC_PMR_EL1 after {:#x}", value);
        }
        for (name, read, write) in [
            ("BPR0", icc::bpr0 as fn() -> u64, icc::set_bpr0 as fn(u64)),
            ("BPR1", icc::bpr1, icc::set_bpr1),
        ] {
            write(0);
            let least = read();
            assert!(least <= 8 - bits + 1, "ICC_{name}_EL1's least value is {least}");
            for value in 0..8 {
                write(value);
                check_eq!(read(), value.max(least), "ICC_BPR after {:#x}", value);
            }
        }
    }
}

/// Checks a pair of registers of which one sets bits and one clears them.
fn check_set_and_clear(set: u64, clear: u64, intid: u32) {
    let frame = gic::distributor();
    let word = u64::from(intid / 32) * 4;
    let mask = 1 << (intid % 32);
    let both = || {
        let seen = [set, clear].map(|register| frame.read(register + word) & mask);
        check_eq!(seen[0].into(), seen[1].into(), "the bit in both registers");
        seen[0] != 0
    };
    let steps = [(set, mask, true), (set, 0, true), (clear, 0, true), (clear, mask, false)];
    for (register, value, wanted) in steps {
        frame.write(register + word, value);
        assert!(both() == wanted, "after {value:#x} to {register:#x} of INTID {intid}");
    }
}

case! {
    /// Enable, pending and active are each a register whose ones set and one whose ones clear;
    /// zeroes change nothing, and both read the state.
    "gic.set_and_clear": "ISENABLER, ISPENDR, ISACTIVER set by ones, IC... clear by ones; both read the bit";
    reference: "IHI 0069: GICD_ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER";
    needs: Needs::GIC;
    fn set_and_clear() {
        for intid in FREE_SPIS {
            check_set_and_clear(bank::ISENABLER, bank::ICENABLER, intid);
            check_set_and_clear(bank::ISPENDR, bank::ICPENDR, intid);
            check_set_and_clear(bank::ISACTIVER, bank::ICACTIVER, intid);
        }
    }
}

case! {
    /// Priorities are bytes: each may be written alone, and four are a word.
    "gic.priority_bytes": "IPRIORITYR by byte and by word are the same four priorities";
    reference: "IHI 0069: GICD_IPRIORITYR, GICR_IPRIORITYR: byte accesses";
    needs: Needs::GIC;
    fn priority_bytes() {
        for intid in [0, FREE_SPIS.start] {
            let four = [0, 1, 2, 3].map(|n| Interrupt::new(intid + n));
            for (interrupt, priority) in four.iter().zip([0x10, 0x80, 0xf0, 0x40]) {
                interrupt.set_priority(priority);
            }
            let frame = match intid {
                0 => gic::redistributor(smp::this_cpu()).plus(gicr::SGI_BASE),
                _ => gic::distributor(),
            };
            let at = bank::IPRIORITYR + u64::from(intid);
            check_eq!(frame.read(at).into(), 0x40f0_8010, "the word of INTID {}", intid);
            frame.write(at, 0x2030_90e0);
            for (interrupt, wanted) in four.iter().zip([0xe0, 0x90, 0x30, 0x20]) {
                check_eq!(interrupt.priority(), wanted, "INTID {}", interrupt.intid);
            }
        }
    }
}

case! {
    /// SGIs are edges by nature. An SPI is what it was configured to be.
    "gic.configuration": "ICFGR keeps level or edge of an SPI; SGIs are edges and stay so";
    reference: "IHI 0069: GICD_ICFGR, GICR_ICFGR0";
    needs: Needs::GIC;
    fn configuration() {
        let spi = Interrupt::new(FREE_SPIS.start);
        spi.disable();
        gic::settle();
        for trigger in [Trigger::Edge, Trigger::Level, Trigger::Edge] {
            spi.set_trigger(trigger);
            assert!(spi.trigger() == trigger, "{:?}, expected {trigger:?}", spi.trigger());
        }
        let neighbour = Interrupt::new(FREE_SPIS.start + 1);
        assert!(neighbour.trigger() == Trigger::Level, "its neighbour has changed");
        let frame = gic::redistributor(smp::this_cpu()).plus(gicr::SGI_BASE);
        check_eq!(frame.read(bank::ICFGR).into(), 0xaaaa_aaaa, "GICR_ICFGR0");
        frame.write(bank::ICFGR, 0);
        check_eq!(frame.read(bank::ICFGR).into(), 0xaaaa_aaaa, "GICR_ICFGR0 after a write of 0");
    }
}

case! {
    /// IROUTER is a 64-bit register that may be written by halves: the affinity, and
    /// Interrupt_Routing_Mode.
    "gic.router": "GICD_IROUTER keeps an affinity and IRM, by 64 bits and by halves";
    reference: "IHI 0069: GICD_IROUTER<n>";
    needs: Needs::GIC;
    fn router() {
        let spi = Interrupt::new(FREE_SPIS.start);
        let at = gicd::IROUTER + 8 * u64::from(spi.intid);
        let gicd = gic::distributor();
        for cpu in 0..smp::cpu_count() {
            spi.route(smp::affinity(cpu));
            check_eq!(spi.routing(), smp::affinity(cpu), "routed to CPU {}", cpu);
        }
        spi.route_to_any();
        check_eq!(spi.routing() & gicd::irouter::IRM, gicd::irouter::IRM, "IRM");
        let own = smp::own_affinity();
        gicd.write(at + 4, (own >> 32) as u32);
        gicd.write(at, own as u32);
        check_eq!(spi.routing(), own, "written by halves");
        check_eq!(gicd.read(at).into(), own & 0xffff_ffff, "the lower half");
    }
}

case! {
    /// INTIDs that are not implemented have no state, the special ones (1020 to 1023) never.
    "gic.past_the_last": "bits of INTIDs past GICD_TYPER.ITLinesNumber read zero and keep nothing";
    reference: "IHI 0069: GICD_TYPER.ITLinesNumber; INTIDs 1020 to 1023; RAZ/WI";
    needs: Needs::GIC;
    fn past_the_last() {
        let first = gic::intids();
        assert!(SPIS.start < first && first <= SPIS.end, "{first} INTIDs");
        let frame = gic::distributor();
        let (word, bits) = (u64::from(first / 32) * 4, u32::MAX << (first % 32));
        for register in [bank::ISENABLER, bank::ISPENDR, bank::ISACTIVER, bank::IGROUPR] {
            frame.write(register + word, bits);
            let seen = frame.read(register + word) & bits;
            frame.write(bank::ICENABLER + word, bits);
            frame.write(bank::ICPENDR + word, bits);
            frame.write(bank::ICACTIVER + word, bits);
            check_eq!(seen.into(), 0, "bits past GICD_TYPER.ITLinesNumber at {:#x}", register + word);
        }
        check_eq!(icc::hppir1(), icc::NONE, "ICC_HPPIR1_EL1");
    }
}

case! {
    /// A redistributor sleeps when it is told to, and wakes: ChildrenAsleep follows.
    "gic.waker": "GICR_WAKER.ChildrenAsleep follows ProcessorSleep";
    reference: "IHI 0069: GICR_WAKER; power management";
    needs: Needs::GIC;
    fn waker() {
        let frame = gic::redistributor(smp::this_cpu());
        icc::set_igrpen0(0); // before: else it is UNPREDICTABLE
        icc::set_igrpen1(0);
        frame.write(gicr::WAKER, waker::PROCESSOR_SLEEP);
        let sleeps = frame.read(gicr::WAKER) & waker::PROCESSOR_SLEEP != 0;
        assert!(sleeps, "GICR_WAKER.ProcessorSleep does not stay");
        smp::spin_until(|| frame.read(gicr::WAKER) & waker::CHILDREN_ASLEEP != 0);
        frame.write(gicr::WAKER, 0);
        smp::spin_until(|| frame.read(gicr::WAKER) & waker::CHILDREN_ASLEEP == 0);
    }
}

case! {
    /// The CPU interface is the kernel's.
    "gic.from_el0": "MRS ICC_IAR1_EL1 and MSR ICC_EOIR1_EL1 at EL0 are UNDEFINED";
    reference: "IHI 0069: ICC_IAR1_EL1, ICC_EOIR1_EL1: accessibility";
    needs: Needs::GIC;
    fn from_el0() {
        for start in [user_code!(user_iar), user_code!(user_eoir)] {
            let trap = user::run(&mut User::at(start));
            check_eq!(trap.esr.0, Esr::unknown().0, "ESR_EL1");
            check_eq!(trap.elr, start, "ELR_EL1");
        }
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    "user_iar:  mrs x0, icc_iar1_el1",
    "user_eoir: msr icc_eoir1_el1, x0",
    ".global user_iar, user_eoir",
    ".popsection",
);
