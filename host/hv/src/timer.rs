//! The virtual timer as the caller sees it: its mask and its offset.

use crate::abi::{hv_return_t, hv_vcpu_t};
use crate::vcpu::{get, set};

/// Whether the timer's exit is masked. An exit for the timer sets the mask.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_get_vtimer_mask(
    vcpu: hv_vcpu_t,
    vtimer_is_masked: *mut bool,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe {
        get("hv_vcpu_get_vtimer_mask", vcpu, "vtimer_is_masked", vtimer_is_masked, |v| {
            Ok(v.vtimer_mask())
        })
    }
}

/// Masks or unmasks the timer's exit.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vcpu_set_vtimer_mask(vcpu: hv_vcpu_t, vtimer_is_masked: bool) -> hv_return_t {
    set("hv_vcpu_set_vtimer_mask", vcpu, |v| {
        v.set_vtimer_mask(vtimer_is_masked);
        Ok(())
    })
}

/// The offset, in ticks of the counter: CNTVCT_EL0 = the host's counter - offset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_get_vtimer_offset(
    vcpu: hv_vcpu_t,
    vtimer_offset: *mut u64,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe {
        get("hv_vcpu_get_vtimer_offset", vcpu, "vtimer_offset", vtimer_offset, |v| {
            Ok(v.vtimer_offset())
        })
    }
}

/// Sets the offset.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vcpu_set_vtimer_offset(vcpu: hv_vcpu_t, vtimer_offset: u64) -> hv_return_t {
    set("hv_vcpu_set_vtimer_offset", vcpu, |v| {
        v.set_vtimer_offset(vtimer_offset);
        Ok(())
    })
}
