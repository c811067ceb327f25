//! The framework's GIC: not there yet. Its objects are null and every function answers
//! `HV_UNSUPPORTED`, whatever its arguments; a caller brings an interrupt controller of its own
//! and injects by `hv_vcpu_set_pending_interrupt`.

use crate::abi::{hv_gic_config_t, hv_gic_state_t, hv_ipa_t, hv_return_t, hv_vcpu_t};
use crate::answer::answer;
use anyvisor_vm::HvError;
use std::ffi::c_void;

/// Makes no configuration: there is nothing to configure.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_config_create() -> hv_gic_config_t {
    log::debug!("hv_gic_config_create: a GIC is not supported by this engine; the result is null");
    std::ptr::null_mut()
}

/// Takes no snapshot: there is nothing to save.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_state_create() -> hv_gic_state_t {
    log::debug!("hv_gic_state_create: a GIC is not supported by this engine; the result is null");
    std::ptr::null_mut()
}

/// Defines the functions; nothing is read or written through their pointers.
macro_rules! unsupported {
    ($(fn $name:ident($($type:ty),*);)*) => {$(
        /// Answers `HV_UNSUPPORTED`.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($(_: $type),*) -> hv_return_t {
            answer(stringify!($name), || Err(HvError::Unsupported("a GIC")))
        }
    )*};
}

// Configuration.
unsupported! {
    fn hv_gic_config_set_distributor_base(hv_gic_config_t, hv_ipa_t);
    fn hv_gic_config_set_redistributor_base(hv_gic_config_t, hv_ipa_t);
    fn hv_gic_config_set_msi_region_base(hv_gic_config_t, hv_ipa_t);
    fn hv_gic_config_set_msi_interrupt_range(hv_gic_config_t, u32, u32);
}

// The device.
unsupported! {
    fn hv_gic_create(hv_gic_config_t);
    fn hv_gic_set_spi(u32, bool);
    fn hv_gic_send_msi(hv_ipa_t, u32);
    fn hv_gic_reset();
    fn hv_gic_set_state(*const c_void, usize);
    fn hv_gic_state_get_size(hv_gic_state_t, *mut usize);
    fn hv_gic_state_get_data(hv_gic_state_t, *mut c_void);
}

// Its registers.
unsupported! {
    fn hv_gic_get_distributor_reg(u32, *mut u64);
    fn hv_gic_set_distributor_reg(u32, u64);
    fn hv_gic_get_redistributor_base(hv_vcpu_t, *mut hv_ipa_t);
    fn hv_gic_get_redistributor_reg(hv_vcpu_t, u32, *mut u64);
    fn hv_gic_set_redistributor_reg(hv_vcpu_t, u32, u64);
    fn hv_gic_get_icc_reg(hv_vcpu_t, u32, *mut u64);
    fn hv_gic_set_icc_reg(hv_vcpu_t, u32, u64);
    fn hv_gic_get_ich_reg(hv_vcpu_t, u32, *mut u64);
    fn hv_gic_set_ich_reg(hv_vcpu_t, u32, u64);
    fn hv_gic_get_icv_reg(hv_vcpu_t, u32, *mut u64);
    fn hv_gic_set_icv_reg(hv_vcpu_t, u32, u64);
    fn hv_gic_get_msi_reg(u32, *mut u64);
    fn hv_gic_set_msi_reg(u32, u64);
}

// Its parameters.
unsupported! {
    fn hv_gic_get_distributor_size(*mut usize);
    fn hv_gic_get_distributor_base_alignment(*mut usize);
    fn hv_gic_get_redistributor_region_size(*mut usize);
    fn hv_gic_get_redistributor_size(*mut usize);
    fn hv_gic_get_redistributor_base_alignment(*mut usize);
    fn hv_gic_get_msi_region_size(*mut usize);
    fn hv_gic_get_msi_region_base_alignment(*mut usize);
    fn hv_gic_get_spi_interrupt_range(*mut u32, *mut u32);
    fn hv_gic_get_intid(u32, *mut u32);
}
