//! Where the GIC stands in these cases, and a machine with one.
//!
//! ```text
//!   IPA 0x0800_0000  GICD     distributor           as on QEMU's `virt` board
//!   IPA 0x0802_0000  GICM     MSI frame, INTIDs 64 to 127
//!   IPA 0x080a_0000  GICR     redistributors
//!   IPA 0x4000_0000  CODE     the instructions given
//!   IPA 0x4000_4000  VECTORS  VBAR_EL1: `hvc #0x100 + slot`; those of IRQ and FIQ acknowledge
//!   IPA 0x4000_4800  WAITING  `wfi`, for ever
//! ```

use crate::code::{self, LOOP, System, hvc, mrs, msr, system};
use crate::guest::{CODE, EL1H_MASKED, EmptyVm, VECTORS};
use crate::raw::gic::*;
use crate::raw::{self, DEFAULT, Handle, Host, PAGE, SUCCESS};
use applevisor_sys::{
    hv_exit_reason_t, hv_gic_distributor_reg_t as Gicd, hv_gic_icc_reg_t as Icc,
    hv_gic_msi_reg_t as Gicm, hv_vcpu_exit_t,
};

pub const GICD: u64 = 0x800_0000;
pub const GICM: u64 = 0x802_0000;
pub const GICR: u64 = 0x80a_0000;
/// Bytes of one redistributor.
pub const STRIDE: u64 = 0x2_0000;
/// The INTIDs of the MSI frame.
pub const MESSAGES: std::ops::Range<u32> = 64..128;
/// Where a message is written.
pub const SETSPI: u64 = GICM + Gicm::SET_SPI_NSR as u64;
/// `hv_sys_reg_t` of MPIDR_EL1.
pub const MPIDR_EL1: u32 = 0xc005;
const VBAR_EL1: u32 = 0xc600;

const ICC_IAR0_EL1: System = system(3, 0, 12, 8, 0);
const ICC_EOIR0_EL1: System = system(3, 0, 12, 8, 1);
const ICC_EOIR1_EL1: System = system(3, 0, 12, 12, 1);
pub const ICC_SGI1R_EL1: System = code::ICC_SGI1R_EL1;

/// `msr daifclr, #3`: IRQs and FIQs on.
const INTERRUPTS_ON: u32 = 0xd503_43ff;
pub const ERET: u32 = 0xd69f_03e0;
/// The first instruction of [`WAIT`]: `str wzr, [x1]`, where X1 is the address of GICR_WAKER.
const AWAKE: u32 = code::access(code::STR_W, 31, 1);

/// The guest wakes its redistributor, lets interrupts in, says so by `hvc #1`, and then waits.
pub const WAIT: &[u32] =
    &[AWAKE, INTERRUPTS_ON, code::ISB, hvc(1), code::WFI, code::branch_back(1)];
/// As [`WAIT`], but it spins.
pub const SPIN: &[u32] = &[AWAKE, INTERRUPTS_ON, code::ISB, hvc(1), LOOP];

/// A place where a guest waits for ever.
pub const WAITING: u64 = VECTORS + 0x800;

/// The exits of the vectors, which leave the INTID in X0 and end the interrupt when they go on.
pub const TOOK_IRQ: u64 = 0x105;
pub const TOOK_FIQ: u64 = 0x106;

/// A configuration object, released when dropped.
pub struct Config(pub Handle);

impl Config {
    /// With nothing set.
    pub fn empty() -> Self {
        let config = hv_gic_config_create();
        assert!(!config.is_null());
        Self(config)
    }

    /// With distributor and redistributors in their place.
    pub fn plain() -> Self {
        let config = Self::empty();
        assert_eq!(hv_gic_config_set_distributor_base(config.0, GICD), SUCCESS);
        assert_eq!(hv_gic_config_set_redistributor_base(config.0, GICR), SUCCESS);
        config
    }

    /// With everything in its place.
    pub fn with_messages() -> Self {
        let config = Self::plain();
        assert_eq!(hv_gic_config_set_msi_region_base(config.0, GICM), SUCCESS);
        let (base, count) = (MESSAGES.start, MESSAGES.end - MESSAGES.start);
        assert_eq!(hv_gic_config_set_msi_interrupt_range(config.0, base, count), SUCCESS);
        config
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        raw::os_release(self.0);
    }
}

/// A default VM with a GIC of `config`.
pub fn vm_with(config: &Config) -> EmptyVm {
    let vm = EmptyVm::new(DEFAULT);
    assert_eq!(hv_gic_create(config.0), SUCCESS);
    vm
}

/// A default VM with a GIC and everything in its place.
pub fn vm() -> EmptyVm {
    vm_with(&Config::with_messages())
}

/// A VM with a GIC and a program. Dropped in this order: VM, host memory.
pub struct Machine {
    _vm: EmptyVm,
    pub code: Host,
    pub vectors: Host,
}

impl Machine {
    /// With `code` in its memory.
    pub fn new(code: &[u32]) -> Self {
        let vm = vm();
        let page = |ipa| {
            let host = Host::new(PAGE);
            let flags = raw::READ | raw::EXEC;
            assert_eq!(raw::hv_vm_map(host.addr(), ipa, PAGE, flags), SUCCESS);
            host
        };
        let machine = Self { _vm: vm, code: page(CODE), vectors: page(VECTORS) };
        machine.code.write_code(0, code);
        for slot in 0..16 {
            machine.vectors.write_code(slot * 0x80, &[hvc(0x100 + slot as u32)]);
        }
        let take = |iar, imm, eoir| [mrs(0, iar), hvc(imm), msr(eoir, 0), ERET];
        let irq = take(code::ICC_IAR1_EL1, TOOK_IRQ as u32, ICC_EOIR1_EL1);
        machine.vectors.write_code(5 * 0x80, &irq);
        let fiq = take(ICC_IAR0_EL1, TOOK_FIQ as u32, ICC_EOIR0_EL1);
        machine.vectors.write_code(6 * 0x80, &fiq);
        machine.vectors.write_code(0x800, &[code::WFI, code::branch_back(1)]);
        machine
    }
}

/// The calling thread's vCPU.
pub struct Cpu {
    pub id: u64,
    exit: *const hv_vcpu_exit_t,
}

impl Cpu {
    /// A vCPU that was given no state.
    pub fn bare() -> Self {
        let (mut id, mut exit) = (u64::MAX, std::ptr::null());
        let code = raw::hv_vcpu_create(Some(&mut id), Some(&mut exit), DEFAULT);
        assert_eq!(code, SUCCESS);
        Self { id, exit }
    }

    /// A vCPU with an affinity: MPIDR_EL1.
    pub fn with_affinity(affinity: u64) -> Self {
        let cpu = Self::bare();
        assert_eq!(raw::hv_vcpu_set_sys_reg(cpu.id, MPIDR_EL1, affinity), SUCCESS);
        cpu
    }

    /// A vCPU that is about to enter [`CODE`]: its CPU interface is on, X1 is the address of its
    /// GICR_WAKER.
    pub fn ready(affinity: u64) -> Self {
        let cpu = Self::with_affinity(affinity);
        let base = ask(|base| hv_gic_get_redistributor_base(cpu.id, base));
        for (reg, value) in [(raw::PC, CODE), (raw::CPSR, EL1H_MASKED), (1, base + 0x14)] {
            assert_eq!(raw::hv_vcpu_set_reg(cpu.id, reg, value), SUCCESS);
        }
        assert_eq!(raw::hv_vcpu_set_sys_reg(cpu.id, VBAR_EL1, VECTORS), SUCCESS);
        for (reg, value) in [(Icc::PMR_EL1, 0xf0), (Icc::IGRPEN0_EL1, 1), (Icc::IGRPEN1_EL1, 1)] {
            assert_eq!(hv_gic_set_icc_reg(cpu.id, reg as u32, value), SUCCESS);
        }
        cpu
    }

    /// Runs until the next exit.
    pub fn run(&self) -> hv_vcpu_exit_t {
        crate::guest::watched(self.id, || assert_eq!(raw::hv_vcpu_run(self.id), SUCCESS));
        crate::raw_record::read(self.exit)
    }

    /// Runs until the guest does `hvc #imm`.
    pub fn run_to_hvc(&self, imm: u64) {
        let exit = self.run();
        assert_eq!(exit.reason, hv_exit_reason_t::EXCEPTION, "not hvc #{imm:#x}: {exit:x?}");
        let syndrome = exit.exception.syndrome;
        assert_eq!(syndrome, 0x5a00_0000 | imm, "not hvc #{imm:#x}, but {exit:x?}");
    }

    /// Runs until the guest has taken an IRQ; returns its INTID.
    pub fn take_irq(&self) -> u64 {
        self.run_to_hvc(TOOK_IRQ);
        raw::reg(self.id, 0)
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        raw::hv_vcpu_destroy(self.id);
    }
}

/// What a call with a result gives, which must succeed.
pub fn ask<T: Default>(call: impl FnOnce(Option<&mut T>) -> i32) -> T {
    let (code, value) = raw::ask(call);
    assert_eq!(code, SUCCESS);
    value
}

/// A register of the distributor.
pub fn gicd(reg: u32) -> u64 {
    ask(|value| hv_gic_get_distributor_reg(reg, value))
}

/// Writes a register of the distributor.
pub fn set_gicd(reg: u32, value: u64) {
    assert_eq!(hv_gic_set_distributor_reg(reg, value), SUCCESS, "register {reg:#x}");
}

/// A register of a vCPU's redistributor.
pub fn gicr(vcpu: u64, reg: u32) -> u64 {
    ask(|value| hv_gic_get_redistributor_reg(vcpu, reg, value))
}

/// Writes a register of a vCPU's redistributor.
pub fn set_gicr(vcpu: u64, reg: u32, value: u64) {
    assert_eq!(hv_gic_set_redistributor_reg(vcpu, reg, value), SUCCESS, "register {reg:#x}");
}

/// A register of a vCPU's CPU interface.
pub fn icc(vcpu: u64, reg: Icc) -> u64 {
    ask(|value| hv_gic_get_icc_reg(vcpu, reg as u32, value))
}

/// A group of interrupts, and how the distributor signals it with one security state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// FIQ.
    Zero,
    /// IRQ.
    One,
}

/// Turns both groups and affinity routing on (GICD_CTLR: EnableGrp0, EnableGrp1, ARE).
pub fn distribute() {
    set_gicd(Gicd::CTLR as u32, 0b1_0011);
}

/// Enables an SPI of a group with priority 0x80, level-sensitive, for the PE with affinity 0.
pub fn enable_spi(intid: u32, group: Group) {
    let (word, bit) = (4 * (intid / 32), 1u64 << (intid % 32));
    let groups = gicd(Gicd::IGROUPR0 as u32 + word);
    let groups = if group == Group::One { groups | bit } else { groups & !bit };
    set_gicd(Gicd::IGROUPR0 as u32 + word, groups);
    let (priorities, shift) = (Gicd::IPRIORITYR0 as u32 + intid / 4 * 4, 8 * (intid % 4));
    set_gicd(priorities, gicd(priorities) & !(0xff << shift) | 0x80 << shift);
    set_gicd(Gicd::IROUTER32 as u32 + 8 * (intid - 32), 0);
    set_gicd(Gicd::ISENABLER0 as u32 + word, bit);
}

/// Makes an SPI edge-triggered: the upper bit of its two in GICD_ICFGR.
pub fn make_edge(intid: u32) {
    let (reg, bit) = (Gicd::ICFGR0 as u32 + 4 * (intid / 16), 2u64 << (2 * (intid % 16)));
    set_gicd(reg, gicd(reg) | bit);
}

/// Whether an SPI is in the distributor's array of bits that begins at `array`.
pub fn has(array: Gicd, intid: u32) -> bool {
    gicd(array as u32 + 4 * (intid / 32)) >> (intid % 32) & 1 != 0
}
