//! What a row says of a word, for people to read: the manual's picture, taken apart.

use super::{Instruction, Row, Visitor};
use crate::model::Feature;

/// What the table says of a word.
#[derive(Clone, Debug)]
pub struct About {
    /// The row's name.
    pub name: &'static str,
    /// The comment in front of it: which instructions they are.
    pub note: String,
    /// The picture from left to right.
    pub parts: Vec<Part>,
    /// The fields of this row have a meaning, but not these values of them: UNDEFINED.
    pub reserved: bool,
    /// What a model must have.
    pub feature: Option<Feature>,
}

/// Bits of a picture that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The highest of them.
    pub high: u32,
    /// The lowest of them.
    pub low: u32,
    /// Their values in the word.
    pub value: u32,
    /// The field's name; `None` for fixed bits, and `Some("-")` for bits that do not matter.
    pub field: Option<&'static str>,
}

impl About {
    /// Takes `word` apart. `None` if no row has its fixed bits.
    pub fn of(word: u32) -> Option<Self> {
        Some(Row::by_fixed_bits(word)?.visit(Look(word)))
    }
}

struct Look(u32);

impl Visitor for Look {
    type Out = About;

    fn row<I: Instruction>(self) -> About {
        About {
            name: I::NAME,
            note: I::NOTE.lines().map(str::trim).collect::<Vec<_>>().join(" "),
            parts: parts(I::PICTURE, I::FIELDS, self.0),
            reserved: I::fields(self.0).reserved(),
            feature: I::FEATURE,
        }
    }
}

/// Splits a picture where its letters change. All fixed bits are one kind.
fn parts(picture: &str, fields: &[(&'static str, &'static str)], word: u32) -> Vec<Part> {
    let kind = |bit: &u8| if bit.is_ascii_digit() { b'0' } else { *bit };
    let mut high = 32;
    let split = picture.as_bytes().chunk_by(|a, b| kind(a) == kind(b));
    let part = |bits: &[u8]| {
        high -= bits.len() as u32;
        let low = high;
        let field = match kind(&bits[0]) {
            b'0' => None,
            letter => Some(
                fields
                    .iter()
                    .find(|field| field.1.as_bytes() == [letter])
                    .map_or("-", |field| field.0),
            ),
        };
        let width = bits.len() as u32;
        let value = (u64::from(word) >> low & ((1 << width) - 1)) as u32;
        Part { high: low + width - 1, low, value, field }
    };
    split.map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::a64::{Field, Pattern};

    #[test]
    fn a_word_is_taken_apart_as_the_manual_draws_it() {
        // ADD X0, X1, #8
        let about = About::of(0x9100_2020).unwrap();
        assert_eq!((about.name, about.reserved), ("AddSubImm", false));
        assert!(about.note.contains("ADD"), "{}", about.note);
        let parts: Vec<_> = about.parts.iter().map(|p| (p.high, p.low, p.value, p.field)).collect();
        assert_eq!(parts[0], (31, 31, 1, Some("sf")));
        assert_eq!(parts[3], (28, 23, 0b10_0010, None));
        assert_eq!(parts[5], (21, 10, 8, Some("imm12")));
        assert_eq!(parts[7], (4, 0, 0, Some("rd")));
        assert_eq!(parts.len(), 8);
    }

    #[test]
    fn parts_and_fields_say_the_same_of_any_word() {
        struct Values(u32);
        impl Visitor for Values {
            type Out = Vec<(&'static str, u32)>;
            fn row<I: Instruction>(self) -> Self::Out {
                let value = |&(name, letter)| (name, Field::new(I::PICTURE, letter).of(self.0));
                I::FIELDS.iter().map(value).collect()
            }
        }
        for row in Row::all() {
            for bits in [0, !0, 0x5a5a_a5a5, 0x1234_5678] {
                let word = row.pattern().value | bits & !row.pattern().mask;
                if Row::by_fixed_bits(word) != Some(row) {
                    continue;
                }
                let mut expected = row.visit(Values(word));
                let about = About::of(word).unwrap();
                let named = |part: &Part| Some((part.field?, part.value));
                let mut found: Vec<_> = about.parts.iter().filter_map(named).collect();
                found.retain(|field| field.0 != "-");
                expected.sort_unstable();
                found.sort_unstable();
                assert_eq!(found, expected, "{}", row.name());
            }
        }
    }

    /// The comment in front of a row is read without its neighbours: it must say for itself which
    /// instructions they are.
    #[test]
    fn every_note_names_instructions_of_its_row() {
        for row in Row::all() {
            let Pattern { mask, value, .. } = row.pattern();
            let words = (0..4096u32).map(|i| i.wrapping_mul(0x9e37_79b9) & !mask | value);
            let words: Vec<_> = words.filter(|word| Row::of(*word) == row).collect();
            let Some(note) = words.first().map(|word| About::of(*word).unwrap().note) else {
                panic!("{} has no words", row.name());
            };
            let names: Vec<_> = note.split(|c: char| !c.is_alphanumeric()).collect();
            let named = words.iter().any(|word| {
                let text = crate::text(*word, 0).to_uppercase();
                names.contains(&text.split(['\t', '.']).next().unwrap_or_default())
            });
            assert!(named, "{}: {note}", row.name());
        }
    }

    #[test]
    fn reserved_values_and_words_without_a_row_are_told_apart() {
        // ORR (shifted register) of 32 bits with a shift by 32.
        assert!(About::of(0x2a00_8000).unwrap().reserved);
        assert!(About::of(0).is_none());
    }
}
