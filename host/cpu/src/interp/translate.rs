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
use crate::mmu::{Abort, PackedAbort, rights};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::field::Field;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_arch::{mair, pstate, sctlr};
use anyvisor_bugs::{Bug, is};

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
        let pan = pan && !is(Bug::AtIgnoresPan);
        let el0 = el0 && !is(Bug::AtEl0AsEl1);
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
            Err(abort) => match abort.unpack() {
                Abort::Stage1(status) => PAR_F | PAR_RES1 | PAR_FST.put(status.code().into()),
                _ => return Err(self.maintenance_abort(abort, va)),
            },
        };
        self.cpu.set(SysReg::PAR_EL1, par);
        Ok(())
    }

    fn stage1(&mut self, va: u64, need: u16) -> Result<Leaf, PackedAbort> {
        loop {
            let tables = &mut self.tlb.tables;
            let leaf = walk::walk(self.cpu, tables, self.map, va, false)?;
            if leaf.rights & need == 0 {
                return Err(Abort::Stage1(FaultStatus::Permission(leaf.level)).into());
            }
            let update = |tables| walk::update(tables, self.map, leaf.at, leaf.descriptor, false);
            if !leaf.unaccessed || update(tables)? {
                return Ok(leaf);
            }
        }
    }

    fn par(&self, leaf: &Leaf) -> u64 {
        let (attribute, shareability) = self.memory_attributes(leaf);
        PAR_RES1
            | PAR_NS
            | PAR_PA.mask() & leaf.ipa
            | PAR_ATTR.put(if is(Bug::ParAttributesLost) { 0 } else { attribute.into() })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interp::{CodeCache, Exit, run};
    use crate::mmu::Tlb;
    use crate::state::{Cpu, Pstate};
    use anyvisor_arch::descriptor::{
        AF, AP_EL0, AP_READ_ONLY, ATTR_INDX, DBM, Granule, SH, TABLE_OR_PAGE, VALID,
    };
    use anyvisor_arch::esr::{DataAbort, Esr, ExceptionClass};
    use anyvisor_arch::pstate::Mode;
    use anyvisor_arch::tcr;
    use anyvisor_vm::{Attention, GuestMemory, Perms};
    use std::sync::atomic::Ordering;

    const RAM: u64 = 0x4000_0000;
    const RAM_SIZE: u64 = 0x8000;
    const CODE: u64 = RAM + 0x1000;
    /// Its descriptor is the table's entry 5.
    const VA: u64 = 0x5678;
    const AT: u64 = RAM + 8 * 5;
    const PAGE: u64 = VALID | TABLE_OR_PAGE | AF | RAM | 0x2000;

    const S1E1R: u32 = 0xd508_7800;
    const S1E1W: u32 = 0xd508_7820;
    const S1E0R: u32 = 0xd508_7840;
    const S1E0W: u32 = 0xd508_7860;
    const S1E1RP: u32 = 0xd508_7900;
    const S1E1WP: u32 = 0xd508_7920;
    const HVC: u64 = 0xd400_0002;

    /// What an AT of [`VA`] left in PAR_EL1 and in the descriptor, or what it exited with.
    struct Outcome {
        par: u64,
        descriptor: u64,
        exit: Esr,
        ipa: u64,
    }

    /// Runs `word` with `leaf` as VA's descriptor, in tables of one level with 4 KiB pages.
    fn at_with(word: u32, leaf: u64, more: impl FnOnce(&mut Cpu, &GuestMemory)) -> Outcome {
        let host = vec![0u8; RAM_SIZE as usize + 0x4000];
        let base = (host.as_ptr() as usize).next_multiple_of(0x4000);
        let memory = GuestMemory::new(36, 0x4000);
        memory.map(base, RAM, RAM_SIZE, Perms::all()).unwrap();
        let cell = |ipa: u64, new: Option<u64>| {
            let map = memory.enter();
            let page = map.lookup(ipa).unwrap().0.get(&map).unwrap();
            new.iter().for_each(|&new| page.store_u64(ipa as usize, new, Ordering::Relaxed));
            page.load_u64(ipa as usize, Ordering::Relaxed)
        };
        cell(RAM + 8, Some(CODE | VALID | TABLE_OR_PAGE | AF | AP_READ_ONLY));
        cell(CODE, Some(HVC << 32 | u64::from(word)));
        cell(AT, Some(leaf));
        let mut cpu = Cpu::new(36, 0);
        cpu.set(SysReg::TCR_EL1, tcr::T0SZ.put(48) | tcr::tg0(Granule::K4) | tcr::IPS.put(1));
        cpu.set(SysReg::MAIR_EL1, mair::of(&[mair::NORMAL_WB, mair::DEVICE_GRE]));
        cpu.set(SysReg::TTBR0_EL1, RAM);
        cpu.set(SysReg::SCTLR_EL1, sctlr::RES1 | sctlr::M | sctlr::C);
        cpu.pstate = Pstate(Mode::El1h.bits() | pstate::DAIF);
        (cpu.pc, cpu.x[0]) = (CODE - RAM, VA);
        more(&mut cpu, &memory);
        let (mut tlb, mut code) = (Tlb::default(), CodeCache::default());
        let bell = Attention::default();
        cpu.regime_changed();
        let exit = run(&mut cpu, &mut tlb, &mut code, &memory, &bell, &|| 0).exit();
        let Exit::Exception(exit) = exit else { panic!("{exit:?}") };
        Outcome {
            par: cpu.get(SysReg::PAR_EL1),
            descriptor: cell(AT, None),
            exit: Esr(exit.syndrome),
            ipa: exit.physical_address,
        }
    }

    fn at(word: u32, leaf: u64) -> u64 {
        let outcome = at_with(word, leaf, |_, _| {});
        assert_eq!(outcome.exit.class(), Ok(ExceptionClass::Hvc));
        outcome.par
    }

    /// PAR_EL1 of a fault.
    fn fault(status: FaultStatus) -> u64 {
        PAR_F | PAR_RES1 | u64::from(status.code()) << 1
    }

    #[test]
    fn a_translation_shows_address_attributes_and_shareability() {
        let done =
            |attribute: u64, sh: u64| attribute << 56 | RAM | 0x2000 | PAR_RES1 | PAR_NS | sh << 7;
        assert_eq!(at(S1E1R, PAGE | SH.put(SH_INNER)), done(0xff, 0b11));
        assert_eq!(at(S1E1R, PAGE), done(0xff, 0));
        let device = at(S1E1R, PAGE | ATTR_INDX.put(1) | SH.put(SH_INNER));
        assert_eq!(device, done(0x0c, 0b10), "Device memory is Outer Shareable");
        let uncached = at_with(S1E1R, PAGE | SH.put(SH_INNER), |cpu, _| {
            cpu.set(SysReg::SCTLR_EL1, sctlr::RES1 | sctlr::M);
        });
        assert_eq!(uncached.par, done(0x44, 0b10), "SCTLR_EL1.C = 0");
    }

    #[test]
    fn faults_carry_their_status() {
        assert_eq!(at(S1E1R, 0), fault(FaultStatus::Translation(3)));
        assert_eq!(at(S1E1R, PAGE & !AF), fault(FaultStatus::AccessFlag(3)));
        assert_eq!(at(S1E1R, PAGE | 1 << 40), fault(FaultStatus::AddressSize(3)));
        let denied = fault(FaultStatus::Permission(3));
        let outcomes = |leaf| [S1E1R, S1E1W, S1E0R, S1E0W].map(|word| at(word, leaf) == denied);
        assert_eq!(outcomes(PAGE), [false, false, true, true]);
        assert_eq!(outcomes(PAGE | AP_READ_ONLY), [false, true, true, true]);
        assert_eq!(outcomes(PAGE | AP_EL0), [false; 4]);
        assert_eq!(outcomes(PAGE | AP_EL0 | AP_READ_ONLY), [false, true, false, true]);
    }

    #[test]
    fn pan_counts_in_the_forms_that_ask_for_it() {
        let par =
            |word, pan| at_with(word, PAGE | AP_EL0, |cpu, _| cpu.pstate.put(pstate::PAN, pan));
        let denied = fault(FaultStatus::Permission(3));
        for word in [S1E1R, S1E1W, S1E1RP, S1E1WP] {
            assert_eq!(par(word, false).par & PAR_F, 0);
        }
        assert_eq!([S1E1R, S1E1W].map(|word| par(word, true).par & PAR_F), [0, 0]);
        assert_eq!([S1E1RP, S1E1WP].map(|word| par(word, true).par), [denied; 2]);
    }

    #[test]
    fn the_access_flag_is_set_and_dirty_state_is_not() {
        let managed = |word, leaf| {
            at_with(word, leaf, |cpu, _| {
                let tcr = cpu.get(SysReg::TCR_EL1) | tcr::HA | tcr::HD;
                cpu.set(SysReg::TCR_EL1, tcr);
            })
        };
        let clean = PAGE & !AF | DBM | AP_READ_ONLY;
        let outcome = managed(S1E1W, clean);
        assert_eq!((outcome.par & PAR_F, outcome.descriptor), (0, clean | AF));
        let refused = managed(S1E0W, clean);
        assert_eq!(refused.par, fault(FaultStatus::Permission(3)));
        assert_eq!(refused.descriptor, clean);
    }

    #[test]
    fn a_descriptor_that_stage_2_does_not_show_is_the_hypervisor_s() {
        // The translation of VA: two levels, the second table outside RAM.
        let outcome = at_with(S1E1R, 0, |cpu, _| {
            cpu.set(
                SysReg::TCR_EL1,
                tcr::T0SZ.put(48) | tcr::T1SZ.put(40) | tcr::tg1(Granule::K4) | tcr::IPS.put(1),
            );
            cpu.set(SysReg::TTBR1_EL1, 0x9000_0000);
            cpu.x[0] = !0xfff;
        });
        assert_eq!(outcome.exit.class(), Ok(ExceptionClass::DataAbortLower));
        let abort = DataAbort::from_iss(outcome.exit.iss());
        assert!(abort.on_walk && abort.cache_maintenance && abort.write, "{abort:?}");
        assert_eq!(outcome.ipa & !0xfff, 0x9000_0000);
        assert_eq!(outcome.par, 0, "PAR_EL1 is as it was");
    }
}
