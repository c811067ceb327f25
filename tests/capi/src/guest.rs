//! A VM with one vCPU and a few instructions in its memory.
//!
//! ```text
//!   IPA 0x4000_0000  CODE     the instructions given, read and execute
//!   IPA 0x4000_4000  VECTORS  VBAR_EL1: `hvc #0x100 + slot` in each of the 16 slots
//!   IPA 0x4000_8000  DATA     one page, read and write
//!   IPA 0x4000_c000  NOTHING  unmapped
//! ```
//!
//! The MMU is off, so virtual addresses are physical ones. The vCPU starts at CODE, at EL1h with
//! all interrupts masked.

use crate::raw::{self, Handle, Host, PAGE};
use applevisor::prelude::*;
use applevisor_sys::hv_vcpu_exit_t;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

pub const CODE: u64 = 0x4000_0000;
pub const VECTORS: u64 = CODE + PAGE as u64;
pub const DATA: u64 = VECTORS + PAGE as u64;
pub const NOTHING: u64 = DATA + PAGE as u64;

/// EL1h, DAIF masked.
pub const EL1H_MASKED: u64 = 0x3c5;

/// A guest that hangs is canceled after this long, and its case fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// The guest. Dropped in this order: vCPU, VM (and with it the map), host memory.
pub struct Guest {
    pub vcpu: Vcpu,
    pub vm: VirtualMachineInstance<GicDisabled>,
    pub code: Host,
    pub vectors: Host,
    pub data: Host,
}

impl Guest {
    /// A default VM with `code` in its memory.
    pub fn new(code: &[u32]) -> Self {
        let vm = VirtualMachine::new().unwrap();
        let page = |ipa, flags| {
            let host = Host::new(PAGE);
            assert_eq!(raw::hv_vm_map(host.addr(), ipa, PAGE, flags), raw::SUCCESS);
            host
        };
        let guest = Self {
            vcpu: vm.vcpu_create().unwrap(),
            vm,
            code: page(CODE, raw::READ | raw::EXEC),
            vectors: page(VECTORS, raw::READ | raw::EXEC),
            data: page(DATA, raw::RW),
        };
        guest.code.write_code(0, code);
        for slot in 0..16 {
            guest.vectors.write_code(slot * 0x80, &[crate::code::hvc(0x100 + slot as u32)]);
        }
        guest.vcpu.set_reg(Reg::PC, CODE).unwrap();
        guest.vcpu.set_reg(Reg::CPSR, EL1H_MASKED).unwrap();
        guest.vcpu.set_sys_reg(SysReg::VBAR_EL1, VECTORS).unwrap();
        guest
    }

    /// The vCPU's number.
    pub fn id(&self) -> u64 {
        self.vcpu.id()
    }

    /// Runs until the next exit.
    pub fn run(&self) -> hv_vcpu_exit_t {
        watched(self.id(), || self.vcpu.run().unwrap());
        self.vcpu.get_exit_info()
    }

    /// Runs until the next exit, which must be an exception.
    pub fn run_to_exception(&self) -> VcpuExitException {
        let exit = self.run();
        assert_eq!(exit.reason, ExitReason::EXCEPTION, "{exit:x?}");
        exit.exception
    }

    /// Runs until the guest does `hvc #imm`.
    pub fn run_to_hvc(&self, imm: u64) {
        let syndrome = self.run_to_exception().syndrome;
        assert_eq!(syndrome, 0x5a00_0000 | imm, "not hvc #{imm:#x}, but {syndrome:#x}");
    }

    /// The program counter.
    pub fn pc(&self) -> u64 {
        self.vcpu.get_reg(Reg::PC).unwrap()
    }

    /// Sets a general register.
    pub fn set(&self, reg: Reg, value: u64) {
        self.vcpu.set_reg(reg, value).unwrap();
    }

    /// Reads a general register.
    pub fn get(&self, reg: Reg) -> u64 {
        self.vcpu.get_reg(reg).unwrap()
    }
}

/// Does `work`, which runs vCPU `id`; cancels that if it takes too long, which fails the case.
pub fn watched(id: u64, work: impl FnOnce()) {
    let late = AtomicBool::new(false);
    thread::scope(|scope| {
        let (done, wait) = mpsc::channel::<()>();
        let late = &late;
        scope.spawn(move || {
            if wait.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                late.store(true, Ordering::SeqCst);
                raw::hv_vcpus_exit(&id, 1);
            }
        });
        work();
        drop(done);
    });
    assert!(!late.load(Ordering::SeqCst), "the run had to be cancelled after {PATIENCE:?}");
}

/// A VM without anything, destroyed when dropped.
pub struct EmptyVm;

impl EmptyVm {
    /// Makes it with a configuration.
    pub fn new(config: Handle) -> Self {
        assert_eq!(raw::hv_vm_create(config), raw::SUCCESS);
        Self
    }
}

impl Drop for EmptyVm {
    fn drop(&mut self) {
        raw::hv_vm_destroy();
    }
}

/// A VM and a vCPU by number, for the raw functions.
pub struct Plain {
    pub id: u64,
    pub exit: *const hv_vcpu_exit_t,
    _vm: EmptyVm,
}

impl Plain {
    /// A default VM with a default vCPU.
    pub fn new() -> Self {
        let vm = EmptyVm::new(raw::DEFAULT);
        let (mut id, mut exit) = (u64::MAX, std::ptr::null());
        let code = raw::hv_vcpu_create(Some(&mut id), Some(&mut exit), raw::DEFAULT);
        assert_eq!(code, raw::SUCCESS);
        Self { id, exit, _vm: vm }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        raw::hv_vcpu_destroy(self.id);
    }
}
