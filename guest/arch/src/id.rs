//! The identification registers' values: what the machine claims to be, field by field.
//!
//! A feature is claimed when it works, and not before; a field that is not named here is 0,
//! which for every ID field means "not there" (DDI 0487, "Principles of the ID scheme"). The
//! machine is otherwise shaped like what Hypervisor.framework shows on an M1: three granules,
//! 36 bits of IPA, 24 MHz.

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

/// Apple, part 0, revision 0: what a guest of Hypervisor.framework sees in place of the host's
/// part number (boot logs of Linux guests show 0x610f0000). No guest takes it for a part whose
/// errata it knows.
pub const MIDR_EL1: u64 = midr::IMPLEMENTER.put(b'a' as u64) | midr::ARCHITECTURE.put(0xf);

/// MPIDR_EL1 of vCPU 0: bit 31 is RES1; U (bit 30) is 0, part of a multiprocessor system.
pub const MPIDR_EL1: u64 = 1 << 31;

/// Fields of ID_AA64PFR0_EL1.
pub mod pfr0 {
    use super::Field;
    /// EL0: 1 AArch64 only.
    pub const EL0: Field = Field::new(3, 0);
    /// EL1: 1 AArch64 only.
    pub const EL1: Field = Field::new(7, 4);
    /// Floating-point: 0xf none.
    pub const FP: Field = Field::new(19, 16);
    /// Advanced SIMD: 0xf none; the same as FP.
    pub const ADV_SIMD: Field = Field::new(23, 20);
    /// GIC CPU interface by system registers.
    pub const GIC: Field = Field::new(27, 24);
    /// Value of FP and AdvSIMD that says: not implemented.
    pub const NO_FP: u64 = 0xf;
}

/// EL0 and EL1 in AArch64, no EL2, no EL3, no FP or SIMD, no GIC.
///
/// CPACR_EL1.FPEN traps as if there were FP, so that its traps can be had; past the trap an FP
/// instruction is UNDEFINED, and FPCR and FPSR remember.
pub const ID_AA64PFR0_EL1: u64 = pfr0::EL0.put(1)
    | pfr0::EL1.put(1)
    | pfr0::FP.put(pfr0::NO_FP)
    | pfr0::ADV_SIMD.put(pfr0::NO_FP);

/// No BTI, SSBS, MTE, SME.
pub const ID_AA64PFR1_EL1: u64 = 0;

/// Fields of ID_AA64DFR0_EL1.
pub mod dfr0 {
    use super::Field;
    /// Debug architecture: 6 is Armv8.0's.
    pub const DEBUG_VER: Field = Field::new(3, 0);
    /// Performance monitors: 0 none.
    pub const PMU_VER: Field = Field::new(11, 8);
    /// Breakpoints, less one.
    pub const BRPS: Field = Field::new(15, 12);
    /// Watchpoints, less one.
    pub const WRPS: Field = Field::new(23, 20);
    /// Context-aware breakpoints, less one.
    pub const CTX_CMPS: Field = Field::new(31, 28);
}

/// Breakpoints that the guest has: an M1's number.
pub const BREAKPOINTS: u64 = 6;
/// Watchpoints that the guest has: an M1's number.
pub const WATCHPOINTS: u64 = 4;
/// Breakpoints that can match a context ID: an M1's number.
pub const CONTEXT_BREAKPOINTS: u64 = 2;

/// Armv8.0 debug, no PMU, no trace.
///
/// DebugVer has no value for "none", and BRPs and WRPs none for "no comparators": this is the
/// least that looks like an M1. What is true of it: the registers remember, BRK works;
/// breakpoints, watchpoints and software step do not fire yet.
pub const ID_AA64DFR0_EL1: u64 = dfr0::DEBUG_VER.put(6)
    | dfr0::BRPS.put(BREAKPOINTS - 1)
    | dfr0::WRPS.put(WATCHPOINTS - 1)
    | dfr0::CTX_CMPS.put(CONTEXT_BREAKPOINTS - 1);

/// Fields of ID_AA64ISAR0_EL1.
pub mod isar0 {
    use super::Field;
    /// CRC32 instructions: 1.
    pub const CRC32: Field = Field::new(19, 16);
    /// Large System Extensions: 0 none.
    pub const ATOMIC: Field = Field::new(23, 20);
}

/// CRC32, and neither AES, SHA, LSE nor anything later.
pub const ID_AA64ISAR0_EL1: u64 = isar0::CRC32.put(1);

/// No pointer authentication, no LRCPC, no DC CVAP.
pub const ID_AA64ISAR1_EL1: u64 = 0;

/// Fields of ID_AA64MMFR0_EL1.
pub mod mmfr0 {
    use super::Field;
    /// Physical address size, coded as TCR_EL1.IPS is: 0 is 32 bits, 1 is 36, 2 is 40, 3 is 42.
    pub const PA_RANGE: Field = Field::new(3, 0);
    /// 2: ASIDs have 16 bits.
    pub const ASID_BITS: Field = Field::new(7, 4);
    /// 16 KiB granule: 1 supported (the only one of the three where 0 is "not").
    pub const TGRAN16: Field = Field::new(23, 20);
    /// 64 KiB granule: 0 supported, 0xf not.
    pub const TGRAN64: Field = Field::new(27, 24);
    /// 4 KiB granule: 0 supported, 0xf not.
    pub const TGRAN4: Field = Field::new(31, 28);
}

/// The physical address bits that each value of PARange (and of TCR_EL1.IPS) stands for; 7, 8
/// and up are of later extensions.
pub const PA_BITS: [u32; 7] = [32, 36, 40, 42, 44, 48, 52];

/// 36 bits of physical address (the API's default IPA size; `hv_vm_config_set_ipa_size` changes
/// it), 16-bit ASIDs, all granules, little-endian only, no secure memory.
pub const ID_AA64MMFR0_EL1: u64 = mmfr0::PA_RANGE.put(1)
    | mmfr0::ASID_BITS.put(2)
    | mmfr0::TGRAN16.put(1)
    | mmfr0::TGRAN64.put(0)
    | mmfr0::TGRAN4.put(0);

/// Fields of ID_AA64MMFR1_EL1.
pub mod mmfr1 {
    use super::Field;
    /// Hardware access flag and dirty state: 0 none.
    pub const HAFDBS: Field = Field::new(3, 0);
    /// Hierarchical permission disables: 0 none.
    pub const HPDS: Field = Field::new(15, 12);
    /// Privileged Access Never: 1 PSTATE.PAN.
    pub const PAN: Field = Field::new(23, 20);
}

/// PAN.
pub const ID_AA64MMFR1_EL1: u64 = mmfr1::PAN.put(1);

/// No UAO, IESB, LVA, LSE2; IDS = 0: an ID register read at EL0 is UNDEFINED with EC 0.
pub const ID_AA64MMFR2_EL1: u64 = 0;

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

/// Log2 of 64 bytes in words: the line and granule size told everywhere.
const LINE: u64 = 4;

/// 64-byte lines. IDC = 1 is true: there is no data cache between a store and the next fetch.
/// DIC = 0 is safe: the decoder keeps decoded code, so a guest shall say IC IVAU after it has
/// written code. The same value as an M1's.
pub const CTR_EL0: u64 = ctr::I_MIN_LINE.put(LINE)
    | ctr::L1_IP.put(3)
    | ctr::D_MIN_LINE.put(LINE)
    | ctr::ERG.put(LINE)
    | ctr::CWG.put(LINE)
    | ctr::IDC.put(1)
    | ctr::DIC.put(0)
    | ctr::RES1;

/// No cache that set/way operations could reach (Ctype1 = 0, LoC = 0): there is none.
pub const CLIDR_EL1: u64 = 0;

/// DCZID_EL0.BS: log2 words of the block that DC ZVA clears: 64 bytes.
pub const DCZID_EL0: u64 = LINE;
/// DCZID_EL0.DZP: DC ZVA is prohibited at this level.
pub const DCZID_DZP: u64 = 1 << 4;

/// The counter's frequency in Hz: an M1's.
pub const CNTFRQ_EL0: u64 = 24_000_000;

/// OSLSR_EL1: OSLM = 0b10 (bit 3: the OS Lock is implemented), OSLK = 0 (unlocked; its write,
/// OSLAR_EL1, exits to the monitor).
pub const OSLSR_EL1: u64 = 1 << 3;

/// DBGAUTHSTATUS_EL1: NSID and NSNID 0b10: external debug is implemented and disabled.
pub const DBGAUTHSTATUS_EL1: u64 = 0b1010;

#[cfg(test)]
mod tests {
    #[test]
    fn values_known_from_an_m1() {
        assert_eq!(super::CTR_EL0, 0x9444_c004);
        assert_eq!(super::MIDR_EL1, 0x610f_0000);
    }
}
