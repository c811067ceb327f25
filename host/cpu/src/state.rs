//! The architectural state of one processing element, and nothing of how it is executed.

use crate::gic::CpuInterface;
use crate::mmu::Regime;
use crate::model::{Feature, Processor};
use crate::pmu::Pmu;
use anyvisor_arch::esr::Wait;
use anyvisor_arch::pstate;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_bugs::{Bug, is};
use anyvisor_timer::Timer;

/// PSTATE, kept in the form in which SPSR_EL1 holds it; the bits are those of
/// [`anyvisor_arch::pstate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pstate(pub u64);

impl Pstate {
    /// The exception level: 0 or 1.
    #[inline(always)]
    pub fn el(self) -> u8 {
        (self.0 >> pstate::CURRENT_EL_SHIFT) as u8 & 3
    }

    /// Which of the two stack pointers is SP: 0 for SP_EL0, 1 for SP_EL1.
    #[inline(always)]
    pub fn sp_index(self) -> usize {
        (self.0 & pstate::SPSEL_SP) as usize
    }

    /// Whether any bit of `mask` is set.
    #[inline(always)]
    pub fn any(self, mask: u64) -> bool {
        self.0 & mask != 0
    }

    /// Sets or clears the bits of `mask`.
    #[inline(always)]
    pub fn put(&mut self, mask: u64, on: bool) {
        if on { self.0 |= mask } else { self.0 &= !mask }
    }
}

/// What the exclusive monitor remembers of the last load-exclusive (DDI 0487 B2.12).
///
/// A store-exclusive succeeds if it goes to the same place with the same size and the memory
/// still holds what was loaded: a compare-and-swap on host memory. Like every implementation by
/// compare-and-swap it does not see a value that was changed and changed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exclusive {
    /// Guest physical address.
    pub ipa: u64,
    /// Bytes marked: 1 to 16.
    pub bytes: u8,
    /// What was loaded.
    pub value: u128,
}

/// The state of one vCPU.
pub struct Cpu {
    /// X0 to X30; the last is XZR and always 0.
    pub x: [u64; 32],
    /// SP_EL0 and SP_EL1.
    pub sp: [u64; 2],
    /// The address of the instruction being executed.
    pub pc: u64,
    /// PSTATE.
    pub pstate: Pstate,
    /// Q0 to Q31.
    pub v: [u128; 32],
    /// System registers with storage, by [`SysReg`].
    pub sys: Box<[u64; SysReg::COUNT]>,
    /// The local exclusive monitor.
    pub exclusive: Option<Exclusive>,
    /// The event register of WFE (DDI 0487 D1.6.1).
    pub event: bool,
    /// The virtual timer.
    pub vtimer: Timer,
    /// The physical timer. Its output goes to the GIC, if there is one.
    pub ptimer: Timer,
    /// CNTVCT_EL0 = host counter - this.
    pub vtimer_offset: u64,
    /// The virtual timer's exit is masked.
    pub vtimer_mask: bool,
    /// The IRQ and FIQ lines, as the caller of the API set them.
    pub irq: bool,
    /// See `irq`.
    pub fiq: bool,
    /// This PE's end of the GIC, if the VM has one.
    pub gic: Option<CpuInterface>,
    /// An SError interrupt that waits to be taken: its ISS.
    pub serror: Option<u64>,
    /// The OS Lock, which keeps debug exceptions off while it is held.
    pub os_lock: bool,
    /// Debug exceptions go to the caller of the API instead of the guest.
    pub trap_debug_exceptions: bool,
    /// Accesses to debug registers go to the caller of the API.
    pub trap_debug_reg_accesses: bool,
    /// The last instruction was stepped (`None`: it was not); whether it was a load-exclusive.
    pub stepped: Option<bool>,
    /// Translations that a TLB may hold are stale: drop them all before the next access.
    pub tlb_stale: bool,
    /// What address translation derives from SCTLR, TCR, TTBR and PSTATE.
    pub regime: Regime,
    /// Width of a guest physical address.
    pub ipa_bits: u32,
    /// Instructions that have been executed, up to the last time that somebody asked.
    pub instructions: u64,
    /// The performance monitors.
    pub pmu: Pmu,
    /// Which processor it is.
    pub processor: Processor,
}

impl Cpu {
    /// A vCPU of the default processor after reset: EL1h, everything masked, MMU off, PC 0.
    pub fn new(ipa_bits: u32, mpidr: u64) -> Self {
        Self::of(Processor::default(), ipa_bits, mpidr)
    }

    /// A vCPU of `processor` after reset.
    pub fn of(processor: Processor, ipa_bits: u32, mpidr: u64) -> Self {
        let mut cpu = Self {
            x: [0; 32],
            sp: [0; 2],
            pc: 0,
            pstate: Pstate(pstate::RESET),
            v: [0; 32],
            sys: Box::new(std::array::from_fn(|i| SysReg::ALL[i].row().reset)),
            exclusive: None,
            event: false,
            vtimer: Timer::default(),
            ptimer: Timer::default(),
            vtimer_offset: 0,
            vtimer_mask: false,
            irq: false,
            fiq: false,
            gic: None,
            serror: None,
            os_lock: false,
            trap_debug_exceptions: false,
            trap_debug_reg_accesses: false,
            stepped: None,
            tlb_stale: false,
            regime: Regime::default(),
            ipa_bits,
            instructions: 0,
            pmu: Pmu::default(),
            processor,
        };
        cpu.set(SysReg::MPIDR_EL1, mpidr);
        crate::sysreg::id::reset(&mut cpu);
        cpu.regime_changed();
        cpu
    }

    /// The stored value of a system register.
    #[inline(always)]
    pub fn get(&self, reg: SysReg) -> u64 {
        self.sys[reg as usize]
    }

    /// Stores a system register's value, with no effect beyond that.
    #[inline(always)]
    pub fn set(&mut self, reg: SysReg, value: u64) {
        self.sys[reg as usize] = value;
    }

    /// The bits that SPSR_EL1 has: BTYPE is one model's.
    pub fn spsr_fields(&self) -> u64 {
        let bti = self.processor.model.has(Feature::Bti);
        pstate::SPSR_FIELDS | if bti { pstate::BTYPE } else { 0 }
    }

    /// Whether an interrupt ends a wait (DDI 0487 D1.6): WFI's whether it is masked or not, WFE's
    /// only if it can be taken.
    pub fn wakes(&self, which: Wait) -> bool {
        let any = if is(Bug::WfiHonoursMask) { None } else { Some(Wait::Interrupt) };
        let heard = |mask| Some(which) == any || !self.pstate.any(mask);
        self.irq_line() && heard(pstate::I)
            || self.fiq_line() && heard(pstate::F)
            || self.serror.is_some() && heard(pstate::A)
    }

    /// Whether any interrupt waits, masked or not.
    #[inline(always)]
    pub fn interrupt_pending(&self) -> bool {
        self.irq_line() || self.fiq_line() || self.serror.is_some()
    }

    /// Replaces PSTATE, with what follows from it for address translation.
    #[inline]
    pub fn set_pstate(&mut self, pstate: Pstate) {
        self.pstate = pstate;
        let control = self.get(SysReg::SCTLR_EL1);
        self.regime.enter(pstate, control);
    }

    /// To be called after SCTLR_EL1, TCR_EL1, TTBR0_EL1 or TTBR1_EL1 changed.
    pub fn regime_changed(&mut self) {
        self.regime = Regime::of(self);
    }
}
