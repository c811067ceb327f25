//! Registers of the distributor.

use super::place::{Config, gicd, has, make_edge, set_gicd, vm, vm_with};
use crate::case::{Case, Source, case};
use crate::guest::EmptyVm;
use crate::raw::gic::*;
use crate::raw::{BAD_ARGUMENT, DEFAULT, NO_DEVICE, SUCCESS};
use applevisor_sys::hv_gic_distributor_reg_t as Gicd;
use std::thread;

use Source::{Header, Observed, Ours};

/// The registers that `hv_gic_distributor_reg_t` names: arrays by their first and last register,
/// and the bytes of one.
const DISTRIBUTOR: [(Gicd, Gicd, u32); 13] = [
    (Gicd::CTLR, Gicd::CTLR, 4),
    (Gicd::TYPER, Gicd::TYPER, 4),
    (Gicd::IGROUPR0, Gicd::IGROUPR31, 4),
    (Gicd::ISENABLER0, Gicd::ISENABLER31, 4),
    (Gicd::ICENABLER0, Gicd::ICENABLER31, 4),
    (Gicd::ISPENDR0, Gicd::ISPENDR31, 4),
    (Gicd::ICPENDR0, Gicd::ICPENDR31, 4),
    (Gicd::ISACTIVER0, Gicd::ISACTIVER31, 4),
    (Gicd::ICACTIVER0, Gicd::ICACTIVER31, 4),
    (Gicd::IPRIORITYR0, Gicd::IPRIORITYR254, 4),
    (Gicd::ICFGR0, Gicd::ICFGR63, 4),
    (Gicd::IROUTER32, Gicd::IROUTER1019, 8),
    (Gicd::PIDR2, Gicd::PIDR2, 4),
];

/// Offsets in the distributor that the header does not name, whatever IHI 0069 has there.
const NO_DISTRIBUTOR: [(&str, u32); 12] = [
    ("iidr", 0x0008),
    ("statusr", 0x0010),
    ("setspi_nsr", 0x0040),
    ("between_two_registers", 0x0082),
    ("an_odd_offset", 0x0101),
    ("ipriorityr255", 0x07fc),
    ("itargetsr8", 0x0820),
    ("icfgr64", 0x0d00),
    ("irouter31", 0x60f8),
    ("the_upper_half_of_irouter32", 0x6104),
    ("irouter1020", 0x7fe0),
    ("pidr3", 0xffec),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        // "The client can use the offset alternatively, while looping through large register
        // arrays" (hv_gic.h). applevisor's tests read each kind of register, add one and write.
        case("gic.distributor.every_register_reads_and_writes", Header, || {
            let _vm = vm_with(&Config::plain());
            for (first, last, bytes) in DISTRIBUTOR {
                for reg in (first as u32..=last as u32).step_by(bytes as usize) {
                    let value = gicd(reg);
                    set_gicd(reg, value);
                }
            }
        }),
        // IHI 0069, GICD_TYPER.ITLinesNumber: 32 (N + 1) - 1 is the greatest INTID, 1019 at most.
        case("gic.distributor.typer_has_all_spis", Header, || {
            let _vm = vm_with(&Config::plain());
            assert_eq!(gicd(Gicd::TYPER as u32) & 0x1f, 31);
        }),
        // IHI 0069, GICD_PIDR2.ArchRev: 3 is GICv3.
        case("gic.distributor.pidr2_says_gicv3", Header, || {
            let _vm = vm_with(&Config::plain());
            assert_eq!(gicd(Gicd::PIDR2 as u32) >> 4 & 0xf, 3);
        }),
        // The write succeeds (applevisor: gic.rs); the registers are read-only (IHI 0069).
        case("gic.distributor.typer_and_pidr2_take_writes_and_stay", Observed, || {
            let _vm = vm_with(&Config::plain());
            for reg in [Gicd::TYPER, Gicd::PIDR2] {
                let value = gicd(reg as u32);
                set_gicd(reg as u32, value + 1);
                assert_eq!(gicd(reg as u32), value, "{reg:?}");
            }
        }),
        // IHI 0069, GICD_CTLR with one security state: EnableGrp0 and EnableGrp1 are bits 0 and 1,
        // ARE is bit 4, DS bit 6. Only affinity routing, and no second security state, is our
        // reading of how its users set it up (shards: 0x13).
        case("gic.distributor.ctlr_routes_by_affinity", Ours, || {
            let _vm = vm_with(&Config::plain());
            assert_eq!(gicd(Gicd::CTLR as u32), 0x50);
            set_gicd(Gicd::CTLR as u32, 3);
            assert_eq!(gicd(Gicd::CTLR as u32), 0x53);
        }),
        case("gic.distributor.an_spi_enabled_and_disabled", Header, || {
            let _vm = vm_with(&Config::plain());
            let (set, clear) = (Gicd::ISENABLER1 as u32, Gicd::ICENABLER1 as u32);
            assert_eq!((gicd(set), gicd(clear)), (0, 0));
            set_gicd(set, 0x8000_0001);
            set_gicd(set, 0x10);
            assert_eq!((gicd(set), gicd(clear)), (0x8000_0011, 0x8000_0011));
            set_gicd(clear, 1);
            assert_eq!((gicd(set), gicd(clear)), (0x8000_0010, 0x8000_0010));
        }),
        case("gic.distributor.an_spi_pends_and_is_active_by_a_write", Header, || {
            let _vm = vm_with(&Config::plain());
            for (set, clear) in
                [(Gicd::ISPENDR2, Gicd::ICPENDR2), (Gicd::ISACTIVER2, Gicd::ICACTIVER2)]
            {
                set_gicd(set as u32, 0x6);
                assert_eq!((gicd(set as u32), gicd(clear as u32)), (0x6, 0x6), "{set:?}");
                set_gicd(clear as u32, 0x2);
                assert_eq!((gicd(set as u32), gicd(clear as u32)), (0x4, 0x4), "{set:?}");
            }
        }),
        case("gic.distributor.groups_and_priorities_read_back", Header, || {
            let _vm = vm_with(&Config::plain());
            set_gicd(Gicd::IGROUPR31 as u32, 0x0123_4567);
            assert_eq!(gicd(Gicd::IGROUPR31 as u32), 0x0123_4567);
            // At least four bits of a priority are there (IHI 0069, 4.8).
            set_gicd(Gicd::IPRIORITYR254 as u32, 0x10a0_f050);
            assert_eq!(gicd(Gicd::IPRIORITYR254 as u32), 0x10a0_f050);
        }),
        // IHI 0069, GICD_ICFGR: the upper bit of two is edge (1) or level (0), the lower one RES0.
        case("gic.distributor.triggers_read_back", Header, || {
            let _vm = vm_with(&Config::plain());
            set_gicd(Gicd::ICFGR63 as u32, 0x00aa_aaff);
            assert_eq!(gicd(Gicd::ICFGR63 as u32), 0x00aa_aaaa);
        }),
        // IHI 0069, GICD_IROUTER: Aff3 is at 39:32, Interrupt_Routing_Mode bit 31.
        case("gic.distributor.a_route_has_64_bits", Header, || {
            let _vm = vm_with(&Config::plain());
            for (reg, value) in [(Gicd::IROUTER32, 0x7f_8003_0201), (Gicd::IROUTER1019, 0x1)] {
                set_gicd(reg as u32, value);
                assert_eq!(gicd(reg as u32), value, "{reg:?}");
            }
            assert_eq!(gicd(Gicd::IROUTER33 as u32), 0);
        }),
        // IHI 0069: with affinity routing what INTIDs 0 to 31 have is in the redistributors.
        case("gic.distributor.the_first_32_are_not_here", Header, || {
            let _vm = vm_with(&Config::plain());
            for reg in [Gicd::IGROUPR0, Gicd::ISENABLER0, Gicd::ISPENDR0, Gicd::IPRIORITYR7] {
                set_gicd(reg as u32, 0xf0f0_f0f0);
                assert_eq!(gicd(reg as u32), 0, "{reg:?}");
            }
        }),
        case("gic.distributor.the_upper_half_of_a_value_does_not_count", Ours, || {
            let _vm = vm_with(&Config::plain());
            set_gicd(Gicd::ISENABLER1 as u32, 0xdead_beef_0000_0001);
            assert_eq!(gicd(Gicd::ISENABLER1 as u32), 1);
            assert_eq!(gicd(Gicd::ISENABLER2 as u32), 0);
        }),
        case("gic.distributor.a_line_makes_a_level_spi_pend", Header, || {
            let _vm = vm_with(&Config::plain());
            for level in [true, false] {
                assert_eq!(hv_gic_set_spi(100, level), SUCCESS);
                assert_eq!(has(Gicd::ISPENDR0, 100), level);
            }
            assert!(!has(Gicd::ISPENDR0, 101));
        }),
        // "A level of false, for an edge interrupt will be ignored" (hv_gic.h).
        case("gic.distributor.an_edge_stays_when_its_line_goes_down", Header, || {
            let _vm = vm_with(&Config::plain());
            make_edge(100);
            assert_eq!(hv_gic_set_spi(100, false), SUCCESS);
            assert!(!has(Gicd::ISPENDR0, 100));
            assert_eq!(hv_gic_set_spi(100, true), SUCCESS);
            assert_eq!(hv_gic_set_spi(100, false), SUCCESS);
            assert!(has(Gicd::ISPENDR0, 100));
        }),
        // "Setting level also causes an edge on the line for an edge triggered interrupt"
        // (hv_gic.h): each call does, the line need not go down between them.
        case("gic.distributor.each_level_of_true_is_an_edge", Header, || {
            let _vm = vm_with(&Config::plain());
            make_edge(100);
            for _ in 0..2 {
                assert_eq!(hv_gic_set_spi(100, true), SUCCESS);
                assert!(has(Gicd::ISPENDR0, 100));
                set_gicd(Gicd::ICPENDR3 as u32, 1 << 4);
                assert!(!has(Gicd::ISPENDR0, 100));
            }
        }),
        case("gic.distributor.from_another_thread", Header, || {
            let _vm = vm_with(&Config::plain());
            thread::spawn(|| set_gicd(Gicd::ISENABLER1 as u32, 2)).join().unwrap();
            assert_eq!(gicd(Gicd::ISENABLER1 as u32), 2);
        }),
        case("gic.distributor.without_a_gic", Ours, || {
            let reg = Gicd::CTLR as u32;
            for _vm in [None, Some(EmptyVm::new(DEFAULT))] {
                assert_eq!(hv_gic_get_distributor_reg(reg, Some(&mut 0)), NO_DEVICE);
                assert_eq!(hv_gic_set_distributor_reg(reg, 0), NO_DEVICE);
                assert_eq!(hv_gic_reset(), NO_DEVICE);
            }
        }),
        case("gic.distributor.to_null", Ours, || {
            let _vm = vm();
            assert_eq!(hv_gic_get_distributor_reg(0, None), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
    ];
    cases.extend(NO_DISTRIBUTOR.map(|(name, reg)| {
        case(format!("gic.distributor.no_{name}"), Ours, move || {
            let _vm = vm();
            let mut value = 77;
            let code = hv_gic_get_distributor_reg(reg, Some(&mut value));
            assert_eq!((code, value), (BAD_ARGUMENT, 77));
            assert_eq!(hv_gic_set_distributor_reg(reg, 0), BAD_ARGUMENT);
        })
    }));
    cases
}
