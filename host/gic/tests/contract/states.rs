//! Inactive, pending, active, active and pending; edge and level.

use crate::machine::{FIQ, IRQ, Machine, NONE, SPURIOUS};
use anyvisor_arch::gic::bank::{ICACTIVER, ICENABLER, ICPENDR, ISACTIVER, ISPENDR};
use anyvisor_gic::Icc;

#[test]
fn an_edge_is_pending_then_active_then_inactive() {
    let mut m = Machine::new(1);
    m.configure(0, 40, true);
    m.enable(0, 40, 0x80);
    m.gic.set_spi(40, true);
    assert!(m.bit(0, ISPENDR, 40) && !m.bit(0, ISACTIVER, 40));
    assert_eq!(m.lines(0), IRQ);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    assert!(!m.bit(0, ISPENDR, 40) && m.bit(0, ISACTIVER, 40));
    assert_eq!(m.lines(0), NONE);
    m.set(0, Icc::Eoir1, 40);
    assert!(!m.bit(0, ISPENDR, 40) && !m.bit(0, ISACTIVER, 40));
    assert_eq!(m.get(0, Icc::Iar1), SPURIOUS);
}

#[test]
fn an_edge_while_active_is_delivered_after_the_end() {
    let mut m = Machine::new(1);
    m.configure(0, 40, true);
    m.enable(0, 40, 0x80);
    m.gic.set_spi(40, true);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    m.gic.set_spi(40, true);
    assert!(m.bit(0, ISPENDR, 40) && m.bit(0, ISACTIVER, 40));
    assert_eq!(m.lines(0), NONE, "active and pending is not forwarded");
    m.set(0, Icc::Eoir1, 40);
    assert_eq!(m.lines(0), IRQ);
}

#[test]
fn an_edge_outlives_its_line() {
    let mut m = Machine::new(1);
    m.configure(0, 40, true);
    m.enable(0, 40, 0x80);
    m.gic.set_spi(40, true);
    m.gic.set_spi(40, false);
    assert_eq!(m.get(0, Icc::Iar1), 40);
}

#[test]
fn a_level_is_pending_as_long_as_its_line_is_up() {
    let mut m = Machine::new(1);
    m.enable(0, 40, 0x80);
    m.gic.set_spi(40, true);
    assert_eq!(m.lines(0), IRQ);
    m.gic.set_spi(40, false);
    assert_eq!(m.lines(0), NONE);
    assert!(!m.bit(0, ISPENDR, 40));
}

#[test]
fn a_level_whose_device_is_not_quiet_comes_again_after_the_end() {
    let mut m = Machine::new(1);
    m.enable(0, 40, 0x80);
    m.gic.set_spi(40, true);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    assert!(m.bit(0, ISPENDR, 40) && m.bit(0, ISACTIVER, 40));
    m.set(0, Icc::Eoir1, 40);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    m.gic.set_spi(40, false);
    m.set(0, Icc::Eoir1, 40);
    assert_eq!(m.lines(0), NONE);
}

#[test]
fn clearing_pending_does_not_lower_a_line() {
    let mut m = Machine::new(1);
    m.enable(0, 40, 0x80);
    m.gic.set_spi(40, true);
    m.set_bit(0, ICPENDR, 40);
    assert!(m.bit(0, ISPENDR, 40));
    assert_eq!(m.lines(0), IRQ);
}

#[test]
fn software_makes_a_level_pending_until_it_is_acknowledged() {
    let mut m = Machine::new(1);
    m.enable(0, 40, 0x80);
    m.set_bit(0, ISPENDR, 40);
    assert_eq!(m.get(0, Icc::Iar1), 40);
    assert!(!m.bit(0, ISPENDR, 40));
    m.set(0, Icc::Eoir1, 40);
    assert_eq!(m.lines(0), NONE);
}

#[test]
fn software_takes_back_what_it_made_pending() {
    let mut m = Machine::new(1);
    m.enable(0, 40, 0x80);
    m.set_bit(0, ISPENDR, 40);
    m.gic.set_spi(40, true);
    m.gic.set_spi(40, false);
    assert_eq!(m.lines(0), IRQ, "the latch is not the line");
    m.set_bit(0, ICPENDR, 40);
    assert_eq!(m.lines(0), NONE);
}

#[test]
fn what_is_disabled_stays_pending_and_is_not_delivered() {
    let mut m = Machine::new(1);
    m.configure(0, 40, true);
    m.enable(0, 40, 0x80);
    m.set_bit(0, ICENABLER, 40);
    m.gic.set_spi(40, true);
    assert!(m.bit(0, ISPENDR, 40));
    assert_eq!((m.lines(0), m.get(0, Icc::Hppir1)), (NONE, SPURIOUS));
    m.enable(0, 40, 0x80);
    assert_eq!(m.lines(0), IRQ);
}

#[test]
fn software_sets_and_clears_the_active_state() {
    let mut m = Machine::new(1);
    m.enable(0, 40, 0x80);
    m.gic.set_spi(40, true);
    m.set_bit(0, ISACTIVER, 40);
    assert_eq!(m.lines(0), NONE);
    assert_eq!(m.get(0, Icc::Rpr), 0xff, "nothing was acknowledged");
    m.set_bit(0, ICACTIVER, 40);
    assert_eq!(m.lines(0), IRQ);
}

#[test]
fn a_group_0_interrupt_is_an_fiq_and_read_from_iar0_only() {
    let mut m = Machine::new(1);
    m.enable(0, 40, 0x80);
    m.group(0, 40, false);
    m.gic.set_spi(40, true);
    assert_eq!(m.lines(0), FIQ);
    assert_eq!(m.get(0, Icc::Iar1), SPURIOUS);
    assert_eq!(m.get(0, Icc::Hppir1), SPURIOUS);
    assert_eq!(m.get(0, Icc::Hppir0), 40);
    assert_eq!(m.get(0, Icc::Iar0), 40);
    m.set(0, Icc::Eoir1, 40);
    assert_eq!(m.get(0, Icc::Rpr), 0x80, "the other group's end changes nothing");
    m.set(0, Icc::Eoir0, 40);
    assert_eq!(m.get(0, Icc::Rpr), 0xff);
}

#[test]
fn an_interrupt_that_becomes_an_edge_loses_its_level_and_gets_it_back() {
    let mut m = Machine::new(1);
    m.enable(0, 40, 0x80);
    m.gic.set_spi(40, true);
    m.configure(0, 40, true);
    assert_eq!(m.lines(0), NONE);
    m.configure(0, 40, false);
    assert_eq!(m.lines(0), IRQ);
}

#[test]
fn an_edge_triggered_ppi_sees_the_rise_and_not_the_repetition() {
    let mut m = Machine::new(1);
    m.configure(0, 27, true);
    m.enable(0, 27, 0x80);
    m.gic.set_ppi(0, 27, true);
    assert_eq!(m.get(0, Icc::Iar1), 27);
    m.gic.set_ppi(0, 27, true);
    assert!(!m.bit(0, ISPENDR, 27));
    m.gic.set_ppi(0, 27, false);
    m.gic.set_ppi(0, 27, true);
    assert!(m.bit(0, ISPENDR, 27));
}
