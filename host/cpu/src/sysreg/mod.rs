//! System registers: what MRS and MSR do, and what the API reads and writes.
//!
//! An access by the guest goes through these questions, in this order:
//!
//! ```text
//!   is there a row, and may this EL?     no: UNDEFINED            (table: read, write)
//!   is its feature claimed?              no: UNDEFINED            (table: Kind::Gated)
//!   does a control bit turn it away?     trap to EL1, UNDEFINED   (table: rules; traps.rs)
//!   does the hypervisor want it?         exit with EC 0x18        (Kind::HypervisorTrap, ...)
//!   is it the GIC's, and there is one?   the CPU interface        (Kind::InterruptController)
//!   is it a performance monitor?         any of these             (Kind::Monitor; pmu.rs)
//!   then it happens                      stored, constant, or an effect
//! ```
//!
//! Everything that can be said by data is said in `anyvisor_arch::sysreg`; here are the effects,
//! each chosen by [`Effect`] in a `match` without a wildcard. The API (`hv_vcpu_get_sys_reg`)
//! asks none of the questions: [`api_read`], [`api_write`].
//!
//! The module knows the state and nothing of how instructions are executed. Time is a function
//! that is called where a register shows it, and nowhere else.

pub mod cache;
pub mod id;
mod pmu;
pub mod pstate;
mod timer;
pub mod traps;

#[cfg(test)]
mod tests;

use crate::model::Feature;
use crate::state::Cpu;
use anyvisor_arch::debug::mdscr;
use anyvisor_arch::esr::{Esr, SystemAccess};
use anyvisor_arch::sctlr;
use anyvisor_arch::sysreg::{Api, Effect, Encoding, Kind, SysReg, Unlisted};
use anyvisor_bugs::{Bug, is};
use anyvisor_gic::Gic;

/// The place of OSLSR_EL1.OSLK.
const OSLSR_OSLK: u32 = 1;

/// The host counter in ticks of CNTFRQ_EL0: what CNTPCT_EL0 shows.
pub type Now<'a> = &'a dyn Fn() -> u64;

/// Why an access does not happen, and who hears of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// There is no such register here: an exception to EL1 with EC 0.
    Undefined,
    /// A control bit traps it to EL1 with this syndrome.
    Trap(Esr),
    /// It is the hypervisor's: an exit with this syndrome, the PC at the instruction.
    Exit(Esr),
}

/// Whether a register only remembers, whoever may ask: bit 0 for a read at EL0, 1 for a write
/// there, 2 and 3 for EL1. No rule turns such an access away, it has no effect, and the hypervisor
/// does not want it; so handlers' most common instructions need none of the questions above.
static PLAIN: [u8; SysReg::COUNT] = {
    let mut plain = [0; SysReg::COUNT];
    let mut i = 0;
    while i < SysReg::COUNT {
        let row = SysReg::ALL[i].row();
        // op0 = 2: debug registers, which `hv_vcpu_set_trap_debug_reg_accesses` takes away.
        if matches!(row.kind, Kind::Storage) && row.rules.is_empty() && row.encoding.op0() == 3 {
            let mut el = 0;
            while el < 2 {
                let bits = row.read.allows(el) as u8 | (row.write.allows(el) as u8) << 1;
                plain[i] |= bits << (2 * el);
                el += 1;
            }
        }
        i += 1;
    }
    plain
};

/// The register, if it only remembers and the current level may read (or write) it.
#[inline(always)]
fn plain(cpu: &Cpu, encoding: Encoding, write: bool) -> Option<SysReg> {
    let bit = 2 * cpu.pstate.el() + u8::from(write);
    SysReg::from_encoding(encoding).filter(|&register| PLAIN[register as usize] >> bit & 1 == 1)
}

/// Whether a write of this register by EL1 changes nothing but the register: what follows means
/// what it meant before.
pub fn only_stores(encoding: Encoding) -> bool {
    SysReg::from_encoding(encoding).is_some_and(|register| PLAIN[register as usize] >> 3 & 1 == 1)
}

/// MRS of a register that only remembers, if it is one.
#[inline(always)]
pub fn read_plain(cpu: &Cpu, encoding: Encoding) -> Option<u64> {
    plain(cpu, encoding, false).map(|register| cpu.get(register))
}

/// MSR of a register that only remembers; `false` if it is none.
#[inline(always)]
pub fn write_plain(cpu: &mut Cpu, encoding: Encoding, value: u64) -> bool {
    let Some(register) = plain(cpu, encoding, true) else { return false };
    let kept = register.row().masked(value) | value & of_model(cpu, register);
    cpu.set(register, kept);
    true
}

/// MRS at the current exception level. `rt` is the destination, for the syndrome.
///
/// # Errors
/// Who hears of an access that does not happen.
pub fn read(cpu: &mut Cpu, encoding: Encoding, rt: u32, now: Now) -> Result<u64, Refusal> {
    match permit(cpu, encoding, rt, true)? {
        Some(register) => Ok(value(cpu, register, now)),
        None => Ok(0),
    }
}

/// Whether an MSR (register) at the current exception level happens, and what it then
/// [`put`]s. `rt` is the source, for the syndrome.
///
/// # Errors
/// Who hears of an access that does not happen.
pub fn writable(cpu: &Cpu, encoding: Encoding, rt: u32) -> Result<Option<SysReg>, Refusal> {
    permit(cpu, encoding, rt, false)
}

/// `hv_vcpu_get_sys_reg`: by the API's ID, whatever the guest may. `None`: no such register.
pub fn api_read(cpu: &Cpu, id: u16, now: Now) -> Option<u64> {
    api_register(cpu, id).map(|register| value(cpu, register, now))
}

/// `hv_vcpu_set_sys_reg`: by the API's ID, whatever the guest may. `None`: no such register.
///
/// Bits that the register does not have are dropped, as a write by the guest drops them; the ID
/// registers take any value.
pub fn api_write(cpu: &mut Cpu, id: u16, value: u64, now: Now) -> Option<()> {
    let register = api_register(cpu, id)?;
    match register.row().kind {
        Kind::Constant => cpu.set(register, value),
        _ => put(cpu, register, value, now),
    }
    Some(())
}

/// The register of an API ID, if the VM has what the API's header says it waits for: there is no
/// EL2 and no SME.
fn api_register(cpu: &Cpu, id: u16) -> Option<SysReg> {
    let register = SysReg::from_api_id(id)?;
    match register.row().api {
        Api::Always => Some(register),
        Api::Gic => cpu.gic.is_some().then_some(register),
        Api::El2 | Api::Sme | Api::None => None,
    }
}

/// Whether the access happens. `Ok(None)`: it does, and the register reads as zero.
///
/// With FEAT_IDST an ID register that EL0 may not read is no UNDEFINED instruction, but a trap to
/// EL1, whose handler need not decode anything.
fn permit(cpu: &Cpu, encoding: Encoding, rt: u32, read: bool) -> Result<Option<SysReg>, Refusal> {
    match look_up(cpu, encoding, rt, read) {
        Err(Refusal::Undefined)
            if read
                && cpu.pstate.el() == 0
                && encoding.is_feature_id()
                && !is(Bug::IdTrapMissing) =>
        {
            Err(Refusal::Trap(Esr::system(SystemAccess { encoding, rt: rt as u8, read })))
        }
        answer => answer,
    }
}

fn look_up(cpu: &Cpu, encoding: Encoding, rt: u32, read: bool) -> Result<Option<SysReg>, Refusal> {
    let el = cpu.pstate.el();
    let rt = if is(Bug::TrapRtLost) { 0 } else { rt };
    let syndrome = || Esr::system(SystemAccess { encoding, rt: rt as u8, read });
    let Some(register) = SysReg::from_encoding(encoding) else {
        return match encoding.unlisted() {
            // Event counters past the last one, where there are any.
            Unlisted::HypervisorTrap if encoding.crn() == 14 && cpu.processor.pmu => {
                Err(Refusal::Undefined)
            }
            _ if is(Bug::UnallocatedReadsZero) && read && el >= 1 => Ok(None),
            Unlisted::ReadsAsZero if el >= 1 && read => Ok(None),
            Unlisted::HypervisorTrap if el >= 1 => Err(Refusal::Exit(syndrome())),
            _ => Err(Refusal::Undefined),
        };
    };
    let row = register.row();
    let lowest = if read { row.read } else { row.write };
    if is(Bug::ReadOnlyIgnored) && !read && !row.write.allows(1) {
        return Ok(None);
    }
    if !lowest.allows(el) || matches!(row.kind, Kind::Gated(_)) {
        return Err(Refusal::Undefined);
    }
    if let Kind::Monitor(monitor) = row.kind {
        pmu::check(cpu, monitor, read, syndrome)?;
    }
    for &rule in row.rules {
        traps::check(cpu, rule, syndrome)?;
    }
    // Monitors that are shown are of Armv8.1; those of Armv8.4 alone have it.
    if register == SysReg::PMMIR_EL1 && cpu.processor.pmu {
        return Err(Refusal::Undefined);
    }
    // MDCR_EL2.{TDA, TDRA, TDOSA}: `hv_vcpu_set_trap_debug_reg_accesses`.
    let debug = encoding.op0() == 2 && cpu.trap_debug_reg_accesses;
    let absent = matches!(row.kind, Kind::InterruptController(_)) && cpu.gic.is_none();
    if debug || absent || row.kind == Kind::HypervisorTrap {
        return Err(Refusal::Exit(syndrome()));
    }
    if matches!(row.kind, Kind::InterruptController(icc) if !Gic::has_register(icc)) {
        return Err(Refusal::Undefined);
    }
    Ok(Some(register))
}

/// What a register reads as.
fn value(cpu: &Cpu, register: SysReg, now: Now) -> u64 {
    let effect = match register.row().kind {
        Kind::Storage | Kind::Constant | Kind::Gated(_) | Kind::HypervisorTrap => {
            return cpu.get(register);
        }
        Kind::InterruptController(icc) => {
            return cpu.gic.as_ref().map_or(0, |gic| gic.read(icc));
        }
        Kind::Monitor(monitor) => return cpu.pmu.read(monitor),
        Kind::Behaviour(effect) => effect,
    };
    match effect {
        Effect::Translation | Effect::FpAccess | Effect::Debug => cpu.get(register),
        Effect::OsLock => cpu.get(register) | u64::from(cpu.os_lock) << OSLSR_OSLK,
        Effect::Pstate(view) => pstate::read(cpu, view),
        Effect::CacheGeometry => cache::geometry(cpu),
        Effect::ZeroBlock => cache::zero_block(cpu),
        Effect::ClaimSet => register.row().writable,
        Effect::ClaimClear => cpu.get(SysReg::DBGCLAIMCLR_EL1),
        Effect::Counter(clock) => timer::count(cpu, clock, now),
        Effect::Timer(clock, which) => timer::read(cpu, clock, which, now),
    }
}

/// The bits of a register that only one model has: FEAT_BTI's.
fn of_model(cpu: &Cpu, register: SysReg) -> u64 {
    if !cpu.processor.model.has(Feature::Bti) {
        return 0;
    }
    match register {
        SysReg::SCTLR_EL1 => sctlr::BT0 | sctlr::BT1,
        SysReg::SPSR_EL1 => anyvisor_arch::pstate::BTYPE,
        _ => 0,
    }
}

/// What a write does.
pub fn put(cpu: &mut Cpu, register: SysReg, value: u64, now: Now) {
    let row = register.row();
    let kept = row.masked(value) | value & of_model(cpu, register);
    let effect = match row.kind {
        Kind::Storage | Kind::Gated(_) | Kind::HypervisorTrap => return cpu.set(register, kept),
        Kind::InterruptController(icc) => {
            if let Some(gic) = &cpu.gic {
                gic.write(icc, value);
            }
            return;
        }
        Kind::Constant => return,
        Kind::Monitor(monitor) => return cpu.pmu.write(monitor, value, cpu.pstate.el()),
        Kind::Behaviour(effect) => effect,
    };
    match effect {
        Effect::Translation => {
            cpu.set(register, kept);
            // A TLB holds what SCTLR, TCR and MAIR made of a descriptor; what a table base names
            // is told apart by the ASID, and otherwise the guest's to invalidate.
            let tcr = cpu.get(SysReg::TCR_EL1);
            match register {
                SysReg::TTBR0_EL1 => cpu.regime.switch(0, kept, tcr),
                SysReg::TTBR1_EL1 => cpu.regime.switch(1, kept, tcr),
                _ => {
                    cpu.tlb_stale = true;
                    cpu.regime_changed();
                }
            }
        }
        // CPACR_EL1 is looked at when an instruction asks.
        Effect::FpAccess => cpu.set(register, kept),
        Effect::Debug => {
            let locked = register == SysReg::MDSCR_EL1 && cpu.os_lock;
            let saved = if locked { mdscr::WRITABLE_LOCKED } else { 0 };
            let others = cpu.get(register) & !row.writable & !saved;
            cpu.set(register, kept | value & saved | others);
            // Data accesses are watched, or no more.
            cpu.regime_changed();
        }
        Effect::Pstate(view) => pstate::write(cpu, view, value),
        // Both directions of the claim tags share one store.
        Effect::ClaimSet => {
            let tags = cpu.get(SysReg::DBGCLAIMCLR_EL1) | row.masked(value);
            cpu.set(SysReg::DBGCLAIMCLR_EL1, tags);
        }
        Effect::ClaimClear => {
            let tags = cpu.get(SysReg::DBGCLAIMCLR_EL1) & !row.masked(value);
            cpu.set(SysReg::DBGCLAIMCLR_EL1, tags);
        }
        Effect::Timer(clock, which) => timer::write(cpu, clock, which, value, now),
        // Read-only: MSR is UNDEFINED before it gets here, and the API does not name them.
        Effect::CacheGeometry | Effect::ZeroBlock | Effect::Counter(_) | Effect::OsLock => {}
    }
}
