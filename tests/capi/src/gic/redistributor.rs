//! Registers of redistributors, and where these stand.

use super::place::{Cpu, GICR, MPIDR_EL1, STRIDE, ask, gicr, set_gicr, vm};
use crate::case::{Case, Source, case};
use crate::guest::Plain;
use crate::raw::gic::*;
use crate::raw::{self, BAD_ARGUMENT, DENIED, NO_DEVICE, SUCCESS};
use applevisor_sys::hv_gic_redistributor_reg_t as Gicr;
use std::sync::mpsc;
use std::thread;

use Source::{Header, Observed, Ours};

/// The registers that `hv_gic_redistributor_reg_t` names: arrays by their first and last register,
/// and the bytes of one.
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
    let mut cases = register_cases();
    cases.extend(base_cases());
    cases
}

fn register_cases() -> Vec<Case> {
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
            assert_eq!(raw::hv_vcpu_set_sys_reg(cpu.id, MPIDR_EL1, 0x102), SUCCESS);
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
            case(format!("gic.redistributor.{name}_from_another_thread"), Ours, move || {
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
        // Public programs met HV_DENIED here, one of them until it set MPIDR_EL1 first; applevisor's
        // own tests, which do not set it, have these calls switched off.
        cases.push(case(format!("gic.redistributor.{name}_before_mpidr"), Observed, move || {
            let _vm = vm();
            let cpu = Cpu::bare();
            assert_eq!(call(cpu.id), DENIED);
            raw::hv_vcpu_set_sys_reg(cpu.id, MPIDR_EL1, 0);
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
        case("gic.base.before_mpidr", Ours, || {
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
            raw::hv_vcpu_set_sys_reg(plain.id, MPIDR_EL1, 0);
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
