//! Objects that C holds by a handle and gives back with `os_release`.
//!
//! A handle is a number in the shape of a pointer, not an address: nothing is ever read through
//! it, and none is given out twice. So a stale, foreign or made-up handle is found out by looking
//! it up, whatever it is. There is no `os_retain` in this API: an object lives from its create
//! function to its release.

use crate::abi::hv_return_t;
use crate::answer::answer;
use crate::gic;
use crate::vm_config::Settings;
use anyvisor_vm::HvError;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a handle stands for.
#[derive(Debug)]
pub(crate) enum Object {
    /// `hv_vm_config_t`.
    VmConfig(Settings),
    /// `hv_vcpu_config_t`: it has nothing to set.
    VcpuConfig,
    /// `hv_gic_config_t`.
    GicConfig(gic::Settings),
    /// `hv_gic_state_t`: what the engine saved.
    GicState(Vec<u8>),
}

struct Objects {
    live: BTreeMap<usize, Object>,
    next: usize,
}

/// The first handle: in the page above null, where a program that reads through it faults.
const FIRST: usize = 0x1000;
/// Handles keep the alignment that a pointer from an allocator has.
const STEP: usize = 16;

static OBJECTS: Mutex<Objects> = Mutex::new(Objects { live: BTreeMap::new(), next: FIRST });

fn lock() -> MutexGuard<'static, Objects> {
    OBJECTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts an object in the table and returns its handle.
pub(crate) fn create(object: Object) -> *mut c_void {
    let mut objects = lock();
    let handle = objects.next;
    objects.next += STEP;
    objects.live.insert(handle, object);
    std::ptr::without_provenance_mut(handle)
}

/// Works on the object of a handle; `work` answers `None` for one of another kind.
pub(crate) fn with<R>(
    what: &'static str,
    handle: *mut c_void,
    work: impl FnOnce(&mut Object) -> Option<R>,
) -> Result<R, HvError> {
    if handle.is_null() {
        return Err(HvError::Null(what));
    }
    let bad = HvError::BadObject { what, value: handle.addr() as u64 };
    lock().live.get_mut(&handle.addr()).and_then(work).ok_or(bad)
}

fn release(object: *mut c_void) -> Result<(), HvError> {
    let value = object.addr();
    // applevisor releases the null configuration of every default vCPU.
    if object.is_null() || lock().live.remove(&value).is_some() {
        Ok(())
    } else {
        Err(HvError::BadObject { what: "object", value: value as u64 })
    }
}

/// Ends the life of an object. Null is ignored; a handle that is not live is logged and ignored.
#[unsafe(no_mangle)]
pub extern "C" fn os_release(object: *mut c_void) {
    let _: hv_return_t = answer("os_release", || release(object));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(handle: *mut c_void) -> Result<(), HvError> {
        with("config", handle, |object| matches!(object, Object::VcpuConfig).then_some(()))
    }

    #[test]
    fn a_handle_is_good_from_create_to_release() {
        let handle = create(Object::VcpuConfig);
        assert_eq!(look(handle), Ok(()));
        assert_eq!(release(handle), Ok(()));
        let value = handle.addr() as u64;
        assert_eq!(look(handle), Err(HvError::BadObject { what: "config", value }));
        assert_eq!(release(handle), Err(HvError::BadObject { what: "object", value }));
    }

    #[test]
    fn a_handle_of_another_kind_is_refused() {
        let handle = create(Object::VmConfig(Settings::default()));
        assert!(matches!(look(handle), Err(HvError::BadObject { what: "config", .. })));
        release(handle).unwrap();
    }

    #[test]
    fn handles_are_never_given_out_twice() {
        let first = create(Object::VcpuConfig);
        release(first).unwrap();
        let second = create(Object::VcpuConfig);
        assert_ne!(first, second);
        release(second).unwrap();
    }

    #[test]
    fn releasing_null_does_nothing() {
        assert_eq!(release(std::ptr::null_mut()), Ok(()));
    }
}
