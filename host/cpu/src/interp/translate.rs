//! AT: address translation on demand (DDI 0487 C5.4; `AArch64.AT`, `AArch64.EncodePAR`).
//!
//! ```text
//!   PAR_EL1    63  56 55      48 47      12 11 10  9  8  7 6          1  0
//!   done       [ATTR ][   0     ][   PA    ] 1  0 NS [SH ][     0    ]   0
//!   fault      [            0               ] 1  0  S PTW 0 [   FST   ]  1
//! ```
//!
//! S and PTW stand for faults of stage 2, which never get into PAR_EL1 here: stage 2 of the
//! address itself is not asked for by the stage-1 operations, and its fault on a descriptor is
//! taken to the hypervisor, an exit.

use super::{Interp, Stopped};
use crate::mmu::walk::{self, Leaf};
use crate::mmu::{Abort, rights};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::field::Field;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_arch::{mair, pstate, sctlr};

const PAR_F: u64 = 1 << 0;
const PAR_FST: Field = Field::new(6, 1);
const PAR_SH: Field = Field::new(8, 7);
/// Of a Non-secure translation the manual leaves it UNKNOWN; implementations set it.
const PAR_NS: u64 = 1 << 9;
/// RES1 in both forms.
const PAR_RES1: u64 = 1 << 11;
const PAR_PA: Field = Field::new(47, 12);
const PAR_ATTR: Field = Field::new(63, 56);

const SH_NONE: u64 = 0b00;
const SH_OUTER: u64 = 0b10;
const SH_INNER: u64 = 0b11;

impl Interp<'_> {
    /// AT S1E0 and S1E1, R and W, and with `pan` RP and WP: only with those does PSTATE.PAN count.
    /// An AT sets the access flag, as an access does, but marks nothing as dirty.
    pub(super) fn address_translate(
        &mut self,
        va: u64,
        el0: bool,
        write: bool,
        pan: bool,
    ) -> Result<(), Stopped> {
        let need = match (el0, write, pan && self.cpu.pstate.any(pstate::PAN)) {
            (true, false, _) => rights::R0,
            (true, true, _) => rights::W0,
            (false, false, false) => rights::R1,
            (false, true, false) => rights::W1,
            (false, false, true) => rights::R1_PAN,
            (false, true, true) => rights::W1_PAN,
        };
        let par = match self.stage1(va, need) {
            Ok(leaf) => self.par(&leaf),
            Err(Abort::Stage1(status)) => PAR_F | PAR_RES1 | PAR_FST.put(status.code().into()),
            Err(abort) => return Err(self.maintenance_abort(abort, va)),
        };
        self.cpu.set(SysReg::PAR_EL1, par);
        Ok(())
    }

    fn stage1(&mut self, va: u64, need: u16) -> Result<Leaf, Abort> {
        loop {
            let mut leaf = walk::walk(self.cpu, &mut self.tlb.tables, self.map, va, false)?;
            if leaf.rights & need == 0 {
                return Err(Abort::Stage1(FaultStatus::Permission(leaf.level)));
            }
            if walk::update(&mut leaf, &mut self.tlb.tables, self.map, false)? {
                return Ok(leaf);
            }
        }
    }

    fn par(&self, leaf: &Leaf) -> u64 {
        let (attribute, shareability) = self.memory_attributes(leaf);
        PAR_RES1
            | PAR_NS
            | PAR_PA.mask() & leaf.ipa
            | PAR_ATTR.put(attribute.into())
            | PAR_SH.put(shareability)
    }

    /// What a data access of `leaf` is: with SCTLR_EL1.C = 0 Normal memory is Non-cacheable, and
    /// Device memory and Non-cacheable memory are Outer Shareable (`EffectiveShareability`).
    fn memory_attributes(&self, leaf: &Leaf) -> (u8, u64) {
        let cacheable = self.cpu.get(SysReg::SCTLR_EL1) & sctlr::C != 0;
        let attribute = match leaf.attribute {
            device if mair::is_device(device) => return (device, SH_OUTER),
            normal if cacheable => normal,
            _ => mair::NORMAL_NC,
        };
        let shareability = match leaf.shareability {
            _ if attribute == mair::NORMAL_NC => SH_OUTER,
            known @ (SH_OUTER | SH_INNER) => known,
            // 0b01 is reserved.
            _ => SH_NONE,
        };
        (attribute, shareability)
    }
}
