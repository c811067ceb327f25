//! What an invalidation drops, and what it lets be.

use super::*;

const PAGES: u64 = 16;

/// A bench with the first pages mapped to RAM from 1 MiB on.
fn bench(granule: Granule) -> (Bench, u64) {
    let bench = Bench::new(granule, 39);
    let at = tables(&bench, granule, 39, 0, 0);
    map(&bench, granule, at, RAM + 0x10_0000);
    (bench, at)
}

fn map(bench: &Bench, granule: Granule, at: u64, to: u64) {
    (0..PAGES).for_each(|i| bench.write(at + 8 * i, (to + i * granule.size()) | PAGE | NG));
}

/// Which of the pages are translated anew after `what`: a bit for each.
fn dropped(granule: Granule, what: Invalidation) -> u64 {
    let (mut bench, at) = bench(granule);
    (0..PAGES).for_each(|i| assert!(bench.read(i * granule.size() + 0x800).is_ok()));
    map(&bench, granule, at, RAM);
    bench.tlb.invalidate(what);
    let anew = |i: &u64| bench.read(i * granule.size() + 0x800).unwrap() < RAM + 0x10_0000;
    (0..PAGES).filter(anew).map(|i| 1 << i).sum()
}

fn addresses(start: u64, bytes: u64) -> Invalidation {
    Invalidation::Addresses { start, bytes, last_level: true }
}

#[test]
fn one_address_drops_its_page_of_any_granule() {
    for granule in Granule::ALL {
        let size = granule.size();
        assert_eq!(dropped(granule, addresses(3 * size, 0)), 1 << 3, "{granule:?}");
        assert_eq!(dropped(granule, addresses(4 * size - 0x1000, 0)), 1 << 3, "{granule:?}");
        assert_eq!(dropped(granule, Invalidation::All), 0xffff);
        assert_eq!(dropped(granule, Invalidation::Asid(0)), 0xffff);
        assert_eq!(dropped(granule, Invalidation::Asid(1)), 0);
        assert_eq!(dropped(granule, Invalidation::Code), 0);
    }
}

#[test]
fn a_range_drops_what_it_touches() {
    for granule in Granule::ALL {
        let size = granule.size();
        assert_eq!(dropped(granule, addresses(2 * size, 2 * size)), 0b1100, "{granule:?}");
        assert_eq!(dropped(granule, addresses(12 * size, 1 << 40)), 0xf000, "{granule:?}");
        assert_eq!(dropped(granule, addresses(0, u64::MAX)), 0xffff, "{granule:?}");
        assert_eq!(dropped(granule, addresses(1 << 38, 2 * size)), 0, "{granule:?}");
    }
}

#[test]
fn an_address_in_a_block_does_not_drop_the_pages_beside_it() {
    let (mut bench, at) = bench(Granule::K4);
    let level2 = RAM + 0x1000;
    bench.write(level2 + 8, RAM | VALID | AF);
    for va in [0x3000, 0x20_5000, 0x3f_f000] {
        assert!(bench.read(va).is_ok());
    }
    bench.write(at + 8 * 3, 0);
    bench.write(level2 + 8, 0);
    bench.tlbi_va(0x30_0000);
    assert!(bench.read(0x3000).is_ok(), "a page outside the block");
    let gone = Err(Abort::Stage1(FaultStatus::Translation(2)));
    assert_eq!([bench.read(0x20_5000), bench.read(0x3f_f000)], [gone, gone]);
}

#[test]
fn a_table_is_remembered_until_more_than_the_last_level_is_invalidated() {
    let (mut bench, at) = bench(Granule::K4);
    assert!(bench.read(0).is_ok());
    // Another table of level 3, with other pages.
    let other = RAM + 0x8000;
    map(&bench, Granule::K4, other, RAM);
    bench.write(RAM + 0x1000, other | VALID | TABLE_OR_PAGE);
    bench.tlb.invalidate(addresses(0x1000, 0));
    assert_eq!(bench.read(0x1000), Ok(RAM + 0x10_1000), "VALE1: the table may be remembered");
    bench.tlbi_va(0x1000);
    assert_eq!(bench.read(0x1000), Ok(RAM + 0x1000), "VAE1");
    // Another address space never sees it.
    bench.cpu.set(SysReg::TTBR0_EL1, RAM | 1 << 48);
    bench.cpu.regime_changed();
    bench.write(RAM + 0x1000, at | VALID | TABLE_OR_PAGE);
    assert_eq!(bench.read(0x1000), Ok(RAM + 0x10_1000));
}

#[test]
fn code_hears_of_what_it_came_through_alone() {
    let (mut bench, _) = bench(Granule::K4);
    assert!(bench.access(0x1000, Want::Fetch).is_ok());
    bench.tlb.fetched(0x1000);
    assert_eq!(bench.tlbi_va(0x40_0000), Stale::Nothing);
    assert_eq!(bench.tlbi_va(0x1000), Stale::Translations);
    assert_eq!(bench.tlb.invalidate(addresses(0x40_0000, 1 << 40)), Stale::Translations);
    bench.tlb.forget_fetches();
    assert_eq!(bench.tlbi_va(0x1000), Stale::Nothing);
    // Through a block, any address of it counts.
    bench.write(RAM + 0x1000 + 8 * 4, RAM | VALID | AF);
    assert!(bench.access(0x80_0000, Want::Fetch).is_ok());
    bench.tlb.fetched(0x80_0000);
    assert_eq!(bench.tlbi_va(0x9f_f000), Stale::Translations);
}
