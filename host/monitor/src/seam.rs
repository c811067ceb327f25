//! The two calls of the seam that the binding does not give safely. The only unsafe code of the
//! monitor stands here, each call behind a safe function.
//!
//! * `applevisor` changes the permissions of a whole allocation only, and passes wrong flags
//!   (see [`crate::ram::Ram::new`]); a guest's RAM is one allocation with many permissions;
//! * the host's counter, from which the virtual counter is an offset away, is no part of
//!   Hypervisor.framework: macOS has it in `mach_absolute_time`, and so has the portable
//!   framework.

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

unsafe extern "C" {
    /// <mach/mach_time.h>; the portable framework defines it elsewhere.
    // No argument, no pointer, callable at any time: nothing to get wrong.
    safe fn mach_absolute_time() -> u64;
}

/// The host's counter: CNTVCT_EL0 + the virtual timer's offset, at [`COUNTER_HZ`].
pub fn counter() -> u64 {
    mach_absolute_time()
}
