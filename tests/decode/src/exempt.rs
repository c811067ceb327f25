//! Where objdump is another opinion, each with its reason. Everything else must agree.

use anyvisor_cpu::a64::{Pattern, Row};
use std::sync::LazyLock;

/// Words that are instructions for one of the two only.
#[rustfmt::skip]
const EXISTENCE: [(&str, Known, &str); 4] = [
    // Bits that should be one or zero: DDI 0487, "Constrained unpredictable": the word may be
    // what it would be with the right ones. objdump insists on them.
    ("--0010001-0---------------------", Known::Ours, "LDAR, STLR with (1) bits of 0"),
    ("1101010100000---0100------------", Known::Ours, "MSR (immediate): objdump takes 0 and 1 for one bit only"),
    ("0110100--1----------------------", Known::Ours, "LDPSW of one register twice is unpredictable, not unallocated"),
    ("0--01110-11-----11--11----------", Known::Theirs, "FMLAL, FMLSL: sz is 1, UNDEFINED"),
];

/// Who takes a word for an instruction.
#[derive(PartialEq, Eq)]
enum Known {
    Ours,
    Theirs,
}

/// The names of hints (DDI 0487 C6.2.118 and the pages of the hints): `-M no-aliases` has none.
const HINTS: [&str; 6] = ["nop", "yield", "wfe", "wfi", "sev", "sevl"];

/// Whether a difference is known.
pub fn word(word: u32, ours: Option<&str>, theirs: Option<&str>) -> bool {
    static PATTERNS: LazyLock<Vec<Pattern>> =
        LazyLock::new(|| EXISTENCE.iter().map(|(picture, ..)| Pattern::new(picture)).collect());
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => is_hint(ours, theirs) || is_unnamed(word, ours, theirs),
        _ => {
            let known = if ours.is_some() { Known::Ours } else { Known::Theirs };
            EXISTENCE
                .iter()
                .zip(&*PATTERNS)
                .any(|((_, who, _), p)| *who == known && p.matches(word))
        }
    }
}

/// A hint by its name, where objdump has its number.
fn is_hint(ours: &str, theirs: &str) -> bool {
    let number = HINTS.iter().position(|name| *name == ours);
    number.is_some_and(|n| theirs == format!("hint\t#{n:#x}"))
}

/// MRS or MSR of a register that only one of the two has a name for: the numbers do for it.
fn is_unnamed(word: u32, ours: &str, theirs: &str) -> bool {
    let move_of_register = matches!(Row::of(word).name(), "Mrs" | "MsrReg");
    let number = |n: u32, bits: u32| word >> n & ((1 << bits) - 1);
    let generic = format!(
        "s{}_{}_c{}_c{}_{}",
        2 + number(19, 1),
        number(16, 3),
        number(12, 4),
        number(8, 4),
        number(5, 3)
    );
    move_of_register && ours.contains(&generic) && !theirs.contains(&generic)
}
