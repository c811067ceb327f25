//! The generic timers: counters and conditions. Their interrupts are in `timer_irq.rs`.
//!
//! ```text
//!   CNTPCT --(- CNTVOFF_EL2)--> CNTVCT
//!      |                          |
//!   >= CNTP_CVAL ?             >= CNTV_CVAL ?      ISTATUS
//!   and ENABLE, not IMASK      and ENABLE, not IMASK   --> output, a level
//! ```
//!
//! The virtual timer's registers are the guest's own: hardware compares, and the hypervisor sets
//! CNTVOFF_EL2 and switches CTL and CVAL with the vCPU. While a vCPU does not run nobody compares
//! for it, so the hypervisor sets a timer of its own. The physical timer may be trapped
//! (CNTHCTL_EL2) and then is emulated as a whole. The cases here mask the output; they look at
//! conditions only.

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
    /// The virtual timer's condition is a comparison and no event: CNTV_CTL_EL0.ISTATUS is 1 as
    /// long as ENABLE is set and CNTVCT_EL0 has reached CNTV_CVAL_EL0. It becomes true by the
    /// passing of time and false again when CVAL is moved into the future.
    ///
    /// The case sets CVAL an hour ahead (not met), then a millisecond ahead, and reads the status
    /// between two reads of the counter, so that neither "too early" nor "never" can hide. Moved
    /// away again, it must not be met.
    ///
    /// ```text
    ///   counter  ---------|CVAL------------->
    ///   ISTATUS  0 0 0 0 0|1 1 1 1   CVAL += 1 h   0 0 0
    /// ```
    ///
    /// An emulator with a queue of timer events sets a bit when the event fires and clears it when
    /// software does something; it forgets the way back. Linux programs the next event by writing
    /// CVAL and expects that the condition goes away with it: else the interrupt comes again at
    /// once, for ever.
    "timer.condition_virtual": "CNTV_CTL.ISTATUS is met from CVAL on, and not when CVAL moves away";
    reference: "DDI 0487: CNTV_CTL_EL0.ISTATUS, CNTV_CVAL_EL0 (TimerConditionMet)";
    needs: Needs::NONE;
    fn condition_virtual() {
        check_condition(&VIRTUAL);
    }
}

case! {
    /// The physical timer is the same machine as the virtual one and compares with CNTPCT_EL0, the
    /// counter without an offset. CNTP_CTL_EL0.ISTATUS follows CNTP_CVAL_EL0 alone.
    ///
    /// The case does what `timer.condition_virtual` does with the other registers. It skips where
    /// the physical timer's registers are trapped to an UNDEFINED, as under Apple's framework
    /// without a GIC.
    ///
    /// ```text
    ///   CNTHCTL_EL2.EL1PCEN = 0:  msr cntp_cval --> EL2 --> emulated
    /// ```
    ///
    /// Where a hypervisor traps and emulates it, two mistakes are common: the comparison is made
    /// with the virtual counter (the offset is in it), so that the timer is late or early by the
    /// VM's start time; and ISTATUS is only computed when the timer fires, so that a read in
    /// between is stale. A guest that uses it for a second clock, such as a nested hypervisor, sees
    /// wrong times without any error.
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
    /// CVAL is an absolute time. A CVAL in the past is met at once; 0 is the beginning of time, and
    /// not "off". The end of time, 2^64 - 1, is not met.
    ///
    /// The case sets CVAL to 0, 1 and the present counter, each with ENABLE: met. Then to 2^64 - 1:
    /// not met. It does it for both timers.
    ///
    /// ```text
    ///   0   1        now                            2^64 - 1
    ///   |met|met ... |met|  not met  ...             not met
    /// ```
    ///
    /// A hypervisor that turns CVAL into a delay for its host's timer computes `CVAL - now`, which
    /// is negative or, unsigned, enormous: the guest's timer fires in centuries, and not at once.
    /// Multiplied by nanoseconds and divided by the frequency 2^64 - 1 overflows and may become a
    /// small number: an interrupt storm. A guest that is late with an event writes past values in
    /// the ordinary course of things.
    "timer.past": "CVAL 0, 1 and now are met at once, 2^64 - 1 is not; both timers";
    reference: "DDI 0487: CNTV_CVAL_EL0, CNTP_CVAL_EL0";
    needs: Needs::NONE;
    fn past() {
        check_past(&VIRTUAL);
        check_past(physical());
    }
}

case! {
    /// CNTV_CTL_EL0 has three bits. ENABLE turns the comparison on, IMASK keeps the interrupt from
    /// going out, and ISTATUS says whether the condition is met, IMASK or not; it cannot be
    /// written.
    ///
    /// The case reads CTL back with the condition met and masked (all three bits), writes ISTATUS
    /// as 1 with CVAL an hour ahead (it reads 0), and turns the timer off.
    ///
    /// ```text
    ///   bit  2        1       0
    ///        ISTATUS  IMASK   ENABLE      output = ISTATUS and not IMASK
    ///        r/o      r/w     r/w
    /// ```
    ///
    /// An emulation that stores what was written and returns it gives ISTATUS back as the guest
    /// wrote it; Linux's handler reads CTL, and if ISTATUS is 0 it says that the interrupt was not
    /// its own. One that reports ISTATUS only when an interrupt was sent breaks polling. With
    /// ENABLE = 0 ISTATUS is UNKNOWN, and the case does not look at it.
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
    /// TVAL is no register of its own. Writing it sets CVAL to the counter plus the value as a
    /// signed 32-bit number; reading it gives the low 32 bits of CVAL minus the counter.
    ///
    /// The case writes values from -2^31 to 2^31 - 1 and wants CVAL to lie where the counter, read
    /// before and after, allows; reads TVAL against a CVAL that was set; and wants TVAL = -5 to be
    /// met at once. Both timers.
    ///
    /// ```text
    ///   write v:  CVAL = counter + sign_extend(v)
    ///   read:     v = (CVAL - counter)[31:0]
    /// ```
    ///
    /// If the value is taken as unsigned, -1 ("one tick ago") is a deadline 2^32 ticks ahead, three
    /// minutes at 24 MHz. If TVAL is kept as a register it reads back what was written, while time
    /// passes. Emulations of the virtual timer must subtract the virtual counter here and not the
    /// physical one. Linux programmed the timer by TVAL before it moved to CVAL, and many small
    /// kernels still do.
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
    /// A counter never goes back, and it moves. CNTVCT_EL0 and CNTPCT_EL0 may be read early by a PE
    /// that executes ahead; an ISB before keeps the read behind what went before.
    ///
    /// The case reads each counter 2,000 times, each not less than the last, and then waits until
    /// it has moved. A counter that stands still hangs, and the runner's timeout says so.
    ///
    /// ```text
    ///   isb; mrs cntvct  1000 1000 1001 1003 ...   never 1002 after 1003
    /// ```
    ///
    /// The counter of a guest goes back if its vCPU moves to a core with another offset, if
    /// CNTVOFF_EL2 is recomputed from a clock with less resolution after each exit, or after a
    /// migration to a host whose counter is behind. Linux's scheduler and its timers compute
    /// differences as unsigned: one tick back is 2^64 ticks, a task that has used up all its time,
    /// or a machine that prints nonsense about stalls.
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
    /// CNTVCT_EL0 is CNTPCT_EL0 minus CNTVOFF_EL2, which the hypervisor chooses and EL1 cannot see.
    /// Whatever it is, the difference of both counters stays what it is while nobody changes it.
    ///
    /// The case reads the virtual counter between two reads of the physical one, which bounds the
    /// offset from both sides, and narrows the bounds over 200 rounds. If the offset moved, they
    /// cross.
    ///
    /// ```text
    ///   p1   v   p2        p1 - v <= offset <= p2 - v
    /// ```
    ///
    /// A hypervisor may stop virtual time while the VM is paused: then the offset grows, once, and
    /// all vCPUs get the new one. What it must not do is to adjust it at each exit so that exits
    /// "cost no time", or to serve trapped reads of CNTPCT_EL0 from a host clock of another rate.
    /// The two then drift, and a guest that has read one and waits on the other waits too long or
    /// not at all.
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
    /// The offset is the hypervisor's to set: made larger by so much, the virtual counter goes back
    /// by as much, and the physical one stays. Hypervisor.framework has `hv_vcpu_set_vtimer_offset`
    /// for it.
    ///
    /// The case has the monitor set an offset 2^40 less than it was, reads the counter, has the old
    /// one put back, and wants that the offset reads back as set, and that the counter fell by 2^40
    /// less the time in between (ten seconds at the most).
    ///
    /// ```text
    ///   CNTVCT = host counter - offset
    ///   offset - 2^40 --> CNTVCT + 2^40      offset --> CNTVCT
    /// ```
    ///
    /// The sign is the mistake to make: added and not subtracted, a guest that is resumed after a
    /// pause jumps forward by twice the pause. A timer that is armed must be looked at again when
    /// the offset changes, for CVAL is in virtual time: with the old host deadline the guest's
    /// interrupt is early or late by the difference.
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
    /// CNTFRQ_EL0 says how fast the counter runs, in Hz. It is only a number: firmware writes it,
    /// hardware does not use it, and a guest believes it. For a guest the hypervisor is the
    /// firmware.
    ///
    /// The case asks the host's clock on both sides of a counter read, waits 10 ms by the counter,
    /// asks again, and compares within one part in a thousand. A pause of the host between the
    /// reads cannot spoil it, for only bounds are compared.
    ///
    /// ```text
    ///   host  a1   a2 ....... b1   b2
    ///   guest    c     10 ms     d       (d - c) / CNTFRQ in [b1-a2, b2-a1]
    /// ```
    ///
    /// After a migration between hosts of 24 MHz and 62.5 MHz the counter runs at another rate
    /// while the register, which Linux read once at boot, says the old one: the guest's clock is
    /// wrong by a factor. An emulator with a counter of its own choice must scale, and scale
    /// without overflow.
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
