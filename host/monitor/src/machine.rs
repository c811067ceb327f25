//! One virtual machine: a VM, its RAM, its vCPU and what the monitor knows of them.
//!
//! ```text
//!   Machine::new     VM, RAM, image, FDT, vCPU as the boot protocol wants it, alarm
//!   Machine::run     the exit loop                                          (run.rs)
//!   drop             secondaries, alarm thread, vCPU, RAM, VM: in this order
//! ```
//!
//! A process has one VM at a time: that is the framework's rule. A machine stays on the thread
//! that made it, as its vCPU does.

use crate::alarm::{Alarm, Event};
use crate::console::Console;
use crate::devices::Devices;
use crate::expect::Expectations;
use crate::fdt;
use crate::image::Image;
use crate::lines::Lines;
use crate::processors::{MPIDR, Processors};
use crate::ram::{Ram, RamRange};
use crate::record::Record;
use anyvisor_abi::map::STAGE2_GRANULE;
use anyvisor_arch::pstate;
use applevisor::prelude::{
    GicDisabled, HypervisorError, Reg, SysReg, Vcpu, VcpuConfig, VirtualMachine,
    VirtualMachineInstance,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a machine is made of.
#[derive(Debug)]
pub struct Config<'a> {
    /// The kernel.
    pub image: &'a Image<'a>,
    /// How many vCPUs there are; all but the first are off.
    pub vcpus: u8,
    /// Its RAM; the one that the image was checked against.
    pub ram: RamRange,
    /// The kernel's command line.
    pub bootargs: &'a str,
    /// Whether segments get their own stage-2 permissions; otherwise all of RAM can be read,
    /// written and executed, as a kernel expects that loads code by itself.
    pub seal: bool,
    /// How long the guest may run.
    pub timeout: Option<Duration>,
    /// Print a line for each exit.
    pub trace: bool,
}

/// Why a machine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The framework refused.
    #[error("{step}: {error}: {}", remedy(.error))]
    Framework {
        /// What was being done.
        step: &'static str,
        /// What the framework said.
        error: HypervisorError,
    },
    /// No alarm thread.
    #[error("starting the alarm thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The boot arguments do not fit an FDT.
    #[error("the boot arguments {bootargs:?} cannot stand in an FDT: {error}")]
    Fdt {
        /// The arguments.
        bootargs: String,
        /// The writer's reason.
        error: vm_fdt::Error,
    },
}

/// What can be done about an error of the framework.
pub fn remedy(error: &HypervisorError) -> &'static str {
    match error {
        HypervisorError::Denied => {
            "sign this program with the entitlement com.apple.security.hypervisor \
             (cargo xtask run does)"
        }
        HypervisorError::Unsupported => {
            "on macOS: needs Apple silicon, not inside a VM, and a program signed with the \
             entitlement com.apple.security.hypervisor"
        }
        HypervisorError::Busy => "this process has a VM already, and may have one only",
        HypervisorError::NoResources => "the machine has too little memory: try a smaller --memory",
        HypervisorError::NoDevice => "the VM is gone: an error of this program",
        HypervisorError::IllegalState => {
            "the guest's PSTATE names a mode that it does not have, or a register that it must \
             not change was changed"
        }
        HypervisorError::BadArgument => "the framework does not know what was asked for",
        _ => "no remedy is known",
    }
}

/// A virtual machine.
pub struct Machine {
    // Fields are dropped in this order, after the secondaries have ended.
    pub(crate) processors: Arc<Processors>,
    pub(crate) alarm: Alarm,
    pub(crate) vcpu: Vcpu,
    pub(crate) ram: Ram,
    pub(crate) vm: VirtualMachineInstance<GicDisabled>,
    pub(crate) devices: Devices,
    pub(crate) lines: Lines,
    pub(crate) expect: Expectations,
    /// The exits so far.
    pub record: Record,
    pub(crate) started: Instant,
    pub(crate) trace: bool,
    /// How many times the virtual timer's exit came.
    pub(crate) vtimer_exits: u64,
    /// The guest cancelled its own next entry.
    pub(crate) cancel_requested: bool,
    /// Entries that were cancelled because the guest asked for it.
    pub(crate) cancelled: u64,
}

impl Machine {
    /// Makes a VM with the image in its RAM and a vCPU at its first instruction.
    ///
    /// # Errors
    /// What the framework refuses; see [`SetupError`].
    pub fn new(config: &Config<'_>, console: Console) -> Result<Self, SetupError> {
        let blob = fdt::build(config.ram, config.vcpus, config.bootargs)
            .map_err(|error| SetupError::Fdt { bootargs: config.bootargs.into(), error })?;
        let step = |step| move |error| SetupError::Framework { step, error };

        let vm = VirtualMachine::new().map_err(step("creating a VM"))?;
        let mut ram = Ram::new(&vm, config.ram).map_err(step("mapping RAM"))?;
        ram.load(config.image).map_err(step("loading the image"))?;
        ram.write(config.ram.fdt(), &blob).map_err(step("loading the FDT"))?;
        if config.seal {
            ram.seal(config.image).map_err(step("protecting the image"))?;
        }
        // A configuration of our own: without one the binding releases a null pointer.
        let vcpu = vm.vcpu_with_config(VcpuConfig::new()).map_err(step("creating a vCPU"))?;
        boot_state(&vcpu, config).map_err(step("setting up the vCPU"))?;

        let alarm = Alarm::new(vm.clone(), &vcpu)?;
        let processors = Processors::new(vm.clone(), config.ram, alarm.remote(), config.vcpus);
        let started = Instant::now();
        if let Some(timeout) = config.timeout {
            alarm.set(started + timeout, Event::Timeout); // the first: there is room
        }
        Ok(Self {
            processors,
            alarm,
            vcpu,
            ram,
            vm,
            devices: Devices::new(console),
            lines: Lines::default(),
            expect: Expectations::default(),
            record: Record::default(),
            started,
            trace: config.trace,
            vtimer_exits: 0,
            cancel_requested: false,
            cancelled: 0,
        })
    }

    /// What the monitor has to say against the guest: see [`crate::expect`].
    pub fn complaints(&mut self) -> Vec<String> {
        self.expect.complaints()
    }

    /// Everything that the guest printed and that was kept.
    pub fn console(&mut self) -> &mut Console {
        &mut self.devices.console
    }

    /// For threads that have something to tell the guest.
    pub fn remote(&self) -> crate::alarm::Remote {
        self.alarm.remote()
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
        set_x(&self.vcpu, n, value)
    }

    /// The program counter.
    #[inline]
    pub(crate) fn pc(&self) -> Result<u64, HypervisorError> {
        self.vcpu.get_reg(Reg::PC)
    }

    /// Steps over the instruction at the PC.
    pub(crate) fn advance(&self) -> Result<(), HypervisorError> {
        advance(&self.vcpu)
    }

    /// The system register that holds the current stack pointer: PSTATE.SP chooses.
    pub(crate) fn sp(&self) -> Result<SysReg, HypervisorError> {
        let mode = pstate::Mode::from_bits(self.vcpu.get_reg(Reg::CPSR)?);
        let own = mode.is_some_and(pstate::Mode::own_sp);
        Ok(if own { SysReg::SP_EL1 } else { SysReg::SP_EL0 })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.processors.end();
    }
}

/// The state of booting.rst: the MMU off (as after reset), EL1h, all interrupts masked, x0 the
/// FDT and x1 to x3 zero.
fn boot_state(vcpu: &Vcpu, config: &Config<'_>) -> Result<(), HypervisorError> {
    vcpu.set_reg(Reg::PC, config.image.entry)?;
    vcpu.set_reg(Reg::CPSR, pstate::RESET)?;
    vcpu.set_reg(Reg::X0, config.ram.fdt())?;
    for reg in [Reg::X1, Reg::X2, Reg::X3] {
        vcpu.set_reg(reg, 0)?;
    }
    vcpu.set_sys_reg(SysReg::MPIDR_EL1, MPIDR)
}

/// Writes Xn of a vCPU; X31 is XZR.
#[inline]
pub(crate) fn set_x(vcpu: &Vcpu, n: u8, value: u64) -> Result<(), HypervisorError> {
    match X.get(usize::from(n)) {
        Some(&reg) => vcpu.set_reg(reg, value),
        None => Ok(()),
    }
}

/// Steps a vCPU over the instruction at its PC.
pub(crate) fn advance(vcpu: &Vcpu) -> Result<(), HypervisorError> {
    vcpu.set_reg(Reg::PC, vcpu.get_reg(Reg::PC)?.wrapping_add(4))
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

const _: () = assert!(
    applevisor::memory::PAGE_SIZE as u64 == STAGE2_GRANULE,
    "the binding rounds allocations to the granule of stage 2"
);
