//! The exit loop: what can happen to a guest, and who takes care of it.

use crate::console::tell;
use crate::cpu::Cpu;
use crate::expect::{Next, Seen};
use crate::record::Answer;
use crate::remedy::{Refused, Step};
use crate::trap::{announced, cancel, debug, hypercall, mmio, sysreg, vtimer, wfx};
use anyvisor_arch::esr::{Esr, ExceptionClass};
use applevisor::prelude::{ExitReason, HypervisorError};
use std::fmt;

/// Why a machine stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// PSCI SYSTEM_OFF.
    Off,
    /// PSCI SYSTEM_RESET.
    Reset,
    /// PSCI CPU_OFF of the last vCPU.
    CpuOff,
    /// It had its time.
    Timeout,
    /// It did something that nobody has an answer to.
    Unhandled(String),
    /// The framework refused to go on.
    Refused(HypervisorError),
    /// What one of several vCPUs did or met.
    OfOne(u8, Box<Stop>),
}

/// Why a vCPU left the guest for longer than an exit takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    /// PSCI CPU_OFF, while others are on.
    Off,
    /// The machine stops, for what somebody else did.
    Halted,
    /// The machine is to stop.
    Stop(Stop),
}

impl fmt::Display for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("switched off"),
            Self::Halted => f.write_str("halted"),
            Self::Stop(stop) => write!(f, "stop: {stop}"),
        }
    }
}

impl From<Stop> for Leave {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<HypervisorError> for Leave {
    fn from(error: HypervisorError) -> Self {
        Self::Stop(error.into())
    }
}

impl From<HypervisorError> for Stop {
    fn from(error: HypervisorError) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("the guest switched the machine off"),
            Self::Reset => f.write_str("the guest asked for a reset"),
            Self::CpuOff => f.write_str("the guest switched its last vCPU off"),
            Self::Timeout => f.write_str("the guest did not end in time"),
            Self::Unhandled(why) => f.write_str(why),
            Self::Refused(error) => Refused { step: Step::Run, error: *error }.fmt(f),
            Self::OfOne(number, stop) => write!(f, "vCPU {number}: {stop}"),
        }
    }
}

impl Cpu {
    /// Runs the guest until the vCPU leaves it.
    pub(crate) fn run(&mut self) -> Leave {
        let watched = self.board.trace || self.board.timeline.is_some();
        let left = if watched { self.enter_again::<true>() } else { self.enter_again::<false>() };
        if self.board.trace {
            let (time, number) = (self.board.started.elapsed(), self.number);
            tell!("{time:>12?} vCPU {number} {left}");
        }
        match left {
            // Of a machine with one vCPU nobody asks which.
            Leave::Stop(stop @ (Stop::Unhandled(_) | Stop::Refused(_)))
                if self.board.processors.count() > 1 =>
            {
                Stop::OfOne(self.number, Box::new(stop)).into()
            }
            left => left,
        }
    }

    fn enter_again<const WATCHED: bool>(&mut self) -> Leave {
        loop {
            if let Err(left) = self.enter::<WATCHED>() {
                break left;
            }
        }
    }

    /// One entry and the exit that ends it. `Err` is the end of the run, good or bad.
    #[inline]
    fn enter<const WATCHED: bool>(&mut self) -> Result<(), Leave> {
        if WATCHED {
            self.tell_lines();
        }
        self.lines.present(&self.vcpu)?; // level sensitive: again at each entry
        if WATCHED {
            self.lines_are_told();
        }
        self.vcpu.run()?;
        let exit = self.vcpu.get_exit_info();
        let seen = Seen {
            esr: exit.exception.syndrome,
            far: exit.exception.virtual_address,
            ipa: exit.exception.physical_address,
            pc: self.pc()?,
        };
        self.record.begin(exit.reason, seen);
        let glimpse = if WATCHED { self.look(exit.reason, seen) } else { None };
        let answer = match exit.reason {
            ExitReason::EXCEPTION => self.exception(seen),
            ExitReason::VTIMER_ACTIVATED => Ok(vtimer::activated(self)), // raises the IRQ line
            ExitReason::CANCELED => cancel::handle(self),                // timeout, delayed events
            ExitReason::UNKNOWN => {
                Err(Stop::Unhandled("the framework gave no reason".into()).into())
            }
        };
        if let Ok(answer) = answer {
            self.record.end(answer);
        }
        if WATCHED {
            self.tell(glimpse, &answer);
        }
        answer?;
        if self.lines.timer() {
            vtimer::settle(self)?; // the guest may have silenced the timer
        }
        Ok(())
    }

    /// An exception that was taken to the hypervisor.
    #[inline]
    fn exception(&mut self, seen: Seen) -> Result<Answer, Leave> {
        let class = Esr(seen.esr).class();
        match class {
            Ok(ExceptionClass::Hvc) => return hypercall::hvc(self), // PSCI, services
            Ok(ExceptionClass::Smc) => return hypercall::smc(self), // the same
            _ => {}
        }
        if self.expect.armed()
            && let Next::After(after) = self.expect.check(seen)
            && let Some(answer) = announced::go_on(self, seen, after)?
        {
            return Ok(answer); // a case announced it and said what to do
        }
        match class {
            Ok(ExceptionClass::DataAbortLower) => Ok(mmio::handle(self, seen)?), // devices
            Ok(ExceptionClass::InstructionAbortLower) => {
                Err(mmio::no_instruction(self, seen).into())
            }
            Ok(ExceptionClass::Wait) => Ok(wfx::handle(self, seen)?), // WFI sleeps, WFE yields
            Ok(ExceptionClass::System) => Ok(sysreg::handle(self, seen)?), // MSR, MRS
            Ok(_) => Err(debug::nobody_asked(seen).into()),           // breakpoints and the like
            Err(_) => Err(debug::nobody_asked(seen).into()),
        }
    }
}
