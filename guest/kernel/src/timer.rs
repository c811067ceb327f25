//! The generic timer's two EL1 timers through one record of accessors: what holds for one holds
//! for the other, and a case is written once (DDI 0487, "The Generic Timer").
//!
//! ```text
//!   condition met  <=>  CTL.ENABLE and counter - CVAL >= 0 (unsigned 64-bit wrap aside)
//!   ISTATUS = condition met         output = condition met and not IMASK     (a level)
//!   TVAL    = low 32 bits of CVAL - counter, a signed view of CVAL
//! ```

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use anyvisor_arch::timer::ctl;
use tock_registers::interfaces::{Readable, Writeable};

use crate::machine::Machine;

/// One timer.
pub struct Timer {
    /// Its name, for messages.
    pub name: &'static str,
    /// The counter that it compares with.
    pub counter: fn() -> u64,
    /// Reads CTL.
    pub ctl: fn() -> u64,
    /// Writes CTL.
    pub set_ctl: fn(u64),
    /// Reads CVAL.
    pub cval: fn() -> u64,
    /// Writes CVAL.
    pub set_cval: fn(u64),
    /// Reads TVAL: 32 bits, signed.
    pub tval: fn() -> i32,
    /// Writes TVAL.
    pub set_tval: fn(i32),
    /// Its interrupt.
    pub intid: fn(Machine) -> u32,
}

macro_rules! timer {
    ($name:literal, $counter:ident, $ctl:ident, $cval:ident, $tval:ident, $intid:ident) => {
        Timer {
            name: $name,
            counter: || {
                barrier::isb(barrier::SY); // a counter read may be speculated past what is before
                $counter.get()
            },
            ctl: || $ctl.get(),
            set_ctl: |value| {
                $ctl.set(value);
                barrier::isb(barrier::SY);
            },
            cval: || $cval.get(),
            set_cval: |value| {
                $cval.set(value);
                barrier::isb(barrier::SY);
            },
            tval: || $tval.get() as u32 as i32,
            set_tval: |value| {
                $tval.set(value as u32 as u64);
                barrier::isb(barrier::SY);
            },
            intid: |machine| machine.$intid,
        }
    };
}

/// CNTV: compares with CNTVCT_EL0.
pub static VIRTUAL: Timer =
    timer!("virtual", CNTVCT_EL0, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTV_TVAL_EL0, virtual_timer);
/// CNTP: compares with CNTPCT_EL0.
pub static PHYSICAL: Timer =
    timer!("physical", CNTPCT_EL0, CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTP_TVAL_EL0, physical_timer);

impl Timer {
    /// Whether ISTATUS says that the condition is met.
    pub fn is_met(&self) -> bool {
        (self.ctl)() & ctl::ISTATUS != 0
    }

    /// Stops it.
    pub fn stop(&self) {
        (self.set_ctl)(0);
    }

    /// Starts it at `cval`, its output held low.
    pub fn start_masked(&self, cval: u64) {
        (self.set_cval)(cval);
        (self.set_ctl)(ctl::ENABLE | ctl::IMASK);
    }

    /// Starts it at `cval`, its output let out.
    pub fn start(&self, cval: u64) {
        (self.set_cval)(cval);
        (self.set_ctl)(ctl::ENABLE);
    }
}

/// Counter ticks a second.
pub fn frequency() -> u64 {
    CNTFRQ_EL0.get()
}
