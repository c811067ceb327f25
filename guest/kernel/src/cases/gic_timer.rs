//! The timers' PPIs: their outputs are levels, each CPU has its own.
//!
//! ```text
//!   CNTV: condition and not IMASK --> PPI 27 of this CPU's GICR
//!   CNTP: condition and not IMASK --> PPI 30
//!         pending = output; ICPENDR has no power over it
//! ```
//!
//! For a hypervisor this is where two models meet: the timer's, which says when the output changes,
//! and the GIC's, which must hear of it while a vCPU runs, while it is in an exit, and while it
//! sleeps.

use anyvisor_abi::case::Needs;
use anyvisor_arch::pstate::Vector;
use anyvisor_arch::timer::ctl;

use super::gic::{check_quiet, check_state, end, take};
use super::timer::{milliseconds, physical};
use crate::gic::cpu_interface as icc;
use crate::gic::interrupt::{Group, Interrupt, State};
use crate::gic::{DEFAULT_PRIORITY, settle};
use crate::interrupt::unmasked;
use crate::machine::{self, MOST_CPUS};
use crate::smp::{self, Line, sleep_until};
use crate::timer::{Timer, VIRTUAL};
use crate::{case, check_eq, gic};

fn ppi(timer: &Timer, priority: u64) -> Interrupt {
    Interrupt::new((timer.intid)(machine::get())).prepare(Group::One, priority)
}

/// The pending state follows the timer's output, however that changes.
fn check_level(timer: &'static Timer) {
    let ppi = ppi(timer, DEFAULT_PRIORITY);
    check_state(ppi, State::INACTIVE);
    timer.start(0);
    smp::spin_until(|| ppi.is_pending());
    ppi.clear_pending();
    check_state(ppi, State::PENDING); // ICPENDR has no power over a line
    (timer.set_ctl)(ctl::ENABLE | ctl::IMASK);
    smp::spin_until(|| !ppi.is_pending());
    check_quiet();
    (timer.set_ctl)(ctl::ENABLE);
    smp::spin_until(|| ppi.is_pending());
    (timer.set_cval)(u64::MAX);
    smp::spin_until(|| !ppi.is_pending());
    (timer.set_cval)(0);
    take(ppi);
    check_state(ppi, State::ACTIVE_AND_PENDING);
    timer.stop();
    smp::spin_until(|| !ppi.is_pending());
    check_state(ppi, State::ACTIVE);
    end(ppi);
    check_state(ppi, State::INACTIVE);
    check_quiet();
}

case! {
    /// The virtual timer's PPI (27) is pending exactly as long as the timer's output is high.
    /// ENABLE, IMASK and CVAL make the output; ICPENDR cannot clear a line that is high.
    ///
    /// The case starts the timer with CVAL = 0 and sees the PPI pending, clears it in vain, sets
    /// IMASK (not pending), clears IMASK (pending), moves CVAL to the end of time (not), and back,
    /// takes it (active and pending), stops the timer (active), and ends it.
    ///
    /// ```text
    ///   CTL, CVAL   due   IMASK   -    CVAL far   CVAL 0   IAR   stop
    ///   PPI         P     -       P    -          P        AP    A
    /// ```
    ///
    /// Where hardware's timer raises a physical interrupt to the host, the hypervisor makes the
    /// guest's pending then. It has to go away again when the guest moves CVAL, which does not
    /// exit: at the latest at the next exit or read of the state. A stale pending bit is an
    /// interrupt without a reason; Linux's handler sees ISTATUS = 0 and reports IRQ_NONE.
    "gic_timer.virtual": "PPI 27 is pending while the virtual timer's output is high: IMASK, CVAL, ENABLE lower it";
    reference: "DDI 0487: CNTV_CTL_EL0; IHI 0069: GICR_ISPENDR0, level-sensitive interrupts";
    needs: Needs::ANY_GIC;
    fn level_virtual() {
        check_level(&VIRTUAL);
    }
}

case! {
    /// The physical timer's PPI (30) follows its output in the same way. The case is that of
    /// `gic_timer.virtual` with CNTP_CTL_EL0 and CNTP_CVAL_EL0; it skips where these are trapped.
    ///
    /// ```text
    ///   CNTP_CTL, CNTP_CVAL --> output --> GICR_ISPENDR0 bit 30
    /// ```
    ///
    /// In most hypervisors this timer is emulated by software, as its hardware is the host's:
    /// writes trap, and a host timer stands for the deadline. The output must be recomputed at each
    /// write and each time the host timer fires, and told to the GIC as a level in both directions.
    /// Those who wrote only the rising half see the PPI stay pending after CVAL was moved away.
    /// Those who compute the output when the deadline fires, and not at the write, are late for a
    /// CVAL that is in the past: it should be pending at once.
    "gic_timer.physical": "PPI 30 is pending while the physical timer's output is high: IMASK, CVAL, ENABLE lower it";
    reference: "DDI 0487: CNTP_CTL_EL0; IHI 0069: GICR_ISPENDR0, level-sensitive interrupts";
    needs: Needs::ANY_GIC;
    fn level_physical() {
        check_level(physical());
    }
}

case! {
    /// Two timers, two interrupts: which is taken first is decided by the priorities of their PPIs
    /// and not by which was due first.
    ///
    /// The case gives one PPI 0x40 and the other 0x60, has both pending, takes the more urgent,
    /// stops its timer, ends it, takes the other; and the same with the roles exchanged.
    ///
    /// ```text
    ///   CNTV due, PPI 27 0x60 --+
    ///   CNTP due, PPI 30 0x40 --+--> IAR 30, then 27
    /// ```
    ///
    /// A guest hypervisor runs its own clock on one and its guest's on the other. A VMM that
    /// handles expiry in one routine ("a timer fired") may raise one PPI for both, or forget the
    /// second if both are due in the same exit. Under Hypervisor.framework only the virtual timer
    /// makes an exit; the physical one must be noticed by the GIC's side. Both must be compared
    /// with their own counters.
    "gic_timer.both": "both timers due: the PPI of higher priority is taken first, then the other";
    reference: "DDI 0487: CNTV_CTL_EL0, CNTP_CTL_EL0; IHI 0069: prioritization";
    needs: Needs::ANY_GIC;
    fn both() {
        for (first, second) in [(&VIRTUAL, physical()), (physical(), &VIRTUAL)] {
            let ppis = [ppi(first, 0x40), ppi(second, 0x60)];
            second.start(0);
            first.start(0);
            smp::spin_until(|| ppis.iter().all(|ppi| ppi.is_pending()));
            for (ppi, timer) in ppis.into_iter().zip([first, second]) {
                take(ppi);
                timer.stop();
                smp::spin_until(|| !ppi.is_pending());
                end(ppi);
            }
            check_quiet();
        }
    }
}

case! {
    /// WFI ends at the nearer of the deadlines. The timer that is further off must not end it as
    /// its own, and must not be shown as pending.
    ///
    /// The case sets one timer an hour ahead and the other 3 ms, sleeps by WFI masked until
    /// something is signalled, and wants the near one's PPI, not before its deadline; then with the
    /// roles exchanged.
    ///
    /// ```text
    ///   virtual   now ... 3 ms |
    ///   physical  now ............................. 1 h |
    ///   wfi       sleeps ------^ wakes: PPI 27
    /// ```
    ///
    /// The hypervisor's thread sleeps until the minimum over both timers, each taken from its
    /// counter to the host's clock by its own offset. If it looks at the virtual one only, a guest
    /// that idles on the physical timer sleeps until something else happens. If it computes in 32
    /// bits, or in nanoseconds with overflow, an hour is wrapped into a moment, and the vCPU spins
    /// between sleep and "not yet". Waking too early is allowed; being signalled early is not.
    "gic_timer.wfi": "WFI waits for the nearer deadline of the two timers, masked by PSTATE.I";
    reference: "DDI 0487: WFI wake-up events; CNTV_CTL_EL0, CNTP_CTL_EL0";
    needs: Needs::ANY_GIC;
    fn wfi() {
        for (near, far) in [(&VIRTUAL, physical()), (physical(), &VIRTUAL)] {
            let (near_ppi, far_ppi) = (ppi(near, 0x80), ppi(far, 0x80));
            far.start((far.counter)() + 3600 * crate::timer::frequency());
            let deadline = (near.counter)() + milliseconds(3);
            near.start(deadline);
            sleep_until(|| icc::signalled() != 0);
            assert!((near.counter)() >= deadline, "{}: the interrupt came early", near.name);
            assert!(!far_ppi.is_pending(), "{}: met an hour early", far.name);
            take(near_ppi);
            near.stop();
            far.stop();
            smp::spin_until(|| !near_ppi.is_pending());
            end(near_ppi);
        }
        settle();
    }
}

/// How often each CPU's timer fired.
static FIRED: [Line; MOST_CPUS] = [const { Line::new() }; MOST_CPUS];

case! {
    /// Timers are a CPU's own: registers, deadline, output, PPI. Each CPU sets its own and is
    /// interrupted by its own.
    ///
    /// The case has all other CPUs, at once, arm their virtual timer a millisecond ahead, sleep in
    /// WFI, and in the handler arm it again: 5 ticks each. Each tick must find its condition met.
    /// The CPU that runs the case, without a deadline, takes none.
    ///
    /// ```text
    ///   CPU 1   |--1 ms--|tick|--1 ms--|tick ...
    ///   CPU 2     |--1 ms--|tick|--1 ms--|tick ...
    ///   CPU 0   (no deadline)  nothing
    /// ```
    ///
    /// PPI 27 is one number with as many meanings as there are CPUs; banked state is addressed
    /// through the CPU that is asking, or through its redistributor. A hypervisor's host timer
    /// needs the vCPU in its callback: with a global, ticks of all are delivered to one. With many
    /// vCPUs asleep, each expiry has to wake just its own thread; waking all is right and slow,
    /// waking the wrong one is a hang.
    "gic_timer.each_cpu": "every CPU takes 5 ticks of its own virtual timer from WFI, all at once";
    reference: "DDI 0487: a timer for each PE; IHI 0069: PPIs are banked";
    needs: Needs::ANY_GIC.and(Needs::PSCI).vcpus(2);
    fn each_cpu() {
        const TICKS: u64 = 5;
        fn tick(cpu: usize, _: Vector) {
            let wanted = (VIRTUAL.intid)(machine::get());
            let taken = gic::acknowledge().expect("an IRQ was taken");
            assert!(taken.intid() == wanted, "INTID {}, expected {wanted}", taken.intid());
            assert!(VIRTUAL.is_met(), "an interrupt of CPU {cpu} before its deadline");
            VIRTUAL.start((VIRTUAL.counter)() + milliseconds(1));
            // Not before the output is low: else it comes once more, and is not met then.
            let ppi = Interrupt::new(wanted);
            smp::spin_until(|| !ppi.is_pending() || VIRTUAL.is_met());
            gic::end(taken);
            FIRED[cpu].add(1);
        }
        extern "C" fn body(cpu: u64) {
            ppi(&VIRTUAL, DEFAULT_PRIORITY);
            VIRTUAL.start((VIRTUAL.counter)() + milliseconds(1));
            unmasked(|| sleep_until(|| FIRED[cpu as usize].get() >= TICKS));
            VIRTUAL.stop();
        }
        FIRED.iter().for_each(Line::clear);
        smp::start_all(body, Some(tick)).join();
        for cpu in smp::others() {
            let fired = FIRED[cpu].get();
            assert!(fired >= TICKS, "CPU {cpu} took {fired} ticks");
        }
        check_eq!(FIRED[smp::this_cpu()].get(), 0, "ticks of this CPU, which has no deadline");
        check_quiet();
    }
}
