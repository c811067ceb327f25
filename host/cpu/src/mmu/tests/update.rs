//! What TCR_EL1 and descriptors ask hardware to do: the access flag, dirty state, limits of
//! tables ignored, small tables, tags for data alone.

use super::*;
use anyvisor_arch::descriptor::{AP_TABLE_READ_ONLY, DBM, UXN_TABLE};

/// A bench with a descriptor for VA 0x3000, and `bits` of TCR_EL1 set.
fn bench(bits: u64, leaf: u64) -> (Bench, u64) {
    let mut bench = Bench::new(Granule::K4, 39);
    let at = tables(&bench, Granule::K4, 39, 0x3000, (RAM + 0x10_0000) | leaf);
    bench.control(bits);
    (bench, at)
}

const CLEAN: u64 = PAGE | DBM | AP_READ_ONLY;

#[test]
fn the_first_access_sets_the_access_flag() {
    let (mut bench, at) = bench(0, PAGE & !AF);
    assert_eq!(bench.read(0x3000), Err(Abort::Stage1(FaultStatus::AccessFlag(3))));
    bench.control(tcr::HA);
    assert!(bench.walk(0x3000).unwrap().unaccessed);
    assert_eq!(bench.look(at) & AF, 0, "a walk alone changes nothing");
    assert_eq!(bench.read(0x3000), Ok(RAM + 0x10_0000));
    assert_eq!(bench.look(at), (RAM + 0x10_0000) | PAGE);
}

#[test]
fn the_first_write_marks_a_clean_page_as_dirty() {
    let (mut bench, at) = bench(tcr::HA | tcr::HD, CLEAN);
    assert!(bench.read(0x3000).is_ok());
    assert_eq!(bench.look(at) & AP_READ_ONLY, AP_READ_ONLY, "a read leaves it clean");
    assert!(bench.access(0x3000, Want::Discard).is_ok());
    assert_eq!(bench.look(at) & AP_READ_ONLY, AP_READ_ONLY, "so does DC IVAC");
    assert_eq!(bench.write_to(0x3000), Ok(RAM + 0x10_0000));
    assert_eq!(bench.look(at) & AP_READ_ONLY, 0);
    // The TLB has it as writable now.
    bench.write(at, 0);
    assert_eq!(bench.write_to(0x3000), Ok(RAM + 0x10_0000));
}

#[test]
fn dirty_state_needs_ha_hd_and_dbm() {
    let denied = Err(Abort::Stage1(FaultStatus::Permission(3)));
    for (control, leaf) in [(tcr::HD, CLEAN), (tcr::HA, CLEAN), (tcr::HA | tcr::HD, CLEAN & !DBM)] {
        let (mut bench, at) = bench(control, leaf);
        assert_eq!(bench.write_to(0x3000), denied);
        assert_eq!(bench.look(at) & AP_READ_ONLY, AP_READ_ONLY);
    }
    // A table that forbids writing is not a matter of dirty state.
    let (mut bench, at) = bench(tcr::HA | tcr::HD, CLEAN);
    let first = bench.look(RAM);
    bench.write(RAM, first | AP_TABLE_READ_ONLY);
    assert_eq!(bench.write_to(0x3000), denied);
    assert_eq!(bench.look(at) & AP_READ_ONLY, AP_READ_ONLY);
}

#[test]
fn an_access_that_stage_1_refuses_leaves_no_mark() {
    let (mut bench, at) = bench(tcr::HA | tcr::HD, PAGE & !AF | AP_READ_ONLY);
    assert_eq!(bench.write_to(0x3000), Err(Abort::Stage1(FaultStatus::Permission(3))));
    assert_eq!(bench.look(at) & AF, 0);
}

#[test]
fn a_descriptor_that_stage_2_protects_is_a_fault_on_the_walk() {
    let (mut bench, at) = bench(tcr::HA, PAGE & !AF);
    bench.memory.protect(RAM, RAM_SIZE, Perms::READ).unwrap();
    let status = FaultStatus::Permission(STAGE2_LEVEL);
    assert_eq!(bench.read(0x3000), Err(Abort::Update { status, ipa: at }));
}

#[test]
fn limits_of_tables_count_unless_hpd_says_otherwise() {
    let (mut bench, _) = bench(0, PAGE | AP_EL0);
    let first = bench.look(RAM);
    bench.write(RAM, first | AP_TABLE_READ_ONLY | UXN_TABLE);
    assert_eq!(bench.walk(0x3000).unwrap().rights, R0 | R1 | X1);
    bench.control(tcr::HPD1);
    assert_eq!(bench.walk(0x3000).unwrap().rights, R0 | R1 | X1, "the other half's");
    bench.control(tcr::HPD0);
    assert_eq!(bench.walk(0x3000).unwrap().rights, R0 | W0 | R1 | W1 | X0);
}

#[test]
fn the_smallest_regions_have_one_table() {
    for (granule, va_bits) in [(Granule::K4, 16), (Granule::K16, 16), (Granule::K64, 17)] {
        let bench = Bench::new(granule, va_bits.into());
        let va = (1 << va_bits) - granule.size();
        let at = tables(&bench, granule, va_bits, va, (RAM + 0x10_0000) | PAGE);
        assert_eq!(at, RAM + 8 * ((1 << (va_bits - granule.page_bits())) - 1));
        assert_eq!(bench.walk(va).unwrap().ipa, RAM + 0x10_0000);
        let outside = Err(Abort::Stage1(FaultStatus::Translation(0)));
        assert_eq!(bench.walk(1 << va_bits), outside);
    }
}

#[test]
fn tags_may_be_for_data_alone() {
    let tagged = 0x5a00_0000_0000_3000;
    let (mut bench, _) = bench(tcr::TBI0, PAGE);
    assert!(bench.access(tagged, Want::Fetch).is_ok());
    assert_eq!(bench.cpu.regime.branch_address(tagged), 0x3000);
    bench.tlb.flush_all();
    bench.control(tcr::TBI0 | tcr::TBID0);
    assert!(bench.read(tagged).is_ok());
    let outside = Err(Abort::Stage1(FaultStatus::Translation(0)));
    assert_eq!(bench.access(tagged, Want::Fetch), outside, "in spite of the TLB's entry");
    assert_eq!(bench.cpu.regime.branch_address(tagged), tagged);
}
