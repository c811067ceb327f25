//! Things that happen later: a thread that waits for deadlines and stops the vCPU when one is
//! reached.
//!
//! ```text
//!   vCPU thread                               alarm thread
//!   -----------                               ------------
//!   set(deadline, event)  -- bell ----------> sleeps until the earliest deadline
//!   vcpu.run()                                moves the event to `due`
//!      ... Canceled  <-- hv_vcpus_exit -----  wakes whoever sleeps in WFI
//!   take_due()
//! ```
//!
//! A cancel that comes while the vCPU does not run is kept by the framework for its next run,
//! so no event is lost between `take_due` and `run`; at worst a run is cancelled for nothing.
//! The thread ends with the [`Alarm`], before the VM does: it holds a reference to the VM.

use crate::run::Stop;
use applevisor::prelude::{GicDisabled, Vcpu, VcpuHandle, VirtualMachineInstance};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What happens at a deadline.
#[derive(Clone, Debug)]
pub enum Event {
    /// The guest had its time.
    Timeout,
    /// The guest asked for a cancelled entry.
    Cancel,
    /// The guest asked for a change of an interrupt line.
    Line {
        /// LINE_IRQ or LINE_FIQ.
        line: u64,
        /// LEVEL_LOW, ...
        level: u64,
    },
    /// Another vCPU did something that ends the machine.
    Stop(Stop),
    /// Bytes for the console came in.
    Input {
        /// The bytes.
        bytes: Vec<u8>,
        /// Told when the guest has taken the last of them.
        taken: SyncSender<()>,
    },
}

/// Events that a guest may have waiting: each costs memory of ours.
const MOST_EVENTS: usize = 4096;

#[derive(Default)]
struct State {
    later: Vec<(Instant, Event)>,
    due: Vec<Event>,
    end: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Rung when `later` or `end` changed.
    bell: Condvar,
    /// Rung when `due` got something.
    wake: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sleeping thread's timer fires up to this much late; the last of a wait is spun.
const SPIN: Duration = Duration::from_micros(80);

/// The alarm of one vCPU.
pub struct Alarm {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Alarm {
    /// Starts the thread that will stop `vcpu`.
    ///
    /// # Errors
    /// The operating system's, if it has no thread for us.
    pub fn new(
        vm: VirtualMachineInstance<GicDisabled>,
        vcpu: &Vcpu,
    ) -> Result<Self, std::io::Error> {
        let shared = Arc::<Shared>::default();
        let (theirs, handle) = (shared.clone(), vcpu.get_handle());
        let thread = std::thread::Builder::new()
            .name("alarm".into())
            .spawn(move || watch(&theirs, &vm, &handle))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Lets `event` happen at `deadline`; false if too many wait already.
    pub fn set(&self, deadline: Instant, event: Event) -> bool {
        let mut state = self.shared.lock();
        if state.later.len() >= MOST_EVENTS {
            return false;
        }
        state.later.push((deadline, event));
        self.shared.bell.notify_one();
        true
    }

    /// A way for another thread to make things happen.
    pub fn remote(&self) -> Remote {
        Remote(self.shared.clone())
    }

    /// What is due, in the order in which it became so.
    pub fn take_due(&self) -> Vec<Event> {
        std::mem::take(&mut self.shared.lock().due)
    }

    /// Sleeps until `deadline` (`None`: for ever) or until something is due.
    pub fn sleep(&self, deadline: Option<Instant>) {
        let mut state = self.shared.lock();
        while state.due.is_empty() {
            state = match deadline {
                None => self.shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left <= SPIN {
                        drop(state);
                        while Instant::now() < deadline {
                            std::hint::spin_loop();
                        }
                        return;
                    }
                    let woken = self.shared.wake.wait_timeout(state, left - SPIN);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.shared.lock().end = true;
        self.shared.bell.notify_one();
        if let Some(thread) = self.thread.take() {
            // It does nothing that panics; if it did, the vCPU is going away all the same.
            let _ = thread.join();
        }
    }
}

/// Makes things happen from another thread, for as long as there is a VM to see them.
#[derive(Clone)]
pub struct Remote(Arc<Shared>);

impl Remote {
    /// Lets `event` happen now; false if the VM is gone.
    pub fn send(&self, event: Event) -> bool {
        let mut state = self.0.lock();
        if state.end {
            return false;
        }
        state.later.push((Instant::now(), event));
        self.0.bell.notify_one();
        true
    }
}

/// The alarm thread.
fn watch(shared: &Shared, vm: &VirtualMachineInstance<GicDisabled>, vcpu: &VcpuHandle) {
    let mut state = shared.lock();
    while !state.end {
        let now = Instant::now();
        state.later.sort_by_key(|(deadline, _)| *deadline); // stable: first set, first done
        let reached = state.later.partition_point(|(deadline, _)| *deadline <= now);
        if reached > 0 {
            let events: Vec<_> = state.later.drain(..reached).map(|(_, event)| event).collect();
            state.due.extend(events);
            shared.wake.notify_all();
            // Not under the lock: the call may have to wait for the vCPU's thread.
            drop(state);
            if let Err(error) = vm.vcpus_exit(std::slice::from_ref(vcpu)) {
                log::warn!("a vCPU could not be stopped: {error}");
            }
            state = shared.lock();
            continue;
        }
        state = match state.later.first() {
            None => shared.bell.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some((deadline, _)) => {
                let left = *deadline - now;
                let rung = shared.bell.wait_timeout(state, left);
                rung.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}
