//! The vCPUs beyond the first: switched on by PSCI, each a thread of its own.
//!
//! ```text
//!   vCPU 0's thread                    a secondary's thread
//!   ---------------                    --------------------
//!   CPU_ON ----- spawn --------------> creates its vCPU: its slot is on
//!        <------ it is, or its end ----+
//!                                      run, exit, answer, run, ...        (secondary.rs)
//!        <------ Event::Stop ----------+ SYSTEM_OFF, or what it has no answer to
//!   drop ------- ending, vcpus_exit -> destroys its vCPU, ends
//! ```
//!
//! The framework wants a vCPU to be created, run and destroyed on one thread, and at most one on
//! a thread; switching off is the thread's end, switching on a new thread with a new vCPU, which
//! is in the state of a reset as PSCI wants it.
//!
//! A slot is changed from off by whoever switches on, and from then on by its own thread alone:
//! when `end` has looked at the slots, each thread has either been in its slot, and was told to
//! stop, or it will find that the machine is ending before it enters the guest.
//!
//! Left out: vCPU 0 cannot be switched off while others run (CPU_OFF answers DENIED); there is
//! no CPU_ON of vCPU 0, because it is never off.

use crate::alarm::Remote;
use crate::ram::RamRange;
use crate::secondary;
use anyvisor_abi::smccc::{
    ALREADY_ON, INTERNAL_FAILURE, INVALID_ADDRESS, INVALID_PARAMETERS, ON_PENDING, SUCCESS,
};
use applevisor::prelude::{GicDisabled, VcpuHandle, VirtualMachineInstance};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// MPIDR_EL1 of vCPU 0: affinity 0.0.0.0; bit 31 is RES1.
pub const MPIDR: u64 = 1 << 31;
/// The affinity fields of MPIDR_EL1 in the 64-bit form of PSCI's target_affinity.
const AFFINITY: u64 = 0xff_00ff_ffff;
/// The most vCPUs: what Aff0 alone can tell apart for a GICv3 (its target lists have 16 bits).
pub const MOST: u8 = 16;

/// MPIDR_EL1 of vCPU `n`, below [`MOST`].
pub const fn mpidr(n: u8) -> u64 {
    MPIDR | n as u64
}

/// What a secondary starts with.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Its number.
    pub number: u8,
    /// Its first instruction.
    pub entry: u64,
    /// Its X0.
    pub context: u64,
}

/// Where a secondary is in its life.
enum Slot {
    Off,
    /// Its thread was started, its vCPU does not exist yet.
    Pending,
    On(VcpuHandle),
}

/// All vCPUs of a machine, shared by their threads.
pub struct Processors {
    vm: VirtualMachineInstance<GicDisabled>,
    ram: RamRange,
    /// Where a secondary sends what ends the machine.
    remote: Remote,
    /// vCPU 1 and up.
    slots: Mutex<Vec<Slot>>,
    /// Every thread that may still run.
    threads: Mutex<Vec<JoinHandle<()>>>,
    ending: AtomicBool,
}

impl Processors {
    /// `count` vCPUs, of which the first runs and the others are off.
    pub fn new(
        vm: VirtualMachineInstance<GicDisabled>,
        ram: RamRange,
        remote: Remote,
        count: u8,
    ) -> Arc<Self> {
        let slots = (1..count.clamp(1, MOST)).map(|_| Slot::Off).collect();
        Arc::new(Self {
            vm,
            ram,
            remote,
            slots: Mutex::new(slots),
            threads: Mutex::default(),
            ending: AtomicBool::new(false),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        // No code that holds the lock can panic half-way through a change.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number that a target_affinity means.
    fn number(&self, target: u64) -> Option<u8> {
        let count = self.lock().len() + 1;
        (0..count as u8).find(|&n| mpidr(n) & AFFINITY == target)
    }

    /// The VM, to make a vCPU of.
    pub fn vm(&self) -> &VirtualMachineInstance<GicDisabled> {
        &self.vm
    }

    /// Where a secondary sends what ends the machine.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Whether the machine is about to end: no secondary enters the guest any more.
    pub fn ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Whether a vCPU other than the first is on.
    pub fn others_on(&self) -> bool {
        self.lock().iter().any(|slot| !matches!(slot, Slot::Off))
    }

    /// AFFINITY_INFO of one vCPU: 0 on, 1 off, 2 on its way.
    pub fn affinity_info(&self, target: u64) -> i64 {
        match self.number(target) {
            None => INVALID_PARAMETERS,
            Some(0) => 0,
            Some(n) => match self.lock()[usize::from(n) - 1] {
                Slot::On(_) => 0,
                Slot::Off => 1,
                Slot::Pending => 2,
            },
        }
    }

    /// CPU_ON: 0, or PSCI's error.
    pub fn on(self: &Arc<Self>, target: u64, entry: u64, context: u64) -> i64 {
        let number = match self.number(target) {
            None => return INVALID_PARAMETERS,
            Some(0) => return ALREADY_ON,
            Some(n) => n,
        };
        {
            let slot = &mut self.lock()[usize::from(number) - 1];
            match slot {
                Slot::Pending => return ON_PENDING,
                Slot::On(_) => return ALREADY_ON,
                Slot::Off if entry & 3 != 0 || !self.ram.contains(entry, 4) => {
                    return INVALID_ADDRESS;
                }
                Slot::Off => *slot = Slot::Pending,
            }
        }
        let all = self.clone();
        let (sender, created) = sync_channel(1);
        let start = Start { number, entry, context };
        let thread = std::thread::Builder::new()
            .name(format!("vcpu{number}"))
            .spawn(move || secondary::live(&all, start, &sender));
        {
            let mut threads = self.threads();
            threads.retain(|thread| !thread.is_finished());
            match thread {
                Ok(thread) => threads.push(thread),
                Err(_) => self.set(number, Slot::Off),
            }
        }
        // Not under a lock: a framework may make other threads wait for the creation.
        created.recv().map_or(INTERNAL_FAILURE, |()| SUCCESS)
    }

    fn set(&self, number: u8, state: Slot) {
        if let Some(slot) = self.lock().get_mut(usize::from(number).wrapping_sub(1)) {
            *slot = state;
        }
    }

    /// Notes that a secondary's vCPU exists. To be said by its thread before it enters the guest.
    pub fn is_on(&self, number: u8, handle: VcpuHandle) {
        self.set(number, Slot::On(handle));
    }

    /// Notes that a secondary is off. Its thread's last act.
    pub fn is_off(&self, number: u8) {
        self.set(number, Slot::Off);
    }

    /// Stops every secondary and waits for the end of its thread.
    pub fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        loop {
            for slot in self.lock().iter() {
                if let Slot::On(handle) = slot
                    && let Err(error) = self.vm.vcpus_exit(std::slice::from_ref(handle))
                {
                    log::debug!("a secondary could not be stopped; it may have ended: {error}");
                }
            }
            // One of them may be switching on another right now: look again.
            let threads = std::mem::take(&mut *self.threads());
            if threads.is_empty() {
                break;
            }
            for thread in threads {
                // It does nothing that panics; if it did, its vCPU is gone all the same.
                let _ = thread.join();
            }
        }
    }
}
