//! The Scalable Matrix Extension on a machine that has none: every function says so, whatever its
//! arguments and whether there is a VM or not, and neither the caller's memory nor the guest sees
//! anything of it.

use crate::case::{Case, Source, case};
use crate::code::{self, hvc, mrs, system};
use crate::guest::{CODE, Guest, Plain};
use crate::raw;
use applevisor::prelude::*;
use std::ptr::null_mut;

use Source::{Header, Ours};

/// A call for a vCPU with a buffer, whose other arguments are sound.
type Call = fn(u64, *mut u8) -> i32;

/// A buffer for whatever it is: 64 KiB are ZA with vectors of 256 bytes. 0x5a all over.
#[repr(C, align(64))]
struct Buffer([u8; 256 * 256]);

impl Buffer {
    fn new() -> Box<Self> {
        Box::new(Self([0x5a; 256 * 256]))
    }

    fn is_untouched(&self) -> bool {
        self.0.iter().all(|&byte| byte == 0x5a)
    }
}

const CALLS: &[(&str, Call)] = &[
    ("get_sme_state", |v, b| raw::hv_vcpu_get_sme_state(v, b.cast())),
    ("set_sme_state", |v, b| raw::hv_vcpu_set_sme_state(v, b.cast())),
    ("get_z_reg", |v, b| raw::hv_vcpu_get_sme_z_reg(v, 31, b, 64)),
    ("set_z_reg", |v, b| raw::hv_vcpu_set_sme_z_reg(v, 0, b, 64)),
    ("get_p_reg", |v, b| raw::hv_vcpu_get_sme_p_reg(v, 15, b, 8)),
    ("set_p_reg", |v, b| raw::hv_vcpu_set_sme_p_reg(v, 0, b, 8)),
    ("get_za_reg", |v, b| raw::hv_vcpu_get_sme_za_reg(v, b, 64 * 64)),
    ("set_za_reg", |v, b| raw::hv_vcpu_set_sme_za_reg(v, b, 64 * 64)),
    ("get_zt0_reg", |v, b| raw::hv_vcpu_get_sme_zt0_reg(v, b)),
    ("set_zt0_reg", |v, b| raw::hv_vcpu_set_sme_zt0_reg(v, b)),
    ("max_svl_bytes", |_, b| raw::hv_sme_config_get_max_svl_bytes(b.cast())),
];

const ID_AA64ZFR0_EL1: code::System = system(3, 0, 0, 4, 4);
const ID_AA64SMFR0_EL1: code::System = system(3, 0, 0, 4, 5);

/// Instructions of SVE and SME: `ptrue p0.b`, `rdvl x0, #1`, `rdsvl x0, #1`, `smstart`.
const INSTRUCTIONS: [(&str, u32); 4] = [
    ("ptrue", 0x2518_e3e0),
    ("rdvl", 0x04bf_5020),
    ("rdsvl", 0x04bf_5820),
    ("smstart", 0xd503_477f),
];

pub fn cases() -> Vec<Case> {
    // hv_vcpu.h and hv_sme_config.h: "Returns HV_UNSUPPORTED if SME is not supported" of the state
    // and of the vector length; the registers need a mode that cannot be had without.
    let mut cases: Vec<Case> = CALLS
        .iter()
        .map(|&(name, call)| {
            case(format!("sme.{name}_is_unsupported"), Header, move || {
                let mut buffer = Buffer::new();
                let bytes = buffer.0.as_mut_ptr();
                assert_eq!(call(0, bytes), raw::UNSUPPORTED, "without a VM");
                let plain = Plain::new();
                assert_eq!(call(plain.id, bytes), raw::UNSUPPORTED);
                assert_eq!(call(77, bytes), raw::UNSUPPORTED, "of no vCPU");
                assert_eq!(call(plain.id, null_mut()), raw::UNSUPPORTED, "without a buffer");
                assert!(buffer.is_untouched());
            })
        })
        .collect();
    // DDI 0487: ID_AA64ZFR0_EL1 and ID_AA64SMFR0_EL1 read as zero without SVE and SME.
    cases.push(case("sme.feature_registers_are_zero", Ours, || {
        let config = raw::hv_vcpu_config_create();
        for reg in [12, 13] {
            let feature = raw::ask(|v| raw::hv_vcpu_config_get_feature_reg(config, reg, v));
            assert_eq!(feature, (raw::SUCCESS, 0), "feature register {reg}");
        }
        raw::os_release(config);
    }));
    cases.push(case("sme.id_registers_are_zero", Header, || {
        let guest = Guest::new(&[mrs(0, ID_AA64ZFR0_EL1), mrs(1, ID_AA64SMFR0_EL1), hvc(1)]);
        guest.set(Reg::X0, 1);
        guest.set(Reg::X1, 1);
        guest.run_to_hvc(1);
        assert_eq!((guest.get(Reg::X0), guest.get(Reg::X1)), (0, 0));
        for id in [0xc024, 0xc025] {
            assert_eq!(
                raw::ask(|v| raw::hv_vcpu_get_sys_reg(guest.id(), id, v)),
                (raw::SUCCESS, 0)
            );
        }
    }));
    cases.extend(INSTRUCTIONS.iter().map(|&(name, instruction)| {
        case(format!("sme.{name}_is_undefined"), Header, move || {
            let guest = Guest::new(&[instruction]);
            // FPEN, ZEN, SMEN: nothing traps what is not there.
            guest.vcpu.set_sys_reg(SysReg::CPACR_EL1, 0x333_0000).unwrap();
            guest.run_to_hvc(0x104);
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ESR_EL1), Ok(0x0200_0000));
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ELR_EL1), Ok(CODE));
        })
    }));
    cases
}
