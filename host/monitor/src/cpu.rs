//! One vCPU and its thread, from the machine's start to its end.
//!
//! ```text
//!   live:  create, MPIDR, reset state noted
//!            |
//!            +--> wait, off -- Start --> reset, run: enter, exit, answer, ...      (run.rs)
//!            |        |                              |
//!            |        +-- Report ----> registers,      +-- CPU_OFF, halt: off again
//!            |        |              counts          +-- a stop: told to the machine, off
//!            |        +-- End --> destroy
//!            +--------------------------------------------+
//! ```
//!
//! A vCPU is never destroyed to switch it off: with a GIC its redistributor is part of a topology
//! that is final once a vCPU has run.

use crate::board::Board;
use crate::expect::Expectations;
use crate::lines::Lines;
use crate::processors::{Order, Start, mpidr};
use crate::qos::Class;
use crate::record::{Counts, Record};
use crate::reset::ResetState;
use crate::run::{Leave, Stop};
use crate::trap::wfx::Waits;
use anyvisor_arch::pstate;
use anyvisor_bugs::{Bug, is};
use applevisor::prelude::{HypervisorError, Reg, SysReg, Vcpu, VcpuConfig};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// A vCPU, on its own thread.
pub struct Cpu {
    pub(crate) vcpu: Vcpu,
    pub(crate) board: Arc<Board>,
    pub(crate) number: u8,
    pub(crate) lines: Lines,
    /// The lines as the timeline has them, see [`crate::watch`].
    pub(crate) lines_told: Lines,
    pub(crate) expect: Expectations,
    pub(crate) record: Record,
    /// How many times the virtual timer's exit came.
    pub(crate) vtimer_exits: u64,
    /// The guest cancelled its own next entry.
    pub(crate) cancel_requested: bool,
    /// Entries that were cancelled because the guest asked for it.
    pub(crate) cancelled: u64,
    /// The last WFEs.
    pub(crate) waits: Waits,
    reset: ResetState,
    /// Whether it was ever switched on.
    ran: bool,
    /// Whether it was on when the machine stopped.
    halted: bool,
}

/// What is known of a vCPU after the run.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Its number.
    pub number: u8,
    /// Whether it was ever switched on.
    pub ran: bool,
    /// Whether it was on when the machine stopped.
    pub halted: bool,
    /// Its exits.
    pub exits: Counts,
    /// What the monitor has to say against the guest: see [`crate::expect`].
    pub complaints: Vec<String>,
    /// Time that it spent in the guest (`hv_vcpu_get_exec_time`).
    pub exec_time: Duration,
    /// Registers, the last exits; if they were asked for.
    pub autopsy: Option<String>,
}

/// The life of vCPU `number`, on its own thread. `created` hears how the creation went.
pub fn live(
    board: &Arc<Board>,
    number: u8,
    class: Option<Class>,
    created: SyncSender<Result<(), HypervisorError>>,
) {
    // Declared first: it is gone when its vCPU is, however this ends.
    let _gone = Gone(board, number);
    if let Some(class) = class {
        class.assume();
    }
    let mut cpu = match Cpu::new(board, number) {
        Ok(cpu) => cpu,
        Err(error) => {
            let _ = created.send(Err(error)); // nobody waits: the machine is gone too
            return;
        }
    };
    board.processors.introduce(number, cpu.vcpu.get_handle());
    let sent = created.send(Ok(()));
    drop(created);
    if sent.is_err() {
        return;
    }
    loop {
        match board.processors.wait(number) {
            Order::Start(start) => {
                let left = cpu.start(start);
                cpu.tell_leave(&left);
                cpu.leave_gic();
                cpu.halted = !matches!(left, Leave::Off);
                if let Leave::Stop(stop) = left {
                    board.alarm.stop(stop);
                }
                board.processors.is_off(number);
            }
            Order::Report(sender, registers) => {
                let _ = sender.send(cpu.findings(registers)); // whoever asked may have gone
            }
            Order::End => break,
        }
    }
}

/// Says that a vCPU's thread is gone, when dropped: also by a panic, of which the machine must
/// hear, or it would wait for ever.
struct Gone<'a>(&'a Board, u8);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.processors.is_gone(self.1);
        if std::thread::panicking() {
            let why = format!("the monitor's thread of vCPU {} panicked", self.1);
            self.0.alarm.stop(Stop::Unhandled(why));
        }
    }
}

impl Cpu {
    fn new(board: &Arc<Board>, number: u8) -> Result<Self, HypervisorError> {
        // A configuration of our own: without one the binding releases a null pointer.
        let vcpu = board.vm.vcpu_with_config(VcpuConfig::new())?;
        // Before the GIC uses it: the redistributor's affinity is this register's.
        vcpu.set_sys_reg(SysReg::MPIDR_EL1, mpidr(number))?;
        let reset = ResetState::of(&vcpu, board.gic.is_some())?;
        Ok(Self {
            vcpu,
            board: board.clone(),
            number,
            lines: Lines::default(),
            lines_told: Lines::default(),
            expect: Expectations::default(),
            record: Record::default(),
            vtimer_exits: 0,
            cancel_requested: false,
            cancelled: 0,
            waits: Waits::default(),
            reset,
            ran: false,
            halted: false,
        })
    }

    /// Runs the guest from a reset on, until the vCPU is off.
    fn start(&mut self, start: Start) -> Leave {
        self.ran = true;
        self.lines = Lines::default();
        self.waits = Waits::default();
        self.cancel_requested = false;
        self.expect.drop_unmet();
        self.tell_start(start);
        match self.boot_state(start) {
            Ok(()) => self.run(),
            Err(error) => Stop::Refused(error).into(),
        }
    }

    /// What firmware does before it takes the power away: no interrupt is signalled to a vCPU that
    /// is off, and a shared one of 1-of-N goes to another (IHI 0069, "Power management").
    fn leave_gic(&self) {
        if let Err(error) = self.reset.disable_groups(&self.vcpu) {
            log::warn!("vCPU {} is off, and its GIC's CPU interface is not: {error}", self.number);
        }
    }

    /// The state of PSCI's CPU_ON (DEN 0022, "Initial core configuration"), and of booting.rst,
    /// which wants the same: as after reset with the MMU off, EL1h, all interrupts masked, X0
    /// what was given; all other general registers zero.
    fn boot_state(&self, start: Start) -> Result<(), HypervisorError> {
        if !is(Bug::CpuOnStateKept) {
            self.reset.put_back(&self.vcpu)?;
        }
        for reg in X {
            self.vcpu.set_reg(reg, 0)?;
        }
        self.vcpu.set_reg(Reg::X0, start.context)?;
        self.vcpu.set_reg(Reg::PC, start.entry)?;
        let open = if is(Bug::CpuOnInterruptsOpen) { pstate::I } else { 0 };
        self.vcpu.set_reg(Reg::CPSR, pstate::RESET & !open)
    }

    fn findings(&mut self, registers: bool) -> Findings {
        let exec_time = self.vcpu.get_exec_time().unwrap_or_else(|error| {
            log::warn!("vCPU {} does not say how long it ran: {error}", self.number);
            0
        });
        Findings {
            number: self.number,
            ran: self.ran,
            halted: self.halted,
            exits: self.record.counts,
            complaints: self.expect.complaints(),
            exec_time: Duration::from_nanos(exec_time),
            autopsy: registers.then(|| self.autopsy()),
        }
    }

    /// Reads Xn; X31 is XZR.
    #[inline]
    pub(crate) fn x(&self, n: u8) -> Result<u64, HypervisorError> {
        match X.get(usize::from(n)) {
            Some(&reg) => self.vcpu.get_reg(reg),
            None => Ok(0),
        }
    }

    /// Writes Xn; X31 is XZR.
    #[inline]
    pub(crate) fn set_x(&self, n: u8, value: u64) -> Result<(), HypervisorError> {
        match X.get(usize::from(n)) {
            Some(&reg) => self.vcpu.set_reg(reg, value),
            None => Ok(()),
        }
    }

    /// The program counter.
    #[inline]
    pub(crate) fn pc(&self) -> Result<u64, HypervisorError> {
        self.vcpu.get_reg(Reg::PC)
    }

    /// Steps over the instruction at the PC.
    pub(crate) fn advance(&self) -> Result<(), HypervisorError> {
        self.vcpu.set_reg(Reg::PC, self.pc()?.wrapping_add(4))
    }

    /// The system register that holds the current stack pointer: PSTATE.SP chooses.
    pub(crate) fn sp(&self) -> Result<SysReg, HypervisorError> {
        let mode = pstate::Mode::from_bits(self.vcpu.get_reg(Reg::CPSR)?);
        let own = mode.is_some_and(pstate::Mode::own_sp);
        Ok(if own { SysReg::SP_EL1 } else { SysReg::SP_EL0 })
    }
}

/// X0 to X30.
pub(crate) const X: [Reg; 31] = [
    Reg::X0,
    Reg::X1,
    Reg::X2,
    Reg::X3,
    Reg::X4,
    Reg::X5,
    Reg::X6,
    Reg::X7,
    Reg::X8,
    Reg::X9,
    Reg::X10,
    Reg::X11,
    Reg::X12,
    Reg::X13,
    Reg::X14,
    Reg::X15,
    Reg::X16,
    Reg::X17,
    Reg::X18,
    Reg::X19,
    Reg::X20,
    Reg::X21,
    Reg::X22,
    Reg::X23,
    Reg::X24,
    Reg::X25,
    Reg::X26,
    Reg::X27,
    Reg::X28,
    Reg::X29,
    Reg::X30,
];
