//! Random sequences: data processing, loads and stores in the window, and perhaps a branch at the
//! end. What one leaves in registers, flags and memory the next must find.
//!
//! One register is the base of all loads and stores; nothing else writes it.

use crate::case::Case;
use crate::generate::{IMM19, RD, RT2, access, land, state, word};
use crate::machine::{MIDDLE, MIDDLE_BYTES, SLOT_WORDS, slot};
use crate::random::Random;
use anyvisor_cpu::a64::Row;
use std::sync::LazyLock;

/// How the names of rows begin that do not end a block and are not data processing either.
const NOT_DATA: [&str; 6] = ["Load", "Exclusive", "Mrs", "Clrex", "Dsb", "Dmb"];
/// Rows of loads and stores whose address is a base and a constant.
const MEMORY: [&str; 3] = ["LoadStoreImm9", "LoadStoreUnsigned", "LoadStorePair"];
/// Rows of branches that are taken or not.
const BRANCHES: [&str; 2] = ["BranchCond", "CompareBranch"];
/// The farthest that an access is from the base, which is in the middle of the middle.
const REACH: i64 = MIDDLE_BYTES as i64 / 2 - 16;

/// The rows that sequences are made of.
struct Rows {
    data: Vec<Row>,
    memory: Vec<Row>,
    branches: Vec<Row>,
}

static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    let rows = |f: &dyn Fn(&Row) -> bool| Row::all().filter(|row| f(row)).collect();
    let is_data = |row: &Row| {
        !row.ends_block() && !NOT_DATA.iter().any(|start| row.name().starts_with(start))
    };
    Rows {
        data: rows(&is_data),
        memory: rows(&|row| MEMORY.contains(&row.name())),
        branches: rows(&|row| BRANCHES.contains(&row.name())),
    }
});

/// A random sequence for slot `index`.
pub fn case(random: &mut Random, index: usize) -> Case {
    let mut state = state(random, slot(index));
    let base = random.below(31) as u32;
    state.set_x(base, MIDDLE + MIDDLE_BYTES / 2);
    let mut words = Vec::new();
    for _ in 0..1 + random.below(SLOT_WORDS as u64 - 2) {
        words.push(match random.below(3) {
            0 => memory_word(random, &ROWS.memory, base),
            _ => data_word(random, &ROWS.data, base),
        });
    }
    if random.one_in(2) {
        let row = random.pick(&ROWS.branches);
        let mut branch = word(random, row);
        land(random, &mut branch, state.pc + 4 * words.len() as u64, 5, IMM19);
        words.push(branch);
    }
    Case::new(&words, state)
}

/// A data processing instruction that leaves the base alone.
fn data_word(random: &mut Random, rows: &[Row], base: u32) -> u32 {
    loop {
        let row = random.pick(rows);
        let word = word(random, row);
        if !Row::of(word).is_unallocated() && RD.of(word) != base {
            return word;
        }
    }
}

/// A load or store near the base, without write-back, that leaves the base alone.
fn memory_word(random: &mut Random, rows: &[Row], base: u32) -> u32 {
    let nothing = state(random, 0);
    loop {
        let row = random.pick(rows);
        let word = word(random, row) & !(31 << 5) | base << 5;
        let pair = row.name() == "LoadStorePair";
        // Bits 11:10 and 24:23: post-indexed and pre-indexed.
        let writeback = match row.name() {
            "LoadStoreImm9" => word & 1 << 10 != 0,
            _ => pair && word & 1 << 23 != 0,
        };
        let near = access(row.name(), word, &nothing)
            .is_some_and(|access| (access.offset as i64).abs() <= REACH);
        let spared = RD.of(word) != base && !(pair && RT2.of(word) == base);
        if near && spared && !writeback && Row::of(word) == row {
            return word;
        }
    }
}
