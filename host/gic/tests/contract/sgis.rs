//! Sending SGIs.

use crate::machine::{FIQ, IRQ, Machine, NONE};
use anyvisor_arch::gic::bank::ISPENDR;
use anyvisor_arch::gic::icc::sgir;
use anyvisor_gic::Icc;

/// Which PEs have SGI 3 pending.
fn reached(m: &mut Machine) -> Vec<usize> {
    (0..64).filter(|&pe| m.bit(pe, ISPENDR, 3)).collect()
}

const SGI_3: u64 = sgir::INTID.put(3);

#[test]
fn the_target_list_names_pes_of_a_cluster() {
    let mut m = Machine::new(4);
    m.set(2, Icc::Sgi1r, SGI_3 | 0b1101);
    assert_eq!(reached(&mut m), [0, 2, 3], "the sender too, if it is named");
}

#[test]
fn all_but_the_sender() {
    let mut m = Machine::new(4);
    m.set(2, Icc::Sgi1r, SGI_3 | sgir::IRM | 0b0100);
    assert_eq!(reached(&mut m), [0, 1, 3]);
}

#[test]
fn every_affinity_level_is_compared() {
    let mut m = Machine::reset(0);
    for (pe, mpidr) in
        [0x01_0002_0304, 0x02_0002_0304, 0x01_0003_0304, 0x01_0002_0404, 0x01_0002_0305]
            .into_iter()
            .enumerate()
    {
        m.gic.connect(pe, mpidr);
    }
    let cluster = sgir::AFF3.put(1) | sgir::AFF2.put(2) | sgir::AFF1.put(3);
    m.set(0, Icc::Sgi1r, SGI_3 | cluster | 1 << 4);
    assert_eq!(reached(&mut m), [0]);
}

#[test]
fn the_range_selector_reaches_affinity_0_above_15() {
    let mut m = Machine::new(40);
    m.set(0, Icc::Sgi1r, SGI_3 | sgir::RS.put(2) | 0b11);
    assert_eq!(reached(&mut m), [32, 33]);
}

#[test]
fn sgi0r_and_asgi1r_send_group_0_only_and_sgi1r_either() {
    for (register, group_0, group_1) in
        [(Icc::Sgi0r, FIQ, NONE), (Icc::Asgi1r, FIQ, NONE), (Icc::Sgi1r, FIQ, IRQ)]
    {
        let mut m = Machine::new(2);
        m.enable(0, 3, 0x80);
        m.enable(1, 3, 0x80);
        m.group(0, 3, false);
        m.set(0, register, SGI_3 | 0b11);
        assert_eq!((m.lines(0), m.lines(1)), (group_0, group_1), "{register:?}");
    }
}

#[test]
fn an_sgi_is_one_interrupt_however_often_it_is_sent() {
    let mut m = Machine::new(2);
    m.enable(1, 3, 0x80);
    m.set(0, Icc::Sgi1r, SGI_3 | 0b10);
    m.set(0, Icc::Sgi1r, SGI_3 | 0b10);
    assert_eq!(m.get(1, Icc::Iar1), 3);
    m.set(1, Icc::Eoir1, 3);
    assert_eq!(m.lines(1), NONE);
}

#[test]
fn a_pe_that_is_not_there_sends_nothing() {
    let mut m = Machine::new(2);
    m.set(7, Icc::Sgi1r, SGI_3 | sgir::IRM);
    assert!(reached(&mut m).is_empty());
}
