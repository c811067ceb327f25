//! The VM of this process, its GIC, and the seats that its vCPUs take.
//!
//! ```text
//!            hv_vm_create              hv_vcpu_create
//!     no VM -------------> VM, no vCPU --------------> VM with vCPUs
//!           <-------------             <--------------
//!            hv_vm_destroy     hv_vcpu_destroy, or the end of its thread
//! ```
//!
//! The table here knows of each vCPU only what other threads need: that it exists, and how to
//! stop it. The vCPU itself lives with its thread, see [`crate::vcpu`]. The table's lock is never
//! held while a guest runs. A new vCPU, which is made under it, waits for a change of the memory map
//! that is under way, which waits for the guests to step aside.

use crate::abi::{hv_return_t, hv_vcpu_t, hv_vm_config_t};
use crate::answer::answer;
use crate::engine::engine;
use crate::pointer::Out;
use crate::vm_config::settings_or_default;
use anyvisor_vm::{
    Cancel, GicConfig, HvError, InterruptController, Vcpu, VcpuConfig, Vm, VmConfig,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

struct Machine {
    vm: Arc<dyn Vm>,
    config: VmConfig,
    gic: Option<Gic>,
    /// A vCPU's number is its place here.
    seats: Box<[Option<Occupant>]>,
}

/// What other threads know of a vCPU.
struct Occupant {
    canceller: Arc<dyn Cancel>,
    /// Whether MPIDR_EL1 was ever set. It is changed and read under the table's lock.
    affinity: AtomicBool,
}

/// The VM's interrupt controller.
#[derive(Clone)]
pub(crate) struct Gic {
    pub(crate) controller: Arc<dyn InterruptController>,
    pub(crate) config: GicConfig,
}

static MACHINE: Mutex<Option<Machine>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Machine>> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The VM, for work that needs no lock on the table.
pub(crate) fn current() -> Result<Arc<dyn Vm>, HvError> {
    lock().as_ref().map(|machine| machine.vm.clone()).ok_or(HvError::NoVm)
}

/// A vCPU's place in the VM's table; free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) id: hv_vcpu_t,
}

impl Drop for Seat {
    fn drop(&mut self) {
        // The machine is there: it cannot be destroyed while a seat is taken.
        if let Some(machine) = lock().as_mut() {
            machine.seats[self.id as usize] = None;
        }
    }
}

/// Makes a vCPU for the calling thread, in the lowest free seat.
pub(crate) fn take_seat() -> Result<(Seat, Box<dyn Vcpu>), HvError> {
    let mut machine = lock();
    let machine = machine.as_mut().ok_or(HvError::NoVm)?;
    let full = HvError::NoVcpuSlot(machine.seats.len() as u32);
    let place = machine.seats.iter().position(Option::is_none).ok_or(full)?;
    let id = place as hv_vcpu_t;
    let vcpu = machine.vm.create_vcpu(id, &VcpuConfig { ipa_bits: machine.config.ipa_bits })?;
    machine.seats[place] =
        Some(Occupant { canceller: vcpu.canceller(), affinity: AtomicBool::new(false) });
    Ok((Seat { id }, vcpu))
}

/// Gives the VM a GIC of the configuration that `config` makes for it.
pub(crate) fn create_gic(
    config: impl FnOnce(&VmConfig) -> Result<GicConfig, HvError>,
) -> Result<(), HvError> {
    let mut machine = lock();
    let machine = machine.as_mut().ok_or(HvError::NoVm)?;
    if machine.gic.is_some() {
        return Err(HvError::GicExists);
    }
    match machine.vcpus() {
        0 => {}
        vcpus => return Err(HvError::VcpusBeforeGic(vcpus)),
    }
    let config = config(&machine.config)?;
    let controller = machine.vm.create_gic(&config)?;
    machine.gic = Some(Gic { controller, config });
    Ok(())
}

/// The VM's GIC, for work that needs no lock on the table.
pub(crate) fn gic() -> Result<Gic, HvError> {
    lock().as_ref().ok_or(HvError::NoVm)?.gic.clone().ok_or(HvError::NoGic)
}

/// Notes that MPIDR_EL1 of a vCPU was set.
pub(crate) fn affinity_is_set(id: hv_vcpu_t) {
    if let Some(occupant) = lock().as_ref().and_then(|machine| machine.occupant(id)) {
        occupant.affinity.store(true, Ordering::Relaxed);
    }
}

/// The GIC, if it knows where vCPU `id` stands.
pub(crate) fn gic_of(id: hv_vcpu_t) -> Result<Gic, HvError> {
    let machine = lock();
    let machine = machine.as_ref().ok_or(HvError::NoVm)?;
    let occupant = machine.occupant(id).ok_or(HvError::NoVcpu(id))?;
    let gic = machine.gic.clone().ok_or(HvError::NoGic)?;
    if occupant.affinity.load(Ordering::Relaxed) { Ok(gic) } else { Err(HvError::NoAffinity(id)) }
}

/// What is wrong with a vCPU number that is not the calling thread's.
#[cold]
pub(crate) fn not_ours(id: hv_vcpu_t) -> HvError {
    match lock().as_ref().and_then(|machine| machine.occupant(id)) {
        Some(_) => HvError::WrongThread(id),
        None => HvError::NoVcpu(id),
    }
}

/// Stops vCPUs, or none of them if one does not exist.
pub(crate) fn cancel(ids: &[hv_vcpu_t]) -> Result<(), HvError> {
    let machine = lock();
    let find =
        |&id| machine.as_ref().and_then(|machine| machine.occupant(id)).ok_or(HvError::NoVcpu(id));
    let occupants = ids.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    occupants.into_iter().for_each(|occupant| occupant.canceller.cancel());
    Ok(())
}

impl Machine {
    fn occupant(&self, id: hv_vcpu_t) -> Option<&Occupant> {
        self.seats.get(usize::try_from(id).ok()?)?.as_ref()
    }

    fn vcpus(&self) -> usize {
        self.seats.iter().flatten().count()
    }
}

fn create(config: hv_vm_config_t) -> Result<(), HvError> {
    let settings = settings_or_default(config)?;
    let mut machine = lock();
    if machine.is_some() {
        return Err(HvError::VmExists);
    }
    let config = settings.vm_config()?;
    let engine = engine()?;
    let vm = engine.create_vm(&config)?;
    let seats = (0..engine.max_vcpus()).map(|_| None).collect();
    *machine = Some(Machine { vm, config, gic: None, seats });
    Ok(())
}

fn destroy() -> Result<(), HvError> {
    let mut machine = lock();
    let vcpus = machine.as_ref().ok_or(HvError::NoVm)?.vcpus();
    if vcpus > 0 {
        return Err(HvError::VcpusLeft(vcpus));
    }
    *machine = None;
    Ok(())
}

/// Makes the VM of this process. A null configuration means the default one.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vm_create(config: hv_vm_config_t) -> hv_return_t {
    answer("hv_vm_create", || create(config))
}

/// Destroys the VM and its memory map. Its vCPUs must be gone.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vm_destroy() -> hv_return_t {
    answer("hv_vm_destroy", destroy)
}

/// How many vCPUs a VM can have. There need not be a VM to ask.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vm_get_max_vcpu_count(max_vcpu_count: *mut u32) -> hv_return_t {
    answer("hv_vm_get_max_vcpu_count", || {
        // SAFETY: the caller's promise.
        unsafe { Out::new("max_vcpu_count", max_vcpu_count) }?.put(engine()?.max_vcpus());
        Ok(())
    })
}
