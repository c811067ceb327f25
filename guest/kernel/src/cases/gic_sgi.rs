//! Interrupts that software sends: to this CPU, to others, to all others.
//!
//! The other CPUs take them with a handler that counts, and sleep in WFI between.

use core::sync::atomic::Ordering;

use anyvisor_abi::case::Needs;
use anyvisor_arch::gic::icc::sgir;
use anyvisor_arch::pstate::Vector;

use super::gic::{check_quiet, check_state, end, take};
use super::gic_group::{end_fiq, fiq, take_fiq};
use super::gic_takers::{OVER, READY, TAKEN, all_taken, clear};
use crate::gic::cpu_interface as icc;
use crate::gic::interrupt::{Group, Interrupt, State};
use crate::gic::{self, DEFAULT_PRIORITY};
use crate::interrupt::{self, unmasked};
use crate::smp::{self, Line, Work, sleep_until, tell, wait_until};
use crate::{case, check_eq};

/// The SGI that the CPUs send each other.
pub const SGI: u32 = 7;

/// Counts an SGI that this CPU took.
fn count(cpu: usize, _: Vector) {
    let taken = gic::acknowledge().expect("an IRQ was taken");
    assert!(taken.intid() == SGI, "INTID {}, expected {SGI}", taken.intid());
    gic::end(taken);
    TAKEN[cpu].add(1);
}

/// Takes SGIs until it is over.
extern "C" fn take_sgis(_: u64) {
    Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
    READY.add(1);
    unmasked(|| wait_until(|| OVER.get() == 1));
}

case! {
    /// All 16, each by name: an SGI to oneself is pending when the write is done.
    "gic_sgi.to_self": "each SGI sent to this CPU itself is taken, with its own INTID";
    reference: "IHI 0069: ICC_SGI1R_EL1: TargetList, INTID";
    needs: Needs::ANY_GIC;
    fn to_self() {
        for intid in 0..16 {
            let sgi = Interrupt::new(intid).prepare(Group::One, DEFAULT_PRIORITY);
            check_state(sgi, State::INACTIVE);
            gic::send(intid, smp::this_cpu());
            take(sgi);
            check_quiet();
            end(sgi);
            check_state(sgi, State::INACTIVE);
        }
    }
}

case! {
    /// An SGI is a state, not a message: one that is pending already does not become two.
    "gic_sgi.collapses": "an SGI sent twice before it is taken is taken once";
    reference: "IHI 0069: software generated interrupts; pending state";
    needs: Needs::ANY_GIC;
    fn collapses() {
        let sgi = Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
        let own = smp::this_cpu();
        gic::send(SGI, own);
        gic::send(SGI, own);
        take(sgi);
        check_quiet();
        gic::send(SGI, own);
        gic::send(SGI, own);
        check_state(sgi, State::ACTIVE_AND_PENDING);
        end(sgi);
        take(sgi);
        end(sgi);
        check_quiet();
        check_state(sgi, State::INACTIVE);
    }
}

case! {
    /// An SGI for a PE that is not there is for nobody, and one for nobody is for nobody.
    "gic_sgi.to_nobody": "an SGI to an affinity that no PE has, or to no target, changes nothing here";
    reference: "IHI 0069: ICC_SGI1R_EL1.TargetList: bits of PEs that are not there are ignored";
    needs: Needs::GIC;
    fn to_nobody() {
        let sgi = Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
        icc::set_sgi1r(sgir::INTID.put(SGI.into())); // no target
        let own = smp::own_affinity();
        icc::set_sgi1r(icc::sgi(SGI, own ^ 0xff_0000)); // another Aff2
        icc::set_sgi1r(icc::sgi(SGI, own ^ 0xff00)); // another Aff1
        check_quiet();
        check_state(sgi, State::INACTIVE);
    }
}

case! {
    /// ICC_SGI0R_EL1 is for SGIs that are of Group 0 at their target.
    "gic_sgi.group0": "SGI0R makes a Group 0 SGI pending as a FIQ, and not one of Group 1";
    reference: "IHI 0069: ICC_SGI0R_EL1; forwarding an SGI to a target PE (DS = 1)";
    needs: Needs::GIC;
    fn group0() {
        let _ = fiq(0, 0x80); // lets Group 0 through
        let sgi = Interrupt::new(SGI).prepare(Group::Zero, 0x60);
        let to_self = icc::sgi(SGI, smp::own_affinity());
        icc::set_sgi0r(to_self);
        take_fiq(sgi);
        end_fiq(sgi);
        sgi.set_group(Group::One);
        icc::set_sgi0r(to_self);
        check_quiet();
        check_state(sgi, State::INACTIVE);
    }
}

case! {
    /// To one CPU and no other: each in turn.
    "gic_sgi.to_each": "an SGI to one CPU is taken there, once, and nowhere else";
    reference: "IHI 0069: ICC_SGI1R_EL1: affinity, TargetList";
    needs: Needs::ANY_GIC.and(Needs::PSCI).vcpus(2);
    fn to_each() {
        clear();
        let started = smp::start_all(take_sgis, Some(count));
        let others = smp::cpu_count() as u64 - 1;
        wait_until(|| READY.get() == others);
        for round in 1..=10 {
            for cpu in smp::others() {
                gic::send(SGI, cpu);
                wait_until(|| TAKEN[cpu].get() == round);
                check_eq!(all_taken(), (round - 1) * others + seen_before(cpu), "taken by all");
            }
        }
        tell(&OVER, 1);
        started.join();
        check_state(Interrupt::new(SGI), State::INACTIVE);
    }
}

/// How many other CPUs come before this one or are it.
fn seen_before(cpu: usize) -> u64 {
    smp::others().filter(|&other| other <= cpu).count() as u64
}

case! {
    /// To all but oneself, by one write.
    "gic_sgi.to_all_others": "IRM: an SGI to all others is taken once by each, and not by the sender";
    reference: "IHI 0069: ICC_SGI1R_EL1.IRM";
    needs: Needs::ANY_GIC.and(Needs::PSCI).vcpus(2);
    fn to_all_others() {
        clear();
        let own = Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
        let started = smp::start_all(take_sgis, Some(count));
        let others = smp::cpu_count() as u64 - 1;
        wait_until(|| READY.get() == others);
        for round in 1..=10 {
            gic::send_to_others(SGI);
            wait_until(|| all_taken() == round * others);
            for cpu in smp::others() {
                check_eq!(TAKEN[cpu].get(), round, "taken by CPU {}", cpu);
            }
            check_quiet();
            check_state(own, State::INACTIVE);
        }
        tell(&OVER, 1);
        started.join();
    }
}

case! {
    /// One write names up to 16 CPUs that share Aff3 to Aff1.
    "gic_sgi.target_list": "one write to a list of CPUs and oneself is taken by each of them and by no other";
    reference: "IHI 0069: ICC_SGI1R_EL1.TargetList";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(4);
    fn target_list() {
        clear();
        let own = Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
        let started = smp::start_all(take_sgis, Some(count));
        wait_until(|| READY.get() == smp::cpu_count() as u64 - 1);
        // CPUs 0, 1 and 3, of which the first is this one.
        let list = [0, 1, 3].map(smp::affinity);
        assert!(list.iter().all(|affinity| affinity >> 4 == 0), "the first 16 CPUs share Aff1");
        let targets = list.into_iter().fold(0, |targets, aff| targets | icc::sgi(SGI, aff));
        icc::set_sgi1r(targets);
        wait_until(|| TAKEN[1].get() == 1 && TAKEN[3].get() == 1);
        take(own);
        end(own);
        tell(&OVER, 1);
        started.join();
        check_eq!(all_taken(), 2, "taken by all others");
    }
}

case! {
    /// Pending is kept at the target: whoever is not ready gets it when it is.
    "gic_sgi.waits_at_target": "an SGI to a CPU that has it disabled waits there until it is enabled";
    reference: "IHI 0069: GICR_ISENABLER0; SGIs are pended at the target's Redistributor";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(2);
    fn waits_at_target() {
        extern "C" fn body(_: u64) {
            let sgi = Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
            sgi.disable();
            gic::settle();
            READY.add(1);
            unmasked(|| {
                wait_until(|| OVER.get() == 1);
                assert!(TAKEN[smp::this_cpu()].get() == 0, "it was taken while disabled");
                sgi.enable();
                wait_until(|| TAKEN[smp::this_cpu()].get() == 1);
            });
        }
        clear();
        let cpu = smp::other();
        let work = Work { body, argument: 0, interrupt: Some(count) };
        let started = smp::start_on(cpu, work);
        wait_until(|| READY.get() == 1);
        icc::set_sgi1r(icc::sgi(SGI, smp::affinity(cpu)));
        // It is to be seen from here: a redistributor's registers are any CPU's to read.
        smp::spin_until(|| Interrupt::of(cpu, SGI).is_pending());
        tell(&OVER, 1);
        started.join();
        check_state(Interrupt::of(cpu, SGI), State::INACTIVE);
    }
}

case! {
    /// Two CPUs that wake each other from WFI: the ball is an SGI, and it never gets lost, however
    /// close to the WFI it comes. WFI stands behind the look at the ball with interrupts masked, so
    /// that one that comes between still ends it.
    "gic_sgi.ping_pong": "two CPUs wake each other from WFI by SGIs 500 times: none is lost";
    reference: "DDI 0487: WFI wake-up events; IHI 0069: ICC_SGI1R_EL1";
    needs: Needs::ANY_GIC.and(Needs::PSCI).vcpus(2);
    fn ping_pong() {
        const ROUNDS: u64 = 500;
        /// Waits for an SGI, masked, and takes it off.
        fn receive() {
            sleep_until(|| icc::signalled() != 0);
            let taken = gic::acknowledge().expect("an IRQ is signalled");
            check_eq!(taken.intid().into(), SGI.into(), "INTID");
            gic::end(taken);
        }
        extern "C" fn body(back: u64) {
            Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
            READY.add(1);
            for _ in 0..ROUNDS {
                receive();
                TAKEN[0].0.fetch_add(1, Ordering::Relaxed);
                gic::send(SGI, back as usize);
            }
        }
        clear();
        Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
        let started = smp::start(body, smp::this_cpu() as u64);
        wait_until(|| READY.get() == 1);
        for round in 1..=ROUNDS {
            gic::send(SGI, smp::other());
            receive();
            check_eq!(TAKEN[0].get(), round, "balls that came back");
        }
        started.join();
    }
}

case! {
    /// All send and all take at the same time: a ring, in which each sends to the next one and waits
    /// for the one before, and for its own to have arrived (else two would become one).
    "gic_sgi.ring": "all CPUs send an SGI to the next one 200 times at once: each takes 200";
    reference: "IHI 0069: ICC_SGI1R_EL1; software generated interrupts";
    needs: Needs::ANY_GIC.and(Needs::PSCI).vcpus(4);
    fn ring() {
        const ROUNDS: u64 = 200;
        extern "C" fn body(cpu: u64) {
            let (cpu, all) = (cpu as usize, smp::cpu_count());
            let next = (cpu + 1) % all;
            Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
            READY.add(1);
            wait_until(|| READY.get() == all as u64);
            unmasked(|| {
                for round in 1..=ROUNDS {
                    gic::send(SGI, next);
                    wait_until(|| TAKEN[next].get() == round);
                    wait_until(|| TAKEN[cpu].get() >= round);
                }
            });
        }
        clear();
        interrupt::listen(|_| count(smp::this_cpu(), Vector::Irq));
        let started = smp::start_all(body, Some(count));
        body(smp::this_cpu() as u64);
        started.join();
        for (cpu, taken) in TAKEN.iter().map(Line::get).take(smp::cpu_count()).enumerate() {
            check_eq!(taken, ROUNDS, "taken by CPU {}", cpu);
        }
    }
}
