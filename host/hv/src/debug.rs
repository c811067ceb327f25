//! Debug traps: which debug events of the guest exit to the caller.

use crate::abi::{hv_return_t, hv_vcpu_t};
use crate::vcpu::{get, set};

/// Whether debug exceptions exit (MDCR_EL2.TDE).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_get_trap_debug_exceptions(
    vcpu: hv_vcpu_t,
    value: *mut bool,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe {
        get("hv_vcpu_get_trap_debug_exceptions", vcpu, "value", value, |v| {
            Ok(v.trap_debug_exceptions())
        })
    }
}

/// Makes debug exceptions exit, or go to the guest.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vcpu_set_trap_debug_exceptions(vcpu: hv_vcpu_t, value: bool) -> hv_return_t {
    set("hv_vcpu_set_trap_debug_exceptions", vcpu, |v| {
        v.set_trap_debug_exceptions(value);
        Ok(())
    })
}

/// Whether the guest's accesses to debug registers exit (MDCR_EL2.TDA).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_get_trap_debug_reg_accesses(
    vcpu: hv_vcpu_t,
    value: *mut bool,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe {
        get("hv_vcpu_get_trap_debug_reg_accesses", vcpu, "value", value, |v| {
            Ok(v.trap_debug_reg_accesses())
        })
    }
}

/// Makes the guest's accesses to debug registers exit, or not.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vcpu_set_trap_debug_reg_accesses(vcpu: hv_vcpu_t, value: bool) -> hv_return_t {
    set("hv_vcpu_set_trap_debug_reg_accesses", vcpu, |v| {
        v.set_trap_debug_reg_accesses(value);
        Ok(())
    })
}
