//! The formats: where sign, exponent and fraction stand (DDI 0487 A1.4).

/// An IEEE 754 binary format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 16 bits.
    Half,
    /// 32 bits.
    Single,
    /// 64 bits.
    Double,
}

impl Format {
    /// The format of lanes of `1 << size` bytes.
    ///
    /// # Panics
    /// If `size` is not 1, 2 or 3: no row lets one through.
    #[inline(always)]
    pub const fn of_size(size: u32) -> Self {
        match size {
            1 => Self::Half,
            2 => Self::Single,
            3 => Self::Double,
            _ => panic!("no such format"),
        }
    }

    /// Bits in all: the manual's N.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Half => 16,
            Self::Single => 32,
            Self::Double => 64,
        }
    }

    /// Bits of the fraction: the manual's F.
    #[inline(always)]
    pub const fn fraction_bits(self) -> u32 {
        match self {
            Self::Half => 10,
            Self::Single => 23,
            Self::Double => 52,
        }
    }

    /// Bits of the exponent: the manual's E.
    #[inline(always)]
    pub const fn exponent_bits(self) -> u32 {
        self.bits() - 1 - self.fraction_bits()
    }

    /// The exponent of the smallest normal number.
    #[inline(always)]
    pub const fn min_exponent(self) -> i32 {
        2 - (1 << (self.exponent_bits() - 1))
    }

    /// The sign bit.
    #[inline(always)]
    pub const fn sign(self) -> u64 {
        1 << (self.bits() - 1)
    }

    /// All bits.
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    /// The fraction's bits.
    #[inline(always)]
    pub const fn fraction(self) -> u64 {
        (1 << self.fraction_bits()) - 1
    }

    /// The fraction's top bit, which makes a NaN quiet.
    #[inline(always)]
    pub const fn quiet(self) -> u64 {
        1 << (self.fraction_bits() - 1)
    }

    /// The biased exponent of a bit pattern.
    #[inline(always)]
    pub const fn exponent_of(self, a: u64) -> u64 {
        (a & !self.sign() & self.mask()) >> self.fraction_bits()
    }

    /// Sign, biased exponent and fraction, put together.
    #[inline(always)]
    pub const fn pack(self, negative: bool, exponent: u64, fraction: u64) -> u64 {
        (negative as u64) << (self.bits() - 1) | exponent << self.fraction_bits() | fraction
    }

    /// `FPZero`.
    #[inline(always)]
    pub const fn zero(self, negative: bool) -> u64 {
        self.pack(negative, 0, 0)
    }

    /// `FPInfinity`.
    #[inline(always)]
    pub const fn infinity(self, negative: bool) -> u64 {
        self.pack(negative, (1 << self.exponent_bits()) - 1, 0)
    }

    /// `FPMaxNormal`.
    #[inline(always)]
    pub const fn max_normal(self, negative: bool) -> u64 {
        self.pack(negative, (1 << self.exponent_bits()) - 2, self.fraction())
    }

    /// `FPDefaultNaN`.
    #[inline(always)]
    pub const fn default_nan(self) -> u64 {
        self.infinity(false) | self.quiet()
    }

    /// `FPTwo`.
    #[inline(always)]
    pub const fn two(self, negative: bool) -> u64 {
        self.pack(negative, 1 << (self.exponent_bits() - 1), 0)
    }

    /// `FPOnePointFive`.
    #[inline(always)]
    pub const fn one_point_five(self, negative: bool) -> u64 {
        self.pack(negative, (1 << (self.exponent_bits() - 1)) - 1, self.quiet())
    }

    /// `VFPExpandImm`: eight bits for a sign, an exponent of -3 to 4 and four bits of fraction.
    ///
    /// ```text
    ///   imm8     a b        cd efgh
    ///   result   a Bbbbbbbbbcd efgh000...     B: not b; as many b as fit
    /// ```
    pub const fn expand_immediate(self, imm8: u32) -> u64 {
        let (negative, b) = (imm8 >> 7 & 1 == 1, imm8 >> 6 & 1);
        let least = match b {
            0 => 1 << (self.exponent_bits() - 1),
            _ => ((1 << (self.exponent_bits() - 3)) - 1) << 2,
        };
        let fraction = (imm8 & 15) as u64;
        self.pack(negative, least | (imm8 >> 4 & 3) as u64, fraction << (self.fraction_bits() - 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn immediates_are_expanded() {
        let double = |imm8| f64::from_bits(Format::Double.expand_immediate(imm8));
        assert_eq!((double(0x70), double(0xf0)), (1.0, -1.0));
        assert_eq!((double(0x00), double(0x40), double(0x3f)), (2.0, 0.125, 31.0));
        for imm8 in 0..256 {
            let single = f32::from_bits(Format::Single.expand_immediate(imm8) as u32);
            assert_eq!(f64::from(single), double(imm8));
        }
        assert_eq!(Format::Half.expand_immediate(0x70), 0x3c00);
        assert_eq!(Format::Half.expand_immediate(0xff), 0xbfc0);
    }
}
