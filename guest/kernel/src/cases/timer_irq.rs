//! The generic timers' interrupts: through a GIC, or, where there is none, as the vCPU's IRQ line
//! that the monitor raises when the virtual timer makes it exit.
//!
//! ```text
//!   with a GIC      output --> PPI 27 (virtual), PPI 30 (physical) --> IRQ
//!   without         output --> exit, the timer's exit is masked
//!                   --> the monitor raises the IRQ line --> handler
//!                   --> the guest says "unmask" --> the next may come
//! ```
//!
//! The output is a level: it is high as long as the condition holds and IMASK is clear. Nothing has
//! to be cleared at the timer but the condition.

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
        let taken = gic::acknowledge().expect("an interrupt came, so one is to acknowledge");
        check_eq!(u64::from(taken.intid()), u64::from((timer.intid)(machine::get())), "INTID");
        act(timer);
        gic::end(taken);
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
    /// A periodic tick is made by moving CVAL on in the handler. The interrupt goes away because
    /// the condition does; when the new deadline comes, it is there again. One interrupt per
    /// period, none early, none too many.
    ///
    /// The case runs 5 periods of 1 ms with interrupts unmasked. Each handler checks that its
    /// deadline has passed; the end must not be before 5 periods, and exactly 5 interrupts were
    /// taken.
    ///
    /// ```text
    ///   CVAL   t1      t2      t3
    ///   out  __|--CVAL=t2__|--CVAL=t3__|--
    ///          IRQ         IRQ         IRQ
    /// ```
    ///
    /// A hypervisor that latches the interrupt when the timer fires, and does not look at the level
    /// again when the guest ends it, delivers one too many for each: Linux's handler finds nothing
    /// to do, and a periodic task runs at twice its rate. One that rounds deadlines to its host's
    /// tick is early, which the manual never allows, or so late that two periods melt into one.
    "timer.periodic_virtual": "5 periods of the virtual timer are 5 interrupts, none of them early";
    reference: "DDI 0487: CNTV_CTL_EL0, the timer's output is a level; PPI 27";
    needs: Needs::TIMER_IRQ;
    fn periodic_virtual() {
        check_periodic(&VIRTUAL, |_| serve(&VIRTUAL, tick));
    }
}

case! {
    /// The physical timer makes a tick in the same way, by PPI 30. Without a GIC there is no way
    /// for its output to the vCPU, so the case needs one, and it skips where the timer is trapped.
    ///
    /// The case is that of `timer.periodic_virtual` with the other timer: 5 periods, 5 interrupts,
    /// none early.
    ///
    /// ```text
    ///   CNTP_CVAL --> condition --> PPI 30 --> IRQ
    /// ```
    ///
    /// Hardware's physical timer belongs to the host, so a hypervisor (without nested
    /// virtualization's help) emulates the guest's: each write of CVAL or CTL exits, a host timer
    /// is set, and on its firing PPI 30 is made pending. What must be emulated is the level, too.
    /// If PPI 30 is made pending once for each firing, a guest that moves CVAL before it
    /// acknowledges takes an interrupt whose reason has gone. Linux as a guest uses the virtual
    /// timer; firmware and other kernels meet this one.
    "timer.periodic_physical": "5 periods of the physical timer are 5 interrupts, none of them early";
    reference: "DDI 0487: CNTP_CTL_EL0, the timer's output is a level; PPI 30";
    needs: Needs::ANY_GIC;
    fn periodic_physical() {
        check_periodic(physical(), |_| serve(&PHYSICAL, tick));
    }
}

case! {
    /// The output is a level. A handler that leaves the condition standing is called again as soon
    /// as it returns: acknowledging or ending the interrupt at the GIC does not make it go away.
    /// Silencing the timer does, by IMASK here.
    ///
    /// The case starts the timer with CVAL = 0, does nothing in the handler the first two times,
    /// and sets IMASK in the third. Exactly 3 interrupts must come, and none in the millisecond
    /// after; ISTATUS is still 1.
    ///
    /// ```text
    ///   out  -----------------------------|____
    ///        IRQ  eoi  IRQ  eoi  IRQ IMASK eoi    (nothing)
    /// ```
    ///
    /// An implementation with edges calls the handler once, and the case waits in vain. One whose
    /// pending state is left over calls it a fourth time. A line's level must be sampled again when
    /// the guest ends the interrupt. Without a GIC our monitor does the same when the guest unmasks
    /// the timer's exit.
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
    /// While IMASK is set nothing goes out, however long the condition holds. Cleared, the output
    /// rises at once, and the interrupt comes.
    ///
    /// The case starts the timer masked with CVAL = 0 and interrupts enabled everywhere else. For 2
    /// ms nothing may come; then IMASK is cleared, and exactly one interrupt must.
    ///
    /// ```text
    ///   condition  -----------------------
    ///   IMASK      1 1 1 1 1 1|0 0
    ///   output     ___________|--- IRQ
    /// ```
    ///
    /// A hypervisor that looks at the guest's timer only when it arms its own host timer never
    /// notices that IMASK was cleared afterwards, if that write does not exit: on hardware the PE
    /// raises the physical interrupt by itself, and it is the hypervisor's turn. An emulator must
    /// recompute the output on each write of CTL. One that forgets the condition while it is
    /// masked, because "the event has fired", has lost it.
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
    /// WFI waits for a wake-up event. An interrupt that is pending and would be taken but for
    /// PSTATE's masks is one. With PSTATE.I set it is not taken: the code goes on behind the WFI,
    /// and nothing has happened but time.
    ///
    /// The case sets a deadline 3 ms ahead with interrupts masked and executes WFI until the
    /// condition is met. It must not come back as met before the deadline, and nothing is taken. On
    /// our monitor WFI may not return a hundred times, for that would be spinning.
    ///
    /// ```text
    ///   wfi --> HCR_EL2.TWI: EL2 blocks the thread until CVAL
    ///       <-- deadline: back behind the WFI; PSTATE.I = 1: no handler
    /// ```
    ///
    /// This is how Linux idles. A hypervisor that puts the thread to sleep must know the guest's
    /// deadline, from the registers of a vCPU that is not loaded; if it does not, an idle guest
    /// sleeps until some other interrupt comes, and `sleep 1` takes a minute.
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
