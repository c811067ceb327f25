//! The table against an outside source, and against itself.

use super::*;
extern crate std;

/// `hv_sys_reg_t` as Apple's header numbers it (macOS 15.2), without the 64 DBG registers.
#[rustfmt::skip]
const APPLE: &[(&str, u16)] = &[
    ("MDCCINT_EL1", 0x8010), ("MDSCR_EL1", 0x8012), ("MIDR_EL1", 0xc000), ("MPIDR_EL1", 0xc005),
    ("ID_AA64PFR0_EL1", 0xc020), ("ID_AA64PFR1_EL1", 0xc021), ("ID_AA64ZFR0_EL1", 0xc024),
    ("ID_AA64SMFR0_EL1", 0xc025), ("ID_AA64DFR0_EL1", 0xc028), ("ID_AA64DFR1_EL1", 0xc029),
    ("ID_AA64ISAR0_EL1", 0xc030), ("ID_AA64ISAR1_EL1", 0xc031), ("ID_AA64MMFR0_EL1", 0xc038),
    ("ID_AA64MMFR1_EL1", 0xc039), ("ID_AA64MMFR2_EL1", 0xc03a), ("SCTLR_EL1", 0xc080),
    ("CPACR_EL1", 0xc082), ("ACTLR_EL1", 0xc081), ("SMPRI_EL1", 0xc094), ("SMCR_EL1", 0xc096),
    ("TTBR0_EL1", 0xc100), ("TTBR1_EL1", 0xc101), ("TCR_EL1", 0xc102), ("APIAKEYLO_EL1", 0xc108),
    ("APIAKEYHI_EL1", 0xc109), ("APIBKEYLO_EL1", 0xc10a), ("APIBKEYHI_EL1", 0xc10b),
    ("APDAKEYLO_EL1", 0xc110), ("APDAKEYHI_EL1", 0xc111), ("APDBKEYLO_EL1", 0xc112),
    ("APDBKEYHI_EL1", 0xc113), ("APGAKEYLO_EL1", 0xc118), ("APGAKEYHI_EL1", 0xc119),
    ("SPSR_EL1", 0xc200), ("ELR_EL1", 0xc201), ("SP_EL0", 0xc208), ("AFSR0_EL1", 0xc288),
    ("AFSR1_EL1", 0xc289), ("ESR_EL1", 0xc290), ("FAR_EL1", 0xc300), ("PAR_EL1", 0xc3a0),
    ("MAIR_EL1", 0xc510), ("AMAIR_EL1", 0xc518), ("VBAR_EL1", 0xc600), ("CONTEXTIDR_EL1", 0xc681),
    ("TPIDR_EL1", 0xc684), ("SCXTNUM_EL1", 0xc687), ("CNTKCTL_EL1", 0xc708),
    ("CSSELR_EL1", 0xd000), ("TPIDR_EL0", 0xde82), ("TPIDRRO_EL0", 0xde83), ("TPIDR2_EL0", 0xde85),
    ("SCXTNUM_EL0", 0xde87), ("CNTV_CTL_EL0", 0xdf19), ("CNTV_CVAL_EL0", 0xdf1a),
    ("SP_EL1", 0xe208), ("CNTP_CTL_EL0", 0xdf11), ("CNTP_CVAL_EL0", 0xdf12),
    ("CNTP_TVAL_EL0", 0xdf10), ("CNTHCTL_EL2", 0xe708), ("CNTHP_CTL_EL2", 0xe711),
    ("CNTHP_CVAL_EL2", 0xe712), ("CNTHP_TVAL_EL2", 0xe710), ("CNTVOFF_EL2", 0xe703),
    ("CPTR_EL2", 0xe08a), ("ELR_EL2", 0xe201), ("ESR_EL2", 0xe290), ("FAR_EL2", 0xe300),
    ("HCR_EL2", 0xe088), ("HPFAR_EL2", 0xe304), ("MAIR_EL2", 0xe510), ("MDCR_EL2", 0xe019),
    ("SCTLR_EL2", 0xe080), ("SPSR_EL2", 0xe200), ("SP_EL2", 0xf208), ("TCR_EL2", 0xe102),
    ("TPIDR_EL2", 0xe682), ("TTBR0_EL2", 0xe100), ("TTBR1_EL2", 0xe101), ("VBAR_EL2", 0xe600),
    ("VMPIDR_EL2", 0xe005), ("VPIDR_EL2", 0xe000), ("VTCR_EL2", 0xe10a), ("VTTBR_EL2", 0xe108),
];

#[test]
fn the_api_knows_exactly_what_apples_header_lists() {
    for &(name, id) in APPLE {
        let register = SysReg::from_api_id(id).unwrap_or_else(|| panic!("{name}: no row"));
        assert_eq!(register.name(), name);
    }
    for n in 0..16 {
        for (op2, stem) in [(4, "DBGBVR"), (5, "DBGBCR"), (6, "DBGWVR"), (7, "DBGWCR")] {
            let register = SysReg::from_api_id(0x8000 | n << 3 | op2).expect(stem);
            assert_eq!(register.name(), std::format!("{stem}{n}_EL1"));
        }
    }
    // CNTV_TVAL_EL0 and the like: a row, no ID.
    let with_id = SysReg::ALL.iter().filter(|r| r.api_id().is_some()).count();
    assert_eq!(with_id, APPLE.len() + 64);
}

#[test]
fn mdcr_el2_has_apples_number_and_only_that() {
    assert_eq!(SysReg::MDCR_EL2.encoding(), Encoding(0xe089));
    assert_eq!(SysReg::from_api_id(0xe089), None);
}

#[test]
fn every_encoding_leads_to_its_register_and_no_other_does() {
    let mut found = 0;
    for code in 0..=u16::MAX {
        if let Some(register) = SysReg::from_encoding(Encoding(code)) {
            assert_eq!(register.encoding(), Encoding(code));
            found += 1;
        }
    }
    assert_eq!(found, SysReg::COUNT);
}

#[test]
fn rows_are_consistent() {
    for register in SysReg::ALL {
        let row = register.row();
        assert!(row.read != Lowest::Never || row.write != Lowest::Never || row.api != Api::None);
        assert_eq!(row.writable & row.res1, 0, "{register}: writable and RES1");
        assert_eq!(row.reset & row.res1, row.res1, "{register}: RES1 resets to 1");
        if row.kind == Kind::Constant {
            assert_eq!(row.write, Lowest::Never, "{register}: a constant is never written");
        }
        if row.kind == Kind::Storage && row.write != Lowest::Never {
            assert_eq!(row.masked(row.reset), row.reset, "{register}: reset to what can be");
        }
    }
}

#[test]
fn as_many_comparators_as_the_id_register_counts() {
    let live = |stem: &str| {
        let named = SysReg::ALL.iter().filter(|r| r.name().starts_with(stem));
        named.filter(|r| r.row().kind == Kind::Behaviour(Effect::Debug)).count() as u64
    };
    for stem in ["DBGBVR", "DBGBCR"] {
        assert_eq!(live(stem), crate::id::BREAKPOINTS);
    }
    for stem in ["DBGWVR", "DBGWCR"] {
        assert_eq!(live(stem), crate::id::WATCHPOINTS);
    }
}

#[test]
fn encodings_without_a_row() {
    let unlisted = |op1, crn, crm, op2| Encoding::new(3, op1, crn, crm, op2).unlisted();
    assert_eq!(unlisted(0, 0, 1, 0), Unlisted::ReadsAsZero, "ID_PFR0_EL1");
    assert_eq!(unlisted(0, 0, 0, 1), Unlisted::Undefined);
    assert_eq!(unlisted(1, 15, 2, 0), Unlisted::HypervisorTrap, "an M1's own");
    assert_eq!(unlisted(3, 14, 8, 0), Unlisted::HypervisorTrap, "PMEVCNTR0_EL0");
    assert_eq!(unlisted(3, 2, 4, 0), Unlisted::Undefined, "RNDR");
}
