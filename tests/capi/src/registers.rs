//! General and SIMD registers: what is written reads back.

use crate::case::{Case, Source, case};
use crate::code::{self, hvc, mrs, msr};
use crate::guest::{CODE, EL1H_MASKED, Guest, Plain};
use crate::raw;
use applevisor::prelude::*;

use Source::{Header, Observed, Ours};

/// `hv_reg_t` in its order.
const REGS: [Reg; 35] = [
    Reg::X0,
    Reg::X1,
    Reg::X2,
    Reg::X3,
    Reg::X4,
    Reg::X5,
    Reg::X6,
    Reg::X7,
    Reg::X8,
    Reg::X9,
    Reg::X10,
    Reg::X11,
    Reg::X12,
    Reg::X13,
    Reg::X14,
    Reg::X15,
    Reg::X16,
    Reg::X17,
    Reg::X18,
    Reg::X19,
    Reg::X20,
    Reg::X21,
    Reg::X22,
    Reg::X23,
    Reg::X24,
    Reg::X25,
    Reg::X26,
    Reg::X27,
    Reg::X28,
    Reg::X29,
    Reg::X30,
    Reg::PC,
    Reg::FPCR,
    Reg::FPSR,
    Reg::CPSR,
];

/// What applevisor's own tests write: the control registers read it back unmasked.
fn pattern(reg: Reg) -> u64 {
    match reg {
        Reg::FPCR | Reg::FPSR | Reg::CPSR => 0xdead_beef,
        _ => 0xdead_beef_dead_beef,
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("registers.do_not_share", Header, || {
            let vm = VirtualMachine::new().unwrap();
            let vcpu = vm.vcpu_create().unwrap();
            let value = |reg: Reg| pattern(reg) ^ reg as u64;
            REGS.into_iter().for_each(|reg| vcpu.set_reg(reg, value(reg)).unwrap());
            for reg in REGS {
                assert_eq!(vcpu.get_reg(reg), Ok(value(reg)), "{reg:?}");
            }
        }),
        case("registers.general_start_at_zero", Ours, || {
            let plain = Plain::new();
            assert!((0..=30).all(|reg| raw::reg(plain.id, reg) == 0));
        }),
        // The binding's tests set PC alone and run.
        case("registers.fresh_cpsr_is_el1h_masked", Observed, || {
            assert_eq!(raw::reg(Plain::new().id, raw::CPSR), EL1H_MASKED);
        }),
        case("registers.the_number_after_the_last", Observed, || {
            let plain = Plain::new();
            for reg in [35, 36, u32::MAX] {
                let mut value = 0;
                assert_eq!(raw::hv_vcpu_get_reg(plain.id, reg, &mut value), raw::BAD_ARGUMENT);
                assert_eq!(raw::hv_vcpu_set_reg(plain.id, reg, 0), raw::BAD_ARGUMENT);
            }
        }),
        case("registers.simd_number_after_the_last", Observed, || {
            let plain = Plain::new();
            for reg in [32, u32::MAX] {
                let get = raw::hv_vcpu_get_simd_fp_reg(plain.id, reg, Some(&mut 0));
                assert_eq!(get, raw::BAD_ARGUMENT);
                assert_eq!(raw::hv_vcpu_set_simd_fp_reg(plain.id, reg, 0), raw::BAD_ARGUMENT);
            }
        }),
        // A syndrome's Rt = 31 is XZR; `hv_reg_t` 31 is PC.
        case("registers.thirty_one_is_pc", Header, || {
            let plain = Plain::new();
            assert_eq!(raw::hv_vcpu_set_reg(plain.id, 31, 0x1234), raw::SUCCESS);
            assert_eq!(raw::reg(plain.id, raw::PC), 0x1234);
        }),
        case("registers.reach_the_guest_and_come_back", Header, || {
            // add x0, x1, x2, lsl #0; hvc #1
            let guest = Guest::new(&[0x8b02_0020, hvc(1)]);
            guest.set(Reg::X1, 0x1111_0000_0000_0005);
            guest.set(Reg::X2, 0x2222_0000_0000_0006);
            guest.run_to_hvc(1);
            assert_eq!(guest.get(Reg::X0), 0x3333_0000_0000_000b);
            assert_eq!(guest.pc(), CODE + 8);
        }),
        case("registers.cpsr_shows_the_guest_s_flags", Header, || {
            // subs x0, x1, x1; hvc #1: Z and C set.
            let guest = Guest::new(&[0xeb01_0020, hvc(1)]);
            guest.run_to_hvc(1);
            assert_eq!(guest.get(Reg::CPSR), EL1H_MASKED | 0x6000_0000);
        }),
        case("registers.fpcr_and_fpsr_reach_the_guest", Header, || {
            let (fpcr, fpsr) = (code::system(3, 3, 4, 4, 0), code::system(3, 3, 4, 4, 1));
            // mrs x3, fpcr; mrs x4, fpsr; msr fpcr, x5; msr fpsr, x6; hvc #1
            let guest =
                Guest::new(&[mrs(3, fpcr), mrs(4, fpsr), msr(fpcr, 5), msr(fpsr, 6), hvc(1)]);
            guest.vcpu.set_sys_reg(SysReg::CPACR_EL1, 0x30_0000).unwrap(); // FPEN: no traps
            guest.set(Reg::FPCR, 0x00c0_0000); // RMode
            guest.set(Reg::FPSR, 0x0000_0011); // IXC, IOC
            guest.set(Reg::X5, 0x0100_0000); // FZ
            guest.set(Reg::X6, 0x0800_0000); // QC
            guest.run_to_hvc(1);
            assert_eq!((guest.get(Reg::X3), guest.get(Reg::X4)), (0x00c0_0000, 0x0000_0011));
            assert_eq!((guest.get(Reg::FPCR), guest.get(Reg::FPSR)), (0x0100_0000, 0x0800_0000));
        }),
        case("registers.simd_survive_a_run", Header, || {
            let guest = Guest::new(&[hvc(1)]);
            let value = 0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978;
            guest.vcpu.set_simd_fp_reg(SimdFpReg::Q17, value).unwrap();
            guest.run_to_hvc(1);
            assert_eq!(guest.vcpu.get_simd_fp_reg(SimdFpReg::Q17), Ok(value));
        }),
        case("registers.simd_do_not_share", Header, || {
            let plain = Plain::new();
            let value = |n: u32| u128::from(n + 1) << 96 | u128::from(!n);
            for n in 0..32 {
                assert_eq!(raw::hv_vcpu_set_simd_fp_reg(plain.id, n, value(n)), raw::SUCCESS);
            }
            for n in 0..32 {
                let read = raw::ask(|v| raw::hv_vcpu_get_simd_fp_reg(plain.id, n, v));
                assert_eq!(read, (raw::SUCCESS, value(n)));
            }
        })
        .not_on_a_mac(),
    ];
    // applevisor: vcpu.rs, get_and_set_register_*.
    cases.extend(REGS.into_iter().map(|reg| {
        case(format!("registers.{reg:?}"), Observed, move || {
            let vm = VirtualMachine::new().unwrap();
            let vcpu = vm.vcpu_create().unwrap();
            vcpu.set_reg(reg, pattern(reg)).unwrap();
            assert_eq!(vcpu.get_reg(reg), Ok(pattern(reg)));
        })
    }));
    // On a Mac the binding passes the value in the wrong registers on stable Rust.
    cases.extend((0..32).map(|n| {
        case(format!("registers.Q{n}"), Observed, move || {
            let plain = Plain::new();
            let value = 0xdead_beef_0123_4567_89ab_cdef_feed_f00d;
            assert_eq!(raw::hv_vcpu_set_simd_fp_reg(plain.id, n, value), raw::SUCCESS);
            let read = raw::ask(|v| raw::hv_vcpu_get_simd_fp_reg(plain.id, n, v));
            assert_eq!(read, (raw::SUCCESS, value));
        })
        .not_on_a_mac()
    }));
    cases
}
