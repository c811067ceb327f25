//! The walk against hand-made tables, and what a TLB may and may not remember.

use super::rights::{R0, R1, R1_PAN, W0, W1, X0, X1};
use super::tables::Tables;
use super::*;
use anyvisor_arch::descriptor::{
    AF, AP_EL0, AP_READ_ONLY, Granule, NG, PXN, TABLE_OR_PAGE, UXN, VALID,
};
use anyvisor_arch::sysreg::SysReg;
use anyvisor_arch::{sctlr, tcr};
use anyvisor_vm::GuestMemory;
use std::sync::atomic::Ordering;

mod ahead;
mod maintenance;
mod refill;
mod update;

const RAM: u64 = 0x4000_0000;
const RAM_SIZE: u64 = 0x20_0000;

/// RAM with tables in it, and a CPU whose TTBR0 points to its first granule.
struct Bench {
    memory: GuestMemory,
    cpu: Cpu,
    tlb: Tlb,
    _host: Vec<u8>,
}

impl Bench {
    fn new(granule: Granule, va_bits: u64) -> Self {
        let host = vec![0u8; RAM_SIZE as usize + 0x4000];
        let base = (host.as_ptr() as usize).next_multiple_of(0x4000);
        let memory = GuestMemory::new(36, 0x4000);
        memory.map(base, RAM, RAM_SIZE, Perms::all()).unwrap();
        let mut cpu = Cpu::new(36, 0);
        cpu.set(SysReg::TCR_EL1, tcr::T0SZ.put(64 - va_bits) | tcr::tg0(granule) | tcr::IPS.put(1));
        cpu.set(SysReg::MAIR_EL1, 0xff);
        cpu.set(SysReg::TTBR0_EL1, RAM);
        cpu.set(SysReg::SCTLR_EL1, sctlr::RES1 | sctlr::M);
        cpu.regime_changed();
        Self { memory, cpu, tlb: Tlb::default(), _host: host }
    }

    fn write(&self, ipa: u64, descriptor: u64) {
        let map = self.memory.enter();
        let page = map.lookup(ipa).unwrap().0.get(&map).unwrap();
        page.store_u64(ipa as usize, descriptor, Ordering::Relaxed);
    }

    fn walk(&self, va: u64) -> Result<walk::Leaf, Abort> {
        walk::walk(&self.cpu, &mut Tables::default(), &self.memory.enter(), va, false)
            .map_err(PackedAbort::unpack)
    }

    /// TLBI VAAE1.
    fn tlbi_va(&mut self, va: u64) -> Stale {
        self.tlb.invalidate(Invalidation::Addresses { start: va, bytes: 0, last_level: false })
    }

    /// As an access does it: the TLB first.
    fn access(&mut self, va: u64, want: Want) -> Result<u64, Abort> {
        let map = self.memory.enter();
        let regime = &self.cpu.regime;
        let need = match want {
            Want::Fetch => regime.fetch,
            Want::Write | Want::Discard => regime.write,
            _ => regime.read,
        };
        if let Some(entry) = self.tlb.lookup(regime, va, need)
            && want != Want::Discard
        {
            return Ok(entry.ipa | va & 0xfff);
        }
        translate(&self.cpu, &mut self.tlb, &map, va, Use { want, need, aligned: true })
            .map(|p| p.ipa)
            .map_err(PackedAbort::unpack)
    }

    fn read(&mut self, va: u64) -> Result<u64, Abort> {
        self.access(va, Want::Read)
    }

    fn write_to(&mut self, va: u64) -> Result<u64, Abort> {
        self.access(va, Want::Write)
    }

    /// What stands at `ipa`.
    fn look(&self, ipa: u64) -> u64 {
        let map = self.memory.enter();
        let page = map.lookup(ipa).unwrap().0.get(&map).unwrap();
        page.load_u64(ipa as usize, Ordering::Relaxed)
    }

    /// TCR_EL1 with `bits`, and without what an earlier call set.
    fn control(&mut self, bits: u64) {
        let kept = tcr::T0SZ.mask() | tcr::TG0.mask() | tcr::IPS.mask();
        let tcr = self.cpu.get(SysReg::TCR_EL1) & kept | bits;
        self.cpu.set(SysReg::TCR_EL1, tcr);
        self.cpu.regime_changed();
    }
}

const PAGE: u64 = VALID | TABLE_OR_PAGE | AF;

/// Tables for `va` from the start level down to a page at `RAM + 0x10_0000`, one granule each.
fn tables(bench: &Bench, granule: Granule, va_bits: u32, va: u64, leaf: u64) -> u64 {
    let mut table = RAM;
    for level in granule.start_level(va_bits)..3 {
        let next = table + granule.size();
        bench.write(table + 8 * granule.index(va, level, va_bits), next | VALID | TABLE_OR_PAGE);
        table = next;
    }
    let at = table + 8 * granule.index(va, 3, va_bits);
    bench.write(at, leaf);
    at
}

#[test]
fn an_abort_is_unpacked_as_it_was_packed() {
    let statuses = (0..64).map(FaultStatus::from_code);
    for status in statuses {
        for ipa in [0, 0xfff, 0x9000_0008, (1 << 48) - 1] {
            let aborts = [
                Abort::Stage1(status),
                Abort::Stage2 { status, ipa, on_walk: false },
                Abort::Stage2 { status, ipa, on_walk: true },
                Abort::Update { status, ipa },
            ];
            for abort in aborts {
                assert_eq!(PackedAbort::from(abort).unpack(), abort);
            }
        }
    }
}

#[test]
fn a_page_is_found_through_all_levels_of_each_granule() {
    for (granule, va_bits) in [
        (Granule::K4, 48),
        (Granule::K4, 30),
        (Granule::K16, 48),
        (Granule::K16, 36),
        (Granule::K64, 42),
    ] {
        let bench = Bench::new(granule, va_bits);
        let va = 0x1234_5678_9abc & ((1 << va_bits) - 1);
        tables(&bench, granule, va_bits as u32, va, (RAM + 0x10_0000) | PAGE | NG);
        let leaf = bench.walk(va).unwrap();
        assert_eq!(leaf.ipa, RAM + 0x10_0000 + (va & (granule.size() - 1)), "{granule:?}");
        assert_eq!((leaf.level, leaf.global, leaf.device), (3, false, false));
        assert_eq!(leaf.span_bits, granule.page_bits());
        let other = bench.walk(va ^ 1 << (va_bits - 1));
        let level = granule.start_level(va_bits as u32);
        assert_eq!(other, Err(Abort::Stage1(FaultStatus::Translation(level))), "{granule:?}");
    }
}

#[test]
fn addresses_outside_both_halves_fault_at_level_0() {
    let mut bench = Bench::new(Granule::K4, 39);
    tables(&bench, Granule::K4, 39, 0x1000, (RAM + 0x10_0000) | PAGE);
    let fault = Err(Abort::Stage1(FaultStatus::Translation(0)));
    assert!(bench.walk(0x1000).is_ok());
    for va in [1 << 39 | 0x1000, 1 << 55 | 0x1000, 0xff00_0000_0000_1000] {
        assert_eq!(bench.walk(va), fault, "{va:#x}");
    }
    let tcr = bench.cpu.get(SysReg::TCR_EL1);
    bench.cpu.set(SysReg::TCR_EL1, tcr | tcr::TBI0);
    bench.cpu.regime_changed();
    assert!(bench.walk(0xab00_0000_0000_1000).is_ok(), "the tag is ignored");
    bench.cpu.set(SysReg::TCR_EL1, tcr | tcr::EPD0);
    bench.cpu.regime_changed();
    assert_eq!(bench.walk(0x1000), fault, "EPD0");
}

#[test]
fn access_flag_address_size_and_walk_faults_name_their_level() {
    let bench = Bench::new(Granule::K4, 39);
    let at = tables(&bench, Granule::K4, 39, 0x1000, RAM | PAGE & !AF);
    assert_eq!(bench.walk(0x1000), Err(Abort::Stage1(FaultStatus::AccessFlag(3))));
    bench.write(at, 1 << 36 | PAGE);
    assert_eq!(bench.walk(0x1000), Err(Abort::Stage1(FaultStatus::AddressSize(3))));
    bench.write(at, 0);
    assert_eq!(bench.walk(0x1000), Err(Abort::Stage1(FaultStatus::Translation(3))));
    bench.write(RAM, 0x9000_0000 | VALID | TABLE_OR_PAGE);
    let status = FaultStatus::Translation(STAGE2_LEVEL);
    assert_eq!(
        bench.walk(0x1000),
        Err(Abort::Stage2 { status, ipa: 0x9000_0000, on_walk: true }),
        "a table outside RAM is the hypervisor's affair"
    );
}

#[test]
fn rights_follow_ap_uxn_pxn_and_wxn() {
    let mut bench = Bench::new(Granule::K4, 39);
    let at = tables(&bench, Granule::K4, 39, 0, 0);
    let rights = |bits: u64| {
        bench.write(at, RAM | PAGE | bits);
        bench.walk(0).unwrap().rights
    };
    assert_eq!(rights(UXN | PXN), R1 | W1 | R1_PAN | rights::W1_PAN);
    assert_eq!(rights(UXN | AP_READ_ONLY), R1 | R1_PAN | X1);
    assert_eq!(rights(PXN | AP_EL0), R0 | W0 | R1 | W1 | X0, "PAN closes what EL0 may read");
    assert_eq!(rights(AP_EL0), R0 | W0 | R1 | W1 | X0, "EL1 never executes what EL0 writes");
    assert_eq!(rights(AP_EL0 | AP_READ_ONLY), R0 | R1 | X0 | X1);
    let control = bench.cpu.get(SysReg::SCTLR_EL1);
    bench.cpu.set(SysReg::SCTLR_EL1, control | sctlr::WXN);
    bench.write(at, RAM | PAGE | AP_EL0);
    assert_eq!(bench.walk(0).unwrap().rights & (X0 | X1), 0);
}

#[test]
fn a_translation_stays_until_it_is_invalidated_by_address() {
    let mut bench = Bench::new(Granule::K4, 39);
    let at = tables(&bench, Granule::K4, 39, 0x3000, (RAM + 0x1000) | PAGE | NG);
    assert_eq!(bench.read(0x3008), Ok(RAM + 0x1008));
    bench.write(at, (RAM + 0x2000) | PAGE | NG);
    assert_eq!(bench.read(0x3008), Ok(RAM + 0x1008), "the TLB remembers");
    bench.tlbi_va(0x4000);
    assert_eq!(bench.read(0x3008), Ok(RAM + 0x1008), "another page's does nothing");
    bench.tlbi_va(0x3000);
    assert_eq!(bench.read(0x3008), Ok(RAM + 0x2008));
}

#[test]
fn asids_keep_apart_what_is_not_global() {
    let mut bench = Bench::new(Granule::K4, 39);
    let at = tables(&bench, Granule::K4, 39, 0x3000, (RAM + 0x1000) | PAGE | NG);
    bench.write(at + 8, (RAM + 0x5000) | PAGE);
    let use_asid = |bench: &mut Bench, asid: u64| {
        bench.cpu.set(SysReg::TTBR0_EL1, RAM | asid << 48);
        bench.cpu.regime_changed();
    };
    use_asid(&mut bench, 1);
    assert_eq!((bench.read(0x3000), bench.read(0x4000)), (Ok(RAM + 0x1000), Ok(RAM + 0x5000)));
    bench.write(at, (RAM + 0x2000) | PAGE | NG);
    bench.write(at + 8, (RAM + 0x6000) | PAGE);
    use_asid(&mut bench, 2);
    assert_eq!(bench.read(0x3000), Ok(RAM + 0x2000), "another space, another translation");
    assert_eq!(bench.read(0x4000), Ok(RAM + 0x5000), "global");
    bench.tlb.invalidate(Invalidation::Asid(2));
    assert_eq!(bench.read(0x4000), Ok(RAM + 0x5000), "global entries outlive their ASID");
    bench.tlb.flush_all();
    assert_eq!(bench.read(0x4000), Ok(RAM + 0x6000));
}

#[test]
fn invalidating_any_page_of_a_block_drops_all_of_it() {
    let mut bench = Bench::new(Granule::K4, 39);
    let block = |to: u64| to | VALID | AF;
    bench.write(RAM, (RAM + 0x1000) | VALID | TABLE_OR_PAGE);
    bench.write(RAM + 0x1000, block(RAM));
    assert_eq!(bench.read(0x5000), Ok(RAM + 0x5000));
    bench.write(RAM + 0x1000, 0);
    bench.tlbi_va(0x1f_0000);
    assert_eq!(bench.read(0x5000), Err(Abort::Stage1(FaultStatus::Translation(2))));
}
