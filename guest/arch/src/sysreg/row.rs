//! The columns of the register table: what there is to say of a system register.

use super::Encoding;
use crate::gic::Icc;

/// One register.
#[derive(Debug)]
pub struct Row {
    /// The manual's name.
    pub name: &'static str,
    /// op0, op1, CRn, CRm, op2.
    pub encoding: Encoding,
    /// The lowest EL that may read it.
    pub read: Lowest,
    /// The lowest EL that may write it.
    pub write: Lowest,
    /// Its value after reset; where the manual says UNKNOWN, a choice.
    pub reset: u64,
    /// The bits that a write changes. The others keep: RES0 reads 0, RES1 reads 1.
    pub writable: u64,
    /// The bits that read as 1 whatever is written.
    pub res1: u64,
    /// What an access does.
    pub kind: Kind,
    /// What may turn an access away although the EL would allow it, in the manual's order.
    pub rules: &'static [Rule],
    /// Whether Hypervisor.framework's `hv_vcpu_get_sys_reg` knows it.
    pub api: Api,
}

impl Row {
    /// The value that a write of `value` leaves behind.
    pub const fn masked(&self, value: u64) -> u64 {
        value & self.writable | self.res1
    }
}

/// The lowest exception level that may access a register in one direction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lowest {
    /// EL0 and up.
    El0,
    /// EL1 and up.
    El1,
    /// EL2 and up: a guest without EL2 finds it UNDEFINED.
    El2,
    /// Nobody: MRS or MSR is UNDEFINED at every level that a guest has.
    Never,
}

impl Lowest {
    /// Whether `el` (0, 1, 2) reaches.
    pub const fn allows(self, el: u8) -> bool {
        match self {
            Self::El0 => true,
            Self::El1 => el >= 1,
            Self::El2 => el >= 2,
            Self::Never => false,
        }
    }
}

/// What an access does once it is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Remembers: a write keeps the writable bits, a read returns them.
    Storage,
    /// Tells: the value is set before the first run and never changes.
    Constant,
    /// Acts; the CPU knows how.
    Behaviour(Effect),
    /// An access at EL1 exits to the hypervisor with EC 0x18: Hypervisor.framework leaves the
    /// register to its user.
    HypervisorTrap,
    /// The GIC's CPU interface. Acts where the VM has a GIC; else as [`Kind::HypervisorTrap`].
    InterruptController(Icc),
    /// A performance monitor. Acts as [`MonitorRegister`] says where the ID registers claim them;
    /// else as [`Kind::HypervisorTrap`].
    Monitor(MonitorRegister),
    /// Storage for the API; UNDEFINED for the guest until the ID registers claim the feature.
    Gated(Feature),
}

/// The registers that do more than remember. The CPU's `match` on it has no wildcard: a new
/// effect does not compile until somebody has said what it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Remembers, and changes how addresses translate: SCTLR, TTBR0, TTBR1, TCR, MAIR.
    Translation,
    /// Remembers, and changes whether FP instructions trap: CPACR.
    FpAccess,
    /// Remembers, and changes which debug exceptions are on: MDSCR, breakpoints, watchpoints.
    Debug,
    /// OSLSR_EL1: whether the OS Lock is held.
    OsLock,
    /// Shows a part of PSTATE, or a stack pointer.
    Pstate(View),
    /// CCSIDR_EL1: the cache that CSSELR_EL1 selects.
    CacheGeometry,
    /// DCZID_EL0: DC ZVA's block size, and whether it is prohibited here.
    ZeroBlock,
    /// DBGCLAIMSET_EL1: a write of 1 sets; all claim bits read as 1.
    ClaimSet,
    /// DBGCLAIMCLR_EL1: a write of 1 clears; reads the claim bits.
    ClaimClear,
    /// CNTPCT, CNTVCT.
    Counter(Clock),
    /// CNTP_*, CNTV_*.
    Timer(Clock, TimerRegister),
}

/// What a register shows that has no storage of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// CurrentEL: PSTATE.EL.
    CurrentEl,
    /// SPSel: PSTATE.SP.
    SpSel,
    /// DAIF: PSTATE.{D, A, I, F}.
    Daif,
    /// NZCV: PSTATE.{N, Z, C, V}.
    Nzcv,
    /// PAN: PSTATE.PAN.
    Pan,
    /// UAO: PSTATE.UAO.
    Uao,
    /// DIT: PSTATE.DIT.
    Dit,
    /// SSBS: PSTATE.SSBS.
    Ssbs,
    /// SP_EL0: the stack pointer that EL0 uses (and EL1 with PSTATE.SP = 0).
    SpEl0,
    /// SP_EL1: the stack pointer of EL1.
    SpEl1,
    /// ISR_EL1: which interrupts are pending, masked or not.
    Interrupts,
}

/// Which counter, and which timer that compares with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// The physical count.
    Physical,
    /// The physical count less the virtual offset.
    Virtual,
}

/// A register of a timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimerRegister {
    /// `_CTL`: enable, mask, status.
    Control,
    /// `_CVAL`: the count at which the condition is met.
    CompareValue,
    /// `_TVAL`: the distance to it, signed 32 bits.
    TimerValue,
}

/// A register of the performance monitors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MonitorRegister {
    /// PMCR.
    Control,
    /// PMCNTENSET.
    EnableSet,
    /// PMCNTENCLR.
    EnableClear,
    /// PMOVSCLR.
    OverflowClear,
    /// PMOVSSET.
    OverflowSet,
    /// PMINTENSET.
    InterruptSet,
    /// PMINTENCLR.
    InterruptClear,
    /// PMSWINC.
    Increment,
    /// PMSELR.
    Select,
    /// PMXEVTYPER: the type of the counter that PMSELR selects.
    SelectedType,
    /// PMXEVCNTR: the counter that PMSELR selects.
    SelectedCount,
    /// PMCEID0.
    Events0,
    /// PMCEID1.
    Events1,
    /// PMCCNTR.
    Cycles,
    /// PMCCFILTR.
    CycleFilter,
    /// `PMEVCNTR<n>`.
    Count(u8),
    /// `PMEVTYPER<n>`.
    Type(u8),
    /// PMUSERENR.
    User,
}

/// An architectural feature that registers wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feature {
    /// FEAT_SME: ID_AA64PFR1_EL1.SME.
    Sme,
    /// FEAT_CSV2_2: ID_AA64PFR0_EL1.CSV2.
    ContextNumber,
    /// A breakpoint or watchpoint past the number in ID_AA64DFR0_EL1.
    DebugComparator,
}

/// A reason to turn an access away that its EL allows. The CPU holds the conditions; each
/// variant names the control bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// EL0: SCTLR_EL1.UMA = 0 traps to EL1.
    Uma,
    /// EL0: SCTLR_EL1.UCT = 0 traps to EL1.
    Uct,
    /// EL0: MDSCR_EL1.TDCC = 1 traps to EL1.
    Tdcc,
    /// EL0 and EL1: CPACR_EL1.FPEN traps to EL1, with EC 0x07.
    Fpen,
    /// EL0: CNTKCTL_EL1.EL0PCTEN = 0 traps to EL1.
    El0Pcten,
    /// EL0: CNTKCTL_EL1.EL0VCTEN = 0 traps to EL1.
    El0Vcten,
    /// EL0: both EL0PCTEN and EL0VCTEN = 0 trap to EL1.
    El0PctenOrVcten,
    /// EL0: CNTKCTL_EL1.EL0PTEN = 0 traps to EL1.
    El0Pten,
    /// EL0: CNTKCTL_EL1.EL0VTEN = 0 traps to EL1.
    El0Vten,
    /// SP_EL0 is UNDEFINED while it is the selected stack pointer (PSTATE.SP = 0).
    SpSelected,
}

/// Whether Hypervisor.framework's register functions know a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Api {
    /// Always.
    Always,
    /// In a VM with an `hv_gic`.
    Gic,
    /// In a VM with EL2 enabled.
    El2,
    /// On a machine with SME.
    Sme,
    /// Never: `hv_sys_reg_t` does not name it.
    None,
}
