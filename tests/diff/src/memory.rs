//! Loads and stores as their encoding alone tells them (DDI 0487 C4.1: "Loads and Stores"): where
//! they go and how far, which registers they write, what the manual leaves unpredictable. It is
//! written a second time here, apart from the rows: a row that goes elsewhere is found out.

use crate::case::State;
use crate::generate::{RD, RM, RN, RT2};
use anyvisor_cpu::a64::Pattern;
use std::sync::LazyLock;

/// The kinds of loads and stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// LDR (literal).
    Literal,
    /// LDXR, STXR.
    Exclusive,
    /// LDXP, STXP.
    ExclusivePair,
    /// CASP.
    CasPair,
    /// CAS.
    Cas,
    /// LDAR, STLR.
    Ordered,
    /// LDAPUR, STLUR.
    OrderedImm9,
    /// LDP, STP.
    Pair,
    /// LDUR, LDTR, LDR with write-back.
    Imm9,
    /// LDADD and kin, SWP, LDAPR.
    Atomic,
    /// LDR (register).
    Register,
    /// LDR (immediate, unsigned offset).
    Unsigned,
    /// LD1 to LD4 of whole registers.
    Multiple,
    /// LD1 to LD4 of lanes, LD1R and kin.
    Single,
}

#[rustfmt::skip]
const KINDS: [(&str, Kind); 16] = [
    ("--011-00------------------------", Kind::Literal),
    ("--0010000-0---------------------", Kind::Exclusive),
    ("1-0010000-1---------------------", Kind::ExclusivePair),
    ("0-0010000-1---------------------", Kind::CasPair),
    ("--0010001-0---------------------", Kind::Ordered),
    ("--0010001-1---------------------", Kind::Cas),
    ("--011001--0---------00----------", Kind::OrderedImm9),
    ("--101-0-------------------------", Kind::Pair),
    ("--111-00--0---------------------", Kind::Imm9),
    ("--111000--1---------00----------", Kind::Atomic),
    ("--111-00--1---------10----------", Kind::Register),
    ("--111-01------------------------", Kind::Unsigned),
    ("0-0011000-000000----------------", Kind::Multiple),
    ("0-0011001-0---------------------", Kind::Multiple),
    ("0-0011010--00000----------------", Kind::Single),
    ("0-0011011-----------------------", Kind::Single),
];

impl Kind {
    /// The kind of a word; `None` if it is no load or store, or of no kind that we have.
    pub fn of(word: u32) -> Option<Self> {
        static PATTERNS: LazyLock<Vec<(Pattern, Kind)>> =
            LazyLock::new(|| KINDS.iter().map(|(p, kind)| (Pattern::new(p), *kind)).collect());
        PATTERNS.iter().find(|(pattern, _)| pattern.matches(word)).map(|(_, kind)| *kind)
    }
}

/// A field by its lowest bit and its width.
fn field(word: u32, lsb: u32, bits: u32) -> u32 {
    word >> lsb & ((1 << bits) - 1)
}

fn signed(value: u32, bits: u32) -> i64 {
    i64::from((value << (32 - bits)) as i32 >> (32 - bits))
}

/// Whether it is of SIMD and FP registers.
pub fn is_vector(word: u32) -> bool {
    word & 1 << 26 != 0
}

/// A memory access: where, and how many bytes of what alignment.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// What is added to the base.
    pub offset: i64,
    /// How many bytes.
    pub bytes: u64,
    /// What it is aligned to if it is aligned.
    pub alignment: u64,
    /// What becomes of one that is not.
    pub misaligned: Misaligned,
}

/// What becomes of a misaligned access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misaligned {
    /// It is done.
    Done,
    /// It faults if it crosses a boundary of 16 bytes. Inside of one the manual wants it done
    /// (FEAT_LSE2), but the oracle has no FEAT_LSE2.
    FaultsAcross,
    /// As the one before, and the oracle does not check it (LDAPR).
    Unchecked,
}

impl Access {
    /// The access of a word; `None` if it has none with a base.
    pub fn of(word: u32, state: &State) -> Option<Self> {
        let (size, q) = (word >> 30, word >> 30 & 1);
        let scale = if is_vector(word) { size | field(word, 23, 1) << 2 } else { size };
        let done = |offset: i64, count: u64, scale: u32| Self {
            offset,
            bytes: count << scale,
            alignment: 1 << scale,
            misaligned: Misaligned::Done,
        };
        let across = |bytes: u64| Self {
            offset: 0,
            bytes,
            alignment: bytes,
            misaligned: Misaligned::FaultsAcross,
        };
        let imm9 = signed(field(word, 12, 9), 9);
        Some(match Kind::of(word)? {
            Kind::Literal => return None,
            Kind::Atomic if field(word, 12, 4) == 0b1100 => {
                Self { misaligned: Misaligned::Unchecked, ..across(1 << size) }
            }
            Kind::Exclusive | Kind::Cas | Kind::Atomic | Kind::Ordered => across(1 << size),
            Kind::ExclusivePair | Kind::CasPair => across(8 << q),
            Kind::OrderedImm9 => Self { offset: imm9, ..across(1 << size) },
            Kind::Imm9 => done(if field(word, 10, 2) == 1 { 0 } else { imm9 }, 1, scale),
            Kind::Unsigned => done(i64::from(field(word, 10, 12)) << scale, 1, scale),
            Kind::Register => {
                let index = state.x(RM.of(word));
                let index = match field(word, 13, 3) {
                    2 => i64::from(index as u32),
                    6 => i64::from(index as i32),
                    _ => index as i64,
                };
                done(index << (field(word, 12, 1) * scale), 1, scale)
            }
            Kind::Pair => {
                let scale = 2 + if is_vector(word) { size } else { size >> 1 };
                let imm7 = signed(field(word, 15, 7), 7) << scale;
                done(if field(word, 23, 2) == 1 { 0 } else { imm7 }, 2, scale)
            }
            Kind::Multiple => {
                let registers = match field(word, 12, 4) {
                    0b0000 | 0b0010 => 4,
                    0b0100 | 0b0110 => 3,
                    0b1000 | 0b1010 => 2,
                    _ => 1,
                };
                Self { alignment: 1 << field(word, 10, 2), ..done(0, registers, 3 + q) }
            }
            Kind::Single => {
                let scale = match (field(word, 14, 2), field(word, 10, 2)) {
                    (3, size) => size,
                    (2, size) => 2 + (size & 1),
                    (scale, _) => scale,
                };
                let elements = 1 + field(word, 21, 1) + 2 * field(word, 13, 1);
                done(0, elements.into(), scale)
            }
        })
    }
}

/// Whether it changes its base.
pub fn writes_back(word: u32) -> bool {
    match Kind::of(word) {
        Some(Kind::Imm9) => field(word, 10, 1) == 1,
        Some(Kind::Pair | Kind::Multiple | Kind::Single) => field(word, 23, 1) == 1,
        _ => false,
    }
}

/// What it adds to its base, if it changes it and the encoding says by how much: the immediate,
/// or the bytes of the structure.
pub fn write_back(word: u32, state: &State) -> Option<i64> {
    let access = Access::of(word, state)?;
    match Kind::of(word)? {
        Kind::Imm9 => Some(signed(field(word, 12, 9), 9)),
        Kind::Pair => Some(signed(field(word, 15, 7), 7) * access.alignment as i64),
        _ => (RM.of(word) == 31).then_some(access.bytes as i64),
    }
}

/// Whether the manual leaves it open what the word does (CONSTRAINED UNPREDICTABLE): write-back
/// to a register that is transferred; a register loaded twice; the status of a store exclusive
/// in a register that it uses.
pub fn is_unpredictable(word: u32) -> bool {
    let (rt, rn, rt2, rs) = (RD.of(word), RN.of(word), RT2.of(word), RM.of(word));
    let (vector, load) = (is_vector(word), field(word, 22, 1) == 1);
    let base = |register| register == rn && rn != 31;
    match Kind::of(word) {
        Some(Kind::Imm9) => !vector && writes_back(word) && base(rt),
        Some(Kind::Pair) => {
            load && rt == rt2 || !vector && writes_back(word) && (base(rt) || base(rt2))
        }
        Some(Kind::Exclusive) => !load && (rs == rt || base(rs)),
        Some(Kind::ExclusivePair) if load => rt == rt2,
        Some(Kind::ExclusivePair) => rs == rt || rs == rt2 || base(rs),
        _ => false,
    }
}
