//! What is remembered of walks is what a walk from the beginning finds.

use super::*;
use anyvisor_arch::descriptor::{
    AP_TABLE_NO_EL0, AP_TABLE_READ_ONLY, ATTR_INDX, DBM, GP, PXN_TABLE, SOFTWARE, UXN_TABLE,
};
use anyvisor_arch::mair;

/// A number whose bits look random (the finalizer of SplitMix64).
fn mix(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

/// Everything that a page descriptor may say, at random; mostly what makes it a page.
fn page(random: u64, address: u64) -> u64 {
    let free = ATTR_INDX.mask() | AP_EL0 | AP_READ_ONLY | NG | DBM | GP | PXN | UXN;
    let rare = if random >> 60 == 0 { random & (VALID | AF | TABLE_OR_PAGE | 1 << 44) } else { 0 };
    (PAGE | AF | address | random & (free | SOFTWARE.mask())) ^ rare
}

#[test]
fn a_refill_is_what_a_translation_of_a_fresh_cpu_would_be() {
    let mut refilled = 0;
    for round in 0..200 {
        let granule = Granule::ALL[round as usize % 3];
        let mut bench = Bench::new(granule, 39);
        let table = tables(&bench, granule, 39, 0, 0);
        let control = mix(round << 32);
        let tcr = bench.cpu.get(SysReg::TCR_EL1)
            | control & (tcr::HA | tcr::HD | tcr::TBI0 | tcr::TBID0 | tcr::HPD0);
        bench.cpu.set(SysReg::TCR_EL1, tcr);
        let wxn = if control & 1 << 20 == 0 { 0 } else { sctlr::WXN };
        bench.cpu.set(SysReg::SCTLR_EL1, sctlr::RES1 | sctlr::M | wxn);
        bench.cpu.regime_changed();
        // The table above the last one.
        let above = table - granule.size();
        let limits = AP_TABLE_NO_EL0 | AP_TABLE_READ_ONLY | PXN_TABLE | UXN_TABLE;
        for step in 0..64u64 {
            let random = mix((round << 32) + step + 1);
            let attributes = mair::of(&[mair::NORMAL_WB, mair::DEVICE_GRE, mair::NORMAL_NC]);
            match random >> 56 & 7 {
                0 => bench.cpu.set(SysReg::MAIR_EL1, attributes.rotate_left(random as u32 & 24)),
                1 => bench.write(above, table | VALID | TABLE_OR_PAGE | mix(random) & limits),
                _ => {}
            }
            // An index of few, so that the same descriptors and attributes come again.
            let index = random & 3;
            let kind = mix((round << 32) + (1 << 16) + (random >> 8 & 3));
            let to = if random >> 20 & 7 == 0 { 0x9000_0000 } else { RAM + 0x10_0000 };
            bench.write(table + 8 * index, page(kind, to));
            bench.tlbi_va(index * granule.size());
            let va = index * granule.size() + 0x808;
            let want = if random >> 24 & 1 == 0 { Want::Read } else { Want::Write };
            let regime = &bench.cpu.regime;
            let need = [regime.read, regime.write][usize::from(want == Want::Write)];
            let map = bench.memory.enter();
            let short = refill(&bench.cpu, &mut bench.tlb, &map, va, need);
            let kept = bench.tlb.lookup(regime, va, need).copied();
            let access = Use { want, need, aligned: true };
            let mut fresh = Tlb::default();
            let whole = translate(&bench.cpu, &mut fresh, &map, va, access);
            match short {
                Ok(_) => {
                    let expected = fresh.lookup(regime, va, need).copied();
                    assert_eq!(format!("{kept:?}"), format!("{expected:?}"), "{round} {step}");
                    refilled += 1;
                }
                Err(Some(abort)) => assert_eq!(whole.map(|place| place.ipa), Err(abort)),
                // The long way leaves behind what the next short one needs.
                Err(None) => {
                    let _ = translate(&bench.cpu, &mut bench.tlb, &map, va, access);
                }
            }
        }
    }
    assert!(refilled > 2000, "the short way is hardly ever gone: {refilled}");
}
