//! Calls of the API's functions with any argument, in any order, from one thread.
//!
//! A handle is null or one of any kind that lives; a pointer is null or good for what the function
//! writes; a vCPU is any number; host memory is there for as long as it may be mapped. Beyond that
//! a C program's own behaviour is undefined. Each call returns a code that the API has. A guest
//! that runs is told to leave until it has left: what it executes is what lies in its memory.

use crate::Input;
use anyvisor_capi::raw::gic::{
    hv_gic_config_create, hv_gic_config_set_distributor_base,
    hv_gic_config_set_msi_interrupt_range, hv_gic_config_set_msi_region_base,
    hv_gic_config_set_redistributor_base, hv_gic_create, hv_gic_get_distributor_reg,
    hv_gic_get_icc_reg, hv_gic_get_intid, hv_gic_get_msi_reg, hv_gic_get_redistributor_base,
    hv_gic_get_redistributor_reg, hv_gic_get_spi_interrupt_range, hv_gic_reset, hv_gic_send_msi,
    hv_gic_set_distributor_reg, hv_gic_set_icc_reg, hv_gic_set_ich_reg, hv_gic_set_icv_reg,
    hv_gic_set_msi_reg, hv_gic_set_redistributor_reg, hv_gic_set_spi, hv_gic_state_create,
    set_state, set_state_of_null, state_data,
};
use anyvisor_capi::raw::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// What `hv_return_t` may be.
const CODES: [i32; 9] = [
    SUCCESS,
    ERROR,
    BUSY,
    BAD_ARGUMENT,
    ILLEGAL_GUEST_STATE,
    NO_RESOURCES,
    NO_DEVICE,
    DENIED,
    UNSUPPORTED,
];

/// Guest addresses that mean something.
const ADDRESSES: [u64; 8] =
    [0, 0x4000, 0x8000, 0x0800_0000, 0x080a_0000, 0x0802_0000, 0x4000_0000, (1 << 36) - 0x4000];

/// What a sequence has made so far.
#[derive(Default)]
struct Made {
    handles: Vec<Handle>,
    vcpu: Option<u64>,
    host: Vec<Host>,
}

/// Does what `bytes` say, and puts everything away.
///
/// # Panics
/// If a call returns a code that the API has not, or what was made cannot be put away.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut made = Made::default();
    if input.flag() {
        made.begin(&mut input);
    }
    while let Some(step) = input.step(64) {
        let code = made.call(step, &mut input);
        known(code);
    }
}

/// A code that the API has.
fn known(code: i32) {
    assert!(CODES.contains(&code), "{code:#x}");
}

/// In the order that the API asks for; host memory goes when nothing maps it.
impl Drop for Made {
    fn drop(&mut self) {
        if let Some(vcpu) = self.vcpu {
            assert_eq!(hv_vcpu_destroy(vcpu), SUCCESS);
        }
        let code = hv_vm_destroy();
        assert!([SUCCESS, NO_DEVICE].contains(&code), "{code:#x}");
        self.handles.drain(..).for_each(|handle| os_release(handle));
    }
}

impl Made {
    /// A VM with memory and a vCPU that is about to run it, and perhaps a GIC: for this takes
    /// more than most sequences do.
    fn begin(&mut self, input: &mut Input<'_>) {
        const RAM: u64 = 0x4000_0000;
        assert_eq!(hv_vm_create(DEFAULT), SUCCESS);
        let host = Host::new(4 * PAGE);
        (0..16).for_each(|n| host.write(8 * n, input.number(8)));
        assert_eq!(hv_vm_map(host.addr(), RAM, host.size(), READ | WRITE | EXEC), SUCCESS);
        self.host.push(host);
        if input.flag() {
            let config = hv_gic_config_create();
            self.keep(config);
            assert_eq!(hv_gic_config_set_distributor_base(config, 0x0800_0000), SUCCESS);
            assert_eq!(hv_gic_config_set_redistributor_base(config, 0x080a_0000), SUCCESS);
            assert_eq!(hv_gic_create(config), SUCCESS);
        }
        let (mut vcpu, mut exit) = (0, std::ptr::null());
        assert_eq!(hv_vcpu_create(Some(&mut vcpu), Some(&mut exit), DEFAULT), SUCCESS);
        self.vcpu = Some(vcpu);
        assert_eq!(hv_vcpu_set_reg(vcpu, PC, RAM), SUCCESS);
    }

    fn handle(&self, input: &mut Input<'_>) -> Handle {
        let which = usize::from(input.byte());
        match self.handles.len() {
            0 => DEFAULT,
            n => self.handles.get(which % (n + 1)).copied().unwrap_or(DEFAULT),
        }
    }

    fn keep(&mut self, handle: Handle) -> i32 {
        if !handle.is_null() {
            self.handles.push(handle);
        }
        SUCCESS
    }

    /// Mostly the vCPU that is there.
    fn vcpu(&self, input: &mut Input<'_>) -> u64 {
        match (self.vcpu, input.byte()) {
            (Some(vcpu), 8..) => vcpu,
            _ => input.value(),
        }
    }

    /// A number of pages, or what is none.
    fn size(input: &mut Input<'_>) -> usize {
        match input.byte() {
            0 => input.value() as usize,
            n => usize::from(n % 8) * PAGE,
        }
    }

    fn address(input: &mut Input<'_>) -> u64 {
        match input.byte() {
            0 => input.value(),
            _ => input.choose(&ADDRESSES),
        }
    }

    fn call(&mut self, step: u8, input: &mut Input<'_>) -> i32 {
        match step {
            0..=7 => self.call_vm(step, input),
            8..=15 => self.call_memory(step, input),
            16..=39 => self.call_vcpu(step, input),
            _ => self.call_gic(step, input),
        }
    }

    fn call_vm(&mut self, step: u8, input: &mut Input<'_>) -> i32 {
        let handle = self.handle(input);
        match step {
            0 | 1 => hv_vm_create(handle),
            // A VM with a vCPU is busy.
            2 => hv_vm_destroy(),
            3 => self.keep(hv_vm_config_create()),
            4 => hv_vm_config_set_ipa_size(handle, input.value() as u32),
            5 => hv_vm_config_set_ipa_granule(handle, input.value() as u32),
            6 => hv_vm_config_set_el2_enabled(handle, input.flag()),
            _ => {
                known(ask(|bits| hv_vm_config_get_ipa_size(handle, bits)).0);
                known(ask(|count| hv_vm_get_max_vcpu_count(count)).0);
                known(ask(|on| hv_vm_config_get_el2_enabled(handle, on)).0);
                ask(|granule| hv_vm_config_get_ipa_granule(handle, granule)).0
            }
        }
    }

    fn call_memory(&mut self, step: u8, input: &mut Input<'_>) -> i32 {
        match step {
            8 => {
                let mut addr = std::ptr::null_mut();
                let size = Self::size(input).min(8 * PAGE);
                let code = hv_vm_allocate(Some(&mut addr), size, input.value() as u32 & 3);
                if code == SUCCESS {
                    self.host.push(Host::adopt(addr, size));
                }
                code
            }
            9 => hv_vm_allocate(None, Self::size(input).min(8 * PAGE), 0),
            10 | 11 if !self.host.is_empty() => {
                let host = &self.host[usize::from(input.byte()) % self.host.len()];
                if host.size() >= 8 {
                    host.write(usize::from(input.byte()) * 8 % host.size(), input.number(8));
                }
                let size = Self::size(input).min(host.size());
                hv_vm_map(host.addr(), Self::address(input), size, input.value())
            }
            10 | 11 => hv_vm_map(std::ptr::null(), Self::address(input), 0, input.value()),
            12 => hv_vm_unmap(Self::address(input), Self::size(input)),
            13 => hv_vm_protect(Self::address(input), Self::size(input), input.value()),
            14 => hv_vm_deallocate(std::ptr::null(), Self::size(input)),
            _ => match self.host.pop() {
                None => SUCCESS,
                Some(host) => {
                    let code = hv_vm_deallocate(host.addr(), host.size());
                    if code == SUCCESS {
                        std::mem::forget(host);
                    } else {
                        self.host.push(host); // mapped
                    }
                    code
                }
            },
        }
    }

    fn call_vcpu(&mut self, step: u8, input: &mut Input<'_>) -> i32 {
        let vcpu = self.vcpu(input);
        match step {
            16 => {
                let mut id = 0;
                let mut exit = std::ptr::null();
                let handle = self.handle(input);
                let code = hv_vcpu_create(Some(&mut id), Some(&mut exit), handle);
                if code == SUCCESS {
                    assert_eq!(self.vcpu.replace(id), None, "a thread has two vCPUs");
                }
                code
            }
            17 => hv_vcpu_create(None, None, self.handle(input)),
            18 if input.flag() => {
                let code = hv_vcpu_destroy(vcpu);
                if code == SUCCESS {
                    assert_eq!(self.vcpu.take(), Some(vcpu));
                }
                code
            }
            18..=20 => run_and_leave(vcpu),
            21 => hv_vcpus_exit(&vcpu, u32::from(input.flag())),
            22 => hv_vcpus_exit(std::ptr::null(), u32::from(input.flag())),
            23 | 24 => hv_vcpu_set_reg(vcpu, input.value() as u32 % 48, Self::address(input)),
            25 => ask_to(|value| hv_vcpu_get_reg(vcpu, input.value() as u32, value)),
            26 => hv_vcpu_get_reg(vcpu, input.value() as u32, std::ptr::null_mut()),
            27 => {
                let value = u128::from(input.value()) << 64 | u128::from(input.value());
                hv_vcpu_set_simd_fp_reg(vcpu, input.value() as u32, value)
            }
            28 => ask(|value| hv_vcpu_get_simd_fp_reg(vcpu, input.value() as u32, value)).0,
            29..=31 => hv_vcpu_set_sys_reg(vcpu, sys_reg(input), input.value()),
            32 => ask(|value| hv_vcpu_get_sys_reg(vcpu, sys_reg(input), value)).0,
            33 => hv_vcpu_set_pending_interrupt(vcpu, input.value() as u32, input.flag()),
            34 => ask(|on| hv_vcpu_get_pending_interrupt(vcpu, input.value() as u32, on)).0,
            35 => hv_vcpu_set_trap_debug_exceptions(vcpu, input.flag()),
            36 => hv_vcpu_set_trap_debug_reg_accesses(vcpu, input.flag()),
            37 => hv_vcpu_set_vtimer_mask(vcpu, input.flag()),
            38 => hv_vcpu_set_vtimer_offset(vcpu, input.value()),
            _ => ask(|time| hv_vcpu_get_exec_time(vcpu, time)).0,
        }
    }

    fn call_gic(&mut self, step: u8, input: &mut Input<'_>) -> i32 {
        let (handle, vcpu) = (self.handle(input), self.vcpu(input));
        let reg = if input.byte() == 0 { input.value() } else { input.number(2) } as u32;
        match step {
            40 | 41 => self.keep(hv_gic_config_create()),
            42 => hv_gic_config_set_distributor_base(handle, Self::address(input)),
            43 => hv_gic_config_set_redistributor_base(handle, Self::address(input)),
            44 => hv_gic_config_set_msi_region_base(handle, Self::address(input)),
            45 => hv_gic_config_set_msi_interrupt_range(handle, reg % 1200, input.value() as u32),
            46..=48 => hv_gic_create(handle),
            49 => hv_gic_set_spi(reg, input.flag()),
            50 => hv_gic_send_msi(Self::address(input), reg),
            51 => hv_gic_reset(),
            52 => hv_gic_set_distributor_reg(reg, input.value()),
            53 => ask(|value| hv_gic_get_distributor_reg(reg, value)).0,
            54 => hv_gic_set_redistributor_reg(vcpu, reg, input.value()),
            55 => ask(|value| hv_gic_get_redistributor_reg(vcpu, reg, value)).0,
            56 => hv_gic_set_icc_reg(vcpu, 0xc000 | reg & 0xfff, input.value()),
            57 => ask(|value| hv_gic_get_icc_reg(vcpu, 0xc000 | reg & 0xfff, value)).0,
            58 => hv_gic_set_msi_reg(reg, input.value()),
            59 => ask(|value| hv_gic_get_msi_reg(reg, value)).0,
            60 => {
                known(hv_gic_set_ich_reg(vcpu, reg, input.value()));
                hv_gic_set_icv_reg(vcpu, reg, input.value())
            }
            61 => {
                known(ask(|base| hv_gic_get_redistributor_base(vcpu, base)).0);
                known(hv_gic_get_spi_interrupt_range(None, None));
                ask(|intid| hv_gic_get_intid(reg, intid)).0
            }
            62 => self.keep(hv_gic_state_create()),
            _ => match state_data(handle) {
                Ok(mut data) if !data.is_empty() => {
                    for _ in 0..input.byte() % 4 {
                        let at = input.number(2) as usize % data.len();
                        data[at] ^= input.byte();
                    }
                    set_state(&data)
                }
                Ok(_) => set_state_of_null(reg as usize),
                Err(code) => code,
            },
        }
    }
}

/// An ID of a system register, mostly one that is known to the manual: op0 is 2 or 3.
fn sys_reg(input: &mut Input<'_>) -> u32 {
    match input.byte() {
        0 => input.value() as u32,
        _ => 0x8000 | input.number(2) as u32 & 0x7fff,
    }
}

/// Calls a function that wants an address to write to.
fn ask_to(call: impl FnOnce(*mut u64) -> i32) -> i32 {
    let mut value = 0;
    call(&mut value)
}

/// Runs a guest that is told to leave until it has: nobody knows what it does.
fn run_and_leave(vcpu: u64) -> i32 {
    let left = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !left.load(Ordering::Acquire) {
                std::thread::yield_now();
                hv_vcpus_exit(&vcpu, 1);
            }
        });
        let code = hv_vcpu_run(vcpu);
        left.store(true, Ordering::Release);
        code
    })
}
