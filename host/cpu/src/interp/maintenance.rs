//! SYS instructions: cache and TLB maintenance (DDI 0487 C5.3, C5.5); address translation has a
//! file of its own.
//!
//! Host memory is coherent, so cleaning and invalidating data caches does nothing but check the
//! address. Instruction caches are the code cache: it starts a new epoch (see `block.rs`). What
//! is for the whole shareability domain goes to the other vCPUs as well (`mmu/domain.rs`), and
//! DSB waits until they have done it. There is nothing outside the Inner Shareable domain, so
//! the Outer Shareable forms are the same.

use super::{Interp, Stopped};
use crate::emit::Access;
use crate::mmu::domain::Member;
use crate::mmu::regime::asid;
use crate::mmu::{self, Abort, Invalidation, PackedAbort, Use, Want, rights};
use crate::sysreg::Refusal;
use crate::sysreg::cache::{self, CacheOp};
use anyvisor_arch::esr::{DataAbort, Esr, ExceptionClass, SystemAccess};
use anyvisor_arch::sysreg::{Encoding, SysReg};
use anyvisor_bugs::{Bug, is};

/// What a SYS encoding does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// IC and DC.
    Cache(CacheOp),
    /// TLBI, which may name nothing; `broadcast`: in all vCPUs.
    Tlb { what: Option<Invalidation>, broadcast: bool },
    /// AT S1E1R, S1E1W, S1E0R, S1E0W; `pan` as S1E1RP and S1E1WP: PSTATE.PAN counts.
    Translate { el0: bool, write: bool, pan: bool },
}

impl Operation {
    /// The table: op1, CRn, CRm, op2. `value` is the operand, `tcr` is TCR_EL1. `None`:
    /// UNDEFINED.
    fn of(encoding: Encoding, value: u64, tcr: u64) -> Option<Self> {
        if encoding.crn() == 8 {
            let (what, broadcast) = Invalidation::decode(encoding, value, asid(tcr, value))?;
            return Some(Self::Tlb { what, broadcast });
        }
        if let Some(op) = CacheOp::from_encoding(encoding) {
            return Some(Self::Cache(op));
        }
        let (op2, at) = (encoding.op2(), (encoding.op1(), encoding.crn(), encoding.crm()));
        let write = op2 & 1 != 0;
        match (at, op2) {
            ((0, 7, 8), 0..=3) => Some(Self::Translate { el0: op2 & 2 != 0, write, pan: false }),
            ((0, 7, 9), 0..=1) => Some(Self::Translate { el0: false, write, pan: true }),
            _ => None,
        }
    }
}

/// Bytes that DC ZVA writes: DCZID_EL0.BS is the logarithm of the number of words.
const ZERO_BLOCK: u64 = cache::LINE_BYTES;

impl Interp<'_> {
    /// A SYS instruction with its operand.
    pub(super) fn system_instruction(
        &mut self,
        encoding: Encoding,
        rt: u32,
        value: u64,
    ) -> Result<(), Stopped> {
        let tcr = self.cpu.get(SysReg::TCR_EL1);
        let Some(operation) = Operation::of(encoding, value, tcr) else {
            return self.implementation_defined(encoding, rt);
        };
        match operation {
            Operation::Cache(op) => self.cache(op, encoding, rt, value),
            _ if self.cpu.pstate.el() == 0 => Err(self.undefined()),
            Operation::Tlb { what, broadcast } => {
                if let Some(what) = what {
                    self.invalidate(what, broadcast);
                }
                Ok(())
            }
            Operation::Translate { el0, write, pan } => {
                self.address_translate(value, el0, write, pan)
            }
        }
    }

    /// Drops translations, or decoded code; here, and where asked for in the other vCPUs.
    fn invalidate(&mut self, what: Invalidation, broadcast: bool) {
        self.stale = self.stale.max(self.tlb.invalidate(what));
        if is(Bug::TlbiNotBroadcast) && what != Invalidation::Code {
            return;
        }
        if broadcast && let Some(member) = &mut self.tlb.member {
            member.broadcast(what);
        }
    }

    /// DSB: what was told the other vCPUs is done when it completes.
    #[inline(always)]
    pub(super) fn complete_broadcasts(&mut self) {
        if self.tlb.member.as_ref().is_some_and(Member::owes) {
            self.stale = self.stale.max(self.tlb.wait_for_others());
        }
    }

    /// IC and DC.
    fn cache(&mut self, op: CacheOp, encoding: Encoding, rt: u32, va: u64) -> Result<(), Stopped> {
        op.permit(self.cpu, encoding, rt).map_err(|r| self.refused(r))?;
        match op {
            // CRm 1 is IALLUIS, 5 is IALLU, of this PE alone.
            CacheOp::InstructionAll => self.invalidate(Invalidation::Code, encoding.crm() == 1),
            CacheOp::InstructionLine => {
                self.touch(va, false)?;
                self.invalidate(Invalidation::Code, !is(Bug::IcNotBroadcast));
            }
            CacheOp::Clean => self.touch(va, false)?,
            CacheOp::Invalidate => {
                self.touch(va, true)?;
                let line = va & !(cache::LINE_BYTES - 1);
                self.watch_block(line, cache::LINE_BYTES, true)?;
            }
            CacheOp::SetWay => {}
            CacheOp::Zero => self.zero_block(va)?,
        }
        Ok(())
    }

    /// Encodings without an operation: those with CRn 11 and 15 are IMPLEMENTATION DEFINED and
    /// go to the hypervisor (HCR_EL2.TIDCP), the others are UNDEFINED.
    fn implementation_defined(&mut self, encoding: Encoding, rt: u32) -> Result<(), Stopped> {
        if matches!(encoding.crn(), 11 | 15) && self.cpu.pstate.el() == 1 {
            let access = SystemAccess { encoding, rt: rt as u8, read: false };
            return Err(self.refused(Refusal::Exit(Esr::system(access))));
        }
        Err(self.undefined())
    }

    /// Cache maintenance by address: nothing to do, but the address must translate. At EL0 it
    /// needs the right to read, DC IVAC (of EL1 only) the right to write. PAN does not stop any of
    /// them (DDI 0487, PSTATE.PAN: DC instructions other than DC ZVA).
    fn touch(&mut self, va: u64, invalidate: bool) -> Result<(), Stopped> {
        let (want, need) = match (invalidate, self.cpu.pstate.el()) {
            (true, _) => (Want::Discard, rights::W1),
            (false, 0) => (Want::Read, rights::R0),
            (false, _) => (Want::Locate, 0),
        };
        let asked = Use { want, need, aligned: true };
        let found = mmu::translate(self.cpu, self.tlb, self.map, va, asked);
        found.map(drop).map_err(|abort| self.maintenance_abort(abort, va))
    }

    /// Aborts of cache maintenance and address translation say so: CM is 1, and WnR is 1 whatever
    /// the operation does.
    pub(super) fn maintenance_abort(&mut self, abort: PackedAbort, va: u64) -> Stopped {
        let data = |status, on_walk| {
            DataAbort {
                cache_maintenance: !is(Bug::CmMissing),
                on_walk,
                ..DataAbort::new(status, true)
            }
            .iss()
        };
        match abort.unpack() {
            Abort::Stage1(status) => self.abort_at_el1(data(status, false), va),
            Abort::Stage2 { status, ipa, on_walk } => {
                let syndrome = Esr::new(ExceptionClass::DataAbortLower, data(status, on_walk));
                self.exit(syndrome.0, va, ipa)
            }
            Abort::Update { status, ipa } => {
                let syndrome = Esr::new(ExceptionClass::DataAbortLower, data(status, true));
                self.exit(syndrome.0, va, ipa)
            }
        }
    }

    /// DC ZVA: a store of zeros to the whole block that holds `va`. In Device memory it is an
    /// alignment fault whatever the address. Its aborts are those of a store, with the address
    /// of the operand in FAR.
    fn zero_block(&mut self, va: u64) -> Result<(), Stopped> {
        let asked =
            Use { want: Want::Write, need: self.cpu.regime.write, aligned: is(Bug::ZvaOnDevice) };
        let page = match mmu::translate(self.cpu, self.tlb, self.map, va, asked) {
            Ok(place) => place.page,
            Err(abort) => {
                return Err(self.data_abort(abort, Access::opaque(8), va, Want::Write));
            }
        };
        self.watch_block(va & !(ZERO_BLOCK - 1), ZERO_BLOCK, false)?;
        // Within the page: the block may be the last of the address space.
        let start = (va & 0xfff & !(ZERO_BLOCK - 1)) as usize;
        let bytes = if is(Bug::ZvaHalfBlock) { ZERO_BLOCK / 2 } else { ZERO_BLOCK };
        for at in (start..start + bytes as usize).step_by(8) {
            page.store_u64(at, 0, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(())
    }
}
