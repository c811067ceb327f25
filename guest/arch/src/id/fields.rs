// tidy: table
//! The fields of the identification registers, with the values that are claimed anywhere here.
//!
//! A value of 0 means "not there" unless the field says otherwise; the higher values of a field
//! contain the lower ones (DDI 0487, "Principles of the ID scheme for fields in ID registers").

use crate::field::Field;

/// Fields of MIDR_EL1.
pub mod midr {
    use super::Field;
    /// Who made it.
    pub const IMPLEMENTER: Field = Field::new(31, 24);
    /// Major revision.
    pub const VARIANT: Field = Field::new(23, 20);
    /// 0xf: the features are in the ID registers.
    pub const ARCHITECTURE: Field = Field::new(19, 16);
    /// Which part of the implementer's.
    pub const PART_NUM: Field = Field::new(15, 4);
    /// Minor revision.
    pub const REVISION: Field = Field::new(3, 0);
}

/// Fields of ID_AA64PFR0_EL1.
pub mod pfr0 {
    use super::Field;
    /// EL0: 1 AArch64 only.
    pub const EL0: Field = Field::new(3, 0);
    /// EL1: 1 AArch64 only.
    pub const EL1: Field = Field::new(7, 4);
    /// EL2: 0 not implemented.
    pub const EL2: Field = Field::new(11, 8);
    /// EL3: 0 not implemented.
    pub const EL3: Field = Field::new(15, 12);
    /// Floating-point: 0 single and double, 1 also half precision (FEAT_FP16), 0xf none.
    pub const FP: Field = Field::new(19, 16);
    /// Advanced SIMD: the same values as FP, and the same one.
    pub const ADV_SIMD: Field = Field::new(23, 20);
    /// GIC CPU interface by system registers: 0 none, 1 GICv3.
    pub const GIC: Field = Field::new(27, 24);
    /// Value of GIC that says: GICv3's.
    pub const GIC_SYSTEM_REGISTERS: u64 = 1;
    /// 1 FEAT_RAS: ESB, DISR_EL1 and the error record registers.
    pub const RAS: Field = Field::new(31, 28);
    /// Scalable vectors.
    pub const SVE: Field = Field::new(35, 32);
    /// Secure EL2.
    pub const SEL2: Field = Field::new(39, 36);
    /// Memory partitioning and monitoring.
    pub const MPAM: Field = Field::new(43, 40);
    /// Activity monitors.
    pub const AMU: Field = Field::new(47, 44);
    /// 1 FEAT_DIT: PSTATE.DIT.
    pub const DIT: Field = Field::new(51, 48);
    /// Realms.
    pub const RME: Field = Field::new(55, 52);
    /// 1 FEAT_CSV2: branch targets of one context do not steer another's speculation; 2 adds
    /// SCXTNUM_ELx.
    pub const CSV2: Field = Field::new(59, 56);
    /// 1 FEAT_CSV3: data loaded under speculation with a fault forms no address.
    pub const CSV3: Field = Field::new(63, 60);
    /// Value of FP and AdvSIMD that says: not implemented.
    pub const NO_FP: u64 = 0xf;
}

/// Fields of ID_AA64PFR1_EL1.
pub mod pfr1 {
    use super::Field;
    /// 1 FEAT_BTI: branch target identification.
    pub const BT: Field = Field::new(3, 0);
    /// 1 FEAT_SSBS: PSTATE.SSBS; 2 also MSR and MRS of it.
    pub const SSBS: Field = Field::new(7, 4);
    /// Memory tagging.
    pub const MTE: Field = Field::new(11, 8);
    /// Minor version of RAS.
    pub const RAS_FRAC: Field = Field::new(15, 12);
    /// Scalable matrices.
    pub const SME: Field = Field::new(27, 24);
}

/// Fields of ID_AA64DFR0_EL1.
pub mod dfr0 {
    use super::Field;
    /// Debug architecture: 6 is Armv8.0's.
    pub const DEBUG_VER: Field = Field::new(3, 0);
    /// Trace by system registers.
    pub const TRACE_VER: Field = Field::new(7, 4);
    /// Performance monitors: 0 none, 1 PMUv3, 4 PMUv3 for Armv8.1 (16-bit event numbers).
    pub const PMU_VER: Field = Field::new(11, 8);
    /// Breakpoints, less one.
    pub const BRPS: Field = Field::new(15, 12);
    /// Watchpoints, less one.
    pub const WRPS: Field = Field::new(23, 20);
    /// Context-aware breakpoints, less one.
    pub const CTX_CMPS: Field = Field::new(31, 28);
    /// Statistical profiling.
    pub const PMS_VER: Field = Field::new(35, 32);
    /// OS Double Lock: 0 implemented, 0xf not.
    pub const DOUBLE_LOCK: Field = Field::new(39, 36);
    /// Self-hosted trace.
    pub const TRACE_FILT: Field = Field::new(43, 40);
}

/// Fields of ID_AA64ISAR0_EL1.
pub mod isar0 {
    use super::Field;
    /// 1 FEAT_AES: AESE, AESD, AESMC, AESIMC; 2 adds PMULL of 64 bits.
    pub const AES: Field = Field::new(7, 4);
    /// 1 FEAT_SHA1.
    pub const SHA1: Field = Field::new(11, 8);
    /// 1 FEAT_SHA256; 2 adds FEAT_SHA512.
    pub const SHA2: Field = Field::new(15, 12);
    /// 1 CRC32 instructions.
    pub const CRC32: Field = Field::new(19, 16);
    /// 2 FEAT_LSE: atomic instructions.
    pub const ATOMIC: Field = Field::new(23, 20);
    /// Transactions.
    pub const TME: Field = Field::new(27, 24);
    /// 1 FEAT_RDM: SQRDMLAH, SQRDMLSH.
    pub const RDM: Field = Field::new(31, 28);
    /// 1 FEAT_SHA3: EOR3, RAX1, XAR, BCAX.
    pub const SHA3: Field = Field::new(35, 32);
    /// 1 FEAT_SM3.
    pub const SM3: Field = Field::new(39, 36);
    /// 1 FEAT_SM4.
    pub const SM4: Field = Field::new(43, 40);
    /// 1 FEAT_DotProd: UDOT, SDOT.
    pub const DP: Field = Field::new(47, 44);
    /// 1 FEAT_FHM: FMLAL, FMLSL.
    pub const FHM: Field = Field::new(51, 48);
    /// 1 FEAT_FlagM: CFINV, RMIF, SETF8, SETF16; 2 adds AXFLAG, XAFLAG.
    pub const TS: Field = Field::new(55, 52);
    /// 1 FEAT_TLBIOS: outer shareable TLB maintenance; 2 adds ranges (FEAT_TLBIRANGE).
    pub const TLB: Field = Field::new(59, 56);
    /// Random numbers.
    pub const RNDR: Field = Field::new(63, 60);
}

/// Fields of ID_AA64ISAR1_EL1.
pub mod isar1 {
    use super::Field;
    /// 1 FEAT_DPB: DC CVAP; 2 adds DC CVADP.
    pub const DPB: Field = Field::new(3, 0);
    /// Address authentication with QARMA5: 1 FEAT_PAuth, 2 FEAT_EPAC, 3 FEAT_PAuth2, 4 FEAT_FPAC.
    pub const APA: Field = Field::new(7, 4);
    /// The same with an algorithm of the implementer's.
    pub const API: Field = Field::new(11, 8);
    /// 1 FEAT_JSCVT: FJCVTZS.
    pub const JSCVT: Field = Field::new(15, 12);
    /// 1 FEAT_FCMA: FCADD, FCMLA.
    pub const FCMA: Field = Field::new(19, 16);
    /// 1 FEAT_LRCPC: LDAPR; 2 adds LDAPUR and STLUR.
    pub const LRCPC: Field = Field::new(23, 20);
    /// 1 generic authentication with QARMA5.
    pub const GPA: Field = Field::new(27, 24);
    /// 1 generic authentication with an algorithm of the implementer's.
    pub const GPI: Field = Field::new(31, 28);
    /// 1 FEAT_FRINTTS: FRINT32*, FRINT64*.
    pub const FRINTTS: Field = Field::new(35, 32);
    /// 1 FEAT_SB: the speculation barrier.
    pub const SB: Field = Field::new(39, 36);
    /// 1 FEAT_SPECRES: CFP, DVP and CPP RCTX.
    pub const SPECRES: Field = Field::new(43, 40);
    /// 1 FEAT_BF16.
    pub const BF16: Field = Field::new(47, 44);
    /// Data gathering hint.
    pub const DGH: Field = Field::new(51, 48);
    /// 1 FEAT_I8MM.
    pub const I8MM: Field = Field::new(55, 52);
}

/// Fields of ID_AA64MMFR0_EL1.
pub mod mmfr0 {
    use super::Field;
    /// Physical address size, coded as TCR_EL1.IPS is: 0 is 32 bits, 1 is 36, 2 is 40, 3 is 42.
    pub const PA_RANGE: Field = Field::new(3, 0);
    /// 2: ASIDs have 16 bits.
    pub const ASID_BITS: Field = Field::new(7, 4);
    /// Mixed endianness.
    pub const BIG_END: Field = Field::new(11, 8);
    /// 16 KiB granule: 1 supported (the only one of the three where 0 is "not").
    pub const TGRAN16: Field = Field::new(23, 20);
    /// 64 KiB granule: 0 supported, 0xf not.
    pub const TGRAN64: Field = Field::new(27, 24);
    /// 4 KiB granule: 0 supported, 0xf not.
    pub const TGRAN4: Field = Field::new(31, 28);
    /// 1 FEAT_ExS: exceptions that do not synchronize the context.
    pub const EX_S: Field = Field::new(47, 44);
}

/// Fields of ID_AA64MMFR1_EL1.
pub mod mmfr1 {
    use super::Field;
    /// Hardware update of descriptors (FEAT_HAFDBS): 1 access flag, 2 also dirty state.
    pub const HAFDBS: Field = Field::new(3, 0);
    /// Stage 2's identifiers.
    pub const VMID_BITS: Field = Field::new(7, 4);
    /// EL2 as a host's level.
    pub const VH: Field = Field::new(11, 8);
    /// 1 FEAT_HPDS: hierarchical permission disables; 2 adds page-based hardware attributes.
    pub const HPDS: Field = Field::new(15, 12);
    /// 1 FEAT_LOR: limited ordering regions.
    pub const LO: Field = Field::new(19, 16);
    /// Privileged Access Never: 1 PSTATE.PAN, 2 also AT S1E1RP and S1E1WP.
    pub const PAN: Field = Field::new(23, 20);
}

/// Fields of ID_AA64MMFR2_EL1.
pub mod mmfr2 {
    use super::Field;
    /// 1 FEAT_TTCNP: TTBR.CnP.
    pub const CNP: Field = Field::new(3, 0);
    /// 1 FEAT_UAO: PSTATE.UAO.
    pub const UAO: Field = Field::new(7, 4);
    /// 1 FEAT_IESB: SCTLR_EL1.IESB.
    pub const IESB: Field = Field::new(15, 12);
    /// 52-bit virtual addresses.
    pub const VA_RANGE: Field = Field::new(19, 16);
    /// 64-bit CCSIDR_EL1.
    pub const CCIDX: Field = Field::new(23, 20);
    /// 1 FEAT_TTST: small translation tables.
    pub const ST: Field = Field::new(31, 28);
    /// 1 FEAT_LSE2: single-copy atomicity within 16 bytes.
    pub const AT: Field = Field::new(35, 32);
    /// 1 FEAT_IDST: an ID register read at EL0 traps with EC 0x18; 0: UNDEFINED with EC 0.
    pub const IDS: Field = Field::new(39, 36);
    /// Stage 2's memory types.
    pub const FWB: Field = Field::new(43, 40);
    /// 1 FEAT_TTL: TLBI operands name the level.
    pub const TTL: Field = Field::new(51, 48);
    /// Break-before-make.
    pub const BBM: Field = Field::new(55, 52);
    /// Finer traps of EL2.
    pub const EVT: Field = Field::new(59, 56);
    /// 1 FEAT_E0PD: TCR_EL1.E0PDn.
    pub const E0PD: Field = Field::new(63, 60);
}

/// Fields of CTR_EL0.
pub mod ctr {
    use super::Field;
    /// Log2 words of the smallest instruction cache line.
    pub const I_MIN_LINE: Field = Field::new(3, 0);
    /// Instruction cache: 3 PIPT.
    pub const L1_IP: Field = Field::new(15, 14);
    /// Log2 words of the smallest data cache line.
    pub const D_MIN_LINE: Field = Field::new(19, 16);
    /// Log2 words of the exclusives reservation granule.
    pub const ERG: Field = Field::new(23, 20);
    /// Log2 words of the cache write-back granule.
    pub const CWG: Field = Field::new(27, 24);
    /// Data cache clean to the point of unification is not needed for instruction coherence.
    pub const IDC: Field = Field::new(28, 28);
    /// Instruction cache invalidation is not needed for instruction coherence.
    pub const DIC: Field = Field::new(29, 29);
    /// Bit 31.
    pub const RES1: u64 = 1 << 31;
}
