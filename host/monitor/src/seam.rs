//! What the seam has and the binding does not give, or not safely. The only unsafe code of the
//! monitor stands here, each call behind a safe function.
//!
//! * `applevisor` changes the permissions of a whole allocation only, and passes wrong flags
//!   (see [`crate::ram::Ram::new`]); a guest's RAM is one allocation with many permissions;
//! * the host's counter, from which the virtual counter is an offset away, is no part of
//!   Hypervisor.framework: macOS has it in `mach_absolute_time`, and so has the portable
//!   framework;
//! * which processor the guest sees can be chosen in the portable framework only;
//! * guest memory is read by every vCPU's thread, which the binding's type does not allow;
//! * macOS has a quality-of-service class for each thread.

use crate::cli::Processor;
use crate::ram::Perms;
use applevisor::error::HypervisorError;
use applevisor::memory::Memory;
use applevisor_sys::{hv_error_t, hv_vm_protect};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Ticks of the host's counter, and of the guest's (CNTFRQ_EL0), in a second.
pub const COUNTER_HZ: u64 = 24_000_000;

/// Changes the stage-2 permissions of a mapped range.
///
/// # Errors
/// `BadArgument` for a range that is not whole granules or not mapped.
pub fn protect(ipa: u64, size: usize, perms: Perms) -> Result<(), HypervisorError> {
    // SAFETY: the call takes no pointer. It decides what the guest may do with memory that is
    // mapped already; to this program that memory is the same before and after.
    let code = unsafe { hv_vm_protect(ipa, size, perms.bits()) };
    if code == hv_error_t::HV_SUCCESS as i32 { Ok(()) } else { Err(code.into()) }
}

/// The hypervisor shows its own processor, or has shown one already.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// Apple's framework.
    #[error(
        "--cpu and --pmu are the software engine's: here the guest sees this machine's processor"
    )]
    NotOurs,
    /// The environment says what nobody understands, or the API was used before.
    #[error("{0}")]
    Refused(String),
}

/// Makes the guests of this process see a processor; none asked for leaves it to the hypervisor.
///
/// # Errors
/// Where the hypervisor has no choice.
#[cfg(not(target_os = "macos"))]
pub fn choose_processor(wanted: Processor) -> Result<(), ProcessorError> {
    use anyvisor_hv::engine::{CPU_VARIABLE, PMU_VARIABLE, choose, processor};
    if wanted == Processor::default() {
        return Ok(());
    }
    let flag_or =
        |flag: Option<&str>, name| flag.map(str::to_owned).or_else(|| std::env::var(name).ok());
    let cpu = wanted.cpu.map(|model| model.name());
    let chosen =
        processor(flag_or(cpu, CPU_VARIABLE), flag_or(wanted.pmu.then_some("1"), PMU_VARIABLE));
    let chosen = chosen.map_err(|error| ProcessorError::Refused(error.to_string()))?;
    if choose(chosen) {
        Ok(())
    } else {
        Err(ProcessorError::Refused("the hypervisor has shown a processor already".into()))
    }
}

/// As elsewhere; Apple's framework shows the machine's own processor.
///
/// # Errors
/// Whatever is asked for.
#[cfg(target_os = "macos")]
pub fn choose_processor(wanted: Processor) -> Result<(), ProcessorError> {
    if wanted == Processor::default() { Ok(()) } else { Err(ProcessorError::NotOurs) }
}

unsafe extern "C" {
    /// <mach/mach_time.h>; the portable framework defines it elsewhere.
    // No argument, no pointer, callable at any time: nothing to get wrong.
    safe fn mach_absolute_time() -> u64;
}

/// The host's counter: CNTVCT_EL0 + the virtual timer's offset, at [`COUNTER_HZ`].
pub fn counter() -> u64 {
    mach_absolute_time()
}

/// Guest memory that any thread may read while the guest runs.
#[derive(Debug)]
pub struct SharedMemory(Memory);

// SAFETY: it is an allocation and its mapping, which Hypervisor.framework binds to the process
// and to no thread (<Hypervisor/hv_vm.h>: only vCPU functions must be called by one thread).
unsafe impl Send for SharedMemory {}
// SAFETY: as above; what `&self` allows are reads, each one atomic access.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Takes memory that is mapped.
    pub fn new(memory: Memory) -> Self {
        Self(memory)
    }

    /// Writes bytes at a guest-physical address, while no vCPU runs.
    ///
    /// # Errors
    /// `BadArgument` if not all of it is in this memory.
    pub fn write(&mut self, ipa: u64, bytes: &[u8]) -> Result<(), HypervisorError> {
        self.0.write(ipa, bytes)
    }

    /// Where the `size` bytes at a guest-physical address, which must be a multiple of `size`,
    /// are in this program.
    fn host(&self, ipa: u64, size: u64) -> Option<*mut u8> {
        let offset = ipa.checked_sub(self.0.guest_addr()?)?;
        let inside = offset.checked_add(size)? <= self.0.size() as u64;
        (inside && offset.is_multiple_of(size))
            .then(|| self.0.host_addr().wrapping_add(offset as usize))
    }

    /// Reads a little-endian word; `None`: not in this memory, or not aligned.
    pub fn read_u32(&self, ipa: u64) -> Option<u32> {
        let at = self.host(ipa, 4)?.cast();
        // SAFETY: inside the allocation, which lives as long as `self`, at a multiple of 4 from
        // its page-aligned start. A guest that writes there at the same time does so by atomic
        // accesses of the engine, or by the hardware.
        Some(u32::from_le(unsafe { AtomicU32::from_ptr(at) }.load(Ordering::Relaxed)))
    }

    /// Reads a little-endian doubleword; `None`: not in this memory, or not aligned.
    pub fn read_u64(&self, ipa: u64) -> Option<u64> {
        let at = self.host(ipa, 8)?.cast();
        // SAFETY: as above, with 8.
        Some(u64::from_le(unsafe { AtomicU64::from_ptr(at) }.load(Ordering::Relaxed)))
    }
}

#[cfg(target_os = "macos")]
unsafe extern "C" {
    /// <pthread/qos.h>.
    // Two numbers, about the calling thread: nothing to get wrong but the numbers' meaning.
    safe fn pthread_set_qos_class_self_np(class: u32, relative_priority: i32) -> i32;
}

/// Gives the calling thread a quality-of-service class (<sys/qos.h>).
///
/// # Errors
/// The system's error number.
#[cfg(target_os = "macos")]
pub fn set_qos_class(class: crate::qos::Class) -> Result<(), i32> {
    use crate::qos::Class;
    let class = match class {
        Class::UserInteractive => 0x21,
        Class::UserInitiated => 0x19,
        Class::Utility => 0x11,
        Class::Background => 0x09,
    };
    match pthread_set_qos_class_self_np(class, 0) {
        0 => Ok(()),
        error => Err(error),
    }
}
