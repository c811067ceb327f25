//! The timers' PPIs: their outputs are levels, each CPU has its own.

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
    /// CVAL, ENABLE and IMASK make the output, and the output is the PPI's pending state.
    "gic_timer.virtual": "PPI 27 is pending while the virtual timer's output is high: IMASK, CVAL, ENABLE lower it";
    reference: "DDI 0487: CNTV_CTL_EL0; IHI 0069: GICR_ISPENDR0, level-sensitive interrupts";
    needs: Needs::ANY_GIC;
    fn level_virtual() {
        check_level(&VIRTUAL);
    }
}

case! {
    /// The same of the physical timer.
    "gic_timer.physical": "PPI 30 is pending while the physical timer's output is high: IMASK, CVAL, ENABLE lower it";
    reference: "DDI 0487: CNTP_CTL_EL0; IHI 0069: GICR_ISPENDR0, level-sensitive interrupts";
    needs: Needs::ANY_GIC;
    fn level_physical() {
        check_level(physical());
    }
}

case! {
    /// Two timers, two interrupts: the more urgent comes first, whichever was due first.
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
    /// A deadline ends WFI, with the interrupt masked and unmasked. The other timer's, further off,
    /// is not what ended it.
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
    /// Timers are a CPU's own: each sets its own deadlines, sleeps, and takes its own interrupts.
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
