//! What a run of one of the five small programs does.
//!
//! The MMU is off and all interrupts are masked, so that a run has one way to go: the cancel that
//! was kept, the fetch, the access, the call.

use super::{Answer, Ended, Mapped, Reference, Told, Vm, at};
use crate::guest::EL1H_MASKED;
use crate::model::call::{PAGE, Start, Which};
use crate::raw::{self, BAD_ARGUMENT, EXEC, ILLEGAL_GUEST_STATE, READ, SUCCESS, WRITE};

const INSTRUCTION_ABORT: u64 = 0x8200_0000;
/// A data abort with ISV, 64 bits wide, of a 64-bit register.
const DATA_ABORT: u64 = 0x93c0_8000;
const WNR: u64 = 1 << 6;
const TRANSLATION: u64 = 0b000100;
const PERMISSION: u64 = 0b001100;

/// The registers that a start sets: `hv_reg_t`, value.
pub fn registers(start: Start) -> Vec<(u32, u64)> {
    let (pc, x0, x1, cpsr) = match start {
        Start::Hvc(ipa) => (ipa + at::HVC, 0, 0, EL1H_MASKED),
        Start::Smc(ipa) => (ipa + at::SMC, 0, 0, EL1H_MASKED),
        Start::Wfi(ipa) => (ipa + at::WFI, 0, 0, EL1H_MASKED),
        Start::Store(ipa, to, value) => (ipa + at::STORE, value, to + at::CELL, EL1H_MASKED),
        Start::Load(ipa, from) => (ipa + at::LOAD, 0, from + at::CELL, EL1H_MASKED),
        Start::Endless(ipa) => (ipa + at::ENDLESS, 0, 0, EL1H_MASKED),
        Start::Illegal(cpsr) => (0, 0, 0, cpsr),
    };
    vec![(raw::PC, pc), (0, x0), (1, x1), (raw::CPSR, cpsr)]
}

impl Vm {
    /// The page at `ipa` if it allows `flags`; else the status of the fault.
    fn page(&self, ipa: u64, flags: u64) -> Result<Mapped, u64> {
        let mapped = self.pages.get(&(ipa / PAGE)).ok_or(TRANSLATION)?;
        if mapped.flags & flags == flags { Ok(*mapped) } else { Err(PERMISSION) }
    }
}

impl Reference {
    /// `None`: it would run what nobody wrote.
    pub(super) fn run(&mut self, actor: usize, which: Which, start: Start) -> Option<Answer> {
        if self.own(actor, which).is_none() {
            return Some(BAD_ARGUMENT.into());
        }
        let ended = self.end(actor, which, start)?;
        let vcpu = self.own(actor, which)?;
        for (reg, value) in registers(start) {
            vcpu.regs[reg as usize] = Some(value);
        }
        let told = Told::Ended(ended);
        if ended == Ended::Unknown {
            return Some(Answer { code: ILLEGAL_GUEST_STATE, told });
        }
        vcpu.canceled = false;
        vcpu.pending = [false; 2];
        // FPCR and FPSR: bits that do not exist are gone. They were told unmasked until now.
        vcpu.regs[raw::PC as usize + 1] = None;
        vcpu.regs[raw::PC as usize + 2] = None;
        match ended {
            Ended::Called(_, pc) | Ended::Aborted(_, _, pc) | Ended::Waits(pc) => {
                vcpu.regs[raw::PC as usize] = Some(pc);
            }
            Ended::Canceled | Ended::Unknown => {}
        }
        if let (Start::Load(_, from), Ended::Called(..)) = (start, ended) {
            let page = self.vm.as_ref()?.page(from, READ).ok()?;
            let loaded = self.blocks[page.block].as_ref()?[page.page as usize];
            self.own(actor, which)?.regs[2] = Some(loaded);
        }
        if let (Start::Store(_, to, value), Ended::Called(..)) = (start, ended) {
            let page = self.vm.as_ref()?.page(to, WRITE).ok()?;
            self.blocks[page.block].as_mut()?[page.page as usize] = value;
        }
        Some(Answer { code: SUCCESS, told })
    }

    fn end(&mut self, actor: usize, which: Which, start: Start) -> Option<Ended> {
        if let Start::Illegal(_) = start {
            return Some(Ended::Unknown);
        }
        let vcpu = self.own(actor, which)?;
        let (canceled, waiting) = (vcpu.canceled, vcpu.pending.contains(&true));
        let [(_, pc), _, (_, x1), _] = registers(start)[..] else { return None };
        let vm = self.vm.as_ref()?;
        if vm.bits < 32 {
            return None; // the window is outside
        }
        let endless = matches!(start, Start::Endless(_));
        if canceled {
            // A second cancel comes while it runs: one or two, nobody can tell.
            return (!endless).then_some(Ended::Canceled);
        }
        match vm.page(pc, EXEC) {
            Err(_) if endless => return None, // it ends by itself, or is canceled before
            Err(status) => return Some(Ended::Aborted(INSTRUCTION_ABORT | status, pc, pc)),
            Ok(page) if page.block != 0 => return None,
            Ok(_) => {}
        }
        let call = |imm: u64, pc| Some(Ended::Called(0x5a00_0000 | imm, pc));
        let access = |syndrome, flags, imm| match vm.page(x1, flags) {
            Err(status) => Some(Ended::Aborted(syndrome | status, x1, pc)),
            Ok(_) => call(imm, pc + 8),
        };
        match start {
            Start::Hvc(_) => call(1, pc + 4),
            Start::Smc(_) => Some(Ended::Called(0x5e00_0004, pc)),
            Start::Wfi(_) => (!waiting).then_some(Ended::Waits(pc)),
            Start::Store(..) => access(DATA_ABORT | WNR, WRITE, 2),
            Start::Load(..) => access(DATA_ABORT | 2 << 16, READ, 3),
            Start::Endless(_) => Some(Ended::Canceled),
            Start::Illegal(_) => None,
        }
    }
}
