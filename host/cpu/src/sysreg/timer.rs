//! The generic timer's registers: the counters, and the two timers that compare with them.

use super::Now;
use crate::state::Cpu;
use anyvisor_arch::sysreg::{Clock, TimerRegister};
use anyvisor_bugs::{Bug, is};
use anyvisor_timer::Timer;

/// CNTPCT_EL0, CNTVCT_EL0.
pub(super) fn count(cpu: &Cpu, clock: Clock, now: Now) -> u64 {
    match clock {
        Clock::Physical => {
            now().wrapping_sub(if is(Bug::CntpctOffset) { cpu.vtimer_offset } else { 0 })
        }
        Clock::Virtual => {
            let offset = cpu.vtimer_offset;
            now().wrapping_sub(if is(Bug::CntvoffSignWrong) {
                offset.wrapping_neg()
            } else {
                offset
            })
        }
    }
}

/// MRS of a timer's register.
pub(super) fn read(cpu: &Cpu, clock: Clock, which: TimerRegister, now: Now) -> u64 {
    let timer = match clock {
        Clock::Physical => &cpu.ptimer,
        Clock::Virtual => &cpu.vtimer,
    };
    match which {
        TimerRegister::Control => timer.control(count(cpu, clock, now)),
        TimerRegister::CompareValue => timer.compare_value(),
        TimerRegister::TimerValue => timer.timer_value(count(cpu, clock, now)),
    }
}

/// MSR of a timer's register.
pub(super) fn write(cpu: &mut Cpu, clock: Clock, which: TimerRegister, value: u64, now: Now) {
    match which {
        TimerRegister::Control => timer(cpu, clock).set_control(value),
        TimerRegister::CompareValue => timer(cpu, clock).set_compare_value(value),
        TimerRegister::TimerValue => {
            let count = count(cpu, clock, now);
            timer(cpu, clock).set_timer_value(count, value);
        }
    }
}

fn timer(cpu: &mut Cpu, clock: Clock) -> &mut Timer {
    match clock {
        Clock::Physical => &mut cpu.ptimer,
        Clock::Virtual => &mut cpu.vtimer,
    }
}
