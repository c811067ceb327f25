//! Random programs: data processing of every kind, loads and stores in the window, flags,
//! branches forward. What one instruction leaves in registers, flags and memory the next must
//! find.
//!
//! One register is the base of all loads and stores, another one the index of those that take
//! one; nothing else writes them. Where the base is after a write-back is known, because none
//! is ever jumped over.

use crate::case::{Case, State};
use crate::exempt;
use crate::generate::{IMM14, IMM19, IMM26, RD, RM, RN, RT2, put_offset, state, word};
use crate::machine::{CODE, MIDDLE, MIDDLE_BYTES, PAGE, SLOT_WORDS, slot};
use crate::memory::{self, Access, Kind, Misaligned};
use crate::random::Random;
use anyvisor_cpu::a64::{Pattern, Row};
use std::sync::LazyLock;

/// How far from the window's middle an access may be.
const REACH: i64 = MIDDLE_BYTES as i64 / 2 - 16;

/// Groups of the manual's index (DDI 0487 C4.1) that programs are made of.
const INTEGER: [&str; 2] = ["---100--------------------------", "----101-------------------------"];
const VECTOR: [&str; 1] = ["----111-------------------------"];
const MEMORY: [&str; 1] = ["----1-0-------------------------"];
/// Branches that say by how much, and where their offset is.
const BRANCHES: [(&str, u32, u32); 4] = [
    ("01010100-------------------0----", 5, IMM19),
    ("-011010-------------------------", 5, IMM19),
    ("-011011-------------------------", 5, IMM14),
    ("-00101--------------------------", 0, IMM26),
];
/// MRS of NZCV, FPCR and FPSR; MSR NZCV; CFINV, XAFLAG, AXFLAG; DMB ISH.
const SYSTEM: [(u32, bool); 8] = [
    (0xd53b_4200, true),
    (0xd53b_4400, true),
    (0xd53b_4420, true),
    (0xd51b_4200, true),
    (0xd500_401f, false),
    (0xd500_403f, false),
    (0xd500_405f, false),
    (0xd503_3bbf, false),
];

/// The rows of the groups.
struct Rows {
    integer: Vec<Row>,
    vector: Vec<Row>,
    memory: Vec<Row>,
    branches: Vec<Row>,
}

static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    let rows = |pictures: &[&str]| {
        let groups: Vec<_> = pictures.iter().map(|picture| Pattern::new(picture)).collect();
        let inside = |row: &Row| groups.iter().any(|group| group.matches(row.pattern().value));
        // Not those of which no word can be compared.
        Row::all().filter(inside).filter(|row| exempt::row(*row).is_none()).collect()
    };
    Rows {
        integer: rows(&INTEGER),
        vector: rows(&VECTOR),
        memory: rows(&MEMORY),
        branches: rows(&BRANCHES.map(|(picture, _, _)| picture)),
    }
});

/// A program while it is made.
struct Program {
    state: State,
    words: Vec<u32>,
    /// How many words it will have.
    length: usize,
    base: u32,
    index: u32,
    /// How far the base is from the window's middle by now.
    drift: i64,
    /// The farthest word that a branch goes to.
    target: usize,
}

/// A random program for slot `index`.
pub fn case(random: &mut Random, index: usize) -> Case {
    let mut state = state(random, slot(index));
    // Not registers that a hint or BL writes. SP is one, now and then.
    let base = if random.one_in(8) { 31 } else { random.below(16) as u32 };
    let index = 18 + random.below(12) as u32;
    state.set_base(base, MIDDLE + MIDDLE_BYTES / 2);
    state.set_x(index, random.below(32).wrapping_sub(8));
    let length = 1 + random.below(SLOT_WORDS as u64 - 1) as usize;
    let words = Vec::with_capacity(length);
    let mut program = Program { state, words, length, base, index, drift: 0, target: 0 };
    while program.words.len() < length {
        let word = match random.below(16) {
            0..5 => program.memory(random),
            5..9 => Some(program.data(random, &ROWS.integer)),
            9 => Some(program.system(random)),
            10 => Some(program.branch(random)),
            _ if ROWS.vector.is_empty() => None,
            _ => Some(program.data(random, &ROWS.vector)),
        };
        program.words.extend(word);
    }
    Case::new(&program.words, program.state)
}

impl Program {
    /// Whether the base and the index stay as they are if `register` is written.
    fn spares(&self, register: u32) -> bool {
        register != self.base && register != self.index
    }

    /// Data processing.
    fn data(&self, random: &mut Random, rows: &[Row]) -> u32 {
        loop {
            let row = random.pick(rows);
            let word = word(random, row);
            let fits = self.spares(RD.of(word)) && !exempt::stands_alone(word);
            if !Row::of(word).is_unallocated() && fits {
                return word;
            }
        }
    }

    fn system(&self, random: &mut Random) -> u32 {
        loop {
            let (word, register) = random.pick(&SYSTEM);
            let rt = random.below(32) as u32;
            if Row::of(word).is_unallocated() {
                continue;
            }
            match register {
                false => return word,
                true if self.spares(rt) => return word | rt,
                true => {}
            }
        }
    }

    /// A branch to a later word, or to the end.
    fn branch(&mut self, random: &mut Random) -> u32 {
        let row = random.pick(&ROWS.branches);
        let mut word = word(random, row);
        let here = self.words.len();
        let distance = 1 + random.below((self.length - here) as u64) as usize;
        let field = BRANCHES.iter().find(|(picture, _, _)| Pattern::new(picture).matches(word));
        if let Some((_, lsb, bits)) = field {
            put_offset(&mut word, 4 * distance as u64, *lsb, *bits);
        }
        self.target = self.target.max(here + distance);
        word
    }

    /// A load or a store near the middle, if one is found soon.
    fn memory(&mut self, random: &mut Random) -> Option<u32> {
        (0..64).find_map(|_| {
            let row = random.pick(&ROWS.memory);
            let mut word = word(random, row);
            let kind = Kind::of(word)?;
            match kind {
                // What a store exclusive does depends on what has been between it and the load.
                Kind::Exclusive | Kind::ExclusivePair => return None,
                Kind::Literal => {
                    let pc = self.state.pc + 4 * self.words.len() as u64;
                    let target = CODE + 16 * random.below(PAGE / 16);
                    put_offset(&mut word, target.wrapping_sub(pc), 5, IMM19);
                    let allowed = memory::is_vector(word) || self.spares(RD.of(word));
                    return allowed.then_some(word);
                }
                Kind::Register => word = word & !(31 << 16) | self.index << 16,
                _ => {}
            }
            word = word & !(31 << 5) | self.base << 5;
            self.accept(row, word).then_some(word)
        })
    }

    /// Whether a load or store stays in the window and leaves base and index alone. Moves the
    /// base if it does.
    fn accept(&mut self, row: Row, word: u32) -> bool {
        let Some(access) = Access::of(word, &self.state) else { return false };
        let offset = self.drift + access.offset;
        let near = offset.abs() + access.bytes as i64 <= REACH;
        let aligned = access.misaligned == Misaligned::Done
            || offset.rem_euclid(access.alignment as i64) == 0;
        let structure = matches!(Kind::of(word), Some(Kind::Multiple | Kind::Single));
        let spared = memory::is_vector(word)
            || [RD, RM, RT2].iter().all(|field| {
                let register = field.of(word);
                self.spares(register) && self.spares(register | 1)
            });
        let indexed = Kind::of(word) == Some(Kind::Register) && self.spares(RD.of(word));
        let right = near
            && aligned
            && (spared || indexed)
            && RN.of(word) == self.base
            && Row::of(word) == row
            && !exempt::word(row, word);
        if !right || !memory::writes_back(word) {
            return right;
        }
        let by = match memory::write_back(word, &self.state) {
            Some(by) => by,
            None if structure && RM.of(word) == self.index => self.state.x(self.index) as i64,
            None => return false,
        };
        // SP stays aligned; what may be jumped over does not move the base.
        if self.base == 31 || self.target > self.words.len() || (self.drift + by).abs() > 64 {
            return false;
        }
        self.drift += by;
        true
    }
}
