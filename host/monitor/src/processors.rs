//! The vCPUs of a machine: which of them are on, and how one is reached from another thread.
//!
//! ```text
//!              CPU_ON, by any vCPU            its own thread
//!       Off -----------------------> Pending ----------------> On
//!        ^                              | halt                 | CPU_OFF, halt, a stop
//!        +------------------------------+----------------------+
//! ```
//!
//! Each vCPU has a thread from the machine's start to its end, for the framework wants a vCPU to
//! be created, run and destroyed on one thread, and a GIC's topology to be final before the first
//! run. A vCPU that is off is a thread that waits here.
//!
//! What others want of a vCPU stands in its mailbox, under a lock of its own: there is no lock
//! that all take. Whoever writes a notice for a vCPU that is on also calls `hv_vcpus_exit`, which
//! the framework keeps for the next run: a notice that comes between a look into the mailbox and
//! the run is not lost; at worst a run is cancelled for nothing.

use crate::cpu::Findings;
use crate::ram::RamRange;
use anyvisor_abi::map;
use anyvisor_abi::smccc::{
    ALREADY_ON, INTERNAL_FAILURE, INVALID_ADDRESS, INVALID_PARAMETERS, ON_PENDING, SUCCESS,
};
use anyvisor_bugs::{Bug, is};
use applevisor::prelude::{GicDisabled, VcpuHandle, VirtualMachineInstance};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// MPIDR_EL1: bit 31 is RES1.
const MPIDR: u64 = 1 << 31;
/// The affinity fields of MPIDR_EL1 in the 64-bit form of PSCI's target_affinity.
const AFFINITY: u64 = 0xff_00ff_ffff;
/// The most vCPUs: Hypervisor.framework's own limit.
pub const MOST: u8 = 64;

/// MPIDR_EL1 of vCPU `n`.
pub const fn mpidr(n: u8) -> u64 {
    MPIDR | map::affinity(n as u64)
}

/// What a vCPU starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its first instruction.
    pub entry: u64,
    /// Its X0.
    pub context: u64,
}

/// What another thread has for a vCPU that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The guest asked for a cancelled entry.
    Cancel,
    /// The guest asked for a change of an interrupt line.
    Line {
        /// LINE_IRQ or LINE_FIQ.
        line: u64,
        /// LEVEL_LOW, ...
        level: u64,
    },
    /// Something changed that it may wait for: WFI may end.
    Wake,
}

/// What the thread of a vCPU that is off is told to do.
pub enum Order {
    /// Run the guest.
    Start(Start),
    /// Say what is known of the vCPU; with its registers, if `true`.
    Report(SyncSender<Findings>, bool),
    /// Destroy the vCPU.
    End,
}

#[derive(Default)]
enum Power {
    #[default]
    Off,
    /// Switched on; its thread has not seen it yet.
    Pending(Start),
    On,
}

#[derive(Default)]
struct Mailbox {
    power: Power,
    /// To leave the guest, and not to be switched on.
    halt: bool,
    notices: Vec<Notice>,
    report: Option<(SyncSender<Findings>, bool)>,
    /// To end the thread.
    end: bool,
    /// There is no thread any more.
    gone: bool,
}

impl Mailbox {
    /// Takes a CPU_ON: PSCI's answer.
    fn switch_on(&mut self, start: Start) -> i64 {
        match self.power {
            Power::Pending(_) => ON_PENDING,
            Power::On if is(Bug::PsciWrongCode) => INVALID_PARAMETERS,
            Power::On => ALREADY_ON,
            Power::Off if self.halt || self.gone => INTERNAL_FAILURE,
            Power::Off => {
                self.power = Power::Pending(start);
                SUCCESS
            }
        }
    }
}

#[derive(Default)]
struct Processor {
    mailbox: Mutex<Mailbox>,
    /// Rung at each change of the mailbox that somebody may wait for.
    bell: Condvar,
    handle: OnceLock<VcpuHandle>,
}

impl Processor {
    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        // No code that holds the lock can panic half-way through a change.
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, mailbox: MutexGuard<'a, Mailbox>) -> MutexGuard<'a, Mailbox> {
        self.bell.wait(mailbox).unwrap_or_else(PoisonError::into_inner)
    }
}

/// All vCPUs of a machine, shared by their threads.
pub struct Processors {
    vm: VirtualMachineInstance<GicDisabled>,
    ram: RamRange,
    all: Vec<Processor>,
    /// How many are not off: who counts down to 0 was the last.
    on: AtomicUsize,
}

impl Processors {
    /// `count` vCPUs, all off.
    pub fn new(vm: VirtualMachineInstance<GicDisabled>, ram: RamRange, count: u8) -> Self {
        let all = (0..count.clamp(1, MOST)).map(|_| Processor::default()).collect();
        Self { vm, ram, all, on: AtomicUsize::new(0) }
    }

    /// How many there are.
    pub fn count(&self) -> u8 {
        self.all.len() as u8
    }

    fn get(&self, number: u8) -> &Processor {
        &self.all[usize::from(number)]
    }

    /// The number that a target_affinity means.
    fn number(&self, target: u64) -> Option<u8> {
        (0..self.count()).find(|&n| mpidr(n) & AFFINITY == target)
    }

    /// AFFINITY_INFO of one vCPU: 0 on, 1 off, 2 on its way.
    pub fn affinity_info(&self, target: u64) -> i64 {
        let Some(number) = self.number(target) else { return INVALID_PARAMETERS };
        match self.get(number).lock().power {
            Power::On => 0,
            Power::Off => 1,
            Power::Pending(_) => 2,
        }
    }

    /// CPU_ON: 0, or PSCI's error.
    pub fn on(&self, target: u64, entry: u64, context: u64) -> i64 {
        let Some(number) = self.number(target) else { return INVALID_PARAMETERS };
        if !self.is_entry(entry) {
            return INVALID_ADDRESS;
        }
        self.switch_on(number, Start { entry, context })
    }

    /// Whether a vCPU can start there: an instruction's address, in RAM.
    pub fn is_entry(&self, entry: u64) -> bool {
        entry & 3 == 0 && self.ram.contains(entry, 4) || is(Bug::EntryUnchecked)
    }

    /// Switches a vCPU on; `SUCCESS`, or PSCI's error.
    pub fn switch_on(&self, number: u8, start: Start) -> i64 {
        let processor = self.get(number);
        let mut mailbox = processor.lock();
        let answer = mailbox.switch_on(start);
        if answer == SUCCESS {
            self.on.fetch_add(1, Ordering::SeqCst);
            processor.bell.notify_all();
        }
        answer
    }

    /// Whether the vCPU that asks is the only one that is not off: CPU_OFF would end the machine.
    /// Of several that leave at once, one sees that it is.
    pub fn leave(&self) -> bool {
        self.on.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// The machine's thread waits until each vCPU is off, having told each to leave the guest.
    /// None can be switched on until [`Processors::allow`].
    pub fn halt(&self) {
        for processor in &self.all {
            let mut mailbox = processor.lock();
            mailbox.halt = true;
            if let Power::Pending(_) = mailbox.power {
                mailbox.power = Power::Off;
            }
            let on = matches!(mailbox.power, Power::On);
            processor.bell.notify_all();
            drop(mailbox);
            if on {
                self.exit(processor);
            }
        }
        for processor in &self.all {
            let mut mailbox = processor.lock();
            while !matches!(mailbox.power, Power::Off) {
                mailbox = processor.wait(mailbox);
            }
        }
    }

    /// After [`Processors::halt`]: vCPUs can be switched on again.
    pub fn allow(&self) {
        self.on.store(0, Ordering::SeqCst);
        for processor in &self.all {
            let mut mailbox = processor.lock();
            mailbox.halt = false;
            mailbox.notices.clear();
        }
    }

    /// Gives a notice to a vCPU; one that is off does not get it.
    pub fn notify(&self, number: u8, notice: Notice) {
        let processor = self.get(number);
        let mut mailbox = processor.lock();
        if matches!(mailbox.power, Power::On) {
            mailbox.notices.push(notice);
            processor.bell.notify_all();
            drop(mailbox);
            self.exit(processor);
        }
    }

    /// Makes a vCPU leave the guest. Under no lock: the call may have to wait for its thread.
    fn exit(&self, processor: &Processor) {
        if let Some(handle) = processor.handle.get()
            && let Err(error) = self.vm.vcpus_exit(std::slice::from_ref(handle))
        {
            log::warn!("a vCPU could not be stopped: {error}");
        }
    }

    /// Asks the thread of a vCPU that is off; `None`: there is none.
    pub fn report(&self, number: u8, registers: bool) -> Option<Findings> {
        let processor = self.get(number);
        let (sender, report) = std::sync::mpsc::sync_channel(1);
        {
            let mut mailbox = processor.lock();
            if mailbox.gone {
                return None;
            }
            mailbox.report = Some((sender, registers));
            processor.bell.notify_all();
        }
        report.recv().ok()
    }

    /// Lets the threads end that are off; see [`Processors::halt`].
    pub fn end(&self) {
        for processor in &self.all {
            processor.lock().end = true;
            processor.bell.notify_all();
        }
    }

    // The rest is what a vCPU's own thread calls.

    /// How others reach the vCPU. Once, before it is switched on.
    pub fn introduce(&self, number: u8, handle: VcpuHandle) {
        let _ = self.get(number).handle.set(handle);
    }

    /// Waits for something to do while the vCPU is off.
    pub fn wait(&self, number: u8) -> Order {
        let processor = self.get(number);
        let mut mailbox = processor.lock();
        loop {
            if mailbox.end {
                return Order::End;
            }
            if let Some((sender, registers)) = mailbox.report.take() {
                return Order::Report(sender, registers);
            }
            if let Power::Pending(start) = mailbox.power {
                mailbox.power = Power::On;
                mailbox.notices.clear();
                return Order::Start(start);
            }
            mailbox = processor.wait(mailbox);
        }
    }

    /// The vCPU is off: it has left the guest.
    pub fn is_off(&self, number: u8) {
        let processor = self.get(number);
        processor.lock().power = Power::Off;
        processor.bell.notify_all();
    }

    /// The thread is about to end.
    pub fn is_gone(&self, number: u8) {
        let processor = self.get(number);
        let mut mailbox = processor.lock();
        mailbox.gone = true;
        mailbox.report = None;
        mailbox.power = Power::Off;
        processor.bell.notify_all();
    }

    /// Takes the notices that came; `None`: the vCPU is to leave the guest.
    pub fn take_notices(&self, number: u8) -> Option<Vec<Notice>> {
        let mut mailbox = self.get(number).lock();
        (!mailbox.halt).then(|| std::mem::take(&mut mailbox.notices))
    }

    /// Sleeps until `deadline` (`None`: for ever), or until there is a notice or a halt.
    pub fn sleep(&self, number: u8, deadline: Option<Instant>) {
        let processor = self.get(number);
        let mut mailbox = processor.lock();
        while mailbox.notices.is_empty() && !mailbox.halt {
            mailbox = match deadline {
                None => processor.wait(mailbox),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    let rung = processor.bell.wait_timeout(mailbox, left);
                    rung.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Start = Start { entry: 0x4020_0000, context: 7 };

    #[test]
    fn a_vcpu_is_switched_on_once() {
        let mut mailbox = Mailbox::default();
        assert_eq!(mailbox.switch_on(START), SUCCESS);
        assert_eq!(mailbox.switch_on(START), ON_PENDING);
        mailbox.power = Power::On;
        assert_eq!(mailbox.switch_on(START), ALREADY_ON);
        mailbox.power = Power::Off;
        assert_eq!(mailbox.switch_on(START), SUCCESS);
    }

    #[test]
    fn a_vcpu_that_is_to_halt_or_has_no_thread_is_not_switched_on() {
        let mut mailbox = Mailbox { halt: true, ..Mailbox::default() };
        assert_eq!(mailbox.switch_on(START), INTERNAL_FAILURE);
        mailbox = Mailbox { gone: true, ..Mailbox::default() };
        assert_eq!(mailbox.switch_on(START), INTERNAL_FAILURE);
    }

    #[test]
    fn affinities_are_those_that_a_gicv3_can_target() {
        assert_eq!(mpidr(0), 0x8000_0000);
        assert_eq!(mpidr(15), 0x8000_000f);
        assert_eq!(mpidr(16), 0x8000_0100);
        assert_eq!(mpidr(MOST - 1), 0x8000_030f);
    }
}
