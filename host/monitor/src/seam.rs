//! What the seam has and the binding does not give, or not safely. The only unsafe code of the
//! monitor stands here, each call behind a safe function.
//!
//! * `applevisor` changes the permissions of a whole allocation only, and passes wrong flags
//!   (see [`crate::ram::Ram::new`]); a guest's RAM is one allocation with many permissions;
//! * the host's counter, from which the virtual counter is an offset away, is no part of
//!   Hypervisor.framework: macOS has it in `mach_absolute_time`, and so has the portable
//!   framework;
//! * which processor the guest sees can be chosen in the portable framework only.

use crate::cli::Processor;
use crate::ram::Perms;
use applevisor::error::HypervisorError;
use applevisor_sys::{hv_error_t, hv_vm_protect};

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
