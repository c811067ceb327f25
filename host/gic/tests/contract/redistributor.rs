//! GICR: identity, sleep, and the interrupts that are a PE's own.

use crate::machine::{FIQ, IRQ, Machine, NONE, SPURIOUS};
use anyvisor_arch::gic::bank::*;
use anyvisor_arch::gic::gicr::{self, SGI_BASE, typer, waker};
use anyvisor_gic::Frame::Redistributor;
use anyvisor_gic::Icc;

#[test]
fn the_type_register_names_the_pe_and_its_affinity() {
    let mut m = Machine::reset(1);
    m.gic.connect(5, 0x78_8034_1256);
    let value = m.gic.read(Redistributor(5), gicr::TYPER, 8);
    assert_eq!(typer::AFFINITY_VALUE.get(value), 0x7834_1256);
    assert_eq!(typer::PROCESSOR_NUMBER.get(value), 5);
    assert_eq!(value & (typer::PLPIS | typer::DPGS), 0);
    assert_eq!(m.gicr(5, gicr::TYPER), value & 0xffff_ffff);
    assert_eq!(m.gicr(5, gicr::TYPER + 4), value >> 32);
    m.gic.set_affinity(5, 0x0102);
    let value = m.gic.read(Redistributor(5), gicr::TYPER, 8);
    assert_eq!(typer::AFFINITY_VALUE.get(value), 0x0102);
}

#[test]
fn only_the_highest_pe_is_the_last() {
    let mut m = Machine::reset(3);
    let last = |m: &mut Machine| -> Vec<bool> {
        (0..3).map(|pe| m.gicr(pe, gicr::TYPER) & typer::LAST != 0).collect()
    };
    assert_eq!(last(&mut m), [false, false, true]);
    m.gic.disconnect(2);
    assert_eq!(last(&mut m), [false, true, false]);
}

#[test]
fn a_pe_sleeps_after_reset_and_gets_nothing_until_it_is_woken() {
    let mut m = Machine::new(1);
    let asleep = u64::from(waker::PROCESSOR_SLEEP | waker::CHILDREN_ASLEEP);
    assert_eq!(m.gicr(0, gicr::WAKER), 0);
    assert_eq!(Machine::reset(1).gicr(0, gicr::WAKER), asleep);
    m.enable(0, 27, 0x80);
    m.gic.set_ppi(0, 27, true);
    assert_eq!(m.lines(0), IRQ);
    m.set_gicr(0, gicr::WAKER, waker::PROCESSOR_SLEEP.into());
    assert_eq!(m.gicr(0, gicr::WAKER), asleep);
    assert_eq!((m.lines(0), m.get(0, Icc::Iar1)), (NONE, SPURIOUS));
    m.set_gicr(0, gicr::WAKER, waker::CHILDREN_ASLEEP.into());
    assert_eq!(m.lines(0), IRQ, "ChildrenAsleep cannot be written");
}

#[test]
fn sgis_are_edges_and_ppis_what_software_says() {
    let mut m = Machine::reset(1);
    m.set_gicr(0, SGI_BASE + ICFGR, 0);
    assert_eq!(m.gicr(0, SGI_BASE + ICFGR), 0xaaaa_aaaa);
    m.set_gicr(0, SGI_BASE + ICFGR + 4, 0xffff_ffff);
    assert_eq!(m.gicr(0, SGI_BASE + ICFGR + 4), 0xaaaa_aaaa);
    m.set_gicr(0, SGI_BASE + ICFGR + 4, 0);
    assert_eq!(m.gicr(0, SGI_BASE + ICFGR + 4), 0);
}

#[test]
fn each_pe_has_its_own_ppi() {
    let mut m = Machine::new(2);
    m.enable(0, 27, 0x80);
    m.enable(1, 27, 0x40);
    m.gic.set_ppi(1, 27, true);
    assert_eq!((m.lines(0), m.lines(1)), (NONE, IRQ));
    assert_eq!((m.get(0, Icc::Iar1), m.get(1, Icc::Iar1)), (SPURIOUS, 27));
    assert_eq!((m.get(0, Icc::Rpr), m.get(1, Icc::Rpr)), (0xff, 0x40));
}

#[test]
fn there_is_one_word_of_interrupts() {
    let mut m = Machine::reset(1);
    for register in [ISENABLER + 4, ISPENDR + 0x7c, IPRIORITYR + 32, ICFGR + 8, IGRPMODR, NSACR] {
        m.set_gicr(0, SGI_BASE + register, 0xffff_ffff);
        assert_eq!(m.gicr(0, SGI_BASE + register), 0, "{register:#x}");
    }
    m.gic.write(Redistributor(0), SGI_BASE + IPRIORITYR + 31, 1, 0x58);
    assert_eq!(m.gicr(0, SGI_BASE + IPRIORITYR + 28), 0x5800_0000);
}

#[test]
fn there_are_no_lpis() {
    let mut m = Machine::reset(1);
    for register in [gicr::CTLR, gicr::PROPBASER, gicr::PENDBASER, gicr::SYNCR, gicr::STATUSR] {
        m.gic.write(Redistributor(0), register, 8, u64::MAX);
        m.set_gicr(0, register, 0xffff_ffff);
        let read = (m.gicr(0, register), m.gic.read(Redistributor(0), register, 8));
        assert_eq!(read, (0, 0), "{register:#x}");
    }
}

#[test]
fn the_frame_of_a_pe_that_is_not_there_reads_zero() {
    let mut m = Machine::new(1);
    for pe in [1, 63, 64, usize::MAX] {
        m.set_gicr(pe, SGI_BASE + ISENABLER, 0xffff_ffff);
        for offset in (0..gicr::SIZE).step_by(4) {
            assert_eq!(m.gicr(pe, offset), 0);
        }
        m.gic.set_ppi(pe, 27, true);
        m.set(pe, Icc::Pmr, 0xff);
        let read = [Icc::Pmr, Icc::Ctlr, Icc::Iar1, Icc::Hppir0].map(|it| m.get(pe, it));
        assert_eq!(read, [0, 0, SPURIOUS, SPURIOUS]);
        assert_eq!(m.lines(pe), NONE);
    }
}

#[test]
fn a_pe_that_comes_back_is_as_after_reset() {
    let mut m = Machine::new(1);
    m.enable(0, 27, 0);
    m.group(0, 27, false);
    m.gic.set_ppi(0, 27, true);
    assert_eq!(m.lines(0), FIQ);
    m.gic.disconnect(0);
    m.gic.connect(0, 0);
    assert_eq!(m.gicr(0, SGI_BASE + ISENABLER), 0);
    assert_eq!(m.gicr(0, SGI_BASE + ISPENDR), 0);
    assert_eq!((m.get(0, Icc::Igrpen0), m.get(0, Icc::Pmr)), (0, 0));
}
