//! Registers of the CPU interface (ICC), and those that exist with EL2 only (ICH, ICV).

use super::place::{Cpu, icc, vm};
use crate::case::{Case, Source, case};
use crate::guest::Plain;
use crate::raw::gic::*;
use crate::raw::{self, BAD_ARGUMENT, NO_DEVICE, SUCCESS, UNSUPPORTED};
use applevisor_sys::{hv_gic_icc_reg_t as Icc, hv_gic_ich_reg_t as Ich, hv_gic_icv_reg_t as Icv};
use std::thread;

use Source::{Header, Observed, Ours};

/// The registers of a guest without EL2: what each reads at first, a value, and what it reads then.
/// IHI 0069 has the fields. A new interface masks everything and runs nothing; that at first no
/// group is enabled and SRE, DFB and DIB read as one is as in QEMU's reset of Apple's.
const REGISTERS: [(Icc, u64, u64, u64); 9] = [
    (Icc::PMR_EL1, 0, 0xf0, 0xf0),
    (Icc::BPR0_EL1, 2, 5, 5),
    (Icc::AP0R0_EL1, 0, 0x8000_0001, 0x8000_0001),
    (Icc::AP1R0_EL1, 0, 0x10, 0x10),
    (Icc::BPR1_EL1, 3, 6, 6),
    (Icc::CTLR_EL1, 0x4_8400, 0x3, 0x4_8403), // EOImode, CBPR
    (Icc::SRE_EL1, 7, 0, 7),
    (Icc::IGRPEN0_EL1, 0, 1, 1),
    (Icc::IGRPEN1_EL1, 0, 0xffff_ffff, 1),
];

/// `hv_gic_ich_reg_t`.
const ICH: [Ich; 24] = [
    Ich::AP0R0_EL2,
    Ich::AP1R0_EL2,
    Ich::HCR_EL2,
    Ich::VTR_EL2,
    Ich::MISR_EL2,
    Ich::EISR_EL2,
    Ich::ELRSR_EL2,
    Ich::VMCR_EL2,
    Ich::LR0_EL2,
    Ich::LR1_EL2,
    Ich::LR2_EL2,
    Ich::LR3_EL2,
    Ich::LR4_EL2,
    Ich::LR5_EL2,
    Ich::LR6_EL2,
    Ich::LR7_EL2,
    Ich::LR8_EL2,
    Ich::LR9_EL2,
    Ich::LR10_EL2,
    Ich::LR11_EL2,
    Ich::LR12_EL2,
    Ich::LR13_EL2,
    Ich::LR14_EL2,
    Ich::LR15_EL2,
];

/// `hv_gic_icv_reg_t`.
const ICV: [Icv; 10] = [
    Icv::PMR_EL1,
    Icv::BPR0_EL1,
    Icv::AP0R0_EL1,
    Icv::AP1R0_EL1,
    Icv::RPR_EL1,
    Icv::BPR1_EL1,
    Icv::CTLR_EL1,
    Icv::SRE_EL1,
    Icv::IGRPEN0_EL1,
    Icv::IGRPEN1_EL1,
];

type Get = fn(u64, u32, Option<&mut u64>) -> i32;
type Set = fn(u64, u32, u64) -> i32;

/// The three kinds: how they are read and written, one register, and what that says without EL2.
const KINDS: [(&str, Get, Set, u32, i32); 3] = [
    (
        "icc",
        |v, reg, value| hv_gic_get_icc_reg(v, reg, value),
        |v, reg, value| hv_gic_set_icc_reg(v, reg, value),
        Icc::PMR_EL1 as u32,
        SUCCESS,
    ),
    (
        "ich",
        |v, reg, value| hv_gic_get_ich_reg(v, reg, value),
        |v, reg, value| hv_gic_set_ich_reg(v, reg, value),
        Ich::HCR_EL2 as u32,
        UNSUPPORTED,
    ),
    (
        "icv",
        |v, reg, value| hv_gic_get_icv_reg(v, reg, value),
        |v, reg, value| hv_gic_set_icv_reg(v, reg, value),
        Icv::PMR_EL1 as u32,
        UNSUPPORTED,
    ),
];

/// Encodings that no enumeration has: nothing, IAR1, EOIR1, SGI1R, AP0R1, SCTLR_EL1, and more than
/// 16 bits have.
const NO_REGISTER: [u32; 7] = [0, 0xc660, 0xc661, 0xc65d, 0xc645, 0xc080, 0xffff];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        // IHI 0069, ICC_RPR_EL1: 0xff if nothing is active. applevisor's test leaves it out.
        case("gic.icc.rpr_is_idle_at_first", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            assert_eq!(icc(cpu.id, Icc::RPR_EL1), 0xff);
        }),
        case("gic.icc.rpr_follows_the_active_priorities", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            assert_eq!(hv_gic_set_icc_reg(cpu.id, Icc::AP1R0_EL1 as u32, 1 << 16), SUCCESS);
            assert_eq!(icc(cpu.id, Icc::RPR_EL1), 0x80);
        }),
        case("gic.icc.rpr_cannot_be_written", Ours, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            assert_eq!(hv_gic_set_icc_reg(cpu.id, Icc::RPR_EL1 as u32, 0), BAD_ARGUMENT);
        }),
        case("gic.icc.sre_el2_needs_el2", Ours, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            let reg = Icc::SRE_EL2 as u32;
            assert_eq!(hv_gic_get_icc_reg(cpu.id, reg, Some(&mut 0)), UNSUPPORTED);
            assert_eq!(hv_gic_set_icc_reg(cpu.id, reg, 7), UNSUPPORTED);
        }),
        // applevisor's tests of these registers do not set MPIDR_EL1.
        case("gic.icc.needs_no_affinity", Observed, || {
            let _vm = vm();
            let cpu = Cpu::bare();
            assert_eq!(hv_gic_set_icc_reg(cpu.id, Icc::PMR_EL1 as u32, 0x80), SUCCESS);
            assert_eq!(icc(cpu.id, Icc::PMR_EL1), 0x80);
        }),
        case("gic.icc.each_vcpu_has_its_own", Header, || {
            let _vm = vm();
            let one = Cpu::with_affinity(0);
            assert_eq!(hv_gic_set_icc_reg(one.id, Icc::PMR_EL1 as u32, 0x80), SUCCESS);
            let other = thread::spawn(|| icc(Cpu::with_affinity(1).id, Icc::PMR_EL1));
            assert_eq!(other.join().unwrap(), 0);
            assert_eq!(icc(one.id, Icc::PMR_EL1), 0x80);
        }),
        case("gic.icc.a_new_vcpu_starts_afresh", Header, || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            assert_eq!(hv_gic_set_icc_reg(cpu.id, Icc::IGRPEN1_EL1 as u32, 1), SUCCESS);
            drop(cpu);
            assert_eq!(icc(Cpu::with_affinity(0).id, Icc::IGRPEN1_EL1), 0);
        }),
    ];
    for (reg, first, value, then) in REGISTERS {
        cases.push(case(format!("gic.icc.{reg:?}"), Ours, move || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            assert_eq!(icc(cpu.id, reg), first);
            assert_eq!(hv_gic_set_icc_reg(cpu.id, reg as u32, value), SUCCESS);
            assert_eq!(icc(cpu.id, reg), then);
        }));
    }
    for (name, get, set, reg, expected) in KINDS {
        cases.push(
            case(format!("gic.{name}.to_null"), Ours, move || {
                let _vm = vm();
                let cpu = Cpu::with_affinity(0);
                assert_eq!(get(cpu.id, reg, None), BAD_ARGUMENT);
            })
            .not_on_a_mac(),
        );
        cases.push(case(format!("gic.{name}.no_such_register"), Ours, move || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            for reg in NO_REGISTER {
                let mut value = 77;
                assert_eq!(get(cpu.id, reg, Some(&mut value)), BAD_ARGUMENT, "{reg:#x}");
                assert_eq!(set(cpu.id, reg, 0), BAD_ARGUMENT, "{reg:#x}");
                assert_eq!(value, 77);
            }
        }));
        // "Must be called by the owning thread" (hv_gic.h); the code is our choice.
        cases.push(
            case(format!("gic.{name}.from_another_thread"), Ours, move || {
                let _vm = vm();
                let cpu = Cpu::with_affinity(0);
                let id = cpu.id;
                let codes = thread::spawn(move || (get(id, reg, Some(&mut 0)), set(id, reg, 0)));
                assert_eq!(codes.join().unwrap(), (BAD_ARGUMENT, BAD_ARGUMENT));
                assert_eq!(get(id, reg, Some(&mut 0)), expected);
            })
            .not_on_a_mac(),
        );
        cases.push(
            case(format!("gic.{name}.of_an_unknown_vcpu"), Ours, move || {
                let _vm = vm();
                let cpu = Cpu::with_affinity(0);
                for id in [cpu.id + 1, 64, u64::MAX] {
                    assert_eq!(get(id, reg, Some(&mut 0)), BAD_ARGUMENT, "{id:#x}");
                    assert_eq!(set(id, reg, 0), BAD_ARGUMENT, "{id:#x}");
                }
            })
            .not_on_a_mac(),
        );
    }
    cases.push(case("gic.icc.without_a_gic", Ours, || {
        let plain = Plain::new();
        let reg = Icc::PMR_EL1 as u32;
        assert_eq!(hv_gic_get_icc_reg(plain.id, reg, Some(&mut 0)), NO_DEVICE);
        assert_eq!(hv_gic_set_icc_reg(plain.id, reg, 0), NO_DEVICE);
    }));
    // "only available when EL2 is enabled, otherwise returns an error" (hv_gic.h): which one is our
    // choice.
    let el2 = ICH.iter().map(|&reg| (KINDS[1], format!("{reg:?}"), reg as u32));
    let el2 = el2.chain(ICV.iter().map(|&reg| (KINDS[2], format!("{reg:?}"), reg as u32)));
    cases.extend(el2.map(|((kind, get, set, _, _), name, reg)| {
        case(format!("gic.{kind}.{name}_needs_el2"), Ours, move || {
            let _vm = vm();
            let cpu = Cpu::with_affinity(0);
            assert_eq!(get(cpu.id, reg, Some(&mut 0)), UNSUPPORTED);
            assert_eq!(set(cpu.id, reg, 0), UNSUPPORTED);
        })
    }));
    // The same registers by `hv_vcpu_get_sys_reg`: `hv_sys_reg_t` has none of them.
    cases.push(case("gic.icc.is_no_sys_reg", Header, || {
        let _vm = vm();
        let cpu = Cpu::with_affinity(0);
        for reg in [Icc::PMR_EL1, Icc::SRE_EL1, Icc::IGRPEN1_EL1] {
            let code = raw::hv_vcpu_get_sys_reg(cpu.id, reg as u32, Some(&mut 0));
            assert_eq!(code, BAD_ARGUMENT, "{reg:?}");
        }
    }));
    cases
}
