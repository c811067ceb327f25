//! The GIC's state as a blob, to be kept and put back: all of it but the CPU interfaces, whose
//! registers are a vCPU's (`hv_gic_get_icc_reg`).
//!
//! The header wants the VM stopped while its state is taken, and not yet run when it is put back.
//! Neither is enforced: the blob is of one moment, whatever runs, and putting one back is like
//! writing all of the registers at once.

use crate::abi::{hv_gic_state_t, hv_return_t};
use crate::answer::answer;
use crate::object::{self, Object};
use crate::pointer::{Out, array, checked};
use crate::vm;
use anyvisor_vm::HvError;
use std::ffi::c_void;

fn with<R>(state: hv_gic_state_t, work: impl FnOnce(&[u8]) -> R) -> Result<R, HvError> {
    object::with("state", state, |object| match object {
        Object::GicState(data) => Some(work(data)),
        _ => None,
    })
}

/// Takes the GIC's state. Release it with `os_release`. Null if the VM has no GIC.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_state_create() -> hv_gic_state_t {
    let mut state = std::ptr::null_mut();
    let _: hv_return_t = answer("hv_gic_state_create", || {
        state = object::create(Object::GicState(vm::gic()?.controller.save()));
        Ok(())
    });
    state
}

/// Bytes of a state's data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_state_get_size(
    state: hv_gic_state_t,
    gic_state_size: *mut usize,
) -> hv_return_t {
    answer("hv_gic_state_get_size", || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("gic_state_size", gic_state_size) }?;
        out.put(with(state, <[u8]>::len)?);
        Ok(())
    })
}

/// Writes a state's data: as many bytes as [`hv_gic_state_get_size`] says, all of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_state_get_data(
    state: hv_gic_state_t,
    gic_state_data: *mut c_void,
) -> hv_return_t {
    answer("hv_gic_state_get_data", || {
        let buffer = checked("gic_state_data", gic_state_data.cast::<u8>())?;
        with(state, |data| {
            // SAFETY: the caller promises a buffer of as many bytes, which is no memory of ours.
            unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), buffer.as_ptr(), data.len()) }
        })
    })
}

/// Puts a state's data back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_set_state(
    gic_state_data: *const c_void,
    gic_state_size: usize,
) -> hv_return_t {
    answer("hv_gic_set_state", || {
        checked("gic_state_data", gic_state_data.cast::<u8>())?;
        // SAFETY: the caller's promise.
        let data = unsafe { array("gic_state_data", gic_state_data.cast(), gic_state_size) }?;
        vm::gic()?.controller.restore(data)
    })
}
