//! The virtual IRQ and FIQ lines of a vCPU.

use crate::abi::{hv_return_t, hv_vcpu_t};
use crate::vcpu::{get, set};
use anyvisor_vm::{HvError, Line};

/// The line with the number `kind` in `hv_interrupt_type_t`.
///
/// These are the numbers of Apple's header. applevisor-sys 1.0.0 has them the other way round:
/// its `IRQ` is Apple's FIQ.
fn line(kind: u32) -> Result<Line, HvError> {
    match kind {
        0 => Ok(Line::Irq),
        1 => Ok(Line::Fiq),
        _ => Err(HvError::BadEnum { what: "type", value: kind.into() }),
    }
}

/// Whether a line waits to be taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vcpu_get_pending_interrupt(
    vcpu: hv_vcpu_t,
    kind: u32,
    pending: *mut bool,
) -> hv_return_t {
    // SAFETY: the caller's promise.
    unsafe {
        get("hv_vcpu_get_pending_interrupt", vcpu, "pending", pending, |v| {
            Ok(v.pending_interrupt(line(kind)?))
        })
    }
}

/// Sets a line for the next run. It is cleared when that run returns.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vcpu_set_pending_interrupt(
    vcpu: hv_vcpu_t,
    kind: u32,
    pending: bool,
) -> hv_return_t {
    set("hv_vcpu_set_pending_interrupt", vcpu, |v| {
        v.set_pending_interrupt(line(kind)?, pending);
        Ok(())
    })
}
