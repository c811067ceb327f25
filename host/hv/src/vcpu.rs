//! vCPUs: each belongs to the thread that created it, and a thread has one at most.
//!
//! ```text
//!   thread A            thread B            any thread
//!   CURRENT: vCPU 0     CURRENT: vCPU 1     table in vm.rs: 0, 1 exist; how to stop them
//!      |                   |                   ^
//!   hv_vcpu_*(0)        hv_vcpu_*(1)        hv_vcpus_exit
//! ```
//!
//! The vCPU is a thread-local: a call compares one number, takes no lock and cannot meet another
//! thread. A number that is not this thread's is looked up in the table only to name the mistake.
//!
//! A thread that ends takes its vCPU with it, as if it had destroyed it: its seat is free again
//! and the VM can be destroyed. (Apple's documents leave this case open.)

use crate::abi::{
    hv_exit_reason_t as Reason, hv_return_t, hv_vcpu_config_t, hv_vcpu_exit_exception_t,
    hv_vcpu_exit_t, hv_vcpu_t,
};
use crate::answer::answer;
use crate::pointer::{Out, array};
use crate::slack::InTime;
use crate::vcpu_config;
use crate::vm::{self, Seat};
use anyvisor_vm::{Exit, HvError, Vcpu};
use std::cell::RefCell;
use std::ptr::NonNull;

/// The calling thread's vCPU. Fields drop in this order: the seat last, so that the VM cannot be
/// destroyed under a vCPU.
struct Current {
    vcpu: Box<dyn Vcpu>,
    record: Record,
    _in_time: InTime,
    seat: Seat,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// The exit record: C reads it at this address from create to destroy.
struct Record(NonNull<hv_vcpu_exit_t>);

impl Record {
    fn new() -> Self {
        Self(NonNull::from(Box::leak(Box::new(record(Reason::UNKNOWN)))))
    }

    fn set(&mut self, value: hv_vcpu_exit_t) {
        // SAFETY: the allocation lives as long as `self`, and no reference to it is kept.
        unsafe { self.0.write(value) }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // SAFETY: `new` leaked this box, and nothing else frees it.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// A record with nothing but a reason.
fn record(reason: Reason) -> hv_vcpu_exit_t {
    let exception =
        hv_vcpu_exit_exception_t { syndrome: 0, virtual_address: 0, physical_address: 0 };
    hv_vcpu_exit_t { reason, exception }
}

impl From<Exit> for hv_vcpu_exit_t {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Canceled => record(Reason::CANCELED),
            Exit::VtimerActivated => record(Reason::VTIMER_ACTIVATED),
            Exit::Exception(e) => hv_vcpu_exit_t {
                reason: Reason::EXCEPTION,
                exception: hv_vcpu_exit_exception_t {
                    syndrome: e.syndrome,
                    virtual_address: e.virtual_address,
                    physical_address: e.physical_address,
                },
            },
        }
    }
}

/// Works on vCPU `id`, which must be the calling thread's.
#[inline]
fn with<R>(
    id: hv_vcpu_t,
    work: impl FnOnce(&mut Current) -> Result<R, HvError>,
) -> Result<R, HvError> {
    let found = CURRENT.try_with(|current| match current.try_borrow_mut() {
        Ok(mut current) => match current.as_mut() {
            Some(current) if current.seat.id == id => work(current),
            _ => Err(vm::not_ours(id)),
        },
        // A signal handler that interrupted a call on this thread.
        Err(_) => Err(HvError::Running(id)),
    });
    // The thread is ending and its vCPU gone.
    found.unwrap_or(Err(HvError::NoVcpu(id)))
}

/// The body of a function that reads something of a vCPU into `*out`.
///
/// # Safety
/// As for [`Out::new`].
#[inline]
pub(crate) unsafe fn get<T>(
    call: &'static str,
    id: hv_vcpu_t,
    what: &'static str,
    out: *mut T,
    read: impl FnOnce(&mut dyn Vcpu) -> Result<T, HvError>,
) -> hv_return_t {
    answer(call, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new(what, out) }?;
        out.put(with(id, |current| read(&mut *current.vcpu))?);
        Ok(())
    })
}

/// The body of a function that changes something of a vCPU.
#[inline]
pub(crate) fn set(
    call: &'static str,
    id: hv_vcpu_t,
    change: impl FnOnce(&mut dyn Vcpu) -> Result<(), HvError>,
) -> hv_return_t {
    answer(call, || with(id, |current| change(&mut *current.vcpu)))
}

/// Makes the calling thread's vCPU; returns its number and the address of its exit record.
fn create(config: hv_vcpu_config_t) -> Result<(hv_vcpu_t, *const hv_vcpu_exit_t), HvError> {
    if !config.is_null() {
        vcpu_config::check(config)?;
    }
    let created = CURRENT.try_with(|current| {
        let mut current = current.try_borrow_mut().map_err(|_| HvError::VcpuInUse)?;
        if let Some(current) = &*current {
            return Err(HvError::ThreadHasVcpu(current.seat.id));
        }
        let (seat, vcpu) = vm::take_seat()?;
        let created =
            current.insert(Current { vcpu, record: Record::new(), _in_time: InTime::new(), seat });
        Ok((created.seat.id, created.record.0.as_ptr().cast_const()))
    });
    created.unwrap_or(Err(HvError::ThreadEnds))
}

fn destroy(id: hv_vcpu_t) -> Result<(), HvError> {
    let taken = CURRENT.try_with(|current| {
        let mut current = current.try_borrow_mut().map_err(|_| HvError::Running(id))?;
        match current.take_if(|current| current.seat.id == id) {
            Some(taken) => Ok(Some(taken)),
            None => Err(vm::not_ours(id)),
        }
    });
    // A destructor of a thread-local destroys a vCPU that its ending thread took along already:
    // what it wants is done. (applevisor's `Vcpu` panics in `drop` if this fails.)
    drop(taken.unwrap_or(Ok(None))?);
    Ok(())
}

fn run(id: hv_vcpu_t) -> Result<(), HvError> {
    with(id, |current| match current.vcpu.run() {
        Ok(exit) => {
            current.record.set(exit.into());
            Ok(())
        }
        Err(error) => {
            current.record.set(record(Reason::UNKNOWN));
            Err(error)
        }
    })
}

/// Makes a vCPU for the calling thread. `*exit` stays valid until the vCPU is destroyed; every
/// run updates it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_create(
    vcpu: *mut hv_vcpu_t,
    exit: *mut *const hv_vcpu_exit_t,
    config: hv_vcpu_config_t,
) -> hv_return_t {
    answer("hv_vcpu_create", || {
        // SAFETY: the caller's promise.
        let (vcpu, exit) = unsafe { (Out::new("vcpu", vcpu)?, Out::new("exit", exit)?) };
        let (id, record) = create(config)?;
        vcpu.put(id);
        exit.put(record);
        Ok(())
    })
}

/// Destroys the calling thread's vCPU.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vcpu_destroy(vcpu: hv_vcpu_t) -> hv_return_t {
    answer("hv_vcpu_destroy", || destroy(vcpu))
}

/// Runs the guest until something needs the caller, and writes the exit record.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vcpu_run(vcpu: hv_vcpu_t) -> hv_return_t {
    answer("hv_vcpu_run", || run(vcpu))
}

/// Stops vCPUs, from any thread: the run that goes on returns, or else the next one returns at
/// once. If one of the numbers is no vCPU, none is stopped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpus_exit(vcpus: *const hv_vcpu_t, vcpu_count: u32) -> hv_return_t {
    answer("hv_vcpus_exit", || {
        // SAFETY: the caller's promise.
        vm::cancel(unsafe { array("vcpus", vcpus, vcpu_count as usize) }?)
    })
}

/// Time spent in the guest, in nanoseconds.
///
/// So Apple's documentation has it; its header says "in units of mach_absolute_time()".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_get_exec_time(vcpu: hv_vcpu_t, time: *mut u64) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe { get("hv_vcpu_get_exec_time", vcpu, "time", time, |v| Ok(v.exec_time())) }
}
