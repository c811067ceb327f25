//! The types that cross the C boundary, as `hv_kern_types.h`, `hv_vm_types.h` and
//! `hv_vcpu_types.h` lay them out.

use std::ffi::c_void;

/// What every function returns: a value of [`anyvisor_vm::ReturnCode`].
pub type hv_return_t = i32;
/// A guest physical address.
pub type hv_ipa_t = u64;
/// Permissions of guest memory: read 1, write 2, execute 4.
pub type hv_memory_flags_t = u64;
/// The number of a vCPU in its VM.
pub type hv_vcpu_t = u64;
/// 16 bytes of a Q register, little endian. See the crate's page for how C passes it.
pub type hv_simd_fp_uchar16_t = u128;

/// A VM's configuration: a handle, see [`crate::object`].
pub type hv_vm_config_t = *mut c_void;
/// A vCPU's configuration: a handle, see [`crate::object`].
pub type hv_vcpu_config_t = *mut c_void;
/// A GIC's configuration: a handle, see [`crate::object`].
pub type hv_gic_config_t = *mut c_void;
/// A GIC's saved state: a handle, see [`crate::object`].
pub type hv_gic_state_t = *mut c_void;

/// `hv_exit_reason_t`: why [`crate::vcpu::hv_vcpu_run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum hv_exit_reason_t {
    /// `hv_vcpus_exit` asked for it.
    CANCELED = 0,
    /// The guest did something that the caller must handle.
    EXCEPTION = 1,
    /// The virtual timer fired; its mask is set.
    VTIMER_ACTIVATED = 2,
    /// The run failed.
    UNKNOWN = 3,
}

/// What an exception to EL2 leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct hv_vcpu_exit_exception_t {
    /// ESR_EL2.
    pub syndrome: u64,
    /// FAR_EL2.
    pub virtual_address: u64,
    /// The faulting guest physical address.
    pub physical_address: hv_ipa_t,
}

/// The exit record of a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct hv_vcpu_exit_t {
    /// Why the run ended.
    pub reason: hv_exit_reason_t,
    /// Meaningful for [`hv_exit_reason_t::EXCEPTION`]; zero otherwise.
    pub exception: hv_vcpu_exit_exception_t,
}

const _: () = {
    assert!(size_of::<hv_vcpu_exit_t>() == 32);
    assert!(std::mem::offset_of!(hv_vcpu_exit_t, exception) == 8);
};

/// SME's part of PSTATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct hv_vcpu_sme_state_t {
    /// PSTATE.SM.
    pub streaming_sve_mode_enabled: bool,
    /// PSTATE.ZA.
    pub za_storage_enabled: bool,
}
