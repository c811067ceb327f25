//! Pointers that C hands in: an allegation until checked.

use anyvisor_vm::HvError;
use std::ptr::NonNull;

/// Refuses a null or misaligned pointer. `what` is the parameter's name in the header.
pub(crate) fn checked<T>(what: &'static str, pointer: *const T) -> Result<NonNull<T>, HvError> {
    let checked = NonNull::new(pointer.cast_mut()).ok_or(HvError::Null(what))?;
    if !pointer.is_aligned() {
        let (value, granule) = (pointer.addr() as u64, align_of::<T>() as u64);
        return Err(HvError::Misaligned { what, value, granule });
    }
    Ok(checked)
}

/// Where a result goes. It is written on success only.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// # Safety
    /// `pointer` is null, misaligned, or writable for a `T` until [`Out::put`].
    #[inline]
    pub(crate) unsafe fn new(what: &'static str, pointer: *mut T) -> Result<Self, HvError> {
        checked(what, pointer).map(Self)
    }

    /// Writes the result.
    #[inline]
    pub(crate) fn put(self, value: T) {
        // SAFETY: `new` refused null and misaligned pointers; the rest its caller promised.
        unsafe { self.0.write(value) }
    }
}

/// The array of `count` values at `pointer`; empty arrays may have any address.
///
/// # Safety
/// `pointer` is null, misaligned, or readable for `count` values as long as `'a`.
pub(crate) unsafe fn array<'a, T>(
    what: &'static str,
    pointer: *const T,
    count: usize,
) -> Result<&'a [T], HvError> {
    if count == 0 {
        return Ok(&[]);
    }
    let start = checked(what, pointer)?;
    let most = isize::MAX as usize / size_of::<T>().max(1);
    if count > most {
        let (addr, size) =
            (pointer.addr() as u64, (count as u64).saturating_mul(size_of::<T>() as u64));
        return Err(HvError::HostWraps { addr, size });
    }
    // SAFETY: aligned, not null and no larger than an object can be, checked above; readable for
    // `count` values by the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(start.as_ptr(), count) })
}
