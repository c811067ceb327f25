//! Registers of the distributor, of redistributors, and of the MSI frame.

use super::place::{
    Config, Cpu, GICR, MESSAGES, STRIDE, ask, gicd, gicr, has, set_gicd, set_gicr, vm, vm_with,
};
use crate::case::{Case, Source, case};
use crate::guest::{EmptyVm, Plain};
use crate::raw::gic::*;
use crate::raw::{self, BAD_ARGUMENT, DEFAULT, DENIED, NO_DEVICE, SUCCESS};
use applevisor_sys::{
    hv_gic_distributor_reg_t as Gicd, hv_gic_msi_reg_t as Gicm, hv_gic_redistributor_reg_t as Gicr,
};
use std::sync::mpsc;
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

/// Those of `hv_gic_redistributor_reg_t`.
const REDISTRIBUTOR: [(Gicr, Gicr, u32); 11] = [
    (Gicr::TYPER, Gicr::TYPER, 8),
    (Gicr::PIDR2, Gicr::PIDR2, 4),
    (Gicr::IGROUPR0, Gicr::IGROUPR0, 4),
    (Gicr::ISENABLER0, Gicr::ISENABLER0, 4),
    (Gicr::ICENABLER0, Gicr::ICENABLER0, 4),
    (Gicr::ISPENDR0, Gicr::ISPENDR0, 4),
    (Gicr::ICPENDR0, Gicr::ICPENDR0, 4),
    (Gicr::ISACTIVER0, Gicr::ISACTIVER0, 4),
    (Gicr::ICACTIVER0, Gicr::ICACTIVER0, 4),
    (Gicr::IPRIORITYR0, Gicr::IPRIORITYR7, 4),
    (Gicr::ICFGR0, Gicr::ICFGR1, 4),
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

/// Offsets in a redistributor that the header does not name.
const NO_REDISTRIBUTOR: [(&str, u32); 12] = [
    ("ctlr", 0x0000),
    ("the_upper_half_of_typer", 0x000c),
    ("waker", 0x0014),
    ("propbaser", 0x0070),
    ("a_distributors_offset", 0x0080),
    ("igroupr1", 0x1_0084),
    ("between_two_registers", 0x1_0102),
    ("ipriorityr8", 0x1_0420),
    ("icfgr2", 0x1_0c08),
    ("pidr2_of_the_sgi_frame", 0x1_ffe8),
    ("past_the_frames", 0x2_0008),
    ("nonsense", u32::MAX),
];

/// Calls of vCPU `v` and their name.
type Call = fn(u64) -> i32;
const OF_A_VCPU: [(&str, Call); 2] = [
    ("get", |v| hv_gic_get_redistributor_reg(v, Gicr::TYPER as u32, Some(&mut 0))),
    ("set", |v| hv_gic_set_redistributor_reg(v, Gicr::ISENABLER0 as u32, 0)),
];

pub fn cases() -> Vec<Case> {
    let mut cases = distributor_cases();
    cases.extend(message_cases());
    cases.extend(redistributor_cases());
    cases.extend(base_cases());
    cases
}

fn distributor_cases() -> Vec<Case> {
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
            super::place::make_edge(100);
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
            super::place::make_edge(100);
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

fn message_cases() -> Vec<Case> {
    vec![
        // GICv2m (Arm DEN 0029), MSI_TYPER: the first INTID at 25:16, how many at 9:0.
        case("gic.messages.typer_has_the_range", Header, || {
            let _vm = vm();
            let typer = ask(|v| hv_gic_get_msi_reg(Gicm::TYPER as u32, v));
            assert_eq!(typer, 0x40_0040);
        }),
        // applevisor: gic.rs, get_and_set_msi_reg. That they change nothing is GICv2m's.
        case("gic.messages.both_registers_read_and_write", Observed, || {
            let _vm = vm();
            for reg in [Gicm::TYPER, Gicm::SET_SPI_NSR] {
                let value = ask(|v| hv_gic_get_msi_reg(reg as u32, v));
                assert_eq!(hv_gic_set_msi_reg(reg as u32, value + 1), SUCCESS, "{reg:?}");
                assert_eq!(ask(|v| hv_gic_get_msi_reg(reg as u32, v)), value, "{reg:?}");
            }
            assert!(MESSAGES.clone().all(|intid| !has(Gicd::ISPENDR0, intid)));
        }),
        case("gic.messages.a_write_sends", Header, || {
            let _vm = vm();
            assert_eq!(hv_gic_set_msi_reg(Gicm::SET_SPI_NSR as u32, 70), SUCCESS);
            assert!(has(Gicd::ISPENDR0, 70));
        }),
        case("gic.messages.a_message_makes_its_spi_pend", Header, || {
            let _vm = vm();
            assert_eq!(hv_gic_send_msi(super::place::SETSPI, 127), SUCCESS);
            assert!(has(Gicd::ISPENDR0, 127));
            assert!(!has(Gicd::ISPENDR0, 126));
        }),
        case("gic.messages.no_such_register", Ours, || {
            let _vm = vm();
            for reg in [0, 4, 9, 0x3c, 0x44, 0xfcc, 0xffff] {
                let code = hv_gic_get_msi_reg(reg, Some(&mut 0));
                assert_eq!(code, BAD_ARGUMENT, "{reg:#x}");
                assert_eq!(hv_gic_set_msi_reg(reg, 0), BAD_ARGUMENT, "{reg:#x}");
            }
        }),
        case("gic.messages.registers_without_a_frame", Ours, || {
            let reg = Gicm::TYPER as u32;
            let _vm = vm_with(&Config::plain());
            assert_eq!(hv_gic_get_msi_reg(reg, Some(&mut 0)), NO_DEVICE);
            assert_eq!(hv_gic_set_msi_reg(reg, 0), NO_DEVICE);
        }),
        case("gic.messages.registers_without_a_gic", Ours, || {
            let reg = Gicm::TYPER as u32;
            let _vm = EmptyVm::new(DEFAULT);
            assert_eq!(hv_gic_get_msi_reg(reg, Some(&mut 0)), NO_DEVICE);
            assert_eq!(hv_gic_set_msi_reg(reg, 0), NO_DEVICE);
        }),
        case("gic.messages.register_to_null", Ours, || {
            let _vm = vm();
            assert_eq!(hv_gic_get_msi_reg(Gicm::TYPER as u32, None), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
    ]
}

fn redistributor_cases() -> Vec<Case> {
    let mut cases = vec![
        case("gic.redistributor.every_register_reads_and_writes", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            for (first, last, bytes) in REDISTRIBUTOR {
                for reg in (first as u32..=last as u32).step_by(bytes as usize) {
                    let value = gicr(cpu.id, reg);
                    set_gicr(cpu.id, reg, value);
                }
            }
        }),
        // IHI 0069, GICR_TYPER: the affinity at 63:32, Processor_Number at 23:8, Last bit 4.
        case("gic.redistributor.typer_has_affinity_and_number", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0x7f_0003_0201);
            assert_eq!(gicr(cpu.id, Gicr::TYPER as u32) & !0xff_000f, 0x7f03_0201_0000_0010);
        }),
        case("gic.redistributor.typer_follows_mpidr", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(1);
            assert_eq!(raw::hv_vcpu_set_sys_reg(cpu.id, super::place::MPIDR_EL1, 0x102), SUCCESS);
            assert_eq!(gicr(cpu.id, Gicr::TYPER as u32) >> 32, 0x102);
        }),
        // shards, M13: the last frame is that of the last vCPU, in the order of creation.
        case("gic.redistributor.the_last_vcpu_is_marked", Observed, || {
            let _vm = vm();
            let first = Cpu::with_affinity(9);
            let last = |vcpu| gicr(vcpu, Gicr::TYPER as u32) >> 4 & 1;
            assert_eq!(last(first.id), 1);
            let second = thread::spawn(move || {
                let second = Cpu::with_affinity(2);
                (gicr(second.id, Gicr::TYPER as u32) >> 8 & 0xffff, last(second.id))
            });
            assert_eq!(second.join().unwrap(), (1, 1));
            assert_eq!(last(first.id), 1, "the second one is gone");
        }),
        case("gic.redistributor.typer_and_pidr2_are_read_only", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            for reg in [Gicr::TYPER, Gicr::PIDR2] {
                let value = gicr(cpu.id, reg as u32);
                set_gicr(cpu.id, reg as u32, value + 1);
                assert_eq!(gicr(cpu.id, reg as u32), value, "{reg:?}");
            }
            assert_eq!(gicr(cpu.id, Gicr::PIDR2 as u32) >> 4 & 0xf, 3);
        }),
        case("gic.redistributor.bits_are_set_and_cleared", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            for (set, clear) in [
                (Gicr::ISENABLER0, Gicr::ICENABLER0),
                (Gicr::ISPENDR0, Gicr::ICPENDR0),
                (Gicr::ISACTIVER0, Gicr::ICACTIVER0),
            ] {
                set_gicr(cpu.id, clear as u32, 0xffff_ffff);
                set_gicr(cpu.id, set as u32, 0x0011_0003);
                set_gicr(cpu.id, clear as u32, 0x1);
                let both = (gicr(cpu.id, set as u32), gicr(cpu.id, clear as u32));
                assert_eq!(both, (0x0011_0002, 0x0011_0002), "{set:?}");
            }
        }),
        case("gic.redistributor.groups_and_priorities_read_back", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            set_gicr(cpu.id, Gicr::IGROUPR0 as u32, 0x8000_00ff);
            assert_eq!(gicr(cpu.id, Gicr::IGROUPR0 as u32), 0x8000_00ff);
            for (n, reg) in (Gicr::IPRIORITYR0 as u32..).step_by(4).take(8).enumerate() {
                let value = 0x1020_3040 + ((n as u64) << 28);
                set_gicr(cpu.id, reg, value);
                assert_eq!(gicr(cpu.id, reg), value, "{reg:#x}");
            }
        }),
        // IHI 0069, GICR_ICFGR0: SGIs are always edges.
        case("gic.redistributor.sgis_are_edges", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            set_gicr(cpu.id, Gicr::ICFGR0 as u32, 0);
            assert_eq!(gicr(cpu.id, Gicr::ICFGR0 as u32), 0xaaaa_aaaa);
        }),
        case("gic.redistributor.each_vcpu_has_its_own", Header, || {
            let _vm = vm();
            let one = Cpu::with_affinity(0);
            set_gicr(one.id, Gicr::IGROUPR0 as u32, 0xff);
            thread::spawn(|| {
                let other = Cpu::with_affinity(1);
                assert_eq!(gicr(other.id, Gicr::IGROUPR0 as u32), 0);
                set_gicr(other.id, Gicr::IGROUPR0 as u32, 0xf0);
            })
            .join()
            .unwrap();
            assert_eq!(gicr(one.id, Gicr::IGROUPR0 as u32), 0xff);
        }),
        case("gic.redistributor.register_to_null", Ours, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            let code = hv_gic_get_redistributor_reg(cpu.id, Gicr::TYPER as u32, None);
            assert_eq!(code, BAD_ARGUMENT);
        })
        .not_on_a_mac(),
    ];
    cases.extend(NO_REDISTRIBUTOR.map(|(name, reg)| {
        case(format!("gic.redistributor.no_{name}"), Ours, move || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            let mut value = 77;
            let code = hv_gic_get_redistributor_reg(cpu.id, reg, Some(&mut value));
            assert_eq!((code, value), (BAD_ARGUMENT, 77));
            assert_eq!(hv_gic_set_redistributor_reg(cpu.id, reg, 0), BAD_ARGUMENT);
        })
    }));
    for (name, call) in OF_A_VCPU {
        // "Must be called by the owning thread" (hv_gic.h); the code is our choice.
        cases.push(
            case(format!("gic.redistributor.{name}_from_another_thread"), Header, move || {
                let _vm = vm();
                let cpu = Cpu::with_affinity(0);
                let id = cpu.id;
                assert_eq!(thread::spawn(move || call(id)).join().unwrap(), BAD_ARGUMENT);
                assert_eq!(call(id), SUCCESS);
            })
            .not_on_a_mac(),
        );
        cases.push(
            case(format!("gic.redistributor.{name}_of_an_unknown_vcpu"), Ours, move || {
                let _vm = vm();
                let cpu = Cpu::with_affinity(0);
                for id in [cpu.id + 1, 64, u64::MAX] {
                    assert_eq!(call(id), BAD_ARGUMENT, "{id:#x}");
                }
            })
            .not_on_a_mac(),
        );
        cases.push(case(format!("gic.redistributor.{name}_without_a_gic"), Ours, move || {
            assert_eq!(call(Plain::new().id), NO_DEVICE);
        }));
        // A program found that Apple's framework answers HV_DENIED (cove's hvf.zig); applevisor's
        // own tests, which set no MPIDR_EL1, have these calls switched off.
        cases.push(case(format!("gic.redistributor.{name}_before_mpidr"), Observed, move || {
            let _vm = vm();
            let cpu = Cpu::bare();
            assert_eq!(call(cpu.id), DENIED);
            raw::hv_vcpu_set_sys_reg(cpu.id, super::place::MPIDR_EL1, 0);
            assert_eq!(call(cpu.id), SUCCESS);
        }));
    }
    cases
}

fn base_cases() -> Vec<Case> {
    vec![
        // applevisor: vcpu.rs, get_and_set_redistributor_base.
        case("gic.base.is_that_of_the_configuration", Observed, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(1);
            assert_eq!(ask(|v| hv_gic_get_redistributor_base(cpu.id, v)), GICR);
        }),
        // shards, M13: "contiguous from the configured base", in the order of creation, whatever
        // the affinity.
        case("gic.base.follows_the_order_of_creation", Observed, || {
            let _vm = vm();
            let (tell, hear) = mpsc::channel();
            thread::scope(|scope| {
                let mut keep = Vec::new();
                for n in 0..4 {
                    let (tell, (release, wait)) = (tell.clone(), mpsc::channel::<()>());
                    scope.spawn(move || {
                        let cpu = Cpu::with_affinity(7 - n);
                        tell.send(ask(|v| hv_gic_get_redistributor_base(cpu.id, v))).unwrap();
                        let _ = wait.recv();
                    });
                    assert_eq!(hear.recv().unwrap(), GICR + n * STRIDE);
                    keep.push(release);
                }
            });
        }),
        // "Must be called after the affinity of the given vCPU has been set in its MPIDR_EL1
        // register" (hv_gic.h); the code is that of the redistributor's registers.
        case("gic.base.before_mpidr", Header, || {
            let _vm = vm();
            let cpu = Cpu::bare();
            let mut base = 77;
            let code = hv_gic_get_redistributor_base(cpu.id, Some(&mut base));
            assert_eq!((code, base), (DENIED, 77));
        }),
        // The header does not ask for the owning thread here, as it does elsewhere.
        case("gic.base.from_another_thread", Ours, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            let id = cpu.id;
            let base = thread::spawn(move || ask(|v| hv_gic_get_redistributor_base(id, v)));
            assert_eq!(base.join().unwrap(), GICR);
        })
        .not_on_a_mac(),
        case("gic.base.of_an_unknown_vcpu", Ours, || {
            let _vm = vm();
            for id in [0, 1, 64, u64::MAX] {
                let code = hv_gic_get_redistributor_base(id, Some(&mut 0));
                assert_eq!(code, BAD_ARGUMENT, "{id:#x}");
            }
        })
        .not_on_a_mac(),
        case("gic.base.of_a_destroyed_vcpu", Ours, || {
            let _vm = vm();
            let id = Cpu::with_affinity(0).id;
            assert_eq!(hv_gic_get_redistributor_base(id, Some(&mut 0)), BAD_ARGUMENT);
            // The next one in its place has to be given an affinity again.
            let cpu = Cpu::bare();
            assert_eq!(cpu.id, id);
            assert_eq!(hv_gic_get_redistributor_base(id, Some(&mut 0)), DENIED);
        })
        .not_on_a_mac(),
        case("gic.base.without_a_gic", Ours, || {
            let plain = Plain::new();
            raw::hv_vcpu_set_sys_reg(plain.id, super::place::MPIDR_EL1, 0);
            assert_eq!(hv_gic_get_redistributor_base(plain.id, Some(&mut 0)), NO_DEVICE);
        }),
        case("gic.base.to_null", Ours, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            assert_eq!(hv_gic_get_redistributor_base(cpu.id, None), BAD_ARGUMENT);
        })
        .not_on_a_mac(),
    ]
}
