//! Self-hosted debug (DDI 0487 D2): which debug exceptions there are, and when.
//!
//! ```text
//!   breakpoint   before an instruction      MDE  DBGBVR<n>: its address, or CONTEXTIDR_EL1
//!   watchpoint   instead of an access       MDE  DBGWVR<n>: an address in it
//!   software     before the instruction     SS
//!   step         after the stepped one
//!   BRK          always                     (interp/system.rs)
//! ```
//!
//! Are they enabled at the current level? (`AArch64.GenerateDebugExceptionsFrom`)
//!
//! ```text
//!                          to EL1                          to the hypervisor
//!   OS Lock is held        no                              no
//!   at EL0                 yes                             yes
//!   at EL1                 if KDE = 1 and PSTATE.D = 0     yes
//! ```
//!
//! "To the hypervisor" is MDCR_EL2.TDE: `hv_vcpu_set_trap_debug_exceptions`.
//!
//! Software step is a state machine. While it is inactive (SS = 0, or not enabled here) PSTATE.SS
//! means nothing; it is 0.
//!
//! ```text
//!                     ERET to where it is enabled, from where it is not
//!                        | SPSR.SS = 1                      | SPSR.SS = 0
//!                        v                                  v
//!   inactive      active, not pending --instruction--> active, pending --> step exception
//!                  PSTATE.SS = 1      (SVC, HVC too)     PSTATE.SS = 0      ISV = 1 if an
//!                        |                                                  instruction was
//!                        +-- any other exception: SPSR.SS = 1               stepped
//! ```
//!
//! What the manual leaves open (CONSTRAINED UNPREDICTABLE), and what is done here:
//! * reserved types of breakpoints, and links to a breakpoint without a context: no match;
//! * SSC, HMC and PMC or PAC: each says what it says, whatever the combination;
//! * the RESS bits of an address do not count; neither do those of DBGWVR under the mask, nor BAS
//!   with a mask; BAS with holes watches what it says;
//! * a store-exclusive that will fail, and a compare-and-swap that will not write, are watched as
//!   if they stored.
//!
//! Left out: what needs an external debugger (halting, its communication channel). The OS Lock is
//! honoured, but nobody can take it: writes of OSLAR_EL1 and OSDLR_EL1 are the hypervisor's, as
//! they are Hypervisor.framework's user's, and the lock starts out free.

use crate::state::Cpu;
use anyvisor_arch::debug::{BreakpointType, bcr, control, mdscr, wcr};
use anyvisor_arch::id::{BREAKPOINTS, CONTEXT_BREAKPOINTS, WATCHPOINTS};
use anyvisor_arch::pstate::{self, Mode, Spsr};
use anyvisor_arch::sysreg::SysReg;
use anyvisor_bugs::{Bug, is};

/// The bits of an address that comparators look at: 48 and the sign, without RESS.
const VA: u64 = (1 << 49) - 1;

/// `DBGBVR<n>`, `DBGBCR<n>`.
const BREAKPOINT_REGISTERS: [(SysReg, SysReg); BREAKPOINTS as usize] = [
    (SysReg::DBGBVR0_EL1, SysReg::DBGBCR0_EL1),
    (SysReg::DBGBVR1_EL1, SysReg::DBGBCR1_EL1),
    (SysReg::DBGBVR2_EL1, SysReg::DBGBCR2_EL1),
    (SysReg::DBGBVR3_EL1, SysReg::DBGBCR3_EL1),
    (SysReg::DBGBVR4_EL1, SysReg::DBGBCR4_EL1),
    (SysReg::DBGBVR5_EL1, SysReg::DBGBCR5_EL1),
];
/// `DBGWVR<n>`, `DBGWCR<n>`.
const WATCHPOINT_REGISTERS: [(SysReg, SysReg); WATCHPOINTS as usize] = [
    (SysReg::DBGWVR0_EL1, SysReg::DBGWCR0_EL1),
    (SysReg::DBGWVR1_EL1, SysReg::DBGWCR1_EL1),
    (SysReg::DBGWVR2_EL1, SysReg::DBGWCR2_EL1),
    (SysReg::DBGWVR3_EL1, SysReg::DBGWCR3_EL1),
];

/// What an access is, for a watchpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The first byte.
    pub va: u64,
    /// How many.
    pub bytes: u64,
    /// A store.
    pub write: bool,
    /// As EL0 would (LDTR, STTR).
    pub unprivileged: bool,
}

/// `AArch64.GenerateDebugExceptionsFrom`: whether debug exceptions are enabled at `el`. `masked`
/// is PSTATE.D there.
fn enabled_from(cpu: &Cpu, el: u8, masked: bool) -> bool {
    let enabled = cpu.get(SysReg::MDSCR_EL1) & mdscr::KDE != 0 || is(Bug::KdeIgnored);
    let kernel = enabled && !masked;
    !cpu.os_lock && (cpu.trap_debug_exceptions || el == 0 || kernel)
}

/// `AArch64.GenerateDebugExceptions`: whether they are enabled here and now.
fn enabled(cpu: &Cpu) -> bool {
    enabled_from(cpu, cpu.pstate.el(), cpu.pstate.any(pstate::D))
}

fn has(cpu: &Cpu, bit: u64) -> bool {
    cpu.get(SysReg::MDSCR_EL1) & bit != 0
}

/// Whether the loop has to look out for software steps and breakpoints. It may be that none is
/// enabled at this level: it is what the registers say.
pub fn active(cpu: &Cpu) -> bool {
    let on = |&(_, control): &(SysReg, SysReg)| cpu.get(control) & control::E != 0;
    has(cpu, mdscr::SS) || has(cpu, mdscr::MDE) && BREAKPOINT_REGISTERS.iter().any(on)
}

/// Whether data accesses have to be looked at one by one. See [`active`].
pub fn watching(cpu: &Cpu) -> bool {
    let on = |&(_, control): &(SysReg, SysReg)| cpu.get(control) & control::E != 0;
    has(cpu, mdscr::MDE) && WATCHPOINT_REGISTERS.iter().any(on)
}

/// Software step, before an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is stepped.
    Inactive,
    /// This instruction is.
    NotPending,
    /// None: the exception comes first.
    Pending,
}

/// The state of software step.
pub fn step(cpu: &Cpu) -> Step {
    match has(cpu, mdscr::SS) && enabled(cpu) {
        false => Step::Inactive,
        true if cpu.pstate.any(pstate::SS) => Step::NotPending,
        true => Step::Pending,
    }
}

/// `SSAdvance`: an instruction that completes by its exception (SVC, HVC) was stepped.
pub fn advance(cpu: &mut Cpu) {
    if has(cpu, mdscr::SS) {
        cpu.pstate.put(pstate::SS, false);
    }
}

/// `DebugExceptionReturnSS`: PSTATE.SS after an exception return with `spsr`. From the
/// hypervisor, where debug exceptions are never enabled, or from EL1.
pub fn return_ss(cpu: &Cpu, spsr: u64, from_hypervisor: bool) -> bool {
    if !has(cpu, mdscr::SS) || spsr & pstate::SS == 0 {
        return false;
    }
    let to = match Spsr(spsr).mode() {
        Some(mode @ (Mode::El0t | Mode::El1t | Mode::El1h)) => mode.el(),
        _ => cpu.pstate.el(),
    };
    let at_source = !from_hypervisor && enabled(cpu);
    let at_target = enabled_from(cpu, to, spsr & pstate::D != 0);
    !at_source && at_target
}

/// `AArch64.CheckBreakpoint`: whether a breakpoint matches the instruction at `pc`.
pub fn breakpoint(cpu: &Cpu, pc: u64) -> bool {
    has(cpu, mdscr::MDE)
        && enabled(cpu)
        && (0..BREAKPOINT_REGISTERS.len()).any(|n| breakpoint_matches(cpu, n, pc))
}

/// How many of `count` instructions from `pc` on run before one with an address that a breakpoint
/// names; the first is not looked at. No condition but the address counts here.
pub fn until_breakpoint(cpu: &Cpu, pc: u64, count: usize) -> usize {
    let distance = |&(value, control): &(SysReg, SysReg)| {
        let away = (cpu.get(value) & VA).wrapping_sub(pc & VA) & VA;
        (cpu.get(control) & control::E != 0 && away >= 4).then_some((away / 4) as usize)
    };
    let nearest = BREAKPOINT_REGISTERS.iter().filter_map(distance).min();
    nearest.map_or(count, |nearest| nearest.min(count))
}

/// `AArch64.BreakpointMatch`.
fn breakpoint_matches(cpu: &Cpu, n: usize, pc: u64) -> bool {
    let (value, control) = BREAKPOINT_REGISTERS[n];
    let (value, control) = (cpu.get(value), cpu.get(control));
    if control & control::E == 0 {
        return false;
    }
    let (matches, linked) = match BreakpointType::of(bcr::BT.get(control)) {
        Some(BreakpointType::Address { linked }) => ((pc ^ value) & VA & !0b11 == 0, linked),
        Some(BreakpointType::Context { linked: false }) => (context_matches(cpu, n), false),
        Some(BreakpointType::Context { linked: true }) | None => (false, false),
    };
    matches && state_matches(cpu, control, linked, false)
}

/// `AArch64.StateMatch`: level, security state (Non-secure), and the linked context.
fn state_matches(cpu: &Cpu, control: u64, linked: bool, unprivileged: bool) -> bool {
    let el = if unprivileged { 0 } else { cpu.pstate.el() };
    let level = if el == 0 { 0b10 } else { 0b01 };
    let security = match control::SSC.get(control) {
        0b00 | 0b01 => true,
        0b10 => false,
        _ => control & control::HMC != 0,
    };
    (control::LEVELS.get(control) & level != 0 || is(Bug::BreakpointLevelIgnored))
        && security
        && (!linked
            || is(Bug::LinkIgnored)
            || linked_context_matches(cpu, control::LBN.get(control) as usize))
}

/// Whether breakpoint `n` is one to link with, and its context the current one.
fn linked_context_matches(cpu: &Cpu, n: usize) -> bool {
    let Some(&(_, control)) = BREAKPOINT_REGISTERS.get(n) else { return false };
    let control = cpu.get(control);
    let kind = BreakpointType::of(bcr::BT.get(control));
    control & control::E != 0
        && kind == Some(BreakpointType::Context { linked: true })
        && context_matches(cpu, n)
}

/// Whether CONTEXTIDR_EL1 is what breakpoint `n` names, if it can name one.
fn context_matches(cpu: &Cpu, n: usize) -> bool {
    let aware = n >= (BREAKPOINTS - CONTEXT_BREAKPOINTS) as usize;
    let wanted = cpu.get(BREAKPOINT_REGISTERS[n].0) as u32;
    aware && wanted == cpu.get(SysReg::CONTEXTIDR_EL1) as u32
}

/// `AArch64.CheckWatchpoint`: the first byte of an access that is watched.
pub fn watchpoint(cpu: &Cpu, access: Watched) -> Option<u64> {
    if !has(cpu, mdscr::MDE) || !enabled(cpu) {
        return None;
    }
    let first = |&(value, control): &(SysReg, SysReg)| {
        let (value, control) = (cpu.get(value), cpu.get(control));
        let kind = if access.write { wcr::STORES } else { wcr::LOADS };
        let on = control & control::E != 0 && control & kind != 0;
        let linked = control & wcr::WT != 0;
        if !on || !state_matches(cpu, control, linked, access.unprivileged) {
            return None;
        }
        (0..access.bytes).find(|&at| byte_watched(value, control, access.va.wrapping_add(at)))
    };
    let offset = WATCHPOINT_REGISTERS.iter().filter_map(first).min()?;
    Some(access.va.wrapping_add(if is(Bug::WatchpointFarOff) { 0 } else { offset }))
}

/// `WatchpointByteMatch`.
fn byte_watched(value: u64, control: u64, va: u64) -> bool {
    // A word or a doubleword, whose bytes BAS chooses.
    let unit = if value & 0b100 != 0 { 2 } else { 3 };
    let differ = (va ^ value) & VA;
    match wcr::MASK.get(control) {
        0 => {
            let byte = va & ((1 << unit) - 1);
            let selected = if is(Bug::WatchpointBasIgnored) { 0xff } else { wcr::BAS.get(control) };
            differ >> unit == 0 && selected >> byte & 1 != 0
        }
        1 | 2 => false,
        mask => differ >> mask == 0,
    }
}

/// LDXR, LDAXR, LDXP, LDAXP: what EX of a step's syndrome asks.
pub fn is_load_exclusive(word: u32) -> bool {
    let exclusive = word & 0x3fc0_0000 == 0x0840_0000;
    // With o1 = 1 and a size below 32 bits it is CASP.
    let casp = word >> 31 == 0 && word >> 21 & 1 == 1;
    exclusive && !casp
}

#[cfg(test)]
mod tests;
