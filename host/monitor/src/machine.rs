//! One virtual machine: a VM, its RAM, its vCPUs and what the monitor knows of them.
//!
//! ```text
//!   Machine::new     VM, GIC, RAM, image, FDT; the vCPUs' threads, each with its vCPU, all off
//!   Machine::run     vCPU 0 on; what is due happens; a stop: all vCPUs leave the guest
//!   Machine::reset   everything as new, but for the VM, the GIC and the vCPUs as objects
//!   drop             the threads end, each with its vCPU; RAM, VM: in this order
//!
//!   the machine's thread           vCPU 0's thread        vCPU n's thread      (cpu.rs, run.rs)
//!   --------------------           ---------------        ---------------
//!   run: alarm, input, clock  <--> run, exit, answer <--> off, on by PSCI, run, exit, answer
//!        ^                            |                      |
//!        +----------- a stop ---------+----------------------+
//! ```
//!
//! A process has one VM at a time: that is the framework's rule.

use crate::alarm::{Event, Next, Remote};
use crate::board::Board;
use crate::console::Console;
use crate::cpu::{self, Findings};
use crate::devices::Devices;
use crate::gic::Gic;
use crate::image::Image;
use crate::processors::Start;
use crate::qos::{self, Class};
use crate::ram::{Ram, RamRange};
use crate::remedy::{Refused, Step};
use crate::run::Stop;
use crate::watch::Timeline;
use crate::{fdt, firmware, timeline};
use anyvisor_abi::map::STAGE2_GRANULE;
use anyvisor_abi::smccc::SUCCESS;
use applevisor::memory::Memory;
use applevisor::prelude::{HypervisorError, VirtualMachine};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a machine is made of.
#[derive(Debug)]
pub struct Config<'a> {
    /// The kernel.
    pub image: &'a Image<'a>,
    /// How many vCPUs there are; all but the first are off.
    pub vcpus: u8,
    /// Whether there is a GIC.
    pub gic: bool,
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
    /// Write down what happens: so many events, see [`crate::watch`].
    pub events: Option<usize>,
    /// The classes of the vCPUs' threads, see [`Class::of`]; none leaves them as they are.
    pub qos: &'a [Class],
}

/// Why a machine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The framework refused.
    #[error(transparent)]
    Framework(#[from] Refused),
    /// No thread for a vCPU.
    #[error("starting the thread of vCPU {number}: {error}")]
    Thread {
        /// Which vCPU.
        number: u8,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The thread of a vCPU said nothing.
    #[error("the thread of vCPU {0} ended without a word: an error of this program")]
    Silent(u8),
    /// The boot arguments do not fit an FDT.
    #[error("the boot arguments {bootargs:?} cannot stand in an FDT: {error}")]
    Fdt {
        /// The arguments.
        bootargs: String,
        /// The writer's reason.
        error: vm_fdt::Error,
    },
}

/// Names the step at which the framework refused.
fn step(step: Step) -> impl FnOnce(HypervisorError) -> SetupError {
    move |error| Refused { step, error }.into()
}

/// A virtual machine.
pub struct Machine<'a> {
    // Fields are dropped in this order, after the vCPUs' threads have ended.
    threads: Vec<JoinHandle<()>>,
    firmware: Option<Memory>,
    board: Arc<Board>,
    image: &'a Image<'a>,
    fdt: Vec<u8>,
    seal: bool,
}

impl<'a> Machine<'a> {
    /// Makes a VM with the image in its RAM, whose vCPUs are off.
    ///
    /// # Errors
    /// What the framework refuses; see [`SetupError`].
    pub fn new(config: &Config<'a>, console: Console) -> Result<Self, SetupError> {
        qos::wake_in_time();
        let vm_step = Step::CreateVm { gic: config.gic };
        let gic =
            config.gic.then(|| Gic::with_vm(config.ram.plan)).transpose().map_err(step(vm_step))?;
        let vm = match &gic {
            Some(gic) => gic.vm(),
            None => VirtualMachine::new().map_err(step(vm_step))?,
        };
        let layout = gic.as_ref().map(Gic::layout);
        let platform = fdt::Platform {
            ram: config.ram,
            vcpus: config.vcpus,
            bootargs: config.bootargs,
            gic: layout,
        };
        let fdt = fdt::build(&platform)
            .map_err(|error| SetupError::Fdt { bootargs: config.bootargs.into(), error })?;
        let firmware = match gic {
            Some(_) => Some(firmware::map(&vm).map_err(step(Step::MapRam))?),
            None => None,
        };
        let devices = Devices::new(console, config.ram.plan);
        let timeline = config.events.map(|room| Timeline::new(room, config.image));
        let trace = config.trace;
        let board = Board::new(vm, gic, config.ram, config.vcpus, devices, trace, timeline);
        let mut machine = Self {
            threads: Vec::new(),
            firmware,
            board: Arc::new(board),
            image: config.image,
            fdt,
            seal: config.seal,
        };
        machine.load()?;
        // In the order of their numbers: so the framework numbers its redistributors.
        for number in 0..machine.board.processors.count() {
            machine.create(number, Class::of(config.qos, number))?;
        }
        if let Some(timeout) = config.timeout {
            let deadline = Instant::now() + timeout;
            machine.board.alarm.set(deadline, Event::Timeout); // the first: there is room
        }
        Ok(machine)
    }

    /// Starts the thread of a vCPU and waits until the vCPU exists.
    fn create(&mut self, number: u8, class: Option<Class>) -> Result<(), SetupError> {
        let (sender, created) = sync_channel(1);
        let board = self.board.clone();
        let thread = std::thread::Builder::new()
            .name(format!("vcpu{number}"))
            .spawn(move || cpu::live(&board, number, class, sender))
            .map_err(|error| SetupError::Thread { number, error })?;
        self.threads.push(thread);
        match created.recv() {
            Ok(result) => result.map_err(step(Step::CreateVcpu(number))),
            Err(_) => Err(SetupError::Silent(number)),
        }
    }

    /// Makes new RAM, with the image and the FDT in it.
    fn load(&mut self) -> Result<(), SetupError> {
        let board = &self.board;
        let mut place = board.ram.write().unwrap_or_else(PoisonError::into_inner);
        *place = None; // what was mapped there goes first
        let mut ram = Ram::new(&board.vm, board.range).map_err(step(Step::MapRam))?;
        ram.load(self.image).map_err(step(Step::Load))?;
        ram.write(board.range.fdt(self.image.end()), &self.fdt).map_err(step(Step::Load))?;
        if self.seal {
            ram.seal(self.image).map_err(step(Step::Protect))?;
        }
        *place = Some(ram);
        Ok(())
    }

    /// Runs the guest until it stops. Then all vCPUs are off.
    pub fn run(&mut self) -> Stop {
        let board = &self.board;
        let start = Start { entry: self.image.entry, context: board.range.fdt(self.image.end()) };
        let stop = match board.processors.switch_on(0, start) {
            SUCCESS => loop {
                match board.alarm.next() {
                    Next::Due(event) => board.happen(event),
                    Next::Stop(stop) => break stop,
                }
            },
            answer => Stop::Unhandled(format!("vCPU 0 cannot be switched on: {answer}")),
        };
        board.processors.halt();
        board.devices().flush();
        stop
    }

    /// Makes the machine ready to run once more, after a stop: RAM is new, and GIC, devices and
    /// vCPUs are as at first. What the timeout has left goes on.
    ///
    /// # Errors
    /// What the framework refuses.
    pub fn reset(&mut self) -> Result<(), SetupError> {
        self.load()?;
        let board = &self.board;
        if let Some(timeline) = &board.timeline {
            timeline.power(None, "reset".into());
        }
        board.alarm.reset();
        board.reset_devices();
        if let Some(gic) = &board.gic {
            gic.reset().map_err(step(Step::ResetGic))?;
        }
        board.processors.allow();
        Ok(())
    }

    /// What is known of the vCPUs that were ever on, after a stop.
    pub fn reports(&self, registers: bool) -> Vec<Findings> {
        let processors = &self.board.processors;
        let all = (0..processors.count()).filter_map(|n| processors.report(n, registers));
        all.filter(|report| report.ran).collect()
    }

    /// What is known of a guest that stopped where it should not have: see [`crate::autopsy`].
    pub fn autopsy(&self) -> String {
        let of_several = self.board.processors.count() > 1;
        let halted = self.reports(true).into_iter().filter(|report| report.halted);
        let texts = halted.filter_map(|report| {
            let text = report.autopsy?;
            Some(if of_several { format!("vCPU {}:\n{text}", report.number) } else { text })
        });
        texts.collect()
    }

    /// What happened, after a stop; nothing unless [`Config::events`] asked for it. A second call
    /// has only what is new.
    pub fn events(&self) -> Vec<timeline::Event> {
        let timeline = self.board.timeline.as_ref();
        timeline.map(|timeline| timeline.take(&self.board.devices().console)).unwrap_or_default()
    }

    /// Everything that the guest printed and that was kept.
    pub fn console(&self) -> String {
        self.board.devices().console.text()
    }

    /// For threads that have something to tell the guest.
    pub fn remote(&self) -> Remote {
        self.board.alarm.remote()
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        self.board.processors.halt();
        self.board.processors.end();
        for thread in self.threads.drain(..) {
            // If it panicked, the machine has heard of it, and its vCPU is gone all the same.
            let _ = thread.join();
        }
        self.firmware = None; // before the VM, which goes with the board
    }
}

const _: () = assert!(
    applevisor::memory::PAGE_SIZE as u64 == STAGE2_GRANULE,
    "the binding rounds allocations to the granule of stage 2"
);
