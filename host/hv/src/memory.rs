//! Guest memory: the map of the VM, and host memory fit for it.
//!
//! ```text
//!   hv_vm_allocate  ->  host range, 16 KiB aligned, zero, untouched until used
//!   hv_vm_map           host range  ==>  guest physical range, with permissions
//!   hv_vm_protect       other permissions for a mapped range, or for a part of one
//!   hv_vm_unmap         the guest range is empty; no vCPU touches the host range any more
//!   hv_vm_deallocate    only an allocation of ours, whole, and not while it is mapped
//! ```

use crate::abi::{hv_ipa_t, hv_memory_flags_t, hv_return_t};
use crate::answer::answer;
use crate::notice::notice;
use crate::pointer::Out;
use crate::vm;
use anyvisor_vm::{HvError, Perms};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `PAGE_SIZE` of Apple silicon: what sizes of allocations are multiples of, and their alignment.
const PAGE: usize = 16 << 10;

/// Allocations of at least this size are aligned to it: the host's huge pages.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 << 20;

/// Live allocations: address and size.
///
/// `map` and `deallocate` hold this lock all along, so that memory cannot go away between the
/// look at it and the change of the map.
static ALLOCATIONS: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

fn lock() -> MutexGuard<'static, BTreeMap<usize, usize>> {
    ALLOCATIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn perms(flags: hv_memory_flags_t) -> Result<Perms, HvError> {
    Perms::from_bits(flags).ok_or(HvError::BadPerms(flags))
}

fn map(
    addr: *const c_void,
    ipa: hv_ipa_t,
    size: usize,
    flags: hv_memory_flags_t,
) -> Result<(), HvError> {
    let vm = vm::current()?;
    if addr.is_null() {
        return Err(HvError::Null("addr"));
    }
    let perms = perms(flags)?;
    let _allocations = lock();
    if !is_mapped(addr, size) {
        return Err(HvError::NoHostMemory { addr: addr.addr() as u64, size: size as u64 });
    }
    vm.map(addr.expose_provenance(), ipa, size as u64, perms)
}

/// Whether all pages of the range exist in this process. A range that the engine refuses anyway
/// (misaligned, empty, wrapping) may get either answer.
fn is_mapped(addr: *const c_void, size: usize) -> bool {
    // SAFETY: with MS_ASYNC this reads and writes no memory; it fails for a bad range.
    let result = unsafe { libc::msync(addr.cast_mut(), size, libc::MS_ASYNC) };
    result == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ENOMEM)
}

fn allocate(size: usize, flags: u32) -> Result<*mut c_void, HvError> {
    if flags != 0 {
        return Err(HvError::BadEnum { what: "flags", value: flags.into() });
    }
    if size == 0 {
        return Err(HvError::Zero("size"));
    }
    if !size.is_multiple_of(PAGE) {
        let (value, granule) = (size as u64, PAGE as u64);
        return Err(HvError::Misaligned { what: "size", value, granule });
    }
    let mut allocations = lock();
    let start = reserve(size).ok_or(HvError::NoMemory(size as u64))?;
    allocations.insert(start.addr(), size);
    Ok(start)
}

/// Anonymous zeroed memory, aligned; or nothing.
fn reserve(size: usize) -> Option<*mut c_void> {
    let align = alignment(size);
    // The kernel aligns to its own page only: take more, and give back both ends.
    let whole = size.checked_next_multiple_of(host_page())?;
    let span = whole.checked_add(align)?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | NO_RESERVE;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice.
    let base = unsafe { libc::mmap(std::ptr::null_mut(), span, protection, flags, -1, 0) };
    if base == libc::MAP_FAILED {
        return None;
    }
    let head = base.addr().next_multiple_of(align) - base.addr();
    let start = base.wrapping_byte_add(head);
    release(base, head);
    release(start.wrapping_byte_add(whole), align - head);
    advise(start, size);
    Some(start)
}

/// Gives pages of [`reserve`] back. What lies in the page of the end goes with it.
fn release(start: *mut c_void, size: usize) {
    if size == 0 {
        return;
    }
    // SAFETY: the callers pass parts of a mapping of `reserve` that nobody uses any more.
    let result = unsafe { libc::munmap(start, size) };
    if result != 0 {
        let error = std::io::Error::last_os_error();
        notice(log::Level::Warn, format_args!("munmap of {size:#x} bytes at {start:?}: {error}"));
    }
}

/// Guest RAM is often larger than what the guest touches: do not count it against the host's
/// commit limit.
#[cfg(target_os = "linux")]
const NO_RESERVE: i32 = libc::MAP_NORESERVE;
#[cfg(not(target_os = "linux"))]
const NO_RESERVE: i32 = 0;

/// The host's page size: 4 KiB on most machines, up to 64 KiB on arm64 Linux.
fn host_page() -> usize {
    // SAFETY: asks for a number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(PAGE)
}

fn alignment(size: usize) -> usize {
    let align = PAGE.max(host_page());
    #[cfg(target_os = "linux")]
    if size >= HUGE_PAGE {
        return align.max(HUGE_PAGE);
    }
    let _ = size;
    align
}

/// Large allocations in huge pages: fewer faults and host TLB misses. Best effort.
fn advise(start: *mut c_void, size: usize) {
    #[cfg(target_os = "linux")]
    if size >= HUGE_PAGE {
        // SAFETY: the range is a mapping of ours, and advice changes no content.
        unsafe { libc::madvise(start, size, libc::MADV_HUGEPAGE) };
    }
    let _ = (start, size);
}

fn deallocate(start: *const c_void, size: usize) -> Result<(), HvError> {
    let addr = start.addr();
    let mut allocations = lock();
    if allocations.get(&addr) != Some(&size) {
        return Err(HvError::NotAllocated { addr: addr as u64, size: size as u64 });
    }
    if vm::current().is_ok_and(|vm| vm.uses_host_memory(addr, size as u64)) {
        return Err(HvError::StillMapped { addr: addr as u64, size: size as u64 });
    }
    allocations.remove(&addr);
    release(start.cast_mut(), size);
    Ok(())
}

/// Maps host memory into the guest. It stays the caller's, who keeps it until it is unmapped.
///
/// Address, IPA and size are multiples of the VM's granule (16 KiB if nothing else was set).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vm_map(
    addr: *const c_void,
    ipa: hv_ipa_t,
    size: usize,
    flags: hv_memory_flags_t,
) -> hv_return_t {
    answer("hv_vm_map", || map(addr, ipa, size, flags))
}

/// Takes a mapped range away. When it returns, no vCPU touches the host memory any more.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vm_unmap(ipa: hv_ipa_t, size: usize) -> hv_return_t {
    answer("hv_vm_unmap", || vm::current()?.unmap(ipa, size as u64))
}

/// Changes the permissions of a mapped range.
#[unsafe(no_mangle)]
pub extern "C" fn hv_vm_protect(
    ipa: hv_ipa_t,
    size: usize,
    flags: hv_memory_flags_t,
) -> hv_return_t {
    answer("hv_vm_protect", || {
        let vm = vm::current()?;
        vm.protect(ipa, size as u64, perms(flags)?)
    })
}

/// Allocates zeroed host memory fit for [`hv_vm_map`]: a multiple of 16 KiB. There need not be
/// a VM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vm_allocate(
    uvap: *mut *mut c_void,
    size: usize,
    flags: u32,
) -> hv_return_t {
    answer("hv_vm_allocate", || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("uvap", uvap) }?;
        out.put(allocate(size, flags)?);
        Ok(())
    })
}

/// Frees an allocation of [`hv_vm_allocate`], whole. While it is mapped into the guest it is
/// refused: vCPUs would run into a hole in this process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_vm_deallocate(uva: *const c_void, size: usize) -> hv_return_t {
    answer("hv_vm_deallocate", || deallocate(uva, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_is_aligned_zero_and_freed_once() {
        for size in [PAGE, 3 * PAGE, 4 << 20] {
            let start = allocate(size, 0).unwrap();
            assert!(start.addr().is_multiple_of(PAGE));
            // SAFETY: `allocate` gave these bytes to us alone.
            let bytes = unsafe { std::slice::from_raw_parts_mut(start.cast::<u8>(), size) };
            assert!(bytes.iter().all(|&b| b == 0));
            bytes.fill(0x5a);
            assert!(is_mapped(start, size));
            assert_eq!(deallocate(start, size), Ok(()));
            let (addr, size64) = (start.addr() as u64, size as u64);
            let twice = deallocate(start, size);
            assert_eq!(twice, Err(HvError::NotAllocated { addr, size: size64 }));
        }
    }

    #[test]
    fn a_part_of_an_allocation_is_not_freed() {
        let start = allocate(2 * PAGE, 0).unwrap();
        assert!(deallocate(start, PAGE).is_err());
        assert!(deallocate(start.wrapping_byte_add(PAGE), PAGE).is_err());
        assert!(is_mapped(start, 2 * PAGE));
        deallocate(start, 2 * PAGE).unwrap();
    }

    #[test]
    fn bad_sizes_are_named() {
        assert_eq!(allocate(0, 0), Err(HvError::Zero("size")));
        let misaligned = HvError::Misaligned { what: "size", value: 0x1000, granule: PAGE as u64 };
        assert_eq!(allocate(0x1000, 0), Err(misaligned));
        let huge = usize::MAX - (PAGE - 1);
        assert_eq!(allocate(huge, 0), Err(HvError::NoMemory(huge as u64)));
        assert_eq!(allocate(PAGE, 1), Err(HvError::BadEnum { what: "flags", value: 1 }));
    }

    #[test]
    fn memory_that_is_not_there_is_seen() {
        assert!(!is_mapped(std::ptr::without_provenance(0x4000), PAGE));
    }
}
