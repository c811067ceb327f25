//! The generic timers: counters and conditions. Their interrupts are in `timer_irq.rs`.

use anyvisor_abi::case::Needs;
use anyvisor_arch::timer::ctl;

use crate::timer::{PHYSICAL, Timer, VIRTUAL, frequency};
use crate::trap::{After, try_catch};
use crate::{case, check_eq, services, skip};

/// Some machines have no physical timer (Hypervisor.framework's have it only with a GIC).
pub fn physical() -> &'static Timer {
    let refused = try_catch(After::Skip, || {
        (PHYSICAL.ctl)();
    });
    if refused.is_some() {
        skip!("CNTP_CTL_EL0 is trapped: this machine has no physical timer");
    }
    &PHYSICAL
}

/// A time that no case takes, in ticks.
fn far_future(timer: &Timer) -> u64 {
    (timer.counter)() + 3600 * frequency()
}

/// Ticks in so many milliseconds.
pub fn milliseconds(n: u64) -> u64 {
    frequency() * n / 1000
}

fn check_condition(timer: &Timer) {
    timer.start_masked(far_future(timer));
    assert!(!timer.is_met(), "{}: met long before CVAL", timer.name);
    let deadline = (timer.counter)() + milliseconds(1);
    timer.start_masked(deadline);
    loop {
        // The status is read between two reads of the counter, so both directions can be held
        // against it.
        let before = (timer.counter)();
        let met = timer.is_met();
        let after = (timer.counter)();
        assert!(!met || after >= deadline, "{}: met before CVAL", timer.name);
        // How soon the status follows the counter is not promised, only that it does.
        assert!(met || before < deadline + milliseconds(100), "{}: not met at CVAL", timer.name);
        if met {
            break;
        }
    }
    timer.start_masked(far_future(timer));
    assert!(!timer.is_met(), "{}: still met with CVAL in the future again", timer.name);
}

case! {
    /// The condition is a comparison, not an event: it becomes true when the counter reaches
    /// CVAL, stays true, and becomes false when CVAL moves into the future.
    "timer.condition_virtual": "CNTV_CTL.ISTATUS is met from CVAL on, and not when CVAL moves away";
    reference: "DDI 0487: CNTV_CTL_EL0.ISTATUS, CNTV_CVAL_EL0 (TimerConditionMet)";
    needs: Needs::NONE;
    fn condition_virtual() {
        check_condition(&VIRTUAL);
    }
}

case! {
    /// The same of the physical timer, which compares with the physical counter.
    "timer.condition_physical": "CNTP_CTL.ISTATUS is met from CVAL on, and not when CVAL moves away";
    reference: "DDI 0487: CNTP_CTL_EL0.ISTATUS, CNTP_CVAL_EL0 (TimerConditionMet)";
    needs: Needs::NONE;
    fn condition_physical() {
        check_condition(physical());
    }
}

fn check_past(timer: &Timer) {
    for cval in [0, 1, (timer.counter)()] {
        timer.start_masked(cval);
        assert!(timer.is_met(), "{}: not met with CVAL {cval:#x} in the past", timer.name);
    }
    timer.start_masked(u64::MAX);
    assert!(!timer.is_met(), "{}: met with CVAL at the end of time", timer.name);
}

case! {
    /// A CVAL in the past is met at once: zero is the beginning of time, not "off".
    "timer.past": "CVAL 0, 1 and now are met at once, 2^64 - 1 is not; both timers";
    reference: "DDI 0487: CNTV_CVAL_EL0, CNTP_CVAL_EL0";
    needs: Needs::NONE;
    fn past() {
        check_past(&VIRTUAL);
        check_past(physical());
    }
}

case! {
    /// IMASK keeps the interrupt from going out; ISTATUS says what it says all the same. Reading
    /// back CTL gives ENABLE and IMASK as written, and ISTATUS cannot be written.
    "timer.imask": "CTL.IMASK leaves ISTATUS alone; CTL reads back, ISTATUS is read-only";
    reference: "DDI 0487: CNTV_CTL_EL0.IMASK, ENABLE, ISTATUS";
    needs: Needs::NONE;
    fn imask() {
        (VIRTUAL.set_cval)(0);
        (VIRTUAL.set_ctl)(ctl::ENABLE | ctl::IMASK);
        check_eq!((VIRTUAL.ctl)(), ctl::ENABLE | ctl::IMASK | ctl::ISTATUS, "CTL, met and masked");
        (VIRTUAL.set_cval)(far_future(&VIRTUAL));
        (VIRTUAL.set_ctl)(ctl::ENABLE | ctl::IMASK | ctl::ISTATUS);
        check_eq!((VIRTUAL.ctl)(), ctl::ENABLE | ctl::IMASK, "CTL, ISTATUS written as 1");
        (VIRTUAL.set_ctl)(0);
        check_eq!((VIRTUAL.ctl)() & (ctl::ENABLE | ctl::IMASK), 0, "CTL, off");
    }
}

fn check_tval(timer: &Timer) {
    for ticks in [0, 1, 1_000_000, i32::MAX, -1, -1_000_000, i32::MIN] {
        let before = (timer.counter)();
        (timer.set_tval)(ticks);
        let after = (timer.counter)();
        let cval = (timer.cval)();
        let offset = ticks as i64 as u64; // sign-extended, as the manual says
        let written = cval.wrapping_sub(offset);
        assert!(
            (before..=after).contains(&written),
            "{}: TVAL {ticks} made CVAL {cval:#x}; the counter was {before:#x} to {after:#x}",
            timer.name
        );
    }
    let cval = (timer.counter)() + milliseconds(5);
    (timer.set_cval)(cval);
    let before = (timer.counter)();
    let tval = (timer.tval)();
    let after = (timer.counter)();
    let read = cval.wrapping_sub(tval as i64 as u64);
    assert!((before..=after).contains(&read), "{}: TVAL reads {tval}", timer.name);
    timer.start_masked(0);
    (timer.set_tval)(-5);
    assert!(timer.is_met(), "{}: not met with TVAL -5", timer.name);
}

case! {
    /// TVAL is no register of its own: writing it sets CVAL to the counter plus the value as a
    /// signed 32-bit number; reading it gives the low 32 bits of CVAL minus the counter.
    "timer.tval": "TVAL is a signed 32-bit view of CVAL - counter, written and read; both timers";
    reference: "DDI 0487: CNTV_TVAL_EL0, CNTP_TVAL_EL0";
    needs: Needs::NONE;
    fn tval() {
        check_tval(&VIRTUAL);
        check_tval(physical());
    }
}

fn check_monotonic(counter: fn() -> u64, name: &str) {
    let start = counter();
    let mut last = start;
    for _ in 0..2000 {
        let now = counter();
        assert!(now >= last, "the {name} counter went from {last:#x} back to {now:#x}");
        last = now;
    }
    while counter() == start {} // a counter that stands still hangs here: the timeout says so
}

case! {
    /// A counter never goes back, and it moves.
    "timer.monotonic": "CNTVCT_EL0 and CNTPCT_EL0 never go back, and move";
    reference: "DDI 0487: CNTVCT_EL0, CNTPCT_EL0; the system counter";
    needs: Needs::NONE;
    fn monotonic() {
        check_monotonic(VIRTUAL.counter, "virtual");
        physical();
        check_monotonic(PHYSICAL.counter, "physical");
    }
}

case! {
    /// CNTVCT_EL0 is CNTPCT_EL0 minus an offset that the hypervisor chooses and EL1 cannot see:
    /// whatever it is, it does not change while nobody changes it.
    "timer.offset_constant": "CNTPCT_EL0 - CNTVCT_EL0 stays what it is";
    reference: "DDI 0487: CNTVCT_EL0 = CNTPCT_EL0 - CNTVOFF_EL2";
    needs: Needs::NONE;
    fn offset_constant() {
        physical();
        // Bounds of the offset, by reading one counter between two reads of the other.
        let bounds = || {
            let before = (PHYSICAL.counter)();
            let count = (VIRTUAL.counter)();
            let after = (PHYSICAL.counter)();
            (before.wrapping_sub(count), after.wrapping_sub(count))
        };
        let (mut low, mut high) = bounds();
        for _ in 0..200 {
            let (l, h) = bounds();
            (low, high) = (low.max(l), high.min(h));
            assert!(low.wrapping_sub(high).cast_signed() <= 0, "the offset moved: {low:#x}, {high:#x}");
        }
    }
}

case! {
    /// The offset is the hypervisor's: setting it moves the virtual counter back by as much, and
    /// leaves the physical one alone.
    "timer.offset_set": "a larger CNTVOFF moves CNTVCT_EL0 back by the difference";
    reference: "DDI 0487: CNTVOFF_EL2; hv_vcpu_set_vtimer_offset";
    needs: Needs::SERVICES;
    fn offset_set() {
        const DIFFERENCE: u64 = 1 << 40;
        let offset = services::set_virtual_offset(0);
        services::set_virtual_offset(offset.wrapping_sub(DIFFERENCE));
        let ahead = (VIRTUAL.counter)();
        let before = services::set_virtual_offset(offset);
        check_eq!(before, offset.wrapping_sub(DIFFERENCE), "the offset read back");
        let now = (VIRTUAL.counter)();
        assert!(
            now < ahead && ahead - now <= DIFFERENCE,
            "moved from {ahead:#x} to {now:#x}, which is not {DIFFERENCE:#x} less the time between"
        );
        assert!(ahead - now > DIFFERENCE - frequency() * 10, "moved by {:#x}", ahead - now);
    }
}

case! {
    /// CNTFRQ_EL0 says how fast the counter runs. It is only a number that firmware wrote: the
    /// host's clock is asked twice on either side, so that a pause between cannot spoil it.
    "timer.frequency": "the counter runs at CNTFRQ_EL0's rate by the host's clock, to 1 in 1000";
    reference: "DDI 0487: CNTFRQ_EL0";
    needs: Needs::SERVICES;
    fn frequency_by_host() {
        let ask = || {
            let before = services::host_time();
            let count = (VIRTUAL.counter)();
            (before, count, services::host_time())
        };
        let (start_before, start, start_after) = ask();
        while (VIRTUAL.counter)() < start + milliseconds(10) {}
        let (end_before, end, end_after) = ask();
        let counted = (u128::from(end - start) * 1_000_000_000 / u128::from(frequency())) as u64;
        let (least, most) = (end_before - start_after, end_after - start_before);
        assert!(
            counted >= least - least / 1000 && counted <= most + most / 1000,
            "counted {counted} ns where the host's clock says {least} to {most}"
        );
    }
}
