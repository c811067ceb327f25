//! SCTLR_EL1's bits: those of Armv8.0 and of the extensions that an M1 or M2 has.

/// Stage-1 translation of EL1 and EL0 is on.
pub const M: u64 = 1 << 0;
/// Alignment checking of loads and stores.
pub const A: u64 = 1 << 1;
/// Data accesses are cacheable.
pub const C: u64 = 1 << 2;
/// SP alignment checking at EL1.
pub const SA: u64 = 1 << 3;
/// SP alignment checking at EL0.
pub const SA0: u64 = 1 << 4;
/// AArch32's CP15BEN; RES0.
pub const CP15BEN: u64 = 1 << 5;
/// FEAT_LSE2: acquire and release accesses may be unaligned over a multiple of 16 bytes.
pub const N_AA: u64 = 1 << 6;
/// AArch32's ITD; RES1 when EL0 has AArch64 only.
pub const ITD: u64 = 1 << 7;
/// AArch32's SED; RES1 when EL0 has AArch64 only.
pub const SED: u64 = 1 << 8;
/// EL0 may access the DAIF bits.
pub const UMA: u64 = 1 << 9;
/// Exception exit is context synchronizing; RES1 without FEAT_ExS.
pub const EOS: u64 = 1 << 11;
/// Instruction accesses are cacheable.
pub const I: u64 = 1 << 12;
/// EL0 may use DC ZVA.
pub const DZE: u64 = 1 << 14;
/// EL0 may read CTR_EL0.
pub const UCT: u64 = 1 << 15;
/// WFI at EL0 is not trapped.
pub const N_TWI: u64 = 1 << 16;
/// WFE at EL0 is not trapped.
pub const N_TWE: u64 = 1 << 18;
/// Write permission implies execute-never.
pub const WXN: u64 = 1 << 19;
/// RES1 without FEAT_CSV2_2 (TSCXT).
pub const TSCXT: u64 = 1 << 20;
/// Pointer authentication with key DB.
pub const EN_DB: u64 = 1 << 13;
/// Pointer authentication with key DA.
pub const EN_DA: u64 = 1 << 27;
/// Pointer authentication with key IB.
pub const EN_IB: u64 = 1 << 30;
/// Pointer authentication with key IA.
pub const EN_IA: u64 = 1 << 31;
/// Implicit error synchronization at exception entry and return (FEAT_IESB).
pub const IESB: u64 = 1 << 21;
/// Exception entry is context synchronizing; RES1 without FEAT_ExS.
pub const EIS: u64 = 1 << 22;
/// Exception entry to EL1 leaves PSTATE.PAN alone (0: sets it).
pub const SPAN: u64 = 1 << 23;
/// Endianness of data at EL0; RES0: little-endian only (ID_AA64MMFR0_EL1.BigEnd = 0).
pub const E0E: u64 = 1 << 24;
/// Endianness of data at EL1 and of the tables; RES0, as E0E.
pub const EE: u64 = 1 << 25;
/// EL0 may use DC CVAU, DC CIVAC, DC CVAC and IC IVAU.
pub const UCI: u64 = 1 << 26;
/// RES1 without FEAT_LSMAOC.
pub const N_TLSMD: u64 = 1 << 28;
/// RES1 without FEAT_LSMAOC.
pub const LSMAOE: u64 = 1 << 29;

/// EL0: PACIASP and PACIBSP are no landing pads for a BR (FEAT_BTI; RES0 without it).
pub const BT0: u64 = 1 << 35;
/// EL1: as BT0.
pub const BT1: u64 = 1 << 36;
/// PSTATE.SSBS on exception entry (FEAT_SSBS).
pub const DSSBS: u64 = 1 << 44;

/// Bits that read as 1.
pub const RES1: u64 = LSMAOE | N_TLSMD | EIS | TSCXT | EOS | SED | ITD;
/// Bits that a write changes.
pub const WRITABLE: u64 = M
    | IESB
    | A
    | C
    | SA
    | SA0
    | N_AA
    | UMA
    | I
    | DZE
    | UCT
    | N_TWI
    | N_TWE
    | WXN
    | SPAN
    | UCI
    | EN_IA
    | EN_IB
    | EN_DA
    | EN_DB
    | DSSBS;
/// After reset: M, A, C, I and the permissions for EL0 off. SPAN resets to an UNKNOWN value:
/// 1, what software that does not know PAN expects.
pub const RESET: u64 = RES1 | SPAN;
