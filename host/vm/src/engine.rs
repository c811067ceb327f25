//! The traits that an engine fulfils, seen from the C API.

use crate::{Exit, GicConfig, GicGeometry, HvError, InterruptController, Perms};
use std::sync::Arc;

/// What a VM is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmConfig {
    /// Width of a guest physical address in bits.
    pub ipa_bits: u32,
    /// Granule of stage-2 mappings in bytes.
    pub granule: u64,
}

/// What a vCPU is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct VcpuConfig {
    /// Width of a guest physical address in bits: ID_AA64MMFR0_EL1.PARange follows it.
    pub ipa_bits: u32,
}

/// A way to make VMs.
pub trait Engine: Send + Sync {
    /// The widest IPA, in bits.
    fn max_ipa_bits(&self) -> u32;

    /// How many vCPUs a VM may have.
    fn max_vcpus(&self) -> u32;

    /// What the feature registers of a default vCPU read as.
    ///
    /// # Errors
    /// [`HvError::Unsupported`] if the engine has no such register.
    fn feature_reg(&self, reg: FeatureReg) -> Result<u64, HvError>;

    /// CCSIDR_EL1 of each cache level 1 to 7 (0 where there is none): data or unified caches,
    /// or instruction caches.
    fn ccsidr(&self, instruction: bool) -> [u64; 8];

    /// The sizes of the GIC that a VM can have; `None`: it can have none.
    fn gic_geometry(&self) -> Option<GicGeometry>;

    /// Makes a VM.
    ///
    /// # Errors
    /// Whatever of `config` the engine cannot do.
    fn create_vm(&self, config: &VmConfig) -> Result<Arc<dyn Vm>, HvError>;
}

/// The registers that a vCPU's configuration shows before there is a vCPU, in the order of
/// `hv_feature_reg_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FeatureReg {
    Dfr0,
    Dfr1,
    Isar0,
    Isar1,
    Mmfr0,
    Mmfr1,
    Mmfr2,
    Pfr0,
    Pfr1,
    Ctr,
    Clidr,
    Dczid,
    Smfr0,
    Zfr0,
}

/// A VM: memory and the vCPUs made in it.
pub trait Vm: Send + Sync {
    /// Maps `size` bytes of host memory at `host` to `ipa`.
    ///
    /// The caller of the C API promises that the host range stays valid until it is unmapped.
    ///
    /// # Errors
    /// Alignment, range, overlap.
    fn map(&self, host: usize, ipa: u64, size: u64, perms: Perms) -> Result<(), HvError>;

    /// Takes a mapped range away. No vCPU touches the host memory after this returns.
    ///
    /// # Errors
    /// Alignment, range, a hole in it.
    fn unmap(&self, ipa: u64, size: u64) -> Result<(), HvError>;

    /// Changes the permissions of a mapped range.
    ///
    /// # Errors
    /// Alignment, range, a hole in it.
    fn protect(&self, ipa: u64, size: u64, perms: Perms) -> Result<(), HvError>;

    /// Whether any of `size` bytes of host memory at `host` is mapped.
    fn uses_host_memory(&self, host: usize, size: u64) -> bool;

    /// Gives the VM a GIC, before its first vCPU. The caller has checked `config`.
    ///
    /// # Errors
    /// [`HvError::Unsupported`], [`HvError::GicExists`].
    fn create_gic(&self, config: &GicConfig) -> Result<Arc<dyn InterruptController>, HvError>;

    /// Makes the vCPU that will have the number `id`; it stays on the calling thread.
    ///
    /// # Errors
    /// Whatever of `config` the engine cannot do.
    fn create_vcpu(&self, id: u64, config: &VcpuConfig) -> Result<Box<dyn Vcpu>, HvError>;
}

/// Stops a vCPU from another thread.
pub trait Cancel: Send + Sync {
    /// The run that goes on, or else the next one, returns [`Exit::Canceled`].
    fn cancel(&self);
}

/// A register of `hv_reg_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reg {
    /// X0 to X30.
    X(u8),
    /// The program counter.
    Pc,
    /// Floating-point control.
    Fpcr,
    /// Floating-point status.
    Fpsr,
    /// PSTATE in the form of SPSR_EL1.
    Cpsr,
}

/// An interrupt line of `hv_interrupt_type_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// The virtual IRQ.
    Irq,
    /// The virtual FIQ.
    Fiq,
}

/// One vCPU, on the thread that made it.
pub trait Vcpu {
    /// Runs the guest until something needs the caller.
    ///
    /// # Errors
    /// [`HvError::IllegalCpsr`] if PSTATE cannot be entered.
    fn run(&mut self) -> Result<Exit, HvError>;

    /// What another thread needs to stop this vCPU.
    fn canceller(&self) -> Arc<dyn Cancel>;

    /// Reads a general register.
    fn reg(&self, reg: Reg) -> u64;
    /// Writes a general register.
    fn set_reg(&mut self, reg: Reg, value: u64);
    /// Reads Q0 to Q31.
    fn simd_reg(&self, n: u8) -> u128;
    /// Writes Q0 to Q31.
    fn set_simd_reg(&mut self, n: u8, value: u128);
    /// Reads a system register by the API's ID.
    ///
    /// # Errors
    /// [`HvError::NoSysReg`].
    fn sys_reg(&self, id: u16) -> Result<u64, HvError>;
    /// Writes a system register by the API's ID.
    ///
    /// # Errors
    /// [`HvError::NoSysReg`], [`HvError::ReadOnly`].
    fn set_sys_reg(&mut self, id: u16, value: u64) -> Result<(), HvError>;

    /// Whether an interrupt waits to be taken.
    fn pending_interrupt(&self, line: Line) -> bool;
    /// Sets a line for the next run; it is cleared when that run returns.
    fn set_pending_interrupt(&mut self, line: Line, pending: bool);

    /// Makes an SError interrupt wait until the guest takes it (or defers it by ESB): `iss` is what
    /// its ESR_EL1 will say, bits 24:0. One waits at a time. It is HCR_EL2.VSE with VSESR_EL2;
    /// Hypervisor.framework's API has no call for it.
    fn inject_serror(&mut self, iss: u64);
    /// Whether an SError interrupt waits.
    fn pending_serror(&self) -> bool;

    /// Whether the virtual timer's exit is masked.
    fn vtimer_mask(&self) -> bool;
    /// Masks or unmasks the virtual timer's exit.
    fn set_vtimer_mask(&mut self, masked: bool);
    /// CNTVCT = host counter - offset.
    fn vtimer_offset(&self) -> u64;
    /// Sets the offset.
    fn set_vtimer_offset(&mut self, offset: u64);

    /// Whether debug exceptions exit.
    fn trap_debug_exceptions(&self) -> bool;
    /// Makes debug exceptions exit, or go to the guest.
    fn set_trap_debug_exceptions(&mut self, trap: bool);
    /// Whether the guest's accesses to debug registers exit.
    fn trap_debug_reg_accesses(&self) -> bool;
    /// Makes the guest's accesses to debug registers exit, or not.
    fn set_trap_debug_reg_accesses(&mut self, trap: bool);

    /// Reads a register of this vCPU's redistributor, by its offset, as the guest would.
    ///
    /// # Errors
    /// [`HvError::NoGic`].
    fn redistributor_register(&mut self, offset: u32) -> Result<u64, HvError>;
    /// Writes a register of this vCPU's redistributor.
    ///
    /// # Errors
    /// [`HvError::NoGic`].
    fn set_redistributor_register(&mut self, offset: u32, value: u64) -> Result<(), HvError>;
    /// Reads a register of this vCPU's CPU interface (ICC) by its ID: one that a read does not
    /// change.
    ///
    /// # Errors
    /// [`HvError::NoGic`], [`HvError::NoSysReg`].
    fn cpu_interface_register(&self, id: u16) -> Result<u64, HvError>;
    /// Writes a register of this vCPU's CPU interface.
    ///
    /// # Errors
    /// [`HvError::NoGic`], [`HvError::NoSysReg`].
    fn set_cpu_interface_register(&mut self, id: u16, value: u64) -> Result<(), HvError>;

    /// Time spent in the guest since the vCPU was made, in nanoseconds.
    fn exec_time(&self) -> u64;
}
