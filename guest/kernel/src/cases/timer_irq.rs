//! The generic timers' interrupts: through a GIC, or, where there is none, as the vCPU's IRQ line
//! that the monitor raises when the virtual timer makes it exit.

use core::sync::atomic::{AtomicU64, Ordering};

use anyvisor_abi::case::Needs;
use anyvisor_arch::timer::ctl;

use super::timer::{milliseconds, physical};
use crate::exception::TrapFrame;
use crate::timer::{PHYSICAL, Timer, VIRTUAL};
use crate::{case, check_eq, gic, hypercall, interrupt, machine, services};

/// The deadline that the handler compares with and moves, its period, and how many are left.
static DEADLINE: AtomicU64 = AtomicU64::new(0);
static PERIOD: AtomicU64 = AtomicU64::new(0);
static LEFT: AtomicU64 = AtomicU64::new(0);

/// What any handler of a timer's interrupt does, by GIC or by the monitor: find out that it was
/// the timer, `act`, and let the next one through.
pub fn serve(timer: &Timer, act: impl FnOnce(&Timer)) {
    if gic::is_present() {
        let intid = gic::acknowledge().expect("an interrupt came, so one is to acknowledge");
        check_eq!(u64::from(intid), u64::from((timer.intid)(machine::get())), "INTID");
        act(timer);
        gic::end(intid);
    } else {
        act(timer);
        // The hypervisor masked the timer when it fired; from here on it may fire again.
        services::unmask_virtual_timer();
    }
}

/// Moves the deadline on, or stops.
fn tick(timer: &Timer) {
    let now = (timer.counter)();
    let deadline = DEADLINE.load(Ordering::Relaxed);
    assert!(now >= deadline, "{}: an interrupt came {} ticks early", timer.name, deadline - now);
    let left = LEFT.load(Ordering::Relaxed) - 1;
    LEFT.store(left, Ordering::Relaxed);
    let next = deadline + PERIOD.load(Ordering::Relaxed);
    DEADLINE.store(next, Ordering::Relaxed);
    if left == 0 { timer.stop() } else { (timer.set_cval)(next) }
}

fn check_periodic(timer: &'static Timer, handler: fn(&mut TrapFrame)) {
    const TICKS: u64 = 5;
    let period = milliseconds(1);
    let start = (timer.counter)();
    DEADLINE.store(start + period, Ordering::Relaxed);
    PERIOD.store(period, Ordering::Relaxed);
    LEFT.store(TICKS, Ordering::Relaxed);
    interrupt::listen(handler);
    gic::enable((timer.intid)(machine::get()), true);
    interrupt::unmasked(|| {
        timer.start(start + period);
        while LEFT.load(Ordering::Relaxed) > 0 {
            core::hint::spin_loop();
        }
    });
    let end = (timer.counter)();
    assert!(end >= start + TICKS * period, "{}: {TICKS} periods took less", timer.name);
    check_eq!(interrupt::count() as u64, TICKS, "interrupts taken");
}

case! {
    /// A periodic tick is made by moving CVAL on in the handler: the interrupt goes away because
    /// the condition does. One per period, none early, none too many.
    "timer.periodic_virtual": "5 periods of the virtual timer are 5 interrupts, none of them early";
    reference: "DDI 0487: CNTV_CTL_EL0, the timer's output is a level; PPI 27";
    needs: Needs::TIMER_IRQ;
    fn periodic_virtual() {
        check_periodic(&VIRTUAL, |_| serve(&VIRTUAL, tick));
    }
}

case! {
    /// The same of the physical timer. Without a GIC there is no way for it to the vCPU.
    "timer.periodic_physical": "5 periods of the physical timer are 5 interrupts, none of them early";
    reference: "DDI 0487: CNTP_CTL_EL0, the timer's output is a level; PPI 30";
    needs: Needs::GIC;
    fn periodic_physical() {
        check_periodic(physical(), |_| serve(&PHYSICAL, tick));
    }
}

case! {
    /// The output is a level: a handler that leaves the condition standing is called again as
    /// soon as it returns. Only silencing the timer ends it.
    "timer.level": "an interrupt whose condition still holds comes again; IMASK ends it";
    reference: "DDI 0487: the timer's output is level-sensitive; CNTV_CTL_EL0.IMASK";
    needs: Needs::TIMER_IRQ;
    fn level() {
        const TIMES: usize = 3;
        interrupt::listen(|_| {
            serve(&VIRTUAL, |timer| {
                if interrupt::count() == TIMES {
                    (timer.set_ctl)(ctl::ENABLE | ctl::IMASK);
                }
            });
        });
        gic::enable((VIRTUAL.intid)(machine::get()), true);
        interrupt::unmasked(|| {
            VIRTUAL.start(0);
            let patience = (VIRTUAL.counter)() + milliseconds(200);
            while interrupt::count() < TIMES && (VIRTUAL.counter)() < patience {}
            // And no more of them.
            let quiet = (VIRTUAL.counter)() + milliseconds(1);
            while (VIRTUAL.counter)() < quiet {}
        });
        check_eq!(interrupt::count() as u64, TIMES as u64, "interrupts taken");
        assert!(VIRTUAL.is_met(), "the condition stands, masked");
    }
}

case! {
    /// With IMASK set nothing goes out, however long the condition holds; clearing it lets it
    /// out at once.
    "timer.imask_holds_back": "no interrupt while IMASK is set; one as soon as it is cleared";
    reference: "DDI 0487: CNTV_CTL_EL0.IMASK";
    needs: Needs::TIMER_IRQ;
    fn imask_holds_back() {
        interrupt::listen(|_| serve(&VIRTUAL, Timer::stop));
        gic::enable((VIRTUAL.intid)(machine::get()), true);
        interrupt::unmasked(|| {
            VIRTUAL.start_masked(0);
            let quiet = (VIRTUAL.counter)() + milliseconds(2);
            while (VIRTUAL.counter)() < quiet {}
            check_eq!(interrupt::count() as u64, 0, "interrupts taken with IMASK set");
            (VIRTUAL.set_ctl)(ctl::ENABLE);
            let patience = (VIRTUAL.counter)() + milliseconds(200);
            while interrupt::count() == 0 && (VIRTUAL.counter)() < patience {}
        });
        check_eq!(interrupt::count() as u64, 1, "interrupts taken with IMASK clear");
    }
}

case! {
    /// WFI waits for an interrupt, masked or not. With PSTATE.I set it is not taken: the code
    /// goes on behind WFI, and nothing has happened but time.
    "timer.wfi": "WFI wakes at the virtual timer's deadline, also while PSTATE.I masks it";
    reference: "DDI 0487: WFI wake-up events; CNTV_CTL_EL0";
    needs: Needs::TIMER_IRQ;
    fn wfi() {
        gic::enable((VIRTUAL.intid)(machine::get()), true);
        let deadline = (VIRTUAL.counter)() + milliseconds(3);
        VIRTUAL.start(deadline);
        // WFI may complete for no reason, so it stands in a loop; it may not spin for ever.
        let mut rounds = 0_u64;
        while !VIRTUAL.is_met() {
            aarch64_cpu::asm::wfi();
            rounds += 1;
        }
        assert!((VIRTUAL.counter)() >= deadline, "WFI came back with ISTATUS before the deadline");
        check_eq!(interrupt::count() as u64, 0, "interrupts taken while masked");
        VIRTUAL.stop();
        if hypercall::has_services() {
            assert!(rounds < 100, "WFI came back {rounds} times in 3 ms: it does not wait");
            assert!(gic::is_present() || services::virtual_timer_exits() > 0, "no exit came");
        }
    }
}
