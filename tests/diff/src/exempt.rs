//! What cannot be compared, each with its reason. Everything else must agree.

use crate::case::{Case, End, Outcome, State};
use crate::generate::{DC_ZVA, RN};
use crate::memory::{self, Kind};
use crate::random::Random;
use anyvisor_arch::sysreg::Encoding;
use anyvisor_cpu::a64::{Pattern, Row};
use std::sync::LazyLock;

/// Rows that the oracle has no answer for.
const ROWS: [(&str, &str); 1] = [("Svc", "it is a system call: what comes back is the kernel's")];

/// Rows of which every word is UNDEFINED, or trapped, at EL0.
pub const NEVER_AT_EL0: [&str; 5] = ["Eret", "EretAuthenticated", "Hvc", "Smc", "MsrImm"];

/// op1:CRn:CRm:op2 of DC CVAC, CVAU, CIVAC and IC IVAU.
pub const CACHE_OPERATIONS: [u32; 4] = [0x1bd1, 0x1bd9, 0x1bf1, 0x1ba9];
/// DC CVAP and CVADP, which the oracle has in system mode only.
const SYS_PERSISTENCE: [u32; 2] = [0x1be1, 0x1be9];
/// DC ZVA. Its block is larger in the oracle's CPU: it is compared with another, `ZeroBlock`.
const SYS_ZVA: u32 = 0x1ba1;

/// What the oracle has and our CPU has not.
#[rustfmt::skip]
const FOREIGN: [(&str, &str); 18] = [
    ("--0010001-0-----0---------------", "FEAT_LOR: LDLAR, STLLR"),
    ("1-0100011-----------------------", "FEAT_MTE: ADDG, SUBG"),
    ("10011010110-----00010-----------", "FEAT_MTE: IRG, GMI"),
    ("10011010110-----000000----------", "FEAT_MTE: SUBP"),
    ("10111010110-----000000----------", "FEAT_MTE: SUBPS"),
    ("0110100--0----------------------", "FEAT_MTE: STGP"),
    ("11011001--1---------------------", "FEAT_MTE: LDG, STG, LDGM, STGM and kin"),
    ("1101010100000-110100----100-----", "FEAT_MTE: MSR TCO, #imm"),
    ("110101010000101101110100011-----", "FEAT_MTE: DC GVA"),
    ("110101010000101101110100100-----", "FEAT_MTE: DC GZVA"),
    ("110101010000101101111---011-----", "FEAT_MTE: DC CGVAC and kin"),
    ("110101010000101101111---101-----", "FEAT_MTE: DC CGDVAC and kin"),
    ("11001110010-----0---------------", "FEAT_SM3: SM3SS1"),
    ("11001110010-----10--------------", "FEAT_SM3: SM3TT1A and kin"),
    ("11001110011-----1100------------", "FEAT_SM3, FEAT_SM4: SM3PARTW1, SM3PARTW2, SM4EKEY"),
    ("1100111011000000100001----------", "FEAT_SM4: SM4E"),
    ("11010101000010110111001110------", "FEAT_SPECRES: CFP RCTX, DVP RCTX"),
    ("110101010000101101110011111-----", "FEAT_SPECRES: CPP RCTX"),
];

/// What computes with the keys of pointer authentication: user mode has random ones, which a
/// program can neither read nor write. With known keys they are compared at EL1.
#[rustfmt::skip]
const WITH_KEYS: [(&str, &str); 8] = [
    ("110110101100000100--------------", "the keys are random: PACIA to AUTDB, PACIZA to AUTDZB"),
    ("10011010110-----001100----------", "the keys are random: PACGA"),
    ("110101010000001100100001-0011111", "the keys are random: PACIA1716, AUTIA1716"),
    ("110101010000001100100001-1011111", "the keys are random: PACIB1716, AUTIB1716"),
    ("110101010000001100100011-0-11111", "the keys are random: PACIAZ, PACIASP, AUTIAZ, AUTIASP"),
    ("110101010000001100100011-1-11111", "the keys are random: PACIBZ, PACIBSP, AUTIBZ, AUTIBSP"),
    ("1101011-0--1111100001-----------", "the keys are random: BRAA, BLRAA, RETAA and kin"),
    ("11111000--1----------1----------", "the keys are random: LDRAA, LDRAB"),
];
/// Where QEMU 7.2 is wrong. (DDI 0487 C7.2: the encodings and the `Operation` of each.)
#[rustfmt::skip]
const WRONG: [(&str, &str); 7] = [
    ("01011110-111000011--10----------", "FMAXNMP, FADDP, FMAXP of halves with sz 1: unallocated, and it writes"),
    ("0-001110-111000011--10----------", "FMAXNMV, FMAXV of halves with sz 1: unallocated, and it writes"),
    ("01-1111011111000111110----------", "FABS, FNEG of a half as a vector-class scalar: unallocated, and it aborts"),
    ("0111111011111001111110----------", "FSQRT of a half as a vector-class scalar: unallocated, and it aborts"),
    ("0-00111011111001111110----------", "FRECPX of vectors of halves: unallocated, and it aborts"),
    ("0-10111100000---111111----------", "FMOV (vector, immediate) of halves with op 1: unallocated, and it writes"),
    ("010111110001----111111----------", "FCVTZS (scalar, fixed-point) of a half: it writes 32 bits, not 16"),
];
/// HLT #0xf000: the oracle's semihosting.
const SEMIHOSTING: u32 = 0xd45e_0000;

/// Why a word is not to be compared, whatever its row: the oracle has it and our CPU has not, or
/// it computes with keys.
pub fn foreign(word: u32) -> Option<&'static str> {
    static PATTERNS: LazyLock<Vec<(Pattern, &str)>> = LazyLock::new(|| {
        let all = FOREIGN.iter().chain(&WITH_KEYS).chain(&WRONG);
        all.map(|(picture, reason)| (Pattern::new(picture), *reason)).collect()
    });
    let found = PATTERNS.iter().find(|(pattern, _)| pattern.matches(word));
    let semihosting = (word == SEMIHOSTING).then_some("semihosting");
    found.map(|(_, reason)| *reason).or(semihosting)
}

/// Why a row has no word that can be compared, if it has none.
pub fn row(row: Row) -> Option<&'static str> {
    if let Some((_, reason)) = ROWS.iter().find(|(name, _)| *name == row.name()) {
        return Some(reason);
    }
    let pattern = row.pattern();
    let mut random = Random::new(0, row.name());
    let mut words = (0..1024).map(|_| pattern.value | random.bits() as u32 & !pattern.mask);
    let reason = foreign(words.next()?)?;
    words.all(|word| foreign(word).is_some()).then_some(reason)
}

/// Whether a word of `row` is left out.
pub fn word(row: Row, word: u32) -> bool {
    if foreign(word).is_some() || memory::is_unpredictable(word) {
        return true;
    }
    match row.name() {
        // The oracle does nothing with an address that it does not need, so that it does not
        // fault; XZR would be such an address.
        "Sys" => {
            let operation = word >> 5 & 0x3fff;
            operation == SYS_ZVA
                || SYS_PERSISTENCE.contains(&operation)
                || CACHE_OPERATIONS.contains(&operation) && word & 31 == 31
        }
        "Mrs" | "MsrReg" => system_register(Encoding::of_instruction(word)),
        // An SP that is aligned cannot make up for an offset that is not: see `Misaligned`.
        _ if Kind::of(word) == Some(Kind::OrderedImm9) && RN.of(word) == 31 => {
            word >> 12 & ((1 << (word >> 30)) - 1) != 0
        }
        _ => false,
    }
}

/// Registers that differ from machine to machine.
pub fn system_register(encoding: Encoding) -> bool {
    match (encoding.op0(), encoding.op1(), encoding.crn(), encoding.crm(), encoding.op2()) {
        // Linux shows ID registers to programs by emulation.
        (3, 0, 0, _, _) => true,
        // CTR_EL0, DCZID_EL0: other caches.
        (3, 3, 0, 0, 1 | 7) => true,
        // FEAT_RNG, FEAT_MTE (TCO) and FEAT_CSV2_2 (SCXTNUM_EL0): the oracle's only.
        (3, 3, 2, 4, 0 | 1) | (3, 3, 4, 2, 7) | (3, 3, 13, 0, 7) => true,
        // Counters and timers: time.
        (3, 3, 14, _, _) => true,
        // PMUSERENR_EL0 can be read at EL0; we have no PMU.
        (3, 3, 9, 14, 0) => true,
        // Debug communication: EL0's access is a matter of MDSCR_EL1.TDCC and the debugger.
        (2, 3, 0, _, _) => true,
        _ => false,
    }
}

/// FJCVTZS.
const FJCVTZS: Pattern = Pattern::new("0001111001111110000000----------");
/// FPCR.FZ.
const FZ: u32 = 1 << 24;

/// Whether a word converts a denormal number that FPCR.FZ makes a zero of, to JavaScript's
/// integer. DDI 0487, FPToFixedJS: "elsif sign == '0' && value == 0.0 && !IsZero(op<51:0>) then
/// Z = '0'". QEMU before 8 sets Z.
fn flushed_to_javascript(word: u32, before: &State) -> bool {
    let operand = before.v[(word >> 5 & 31) as usize] as u64;
    let denormal = operand << 1 != 0 && operand << 1 >> 53 == 0;
    FJCVTZS.matches(word) && before.fpcr & FZ != 0 && denormal
}

/// Whether the oracle may have a wrong result for a word: it is not part of a program, where the
/// result could no longer be told from its consequences.
pub fn stands_alone(word: u32) -> bool {
    FJCVTZS.matches(word)
}

/// Takes out of two outcomes what the manual leaves open, and where the oracle is wrong.
pub fn level(case: &Case, ours: &mut Outcome, theirs: &mut Outcome) {
    if flushed_to_javascript(case.code[0], &case.state) {
        theirs.state.nzcv = ours.state.nzcv;
    }
    if let (End::Abort(a), End::Abort(b)) = (&mut ours.end, &mut theirs.end) {
        // DDI 0487, FAR_EL1: of a DC instruction it holds the address in the register. User mode
        // has the start of the block.
        if case.code[0] & !31 == DC_ZVA {
            *a &= !63;
        }
        // A store that aborts may have written what it could (STP, and what crosses a page).
        theirs.state.window = ours.state.window;
        // A load that aborts may have written its first registers (LDP, LD2: DDI 0487 D1.3.5,
        // they become UNKNOWN).
        theirs.state.v = ours.state.v;
        // Linux clears the tag of a fault address. From 47 bits on an x86 host does not know it.
        let tag = 0xff << 56;
        *a &= !tag;
        *b &= !tag;
        if (*a + 16) >> 47 != 0 {
            *b = *a;
        }
    }
}
