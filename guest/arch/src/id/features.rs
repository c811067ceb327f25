//! What an M1 and an M2 claim, register by register.
//!
//! The machine is the one that Hypervisor.framework shows: a core of Armv8.4 with what it takes
//! from 8.5 and 8.6, less what the framework keeps for itself (EL2 and EL3, the GIC, performance
//! monitors, trace). Public dumps of an M1's own registers say what the core has:
//!
//! ```text
//!            an M1's own         here                where they differ, and why
//!   PFR0     1101000010110111    1101000010110011    no EL2
//!   PFR1                   20                  20
//!   DFR0             10305f09            10305006    debug of Armv8.0 and no PMU: the framework's
//!   ISAR0    0221100110212120    0221100110212120
//!   ISAR1        011110211202        001101211012    QARMA5, the public algorithm, for Apple's own;
//!                                                    no prediction restriction (SPECRES)
//!   MMFR0        12120f100001                100021    16-bit ASIDs and a 64 KiB granule more;
//!                                                    stage 2 and FEAT_ExS are not a guest's
//!   MMFR1            11212100              00201002    hardware access flag and dirty state more;
//!                                                    no LORegions, no page-based attributes
//!   MMFR2    1201111100001011      0001001110001011    small translation tables (ST) more; no E0PD;
//!                                                    stage 2 and EL2 are not a guest's
//! ```
//!
//! An M2 adds BTI, BF16 and I8MM. (Its pointer authentication also faults by itself, FEAT_FPAC:
//! not here.)

use super::fields::{dfr0, isar0, isar1, mmfr0, mmfr1, mmfr2, pfr0, pfr1};
use crate::sysreg::SysReg;

/// The feature registers of a processor; those not named here are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// ID_AA64PFR0_EL1.
    pub pfr0: u64,
    /// ID_AA64PFR1_EL1.
    pub pfr1: u64,
    /// ID_AA64DFR0_EL1.
    pub dfr0: u64,
    /// ID_AA64ISAR0_EL1.
    pub isar0: u64,
    /// ID_AA64ISAR1_EL1.
    pub isar1: u64,
    /// ID_AA64MMFR0_EL1 with a PARange of 36 bits, the API's default; a VM's IPA size changes it.
    pub mmfr0: u64,
    /// ID_AA64MMFR1_EL1.
    pub mmfr1: u64,
    /// ID_AA64MMFR2_EL1.
    pub mmfr2: u64,
}

impl Features {
    /// What `register` reads as; `None` if it is no feature register.
    pub const fn value(&self, register: SysReg) -> Option<u64> {
        Some(match register {
            SysReg::ID_AA64PFR0_EL1 => self.pfr0,
            SysReg::ID_AA64PFR1_EL1 => self.pfr1,
            SysReg::ID_AA64DFR0_EL1 => self.dfr0,
            SysReg::ID_AA64ISAR0_EL1 => self.isar0,
            SysReg::ID_AA64ISAR1_EL1 => self.isar1,
            SysReg::ID_AA64MMFR0_EL1 => self.mmfr0,
            SysReg::ID_AA64MMFR1_EL1 => self.mmfr1,
            SysReg::ID_AA64MMFR2_EL1 => self.mmfr2,
            _ => return None,
        })
    }

    /// The same with performance monitors: PMUv3 for Armv8.1.
    pub const fn with_pmu(self) -> Self {
        Self { dfr0: dfr0::PMU_VER.set(self.dfr0, PMU_V3P1), ..self }
    }
}

/// Breakpoints that the guest has: an M1's number.
pub const BREAKPOINTS: u64 = 6;
/// Watchpoints that the guest has: an M1's number.
pub const WATCHPOINTS: u64 = 4;
/// Breakpoints that can match a context ID, the last ones: an M1's number.
pub const CONTEXT_BREAKPOINTS: u64 = 2;
/// ID_AA64DFR0_EL1.PMUVer: PMUv3 for Armv8.1.
pub const PMU_V3P1: u64 = 4;

/// An M1.
pub const M1: Features = Features {
    pfr0: pfr0::EL0.put(1)
        | pfr0::EL1.put(1)
        | pfr0::FP.put(1)
        | pfr0::ADV_SIMD.put(1)
        | pfr0::RAS.put(1)
        | pfr0::DIT.put(1)
        // Nothing is executed speculatively, so nothing leaks that way.
        | pfr0::CSV2.put(1)
        | pfr0::CSV3.put(1),
    pfr1: pfr1::SSBS.put(2),
    dfr0: dfr0::DEBUG_VER.put(6)
        | dfr0::BRPS.put(BREAKPOINTS - 1)
        | dfr0::WRPS.put(WATCHPOINTS - 1)
        | dfr0::CTX_CMPS.put(CONTEXT_BREAKPOINTS - 1),
    isar0: isar0::AES.put(2)
        | isar0::SHA1.put(1)
        | isar0::SHA2.put(2)
        | isar0::CRC32.put(1)
        | isar0::ATOMIC.put(2)
        | isar0::RDM.put(1)
        | isar0::SHA3.put(1)
        | isar0::DP.put(1)
        | isar0::FHM.put(1)
        | isar0::TS.put(2)
        | isar0::TLB.put(2),
    isar1: isar1::DPB.put(2)
        | isar1::APA.put(1)
        | isar1::JSCVT.put(1)
        | isar1::FCMA.put(1)
        | isar1::LRCPC.put(2)
        | isar1::GPA.put(1)
        | isar1::FRINTTS.put(1)
        | isar1::SB.put(1),
    mmfr0: mmfr0::PA_RANGE.put(1)
        | mmfr0::ASID_BITS.put(2)
        | mmfr0::TGRAN16.put(1)
        | mmfr0::TGRAN64.put(0)
        | mmfr0::TGRAN4.put(0),
    mmfr1: mmfr1::HAFDBS.put(2) | mmfr1::HPDS.put(1) | mmfr1::PAN.put(2),
    mmfr2: mmfr2::CNP.put(1)
        | mmfr2::UAO.put(1)
        | mmfr2::IESB.put(1)
        | mmfr2::ST.put(1)
        | mmfr2::AT.put(1)
        | mmfr2::IDS.put(1)
        | mmfr2::TTL.put(1),
};

/// An M2.
pub const M2: Features = Features {
    pfr1: pfr1::BT.set(M1.pfr1, 1),
    isar1: isar1::I8MM.set(isar1::BF16.set(M1.isar1, 1), 1),
    ..M1
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_are_those_of_the_heads_table() {
        assert_eq!(M1.pfr0, 0x1101_0000_1011_0011);
        assert_eq!(M1.pfr1, 0x20);
        assert_eq!(M1.dfr0, 0x1030_5006);
        assert_eq!(M1.isar0, 0x0221_1001_1021_2120);
        assert_eq!(M1.isar1, 0x0011_0121_1012);
        assert_eq!(M1.mmfr0, 0x10_0021);
        assert_eq!(M1.mmfr1, 0x0020_1002);
        assert_eq!(M1.mmfr2, 0x0001_0011_1000_1011);
        assert_eq!(M2.pfr1, 0x21);
        assert_eq!(M2.isar1, 0x0010_1011_0121_1012);
        assert_eq!(M1.with_pmu().dfr0, 0x1030_5406);
    }
}
