//! The MSI frame.

use crate::machine::{IRQ, MESSAGES, Machine, NONE};
use anyvisor_arch::gic::bank::ISPENDR;
use anyvisor_arch::gic::msi;
use anyvisor_gic::{Configuration, Frame, Gic, Icc};

#[test]
fn the_type_register_tells_the_range() {
    let mut m = Machine::reset(1);
    let value = m.gic.read(Frame::Messages, msi::TYPER, 4);
    assert_eq!(msi::TYPER_BASE.get(value), MESSAGES.start.into());
    assert_eq!(msi::TYPER_COUNT.get(value), MESSAGES.len() as u64);
    assert_eq!(m.gic.read(Frame::Messages, msi::IIDR, 4), 0);
}

#[test]
fn a_write_sends_its_intid_once() {
    for bytes in [2, 4] {
        let mut m = Machine::new(1);
        m.enable(0, 64, 0x80);
        m.gic.write(Frame::Messages, msi::SETSPI_NS, bytes, 64);
        assert_eq!(m.lines(0), IRQ);
        assert_eq!(m.get(0, Icc::Iar1), 64);
        m.set(0, Icc::Eoir1, 64);
        assert_eq!(m.lines(0), NONE);
        assert_eq!(m.gic.read(Frame::Messages, msi::SETSPI_NS, bytes), 0);
    }
}

#[test]
fn an_intid_outside_the_range_is_not_sent() {
    let mut m = Machine::new(1);
    for intid in [0, 27, 32, MESSAGES.start - 1, MESSAGES.end, 1019, 1020, 1023, u32::MAX] {
        m.gic.send_message(intid);
        m.gic.write(Frame::Messages, msi::SETSPI_NS, 4, intid.into());
    }
    assert!((0..1020).all(|intid| !m.bit(0, ISPENDR, intid)));
    assert_eq!(m.gic.take_changed(), 0);
}

#[test]
fn a_message_has_no_line() {
    let mut m = Machine::new(1);
    m.enable(0, 64, 0x80);
    m.gic.set_spi(64, true);
    assert_eq!(m.lines(0), NONE);
    m.gic.send_message(64);
    m.gic.set_spi(64, false);
    assert_eq!(m.lines(0), IRQ);
}

#[test]
fn a_range_that_is_no_spis_is_none() {
    for messages in [0..32, 1020..2000, std::ops::Range { start: 90, end: 40 }] {
        let mut gic = Gic::new(Configuration { messages: Some(messages) });
        assert_eq!(gic.read(Frame::Messages, msi::TYPER, 4), 0);
    }
    let mut gic = Gic::new(Configuration { messages: Some(1000..5000) });
    assert_eq!(msi::TYPER_COUNT.get(gic.read(Frame::Messages, msi::TYPER, 4)), 20);
}
