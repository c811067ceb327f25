//! What the ID registers claim, and whether it is true: for each feature that has an instruction
//! or a register of its own the claim is compared with what happens when it is used.
//!
//! ```text
//!   ID_AA64..., field >= minimum ?     the instruction          verdict
//!            yes                       goes through             true
//!            yes                       is UNDEFINED             a claim without the feature
//!            no                        is UNDEFINED             true
//!            no                        goes through             a feature without the claim
//! ```
//!
//! A hypervisor shows its guest ID registers of its own making. Software believes them twice: it
//! uses what is claimed, and it takes what is not claimed for absent, also when it looks for a
//! machine to migrate the guest to. (DDI 0487, "Principles of the ID scheme for fields in ID
//! registers": a higher value of a field has all that the lower values have.)
//!
//! Left out: what lies in the HINT space and so is never UNDEFINED (BTI, PACIASP, ESB, DGH), what
//! needs Device memory of a special kind (LS64), and changes of behaviour without an instruction
//! (HAFDBS, LSE2 and kin: the groups mmu and memory).

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::CPACR_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::field::Field;
use anyvisor_arch::id::{isar0, isar1, mmfr1, mmfr2, pfr0, pfr1};
use anyvisor_arch::sysreg::Encoding;
use tock_registers::interfaces::Writeable;

use crate::access::El;
use crate::case;
use crate::probe::{Probe, mrs};

const PFR0: Encoding = Encoding::new(3, 0, 0, 4, 0);
const PFR1: Encoding = Encoding::new(3, 0, 0, 4, 1);
const DFR0: Encoding = Encoding::new(3, 0, 0, 5, 0);
const DFR1: Encoding = Encoding::new(3, 0, 0, 5, 1);
const ISAR0: Encoding = Encoding::new(3, 0, 0, 6, 0);
const ISAR1: Encoding = Encoding::new(3, 0, 0, 6, 1);
const ISAR2: Encoding = Encoding::new(3, 0, 0, 6, 2);
const MMFR0: Encoding = Encoding::new(3, 0, 0, 7, 0);
const MMFR1: Encoding = Encoding::new(3, 0, 0, 7, 1);
const MMFR2: Encoding = Encoding::new(3, 0, 0, 7, 2);

/// ID_AA64ISAR1_EL1.LS64 and up have no user here; these are of registers without a module.
const WFXT: Field = Field::new(3, 0);
const ISAR2_APA3: Field = Field::new(15, 12);
const ISAR2_GPA3: Field = Field::new(11, 8);
const ISAR2_BC: Field = Field::new(23, 20);
const ISAR2_CSSC: Field = Field::new(55, 52);
const ECV: Field = Field::new(63, 60);
const CSV2_FRAC: Field = Field::new(35, 32);
const PFR1_NMI: Field = Field::new(39, 36);
const EBEP: Field = Field::new(51, 48);
const TRACE_BUFFER: Field = Field::new(47, 44);
const TRACE_FILT: Field = Field::new(43, 40);
const PMS_VER: Field = Field::new(35, 32);

/// One feature that can be tried.
struct Feature {
    name: &'static str,
    /// Fields, any of which claims it from its value on.
    claims: &'static [(Encoding, Field, u64)],
    /// What it brings: X0 and X1 are numbers, X2 is an address of memory.
    word: u32,
    /// Whether EL0 may use it as well.
    el0: bool,
}

const fn one(
    name: &'static str,
    claims: &'static [(Encoding, Field, u64)],
    word: u32,
    el0: bool,
) -> Feature {
    Feature { name, claims, word, el0 }
}

const USER: bool = true;
const KERNEL: bool = false;

#[rustfmt::skip]
const FEATURES: &[Feature] = &[
    one("FEAT_AES, AESE",             &[(ISAR0, isar0::AES, 1)],     0x4e28_4820, USER),
    one("FEAT_PMULL, PMULL of 64",    &[(ISAR0, isar0::AES, 2)],     0x0ee2_e020, USER),
    one("FEAT_SHA1, SHA1H",           &[(ISAR0, isar0::SHA1, 1)],    0x5e28_0820, USER),
    one("FEAT_SHA256, SHA256SU0",     &[(ISAR0, isar0::SHA2, 1)],    0x5e28_2820, USER),
    one("FEAT_SHA512, SHA512SU0",     &[(ISAR0, isar0::SHA2, 2)],    0xcec0_8020, USER),
    one("FEAT_CRC32, CRC32B",         &[(ISAR0, isar0::CRC32, 1)],   0x1ac1_4000, USER),
    one("FEAT_LSE, LDADD",            &[(ISAR0, isar0::ATOMIC, 2)],  0xf820_0041, USER),
    one("FEAT_LSE, CAS",              &[(ISAR0, isar0::ATOMIC, 2)],  0xc8a0_7c41, USER),
    one("FEAT_LSE, SWP",              &[(ISAR0, isar0::ATOMIC, 2)],  0xf820_8041, USER),
    one("FEAT_TME, TTEST",            &[(ISAR0, isar0::TME, 1)],     0xd523_3160, USER),
    one("FEAT_RDM, SQRDMLAH",         &[(ISAR0, isar0::RDM, 1)],     0x2e42_8420, USER),
    one("FEAT_SHA3, EOR3",            &[(ISAR0, isar0::SHA3, 1)],    0xce02_0c20, USER),
    one("FEAT_SM3, SM3PARTW1",        &[(ISAR0, isar0::SM3, 1)],     0xce62_c020, USER),
    one("FEAT_SM4, SM4E",             &[(ISAR0, isar0::SM4, 1)],     0xcec0_8420, USER),
    one("FEAT_DotProd, UDOT",         &[(ISAR0, isar0::DP, 1)],      0x2e82_9420, USER),
    one("FEAT_FHM, FMLAL",            &[(ISAR0, isar0::FHM, 1)],     0x0e22_ec20, USER),
    one("FEAT_FlagM, CFINV",          &[(ISAR0, isar0::TS, 1)],      0xd500_401f, USER),
    one("FEAT_FlagM, RMIF",           &[(ISAR0, isar0::TS, 1)],      0xba00_8401, USER),
    one("FEAT_FlagM, SETF8",          &[(ISAR0, isar0::TS, 1)],      0x3a00_080d, USER),
    one("FEAT_FlagM2, AXFLAG",        &[(ISAR0, isar0::TS, 2)],      0xd500_405f, USER),
    one("FEAT_TLBIOS, VMALLE1OS",     &[(ISAR0, isar0::TLB, 1)],     0xd508_811f, KERNEL),
    one("FEAT_TLBIRANGE, RVAE1",      &[(ISAR0, isar0::TLB, 2)],     0xd508_8620, KERNEL),
    one("FEAT_RNG, RNDR",             &[(ISAR0, isar0::RNDR, 1)],    0xd53b_2400, USER),
    one("FEAT_DPB, DC CVAP",          &[(ISAR1, isar1::DPB, 1)],     0xd50b_7c22, KERNEL),
    one("FEAT_DPB2, DC CVADP",        &[(ISAR1, isar1::DPB, 2)],     0xd50b_7d22, KERNEL),
    one("FEAT_PAuth, PACIA", &[(ISAR1, isar1::APA, 1), (ISAR1, isar1::API, 1), (ISAR2, ISAR2_APA3, 1)],
                                                                     0xdac1_0020, USER),
    one("FEAT_PAuth, XPACI", &[(ISAR1, isar1::APA, 1), (ISAR1, isar1::API, 1), (ISAR2, ISAR2_APA3, 1)],
                                                                     0xdac1_43e0, USER),
    one("FEAT_PAuth, PACGA", &[(ISAR1, isar1::GPA, 1), (ISAR1, isar1::GPI, 1), (ISAR2, ISAR2_GPA3, 1)],
                                                                     0x9ac2_3020, USER),
    one("FEAT_JSCVT, FJCVTZS",        &[(ISAR1, isar1::JSCVT, 1)],   0x1e7e_0020, USER),
    one("FEAT_FCMA, FCADD",           &[(ISAR1, isar1::FCMA, 1)],    0x2e82_e420, USER),
    one("FEAT_LRCPC, LDAPR",          &[(ISAR1, isar1::LRCPC, 1)],   0xf8bf_c040, USER),
    one("FEAT_LRCPC2, LDAPUR",        &[(ISAR1, isar1::LRCPC, 2)],   0xd940_0040, USER),
    one("FEAT_LRCPC2, STLUR",         &[(ISAR1, isar1::LRCPC, 2)],   0xd900_0040, USER),
    one("FEAT_FRINTTS, FRINT32Z",     &[(ISAR1, isar1::FRINTTS, 1)], 0x1e68_4020, USER),
    one("FEAT_SB, SB",                &[(ISAR1, isar1::SB, 1)],      0xd503_30ff, USER),
    one("FEAT_SPECRES, CFP RCTX",     &[(ISAR1, isar1::SPECRES, 1)], 0xd50b_7380, KERNEL),
    one("FEAT_BF16, BFDOT",           &[(ISAR1, isar1::BF16, 1)],    0x2e42_fc20, USER),
    one("FEAT_BF16, BFCVT",           &[(ISAR1, isar1::BF16, 1)],    0x1e63_4020, USER),
    one("FEAT_I8MM, USDOT",           &[(ISAR1, isar1::I8MM, 1)],    0x0e82_9c20, USER),
    one("FEAT_I8MM, SMMLA",           &[(ISAR1, isar1::I8MM, 1)],    0x4e82_a420, USER),
    one("FEAT_WFxT, WFET",            &[(ISAR2, WFXT, 2)],           0xd503_1000, USER),
    one("FEAT_WFxT, WFIT",            &[(ISAR2, WFXT, 2)],           0xd503_1020, USER),
    one("FEAT_HBC, BC.EQ",            &[(ISAR2, ISAR2_BC, 1)],       0x5400_0030, USER),
    one("FEAT_CSSC, ABS",             &[(ISAR2, ISAR2_CSSC, 1)],     0xdac0_2020, USER),
    one("FEAT_FP16, FADD H",          &[(PFR0, FP_WITH_HALF, 1)],    0x1ee2_2820, USER),
    one("FEAT_SVE, RDVL",             &[(PFR0, pfr0::SVE, 1)],       0x04bf_5020, USER),
    one("FEAT_DIT, MRS DIT",          &[(PFR0, pfr0::DIT, 1)],       mrs(0, Encoding::new(3, 3, 4, 2, 5)), USER),
    one("FEAT_CSV2_2, MRS SCXTNUM_EL1", &[(PFR0, pfr0::CSV2, 2), (PFR1, CSV2_FRAC, 2)],
                                                                     mrs(0, Encoding::new(3, 0, 13, 0, 7)), KERNEL),
    one("FEAT_SSBS2, MRS SSBS",       &[(PFR1, pfr1::SSBS, 2)],      mrs(0, Encoding::new(3, 3, 4, 2, 6)), USER),
    one("FEAT_MTE, IRG",              &[(PFR1, pfr1::MTE, 1)],       0x9adf_1020, USER),
    one("FEAT_MTE, MRS TCO",          &[(PFR1, pfr1::MTE, 1)],       mrs(0, Encoding::new(3, 3, 4, 2, 7)), USER),
    one("FEAT_MTE2, LDG",             &[(PFR1, pfr1::MTE, 2)],       0xd960_0040, USER),
    one("FEAT_SME, RDSVL",            &[(PFR1, pfr1::SME, 1)],       0x04bf_5820, USER),
    one("FEAT_NMI, MRS ALLINT",       &[(PFR1, PFR1_NMI, 1)],        mrs(0, Encoding::new(3, 0, 4, 3, 0)), KERNEL),
    one("FEAT_ECV, MRS CNTVCTSS_EL0", &[(MMFR0, ECV, 1)],            mrs(0, Encoding::new(3, 3, 14, 0, 6)), KERNEL),
    one("FEAT_PAN, MRS PAN",          &[(MMFR1, mmfr1::PAN, 1)],     mrs(0, Encoding::new(3, 0, 4, 2, 3)), KERNEL),
    one("FEAT_PAN2, AT S1E1RP",       &[(MMFR1, mmfr1::PAN, 2)],     0xd508_7902, KERNEL),
    one("FEAT_LOR, MRS LORC_EL1",     &[(MMFR1, mmfr1::LO, 1)],      mrs(0, Encoding::new(3, 0, 10, 4, 3)), KERNEL),
    one("FEAT_UAO, MRS UAO",          &[(MMFR2, mmfr2::UAO, 1)],     mrs(0, Encoding::new(3, 0, 4, 2, 4)), KERNEL),
    one("FEAT_SPE, MRS PMSIDR_EL1",   &[(DFR0, PMS_VER, 1)],         mrs(0, Encoding::new(3, 0, 9, 9, 7)), KERNEL),
    one("FEAT_TRF, MRS TRFCR_EL1",    &[(DFR0, TRACE_FILT, 1)],      mrs(0, Encoding::new(3, 0, 1, 2, 1)), KERNEL),
    one("FEAT_TRBE, MRS TRBIDR_EL1",  &[(DFR0, TRACE_BUFFER, 1)],    mrs(0, Encoding::new(3, 0, 9, 11, 7)), KERNEL),
    one("FEAT_EBEP, MRS PM",          &[(DFR1, EBEP, 1)],            mrs(0, Encoding::new(3, 0, 4, 3, 1)), KERNEL),
];

/// ID_AA64PFR0_EL1.FP, less its sign: 0xf is "none", and only 1 says half precision.
const FP_WITH_HALF: Field = Field::new(16, 16);

/// ID_AA64PFR0_EL1.FP: 0xf is "no floating-point", which [`FP_WITH_HALF`] would take for 1.
fn has_fp(probe: &Probe) -> bool {
    pfr0::FP.get(id(probe, PFR0)) != pfr0::NO_FP
}

/// An ID register's value.
pub fn id(probe: &Probe, register: Encoding) -> u64 {
    probe.read(El::El1, register).done(register)[0]
}

/// Tries every row at `el`.
fn try_all(el: El) {
    let probe = Probe::open();
    if !has_fp(&probe) {
        crate::skip!("ID_AA64PFR0_EL1.FP says no floating-point");
    }
    // FPEN, and ZEN and SMEN where SVE and SME are (elsewhere RES0).
    let scalable = |register, field: Field| field.get(id(&probe, register)) != 0;
    let zen = if scalable(PFR0, pfr0::SVE) { 0b11 << 16 } else { 0 };
    let smen = if scalable(PFR1, pfr1::SME) { 0b11 << 24 } else { 0 };
    CPACR_EL1.set(0b11 << 20 | zen | smen);
    barrier::isb(barrier::SY);
    for feature in FEATURES.iter().filter(|feature| el == El::El1 || feature.el0) {
        let claims = feature.claims.iter();
        let claimed = claims.clone().any(|&(register, field, least)| {
            let value = field.get(id(&probe, register));
            // An 0xf that says "none" stands in FP alone, which has a field of its own above.
            value >= least
        });
        let ended = probe.run(el, &[feature.word], &[0, 1, probe.data.va]);
        let (register, ..) = feature.claims[0];
        match (claimed, ended.is_done()) {
            (true, true) => {}
            (true, false) => panic!(
                "{} at {el:?} is claimed and takes {} (first claim in {register})",
                feature.name, ended.trap.esr
            ),
            (false, true) => {
                panic!("{} at {el:?} is not claimed and goes through ({register})", feature.name)
            }
            (false, false) => ended.undefined(format_args!("{} at {el:?}", feature.name)),
        }
    }
}

case! {
    /// The feature fields of the ID registers are a contract, and this case reads it row by row: a
    /// table of some sixty features, each with its field, the least value that claims it, and one
    /// instruction that only a machine with the feature has. Claimed, the instruction must go
    /// through at EL1; not claimed, its encoding is unallocated, and that is UNDEFINED: EC 0, ISS
    /// 0, ELR at the instruction.
    ///
    /// ```text
    ///   EL1   MRS X0, ID_AA64ISAR0_EL1      DotProd = 0, says the hypervisor
    ///   EL1   UDOT V0.2S, V1.8B, V2.8B  ->  EC 0x00 to EL1's own vector
    /// ```
    ///
    /// EL2 can hide a feature by HCR_EL2.TID3 (it traps the ID registers and answers itself), but
    /// most instructions have no trap of their own: the hardware goes on executing them. So a
    /// value copied from a newer manual, or a field masked in one place only, makes a machine that
    /// lies. A guest that trusts the claim dies of an UNDEFINED instruction in its memcpy; one
    /// that probes by trying finds features that vanish when it is migrated.
    "sysreg.features": "each feature that the ID registers claim works at EL1, each other one is UNDEFINED";
    reference: "DDI 0487: principles of the ID scheme; ID_AA64PFR*, ISAR*, MMFR*, DFR*_EL1";
    needs: Needs::NONE;
    fn features() {
        try_all(El::El1);
    }
}

case! {
    /// The same table at EL0, less what is EL1's. An unprivileged program learns of features from
    /// its operating system, which read the same ID registers (Linux hands them on as hwcaps), so
    /// a claim must hold at EL0 too, and an absent feature must be UNDEFINED there as well: taken
    /// to EL1 by the vector for a lower level, with EC 0.
    ///
    /// ```text
    ///   EL0   word        -> goes through, or UNDEFINED: vector 0x400 of EL1
    ///   EL1   kernel      -> SIGILL to the program
    /// ```
    ///
    /// What goes wrong: traps at EL2 (CPTR_EL2.TFP, TZ, TSM; HCR_EL2.API, ATA) apply to EL0 as to
    /// EL1, and a hypervisor that switches such state lazily must do so for both. One that opens a
    /// feature only when EL1 has used it first leaves EL0's first use with an exception of a
    /// class that EL1 does not expect.
    "sysreg.features_el0": "the same at EL0: what is claimed works there, what is not claimed is UNDEFINED";
    reference: "DDI 0487: principles of the ID scheme; exceptions from a lower Exception level";
    needs: Needs::NONE;
    fn features_el0() {
        try_all(El::El0);
    }
}
