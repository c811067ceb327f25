//! GICD: what its registers hold, and what is not there.

use crate::machine::{MESSAGES, Machine};
use anyvisor_arch::gic::bank::*;
use anyvisor_arch::gic::gicd::{self, ctlr, typer};
use anyvisor_gic::Frame::Distributor;

#[test]
fn there_is_one_security_state_with_affinity_routing_and_only_the_enables_change() {
    let mut m = Machine::reset(1);
    assert_eq!(m.gicd(gicd::CTLR), u64::from(ctlr::ARE | ctlr::DS));
    m.set_gicd(gicd::CTLR, 0xffff_ffff);
    assert_eq!(
        m.gicd(gicd::CTLR),
        u64::from(ctlr::ARE | ctlr::DS | ctlr::ENABLE_GRP0 | ctlr::ENABLE_GRP1)
    );
    m.set_gicd(gicd::CTLR, 0);
    assert_eq!(m.gicd(gicd::CTLR), u64::from(ctlr::ARE | ctlr::DS));
}

#[test]
fn the_type_register_tells_what_there_is() {
    let mut m = Machine::reset(1);
    let value = m.gicd(gicd::TYPER);
    assert_eq!(typer::IT_LINES_NUMBER.get(value), 31);
    assert_eq!(typer::ID_BITS.get(value), 9);
    let no = typer::SECURITY_EXTN | typer::MBIS | typer::LPIS | typer::NO_1N;
    assert_eq!(value & no, 0);
    assert_eq!(value & (typer::A3V | typer::RSS), typer::A3V | typer::RSS);
    m.set_gicd(gicd::TYPER, 0);
    assert_eq!(m.gicd(gicd::TYPER), value, "it is read-only");
}

#[test]
fn the_architecture_is_version_3() {
    let mut m = Machine::reset(1);
    let pidr2 = m.gicd(gicd::PIDR2);
    assert_eq!(gicd::PIDR2_ARCH_REV.get(pidr2), 3);
    let cidr: Vec<u64> = (0..4).map(|n| m.gicd(gicd::CIDR0 + 4 * n)).collect();
    assert_eq!(cidr, [0x0d, 0xf0, 0x05, 0xb1]);
}

#[test]
fn set_and_clear_registers_are_two_views_of_one_state() {
    for (set, clear) in [(ISENABLER, ICENABLER), (ISPENDR, ICPENDR), (ISACTIVER, ICACTIVER)] {
        let mut m = Machine::reset(1);
        m.set_gicd(set + 4, 0x8000_0101);
        m.set_gicd(set + 4, 0x0000_0010);
        assert_eq!((m.gicd(set + 4), m.gicd(clear + 4)), (0x8000_0111, 0x8000_0111));
        m.set_gicd(clear + 4, 0x8000_0001);
        assert_eq!((m.gicd(set + 4), m.gicd(clear + 4)), (0x0000_0110, 0x0000_0110));
        assert_eq!(m.gicd(set + 8), 0, "its neighbour is another");
    }
}

#[test]
fn the_special_intids_have_no_bits() {
    let mut m = Machine::reset(1);
    for register in [IGROUPR, ISENABLER, ISPENDR, ISACTIVER] {
        m.set_gicd(register + 4 * 31, 0xffff_ffff);
        assert_eq!(m.gicd(register + 4 * 31), 0x0fff_ffff, "{register:#x}");
    }
    m.set_gicd(IPRIORITYR + 1020, 0xffff_ffff);
    assert_eq!(m.gicd(IPRIORITYR + 1020), 0);
    m.set_gicd(ICFGR + 4 * 63, 0xffff_ffff);
    assert_eq!(m.gicd(ICFGR + 4 * 63), 0x00aa_aaaa);
}

#[test]
fn what_a_redistributor_has_is_not_in_the_distributor() {
    let mut m = Machine::reset(1);
    let first = [IGROUPR, ISENABLER, ISPENDR, ISACTIVER, IPRIORITYR, IPRIORITYR + 28, ICFGR + 4];
    for register in first {
        m.set_gicd(register, 0xffff_ffff);
        assert_eq!(m.gicd(register), 0, "{register:#x}");
    }
    m.gic.write(Distributor, gicd::IROUTER + 8 * 31, 8, u64::MAX);
    assert_eq!(m.gic.read(Distributor, gicd::IROUTER + 8 * 31, 8), 0);
}

#[test]
fn registers_of_gicv2_two_security_states_and_messages_are_zero() {
    let mut m = Machine::reset(1);
    for register in [
        gicd::IIDR,
        gicd::TYPER2,
        gicd::STATUSR,
        gicd::SETSPI_NSR,
        gicd::CLRSPI_NSR,
        gicd::ITARGETSR + 32,
        gicd::SGIR,
        IGRPMODR + 4,
        NSACR + 8,
    ] {
        m.set_gicd(register, 0xffff_ffff);
        assert_eq!(m.gicd(register), 0, "{register:#x}");
    }
    assert!((0..1020).all(|intid| !m.bit(0, ISPENDR, intid)), "nothing was sent");
}

#[test]
fn a_priority_is_a_byte_of_which_five_bits_are_there() {
    let mut m = Machine::reset(1);
    m.gic.write(Distributor, IPRIORITYR + 41, 1, 0xff);
    assert_eq!(m.gic.read(Distributor, IPRIORITYR + 41, 1), 0xf8);
    assert_eq!(m.gicd(IPRIORITYR + 40), 0x0000_f800);
    m.set_gicd(IPRIORITYR + 40, 0x4030_2017);
    assert_eq!(m.gicd(IPRIORITYR + 40), 0x4030_2010);
    assert_eq!(m.gic.read(Distributor, IPRIORITYR + 43, 1), 0x40);
}

#[test]
fn the_lower_bit_of_a_configuration_is_reserved() {
    let mut m = Machine::reset(1);
    m.set_gicd(ICFGR + 8, 0xffff_ffff);
    assert_eq!(m.gicd(ICFGR + 8), 0xaaaa_aaaa);
    m.set_gicd(ICFGR + 8, 0x8000_0002);
    assert_eq!((m.gicd(ICFGR + 8), m.gicd(ICFGR + 12)), (0x8000_0002, 0));
}

#[test]
fn a_message_is_an_edge_and_stays_one() {
    let mut m = Machine::reset(1);
    assert_eq!(MESSAGES.start, 64);
    m.set_gicd(ICFGR + 16, 0);
    assert_eq!((m.gicd(ICFGR + 16), m.gicd(ICFGR + 20)), (0xaaaa_aaaa, 0));
}

#[test]
fn a_route_is_64_bits_or_two_halves() {
    let mut m = Machine::reset(1);
    let offset = gicd::IROUTER + 8 * 1019;
    m.gic.write(Distributor, offset, 8, u64::MAX);
    assert_eq!(m.gic.read(Distributor, offset, 8), 0xff_80ff_ffff);
    m.set_gicd(offset, 0x0012_3456);
    assert_eq!(m.gic.read(Distributor, offset, 8), 0xff_0012_3456);
    m.set_gicd(offset + 4, 0xffff_ff77);
    assert_eq!((m.gicd(offset), m.gicd(offset + 4)), (0x12_3456, 0x77));
    m.gic.write(Distributor, gicd::IROUTER + 8 * 1020, 8, u64::MAX);
    assert_eq!(m.gic.read(Distributor, gicd::IROUTER + 8 * 1020, 8), 0, "1020 is no SPI");
}

#[test]
fn an_access_of_another_width_or_alignment_does_nothing() {
    let mut m = Machine::reset(1);
    m.set_gicd(ISENABLER + 4, 0xff);
    for (offset, bytes) in [
        (ISENABLER + 4, 1),
        (ISENABLER + 4, 2),
        (ISENABLER + 4, 8),
        (ISENABLER + 5, 4),
        (ISENABLER + 6, 4),
        (IPRIORITYR + 32, 2),
        (IPRIORITYR + 32, 8),
        (IPRIORITYR + 33, 4),
        (gicd::CTLR, 1),
        (gicd::CTLR, 8),
        (gicd::IROUTER + 8 * 40 + 4, 8),
        (gicd::IROUTER + 8 * 40, 1),
        (ISENABLER + 4, 0),
        (ISENABLER + 4, 3),
        (ISENABLER + 4, 255),
    ] {
        m.gic.write(Distributor, offset, bytes, u64::MAX);
        assert_eq!(m.gic.read(Distributor, offset, bytes), 0, "{bytes} at {offset:#x}");
    }
    assert_eq!((m.gicd(ISENABLER + 4), m.gicd(ISENABLER + 8)), (0xff, 0));
    assert_eq!(m.gicd(IPRIORITYR + 32), 0);
    assert_eq!(m.gicd(gicd::CTLR) & 3, 0);
}

#[test]
fn offsets_outside_the_frame_are_nothing() {
    let mut m = Machine::reset(1);
    for offset in [gicd::SIZE, gicd::SIZE + ISENABLER, u64::MAX - 3] {
        m.set_gicd(offset, 0xffff_ffff);
        assert_eq!(m.gicd(offset), 0);
    }
}
