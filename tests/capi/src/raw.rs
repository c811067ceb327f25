//! The functions as C sees them, so that a test can pass null, nonsense, and numbers that the
//! binding's enumerations cannot hold. Types follow Apple's headers (`hv_vm.h`, `hv_vcpu.h`,
//! `hv_vm_config.h`, `hv_vcpu_config.h`, `hv_vm_allocate.h`).
//!
//! The functions are declared safe: the contract of these tests is that no argument they pass is
//! undefined behaviour, and that is what they test. Cases that a real Mac might not survive are
//! marked so where they are made.

pub mod gic;

use applevisor_sys::hv_vcpu_exit_t;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

// `hv_return_t`, from `hv_kern_types.h`.
pub const SUCCESS: i32 = 0;
pub const ERROR: i32 = 0xfae9_4001_u32 as i32;
pub const BUSY: i32 = 0xfae9_4002_u32 as i32;
pub const BAD_ARGUMENT: i32 = 0xfae9_4003_u32 as i32;
pub const ILLEGAL_GUEST_STATE: i32 = 0xfae9_4004_u32 as i32;
pub const NO_RESOURCES: i32 = 0xfae9_4005_u32 as i32;
pub const NO_DEVICE: i32 = 0xfae9_4006_u32 as i32;
pub const DENIED: i32 = 0xfae9_4007_u32 as i32;
pub const UNSUPPORTED: i32 = 0xfae9_400f_u32 as i32;

/// `hv_memory_flags_t`.
pub const READ: u64 = 1;
pub const WRITE: u64 = 2;
pub const EXEC: u64 = 4;
pub const RW: u64 = READ | WRITE;

/// `hv_interrupt_type_t`: Apple's numbers, not the binding's.
pub const IRQ: u32 = 0;
pub const FIQ: u32 = 1;

/// `hv_reg_t` beyond X0 to X30.
pub const PC: u32 = 31;
pub const CPSR: u32 = 34;

/// 16 KiB: what maps are multiples of.
pub const PAGE: usize = 0x4000;

/// A configuration object.
pub type Handle = *mut c_void;

/// The null configuration.
pub const DEFAULT: Handle = std::ptr::null_mut();

unsafe extern "C" {
    pub safe fn hv_vm_create(config: Handle) -> i32;
    pub safe fn hv_vm_destroy() -> i32;
    pub safe fn hv_vm_get_max_vcpu_count(count: Option<&mut u32>) -> i32;
    pub safe fn hv_vm_map(addr: *const c_void, ipa: u64, size: usize, flags: u64) -> i32;
    pub safe fn hv_vm_unmap(ipa: u64, size: usize) -> i32;
    pub safe fn hv_vm_protect(ipa: u64, size: usize, flags: u64) -> i32;
    pub safe fn hv_vm_allocate(uvap: Option<&mut *mut c_void>, size: usize, flags: u32) -> i32;
    pub safe fn hv_vm_deallocate(uva: *const c_void, size: usize) -> i32;

    pub safe fn os_release(object: Handle);
    pub safe fn hv_vm_config_create() -> Handle;
    pub safe fn hv_vm_config_get_max_ipa_size(bits: Option<&mut u32>) -> i32;
    pub safe fn hv_vm_config_get_default_ipa_size(bits: Option<&mut u32>) -> i32;
    pub safe fn hv_vm_config_set_ipa_size(config: Handle, bits: u32) -> i32;
    pub safe fn hv_vm_config_get_ipa_size(config: Handle, bits: Option<&mut u32>) -> i32;
    pub safe fn hv_vm_config_get_el2_supported(supported: Option<&mut bool>) -> i32;
    pub safe fn hv_vm_config_get_el2_enabled(config: Handle, enabled: Option<&mut bool>) -> i32;
    pub safe fn hv_vm_config_set_el2_enabled(config: Handle, enabled: bool) -> i32;
    pub safe fn hv_vcpu_config_create() -> Handle;
    pub safe fn hv_vcpu_config_get_feature_reg(
        config: Handle,
        reg: u32,
        value: Option<&mut u64>,
    ) -> i32;
    pub safe fn hv_vcpu_config_get_ccsidr_el1_sys_reg_values(
        config: Handle,
        cache_type: u32,
        values: Option<&mut [u64; 8]>,
    ) -> i32;

    pub safe fn hv_vcpu_create(
        vcpu: Option<&mut u64>,
        exit: Option<&mut *const hv_vcpu_exit_t>,
        config: Handle,
    ) -> i32;
    pub safe fn hv_vcpu_destroy(vcpu: u64) -> i32;
    pub safe fn hv_vcpu_run(vcpu: u64) -> i32;
    pub safe fn hv_vcpus_exit(vcpus: *const u64, count: u32) -> i32;
    pub safe fn hv_vcpu_get_exec_time(vcpu: u64, time: Option<&mut u64>) -> i32;

    pub safe fn hv_vcpu_get_reg(vcpu: u64, reg: u32, value: *mut u64) -> i32;
    pub safe fn hv_vcpu_set_reg(vcpu: u64, reg: u32, value: u64) -> i32;
    pub safe fn hv_vcpu_get_simd_fp_reg(vcpu: u64, reg: u32, value: Option<&mut u128>) -> i32;
    pub safe fn hv_vcpu_set_simd_fp_reg(vcpu: u64, reg: u32, value: u128) -> i32;
    pub safe fn hv_vcpu_get_sys_reg(vcpu: u64, reg: u32, value: Option<&mut u64>) -> i32;
    pub safe fn hv_vcpu_set_sys_reg(vcpu: u64, reg: u32, value: u64) -> i32;

    pub safe fn hv_vcpu_get_pending_interrupt(
        vcpu: u64,
        kind: u32,
        pending: Option<&mut bool>,
    ) -> i32;
    pub safe fn hv_vcpu_set_pending_interrupt(vcpu: u64, kind: u32, pending: bool) -> i32;
    pub safe fn hv_vcpu_get_trap_debug_exceptions(vcpu: u64, value: Option<&mut bool>) -> i32;
    pub safe fn hv_vcpu_set_trap_debug_exceptions(vcpu: u64, value: bool) -> i32;
    pub safe fn hv_vcpu_get_trap_debug_reg_accesses(vcpu: u64, value: Option<&mut bool>) -> i32;
    pub safe fn hv_vcpu_set_trap_debug_reg_accesses(vcpu: u64, value: bool) -> i32;
    pub safe fn hv_vcpu_get_vtimer_mask(vcpu: u64, masked: Option<&mut bool>) -> i32;
    pub safe fn hv_vcpu_set_vtimer_mask(vcpu: u64, masked: bool) -> i32;
    pub safe fn hv_vcpu_get_vtimer_offset(vcpu: u64, offset: Option<&mut u64>) -> i32;
    pub safe fn hv_vcpu_set_vtimer_offset(vcpu: u64, offset: u64) -> i32;
}

unsafe extern "C" {
    /// The host counter (`<mach/mach_time.h>`): what the virtual timer's offset is taken from.
    pub safe fn mach_absolute_time() -> u64;
}

// The functions of macOS 26, which a Mac of today may lack.
#[cfg(not(target_os = "macos"))]
unsafe extern "C" {
    pub safe fn hv_vm_config_get_default_ipa_granule(granule: Option<&mut u32>) -> i32;
    pub safe fn hv_vm_config_get_ipa_granule(config: Handle, granule: Option<&mut u32>) -> i32;
    pub safe fn hv_vm_config_set_ipa_granule(config: Handle, granule: u32) -> i32;

    pub safe fn hv_sme_config_get_max_svl_bytes(value: *mut usize) -> i32;
    pub safe fn hv_vcpu_get_sme_state(vcpu: u64, state: *mut c_void) -> i32;
    pub safe fn hv_vcpu_set_sme_state(vcpu: u64, state: *const c_void) -> i32;
    pub safe fn hv_vcpu_get_sme_z_reg(vcpu: u64, reg: u32, value: *mut u8, length: usize) -> i32;
    pub safe fn hv_vcpu_set_sme_z_reg(vcpu: u64, reg: u32, value: *const u8, length: usize) -> i32;
    pub safe fn hv_vcpu_get_sme_p_reg(vcpu: u64, reg: u32, value: *mut u8, length: usize) -> i32;
    pub safe fn hv_vcpu_set_sme_p_reg(vcpu: u64, reg: u32, value: *const u8, length: usize) -> i32;
    pub safe fn hv_vcpu_get_sme_za_reg(vcpu: u64, value: *mut u8, length: usize) -> i32;
    pub safe fn hv_vcpu_set_sme_za_reg(vcpu: u64, value: *const u8, length: usize) -> i32;
    pub safe fn hv_vcpu_get_sme_zt0_reg(vcpu: u64, value: *mut u8) -> i32;
    pub safe fn hv_vcpu_set_sme_zt0_reg(vcpu: u64, value: *const u8) -> i32;
}

/// Calls a function with a result, and returns its code and that result (0 if it wrote none).
pub fn ask<T: Default>(call: impl FnOnce(Option<&mut T>) -> i32) -> (i32, T) {
    let mut value = T::default();
    let code = call(Some(&mut value));
    (code, value)
}

/// Reads a general register.
pub fn reg(vcpu: u64, reg: u32) -> u64 {
    let (code, value) = ask(|value: Option<&mut u64>| {
        hv_vcpu_get_reg(vcpu, reg, value.map_or(std::ptr::null_mut(), |v| v))
    });
    assert_eq!(code, SUCCESS);
    value
}

/// Host memory of `hv_vm_allocate`; freed when dropped.
#[derive(Debug)]
pub struct Host {
    addr: *mut c_void,
    size: usize,
}

// SAFETY: plain memory, accessed by atomics only.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

impl Host {
    /// Allocates `size` bytes.
    pub fn new(size: usize) -> Self {
        let mut addr = std::ptr::null_mut();
        assert_eq!(hv_vm_allocate(Some(&mut addr), size, 0), SUCCESS);
        Self { addr, size }
    }

    /// Takes over what `hv_vm_allocate` gave.
    pub fn adopt(addr: *mut c_void, size: usize) -> Self {
        Self { addr, size }
    }

    /// Where it is.
    pub fn addr(&self) -> *const c_void {
        self.addr
    }

    /// How large it is, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.size);
        // SAFETY: inside the allocation and aligned, both checked above; lives as long as `self`.
        unsafe { AtomicU32::from_ptr(self.addr.byte_add(offset).cast()) }
    }

    fn double_word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.size);
        // SAFETY: as in `word`.
        unsafe { AtomicU64::from_ptr(self.addr.byte_add(offset).cast()) }
    }

    /// Reads 8 bytes.
    pub fn read(&self, offset: usize) -> u64 {
        self.double_word(offset).load(Ordering::SeqCst)
    }

    /// Writes 8 bytes.
    pub fn write(&self, offset: usize, value: u64) {
        self.double_word(offset).store(value, Ordering::SeqCst);
    }

    /// Writes instructions.
    pub fn write_code(&self, offset: usize, code: &[u32]) {
        for (i, word) in code.iter().enumerate() {
            self.word(offset + 4 * i).store(*word, Ordering::SeqCst);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let code = hv_vm_deallocate(self.addr, self.size);
        // A case that fails may leave it mapped: let that case's own message be heard.
        assert!(code == SUCCESS || std::thread::panicking(), "hv_vm_deallocate: {code:#x}");
    }
}
