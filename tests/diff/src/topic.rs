//! What the tests are about: each has a name, random cases, and a CPU to be compared with.

use crate::case::Case;
use crate::machine::slot;
use crate::random::Random;
use crate::{exempt, generate, oracle, program};
use anyvisor_cpu::a64::Row;

/// What a test is about.
#[derive(Clone, Copy)]
pub enum Topic {
    /// Random programs.
    Program,
    /// Words of a row.
    Row(Row),
    /// Words that no row has.
    Unallocated,
    /// An exclusive load and an exclusive store, apart.
    Interrupted,
    /// DC ZVA.
    ZeroBlock,
}

impl Topic {
    /// All of them, what takes longest first.
    pub fn all() -> impl Iterator<Item = Self> {
        let others = [Self::Unallocated, Self::Interrupted, Self::ZeroBlock];
        [Self::Program].into_iter().chain(Row::all().map(Self::Row)).chain(others)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Program => "Program",
            Self::Row(row) => row.name(),
            Self::Unallocated => "Unallocated",
            Self::Interrupted => "Interrupted",
            Self::ZeroBlock => "ZeroBlock",
        }
    }

    /// A random case for slot `index`.
    pub fn case(self, random: &mut Random, index: usize) -> Case {
        match self {
            Self::Program => program::case(random, index),
            Self::Row(row) => generate::case(random, row, index),
            Self::Unallocated => {
                let word = generate::unallocated(random);
                Case::new(&[word], generate::state(random, slot(index)))
            }
            Self::Interrupted => generate::interrupted(random, index),
            Self::ZeroBlock => generate::zero_block(random, index),
        }
    }

    /// How many times the cases of a row it gets.
    pub fn weight(self) -> u64 {
        match self {
            Self::Program => 16,
            Self::Unallocated => 4,
            _ => 1,
        }
    }

    /// How many of `cases` must complete for them to be worth their name.
    pub fn least_completed(self, cases: u64) -> u64 {
        match self {
            Self::Unallocated => 0,
            Self::Row(row) if exempt::NEVER_AT_EL0.contains(&row.name()) => 0,
            _ => cases / 16,
        }
    }

    /// The CPU that the oracle is.
    pub fn cpu(self) -> &'static str {
        match self {
            Self::ZeroBlock => oracle::CPU_OF_SMALL_BLOCKS,
            _ => oracle::CPU,
        }
    }
}
