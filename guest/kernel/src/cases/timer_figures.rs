//! The timers measured: how late their interrupts come, how far two clocks are apart. What is
//! measured is reported; what fails is what the manual forbids, however fast the host is.

use core::sync::atomic::{AtomicU64, Ordering};

use anyvisor_abi::case::Needs;

use super::timer::{milliseconds, physical};
use super::timer_irq::serve;
use crate::timer::{PHYSICAL, Timer, VIRTUAL, frequency};
use crate::{case, figure, gic, hypercall, interrupt, machine, services};

/// How many deadlines are measured.
const SAMPLES: usize = 64;

/// When the handler was entered; 0: not yet.
static ENTERED: AtomicU64 = AtomicU64::new(0);

/// Ticks as nanoseconds.
fn nanoseconds(ticks: u64) -> u64 {
    (u128::from(ticks) * 1_000_000_000 / u128::from(frequency())) as u64
}

/// Waits with `pause` for one deadline after the other; returns how late each handler was.
fn lateness(pause: fn()) -> [u64; SAMPLES] {
    fn handler(_: &mut crate::exception::TrapFrame) {
        let now = (VIRTUAL.counter)();
        serve(&VIRTUAL, |timer: &Timer| {
            ENTERED.store(now, Ordering::Relaxed);
            timer.stop();
        });
    }
    interrupt::listen(handler);
    gic::enable((VIRTUAL.intid)(machine::get()), true);
    let mut late = [0; SAMPLES];
    for (n, late) in late.iter_mut().enumerate() {
        ENTERED.store(0, Ordering::Relaxed);
        // Not all at the same distance, so that a host that polls does not look exact.
        let deadline = (VIRTUAL.counter)() + milliseconds(1) / 4 + n as u64 * 37 % 64;
        interrupt::unmasked(|| {
            VIRTUAL.start(deadline);
            while ENTERED.load(Ordering::Relaxed) == 0 {
                pause();
            }
        });
        let entered = ENTERED.load(Ordering::Relaxed);
        assert!(entered >= deadline, "the handler ran {} ticks early", deadline - entered);
        *late = entered - deadline;
    }
    late.sort_unstable();
    late
}

case! {
    /// From the moment that CNTVCT_EL0 reaches CVAL to the first instruction of the handler.
    ///
    /// ```text
    ///   count reaches CVAL          nobody may take the interrupt before this
    ///        |  host's timer fires, its thread is scheduled       (asleep in WFI: or woken)
    ///        |  the vCPU is made to exit, or is in the hypervisor already
    ///        |  the interrupt is made pending: list register, vGIC, or the vCPU's IRQ line
    ///        v  entry; PSTATE.I is clear, so vector 0x280
    ///   handler reads the counter   late = that - CVAL
    /// ```
    ///
    /// The manual promises that it is not early, and sets no bound for late ("a finite time"). So
    /// early fails the case, and late is a figure: median, the 95th of 100, and the worst, for a
    /// vCPU that spins and for one that sleeps.
    ///
    /// A hypervisor is early when it rounds the host's deadline down to its own timer's unit and
    /// injects without looking at the counter again, or compares with a counter that does not have
    /// the offset taken off. It is late by milliseconds when a running vCPU is not kicked out of
    /// guest mode, and late for ever when the deadline was set while the vCPU was being woken.
    "timer.latency": "the virtual timer's handler never runs before CVAL; how late it runs is a figure, awake and from WFI";
    reference: "DDI 0487: CNTV_CVAL_EL0, the timer condition; WFI";
    needs: Needs::TIMER_IRQ;
    fn latency() {
        for (how, pause) in
            [("awake", core::hint::spin_loop as fn()), ("wfi", aarch64_cpu::asm::wfi as fn())]
        {
            let late = lateness(pause);
            let figures = [
                ("median", late[SAMPLES / 2]),
                ("p95", late[SAMPLES * 95 / 100]),
                ("worst", late[SAMPLES - 1]),
            ];
            for (name, ticks) in figures {
                figure!(format_args!("{how}.{name}"), nanoseconds(ticks), "ns");
            }
        }
    }
}

/// Two counters read at the same time: one between two reads of the other.
struct Bracket {
    before: u64,
    count: u64,
    after: u64,
}

impl Bracket {
    /// The closest of a few tries, so that a vCPU that lost its CPU in between does not count.
    fn of(outer: fn() -> u64, inner: fn() -> u64) -> Self {
        let tries = (0..16).map(|_| Self { before: outer(), count: inner(), after: outer() });
        tries.min_by_key(|one| one.after - one.before).expect("16 are more than none")
    }

    /// The outer clock at the time of `count`, and how wrong that may be.
    fn middle(&self) -> u64 {
        self.before + (self.after - self.before) / 2
    }
}

/// How much faster than `wanted` `seen` ran, in parts of 10^9.
fn parts_per_billion(seen: u64, wanted: u64) -> i64 {
    let (seen, wanted) = (i128::from(seen), i128::from(wanted));
    ((seen - wanted) * 1_000_000_000 / wanted) as i64
}

case! {
    /// CNTVCT_EL0 and CNTPCT_EL0 are one counter an offset apart: over any time both count the
    /// same, to the tick. And both count what CNTFRQ_EL0 says by the host's clock, where the monitor
    /// lets us ask for it.
    ///
    /// ```text
    ///   read P  read V  read P                            read P  read V  read P
    ///   |-------- first --------|  . . . 20 ms . . .  |-------- second -------|
    ///     V2 - V1  must lie between  P2' - P1''  and  P2'' - P1'
    /// ```
    ///
    /// Who does what: EL1 reads both without an exit, or traps (CNTHCTL_EL2.EL1PCTEN = 0) and gets
    /// an answer by software. Then the two come from different clocks: one from the hardware, one
    /// from a host's clock_gettime, which is disciplined by NTP and drifts. A hypervisor that
    /// derives the guest's counter from host time by a multiplication in 64 bits loses ticks to
    /// rounding, and one that stops one counter over a pause (a debugger, a migration) stops both.
    "timer.drift": "CNTVCT_EL0 and CNTPCT_EL0 count the same over 20 ms; the drift against the host's clock is a figure";
    reference: "DDI 0487: CNTVCT_EL0 = CNTPCT_EL0 - CNTVOFF_EL2; CNTFRQ_EL0";
    needs: Needs::NONE;
    fn drift() {
        physical();
        let host = hypercall::has_services();
        let by_physical = || Bracket::of(PHYSICAL.counter, VIRTUAL.counter);
        let by_host = || Bracket::of(services::host_time, VIRTUAL.counter);
        let (first, first_host) = (by_physical(), host.then(by_host));
        let end = (VIRTUAL.counter)() + milliseconds(20);
        while (VIRTUAL.counter)() < end {}
        let (second, second_host) = (by_physical(), host.then(by_host));
        let counted = second.count - first.count;
        let (least, most) = (second.before - first.after, second.after - first.before);
        assert!(
            (least..=most).contains(&counted),
            "CNTVCT_EL0 counted {counted}, CNTPCT_EL0 {least} to {most}"
        );
        figure!("physical_against_virtual", parts_per_billion(second.middle() - first.middle(), counted), "ppb");
        if let Some((first, second)) = first_host.zip(second_host) {
            let counted = nanoseconds(second.count - first.count);
            let passed = second.middle() - first.middle();
            figure!("virtual_against_host", parts_per_billion(counted, passed), "ppb");
        }
    }
}
