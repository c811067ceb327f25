//! The control bits by which EL1 takes things away from EL0 (and FP from itself).
//!
//! ```text
//!   SCTLR_EL1.UMA    DAIF                      CNTKCTL_EL1.EL0PCTEN  CNTPCT, CNTFRQ
//!   SCTLR_EL1.UCT    CTR_EL0                   CNTKCTL_EL1.EL0VCTEN  CNTVCT, CNTFRQ
//!   SCTLR_EL1.UCI    DC CVA*, CIVAC, IC IVAU   CNTKCTL_EL1.EL0PTEN   CNTP_*
//!   SCTLR_EL1.DZE    DC ZVA                    CNTKCTL_EL1.EL0VTEN   CNTV_*
//!   SCTLR_EL1.nTWI   WFI                       MDSCR_EL1.TDCC        MDCCSR_EL0, DBGDTR*_EL0
//!   SCTLR_EL1.nTWE   WFE                       CPACR_EL1.FPEN        FP and SIMD
//! ```
//!
//! A trap goes to EL1 with EC 0x18, but for WFx (EC 0x01) and FP (EC 0x07).

use super::Refusal;
use crate::state::Cpu;
use anyvisor_arch::debug::mdscr;
use anyvisor_arch::esr::{Esr, Wait};
use anyvisor_arch::sctlr;
use anyvisor_arch::sysreg::{Rule, SysReg};
use anyvisor_arch::timer::cntkctl;
use anyvisor_bugs::{Bug, is};

/// Whether `rule` lets an access through; `syndrome` makes the access's own (EC 0x18).
pub(super) fn check(cpu: &Cpu, rule: Rule, syndrome: impl Fn() -> Esr) -> Result<(), Refusal> {
    let el0 = cpu.pstate.el() == 0;
    let counters = cpu.get(SysReg::CNTKCTL_EL1);
    let refused = match rule {
        Rule::Uma => el0 && !sctlr_has(cpu, sctlr::UMA),
        Rule::Uct => el0 && !sctlr_has(cpu, sctlr::UCT),
        Rule::Tdcc => el0 && cpu.get(SysReg::MDSCR_EL1) & mdscr::TDCC != 0,
        Rule::El0Pcten => el0 && counters & cntkctl::EL0PCTEN == 0,
        Rule::El0Vcten => el0 && counters & cntkctl::EL0VCTEN == 0,
        Rule::El0PctenOrVcten => el0 && counters & (cntkctl::EL0PCTEN | cntkctl::EL0VCTEN) == 0,
        Rule::El0Pten => el0 && counters & cntkctl::EL0PTEN == 0,
        Rule::El0Vten if is(Bug::El0VtenWrongBit) => el0 && counters & cntkctl::EL0VCTEN == 0,
        Rule::El0Vten => el0 && counters & cntkctl::EL0VTEN == 0,
        Rule::Fpen => return fp_access(cpu),
        Rule::SpSelected => {
            return if cpu.pstate.sp_index() == 0 { Err(Refusal::Undefined) } else { Ok(()) };
        }
    };
    if refused { Err(Refusal::Trap(syndrome())) } else { Ok(()) }
}

/// Whether CPACR_EL1.FPEN lets the current level use FP and SIMD (`CheckFPAdvSIMDEnabled64`):
///
/// ```text
///   FPEN    EL0     EL1
///   00, 10  trap    trap
///   01      trap    -
///   11      -       -
/// ```
///
/// # Errors
/// The trap, with EC 0x07.
pub fn fp_access(cpu: &Cpu) -> Result<(), Refusal> {
    let trapped = match cpu.get(SysReg::CPACR_EL1) >> 20 & 0b11 {
        0b11 => false,
        0b01 => cpu.pstate.el() == 0 && !is(Bug::FpenHalf),
        _ => true,
    };
    if trapped { Err(Refusal::Trap(Esr::fp_access())) } else { Ok(()) }
}

/// Whether EL1 lets the current level wait. To be asked only when the instruction would indeed
/// wait: an attempt that completes at once is not trapped (SCTLR_EL1.nTWI, nTWE).
///
/// # Errors
/// The trap, with EC 0x01.
pub fn wait(cpu: &Cpu, which: Wait) -> Result<(), Refusal> {
    let allowed = match which {
        Wait::Interrupt => sctlr::N_TWI,
        Wait::Event => sctlr::N_TWE,
    };
    if cpu.pstate.el() == 0 && !sctlr_has(cpu, allowed) && !is(Bug::WfiTrapIgnored) {
        return Err(Refusal::Trap(Esr::wait(which)));
    }
    Ok(())
}

/// Whether a bit of SCTLR_EL1 is set.
pub(super) fn sctlr_has(cpu: &Cpu, bit: u64) -> bool {
    cpu.get(SysReg::SCTLR_EL1) & bit != 0
}
