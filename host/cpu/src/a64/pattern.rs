//! Bit pictures: 32 characters, one a bit, most significant first, as the manual draws them.
//!
//! `0` and `1` are fixed bits, `-` is a bit that does not matter, a letter is a bit of the field
//! with that letter. All of it is read at compile time.

/// The fixed bits of an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Which bits are fixed.
    pub mask: u32,
    /// Their values.
    pub value: u32,
    /// If not 0: at least one of these bits is set.
    pub nonzero: u32,
}

impl Pattern {
    /// Reads a picture; a wrong one does not compile.
    pub const fn new(picture: &str) -> Self {
        let bits = picture.as_bytes();
        assert!(bits.len() == 32, "a picture has 32 bits");
        let (mut mask, mut value, mut i) = (0, 0, 0);
        while i < 32 {
            let bit = 1 << (31 - i);
            match bits[i] {
                b'0' => mask |= bit,
                b'1' => {
                    mask |= bit;
                    value |= bit;
                }
                b'-' | b'a'..=b'z' | b'A'..=b'Z' => {}
                _ => panic!("a picture is made of 0, 1, - and letters"),
            }
            i += 1;
        }
        Self { mask, value, nonzero: 0 }
    }

    /// The same for words in which `field` is not 0: with 0 in it they are something else.
    pub const fn with_nonzero(self, field: Field) -> Self {
        Self { nonzero: (u32::MAX >> (32 - field.width)) << field.shift, ..self }
    }

    /// Whether `word` has these fixed bits.
    pub const fn matches(self, word: u32) -> bool {
        word & self.mask == self.value && (self.nonzero == 0 || word & self.nonzero != 0)
    }

    /// How many words it matches.
    pub const fn words(self) -> u64 {
        let free = self.mask.count_zeros();
        let zero = if self.nonzero == 0 || self.nonzero & self.mask & self.value != 0 {
            0
        } else {
            1 << (free - (self.nonzero & !self.mask).count_ones())
        };
        (1 << free) - zero
    }

    /// Whether some word has the fixed bits of both.
    pub const fn overlaps(self, other: Self) -> bool {
        self.mask & other.mask & (self.value ^ other.value) == 0
            && !self.excludes(other)
            && !other.excludes(self)
    }

    /// Whether `other` has zeros where this one wants something else.
    const fn excludes(self, other: Self) -> bool {
        self.nonzero != 0 && other.mask & !other.value & self.nonzero == self.nonzero
    }
}

/// Where a field stands in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    shift: u32,
    width: u32,
}

impl Field {
    /// Finds the field with `letter` in a picture. Its bits must stand together.
    pub const fn new(picture: &str, letter: &str) -> Self {
        let (bits, letter) = (picture.as_bytes(), letter.as_bytes());
        assert!(letter.len() == 1, "a field is named by one letter");
        let (mut width, mut last, mut i) = (0, 0, 0);
        while i < 32 {
            if bits[i] == letter[0] {
                assert!(width == 0 || last + 1 == i, "the bits of a field stand together");
                width += 1;
                last = i;
            }
            i += 1;
        }
        assert!(width > 0, "the picture has no such field");
        Self { shift: 31 - last as u32, width }
    }

    /// The field's value in `word`.
    #[inline(always)]
    pub const fn of(self, word: u32) -> u32 {
        word >> self.shift & (u32::MAX >> (32 - self.width))
    }
}

/// How many bits of a picture belong to fields.
pub const fn field_bits(picture: &str) -> u32 {
    let bits = picture.as_bytes();
    let (mut n, mut i) = (0, 0);
    while i < bits.len() {
        n += bits[i].is_ascii_alphabetic() as u32;
        i += 1;
    }
    n
}

impl Field {
    /// How many bits it has.
    pub const fn width(self) -> u32 {
        self.width
    }
}

/// Fields by these names choose what an instruction does; the others say on what.
const SELECTORS: [&str; 19] = [
    "sf", "op", "opc", "op2", "s", "n", "o0", "u", "c", "size", "load", "ordered", "mode", "sz",
    "link", "nonzero", "page", "shift", "option",
];
/// The most bits of selectors that a row is specialised on: 32 functions.
pub const MOST_SELECTOR_BITS: u32 = 5;

/// Adds a field to a row's selector bits, if it is a selector and there is room.
pub const fn with_selector(mask: u32, name: &str, field: Field) -> u32 {
    let mut i = 0;
    while i < SELECTORS.len() {
        if equal(name, SELECTORS[i]) {
            let more = mask | (u32::MAX >> (32 - field.width)) << field.shift;
            return if more.count_ones() <= MOST_SELECTOR_BITS { more } else { mask };
        }
        i += 1;
    }
    mask
}

const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Puts the low bits of `value` where `mask` has ones.
pub const fn deposit(value: u32, mask: u32) -> u32 {
    let (mut out, mut from, mut to) = (0, 0, 0);
    while to < 32 {
        if mask >> to & 1 == 1 {
            out |= (value >> from & 1) << to;
            from += 1;
        }
        to += 1;
    }
    out
}

/// Takes the bits of `word` where `mask` has ones.
pub const fn extract(word: u32, mask: u32) -> u32 {
    let (mut out, mut to, mut from) = (0, 0, 0);
    while from < 32 {
        if mask >> from & 1 == 1 {
            out |= (word >> from & 1) << to;
            to += 1;
        }
        from += 1;
    }
    out
}

/// `bits` low bits of `value` as a signed number.
#[inline(always)]
pub const fn signed(value: u32, bits: u32) -> i64 {
    ((value as i64) << (64 - bits)) >> (64 - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_gives_mask_value_and_fields() {
        const PICTURE: &str = "z00100111-0mmmmmssssssnnnnnddddd";
        let pattern = Pattern::new(PICTURE);
        assert!(pattern.matches(0x93c2_0c41));
        assert!(!pattern.matches(0x13a2_0c41));
        assert_eq!(Field::new(PICTURE, "z").of(0x93c2_0c41), 1);
        assert_eq!(Field::new(PICTURE, "m").of(0x93c2_0c41), 2);
        assert_eq!(Field::new(PICTURE, "s").of(0x93c2_0c41), 3);
        assert_eq!(Field::new(PICTURE, "d").of(0x93c2_0c41), 1);
        assert_eq!(field_bits(PICTURE), 22);
    }

    #[test]
    fn a_field_that_is_not_zero_leaves_zero_to_another_row() {
        let any = Pattern::new("000000000000000000000000hhhh0000");
        let some = any.with_nonzero(Field::new("000000000000000000000000hhhh0000", "h"));
        let none = Pattern::new("00000000000000000000000000000000");
        assert_eq!((any.words(), some.words(), none.words()), (16, 15, 1));
        assert_eq!(Pattern { nonzero: 0xf0, ..none }.words(), 0);
        assert!(some.matches(0x10) && !some.matches(0) && any.matches(0));
        assert!(any.overlaps(some) && any.overlaps(none) && some.overlaps(some));
        assert!(!some.overlaps(none) && !none.overlaps(some));
    }

    #[test]
    fn selectors_are_taken_out_and_put_back() {
        let mask = 0x8060_0001;
        for value in 0..16 {
            assert_eq!(extract(deposit(value, mask), mask), value);
        }
        assert_eq!(deposit(0b1001, mask), 0x8000_0001);
    }

    #[test]
    #[should_panic(expected = "32 bits")]
    fn a_short_picture_is_refused() {
        Pattern::new("0101");
    }

    #[test]
    #[should_panic(expected = "stand together")]
    fn a_torn_field_is_refused() {
        Field::new("a0a00000000000000000000000000000", "a");
    }

    #[test]
    #[should_panic(expected = "no such field")]
    fn a_missing_field_is_refused() {
        Field::new("00000000000000000000000000000000", "a");
    }
}
