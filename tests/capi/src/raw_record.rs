//! The exit record behind the pointer of `hv_vcpu_create`. It is a file of this program alone, for it
//! is sound by what its callers do: nobody else may call it with a pointer of his own.

use applevisor_sys::hv_vcpu_exit_t;

/// Reads it, from the address that `hv_vcpu_create` gave.
pub fn read(exit: *const hv_vcpu_exit_t) -> hv_vcpu_exit_t {
    assert!(!exit.is_null());
    // SAFETY: the header says that the record stays there until the vCPU is destroyed; the
    // callers read it before that, on the vCPU's thread, outside of a run.
    unsafe { exit.read() }
}
