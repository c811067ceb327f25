//! SYS instructions: cache and TLB maintenance, address translation (DDI 0487 C5.3 to C5.5).
//!
//! Host memory is coherent, so cleaning and invalidating data caches does nothing but check the
//! address. Instruction caches are the code cache: it starts a new epoch (see `block.rs`).
//! Broadcasts reach only this vCPU: the others' TLBs are theirs until vCPUs run side by side.

use super::{Interp, Stopped};
use crate::emit::Access;
use crate::mmu::regime::asid;
use crate::mmu::{self, Abort, Want, rights};
use crate::sysreg::Refusal;
use crate::sysreg::cache::{self, CacheOp};
use anyvisor_arch::esr::{DataAbort, Esr, ExceptionClass, FaultStatus, SystemAccess};
use anyvisor_arch::field::Field;
use anyvisor_arch::mair;
use anyvisor_arch::sysreg::{Encoding, SysReg};

/// What a SYS encoding does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// IC and DC.
    Cache(CacheOp),
    /// TLBI VMALLE1.
    TlbAll,
    /// TLBI VAE1, VAAE1, VALE1, VAALE1.
    TlbAddress,
    /// TLBI ASIDE1.
    TlbAsid,
    /// AT S1E1R, S1E1W, S1E0R, S1E0W.
    Translate { el0: bool, write: bool },
}

impl Operation {
    /// The table: op1, CRn, CRm, op2. CRm 3 is the broadcast to the Inner Shareable domain.
    /// `None`: UNDEFINED.
    fn of(encoding: Encoding) -> Option<Self> {
        if let Some(op) = CacheOp::from_encoding(encoding) {
            return Some(Self::Cache(op));
        }
        Some(match (encoding.op1(), encoding.crn(), encoding.crm(), encoding.op2()) {
            (0, 7, 8, op2 @ 0..=3) => Self::Translate { el0: op2 & 2 != 0, write: op2 & 1 != 0 },
            (0, 8, 3 | 7, 0) => Self::TlbAll,
            (0, 8, 3 | 7, 1 | 3 | 5 | 7) => Self::TlbAddress,
            (0, 8, 3 | 7, 2) => Self::TlbAsid,
            _ => return None,
        })
    }
}

/// PAR_EL1 (DDI 0487, PAR_EL1): a translation that failed has F set and the fault status in FST.
const PAR_F: u64 = 1;
const PAR_FST: Field = Field::new(6, 1);
/// Bit 11 is RES1 in both forms.
const PAR_RES1: u64 = 1 << 11;
const PAR_PA: Field = Field::new(47, 12);
const PAR_ATTR: Field = Field::new(63, 56);
/// SH: Device memory and Non-cacheable read as Outer Shareable.
const PAR_SH: Field = Field::new(8, 7);
const SH_OUTER: u64 = 0b10;
const SH_INNER: u64 = 0b11;

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
        let Some(operation) = Operation::of(encoding) else {
            return self.implementation_defined(encoding, rt);
        };
        match operation {
            Operation::Cache(op) => return self.cache(op, encoding, rt, value),
            _ if self.cpu.pstate.el() == 0 => return Err(self.undefined()),
            Operation::TlbAll => self.tlb.flush_all(),
            Operation::TlbAddress => self.tlb.flush_va(value << 12),
            Operation::TlbAsid => {
                self.tlb.flush_asid(asid(self.cpu.get(SysReg::TCR_EL1), value));
            }
            Operation::Translate { el0, write } => {
                return self.address_translate(value, el0, write);
            }
        }
        self.code_stale = true;
        Ok(())
    }

    /// IC and DC.
    fn cache(&mut self, op: CacheOp, encoding: Encoding, rt: u32, va: u64) -> Result<(), Stopped> {
        op.permit(self.cpu, encoding, rt).map_err(|r| self.refused(r))?;
        match op {
            CacheOp::InstructionAll => self.code_stale = true,
            CacheOp::InstructionLine => {
                self.touch(va, false)?;
                self.code_stale = true;
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
            (true, _) => (Want::Write, rights::W1),
            (false, 0) => (Want::Read, rights::R0),
            (false, _) => (Want::Locate, 0),
        };
        let found = mmu::translate(self.cpu, self.tlb, self.map, va, want, need, true);
        found.map(drop).map_err(|abort| self.maintenance_abort(abort, va))
    }

    /// Aborts of cache maintenance say so: CM is 1, and WnR is 1 whatever the operation does.
    fn maintenance_abort(&mut self, abort: Abort, va: u64) -> Stopped {
        let data = |status, on_walk| {
            DataAbort { cache_maintenance: true, on_walk, ..DataAbort::new(status, true) }.iss()
        };
        match abort {
            Abort::Stage1(status) => self.abort_at_el1(data(status, false), va),
            Abort::Stage2 { status, ipa, on_walk } => {
                let syndrome = Esr::new(ExceptionClass::DataAbortLower, data(status, on_walk));
                self.exit(syndrome.0, va, ipa)
            }
        }
    }

    /// DC ZVA: a store of zeros to the whole block that holds `va`. In Device memory it is an
    /// alignment fault whatever the address. Its aborts are those of a store, with the address
    /// of the operand in FAR.
    fn zero_block(&mut self, va: u64) -> Result<(), Stopped> {
        let need = self.cpu.regime.write;
        let place = mmu::translate(self.cpu, self.tlb, self.map, va, Want::Write, need, false);
        let abort = match place {
            Ok(place) => match place.page.get(self.map) {
                Some(page) => {
                    self.watch_block(va & !(ZERO_BLOCK - 1), ZERO_BLOCK, false)?;
                    // Within the page: the block may be the last of the address space.
                    let start = (va & 0xfff & !(ZERO_BLOCK - 1)) as usize;
                    for at in (start..start + ZERO_BLOCK as usize).step_by(8) {
                        page.store_u64(at, 0, std::sync::atomic::Ordering::Relaxed);
                    }
                    return Ok(());
                }
                None => Abort::unmapped(place.ipa, false),
            },
            Err(abort) => abort,
        };
        Err(self.data_abort(abort, Access::opaque(8), va, Want::Write))
    }

    /// AT: the result goes to PAR_EL1. A fault at stage 2 of the table walk is an exit; stage 2
    /// of the address itself is not looked at, since a guest's PAR shows an IPA.
    fn address_translate(&mut self, va: u64, el0: bool, write: bool) -> Result<(), Stopped> {
        let need = match (el0, write) {
            (true, false) => rights::R0,
            (true, true) => rights::W0,
            (false, false) => rights::R1,
            (false, true) => rights::W1,
        };
        let leaf = match mmu::walk::walk(self.cpu, self.map, va) {
            Ok(leaf) => leaf,
            Err(Abort::Stage1(status)) => {
                self.par_fault(u64::from(status.code()));
                return Ok(());
            }
            Err(abort @ Abort::Stage2 { .. }) => {
                return Err(self.maintenance_abort(abort, va));
            }
        };
        if leaf.rights & need == 0 {
            let status = FaultStatus::Permission(leaf.level);
            self.par_fault(u64::from(status.code()));
            return Ok(());
        }
        let attribute = leaf.attribute;
        let shareability = match (mair::is_device(attribute), attribute) {
            (true, _) | (_, mair::NORMAL_NC) => SH_OUTER,
            _ if self.cpu.regime.enabled => leaf.shareability,
            _ => SH_INNER,
        };
        let par = PAR_RES1
            | PAR_PA.mask() & leaf.ipa
            | PAR_ATTR.put(attribute.into())
            | PAR_SH.put(shareability);
        self.cpu.set(SysReg::PAR_EL1, par);
        Ok(())
    }

    fn par_fault(&mut self, status: u64) {
        self.cpu.set(SysReg::PAR_EL1, PAR_F | PAR_FST.put(status) | PAR_RES1);
    }
}
