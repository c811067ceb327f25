//! The identification registers: what the machine claims to be, field by field.
//!
//! A feature is claimed when it works, and not before. The fields are in `fields.rs`, the feature
//! registers of the processors in `features.rs`; here are the registers that all of them share:
//! which machine it is, its caches, its counter, its debug locks.

mod features;
mod fields;

pub use features::{BREAKPOINTS, CONTEXT_BREAKPOINTS, Features, M1, M2, PMU_V3P1, WATCHPOINTS};
pub use fields::{ctr, dfr0, isar0, isar1, midr, mmfr0, mmfr1, mmfr2, pfr0, pfr1};

/// Apple, part 0, revision 0: what a guest of Hypervisor.framework sees in place of the host's
/// part number (boot logs of Linux guests show 0x610f0000). No guest takes it for a part whose
/// errata it knows.
pub const MIDR_EL1: u64 = midr::IMPLEMENTER.put(b'a' as u64) | midr::ARCHITECTURE.put(0xf);

/// MPIDR_EL1 of vCPU 0: bit 31 is RES1; U (bit 30) is 0, part of a multiprocessor system.
pub const MPIDR_EL1: u64 = 1 << 31;

/// The physical address bits that each value of PARange (and of TCR_EL1.IPS) stands for; 7, 8
/// and up are of later extensions.
pub const PA_BITS: [u32; 7] = [32, 36, 40, 42, 44, 48, 52];

/// Log2 of 64 bytes in words: the line and granule size told everywhere.
const LINE: u64 = 4;

/// 64-byte lines. IDC = 1 is true: there is no data cache between a store and the next fetch.
/// DIC = 0 is safe: the decoder keeps decoded code, so a guest shall say IC IVAU after it has
/// written code. (An M1's own is 0x84448004, an M2's 0x8444c004.)
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
    fn which_machine_and_which_caches() {
        assert_eq!(super::CTR_EL0, 0x9444_c004);
        assert_eq!(super::MIDR_EL1, 0x610f_0000);
    }
}
