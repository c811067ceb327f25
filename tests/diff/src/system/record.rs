//! A case at EL1 or below, and what becomes of it: one record, in and out.

use super::layout::SLOT_WORDS;
use crate::case::BRK;

/// Doublewords of a record.
pub const WORDS: usize = 64;
/// Bytes of it.
pub const BYTES: u64 = 8 * WORDS as u64;
/// Doublewords of memory that a case sets before and shows after.
pub const POKES: usize = 6;
const X: usize = 8;
const SPSR: usize = 39;
const ELR: usize = 40;
const SCTLR_ESR: usize = 41;
const TCR_FAR: usize = 42;
const TTBR0_PAR: usize = 43;
const MAIR_VECTOR: usize = 44;
const POKE: usize = 50;

/// What a case starts with.
#[derive(Clone, Debug)]
pub struct Case {
    /// The instructions, filled up with BRK.
    pub code: [u32; SLOT_WORDS],
    /// X0 to X30.
    pub x: [u64; 31],
    /// PSTATE and the address to start at.
    pub spsr: u64,
    /// As above.
    pub start: u64,
    /// The registers of translation.
    pub sctlr: u64,
    /// TCR_EL1.
    pub tcr: u64,
    /// TTBR0_EL1.
    pub ttbr0: u64,
    /// MAIR_EL1.
    pub mair: u64,
    /// Addresses of the executor and what they hold.
    pub pokes: [(u64, u64); POKES],
}

/// What the exception at its end has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// X0 to X30.
    pub x: [u64; 31],
    /// SPSR_EL1.
    pub spsr: u64,
    /// ELR_EL1.
    pub elr: u64,
    /// ESR_EL1.
    pub esr: u64,
    /// FAR_EL1.
    pub far: u64,
    /// PAR_EL1.
    pub par: u64,
    /// Which vector it was.
    pub vector: u64,
    /// What the pokes' addresses hold.
    pub memory: [u64; POKES],
}

impl Case {
    /// `words` (fewer than a slot has) in the slot.
    pub fn code(words: &[u32]) -> [u32; SLOT_WORDS] {
        let mut code = [BRK; SLOT_WORDS];
        code[..words.len()].copy_from_slice(words);
        code
    }

    /// The record that the executor reads.
    pub fn encode(&self) -> [u64; WORDS] {
        let mut record = [0; WORDS];
        for (to, pair) in record.iter_mut().zip(self.code.chunks(2)) {
            *to = u64::from(pair[1]) << 32 | u64::from(pair[0]);
        }
        record[X..SPSR].copy_from_slice(&self.x);
        record[SPSR] = self.spsr;
        record[ELR] = self.start;
        record[SCTLR_ESR] = self.sctlr;
        record[TCR_FAR] = self.tcr;
        record[TTBR0_PAR] = self.ttbr0;
        record[MAIR_VECTOR] = self.mair;
        for (to, (address, value)) in record[POKE..].chunks_mut(2).zip(self.pokes) {
            to.copy_from_slice(&[address, value]);
        }
        record
    }

    /// The instructions as text.
    pub fn text(&self) -> String {
        let end = self.code.iter().rposition(|word| *word != BRK).map_or(1, |last| last + 1);
        let line = |(i, word): (usize, &u32)| {
            let pc = self.start + 4 * i as u64;
            format!("  {pc:#x}: {word:08x}  {}\n", anyvisor_cpu::text(*word, pc))
        };
        self.code[..end].iter().enumerate().map(line).collect()
    }
}

impl Outcome {
    /// The record that the executor wrote.
    pub fn decode(record: &[u64; WORDS]) -> Self {
        let mut x = [0; 31];
        x.copy_from_slice(&record[X..SPSR]);
        Self {
            x,
            spsr: record[SPSR],
            elr: record[ELR],
            esr: record[SCTLR_ESR],
            far: record[TCR_FAR],
            par: record[TTBR0_PAR],
            vector: record[MAIR_VECTOR],
            memory: std::array::from_fn(|i| record[POKE + 2 * i + 1]),
        }
    }

    /// Its parts by name.
    pub fn parts(&self) -> Vec<(String, u64)> {
        let x = self.x.iter().enumerate().map(|(n, x)| (format!("x{n}"), *x));
        let registers = [
            ("spsr", self.spsr),
            ("elr", self.elr),
            ("esr", self.esr),
            ("far", self.far),
            ("par", self.par),
            ("vector", self.vector),
        ];
        let registers = registers.into_iter().map(|(name, value)| (name.to_owned(), value));
        let memory = self.memory.iter().enumerate().map(|(i, m)| (format!("memory {i}"), *m));
        x.chain(registers).chain(memory).collect()
    }
}
