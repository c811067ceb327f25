//! The timers' registers at their edges: every value of CTL, CVAL and TVAL near their ends, an
//! offset that moves under an armed timer, the event stream.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::{CNTKCTL_EL1, ID_AA64MMFR0_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::Esr;
use anyvisor_arch::pstate::Vector;
use anyvisor_arch::timer::{cntkctl, ctl};
use tock_registers::interfaces::{Readable, Writeable};

use super::gic::{check_quiet, end, take};
use super::timer::{milliseconds, physical};
use super::timer_irq::serve;
use crate::gic::DEFAULT_PRIORITY;
use crate::gic::cpu_interface as icc;
use crate::gic::interrupt::{Group, Interrupt};
use crate::interrupt::{self, unmasked};
use crate::machine::{self, MOST_CPUS};
use crate::smp::{self, Line, spin_until};
use crate::timer::{PHYSICAL, Timer, VIRTUAL, frequency};
use crate::trap::{After, try_catch};
use crate::{case, check_eq, figure, gic, services};

fn ppi(timer: &Timer) -> Interrupt {
    Interrupt::new((timer.intid)(machine::get())).prepare(Group::One, DEFAULT_PRIORITY)
}

case! {
    /// All that CTL can say, with the condition met and not met, seen from both ends: the register,
    /// and the interrupt's pending state at the redistributor.
    ///
    /// ```text
    ///   ENABLE IMASK  count >= CVAL | ISTATUS  output
    ///     0      x        x         |    ?       0        ISTATUS is UNKNOWN while disabled
    ///     1      0        no        |    0       0
    ///     1      0        yes       |    1       1
    ///     1      1        no        |    0       0
    ///     1      1        yes       |    1       0        masked, and still said
    /// ```
    ///
    /// EL1 writes CTL without an exit on hardware; the hypervisor sees the result as a level from
    /// the timer and has to keep the guest's interrupt in step with it. The usual faults: ISTATUS
    /// computed with IMASK in it; a level that is raised when the deadline comes and not lowered
    /// when IMASK is set, ENABLE cleared or CVAL moved (the guest gets an interrupt that it has just
    /// switched off); writes of CTL that keep ISTATUS as if it were storage.
    "timer.truth_table": "ENABLE, IMASK and the condition in all combinations: ISTATUS and the PPI's level, both timers";
    reference: "DDI 0487: CNTV_CTL_EL0, CNTP_CTL_EL0: ENABLE, IMASK, ISTATUS; IHI 0069: GICR_ISPENDR0";
    needs: Needs::GIC;
    fn truth_table() {
        for timer in [&VIRTUAL, physical()] {
            let ppi = ppi(timer);
            // Each state is reached from each other one: what is left over would show.
            let states = (0..16_u64).flat_map(|from| (0..16).map(move |to| [from, to]));
            for state in states.flatten() {
                let (control, met, by_hand) = (state & 0b11, state & 0b100 != 0, state & 0b1000 != 0);
                let cval = if met { 0 } else { u64::MAX };
                if by_hand {
                    (timer.set_ctl)(control);
                    (timer.set_cval)(cval);
                } else {
                    (timer.set_cval)(cval);
                    (timer.set_ctl)(control | ctl::ISTATUS); // not writable
                }
                let seen = (timer.ctl)();
                check_eq!(seen & ctl::WRITABLE, control, "{}: CTL, written", timer.name);
                if control & ctl::ENABLE != 0 {
                    let wanted = if met { ctl::ISTATUS } else { 0 };
                    check_eq!(seen & ctl::ISTATUS, wanted, "{}: ISTATUS, CTL {:#x}", timer.name, seen);
                }
                let output = met && control == ctl::ENABLE;
                spin_until(|| ppi.is_pending() == output);
            }
            timer.stop();
            spin_until(|| !ppi.is_pending());
            check_quiet();
        }
    }
}

case! {
    /// A CVAL long past and ENABLE going on and off: each time it goes on the output rises at once,
    /// each time it goes off it falls. That is how a kernel makes an interrupt "now", and how it
    /// takes one back.
    ///
    /// ```text
    ///   ENABLE  __|~~|____|~~|____      100 times; every third one is taken and ended, the
    ///   PPI     __|~~|____|~~|____      others are withdrawn before they are acknowledged
    /// ```
    ///
    /// A hypervisor that programs a host timer for the deadline has none to program here: the time
    /// is over. If it waits for a host event nothing comes; if it injects on the write and keeps the
    /// interrupt pending in its own state, the one that was withdrawn comes all the same.
    "timer.enable_toggles": "with CVAL in the past the PPI follows ENABLE 100 times, taken or withdrawn";
    reference: "DDI 0487: CNTV_CTL_EL0.ENABLE; IHI 0069: level-sensitive interrupts";
    needs: Needs::GIC;
    fn enable_toggles() {
        for timer in [&VIRTUAL, physical()] {
            let ppi = ppi(timer);
            (timer.set_cval)(1);
            for round in 0..100 {
                (timer.set_ctl)(ctl::ENABLE);
                spin_until(|| ppi.is_pending());
                if round % 3 == 0 {
                    take(ppi);
                }
                timer.stop();
                spin_until(|| !ppi.is_pending());
                if round % 3 == 0 {
                    end(ppi);
                }
                check_quiet();
            }
        }
    }
}

case! {
    /// TVAL is 32 bits of a 64-bit difference, and that shows at its ends.
    ///
    /// ```text
    ///   write   CVAL = count + SignExtend(TVAL[31:0])     bits 63:32 of the register are not there
    ///   read    TVAL = (CVAL - count)[31:0]               a CVAL 2^32 + 5 s away reads as 5 s
    ///                  63       32 31            0        bits 63:32 read as zero
    /// ```
    ///
    /// 2^31 ticks are 89 s at 24 MHz and 2 s at 1 GHz: a guest that sleeps longer by TVAL gets a
    /// deadline in the past. Hypervisors get three things wrong: TVAL kept as a register of its own
    /// (then it does not count down), the upper half of the written register taken along, and no
    /// sign extension (then -1 is a deadline far in the future).
    "timer.tval_extremes": "TVAL reads 32 bits of the difference whatever the rest is; its upper half is ignored and reads 0";
    reference: "DDI 0487: CNTV_TVAL_EL0, CNTP_TVAL_EL0: TimerValue, RES0";
    needs: Needs::NONE;
    fn tval_extremes() {
        /// Reads and writes the whole register.
        macro_rules! raw {
            ($register:literal) => {{
                fn read() -> u64 {
                    let value: u64;
                    // SAFETY: reads a register.
                    unsafe { asm!("isb", concat!("mrs {}, ", $register), out(reg) value, options(nostack)) };
                    value
                }
                fn write(value: u64) {
                    // SAFETY: the timer is disabled: nothing comes of it.
                    unsafe { asm!(concat!("msr ", $register, ", {}"), "isb", in(reg) value, options(nostack)) };
                }
                (read as fn() -> u64, write as fn(u64))
            }};
        }
        let timers =
            [(&VIRTUAL, raw!("cntv_tval_el0")), (physical(), raw!("cntp_tval_el0"))];
        for (timer, (read, write)) in timers {
            (timer.set_ctl)(ctl::ENABLE | ctl::IMASK); // TVAL is UNKNOWN while it is disabled
            for far in [0, 1 << 31, 1 << 32, 5 << 32, 1 << 40, 1 << 62, 3 << 62] {
                let cval = (timer.counter)().wrapping_add(far);
                (timer.set_cval)(cval);
                let before = (timer.counter)();
                let tval = read();
                let after = (timer.counter)();
                check_eq!(tval >> 32, 0, "{}: bits 63:32 of TVAL", timer.name);
                let read_at = cval.wrapping_sub(tval) as u32;
                let late = read_at.wrapping_sub(before as u32);
                assert!(
                    u64::from(late) <= after - before,
                    "{}: TVAL is {tval:#x} with CVAL {cval:#x} at {before:#x}", timer.name
                );
            }
            for value in [0xffff_ffff_0000_1000, 0x1234_5678_8000_0000, 0xffff_0000_7fff_ffff, 1 << 32] {
                let before = (timer.counter)();
                write(value);
                let after = (timer.counter)();
                let distance = i64::from(value as u32 as i32);
                let written_at = (timer.cval)().wrapping_add_signed(-distance);
                assert!(
                    (before..=after).contains(&written_at),
                    "{}: TVAL {value:#x} made CVAL {:#x} at {before:#x}", timer.name, (timer.cval)()
                );
            }
            timer.stop();
        }
    }
}

/// Moves the virtual counter so that it reads `count` now; gives back the offset before.
fn move_counter_to(count: u64) -> u64 {
    let offset = services::set_virtual_offset(0);
    services::set_virtual_offset(offset);
    let ahead = count.wrapping_sub((VIRTUAL.counter)());
    services::set_virtual_offset(offset.wrapping_sub(ahead));
    offset
}

case! {
    /// The comparison is one of unsigned 64-bit numbers, not the sign of a difference. It shows
    /// where the virtual counter wraps, which an offset can bring about at any time: CNTVCT_EL0 is
    /// a subtraction modulo 2^64.
    ///
    /// ```text
    ///   CNTVCT_EL0   ... fffffffffffe....  ffffffffffff....|0000000000000...
    ///   CVAL = -2^12 ticks      0 ---------> 1 ----------- | 0     wrapped: far in the future again
    ///   CVAL = 0     1 ---------- 1 --------- 1 ---------- | 1
    ///   CVAL = 2^20  1 ---------- 1 --------- 1 ---------- | 0 ------> 1
    /// ```
    ///
    /// No guest waits 200 years; a guest whose CNTVOFF_EL2 is larger than the physical counter (it
    /// was migrated from a machine that booted later) lives there. Emulation by signed differences
    /// ("now - cval >= 0") is right everywhere else.
    "timer.compare_wrap": "around 2^64 the virtual timer's condition is an unsigned comparison, before and after the wrap";
    reference: "DDI 0487: IsTimerConditionMet: UInt of count and CVAL; CNTVOFF_EL2";
    needs: Needs::SERVICES;
    fn compare_wrap() {
        let late = milliseconds(5);
        let offset = move_counter_to(late.wrapping_neg());
        let check = |cval: u64, met: bool, when: &str| {
            VIRTUAL.start_masked(cval);
            let seen = VIRTUAL.is_met();
            // Held against the counter, which goes on meanwhile.
            let now = (VIRTUAL.counter)();
            assert!(seen == met, "{when} the wrap, at {now:#x}, CVAL {cval:#x} is met: {seen}");
        };
        for (cval, met) in [(u64::MAX, false), (0, true), (1 << 20, true), (1 << 63, true)] {
            check(cval, met, "before");
        }
        let last = (VIRTUAL.counter)();
        assert!(last > late.wrapping_neg() - 1, "the counter reads {last:#x}: it took too long");
        // Through the wrap with the timer running: met while it is before it, and not behind it.
        VIRTUAL.start_masked(late.wrapping_neg());
        let mut before;
        loop {
            before = (VIRTUAL.counter)();
            let met = VIRTUAL.is_met();
            let after = (VIRTUAL.counter)();
            if after < before {
                continue; // it wrapped here: either will do
            }
            if before < 1 << 63 {
                assert!(!met, "behind the wrap, at {before:#x}, a CVAL before it is met");
                break;
            }
            assert!(met, "at {before:#x} CVAL {:#x} is not met", late.wrapping_neg());
        }
        for (cval, met) in [(u64::MAX, false), (0, true), (1 << 63, false), (late.wrapping_neg(), false)] {
            check(cval, met, "behind");
        }
        VIRTUAL.stop();
        services::set_virtual_offset(offset);
    }
}

case! {
    /// The hypervisor moves CNTVOFF_EL2 while the timer is armed: the condition is of the counter as
    /// it is now, so a deadline may be over at once, and may be far away again at once.
    ///
    /// ```text
    ///                    CVAL = now + 1 h
    ///   offset - 2 h     the counter jumps ahead: met, the interrupt is due
    ///   offset + 2 h     it jumps back: not met, and the interrupt is withdrawn
    /// ```
    ///
    /// EL1 has no part in it and sees no exit. It happens when a VM is restored or was paused. The
    /// hypervisor that computed the host's deadline when CVAL was written must compute it again,
    /// for every vCPU that is armed; else the guest sleeps an hour too long or is woken for nothing.
    "timer.offset_while_armed": "an offset that moves the counter past CVAL and back makes the armed timer met and not met, at once";
    reference: "DDI 0487: CNTVOFF_EL2, CNTV_CTL_EL0.ISTATUS";
    needs: Needs::SERVICES.and(Needs::TIMER_IRQ);
    fn offset_while_armed() {
        let hour = 3600 * frequency();
        let offset = services::set_virtual_offset(0);
        services::set_virtual_offset(offset);
        gic::enable((VIRTUAL.intid)(machine::get()), true);
        interrupt::listen(|_| serve(&VIRTUAL, Timer::stop));
        for round in 1..=10 {
            let cval = (VIRTUAL.counter)() + hour;
            VIRTUAL.start_masked(cval);
            assert!(!VIRTUAL.is_met(), "met an hour early");
            services::set_virtual_offset(offset.wrapping_sub(2 * hour));
            assert!(VIRTUAL.is_met(), "not met with the counter at {:#x}, CVAL {cval:#x}", (VIRTUAL.counter)());
            services::set_virtual_offset(offset);
            assert!(!VIRTUAL.is_met(), "still met with the counter back at {:#x}", (VIRTUAL.counter)());
            VIRTUAL.start(cval);
            unmasked(|| {
                services::set_virtual_offset(offset.wrapping_sub(2 * hour));
                spin_until(|| interrupt::count() == round);
            });
            services::set_virtual_offset(offset);
        }
        check_eq!(interrupt::count() as u64, 10, "interrupts taken");
    }
}

/// How often each CPU's timers fired: virtual, physical.
static FIRED: [[Line; 2]; MOST_CPUS] = [const { [const { Line::new() }; 2] }; MOST_CPUS];
/// The deadlines that each CPU waits for.
static DEADLINES: [[AtomicU64; 2]; MOST_CPUS] =
    [const { [const { AtomicU64::new(0) }; 2] }; MOST_CPUS];
const TIMERS: [&Timer; 2] = [&VIRTUAL, &PHYSICAL];

case! {
    /// Both timers of every CPU at once, each with its own period. Nobody's tick is early, nobody
    /// loses one, nobody gets another's.
    ///
    /// ```text
    ///   CPU 0   V |  |  |  |     P |   |   |   |        PPI 27 and PPI 30 are banked: one line a
    ///   CPU 1   V |   |   |      P |    |    |          timer and CPU, 2 n lines in all
    ///   ...
    /// ```
    ///
    /// A hypervisor has fewer host timers than that: it keeps a list, or one host timer a vCPU set
    /// to the nearer of the two deadlines. The faults are in the sharing: the nearer deadline is
    /// served and the other forgotten; a vCPU that moved to another host CPU leaves its timer
    /// behind; the physical timer's PPI is given to whichever vCPU runs.
    "timer.all_at_once": "both timers of all CPUs tick 10 times each at their own periods: none early, none lost, none mixed up";
    reference: "DDI 0487: the timers are a PE's own; IHI 0069: PPIs are banked";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(2);
    fn all_at_once() {
        const TICKS: u64 = 10;
        fn period(cpu: usize, which: usize) -> u64 {
            milliseconds(1) / 8 * (2 + cpu as u64 % 4 + which as u64)
        }
        fn tick(cpu: usize, _: Vector) {
            let intid = icc::iar1();
            let mine = |timer: &&Timer| u64::from((timer.intid)(machine::get())) == intid;
            let Some(which) = TIMERS.iter().position(mine) else {
                // It was due and is not any more: nothing was acknowledged.
                assert!(intid == icc::NONE, "CPU {cpu}: INTID {intid} is no timer's");
                return;
            };
            let (timer, deadline) = (TIMERS[which], &DEADLINES[cpu][which]);
            let (now, due) = ((timer.counter)(), deadline.load(Ordering::Relaxed));
            assert!(now >= due, "CPU {cpu}, {}: {} ticks early", timer.name, due - now);
            if FIRED[cpu][which].get() + 1 < TICKS {
                let next = now + period(cpu, which);
                deadline.store(next, Ordering::Relaxed);
                timer.start(next);
            } else {
                deadline.store(u64::MAX, Ordering::Relaxed);
                timer.stop();
            }
            let ppi = Interrupt::new(intid as u32);
            spin_until(|| !ppi.is_pending() || timer.is_met());
            icc::set_eoir1(intid);
            FIRED[cpu][which].add(1);
        }
        extern "C" fn body(cpu: u64) {
            let cpu = cpu as usize;
            for (which, timer) in TIMERS.into_iter().enumerate() {
                ppi(timer);
                let due = (timer.counter)() + period(cpu, which);
                DEADLINES[cpu][which].store(due, Ordering::Relaxed);
                timer.start(due);
            }
            unmasked(|| smp::sleep_until(|| FIRED[cpu].iter().all(|fired| fired.get() >= TICKS)));
        }
        physical();
        FIRED.iter().flatten().for_each(Line::clear);
        interrupt::listen(|frame| tick(smp::this_cpu(), frame.entry.kind()));
        let started = smp::start_all(body, Some(tick));
        body(smp::this_cpu() as u64);
        started.join();
        for (cpu, fired) in FIRED.iter().enumerate().take(smp::cpu_count()) {
            for (timer, fired) in TIMERS.into_iter().zip(fired) {
                check_eq!(fired.get(), TICKS, "ticks of CPU {}, {}", cpu, timer.name);
            }
        }
        check_quiet();
    }
}

case! {
    /// The event stream: a bit of the counter that ends WFE, so that a loop that waits for another
    /// CPU looks again now and then even if the SEV was forgotten.
    ///
    /// ```text
    ///   bit EVNTI of CNTVCT_EL0  ___|~~~~|____|~~~~|____
    ///   EVNTDIR = 0                 ^         ^            each a WFE wake-up event
    ///   EVNTDIR = 1                      ^         ^
    /// ```
    ///
    /// EL1 switches it on by CNTKCTL_EL1.EVNTEN; Linux does, at 10 kHz, and its `cpuidle` and
    /// `__delay` rely on it. A hypervisor that traps WFE (HCR_EL2.TWE) and puts the vCPU to sleep
    /// until some other event has to honour the stream, or wake it soon all the same: else a guest
    /// hangs that runs on every real machine. WFE may complete for no reason, so what fails here is
    /// only a WFE that does not come back: the case then never ends.
    "timer.event_stream": "with CNTKCTL_EL1.EVNTEN every WFE comes back by itself, for each EVNTI and EVNTDIR";
    reference: "DDI 0487: CNTKCTL_EL1.EVNTEN, EVNTI, EVNTDIR; WFE wake-up events";
    needs: Needs::NONE;
    fn event_stream() {
        for bit in [0, 3, 7, 10, 12, 15] {
            for direction in [0, cntkctl::EVNTDIR] {
                CNTKCTL_EL1.set(cntkctl::EVNTEN | direction | cntkctl::EVNTI.put(bit));
                let start = (VIRTUAL.counter)();
                let mut waits = 0_u64;
                // Two periods of the bit, or a millisecond.
                while (VIRTUAL.counter)() - start < (4 << bit).max(milliseconds(1)) {
                    aarch64_cpu::asm::sevl();
                    aarch64_cpu::asm::wfe(); // takes what was remembered
                    aarch64_cpu::asm::wfe();
                    waits += 1;
                }
                if bit == 12 && direction == 0 {
                    let ticks = (VIRTUAL.counter)() - start;
                    figure!("bit_12.ticks_each", ticks / waits.max(1), "ticks");
                }
            }
        }
        CNTKCTL_EL1.set(0);
    }
}

case! {
    /// FEAT_ECV's counters that need no ISB: CNTVCTSS_EL0 and CNTPCTSS_EL0 are the same counts, read
    /// in program order. Claimed they work, unclaimed they are UNDEFINED.
    ///
    /// ```text
    ///   ID_AA64MMFR0_EL1.ECV   0: MRS of them is UNDEFINED (EC 0 at EL1)
    ///                          1: before <= SS <= after, of the plain ones with ISB
    /// ```
    ///
    /// A hypervisor that hides ECV in the ID register (for migration to older machines) cannot make
    /// the instruction UNDEFINED again where hardware has it, and needs CNTHCTL_EL2.EL1TVCT to trap
    /// it; one that emulates the counter of a guest with an offset of its own forgets these two and
    /// gives it the host's time.
    "timer.self_synchronized": "CNTVCTSS_EL0 and CNTPCTSS_EL0 count as the plain ones do where ECV is claimed, else UNDEFINED";
    reference: "DDI 0487: CNTVCTSS_EL0, CNTPCTSS_EL0; ID_AA64MMFR0_EL1.ECV";
    needs: Needs::NONE;
    fn self_synchronized() {
        macro_rules! read {
            ($register:literal) => {{
                let mut value = 0_u64;
                // SAFETY: an exception is announced; the instruction only reads.
                let trap = try_catch(After::Skip, || unsafe {
                    asm!(concat!("mrs {}, ", $register), inout(reg) value, options(nostack));
                });
                (value, trap)
            }};
        }
        let claimed = ID_AA64MMFR0_EL1.get() >> 60 != 0;
        for timer in [&VIRTUAL, physical()] {
            for _ in 0..100 {
                let before = (timer.counter)();
                let (value, trap) = if core::ptr::eq(timer, &VIRTUAL) {
                    read!("S3_3_C14_C0_6")
                } else {
                    read!("S3_3_C14_C0_5")
                };
                let after = (timer.counter)();
                match trap {
                    Some(trap) if !claimed => check_eq!(trap.esr.0, Esr::unknown().0, "ESR_EL1"),
                    None if claimed => assert!(
                        (before..=after).contains(&value),
                        "{}: {value:#x} is not between {before:#x} and {after:#x}", timer.name
                    ),
                    Some(trap) => panic!("ID_AA64MMFR0_EL1.ECV claims it, and it takes {}", trap.esr),
                    None => panic!("ID_AA64MMFR0_EL1.ECV does not claim it, and it reads {value:#x}"),
                }
            }
        }
    }
}
