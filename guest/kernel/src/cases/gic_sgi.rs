//! Interrupts that software sends: to this CPU, to others, to all others.
//!
//! ICC_SGI1R_EL1 is written by the sender; what becomes pending is in the target's redistributor.
//! In a virtual machine the write is trapped (HCR_EL2.IMO = 1 sends it to EL2 as EC 0x18), and the
//! hypervisor does what the interconnect would: it finds the target vCPUs by affinity, makes the
//! SGI pending for each, and wakes or kicks those that need it.
//!
//! ```text
//!   63:56   55:48  47:44  40   39:32  27:24  23:16  15:0
//!   0       Aff3   RS     IRM  Aff2   INTID  Aff1   TargetList
//! ```
//!
//! A GICv2 has GICD_SGIR instead, a register in memory: up to eight CPUs by number in bits 23:16,
//! INTID in 3:0, and a filter in 25:24 for "all but me" and "me". Its write exits by stage 2.
//!
//! The other CPUs take the SGIs with a handler that counts, and wait in WFE between, or sleep in
//! WFI where a case says so.

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
    /// There are 16 SGIs, 0 to 15. One that a CPU sends to itself, by its own affinity, is pending
    /// for itself like any other; there is no shortcut for it in the register.
    ///
    /// The case sends each of the 16 to its own CPU, acknowledges it with its own INTID, and ends
    /// it.
    ///
    /// ```text
    ///   msr icc_sgi1r, INTID << 24 | Aff | 1 << Aff0
    ///       --> GICR of this CPU: pending --> IRQ --> IAR = INTID
    /// ```
    ///
    /// Kernels use it to do work "as soon as interrupts are on". A hypervisor handles the write on
    /// the sender's own thread, which is in an exit: to kick the target (itself) is not needed, and
    /// the new interrupt must be looked for before this very entry. If delivery happens only by a
    /// kick, or only for vCPUs other than the caller, the SGI comes at the next exit that happens
    /// to occur, and Linux's `irq_work` is as late as that.
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
    /// An SGI is a state and not a message: sent to a CPU where it is pending already, it does not
    /// become two. Sent while it is active it becomes active and pending, again once.
    ///
    /// The case sends one to itself twice and takes it once; while it is active it sends it twice
    /// more, and after the end takes it once more.
    ///
    /// ```text
    ///   send send      IAR          send send      EOIR    IAR   EOIR
    ///   pending        active       active+pending pending active -
    /// ```
    ///
    /// Software must therefore say in memory what the interrupt is for, and an operating system
    /// does: a word of reasons, or a list, and the SGI only as the bell. (GICv2 keeps a pending bit
    /// for each sender, so that two senders are two interrupts; here there is one.) The danger is
    /// the loss at the border: an SGI that arrives between IAR and EOIR must be kept. Linux hangs
    /// on that in `smp_call_function`.
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
    /// Bits in TargetList for PEs that do not exist are ignored, and so is an SGI for an affinity
    /// that nobody has, and one with an empty list. It is no error and has no effect.
    ///
    /// The case sends with no target, with another Aff2, and with another Aff1 than its own, and
    /// wants nothing pending here.
    ///
    /// ```text
    ///   own  Aff 0.0.0.0      sent to  Aff2 ^ 0xff, Aff1 ^ 0xff, list 0
    /// ```
    ///
    /// All of Aff3, Aff2 and Aff1 have to match, and the list says which Aff0 among 16 (RS says
    /// which 16). A hypervisor that takes only the list delivers to the first 16 vCPUs whatever the
    /// cluster. It works for small guests. With 17 vCPUs, CPU 16 (Aff1 = 1, Aff0 = 0) is sent an
    /// SGI and CPU 0 takes it as well. The index from the list must be checked against the vCPUs
    /// that exist, for the guest chose it.
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
    /// ICC_SGI0R_EL1 makes SGIs of Group 0 pending, at those targets where the SGI is configured to
    /// be of Group 0. Where it is of Group 1 nothing happens (one security state).
    ///
    /// The case sends SGI 7 to itself by SGI0R as a Group 0 interrupt, and takes it as a FIQ by
    /// ICC_IAR0_EL1; then puts it into Group 1, sends again, and wants nothing.
    ///
    /// ```text
    ///   SGI0R --> GICR_IGROUPR0[7] = 0 ? --> pending, FIQ
    ///                              = 1 ? --> dropped
    /// ```
    ///
    /// There are three registers (SGI0R, SGI1R, ASGI1R) and the group at the target decides
    /// together with the register. A hypervisor that sends all three to one routine makes Group 1
    /// SGIs pending from a Group 0 send, or the other way round. Firmware with one security state
    /// uses Group 0 for itself; a leak between groups means that its kernel takes firmware's
    /// interrupts. SGI0R traps by HCR_EL2.FMO or IMO like the others.
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
    /// An SGI to one CPU is taken there, once, and nowhere else.
    ///
    /// The case starts all other CPUs with interrupts on, sends each one an SGI in turn, ten
    /// rounds, and checks after each that this CPU's count has risen by one and the sum of all
    /// counts by one.
    ///
    /// ```text
    ///   CPU 0   SGI1R = Aff of n ----> hypervisor: vCPU n
    ///   CPU n                          IRQ, IAR = 7, count[n] + 1
    ///   others                         unchanged
    /// ```
    ///
    /// The target may be in one of three places: in the guest (it needs a kick, or the next exit
    /// may be far off), in the hypervisor on its way in (it will look by itself, if the state was
    /// set before it looks), or blocked in WFI or WFE (it must be woken). An SGI that is set after
    /// the look and before the sleep is lost for the moment, and the guest waits for a timer to
    /// find it: `reschedule` interrupts that take a tick.
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
    /// With IRM = 1 an SGI goes to all PEs but the sender; the affinity fields and the list do not
    /// count. One write, however many CPUs.
    ///
    /// The case sends ten to all others. Each must take each once; the sender's own state of the
    /// SGI stays inactive.
    ///
    /// ```text
    ///   SGI1R = IRM | INTID << 24
    ///        +--> CPU 1   +--> CPU 2   +--> CPU n       not the sender
    /// ```
    ///
    /// "All" means all PEs, including those that are off: the SGI is then pending in their
    /// redistributors and may be found when they come up, unless a reset clears it. A hypervisor
    /// that counts the sender in sends it a stop signal that it meant for others; `panic` in Linux
    /// stops the other CPUs so, and would stop itself. One that goes through its vCPUs and ends at
    /// the first that is off leaves the rest without.
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
    /// One write names up to 16 CPUs that share Aff3, Aff2 and Aff1: a bit each for Aff0 in
    /// TargetList. The sender may be among them.
    ///
    /// The case sends to CPUs 0 (itself), 1 and 3 by one write. Each must take it once, CPU 2 and
    /// all others never.
    ///
    /// ```text
    ///   TargetList   15 ... 3 2 1 0
    ///                0      1 0 1 1      Aff3.Aff2.Aff1 as given
    /// ```
    ///
    /// Linux collects the targets of a function call by cluster and writes once for each, so a
    /// hypervisor sees lists far more often than single bits. One that takes the first bit only
    /// ("the target is `trailing_zeros`") wakes one CPU of many, and the sender waits for the
    /// others' answers for ever. A bit has to be delivered even if an earlier one named a vCPU that
    /// does not exist or is off. Whether the sender is in the list has to be looked at: here it
    /// does count.
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
    /// Pending is kept at the target, in its redistributor. If the target has the SGI disabled, it
    /// waits there, and is signalled when it is enabled. Any CPU may read the state, for a
    /// redistributor's registers are memory.
    ///
    /// The case has another CPU disable its SGI with interrupts on, sends one, sees it pending in
    /// that CPU's GICR_ISPENDR0 from here, and lets the other enable it: it must be taken now, and
    /// not have been before.
    ///
    /// ```text
    ///   CPU 0   SGI1R --> GICR[1].pending = 1    read from CPU 0: 1
    ///   CPU 1   disabled: no IRQ ... ISENABLER0 --> IRQ
    /// ```
    ///
    /// A hypervisor that tests the enable when the SGI is sent, and drops what is disabled, loses
    /// it. One that keeps the pending state in the target's list registers must tell readers on
    /// other vCPUs, who cannot see those, from a copy. CPUs that come up in Linux enable their SGIs
    /// late, and the first function call to them is this case.
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
    /// An SGI that comes at any point between a look for it and the WFI behind the look must still
    /// end the WFI. Software keeps its part by masking: with PSTATE.I set nothing is taken between,
    /// and a pending interrupt ends WFI all the same.
    ///
    /// The case has two CPUs wake each other from WFI by an SGI 500 times. The ball must not get
    /// lost.
    ///
    /// ```text
    ///   CPU 0   send ----> wfi ............... IAR, EOIR, send --> wfi
    ///   CPU 1   wfi ...... IAR, EOIR, send --> wfi ..............
    /// ```
    ///
    /// This is the race of every hypervisor's WFI: the vCPU's thread decides to sleep while another
    /// thread makes an interrupt pending. Announce the sleep, look again, and then block; and the
    /// sender sets the state first and looks for sleepers afterwards. With one of the two in the
    /// other order it hangs, perhaps once in ten thousand rounds. In Linux that is a CPU that does
    /// not come out of idle, until the RCU stall detector complains.
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
    /// All CPUs send and take at the same time: each sends to the next in a ring 200 times, and
    /// waits for its own to have arrived, since two would become one. Each must have taken 200.
    ///
    /// ```text
    ///   CPU 0 --> CPU 1 --> CPU 2 --> ... --> CPU n --> CPU 0
    ///         all at once, 200 rounds
    /// ```
    ///
    /// The case unmasks interrupts and waits in WFE; the first CPU takes part too. The sum says
    /// whether any was lost or doubled.
    ///
    /// With two CPUs a hypervisor's locks are taken in two orders at the most. In a ring each vCPU
    /// is sender and target in the same moment, in exits of its own while being kicked by its
    /// neighbour: a sender that holds its own vCPU's lock while it takes the target's is a deadlock
    /// with as many vCPUs as there are. That shows as a VM that hangs under load with all threads
    /// waiting, which no test with pairs finds.
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
