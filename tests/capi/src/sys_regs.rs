//! System registers by their ID: which there are, and that they keep what they are given.
//!
//! The values respect the manual's RES0 and RES1 bits (DDI 0487, D24), so that neither a
//! framework that masks nor one that does not fails by them.

use crate::case::{Case, Source, case};
use crate::code::{self, hvc, mrs};
use crate::guest::{Guest, Plain};
use crate::raw;
use applevisor::prelude::*;

use Source::{Header, Observed, Ours};

/// Registers that keep a value, with one that has no reserved bits set.
#[rustfmt::skip]
const KEEP: &[(SysReg, u64)] = &[
    (SysReg::MDCCINT_EL1, 0x6000_0000),
    (SysReg::MDSCR_EL1, 0xa001), // SS, KDE, MDE
    (SysReg::MIDR_EL1, 0x410f_d083),
    (SysReg::MPIDR_EL1, 0x8000_0103),
    (SysReg::ACTLR_EL1, 0x2), // EnTSO, the only bit the header lets through
    (SysReg::CPACR_EL1, 0x30_0000), // FPEN
    (SysReg::TTBR0_EL1, 0x0012_0000_4000_8000),
    (SysReg::TTBR1_EL1, 0x0034_0000_4001_0000),
    (SysReg::TCR_EL1, 0x5_b510_3510), // 4 KiB granules, 48 bits, 16-bit ASID
    (SysReg::APIAKEYLO_EL1, 0x0123_4567_89ab_cdef), (SysReg::APIAKEYHI_EL1, 0x1123_4567_89ab_cdef),
    (SysReg::APIBKEYLO_EL1, 0x2123_4567_89ab_cdef), (SysReg::APIBKEYHI_EL1, 0x3123_4567_89ab_cdef),
    (SysReg::APDAKEYLO_EL1, 0x4123_4567_89ab_cdef), (SysReg::APDAKEYHI_EL1, 0x5123_4567_89ab_cdef),
    (SysReg::APDBKEYLO_EL1, 0x6123_4567_89ab_cdef), (SysReg::APDBKEYHI_EL1, 0x7123_4567_89ab_cdef),
    (SysReg::APGAKEYLO_EL1, 0x8123_4567_89ab_cdef), (SysReg::APGAKEYHI_EL1, 0x9123_4567_89ab_cdef),
    (SysReg::SPSR_EL1, 0x6000_03c5),
    (SysReg::ELR_EL1, 0xffff_0000_1234_5678),
    (SysReg::SP_EL0, 0x0000_7fff_ffff_fff0),
    (SysReg::SP_EL1, 0xffff_8000_0000_1230),
    (SysReg::AFSR0_EL1, 0x0),
    (SysReg::AFSR1_EL1, 0x0),
    (SysReg::ESR_EL1, 0x9600_0047),
    (SysReg::FAR_EL1, 0xffff_dead_beef_0008),
    (SysReg::PAR_EL1, 0xff00_0000_4000_0b80),
    (SysReg::MAIR_EL1, 0x00ff_440c_0400_ff44),
    (SysReg::AMAIR_EL1, 0x0),
    (SysReg::VBAR_EL1, 0xffff_0000_0008_0800),
    (SysReg::CONTEXTIDR_EL1, 0xdead_beef),
    (SysReg::TPIDR_EL1, 0xdead_beef_0000_0001),
    (SysReg::TPIDR_EL0, 0xdead_beef_0000_0002),
    (SysReg::TPIDRRO_EL0, 0xdead_beef_0000_0003),
    (SysReg::CNTKCTL_EL1, 0x303), // EL0PCTEN, EL0VCTEN, EL0VTEN, EL0PTEN
    (SysReg::CSSELR_EL1, 0x2),
    (SysReg::CNTV_CTL_EL0, 0x2), // IMASK
    (SysReg::CNTV_CVAL_EL0, 0x1234_5678_9abc_def0),
];

/// Identification registers: they read, and take back what they read.
const IDENTIFY: &[SysReg] = &[
    SysReg::ID_AA64PFR0_EL1,
    SysReg::ID_AA64PFR1_EL1,
    SysReg::ID_AA64DFR0_EL1,
    SysReg::ID_AA64DFR1_EL1,
    SysReg::ID_AA64ISAR0_EL1,
    SysReg::ID_AA64ISAR1_EL1,
    SysReg::ID_AA64MMFR0_EL1,
    SysReg::ID_AA64MMFR1_EL1,
    SysReg::ID_AA64MMFR2_EL1,
];

/// Breakpoints and watchpoints: the stem, op2, a value.
const DEBUG: &[(&str, u32, u64)] = &[
    ("DBGBVR", 4, 0x0000_1234_5678_9abc),
    ("DBGBCR", 5, 0x1e7), // E, PMC, BAS
    ("DBGWVR", 6, 0x0000_1234_5678_9ab8),
    ("DBGWCR", 7, 0x1fff), // E, PAC, LSC, BAS
];

/// "Only available if the VM was created with a GIC device" (hv_vcpu_types.h).
const WITH_A_GIC: &[SysReg] = &[SysReg::CNTP_CTL_EL0, SysReg::CNTP_CVAL_EL0, SysReg::CNTP_TVAL_EL0];

/// "Only available if EL2 was enabled in the VM configuration" (hv_vcpu_types.h).
const WITH_EL2: &[SysReg] = &[
    SysReg::CNTHCTL_EL2,
    SysReg::CNTHP_CTL_EL2,
    SysReg::CNTHP_CVAL_EL2,
    SysReg::CNTHP_TVAL_EL2,
    SysReg::CNTVOFF_EL2,
    SysReg::CPTR_EL2,
    SysReg::ELR_EL2,
    SysReg::ESR_EL2,
    SysReg::FAR_EL2,
    SysReg::HCR_EL2,
    SysReg::HPFAR_EL2,
    SysReg::MAIR_EL2,
    SysReg::MDCR_EL2,
    SysReg::SCTLR_EL2,
    SysReg::SPSR_EL2,
    SysReg::SP_EL2,
    SysReg::TCR_EL2,
    SysReg::TPIDR_EL2,
    SysReg::TTBR0_EL2,
    SysReg::TTBR1_EL2,
    SysReg::VBAR_EL2,
    SysReg::VMPIDR_EL2,
    SysReg::VPIDR_EL2,
    SysReg::VTCR_EL2,
    SysReg::VTTBR_EL2,
];

/// On machines with SME (macOS 15.2), which the engine here is not.
const WITH_SME: &[(&str, u32)] =
    &[("SMPRI_EL1", 0xc094), ("SMCR_EL1", 0xc096), ("TPIDR2_EL0", 0xde85)];

fn get(vcpu: u64, id: u32) -> (i32, u64) {
    raw::ask(|value| raw::hv_vcpu_get_sys_reg(vcpu, id, value))
}

fn keeps(id: u32, value: u64) {
    let plain = Plain::new();
    assert_eq!(get(plain.id, id).0, raw::SUCCESS);
    assert_eq!(raw::hv_vcpu_set_sys_reg(plain.id, id, value), raw::SUCCESS);
    assert_eq!(get(plain.id, id), (raw::SUCCESS, value), "wrote {value:#x}");
}

fn is_absent(id: u32) {
    let plain = Plain::new();
    assert_eq!(get(plain.id, id), (raw::BAD_ARGUMENT, 0));
    assert_eq!(raw::hv_vcpu_set_sys_reg(plain.id, id, 0), raw::BAD_ARGUMENT);
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("sys_regs.SCTLR_EL1", Observed, || {
            let plain = Plain::new();
            let id = SysReg::SCTLR_EL1 as u32;
            let (code, reset) = get(plain.id, id);
            assert_eq!(code, raw::SUCCESS);
            assert_eq!(reset & 1, 0, "the MMU is on in a fresh vCPU");
            // I, C, M
            let value = reset | 1 << 12 | 1 << 2 | 1;
            assert_eq!(raw::hv_vcpu_set_sys_reg(plain.id, id, value), raw::SUCCESS);
            assert_eq!(get(plain.id, id), (raw::SUCCESS, value));
        }),
        case("sys_regs.an_id_that_is_no_register", Observed, || {
            // CNTVCT_EL0, PMCR_EL0, CurrentEL, CCSIDR_EL1: not in `hv_sys_reg_t`; and no register.
            [0xdf02, 0xdce0, 0xc212, 0xc800, 0x0000, 0xffff].into_iter().for_each(is_absent);
        }),
        case("sys_regs.do_not_share", Header, || {
            let plain = Plain::new();
            for &(reg, value) in KEEP {
                let code = raw::hv_vcpu_set_sys_reg(plain.id, reg as u32, value);
                assert_eq!(code, raw::SUCCESS, "{reg:?}");
            }
            for &(reg, value) in KEEP {
                assert_eq!(get(plain.id, reg as u32), (raw::SUCCESS, value), "{reg:?}");
            }
        }),
        case("sys_regs.the_guest_sees_midr_and_mpidr", Observed, || {
            let code = [mrs(3, code::MIDR_EL1), mrs(4, code::MPIDR_EL1), hvc(1)];
            let guest = Guest::new(&code);
            guest.vcpu.set_sys_reg(SysReg::MIDR_EL1, 0x410f_d083).unwrap();
            guest.vcpu.set_sys_reg(SysReg::MPIDR_EL1, 0x8000_0203).unwrap();
            guest.run_to_hvc(1);
            assert_eq!(guest.get(Reg::X3), 0x410f_d083);
            assert_eq!(guest.get(Reg::X4), 0x8000_0203);
        }),
        case("sys_regs.the_api_sees_what_the_guest_wrote", Header, || {
            // msr tpidr_el1, x3; msr elr_el1, x4; mov sp, x5; hvc #1
            let guest = Guest::new(&[0xd518_d083, 0xd518_4024, 0x9100_00bf, hvc(1)]);
            guest.set(Reg::X3, 0x3333);
            guest.set(Reg::X4, 0x4444);
            guest.set(Reg::X5, 0x5550);
            guest.run_to_hvc(1);
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::TPIDR_EL1), Ok(0x3333));
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::ELR_EL1), Ok(0x4444));
            assert_eq!(guest.vcpu.get_sys_reg(SysReg::SP_EL1), Ok(0x5550));
        }),
        case("sys_regs.the_guest_sees_what_the_api_wrote", Header, || {
            // mrs x3, tpidr_el1; mrs x4, far_el1; mov x5, sp; hvc #1
            let guest = Guest::new(&[0xd538_d083, 0xd538_6004, 0x9100_03e5, hvc(1)]);
            guest.vcpu.set_sys_reg(SysReg::TPIDR_EL1, 0x3333).unwrap();
            guest.vcpu.set_sys_reg(SysReg::FAR_EL1, 0x4444).unwrap();
            guest.vcpu.set_sys_reg(SysReg::SP_EL1, 0x5550).unwrap();
            guest.run_to_hvc(1);
            let read = [Reg::X3, Reg::X4, Reg::X5].map(|reg| guest.get(reg));
            assert_eq!(read, [0x3333, 0x4444, 0x5550]);
        }),
        // Known of Apple's framework: no GIC, no PMU, 36-bit physical addresses by default.
        case("sys_regs.the_default_identity", Observed, || {
            let plain = Plain::new();
            let field = |reg: SysReg, low: u32| get(plain.id, reg as u32).1 >> low & 0xf;
            assert_eq!(field(SysReg::ID_AA64PFR0_EL1, 24), 0, "PFR0.GIC");
            assert_eq!(field(SysReg::ID_AA64DFR0_EL1, 8), 0, "DFR0.PMUVer");
            assert_eq!(field(SysReg::ID_AA64MMFR0_EL1, 0), 1, "MMFR0.PARange");
            assert_eq!(field(SysReg::ID_AA64PFR0_EL1, 4), 1, "PFR0.EL1: AArch64 only");
        }),
    ];
    cases.extend(KEEP.iter().map(|&(reg, value)| {
        case(format!("sys_regs.{reg:?}"), Observed, move || keeps(reg as u32, value))
    }));
    cases.extend(IDENTIFY.iter().map(|&reg| {
        // applevisor: vcpu.rs, get_and_set_icv_reg_id_*.
        case(format!("sys_regs.{reg:?}"), Observed, move || {
            let plain = Plain::new();
            let (code, value) = get(plain.id, reg as u32);
            assert_eq!(code, raw::SUCCESS);
            assert_eq!(raw::hv_vcpu_set_sys_reg(plain.id, reg as u32, value), raw::SUCCESS);
            assert_eq!(get(plain.id, reg as u32), (raw::SUCCESS, value));
        })
    }));
    cases.extend(DEBUG.iter().flat_map(|&(stem, op2, value)| {
        (0..16).map(move |n| {
            let id = 0x8000 | n << 3 | op2;
            case(format!("sys_regs.{stem}{n}_EL1"), Observed, move || keeps(id, value))
        })
    }));
    for (needs, registers) in [("gic", WITH_A_GIC), ("el2", WITH_EL2)] {
        cases.extend(registers.iter().map(|&reg| {
            let name = format!("sys_regs.{reg:?}_without_{needs}");
            case(name, Header, move || is_absent(reg as u32))
        }));
    }
    cases.extend(WITH_SME.iter().map(|&(name, id)| {
        case(format!("sys_regs.{name}_without_sme"), Ours, move || is_absent(id)).not_on_a_mac()
    }));
    cases
}
