//! Cache identification, and which cache maintenance instructions there are.
//!
//! There are no caches: memory is host memory, seen by all at once. So maintenance by set and
//! way, and of data by address, has nothing to do but to fault where the manual says so. What is
//! left is DC ZVA, which writes, and IC, because the decoder keeps decoded code.

use super::{Refusal, traps};
use crate::state::Cpu;
use anyvisor_arch::esr::{Esr, SystemAccess};
use anyvisor_arch::id::{DCZID_DZP, DCZID_EL0};
use anyvisor_arch::sctlr;
use anyvisor_arch::sysreg::{Encoding, SysReg};
use anyvisor_bugs::{Bug, is};

/// What a cache maintenance instruction does here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheOp {
    /// DC ZVA: zeroes the block around the address; faults as a store does.
    Zero,
    /// DC CVAC, CVAU, CVAP, CVADP, CIVAC: nothing, but it faults as a load does (from EL0 it needs read
    /// permission), with CM set in the syndrome.
    Clean,
    /// DC IVAC: nothing, but it faults as a store does, with CM set in the syndrome.
    Invalidate,
    /// DC ISW, CSW, CISW: nothing.
    SetWay,
    /// IC IVAU: forget decoded code of this address's line; faults as [`CacheOp::Clean`] does.
    InstructionLine,
    /// IC IALLU, IALLUIS: forget all decoded code.
    InstructionAll,
}

impl CacheOp {
    /// The instruction of a SYS encoding (op0 = 1, CRn = 7); `None` if it is none of these.
    pub const fn from_encoding(encoding: Encoding) -> Option<Self> {
        match (encoding.op0(), encoding.op1(), encoding.crn(), encoding.crm(), encoding.op2()) {
            (1, 0, 7, 1 | 5, 0) => Some(Self::InstructionAll),
            (1, 3, 7, 5, 1) => Some(Self::InstructionLine),
            (1, 0, 7, 6, 1) => Some(Self::Invalidate),
            (1, 0, 7, 6 | 10 | 14, 2) => Some(Self::SetWay),
            (1, 3, 7, 4, 1) => Some(Self::Zero),
            (1, 3, 7, 10..=14, 1) => Some(Self::Clean),
            _ => None,
        }
    }

    /// Whether the current level may. `encoding` and `rt` are for the syndrome.
    ///
    /// # Errors
    /// At EL0: UNDEFINED for those of EL1; a trap to EL1 without SCTLR_EL1.UCI (DC and IC by
    /// address) or DZE (DC ZVA).
    pub fn permit(self, cpu: &Cpu, encoding: Encoding, rt: u32) -> Result<(), Refusal> {
        if cpu.pstate.el() != 0 {
            return Ok(());
        }
        let control = match self {
            Self::Zero => sctlr::DZE,
            Self::Clean | Self::InstructionLine => sctlr::UCI,
            Self::Invalidate | Self::SetWay | Self::InstructionAll => {
                return Err(Refusal::Undefined);
            }
        };
        if traps::sctlr_has(cpu, control) || is(Bug::UciIgnored) {
            return Ok(());
        }
        let access = SystemAccess { encoding, rt: rt as u8, read: false };
        Err(Refusal::Trap(Esr::system(access)))
    }
}

/// Bytes that DC ZVA zeroes, and the line that IC IVAU names.
pub const LINE_BYTES: u64 = 4 << DCZID_EL0;

/// CCSIDR_EL1 of a cache level, 1 to 7: 0, because CLIDR_EL1 names no cache. (Of a cache that is
/// not there the register is UNKNOWN.)
pub fn ccsidr(_level: u32, _instruction: bool) -> u64 {
    0
}

/// CCSIDR_EL1 as CSSELR_EL1 selects it.
pub(super) fn geometry(cpu: &Cpu) -> u64 {
    let selected = cpu.get(SysReg::CSSELR_EL1);
    ccsidr((selected >> 1 & 7) as u32 + 1, selected & 1 != 0)
}

/// DCZID_EL0: the block size, and whether the current level is barred from DC ZVA.
pub(super) fn zero_block(cpu: &Cpu) -> u64 {
    let barred = cpu.pstate.el() == 0 && !traps::sctlr_has(cpu, sctlr::DZE);
    cpu.get(SysReg::DCZID_EL0) | if barred && !is(Bug::ZvaBarHidden) { DCZID_DZP } else { 0 }
}
