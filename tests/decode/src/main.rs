//! What words are instructions, and how they are written: our table beside GNU objdump's.
//!
//! ```text
//!   text::ROW       random words of a row: the same text, and reserved words have none
//!   unallocated     random words without a row: objdump has none either, or the index of A64
//!                   (`anyvisor_cpu::a64::index`) says why we leave them out
//!   unambiguous     no word has two rows: all pairs of pictures
//!   every word      the same by going through all of them; ANYVISOR_DECODE_ALL asks for it
//! ```
//!
//! `ANYVISOR_OBJDUMP` names the program (or it is found on PATH as aarch64-linux-gnu-objdump).

#![forbid(unsafe_code)]

mod every;
mod exempt;
mod objdump;

use anyvisor_cpu::a64::{Row, index};
use libtest_mimic::{Arguments, Failed, Trial};
use std::env;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Words of a row.
const WORDS: usize = 4096;
/// Words without a row.
const OTHERS: usize = 1 << 18;
/// Differences that are shown.
const SHOWN: usize = 8;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = match objdump::find() {
        Ok(program) => beside_objdump(&program),
        Err(reason) => vec![ignored("text", &reason)],
    };
    trials.push(Trial::test("unambiguous", every::pair));
    trials.push(match env::var_os("ANYVISOR_DECODE_ALL") {
        Some(_) => Trial::test("every word", every::word),
        None => ignored("every word", "a minute; ANYVISOR_DECODE_ALL asks for it"),
    });
    libtest_mimic::run(&arguments, trials).exit();
}

fn ignored(name: &str, reason: &str) -> Trial {
    Trial::test(format!("{name} ({reason})"), || Ok(())).with_ignored_flag(true)
}

/// The tests that ask objdump.
fn beside_objdump(program: &Path) -> Vec<Trial> {
    let row = |row: Row| {
        let program = program.to_owned();
        Trial::test(format!("text::{}", row.name()), move || texts(&program, row))
    };
    let program = program.to_owned();
    let others = Trial::test("unallocated", move || unallocated(&program));
    Row::all().map(row).chain([others]).collect()
}

/// Where the words of a test are written: in the build folder, of this process.
fn file(name: &str) -> PathBuf {
    let name = format!("words-{}-{name}", std::process::id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 32) as u32
    }

    /// Bits of which many are equal: fields of all zeros and all ones are what texts turn on.
    fn word(&mut self) -> u32 {
        let (a, b, c) = (self.bits(), self.bits(), self.bits());
        match c & 3 {
            0 => a,
            1 => a & b,
            2 => a | b,
            // Registers 31, or 0.
            _ => match b & 3 {
                0 => a & !0x1f,
                1 => a | 0x1f << 5,
                2 => a | 0x1f,
                _ => a & !(0x1f << 5),
            },
        }
    }
}

/// What our table makes of a word.
fn ours(word: u32, pc: u64) -> Option<String> {
    (!Row::of(word).is_unallocated()).then(|| anyvisor_cpu::text(word, pc))
}

/// Words of a row.
fn texts(program: &Path, row: Row) -> Result<(), Failed> {
    let pattern = row.pattern();
    let mut random = Random(u64::from(pattern.value));
    let words: Vec<u32> =
        (0..WORDS).map(|_| pattern.value | random.word() & !pattern.mask).collect();
    compare(program, row.name(), &words)
}

/// Words that no row has: half of them near to one.
fn unallocated(program: &Path) -> Result<(), Failed> {
    let rows: Vec<Row> = Row::all().collect();
    let mut random = Random(0);
    let mut words = Vec::with_capacity(OTHERS);
    while words.len() < OTHERS {
        let mut word = random.word();
        if random.bits() & 1 == 0 {
            let pattern = rows[random.bits() as usize % rows.len()].pattern();
            word = pattern.value | word & !pattern.mask;
            for _ in 0..1 + random.bits() % 2 {
                word ^= 1 << (random.bits() % 32);
            }
        }
        if Row::of(word).is_unallocated() {
            words.push(word);
        }
    }
    compare(program, "unallocated", &words)
}

fn compare(program: &Path, name: &str, words: &[u32]) -> Result<(), Failed> {
    let theirs = objdump::texts(program, &file(name), words)?;
    let (mut wrong, mut report) = (0, String::new());
    for (i, (word, theirs)) in words.iter().zip(theirs).enumerate() {
        let ours = ours(*word, objdump::ADDRESS + 4 * i as u64);
        let left_out = ours.is_none() && index::reason(*word).is_some();
        if ours == theirs || left_out || exempt::word(*word, ours.as_deref(), theirs.as_deref()) {
            continue;
        }
        wrong += 1;
        if wrong <= SHOWN {
            let show = |text: Option<String>| text.unwrap_or_else(|| "undefined".to_owned());
            let (ours, theirs) = (show(ours), show(theirs));
            let _ =
                write!(report, "\n  {word:08x}  ours     {ours}\n            objdump  {theirs}");
        }
    }
    match wrong {
        0 => Ok(()),
        _ => Err(format!("{wrong} of {} words differ:{report}", words.len()).into()),
    }
}
