//! ICC: priorities, preemption, the two ways to end.

use crate::machine::{IRQ, Machine, NONE, SPURIOUS};
use anyvisor_arch::gic::bank::{ICPENDR, ISACTIVER};
use anyvisor_arch::gic::icc::{ctlr, sre};
use anyvisor_gic::Icc;

/// Edges of these priorities, all pending.
fn pending(interrupts: &[(u32, u8)]) -> Machine {
    let mut m = Machine::new(1);
    for &(intid, priority) in interrupts {
        m.configure(0, intid, true);
        m.enable(0, intid, priority);
        m.gic.set_spi(intid, true);
    }
    m
}

#[test]
fn registers_after_reset() {
    let mut m = Machine::reset(1);
    for (register, value) in [
        (Icc::Pmr, 0),
        (Icc::Bpr0, 2),
        (Icc::Bpr1, 3),
        (Icc::Rpr, 0xff),
        (Icc::Ctlr, ctlr::PRI_BITS.put(4) | ctlr::A3V | ctlr::RSS),
        (Icc::Sre, sre::SRE | sre::DFB | sre::DIB),
        (Icc::Igrpen0, 0),
        (Icc::Igrpen1, 0),
        (Icc::Ap0r(0), 0),
        (Icc::Ap1r(0), 0),
        (Icc::Hppir0, SPURIOUS),
        (Icc::Hppir1, SPURIOUS),
        (Icc::Iar0, SPURIOUS),
        (Icc::Iar1, SPURIOUS),
    ] {
        assert_eq!(m.get(0, register), value, "{register:?}");
    }
}

#[test]
fn a_write_changes_what_is_there_and_nothing_else() {
    let mut m = Machine::reset(1);
    let fixed = m.get(0, Icc::Ctlr);
    for (register, value) in [
        (Icc::Pmr, 0xf8),
        (Icc::Bpr0, 7),
        (Icc::Bpr1, 7),
        (Icc::Sre, 7),
        (Icc::Igrpen0, 1),
        (Icc::Igrpen1, 1),
        (Icc::Rpr, 0xff),
        (Icc::Ap0r(0), 0),
        (Icc::Ap0r(1), 0),
        (Icc::Ap1r(3), 0),
        (Icc::Dir, 0),
        (Icc::Eoir1, 0),
        (Icc::Sgi1r, 0),
    ] {
        if register != Icc::Ap0r(0) && register != Icc::Sgi1r {
            m.set(0, register, u64::MAX);
        }
        assert_eq!(m.get(0, register), value, "{register:?}");
    }
    m.set(0, Icc::Ctlr, u64::MAX);
    assert_eq!(m.get(0, Icc::Ctlr), fixed | ctlr::EOI_MODE | ctlr::CBPR);
}

#[test]
fn the_highest_priority_comes_first_and_of_equal_ones_the_lowest_intid() {
    let mut m = pending(&[(50, 0x80), (41, 0x80), (900, 0x20), (45, 0xa0)]);
    let mut order = vec![];
    for _ in 0..4 {
        let intid = m.get(0, Icc::Iar1);
        m.set(0, Icc::Eoir1, intid);
        order.push(intid);
    }
    assert_eq!(order, [900, 41, 50, 45]);
}

#[test]
fn a_private_interrupt_goes_before_a_shared_one_of_the_same_priority() {
    let mut m = pending(&[(32, 0x80)]);
    m.enable(0, 31, 0x80);
    m.gic.set_ppi(0, 31, true);
    assert_eq!(m.get(0, Icc::Iar1), 31);
}

#[test]
fn the_mask_lets_only_higher_priorities_through() {
    let mut m = pending(&[(40, 0x80)]);
    m.set(0, Icc::Pmr, 0x80);
    assert_eq!((m.lines(0), m.get(0, Icc::Iar1)), (NONE, SPURIOUS));
    assert_eq!(m.get(0, Icc::Hppir1), 40, "it is pending for all that");
    m.set(0, Icc::Pmr, 0x88);
    assert_eq!(m.lines(0), IRQ);
}

#[test]
fn a_higher_priority_preempts_and_the_preempted_one_resumes() {
    let mut m = pending(&[(40, 0x80)]);
    assert_eq!((m.get(0, Icc::Iar1), m.get(0, Icc::Rpr)), (40, 0x80));
    m.enable(0, 41, 0x40);
    m.gic.set_spi(41, true);
    assert_eq!(m.lines(0), IRQ);
    assert_eq!((m.get(0, Icc::Iar1), m.get(0, Icc::Rpr)), (41, 0x40));
    assert_eq!(m.get(0, Icc::Ap1r(0)), 1 << 8 | 1 << 16);
    m.set(0, Icc::Eoir1, 41);
    assert_eq!(m.get(0, Icc::Rpr), 0x80);
    m.set(0, Icc::Eoir1, 40);
    assert_eq!(m.get(0, Icc::Rpr), 0xff);
}

#[test]
fn an_equal_priority_does_not_preempt() {
    let mut m = pending(&[(40, 0x80), (41, 0x80)]);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    assert_eq!((m.lines(0), m.get(0, Icc::Iar1)), (NONE, SPURIOUS));
    m.set(0, Icc::Eoir1, 40);
    assert_eq!(m.get(0, Icc::Iar1), 41);
}

#[test]
fn the_binary_point_says_which_bits_preempt() {
    // ICC_BPR1 = 4: bits [7:4] are Group 1's group priority, one more than Group 0's would be.
    let mut m = pending(&[(40, 0x98), (41, 0x90)]);
    m.set(0, Icc::Bpr1, 4);
    m.set_bit(0, ICPENDR, 41);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    assert_eq!(m.get(0, Icc::Rpr), 0x90);
    m.gic.set_spi(41, true);
    assert_eq!(m.lines(0), NONE, "0x90 and 0x98 have one group priority");
    m.priority(0, 41, 0x88);
    assert_eq!(m.lines(0), IRQ);
}

#[test]
fn with_the_greatest_binary_point_group_0_never_preempts() {
    let mut m = pending(&[(40, 0x80), (41, 0x00)]);
    m.group(0, 40, false);
    m.group(0, 41, false);
    m.set(0, Icc::Bpr0, 7);
    m.set_bit(0, ICPENDR, 41);
    assert_eq!(m.get(0, Icc::Iar0), 40);
    m.gic.set_spi(41, true);
    assert_eq!(m.lines(0), NONE);
    m.set(0, Icc::Eoir0, 40);
    assert_eq!(m.get(0, Icc::Iar0), 41);
}

#[test]
fn a_common_binary_point_shows_in_bpr1_as_one_more() {
    let mut m = Machine::new(1);
    m.set(0, Icc::Ctlr, ctlr::CBPR);
    m.set(0, Icc::Bpr0, 4);
    assert_eq!(m.get(0, Icc::Bpr1), 5);
    m.set(0, Icc::Bpr1, 3);
    assert_eq!(m.get(0, Icc::Bpr1), 5, "writes are ignored");
    m.set(0, Icc::Bpr0, 7);
    assert_eq!(m.get(0, Icc::Bpr1), 7);
    m.set(0, Icc::Ctlr, 0);
    assert_eq!(m.get(0, Icc::Bpr1), 3, "its own value was kept");
}

#[test]
fn the_common_binary_point_governs_group_1() {
    let mut m = pending(&[(40, 0x98)]);
    m.set(0, Icc::Ctlr, ctlr::CBPR);
    m.set(0, Icc::Bpr0, 4); // [7:5]
    assert_eq!((m.get(0, Icc::Iar1), m.get(0, Icc::Rpr)), (40, 0x80));
}

#[test]
fn binary_points_have_a_least_value() {
    let mut m = Machine::new(1);
    m.set(0, Icc::Bpr0, 0);
    m.set(0, Icc::Bpr1, 8);
    assert_eq!((m.get(0, Icc::Bpr0), m.get(0, Icc::Bpr1)), (2, 3));
}

#[test]
fn with_eoimode_1_the_end_drops_the_priority_and_dir_deactivates() {
    let mut m = pending(&[(40, 0x80), (41, 0x80)]);
    m.set(0, Icc::Ctlr, ctlr::EOI_MODE);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    m.set(0, Icc::Eoir1, 40);
    assert!(m.bit(0, ISACTIVER, 40));
    assert_eq!((m.get(0, Icc::Rpr), m.lines(0)), (0xff, IRQ));
    m.gic.set_spi(40, true);
    assert_eq!(m.get(0, Icc::Iar1), 41, "40 is pending again, and still active");
    m.set(0, Icc::Dir, 40);
    assert!(!m.bit(0, ISACTIVER, 40));
    assert_eq!(m.get(0, Icc::Rpr), 0x80, "no priority drop");
}

#[test]
fn with_eoimode_0_dir_does_nothing() {
    let mut m = pending(&[(40, 0x80)]);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    m.set(0, Icc::Dir, 40);
    assert!(m.bit(0, ISACTIVER, 40));
}

#[test]
fn an_end_of_no_interrupt_changes_nothing() {
    let mut m = pending(&[(40, 0x80)]);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    for intid in [1020, 1021, 1022, 1023, 8192, 0xff_ffff] {
        m.set(0, Icc::Eoir1, intid);
        m.set(0, Icc::Dir, intid);
    }
    assert_eq!(m.get(0, Icc::Rpr), 0x80);
    assert!(m.bit(0, ISACTIVER, 40));
    m.set(0, Icc::Eoir1, 40);
    m.set(0, Icc::Eoir1, 40);
    assert_eq!(m.get(0, Icc::Rpr), 0xff, "an end too many");
}

#[test]
fn another_pe_may_deactivate_a_shared_interrupt() {
    let mut m = Machine::new(2);
    m.configure(0, 40, true);
    m.enable(0, 40, 0x80);
    (0..2).for_each(|pe| m.set(pe, Icc::Ctlr, ctlr::EOI_MODE));
    m.gic.set_spi(40, true);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    m.set(0, Icc::Eoir1, 40);
    m.set(1, Icc::Dir, 40);
    assert!(!m.bit(0, ISACTIVER, 40));
}

#[test]
fn written_active_priorities_are_the_running_priority() {
    let mut m = pending(&[(40, 0x80)]);
    m.set(0, Icc::Ap1r(0), 1 << 4);
    assert_eq!((m.get(0, Icc::Rpr), m.lines(0)), (0x20, NONE));
    m.set(0, Icc::Ap0r(0), 1 << 2);
    assert_eq!(m.get(0, Icc::Rpr), 0x10);
    m.set(0, Icc::Eoir1, 40);
    assert_eq!(m.get(0, Icc::Rpr), 0x10, "the highest is Group 0's");
    m.set(0, Icc::Ap0r(0), 0);
    m.set(0, Icc::Ap1r(0), 0);
    assert_eq!(m.lines(0), IRQ);
}

#[test]
fn a_group_that_the_pe_disables_is_hidden_and_does_not_block_the_other() {
    let mut m = pending(&[(40, 0x80), (41, 0x10)]);
    m.group(0, 41, false);
    assert_eq!(m.get(0, Icc::Hppir1), SPURIOUS, "41 of Group 0 is the highest");
    m.set(0, Icc::Igrpen0, 0);
    assert_eq!((m.get(0, Icc::Hppir0), m.get(0, Icc::Hppir1)), (SPURIOUS, 40));
    assert_eq!(m.lines(0), IRQ);
}

#[test]
fn a_group_that_the_distributor_disables_is_not_forwarded() {
    let mut m = pending(&[(40, 0x80)]);
    m.set_gicd(0, 1);
    assert_eq!((m.lines(0), m.get(0, Icc::Hppir1)), (NONE, SPURIOUS));
    m.set_gicd(0, 2);
    assert_eq!(m.lines(0), IRQ);
}

#[test]
fn of_both_groups_active_at_one_priority_group_0_ends_first() {
    let mut m = Machine::new(1);
    m.set(0, Icc::Ap0r(0), 1 << 8);
    m.set(0, Icc::Ap1r(0), 1 << 8 | 1 << 9);
    m.set(0, Icc::Eoir1, 40);
    assert_eq!((m.get(0, Icc::Ap0r(0)), m.get(0, Icc::Ap1r(0))), (1 << 8, 1 << 8 | 1 << 9));
    m.set(0, Icc::Eoir0, 40);
    m.set(0, Icc::Eoir1, 40);
    assert_eq!((m.get(0, Icc::Ap0r(0)), m.get(0, Icc::Ap1r(0))), (0, 1 << 9));
}

#[test]
fn an_intid_has_16_bits() {
    let mut m = pending(&[(40, 0x80)]);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    m.set(0, Icc::Eoir1, 0xffff_ffff_00ff_0000 | 40);
    assert_eq!(m.get(0, Icc::Rpr), 0xff, "the bits above are RES0");
    assert!(!m.bit(0, ISACTIVER, 40));
}
