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
}
