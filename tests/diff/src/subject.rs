//! Our CPU, through the traits that every engine fulfils: a VM with just enough at EL1 for a
//! program at EL0 to run and to fault.
//!
//! ```text
//!   IPA      page 0     1         2  3      4    5    6         7           8
//!            code       vectors   window    L1   L2   L3 code   L3 window   L0
//!   VA       CODE       CODE + 4K WINDOW
//!   EL0      read, exec -         read, write
//! ```
//!
//! The 48-bit address space (T0SZ = 16, as QEMU's user mode has it: pointers' codes begin there)
//! starts at level 0; both regions are in its second gigabyte. Every vector is an HVC: whatever EL0 does, `run` returns.

use crate::case::{Case, End, Outcome, State};
use crate::machine::{CODE, PAGE, WINDOW, WINDOW_PAGES, WINDOW_WORDS, window_address};
use anyvisor_arch::descriptor::{
    AF, AP_EL0, AP_READ_ONLY, Granule, PXN, SH_INNER, TABLE_OR_PAGE, UXN, VALID,
};
use anyvisor_arch::esr::{Esr, ExceptionClass, FaultStatus};
use anyvisor_arch::pstate::{DAIF, Mode, NZCV, Vector, vector_offset};
use anyvisor_arch::sysreg::SysReg;
use anyvisor_arch::{mair, sctlr, tcr};
use anyvisor_cpu::Software;
use anyvisor_cpu::model::{Model, Processor};
use anyvisor_cpu::software::Stopwatch;
use anyvisor_vm::{Cancel, Engine, Exit, HvError, Perms, Reg, Vcpu, VcpuConfig, Vm, VmConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

/// A multiple of four: stage 2 is mapped by 16 KiB.
const PAGES: u64 = 12;
const CODE_PAGE: u64 = 0;
const VECTOR_PAGE: u64 = 1;
const WINDOW_PAGE: u64 = 2;
const L1_PAGE: u64 = 4;
const L2_PAGE: u64 = 5;
const L3_CODE_PAGE: u64 = 6;
const L3_WINDOW_PAGE: u64 = 7;
const L0_PAGE: u64 = 8;

/// Where VBAR_EL1 points.
const VECTORS: u64 = CODE + PAGE;
/// HVC #0.
const HVC: u64 = 0xd400_0002;
/// CPACR_EL1.FPEN: no trap of FP and SIMD.
const FPEN: u64 = 0b11 << 20;
/// Bits of a virtual address.
const VA_BITS: u32 = 48;
const IPA_BITS: u32 = 36;
/// How long a batch may take: a few milliseconds are usual.
const PATIENCE: Duration = Duration::from_secs(20);

#[repr(C, align(16384))]
struct Ram([AtomicU64; (PAGES * PAGE / 8) as usize]);

impl Ram {
    fn put(&self, page: u64, offset: u64, value: u64) {
        self.0[((page * PAGE + offset) / 8) as usize].store(value.to_le(), Ordering::Relaxed);
    }

    fn get(&self, page: u64, offset: u64) -> u64 {
        u64::from_le(self.0[((page * PAGE + offset) / 8) as usize].load(Ordering::Relaxed))
    }
}

/// A vCPU that can be given cases. The fields are dropped in this order: the RAM last.
pub struct Subject {
    vcpu: Box<dyn Vcpu>,
    _vm: Arc<dyn Vm>,
    ram: Box<Ram>,
    alive: Sender<()>,
}

impl Subject {
    /// A VM with one vCPU, ready for cases.
    ///
    /// # Errors
    /// What the engine refuses.
    pub fn new() -> Result<Self, HvError> {
        let ram = Box::new(Ram([const { AtomicU64::new(0) }; (PAGES * PAGE / 8) as usize]));
        fill(&ram);
        // No case can see the time.
        let stopwatch = Stopwatch { read: || 0, nanoseconds: |_| 0 };
        // The model with most features: the others are UNDEFINED by their rows' `needs`.
        let processor = Processor { model: Model::M2, pmu: false };
        let engine = Software { clock: || 0, stopwatch, processor };
        let vm = engine.create_vm(&VmConfig { ipa_bits: IPA_BITS, granule: 0x4000 })?;
        vm.map(ram.0.as_ptr() as usize, 0, PAGES * PAGE, Perms::all())?;
        let mut vcpu = vm.create_vcpu(0, &VcpuConfig { ipa_bits: IPA_BITS })?;
        let control = tcr::T0SZ.put(64 - u64::from(VA_BITS)) | tcr::tg0(Granule::K4);
        // What Linux gives its programs: an address's top byte is ignored; waits, cache
        // maintenance by address and DC ZVA are allowed; SP is checked.
        let system = sctlr::RESET | sctlr::M | sctlr::C | sctlr::I | sctlr::SA0;
        let programs = sctlr::N_TWI | sctlr::N_TWE | sctlr::UCI | sctlr::UCT | sctlr::DZE;
        for (register, value) in [
            (SysReg::VBAR_EL1, VECTORS),
            (SysReg::MAIR_EL1, mair::of(&[mair::NORMAL_WB])),
            (SysReg::TCR_EL1, control | tcr::EPD1 | tcr::TBI0),
            (SysReg::TTBR0_EL1, L0_PAGE * PAGE),
            (SysReg::SCTLR_EL1, system | programs),
            (SysReg::CPACR_EL1, FPEN),
        ] {
            set(&mut *vcpu, register, value)?;
        }
        let alive = watch(vcpu.canceller());
        Ok(Self { vcpu, _vm: vm, ram, alive })
    }

    /// Puts a batch's code into the code page.
    pub fn load(&mut self, code: &[u32]) {
        for (i, pair) in code.as_chunks().0.iter().enumerate() {
            let [low, high] = pair.map(u64::from);
            self.ram.put(CODE_PAGE, 8 * i as u64, high << 32 | low);
        }
        let _ = self.alive.send(());
    }

    /// Runs one case of the batch.
    ///
    /// # Errors
    /// What the engine refuses.
    pub fn run(&mut self, case: &Case) -> Result<Outcome, HvError> {
        let state = &case.state;
        for (i, word) in state.window.iter().enumerate() {
            self.ram.put(WINDOW_PAGE, window_address(i) - WINDOW, *word);
        }
        for (n, x) in state.x.iter().enumerate() {
            self.vcpu.set_reg(Reg::X(n as u8), *x);
        }
        for (n, v) in state.v.iter().enumerate() {
            self.vcpu.set_simd_reg(n as u8, *v);
        }
        self.vcpu.set_reg(Reg::Fpcr, state.fpcr.into());
        self.vcpu.set_reg(Reg::Fpsr, state.fpsr.into());
        set(&mut *self.vcpu, SysReg::SP_EL0, state.sp)?;
        self.vcpu.set_reg(Reg::Cpsr, state.nzcv | DAIF | Mode::El0t.bits());
        self.vcpu.set_reg(Reg::Pc, state.pc);
        let end = self.run_to_end()?;
        let (pc, nzcv) = match end {
            End::Other(_) => (self.vcpu.reg(Reg::Pc), self.vcpu.reg(Reg::Cpsr)),
            _ => (self.get(SysReg::ELR_EL1)?, self.get(SysReg::SPSR_EL1)?),
        };
        let mut after = State {
            x: [0; 31],
            sp: self.get(SysReg::SP_EL0)?,
            pc,
            nzcv: nzcv & NZCV,
            v: std::array::from_fn(|n| self.vcpu.simd_reg(n as u8)),
            fpcr: self.vcpu.reg(Reg::Fpcr) as u32,
            fpsr: self.vcpu.reg(Reg::Fpsr) as u32,
            window: [0; WINDOW_WORDS],
        };
        for (n, x) in after.x.iter_mut().enumerate() {
            *x = self.vcpu.reg(Reg::X(n as u8));
        }
        for (i, word) in after.window.iter_mut().enumerate() {
            *word = self.ram.get(WINDOW_PAGE, window_address(i) - WINDOW);
        }
        Ok(Outcome { end, state: after })
    }

    fn get(&self, register: SysReg) -> Result<u64, HvError> {
        self.vcpu.sys_reg(id(register)?)
    }

    /// Runs until the HVC of the vector for exceptions from EL0.
    fn run_to_end(&mut self) -> Result<End, HvError> {
        let vector = VECTORS + vector_offset(Mode::El0t, Vector::Synchronous);
        loop {
            let Exit::Exception(exit) = self.vcpu.run()? else { return Ok(End::Other(0)) };
            match Esr(exit.syndrome).class() {
                Ok(ExceptionClass::Hvc) if self.vcpu.reg(Reg::Pc) == vector + 4 => {
                    return self.taken();
                }
                // A hypervisor that has nothing else to do goes on after the wait.
                Ok(ExceptionClass::Wait) => {
                    let pc = self.vcpu.reg(Reg::Pc);
                    self.vcpu.set_reg(Reg::Pc, pc + 4);
                }
                _ => return Ok(End::Other(exit.syndrome)),
            }
        }
    }

    /// What the exception that EL1 has taken means to a program.
    fn taken(&self) -> Result<End, HvError> {
        let esr = Esr(self.get(SysReg::ESR_EL1)?);
        let status = match (esr.data_abort(), esr.instruction_abort()) {
            (Some(abort), _) => Some(abort.status),
            (_, Some(abort)) => Some(abort.status),
            _ => None,
        };
        Ok(match (esr.class(), status) {
            (_, Some(FaultStatus::Alignment)) => End::Misaligned,
            (_, Some(_)) => End::Abort(self.get(SysReg::FAR_EL1)?),
            (Ok(ExceptionClass::PcAlignment | ExceptionClass::SpAlignment), _) => End::Misaligned,
            (Ok(ExceptionClass::Unknown | ExceptionClass::System), _) => End::Undefined,
            (Ok(ExceptionClass::Brk), _) => End::Breakpoint,
            _ => End::Other(esr.0),
        })
    }
}

/// Cancels a vCPU that has been in one batch for too long: its case ends, and is reported.
fn watch(canceller: Arc<dyn Cancel>) -> Sender<()> {
    let (alive, heard) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            match heard.recv_timeout(PATIENCE) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => canceller.cancel(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    alive
}

fn id(register: SysReg) -> Result<u16, HvError> {
    register.api_id().ok_or(HvError::NoSysReg(register.encoding().0))
}

fn set(vcpu: &mut dyn Vcpu, register: SysReg, value: u64) -> Result<(), HvError> {
    vcpu.set_sys_reg(id(register)?, value)
}

/// Writes tables and vectors.
fn fill(ram: &Ram) {
    let index = |va, level| 8 * Granule::K4.index(va, level, VA_BITS);
    let table = |page: u64| (page * PAGE) | TABLE_OR_PAGE | VALID;
    let leaf = |page: u64, rights| (page * PAGE) | rights | AF | SH_INNER | TABLE_OR_PAGE | VALID;
    ram.put(L0_PAGE, index(CODE, 0), table(L1_PAGE));
    for (va, l3) in [(CODE, L3_CODE_PAGE), (WINDOW, L3_WINDOW_PAGE)] {
        ram.put(L1_PAGE, index(va, 1), table(L2_PAGE));
        ram.put(L2_PAGE, index(va, 2), table(l3));
    }
    ram.put(L3_CODE_PAGE, index(CODE, 3), leaf(CODE_PAGE, AP_EL0 | AP_READ_ONLY | PXN));
    ram.put(L3_CODE_PAGE, index(VECTORS, 3), leaf(VECTOR_PAGE, AP_READ_ONLY | UXN));
    for i in 0..WINDOW_PAGES {
        let entry = leaf(WINDOW_PAGE + i, AP_EL0 | UXN | PXN);
        ram.put(L3_WINDOW_PAGE, index(WINDOW + i * PAGE, 3), entry);
    }
    for vector in (0..0x800).step_by(0x80) {
        ram.put(VECTOR_PAGE, vector, HVC);
    }
}
