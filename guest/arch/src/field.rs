//! A bit field of a 64-bit register, written as the manual writes it: `[msb:lsb]`.

/// A field of a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    lsb: u32,
    width: u32,
}

impl Field {
    /// The field `[msb:lsb]`. A field that is upside down or outside 64 bits does not compile
    /// (in a constant).
    pub const fn new(msb: u32, lsb: u32) -> Self {
        assert!(msb < 64 && lsb <= msb, "a field is [msb:lsb] within 64 bits");
        Self { lsb, width: msb - lsb + 1 }
    }

    /// The position of the lowest bit.
    pub const fn lsb(self) -> u32 {
        self.lsb
    }

    /// The field's bits, in place.
    pub const fn mask(self) -> u64 {
        (u64::MAX >> (64 - self.width)) << self.lsb
    }

    /// The field's value in `register`, moved down to bit 0.
    pub const fn get(self, register: u64) -> u64 {
        (register & self.mask()) >> self.lsb
    }

    /// `value` moved up to the field's place; bits of it that do not fit are dropped.
    pub const fn put(self, value: u64) -> u64 {
        (value << self.lsb) & self.mask()
    }

    /// `register` with the field replaced by `value`.
    pub const fn set(self, register: u64, value: u64) -> u64 {
        register & !self.mask() | self.put(value)
    }
}

#[cfg(test)]
mod tests {
    use super::Field;

    #[test]
    fn a_field_reads_back_what_was_put_and_leaves_its_neighbours() {
        let f = Field::new(9, 4);
        assert_eq!(f.mask(), 0x3f0);
        assert_eq!(f.get(f.put(0x2a)), 0x2a);
        assert_eq!(f.set(u64::MAX, 0), !0x3f0);
        assert_eq!(f.put(0x40), 0, "what does not fit is dropped");
        assert_eq!(Field::new(63, 0).mask(), u64::MAX);
        assert_eq!(Field::new(63, 63).put(1), 1 << 63);
    }
}
