//! The virtual timer's exit, without a GIC. With one it is a PPI, and does not exit.
//!
//! ```text
//!   condition met, unmasked:   exit VTIMER_ACTIVATED; the framework masks the timer
//!     -> IRQ line up
//!   the guest silences the timer (CNTV_CTL_EL0, CNTV_CVAL_EL0), and either
//!     exits for any reason     -> the condition is gone: line down, unmask
//!     calls VTIMER SET_MASK 0  -> line down, unmask; if the condition holds: the next exit
//! ```

use crate::cpu::Cpu;
use crate::record::Answer;
use crate::seam;
use anyvisor_arch::timer::ctl;
use anyvisor_bugs::{Bug, is};
use applevisor::prelude::{HypervisorError, SysReg};
use std::time::{Duration, Instant};

/// The exit.
pub fn activated(cpu: &mut Cpu) -> Answer {
    cpu.vtimer_exits += 1;
    cpu.lines.set_timer(true);
    Answer::TimerRaised
}

/// Lowers the line if the timer's condition is gone. Called after each exit while it is high.
pub fn settle(cpu: &mut Cpu) -> Result<(), HypervisorError> {
    let control = cpu.vcpu.get_sys_reg(SysReg::CNTV_CTL_EL0)?;
    let firing = ctl::ENABLE | ctl::ISTATUS;
    if control & (firing | ctl::IMASK) != firing && !is(Bug::VtimerLineKept) {
        release(cpu)?;
    }
    Ok(())
}

/// Lowers the line and lets the timer exit again.
pub fn release(cpu: &mut Cpu) -> Result<(), HypervisorError> {
    cpu.lines.set_timer(false);
    cpu.vcpu.set_vtimer_mask(false)
}

/// When the timer's exit will come; `None`: not by itself.
pub fn deadline(cpu: &Cpu) -> Result<Option<Instant>, HypervisorError> {
    let control = cpu.vcpu.get_sys_reg(SysReg::CNTV_CTL_EL0)?;
    if control & (ctl::ENABLE | ctl::IMASK) != ctl::ENABLE || cpu.vcpu.get_vtimer_mask()? {
        return Ok(None);
    }
    let compare = cpu.vcpu.get_sys_reg(SysReg::CNTV_CVAL_EL0)?;
    let count = seam::counter().wrapping_sub(cpu.vcpu.get_vtimer_offset()?);
    // The condition is an unsigned comparison (DDI 0487, CNTV_CVAL_EL0): CNTVCT >= CVAL.
    let left = duration(compare.saturating_sub(count));
    Ok(Instant::now().checked_add(left))
}

/// Ticks of the counter as time, rounded up: a deadline must not come early.
fn duration(ticks: u64) -> Duration {
    let nanoseconds = (u128::from(ticks) * 1_000_000_000).div_ceil(u128::from(seam::COUNTER_HZ));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_time_without_overflow_and_never_too_short() {
        assert_eq!(duration(24_000_000), Duration::from_secs(1));
        assert_eq!(duration(1), Duration::from_nanos(42));
        assert_eq!(duration(u64::MAX), Duration::from_nanos(u64::MAX));
    }
}
