//! A GICv2 and several CPUs (IHI 0048): who sends, who is meant, who gets it.
//!
//! CPU interfaces have numbers, 0 to 7. An SGI is pending at its target once for each sender, and IAR
//! says which one is taken. An SPI has a set of targets, and goes to one of them.

use anyvisor_abi::case::Needs;
use anyvisor_arch::gic::{bank, gicd};
use anyvisor_arch::pstate::Vector;

use super::gic::{check_quiet, check_state, end, spi, take, wait_for_irq};
use super::gic_sgi::SGI;
use super::gic_takers::{OVER, READY, TAKEN, all_taken, clear};
use crate::gic::interrupt::{Group, Interrupt, State};
use crate::gic::{self, DEFAULT_PRIORITY, FREE_SPIS, v2};
use crate::interrupt::unmasked;
use crate::smp::{self, tell, wait_until};
use crate::{case, check_eq};

/// Counts an interrupt that this CPU took, if there is one left.
fn count(cpu: usize, _: Vector) {
    if let Some(taken) = gic::acknowledge() {
        gic::end(taken);
        TAKEN[cpu].add(1);
    }
}

/// Takes interrupts until it is over.
extern "C" fn take_them(_: u64) {
    Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
    READY.add(1);
    unmasked(|| wait_until(|| OVER.get() == 1));
}

fn others() -> smp::Started {
    clear();
    let started = smp::start_all(take_them, Some(count));
    wait_until(|| READY.get() == smp::cpu_count() as u64 - 1);
    started
}

case! {
    /// GICD_ITARGETSR0 to 7, of the SGIs and PPIs, are banked and read-only: each CPU reads its own
    /// bit there, in every byte, and that is how a driver learns the number of its interface. Linux
    /// does so at boot, and its SGIs go astray if two CPUs read the same. A hypervisor must answer by
    /// the vCPU that asks.
    "gicv2.own_target": "each CPU reads one bit, its own, in ITARGETSR0 to 7; no two CPUs read the same";
    reference: "IHI 0048: GICD_ITARGETSR0 to GICD_ITARGETSR7: banked, read the CPU's own number";
    needs: Needs::GICV2.and(Needs::PSCI).vcpus(2);
    fn own_target() {
        extern "C" fn body(_: u64) {
            let own = v2::target(smp::this_cpu());
            assert!(own.is_power_of_two(), "GICD_ITARGETSR0 reads {own:#x}");
            for word in 0..8 {
                let seen = gic::distributor().read(gicd::ITARGETSR + 4 * word);
                let wanted = u32::from(own) * 0x0101_0101;
                // A byte of an interrupt that is not there reads as zero.
                assert!(seen & !wanted == 0, "GICD_ITARGETSR{word} reads {seen:#x}");
            }
        }
        body(0);
        smp::start_all(body, None).join();
        let all = (0..smp::cpu_count()).fold(0, |all, cpu| {
            let own = v2::target(cpu);
            assert!(all & own == 0, "CPU {cpu} has the target {own:#x}, as another has");
            all | own
        });
        check_eq!(u64::from(all.count_ones()), smp::cpu_count() as u64, "targets");
    }
}

case! {
    /// An SGI is pending once for each CPU that sent it, and is taken as often: IAR.CPUID says whose
    /// it was, and EOIR must be given the same. SPENDSGIR and CPENDSGIR are how a hypervisor saves and
    /// restores these bits; here they make one SGI pending from two senders. A GICv3 has one
    /// pending bit, and one that plays a GICv2 loses the second.
    ///
    /// ```text
    ///   SPENDSGIR<7> = 0b11      IAR = 0x007 (sender 0), then 0x407 (sender 1)
    /// ```
    "gicv2.sgi_senders": "one SGI pending from two senders is taken twice, with each sender's number in IAR";
    reference: "IHI 0048: GICC_IAR.CPUID; GICD_SPENDSGIR<n>, GICD_CPENDSGIR<n>";
    needs: Needs::GICV2.vcpus(2);
    fn sgi_senders() {
        let gicd = gic::distributor();
        let sgi = Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
        let at = gicd::SPENDSGIR + u64::from(SGI);
        gicd.write8(at, 0b11);
        check_eq!(gicd.read8(at).into(), 0b11, "GICD_SPENDSGIR");
        let mut senders = 0;
        for _ in 0..2 {
            wait_for_irq();
            let read = v2::acknowledge();
            check_eq!((read & v2::INTID).into(), SGI.into(), "GICC_IAR.Interrupt_ID");
            senders |= 1 << (read >> 10 & 7);
            v2::end(read);
        }
        check_eq!(senders, 0b11, "senders");
        check_quiet();
        gicd.write8(at, 0b11);
        gicd.write8(gicd::CPENDSGIR + u64::from(SGI), 0b01);
        check_eq!(gicd.read8(at).into(), 0b10, "GICD_SPENDSGIR after CPENDSGIR of one");
        wait_for_irq();
        v2::end(v2::acknowledge());
        check_state(sgi, State::INACTIVE);
    }
}

case! {
    /// SGIR has three ways to say whom: a list, all but the sender, the sender alone. With the
    /// other two the list is not looked at. An SGI to a list goes to each named and to no other.
    "gicv2.sgi_targets": "SGIR reaches the CPUs of its list, all others, or the sender, and nobody else";
    reference: "IHI 0048: GICD_SGIR.TargetListFilter, CPUTargetList, SGIINTID";
    needs: Needs::GICV2.and(Needs::PSCI).vcpus(4);
    fn sgi_targets() {
        let own = Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
        let started = others();
        let list = [0, 1, 3].into_iter().fold(0, |list, cpu| list | u32::from(v2::target(cpu)));
        gic::distributor().write(gicd::SGIR, list << gicd::SGIR_TARGETS_SHIFT | SGI);
        wait_until(|| TAKEN[1].get() == 1 && TAKEN[3].get() == 1);
        take(own);
        end(own);
        let everybody = 0xff << gicd::SGIR_TARGETS_SHIFT | SGI;
        gic::distributor().write(gicd::SGIR, gicd::SGIR_TO_SELF | everybody);
        take(own);
        end(own);
        check_eq!(all_taken(), 2, "taken by others");
        gic::distributor().write(gicd::SGIR, gicd::SGIR_TO_OTHERS | everybody);
        wait_until(|| all_taken() == 2 + smp::cpu_count() as u64 - 1);
        check_quiet();
        check_state(own, State::INACTIVE);
        tell(&OVER, 1);
        started.join();
    }
}

case! {
    /// Interrupts 0 to 31 are banked: each CPU has its own enables, priorities and states at the same
    /// address. What one CPU does to its timer's interrupt is nothing to another.
    "gicv2.banked": "enable bits and priorities of interrupts 0 to 31 are each CPU's own";
    reference: "IHI 0048: banked interrupts; GICD_ISENABLER0, GICD_IPRIORITYR0 to 7";
    needs: Needs::GICV2.and(Needs::PSCI).vcpus(2);
    fn banked() {
        extern "C" fn body(intid: u64) {
            let ppi = Interrupt::new(intid as u32);
            assert!(!ppi.is_enabled(), "INTID {intid} is enabled on a CPU that did not enable it");
            check_eq!(ppi.priority(), DEFAULT_PRIORITY, "priority of INTID {}", intid);
            ppi.set_priority(0x60);
            ppi.disable();
        }
        let intid = (crate::timer::VIRTUAL.intid)(crate::machine::get());
        let own = Interrupt::new(intid).prepare(Group::One, 0x40);
        smp::start_all_with(body, intid.into()).join();
        assert!(own.is_enabled(), "another CPU disabled INTID {intid} here");
        check_eq!(own.priority(), 0x40, "priority");
    }
}

case! {
    /// ITARGETSR of an SPI is a set of CPUs. With one in it, that one gets the SPI. A kernel moves its
    /// devices' interrupts so, CPU by CPU; a hypervisor that looks at the set only when the
    /// SPI is first enabled leaves all of them on the first CPU.
    "gicv2.routing": "an SPI goes to the one CPU in ITARGETSR, to each in turn, and to no other";
    reference: "IHI 0048: GICD_ITARGETSR<n>";
    needs: Needs::GICV2.and(Needs::PSCI).vcpus(2);
    fn routing() {
        let started = others();
        let spi = spi(0, DEFAULT_PRIORITY);
        for (n, cpu) in (1..).zip(smp::others()) {
            spi.route(smp::affinity(cpu));
            spi.set_pending();
            wait_until(|| TAKEN[cpu].get() == 1);
            check_eq!(all_taken(), n, "taken by all");
            check_quiet();
        }
        spi.route(smp::own_affinity());
        spi.set_pending();
        take(spi);
        end(spi);
        tell(&OVER, 1);
        started.join();
        check_eq!(all_taken(), smp::cpu_count() as u64 - 1, "taken by others");
    }
}

case! {
    /// A bit of ITARGETSR whose CPU interface is not there is RAZ/WI: software finds out by it which
    /// ones are. An SPI sent to nobody would wait for ever.
    "gicv2.absent_targets": "bits of ITARGETSR past the last CPU interface of TYPER.CPUNumber ignore writes";
    reference: "IHI 0048: GICD_ITARGETSR<n>: bits of CPU interfaces that are not implemented are RAZ/WI";
    needs: Needs::GICV2;
    fn absent_targets() {
        let (gicd, spi) = (gic::distributor(), spi(0, DEFAULT_PRIORITY));
        let at = gicd::ITARGETSR + u64::from(spi.intid);
        let interfaces = (gicd.read(gicd::TYPER) >> 5 & 7) + 1;
        gicd.write8(at, 0xff);
        let kept = gicd.read8(at);
        assert!(u64::from(kept) >> interfaces == 0, "{interfaces} interfaces, ITARGETSR {kept:#x}");
    }
}

case! {
    /// With several CPUs in ITARGETSR all may be signalled, and one gets it: whoever reads IAR
    /// first. The others read 1023 (the 1-N model). An SPI that two CPUs handle is handled twice: a
    /// disk's request completed twice.
    "gicv2.one_of_n": "an SPI that all CPUs are targets of is taken once each time, 20 times";
    reference: "IHI 0048: 1-N interrupts: handling of SPIs by several processors";
    needs: Needs::GICV2.and(Needs::PSCI).vcpus(2);
    fn one_of_n() {
        const TIMES: u64 = 20;
        let started = others();
        let spi = spi(0, DEFAULT_PRIORITY);
        let at = gicd::ITARGETSR + u64::from(spi.intid);
        let all = (0..smp::cpu_count()).fold(0, |all, cpu| all | v2::target(cpu));
        gic::distributor().write8(at, all.into());
        check_eq!(gic::distributor().read8(at).into(), all.into(), "GICD_ITARGETSR");
        let mut here = 0;
        for n in 1..=TIMES {
            spi.set_pending();
            smp::spin_until(|| {
                if let Some(taken) = gic::acknowledge() {
                    gic::end(taken);
                    here += 1;
                }
                all_taken() + here >= n
            });
            smp::spin_until(|| spi.state() == State::INACTIVE);
            check_quiet();
            check_eq!(all_taken() + here, n, "taken by all");
        }
        tell(&OVER, 1);
        started.join();
        check_eq!(all_taken() + here, TIMES, "taken by all");
    }
}

case! {
    /// Each CPU has an interface of its own: its running priority, its PMR and what it has active are
    /// nothing to another. Here each CPU has an SPI of the highest priority active, all at once.
    "gicv2.parallel": "each CPU handles its own SPI while all others are active";
    reference: "IHI 0048: CPU interfaces; GICC_RPR";
    needs: Needs::GICV2.and(Needs::PSCI).vcpus(2);
    fn parallel() {
        extern "C" fn body(cpu: u64) {
            smp::spin_until(|| gic::cpu_interface::signalled() != 0);
            let taken = gic::acknowledge();
            let intid = taken.map_or(0, gic::Acknowledged::intid);
            check_eq!(intid.into(), u64::from(FREE_SPIS.start) + cpu, "INTID on CPU {}", cpu);
            READY.add(1);
            wait_until(|| OVER.get() == 1);
            check_eq!(gic::running_priority(), 0, "GICC_RPR of CPU {}", cpu);
            taken.into_iter().for_each(gic::end);
        }
        clear();
        let all = FREE_SPIS.len().min(smp::cpu_count());
        let own = smp::this_cpu();
        let spis: [Interrupt; 8] = core::array::from_fn(|n| spi(n as u32, 0));
        let mut started = [const { None }; 8];
        // A CPU's target is known when it has run: so all of them do, first.
        smp::start_all(nothing, None).join();
        for cpu in (0..all).filter(|&cpu| cpu != own) {
            let work = smp::Work { body, argument: cpu as u64, interrupt: None };
            started[cpu] = Some(smp::start_on(cpu, work));
            spis[cpu].route(smp::affinity(cpu));
            spis[cpu].set_pending();
        }
        spis[own].set_pending();
        take(spis[own]);
        wait_until(|| READY.get() == all as u64 - 1);
        for spi in &spis[..all] {
            check_state(*spi, State::ACTIVE);
        }
        tell(&OVER, 1);
        end(spis[own]);
        started.into_iter().flatten().for_each(smp::Started::join);
        for spi in spis {
            check_state(spi, State::INACTIVE);
        }
        gic::distributor().write(bank::ICENABLER + 4, u32::MAX);
    }
}

extern "C" fn nothing(_: u64) {}
