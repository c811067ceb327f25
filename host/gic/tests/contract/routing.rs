//! Which PE gets an SPI, and which PEs are reported as changed.

use crate::machine::{IRQ, Machine, NONE, SPURIOUS};
use anyvisor_arch::gic::gicd::irouter::IRM;
use anyvisor_arch::gic::gicr;
use anyvisor_gic::Icc;

fn irqs(m: &Machine, pes: usize) -> Vec<usize> {
    (0..pes).filter(|&pe| m.lines(pe) == IRQ).collect()
}

#[test]
fn an_spi_goes_to_the_pe_of_its_affinity() {
    let mut m = Machine::new(3);
    m.enable(0, 40, 0x80);
    m.gic.set_spi(40, true);
    assert_eq!(irqs(&m, 3), [0]);
    m.route(40, 2);
    assert_eq!(irqs(&m, 3), [2]);
    m.route(40, 0x0100);
    assert!(irqs(&m, 3).is_empty(), "there is no such PE");
    m.gic.set_affinity(1, 0x8000_0100);
    assert_eq!(irqs(&m, 3), [1]);
    m.gic.disconnect(1);
    assert!(irqs(&m, 3).is_empty());
}

#[test]
fn a_1_of_n_interrupt_goes_to_one_pe_of_lowest_running_priority() {
    let mut m = Machine::new(3);
    m.enable(0, 40, 0x40);
    m.route(40, IRM);
    m.gic.set_spi(40, true);
    assert_eq!(irqs(&m, 3), [0], "of equals the lowest number");
    m.set(0, Icc::Ap1r(0), 1 << 0x10);
    assert_eq!(irqs(&m, 3), [1]);
    m.set(1, Icc::Ap1r(0), 1 << 0x0f);
    m.set(2, Icc::Ap1r(0), 1 << 0x11);
    assert_eq!(irqs(&m, 3), [2]);
}

#[test]
fn a_1_of_n_interrupt_avoids_who_sleeps_masks_it_or_disabled_its_group() {
    let mut m = Machine::new(4);
    m.enable(0, 40, 0x80);
    m.route(40, IRM);
    m.gic.set_spi(40, true);
    m.set_gicr(0, gicr::WAKER, 2);
    assert_eq!(irqs(&m, 4), [1]);
    m.set(1, Icc::Igrpen1, 0);
    assert_eq!(irqs(&m, 4), [2]);
    m.set(2, Icc::Pmr, 0x80);
    assert_eq!(irqs(&m, 4), [3]);
    m.set(3, Icc::Pmr, 0x80);
    assert!(irqs(&m, 4).is_empty());
    assert_eq!(m.get(2, Icc::Hppir1), 40, "it waits for one of those that mask it");
}

#[test]
fn a_1_of_n_interrupt_is_acknowledged_once() {
    let mut m = Machine::new(2);
    m.configure(0, 40, true);
    m.enable(0, 40, 0x80);
    m.route(40, IRM);
    m.gic.set_spi(40, true);
    assert_eq!((m.get(1, Icc::Iar1), m.get(0, Icc::Iar1)), (SPURIOUS, 40));
    assert_eq!((m.get(1, Icc::Iar1), m.get(0, Icc::Iar1)), (SPURIOUS, SPURIOUS));
}

#[test]
fn only_the_target_of_an_spi_is_reported_as_changed() {
    let mut m = Machine::new(3);
    m.enable(0, 40, 0x80);
    m.route(40, 2);
    assert_ne!(m.gic.take_changed() & 0b111, 0);
    m.gic.set_spi(40, true);
    assert_eq!(m.gic.take_changed(), 0b100);
    assert_eq!(m.gic.take_changed(), 0);
    m.set(2, Icc::Pmr, 0);
    assert_eq!(m.gic.take_changed(), 0b100);
}

#[test]
fn numbers_that_are_no_interrupts_drive_nothing() {
    let mut m = Machine::new(1);
    for intid in [0, 16, 31, 1020, 1023, 1024, u32::MAX] {
        m.gic.set_spi(intid, true);
    }
    for intid in [0, 15, 32, 64, u32::MAX] {
        m.gic.set_ppi(0, intid, true);
    }
    assert_eq!((m.gic.take_changed(), m.lines(0)), (0, NONE));
}

#[test]
fn reset_keeps_lines_pes_and_cpu_interfaces_and_nothing_else() {
    let mut m = Machine::new(2);
    m.enable(0, 40, 0x80);
    m.gic.set_spi(40, true);
    m.route(41, 1);
    m.gic.reset();
    assert_eq!(m.lines(0), NONE);
    let mut fresh = Machine::reset(2);
    fresh.gic.set_spi(40, true);
    assert_eq!(m.gic.save(), fresh.gic.save());
    assert_ne!(m.get(0, Icc::Pmr), 0);
    assert_eq!(m.get(0, Icc::Pmr), Machine::new(2).get(0, Icc::Pmr));
}
