//! The functions of the interrupt controller, from `hv_gic.h`, `hv_gic_config.h`,
//! `hv_gic_parameters.h` and `hv_gic_state.h`.

use super::{Handle, SUCCESS};
use std::ffi::c_void;

unsafe extern "C" {
    pub safe fn hv_gic_config_create() -> Handle;
    pub safe fn hv_gic_config_set_distributor_base(config: Handle, base: u64) -> i32;
    pub safe fn hv_gic_config_set_redistributor_base(config: Handle, base: u64) -> i32;
    pub safe fn hv_gic_config_set_msi_region_base(config: Handle, base: u64) -> i32;
    pub safe fn hv_gic_config_set_msi_interrupt_range(config: Handle, base: u32, count: u32)
    -> i32;

    pub safe fn hv_gic_create(config: Handle) -> i32;
    pub safe fn hv_gic_set_spi(intid: u32, level: bool) -> i32;
    pub safe fn hv_gic_send_msi(address: u64, intid: u32) -> i32;
    pub safe fn hv_gic_reset() -> i32;

    pub safe fn hv_gic_get_distributor_reg(reg: u32, value: Option<&mut u64>) -> i32;
    pub safe fn hv_gic_set_distributor_reg(reg: u32, value: u64) -> i32;
    pub safe fn hv_gic_get_msi_reg(reg: u32, value: Option<&mut u64>) -> i32;
    pub safe fn hv_gic_set_msi_reg(reg: u32, value: u64) -> i32;
    pub safe fn hv_gic_get_redistributor_base(vcpu: u64, base: Option<&mut u64>) -> i32;
    pub safe fn hv_gic_get_redistributor_reg(vcpu: u64, reg: u32, value: Option<&mut u64>) -> i32;
    pub safe fn hv_gic_set_redistributor_reg(vcpu: u64, reg: u32, value: u64) -> i32;
    pub safe fn hv_gic_get_icc_reg(vcpu: u64, reg: u32, value: Option<&mut u64>) -> i32;
    pub safe fn hv_gic_set_icc_reg(vcpu: u64, reg: u32, value: u64) -> i32;
    pub safe fn hv_gic_get_ich_reg(vcpu: u64, reg: u32, value: Option<&mut u64>) -> i32;
    pub safe fn hv_gic_set_ich_reg(vcpu: u64, reg: u32, value: u64) -> i32;
    pub safe fn hv_gic_get_icv_reg(vcpu: u64, reg: u32, value: Option<&mut u64>) -> i32;
    pub safe fn hv_gic_set_icv_reg(vcpu: u64, reg: u32, value: u64) -> i32;

    pub safe fn hv_gic_state_create() -> Handle;
    pub safe fn hv_gic_state_get_size(state: Handle, size: Option<&mut usize>) -> i32;
    safe fn hv_gic_state_get_data(state: Handle, data: *mut c_void) -> i32;
    safe fn hv_gic_set_state(data: *const c_void, size: usize) -> i32;

    pub safe fn hv_gic_get_distributor_size(size: Option<&mut usize>) -> i32;
    pub safe fn hv_gic_get_distributor_base_alignment(alignment: Option<&mut usize>) -> i32;
    pub safe fn hv_gic_get_redistributor_region_size(size: Option<&mut usize>) -> i32;
    pub safe fn hv_gic_get_redistributor_size(size: Option<&mut usize>) -> i32;
    pub safe fn hv_gic_get_redistributor_base_alignment(alignment: Option<&mut usize>) -> i32;
    pub safe fn hv_gic_get_msi_region_size(size: Option<&mut usize>) -> i32;
    pub safe fn hv_gic_get_msi_region_base_alignment(alignment: Option<&mut usize>) -> i32;
    pub safe fn hv_gic_get_spi_interrupt_range(
        base: Option<&mut u32>,
        count: Option<&mut u32>,
    ) -> i32;
    pub safe fn hv_gic_get_intid(interrupt: u32, intid: Option<&mut u32>) -> i32;
}

/// A state's data; the code of the call that refused, if one did.
pub fn state_data(state: Handle) -> Result<Vec<u8>, i32> {
    let (code, size) = super::ask(|size| hv_gic_state_get_size(state, size));
    if code != SUCCESS {
        return Err(code);
    }
    let mut data = vec![0; size];
    match hv_gic_state_get_data(state, data.as_mut_ptr().cast()) {
        SUCCESS => Ok(data),
        code => Err(code),
    }
}

/// `hv_gic_state_get_data` with a null buffer.
pub fn state_data_to_null(state: Handle) -> i32 {
    hv_gic_state_get_data(state, std::ptr::null_mut())
}

/// `hv_gic_set_state` with `data`.
pub fn set_state(data: &[u8]) -> i32 {
    hv_gic_set_state(data.as_ptr().cast(), data.len())
}

/// `hv_gic_set_state` with a null buffer of a size.
pub fn set_state_of_null(size: usize) -> i32 {
    hv_gic_set_state(std::ptr::null(), size)
}
