//! The software engine behind the traits of `anyvisor_vm`.

use crate::debug;
use crate::gic::{self, SharedGic};
use crate::interp::{self, CodeCache, End};
use crate::mmu::{Domain, Tlb};
use crate::model::Processor;
use crate::state::{Cpu, Pstate};
use crate::sysreg;
use anyvisor_arch::esr::{self, Wait};
use anyvisor_arch::gic::Icc;
use anyvisor_arch::id::{CNTFRQ_EL0 as COUNTER_HZ, pfr0};
use anyvisor_arch::pstate::{self, Mode, Spsr};
use anyvisor_arch::sysreg::{Kind, SysReg};
use anyvisor_bugs::{Bug, is};
use anyvisor_gic::Gic;
use anyvisor_vm::{
    Attention, Cancel, Engine, Exit, FeatureReg, GicConfig, GicGeometry, GuestMemory, HvError,
    InterruptController, Line, Perms, Reg, Vcpu, VcpuConfig, Vm, VmConfig,
};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The engine. Its clocks are its user's.
pub struct Software {
    /// The host counter in ticks of CNTFRQ_EL0, 24 MHz: what CNTPCT_EL0 shows.
    pub clock: fn() -> u64,
    /// What measures the time in the guest.
    pub stopwatch: Stopwatch,
    /// Which processor it shows.
    pub processor: Processor,
}

/// A counter that is cheap enough to be read at every entry and exit.
#[derive(Clone, Copy)]
pub struct Stopwatch {
    /// Reads it, in units of its own.
    pub read: fn() -> u64,
    /// What a difference of two readings is in nanoseconds.
    pub nanoseconds: fn(u64) -> u64,
}

/// The widest IPA: what Hypervisor.framework's 16 KiB granule reaches (its 4 KiB granule, 40).
const MAX_IPA_BITS: u32 = 42;
/// vCPU slots of Hypervisor.framework.
const MAX_VCPUS: u32 = 64;
const _: () = assert!(MAX_VCPUS as usize <= anyvisor_gic::MOST_PES, "each has a redistributor");

impl Engine for Software {
    fn max_ipa_bits(&self) -> u32 {
        MAX_IPA_BITS
    }

    fn max_vcpus(&self) -> u32 {
        MAX_VCPUS
    }

    fn feature_reg(&self, reg: FeatureReg) -> Result<u64, HvError> {
        let register = match reg {
            FeatureReg::Dfr0 => SysReg::ID_AA64DFR0_EL1,
            FeatureReg::Dfr1 => SysReg::ID_AA64DFR1_EL1,
            FeatureReg::Isar0 => SysReg::ID_AA64ISAR0_EL1,
            FeatureReg::Isar1 => SysReg::ID_AA64ISAR1_EL1,
            FeatureReg::Mmfr0 => SysReg::ID_AA64MMFR0_EL1,
            FeatureReg::Mmfr1 => SysReg::ID_AA64MMFR1_EL1,
            FeatureReg::Mmfr2 => SysReg::ID_AA64MMFR2_EL1,
            FeatureReg::Pfr0 => SysReg::ID_AA64PFR0_EL1,
            FeatureReg::Pfr1 => SysReg::ID_AA64PFR1_EL1,
            FeatureReg::Ctr => SysReg::CTR_EL0,
            FeatureReg::Clidr => SysReg::CLIDR_EL1,
            FeatureReg::Dczid => SysReg::DCZID_EL0,
            // Without SME and SVE they are there and read as zero, to the guest as well.
            FeatureReg::Smfr0 => SysReg::ID_AA64SMFR0_EL1,
            FeatureReg::Zfr0 => SysReg::ID_AA64ZFR0_EL1,
        };
        Ok(self.processor.id_register(register))
    }

    fn ccsidr(&self, instruction: bool) -> [u64; 8] {
        std::array::from_fn(|level| sysreg::cache::ccsidr(level as u32 + 1, instruction))
    }

    fn gic_geometry(&self) -> Option<GicGeometry> {
        Some(gic::geometry(MAX_VCPUS))
    }

    fn create_vm(&self, config: &VmConfig) -> Result<Arc<dyn Vm>, HvError> {
        let memory = Arc::new(GuestMemory::new(config.ipa_bits, config.granule));
        Ok(Arc::new(SoftwareVm {
            memory,
            clock: self.clock,
            stopwatch: self.stopwatch,
            processor: self.processor,
            ipa_bits: config.ipa_bits,
            domain: Arc::default(),
            gic: OnceLock::new(),
        }))
    }
}

struct SoftwareVm {
    memory: Arc<GuestMemory>,
    clock: fn() -> u64,
    stopwatch: Stopwatch,
    processor: Processor,
    ipa_bits: u32,
    domain: Arc<Domain>,
    gic: OnceLock<Arc<SharedGic>>,
}

impl Vm for SoftwareVm {
    fn map(&self, host: usize, ipa: u64, size: u64, perms: Perms) -> Result<(), HvError> {
        self.memory.map(host, ipa, size, perms)
    }

    fn unmap(&self, ipa: u64, size: u64) -> Result<(), HvError> {
        self.memory.unmap(ipa, size)
    }

    fn protect(&self, ipa: u64, size: u64, perms: Perms) -> Result<(), HvError> {
        self.memory.protect(ipa, size, perms)
    }

    fn uses_host_memory(&self, host: usize, size: u64) -> bool {
        self.memory.uses_host_memory(host, size)
    }

    fn create_gic(&self, config: &GicConfig) -> Result<Arc<dyn InterruptController>, HvError> {
        let gic = Arc::new(SharedGic::new(config));
        self.gic.set(gic.clone()).map_err(|_| HvError::GicExists)?;
        Ok(gic)
    }

    fn create_vcpu(&self, id: u64, _config: &VcpuConfig) -> Result<Box<dyn Vcpu>, HvError> {
        let bell = Arc::new(Bell(Arc::new(Attention::default())));
        self.memory.attend(&bell.0);
        // MPIDR_EL1: bit 31 is RES1, affinity 0 is the vCPU's number until its user says more.
        let mpidr = 1 << 31 | id;
        let mut cpu = Cpu::of(self.processor, self.ipa_bits, mpidr);
        if let Some(gic) = self.gic.get() {
            cpu.gic = Some(gic.connect(id as usize, mpidr, &bell.0));
            let pfr0 = cpu.get(SysReg::ID_AA64PFR0_EL1);
            cpu.set(SysReg::ID_AA64PFR0_EL1, pfr0::GIC.set(pfr0, pfr0::GIC_SYSTEM_REGISTERS));
        }
        Ok(Box::new(SoftwareVcpu {
            cpu,
            tlb: Tlb::of(self.domain.join(&bell.0)),
            code: CodeCache::default(),
            memory: self.memory.clone(),
            bell,
            clock: self.clock,
            stopwatch: self.stopwatch,
            ran_for: 0,
        }))
    }
}

struct Bell(Arc<Attention>);

impl Cancel for Bell {
    fn cancel(&self) {
        self.0.ring(Attention::CANCEL);
    }
}

struct SoftwareVcpu {
    cpu: Cpu,
    tlb: Tlb,
    code: CodeCache,
    memory: Arc<GuestMemory>,
    bell: Arc<Bell>,
    clock: fn() -> u64,
    stopwatch: Stopwatch,
    /// Time spent in `run`, in units of the stopwatch.
    ran_for: u64,
}

/// Refuses a PSTATE that hardware would not enter a guest with.
fn check_cpsr(pstate: Pstate) -> Result<(), HvError> {
    match Spsr(pstate.0).mode() {
        Some(Mode::El0t | Mode::El1t | Mode::El1h) => Ok(()),
        Some(Mode::El2t | Mode::El2h) => Err(HvError::IllegalCpsr(pstate.0, "there is no EL2")),
        None if pstate.any(pstate::AARCH32) => {
            Err(HvError::IllegalCpsr(pstate.0, "there is no AArch32"))
        }
        None => Err(HvError::IllegalCpsr(pstate.0, "M[4:0] is reserved")),
    }
}

/// The ticks of CNTFRQ_EL0 in a duration, rounded up: a deadline must not come early.
fn duration(ticks: u64) -> Duration {
    let nanoseconds = (u128::from(ticks) * 1_000_000_000).div_ceil(u128::from(COUNTER_HZ));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// How long a WFE waits that comes after a load-exclusive. Another PE's store to the marked
/// location is an event as well (DDI 0487 D1.6.1, the global monitor), and nobody tells of it here:
/// the guest looks again.
const MARKED_WAIT: Duration = Duration::from_micros(50);

impl SoftwareVcpu {
    /// Sleeps until there is an interrupt, a deadline of a timer, or somebody who wants out; in WFE
    /// also until there is an event.
    fn wait(&mut self, which: Wait) {
        let bell = &self.bell.0;
        let event = if which == Wait::Event { Attention::EVENT } else { 0 };
        let wake = Attention::CANCEL | Attention::INTERRUPT | event;
        loop {
            let now = (self.clock)();
            bell.take(Attention::INTERRUPT);
            self.cpu.drive_ppis(now);
            if self.cpu.wakes(which) || bell.pending() & Attention::CANCEL != 0 {
                return;
            }
            // The event that ends a WFE is used up by it.
            if bell.take(event) != 0 {
                return;
            }
            let mut limit = self.cpu.next_timer(now).map(duration);
            let mut last = false;
            if which == Wait::Event {
                let marked = self.cpu.exclusive.is_some().then_some(MARKED_WAIT);
                let stream = self.cpu.next_event(now).map(duration);
                for more in [marked, stream].into_iter().flatten() {
                    if limit.is_none_or(|limit| more < limit) {
                        (limit, last) = (Some(more), true);
                    }
                }
            }
            bell.sleep(wake, limit);
            if last {
                return;
            }
        }
    }
}

/// The register of the CPU interface with an ID of `hv_gic_icc_reg_t`.
fn cpu_interface_register(id: u16) -> Result<Icc, HvError> {
    let found = SysReg::ALL.iter().map(|register| register.row()).find_map(|row| match row.kind {
        Kind::InterruptController(icc) if row.encoding.0 == id => {
            Gic::has_register(icc).then_some(icc)
        }
        _ => None,
    });
    found.ok_or(HvError::NoSysReg(id))
}

impl Vcpu for SoftwareVcpu {
    fn run(&mut self) -> Result<Exit, HvError> {
        check_cpsr(self.cpu.pstate)?;
        // Bits that PSTATE, FPCR and FPSR do not have: readable back by the API until the guest runs.
        self.cpu.pstate.0 &= self.cpu.spsr_fields();
        for register in [SysReg::FPCR, SysReg::FPSR] {
            let value = register.row().masked(self.cpu.get(register));
            self.cpu.set(register, value);
        }
        let stepped = debug::return_ss(&self.cpu, self.cpu.pstate.0, true);
        self.cpu.pstate.put(pstate::SS, stepped);
        if std::mem::take(&mut self.cpu.tlb_stale) {
            self.tlb.flush_all();
        }
        // A hypervisor enters its guest by an exception return, which clears the local exclusive
        // monitor (DDI 0487, `AArch64.ExceptionReturn`).
        self.cpu.exclusive = None;
        self.cpu.stepped = None;
        let exit = loop {
            let start = (self.stopwatch.read)();
            let Self { cpu, tlb, code, memory, bell, clock, .. } = self;
            let end = interp::run(cpu, tlb, code, memory, &bell.0, &*clock);
            self.ran_for += (self.stopwatch.read)().saturating_sub(start);
            match end {
                End::Exit(exit) => break exit,
                End::Wait(which) => self.wait(which),
            }
        };
        // The lines hold for one run.
        self.cpu.irq = self.cpu.irq && is(Bug::PendingInterruptKept);
        self.cpu.fiq = false;
        if is(Bug::SimdUpperLost) {
            self.cpu.v.iter_mut().for_each(|v| *v &= u128::from(u64::MAX));
        }
        if is(Bug::FpcrLostOnExit) {
            self.cpu.set(SysReg::FPCR, 0);
        }
        Ok(exit)
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        self.bell.clone()
    }

    fn reg(&self, reg: Reg) -> u64 {
        match reg {
            Reg::X(n) => self.cpu.x[usize::from(n) & 31],
            Reg::Pc => self.cpu.pc,
            Reg::Fpcr => self.cpu.get(SysReg::FPCR),
            Reg::Fpsr => self.cpu.get(SysReg::FPSR),
            Reg::Cpsr => self.cpu.pstate.0,
        }
    }

    fn set_reg(&mut self, reg: Reg, value: u64) {
        match reg {
            Reg::X(31..) => {}
            Reg::X(n) => self.cpu.x[usize::from(n)] = value,
            Reg::Pc => self.cpu.pc = value,
            Reg::Fpcr => self.cpu.set(SysReg::FPCR, value),
            Reg::Fpsr => self.cpu.set(SysReg::FPSR, value),
            // What follows from it for translation is `run`'s: it may not even be a state to run in.
            Reg::Cpsr => self.cpu.pstate = Pstate(value),
        }
    }

    fn simd_reg(&self, n: u8) -> u128 {
        self.cpu.v[usize::from(n) & 31]
    }

    fn set_simd_reg(&mut self, n: u8, value: u128) {
        self.cpu.v[usize::from(n) & 31] = value;
    }

    fn sys_reg(&self, id: u16) -> Result<u64, HvError> {
        sysreg::api_read(&self.cpu, id, &self.clock).ok_or(HvError::NoSysReg(id))
    }

    fn set_sys_reg(&mut self, id: u16, value: u64) -> Result<(), HvError> {
        let written = sysreg::api_write(&mut self.cpu, id, value, &self.clock);
        if let Some(gic) = &self.cpu.gic
            && Some(id) == SysReg::MPIDR_EL1.api_id()
        {
            gic.set_affinity(self.cpu.get(SysReg::MPIDR_EL1));
        }
        self.cpu.regime_changed();
        written.ok_or(HvError::NoSysReg(id))
    }

    fn pending_interrupt(&self, line: Line) -> bool {
        match line {
            Line::Irq => self.cpu.irq,
            Line::Fiq => self.cpu.fiq,
        }
    }

    fn set_pending_interrupt(&mut self, line: Line, pending: bool) {
        match line {
            Line::Irq => self.cpu.irq = pending,
            Line::Fiq if is(Bug::FiqDeliveredAsIrq) => self.cpu.irq = pending,
            Line::Fiq => self.cpu.fiq = pending,
        }
    }

    fn inject_serror(&mut self, iss: u64) {
        self.cpu.serror = Some(esr::ISS.get(iss));
    }

    fn pending_serror(&self) -> bool {
        self.cpu.serror.is_some()
    }

    fn vtimer_mask(&self) -> bool {
        self.cpu.vtimer_mask
    }

    fn set_vtimer_mask(&mut self, masked: bool) {
        self.cpu.vtimer_mask = masked;
    }

    fn vtimer_offset(&self) -> u64 {
        self.cpu.vtimer_offset
    }

    fn set_vtimer_offset(&mut self, offset: u64) {
        self.cpu.vtimer_offset = offset;
    }

    fn trap_debug_exceptions(&self) -> bool {
        self.cpu.trap_debug_exceptions
    }

    fn set_trap_debug_exceptions(&mut self, trap: bool) {
        self.cpu.trap_debug_exceptions = trap;
        self.cpu.regime_changed();
    }

    fn trap_debug_reg_accesses(&self) -> bool {
        self.cpu.trap_debug_reg_accesses
    }

    fn set_trap_debug_reg_accesses(&mut self, trap: bool) {
        self.cpu.trap_debug_reg_accesses = trap;
    }

    fn redistributor_register(&mut self, offset: u32) -> Result<u64, HvError> {
        self.cpu.drive_ppis((self.clock)());
        Ok(self.cpu.gic.as_ref().ok_or(HvError::NoGic)?.redistributor_register(offset))
    }

    fn set_redistributor_register(&mut self, offset: u32, value: u64) -> Result<(), HvError> {
        self.cpu.drive_ppis((self.clock)());
        let gic = self.cpu.gic.as_ref().ok_or(HvError::NoGic)?;
        gic.set_redistributor_register(offset, value);
        Ok(())
    }

    fn cpu_interface_register(&self, id: u16) -> Result<u64, HvError> {
        let gic = self.cpu.gic.as_ref().ok_or(HvError::NoGic)?;
        Ok(gic.read(cpu_interface_register(id)?))
    }

    fn set_cpu_interface_register(&mut self, id: u16, value: u64) -> Result<(), HvError> {
        let gic = self.cpu.gic.as_ref().ok_or(HvError::NoGic)?;
        gic.write(cpu_interface_register(id)?, value);
        Ok(())
    }

    fn exec_time(&self) -> u64 {
        (self.stopwatch.nanoseconds)(self.ran_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MRS X0, FPCR; MRS X1, FPSR; HVC #0
    const WORDS: [u32; 3] = [0xd53b_4400, 0xd53b_4421, 0xd400_0002];

    #[test]
    fn a_guest_sees_no_bits_that_its_registers_do_not_have() {
        let clock = || 0;
        let stopwatch = Stopwatch { read: clock, nanoseconds: |ticks| ticks };
        let engine = Software { clock, stopwatch, processor: Processor::default() };
        let vm = engine.create_vm(&VmConfig { ipa_bits: 36, granule: 0x4000 }).unwrap();
        let mut host = vec![0u32; 0x8000 / 4];
        let base = (host.as_ptr() as usize).next_multiple_of(0x4000);
        let first = (base - host.as_ptr() as usize) / 4;
        host[first..][..WORDS.len()].copy_from_slice(&WORDS);
        vm.map(base, 0, 0x4000, Perms::all()).unwrap();
        let mut vcpu = vm.create_vcpu(0, &VcpuConfig::default()).unwrap();
        // CPACR_EL1.FPEN
        vcpu.set_sys_reg(0xc082, 3 << 20).unwrap();
        vcpu.set_reg(Reg::Fpcr, u64::MAX);
        vcpu.set_reg(Reg::Fpsr, u64::MAX);
        assert_eq!(vcpu.reg(Reg::Fpcr), u64::MAX);
        assert!(matches!(vcpu.run(), Ok(Exit::Exception(_))));
        // AHP, DN, FZ, RMode, FZ16; QC, IDC and the five of IEEE 754.
        assert_eq!(vcpu.reg(Reg::X(0)), 0x07c8_0000);
        assert_eq!(vcpu.reg(Reg::X(1)), 0x0800_009f);
        drop(vcpu);
        vm.unmap(0, 0x4000).unwrap();
    }
}
