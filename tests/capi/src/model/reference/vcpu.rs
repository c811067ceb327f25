//! What one vCPU keeps.

use super::{Answer, Vcpu, value};
use crate::model::call::{Call, PLAIN_SYS_REGS, Trap, Which};
use crate::raw::{BAD_ARGUMENT, SUCCESS};

/// The vCPU that a call is for.
pub fn vcpu_of(call: &Call) -> Option<Which> {
    Some(match *call {
        Call::SetReg(which, ..)
        | Call::GetReg(which, ..)
        | Call::SetSimd(which, ..)
        | Call::GetSimd(which, ..)
        | Call::SetSysReg(which, ..)
        | Call::GetSysReg(which, ..)
        | Call::SetPending(which, ..)
        | Call::GetPending(which, ..)
        | Call::SetTrap(which, ..)
        | Call::GetTrap(which, ..)
        | Call::SetMask(which, ..)
        | Call::GetMask(which)
        | Call::SetOffset(which, ..)
        | Call::GetOffset(which)
        | Call::ExecTime(which) => which,
        _ => return None,
    })
}

/// Writes a value, or refuses the place.
fn put<T>(place: Option<&mut T>, value: T) -> Answer {
    match place {
        Some(place) => {
            *place = value;
            SUCCESS.into()
        }
        None => BAD_ARGUMENT.into(),
    }
}

/// Reads a value, or refuses the place.
fn get<T: Into<u128>>(place: Option<T>) -> Answer {
    place.map_or(BAD_ARGUMENT.into(), value)
}

impl Vcpu {
    /// A call of the vCPU's own thread that neither runs nor destroys it.
    pub fn expect(&mut self, call: &Call) -> Option<Answer> {
        let trap = |trap: Trap| usize::from(trap == Trap::Registers);
        let exists = |id| PLAIN_SYS_REGS.contains(&id);
        Some(match *call {
            Call::SetReg(_, reg, new) => put(self.regs.get_mut(reg as usize), Some(new)),
            Call::GetReg(_, reg) => match self.regs.get(reg as usize) {
                Some(None) => SUCCESS.into(),
                known => get(known.copied().flatten()),
            },
            Call::SetSimd(_, reg, new) => put(self.simd.get_mut(reg as usize), new),
            Call::GetSimd(_, reg) => get(self.simd.get(reg as usize).copied()),
            Call::SetSysReg(_, id, new) if exists(id) => {
                self.sys_regs.insert(id, new);
                SUCCESS.into()
            }
            Call::GetSysReg(_, id) if exists(id) => match self.sys_regs.get(&id) {
                Some(&known) => value(known),
                None => SUCCESS.into(), // what it resets to is not said here
            },
            Call::SetSysReg(..) | Call::GetSysReg(..) => BAD_ARGUMENT.into(),
            Call::SetPending(_, line, new) => put(self.pending.get_mut(line as usize), new),
            Call::GetPending(_, line) => get(self.pending.get(line as usize).copied()),
            Call::SetTrap(_, which, new) => put(self.traps.get_mut(trap(which)), new),
            Call::GetTrap(_, which) => get(self.traps.get(trap(which)).copied()),
            Call::SetMask(_, new) => put(Some(&mut self.mask), new),
            Call::GetMask(_) => value(u8::from(self.mask)),
            Call::SetOffset(_, new) => put(Some(&mut self.offset), Some(new)),
            Call::GetOffset(_) => match self.offset {
                Some(known) => value(known),
                None => SUCCESS.into(),
            },
            Call::ExecTime(_) => SUCCESS.into(),
            _ => return None,
        })
    }
}
