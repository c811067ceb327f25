//! Pages that were translated before anybody asked for them.

use super::*;

const COUNT: u64 = 16;
const FIRST: u64 = RAM + 0x10_0000;

/// A bench with the first pages mapped; the address of the first descriptor.
fn bench() -> (Bench, u64) {
    let bench = Bench::new(Granule::K4, 39);
    let at = tables(&bench, Granule::K4, 39, 0, 0);
    (0..COUNT).for_each(|n| bench.write(at + 8 * n, page(n)));
    (bench, at)
}

fn page(n: u64) -> u64 {
    (FIRST + n * 0x1000) | PAGE | NG
}

impl Bench {
    /// A load from page `n`, the short way if there is one.
    fn load(&mut self, n: u64) {
        let map = self.memory.enter();
        let need = self.cpu.regime.read;
        if self.tlb.lookup(&self.cpu.regime, n << 12, need).is_none()
            && refill(&self.cpu, &mut self.tlb, &map, n << 12, need).is_err()
        {
            let access = Use { want: Want::Read, need, aligned: true };
            translate(&self.cpu, &mut self.tlb, &map, n << 12, access).unwrap();
        }
    }

    /// Which pages the TLB knows: a bit for each.
    fn known(&self) -> u64 {
        let regime = &self.cpu.regime;
        let known = |n: &u64| self.tlb.lookup(regime, n << 12, regime.read).is_some();
        (0..COUNT).filter(known).map(|n| 1 << n).sum()
    }
}

#[test]
fn pages_in_a_row_bring_the_rest_of_their_group() {
    let (mut bench, _) = bench();
    bench.load(3);
    bench.load(4);
    assert_eq!(bench.known(), 0b1111_1000);
    bench.load(8);
    assert_eq!(bench.known(), 0b1111_1111_1000, "a row goes on behind a group");
    bench.load(13);
    assert_eq!(bench.known(), 0b10_1111_1111_1000, "one apart brings nothing");
    for n in 3..12 {
        let entry = bench.tlb.lookup(&bench.cpu.regime, n << 12, bench.cpu.regime.read).unwrap();
        assert_eq!(entry.ipa, FIRST + n * 0x1000, "page {n}");
    }
}

#[test]
fn a_page_that_is_not_like_the_one_before_is_not_read_ahead() {
    for other in [0, page(6) & !AF, page(6) | AP_READ_ONLY, page(6) & !NG, page(6) | 1 << 45] {
        let (mut bench, at) = bench();
        bench.write(at + 8 * 6, other);
        bench.load(3);
        bench.load(4);
        assert_eq!(bench.known(), 0b11_1000, "{other:#x}");
    }
    let (mut bench, at) = bench();
    bench.write(at + 8 * 6, 0x9000_0000 | PAGE | NG);
    bench.load(3);
    bench.load(4);
    assert_eq!(bench.known(), 0b11_1000, "nothing is there at stage 2");
}

#[test]
fn stage_2_says_of_each_page_what_may_be_done() {
    let (mut bench, _) = bench();
    bench.memory.protect(FIRST + 0x8000, 0x4000, Perms::READ).unwrap();
    bench.load(6);
    bench.load(7);
    bench.load(8);
    assert_eq!(bench.known(), 0b1111_1100_0000);
    let write = bench.cpu.regime.write;
    let may_write = |n: u64| bench.tlb.lookup(&bench.cpu.regime, n << 12, write).is_some();
    assert_eq!([7, 8, 9, 11].map(may_write), [true, false, false, false]);
}

#[test]
fn what_was_read_ahead_is_invalidated_like_the_rest() {
    let (mut bench, _) = bench();
    bench.load(3);
    bench.load(4);
    bench.tlbi_va(6 << 12);
    assert_eq!(bench.known(), 0b1011_1000);
    bench.tlb.invalidate(Invalidation::All);
    assert_eq!(bench.known(), 0);
}
