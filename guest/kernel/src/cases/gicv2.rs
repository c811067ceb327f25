//! A GICv2 by its own registers (IHI 0048): one CPU's view. What holds for any GIC the other groups
//! check on a GICv2 too; here is what is said of its distributor and CPU interface.
//!
//! ```text
//!   GICD   state of each interrupt, priority, target        one for all CPUs, 0 to 31 banked
//!     |
//!     +--> GICC   PMR, running priority, IAR, EOIR          one for each CPU
//!            |
//!            +--> IRQ, FIQ
//! ```
//!
//! A hypervisor has it the hard way twice: the distributor is emulated access by access, while the
//! CPU interface that the guest sees is the hardware's virtual one (GICV), filled by list registers.
//! Whatever is in no list register must still behave as if it were.

use anyvisor_abi::case::Needs;
use anyvisor_arch::gic::{bank, gicc, gicd};

use super::gic::{check_quiet, check_state, end, spi, take, wait_for_irq};
use crate::gic::cpu_interface::{FIQ, IRQ, signalled};
use crate::gic::interrupt::{Interrupt, State};
use crate::gic::{self, DEFAULT_PRIORITY, FREE_SPIS, v2};
use crate::{case, check_eq, skip, smp};

/// GICC_IAR and GICC_HPPIR: nothing is pending.
const SPURIOUS: u64 = 1023;
/// GICC_IAR: what is pending is of Group 1, and this register is not for it.
const OTHER_GROUP: u64 = 1022;

/// A register of the CPU interface.
fn read(register: u64) -> u64 {
    v2::interface().read(register).into()
}

fn write(register: u64, value: u64) {
    v2::interface().write(register, value as u32);
}

/// How many of a priority's bits, the upper ones, are there.
fn priority_bits() -> u32 {
    let spi = Interrupt::new(FREE_SPIS.start);
    spi.set_priority(0xff);
    let bits = (spi.priority() as u32).count_ones();
    spi.set_priority(DEFAULT_PRIORITY);
    bits
}

case! {
    /// GICC_IIDR.Architecture_version says which architecture the CPU interface is of, and a driver
    /// decides by it whether GICC_DIR and the active priorities are there. GICD_TYPER says how many
    /// interrupts there are (ITLinesNumber) and how many CPU interfaces (CPUNumber, one less). The
    /// FDT says how many CPUs there are; each needs an interface. A hypervisor that copies TYPER
    /// from the host names interfaces that no vCPU has, or too few, and the guest's drivers then
    /// send interrupts to nobody.
    "gicv2.version": "IIDR says architecture 2; TYPER has an interface for each CPU and whole words of INTIDs";
    reference: "IHI 0048: GICC_IIDR.Architecture_version; GICD_TYPER.CPUNumber, ITLinesNumber";
    needs: Needs::GICV2;
    fn version() {
        check_eq!(read(gicc::IIDR) >> gicc::IIDR_ARCHITECTURE_SHIFT & 0xf, 2, "Architecture_version");
        let typer = gic::distributor().read(gicd::TYPER);
        let interfaces = (typer >> 5 & 7) as usize + 1;
        assert!(interfaces >= smp::cpu_count(), "{interfaces} interfaces, {} CPUs", smp::cpu_count());
        assert!(gic::intids() > FREE_SPIS.end, "GICD_TYPER.ITLinesNumber: {}", gic::intids());
    }
}

case! {
    /// The whole way of an interrupt: ISPENDR makes it pending, the CPU is signalled, reading IAR
    /// acknowledges it (active, and running at its priority), EOIR ends it.
    ///
    /// ```text
    ///   inactive --ISPENDR--> pending --IAR--> active --EOIR--> inactive
    ///                         ISR_EL1.I = 1    RPR = priority   RPR = 0xff
    /// ```
    ///
    /// In a virtual CPU interface IAR and EOIR work on a list register and cause no exit; the
    /// distributor that the guest reads is emulated. A hypervisor that does not read the list
    /// registers back before it answers shows a state of long ago.
    "gicv2.acknowledge": "pending is signalled; IAR makes it active, RPR is its priority; EOIR ends it";
    reference: "IHI 0048: interrupt handling state machine; GICC_IAR, GICC_EOIR, GICC_RPR, GICC_HPPIR";
    needs: Needs::GICV2;
    fn acknowledge() {
        let own = Interrupt::new(3).prepare(gic::interrupt::Group::One, DEFAULT_PRIORITY);
        for interrupt in [own, spi(0, DEFAULT_PRIORITY)] {
            check_state(interrupt, State::INACTIVE);
            check_eq!(read(gicc::HPPIR), SPURIOUS, "GICC_HPPIR");
            interrupt.set_pending();
            check_state(interrupt, State::PENDING);
            wait_for_irq();
            check_eq!(read(gicc::HPPIR) & 0x3ff, interrupt.intid.into(), "GICC_HPPIR");
            take(interrupt);
            check_state(interrupt, State::ACTIVE);
            check_eq!(read(gicc::RPR), DEFAULT_PRIORITY, "GICC_RPR");
            check_quiet();
            end(interrupt);
            check_state(interrupt, State::INACTIVE);
            check_eq!(read(gicc::RPR), 0xff, "GICC_RPR at the end");
        }
    }
}

case! {
    /// With nothing pending, IAR reads 1023, acknowledges nothing and changes no priority; EOIR of
    /// that number is ignored. A handler that is called for an interrupt which somebody else took, or
    /// which was withdrawn, lives on this. A model that pops its stack of active priorities for every
    /// EOIR drops the priority of whatever runs.
    "gicv2.spurious": "IAR with nothing pending is 1023, and EOIR of 1023 ends nothing";
    reference: "IHI 0048: special interrupt numbers; GICC_IAR, GICC_EOIR";
    needs: Needs::GICV2;
    fn spurious() {
        check_eq!(read(gicc::IAR), SPURIOUS, "GICC_IAR");
        let spi = spi(0, DEFAULT_PRIORITY);
        spi.set_pending();
        take(spi);
        check_eq!(read(gicc::IAR), SPURIOUS, "GICC_IAR with one active");
        write(gicc::EOIR, SPURIOUS);
        check_state(spi, State::ACTIVE);
        check_eq!(read(gicc::RPR), DEFAULT_PRIORITY, "GICC_RPR");
        end(spi);
        spi.set_pending();
        wait_for_irq();
        spi.clear_pending();
        check_quiet();
        check_eq!(read(gicc::IAR), SPURIOUS, "GICC_IAR of one withdrawn");
    }
}

case! {
    /// PMR masks what is not more urgent than it: an interrupt is signalled if its priority is
    /// *lower* than PMR as a number. One that is equal is not. Linux's pseudo-NMIs hang on the
    /// difference. Masked interrupts stay pending, HPPIR names them all the same, and they are
    /// signalled as soon as PMR lets them.
    "gicv2.mask": "an interrupt of PMR's own priority is held back, one step more urgent it is not";
    reference: "IHI 0048: GICC_PMR; interrupt priority masking";
    needs: Needs::GICV2;
    fn mask() {
        let step = 1 << (8 - priority_bits());
        let spi = spi(0, DEFAULT_PRIORITY);
        for (mask, passes) in [
            (DEFAULT_PRIORITY, false),
            (DEFAULT_PRIORITY - step, false),
            (0, false),
            (DEFAULT_PRIORITY + step, true),
            (0xff, true),
        ] {
            write(gicc::PMR, mask);
            spi.set_pending();
            if passes {
                take(spi);
                end(spi);
            } else {
                check_quiet();
                check_state(spi, State::PENDING);
                write(gicc::PMR, 0xff);
                take(spi);
                end(spi);
            }
        }
    }
}

case! {
    /// Of those pending the one of the lowest number, the highest priority, comes first; of equals the
    /// one of the lowest INTID. While one runs, only a more urgent one is signalled, and EOIR gives
    /// back the priority of the one before.
    ///
    /// ```text
    ///   RPR  0xff   0x80   0x40   0x80   0xff
    ///        IAR--> A IAR-> B EOIR     EOIR
    /// ```
    ///
    /// A virtual interface has a few list registers. With more pending than fit, the hypervisor
    /// chooses which are shown, and must choose by priority.
    "gicv2.nested": "eight pending are taken by priority, then INTID; a more urgent one preempts, EOIR goes back";
    reference: "IHI 0048: interrupt prioritization, preemption; GICC_RPR, GICC_EOIR";
    needs: Needs::GICV2;
    fn nested() {
        let priorities = [0x80, 0x40, 0xa0, 0x40, 0xc0, 0x60, 0x20, 0xa0];
        let spis: [Interrupt; 8] = core::array::from_fn(|n| spi(n as u32, priorities[n]));
        spis.iter().for_each(|spi| spi.set_pending());
        for n in [6, 1, 3, 5, 0, 2, 7, 4] {
            take(spis[n]);
            end(spis[n]);
        }
        check_quiet();
        for (n, seen) in [(4, 0xc0), (0, 0x80), (1, 0x40)] {
            spis[n].set_pending();
            take(spis[n]);
            check_eq!(read(gicc::RPR), seen, "GICC_RPR");
        }
        spis[3].set_pending(); // as urgent as the one that runs
        check_quiet();
        for (n, seen) in [(1, 0x80), (3, 0x80), (0, 0xc0), (4, 0xff)] {
            if n == 3 {
                take(spis[3]);
            }
            end(spis[n]);
            check_eq!(read(gicc::RPR), seen, "GICC_RPR after EOIR");
        }
        check_quiet();
    }
}

case! {
    /// With EOImode set, EOIR only drops the priority, and DIR deactivates. In between the interrupt is
    /// active, and is not signalled again, while others of its priority are. A hypervisor that passes
    /// a physical interrupt on uses just this split for itself, and must give it to its guest too.
    "gicv2.eoi_mode": "EOImode: EOIR drops the priority and leaves it active; DIR deactivates, in any order";
    reference: "IHI 0048: priority drop and interrupt deactivation; GICC_CTLR.EOImode, GICC_DIR";
    needs: Needs::GICV2;
    fn eoi_mode() {
        let both = [spi(0, DEFAULT_PRIORITY), spi(1, DEFAULT_PRIORITY)];
        let mode = gicc::CTLR_ENABLE | gicc::CTLR_EOI_MODE;
        write(gicc::CTLR, mode.into());
        check_eq!(read(gicc::CTLR), mode.into(), "GICC_CTLR");
        for spi in both {
            spi.set_pending();
            take(spi);
            end(spi);
            check_state(spi, State::ACTIVE);
            check_eq!(read(gicc::RPR), 0xff, "GICC_RPR after EOIR");
        }
        both[0].set_pending();
        check_quiet();
        for spi in both {
            write(gicc::DIR, spi.intid.into());
        }
        check_state(both[1], State::INACTIVE);
        take(both[0]);
        end(both[0]);
        write(gicc::DIR, both[0].intid.into());
        check_state(both[0], State::INACTIVE);
    }
}

case! {
    /// ISACTIVER and ICACTIVER set and clear the active state by hand, as a kernel does when it takes
    /// over from a crashed one. An active interrupt that becomes pending again is both, and is
    /// not signalled until it is not active any more. The running priority has nothing to do with
    /// it: that is the CPU interface's.
    "gicv2.active": "active by hand holds a pending interrupt back; ICACTIVER lets it through; RPR stays idle";
    reference: "IHI 0048: GICD_ISACTIVER<n>, GICD_ICACTIVER<n>";
    needs: Needs::GICV2;
    fn active() {
        let spi = spi(0, DEFAULT_PRIORITY);
        spi.set_active();
        check_state(spi, State::ACTIVE);
        check_eq!(read(gicc::RPR), 0xff, "GICC_RPR");
        spi.set_pending();
        check_state(spi, State::ACTIVE_AND_PENDING);
        check_quiet();
        spi.clear_active();
        take(spi);
        end(spi);
        check_state(spi, State::INACTIVE);
    }
}

case! {
    /// Three gates stand between a pending interrupt and the CPU: its own enable bit, GICD_CTLR and
    /// GICC_CTLR. Each holds it back, none forgets it.
    "gicv2.enables": "ISENABLER, GICD_CTLR and GICC_CTLR each hold back a pending SPI, which is taken afterwards";
    reference: "IHI 0048: GICD_CTLR, GICC_CTLR, GICD_ISENABLER<n>, GICD_ICENABLER<n>";
    needs: Needs::GICV2;
    fn enables() {
        let (gicd, spi) = (gic::distributor(), spi(0, DEFAULT_PRIORITY));
        let distributor = |on: bool| gicd.write(gicd::CTLR, u32::from(on) * gicd::V2_CTLR_ENABLE);
        let interface = |on: bool| write(gicc::CTLR, u64::from(on) * u64::from(gicc::CTLR_ENABLE));
        let own = |on: bool| if on { spi.enable() } else { spi.disable() };
        for gate in [&distributor as &dyn Fn(bool), &interface, &own] {
            gate(false);
            spi.set_pending();
            check_quiet();
            check_state(spi, State::PENDING);
            gate(true);
            take(spi);
            end(spi);
        }
    }
}

case! {
    /// What software may not change stays: GICD_TYPER, GICC_IIDR, GICC_RPR, GICC_HPPIR; the
    /// configuration of SGIs, which are edges; the pending bits of SGIs in ISPENDR0, which only
    /// SGIR and SPENDSGIR set; the targets of interrupts 0 to 31. Reserved registers read as zero.
    /// A distributor emulated by one array of bytes has all of these wrong at once.
    "gicv2.read_only": "TYPER, IIDR, RPR, HPPIR, ICFGR0, SGIs' ISPENDR0 and ITARGETSR0-7 ignore writes; reserved reads 0";
    reference: "IHI 0048: distributor register map: RO, RAZ/WI; GICD_ICFGR0, GICD_ISPENDR0, GICD_ITARGETSR0-7";
    needs: Needs::GICV2;
    fn read_only() {
        let gicd = gic::distributor();
        for register in [gicd::TYPER, gicd::IIDR, bank::ICFGR, gicd::ITARGETSR, gicd::ITARGETSR + 28] {
            let before = gicd.read(register);
            gicd.write(register, !before);
            check_eq!(gicd.read(register).into(), before.into(), "GICD at {:#x}", register);
        }
        gicd.write(bank::ISPENDR, 0xffff);
        check_eq!((gicd.read(bank::ISPENDR) & 0xffff).into(), 0, "SGIs in GICD_ISPENDR0");
        check_eq!((gicd.read(bank::ICFGR) & 0xaaaa_aaaa).into(), 0xaaaa_aaaa, "SGIs in GICD_ICFGR0");
        for register in [gicc::IIDR, gicc::RPR, gicc::HPPIR] {
            let before = read(register);
            write(register, !before);
            check_eq!(read(register), before, "GICC at {:#x}", register);
        }
        for register in [0x00c, 0xf04, 0xf0c] {
            gicd.write(register, u32::MAX);
            check_eq!(gicd.read(register).into(), 0, "GICD at {:#x}, reserved", register);
        }
    }
}

case! {
    /// Past the last INTID that TYPER tells of, there is no state: enables, pending bits and
    /// priorities read as zero, whatever is written.
    "gicv2.past_the_last": "registers of INTIDs past GICD_TYPER.ITLinesNumber read as zero and ignore writes";
    reference: "IHI 0048: GICD_TYPER.ITLinesNumber; GICD_ISENABLER<n>";
    needs: Needs::GICV2;
    fn past_the_last() {
        let (gicd, past) = (gic::distributor(), u64::from(gic::intids()));
        if past >= 1020 {
            skip!("GICD_TYPER.ITLinesNumber: there are all INTIDs that can be");
        }
        for (register, at) in [
            (bank::ISENABLER, past / 8),
            (bank::ISPENDR, past / 8),
            (bank::ISACTIVER, past / 8),
            (bank::IPRIORITYR, past),
            (gicd::ITARGETSR, past),
        ] {
            gicd.write(register + at, u32::MAX);
            check_eq!(gicd.read(register + at).into(), 0, "GICD at {:#x}", register + at);
        }
    }
}

/// GICC_CTLR: both groups, Group 0 by FIQ.
const GROUPS: u64 = (gicc::CTLR_ENABLE | gicc::CTLR_ENABLE_GRP1 | gicc::CTLR_FIQ_EN) as u64;

/// An SPI of Group 0, signalled as FIQ, and one of Group 1.
fn groups() -> [Interrupt; 2] {
    let gicd = gic::distributor();
    let [zero, one] = [spi(0, DEFAULT_PRIORITY), spi(1, DEFAULT_PRIORITY)];
    let word = bank::IGROUPR + u64::from(one.intid / 32) * 4;
    gicd.write(word, 1 << (one.intid % 32));
    write(gicc::CTLR, GROUPS);
    if gicd.read(word) == 0 || read(gicc::CTLR) != GROUPS {
        skip!("GICD_IGROUPR, GICC_CTLR.FIQEn: this GIC shows no groups");
    }
    gicd.write(gicd::CTLR, gicd::V2_CTLR_ENABLE | gicd::V2_CTLR_ENABLE_GRP1);
    [zero, one]
}

case! {
    /// With FIQEn, Group 0 is signalled as FIQ and Group 1 as IRQ. IAR is for Group 0: with an
    /// interrupt of Group 1 on top it reads 1022 and acknowledges nothing, unless AckCtl says that it
    /// serves both. That is how a secure world keeps its interrupts from the other. A hypervisor
    /// may show its guests no groups (then IGROUPR does not keep what is written), but half of
    /// them is wrong: a Linux guest's pseudo-FIQ never comes, or comes as IRQ.
    "gicv2.groups": "FIQEn: Group 0 is a FIQ by IAR; Group 1 is an IRQ, IAR reads 1022 of it until AckCtl is set";
    reference: "IHI 0048: interrupt grouping; GICC_CTLR.FIQEn, AckCtl; special interrupt numbers; GICD_IGROUPR<n>";
    needs: Needs::GICV2;
    fn grouping() {
        let [zero, one] = groups();
        one.set_pending();
        smp::spin_until(|| signalled() == IRQ);
        check_eq!(read(gicc::IAR), OTHER_GROUP, "GICC_IAR with Group 1 pending");
        check_state(one, State::PENDING);
        write(gicc::CTLR, GROUPS | u64::from(gicc::CTLR_ACK_CTL));
        check_eq!(read(gicc::IAR), one.intid.into(), "GICC_IAR with AckCtl");
        write(gicc::EOIR, one.intid.into());
        check_state(one, State::INACTIVE);
        write(gicc::CTLR, GROUPS);
        zero.set_pending();
        smp::spin_until(|| signalled() == FIQ);
        check_eq!(read(gicc::IAR), zero.intid.into(), "GICC_IAR");
        write(gicc::EOIR, zero.intid.into());
        check_state(zero, State::INACTIVE);
    }
}

case! {
    /// AIAR, AEOIR and AHPPIR are Group 1's own: whoever handles both groups needs no AckCtl, which
    /// the architecture advises against. AIAR with an interrupt of Group 0 on top reads 1023:
    /// there is none for it.
    "gicv2.aliases": "AHPPIR names, AIAR takes and AEOIR ends an interrupt of Group 1; AIAR takes none of Group 0";
    reference: "IHI 0048: GICC_AIAR, GICC_AEOIR, GICC_AHPPIR";
    needs: Needs::GICV2;
    fn aliases() {
        let [zero, one] = groups();
        one.set_pending();
        smp::spin_until(|| signalled() == IRQ);
        check_eq!(read(gicc::AHPPIR), one.intid.into(), "GICC_AHPPIR");
        check_eq!(read(gicc::AIAR), one.intid.into(), "GICC_AIAR");
        check_state(one, State::ACTIVE);
        write(gicc::AEOIR, one.intid.into());
        check_state(one, State::INACTIVE);
        zero.set_pending();
        smp::spin_until(|| signalled() == FIQ);
        check_eq!(read(gicc::AIAR), SPURIOUS, "GICC_AIAR with Group 0 pending");
        check_state(zero, State::PENDING);
    }
}
