//! The Scalable Matrix Extension: not there. Every function answers `HV_UNSUPPORTED`, as the
//! header has it for machines without SME, whatever its arguments.

use crate::abi::{hv_return_t, hv_vcpu_sme_state_t, hv_vcpu_t};
use crate::answer::answer;
use anyvisor_vm::HvError;

/// Defines the functions; nothing is read or written through their pointers.
macro_rules! unsupported {
    ($(fn $name:ident($($type:ty),*);)*) => {$(
        /// Answers `HV_UNSUPPORTED`.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($(_: $type),*) -> hv_return_t {
            answer(stringify!($name), || Err(HvError::Unsupported("SME")))
        }
    )*};
}

unsupported! {
    fn hv_sme_config_get_max_svl_bytes(*mut usize);
    fn hv_vcpu_get_sme_state(hv_vcpu_t, *mut hv_vcpu_sme_state_t);
    fn hv_vcpu_set_sme_state(hv_vcpu_t, *const hv_vcpu_sme_state_t);
    fn hv_vcpu_get_sme_z_reg(hv_vcpu_t, u32, *mut u8, usize);
    fn hv_vcpu_set_sme_z_reg(hv_vcpu_t, u32, *const u8, usize);
    fn hv_vcpu_get_sme_p_reg(hv_vcpu_t, u32, *mut u8, usize);
    fn hv_vcpu_set_sme_p_reg(hv_vcpu_t, u32, *const u8, usize);
    fn hv_vcpu_get_sme_za_reg(hv_vcpu_t, *mut u8, usize);
    fn hv_vcpu_set_sme_za_reg(hv_vcpu_t, *const u8, usize);
    fn hv_vcpu_get_sme_zt0_reg(hv_vcpu_t, *mut u8);
    fn hv_vcpu_set_sme_zt0_reg(hv_vcpu_t, *const u8);
}
