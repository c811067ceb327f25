//! Real numbers other than zero, exact or with a sticky bit.
//!
//! ```text
//!                 126                                     0
//!   mantissa     0 1xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxs     value = mantissa * 2^exponent
//!                  |                                      |
//!                  normalised                             1 if anything below was lost
//! ```
//!
//! The sticky bit is bit 0: an odd mantissa may stand for any value strictly between its two even
//! neighbours. Every boundary at which a result can be rounded (a number of a format, or the
//! middle of two) is an even mantissa as long as the mantissa has at least two bits more than the
//! format's, so rounding such a value is the same as rounding the true one. The pseudocode's
//! `real` is unbounded; this is what of it rounding can see.

/// A number other than zero.
#[derive(Clone, Copy, Debug)]
pub struct Real {
    pub negative: bool,
    pub exponent: i32,
    /// Never 0.
    pub mantissa: u128,
}

/// `value >> by` with what is shifted out collected in bit 0.
fn shift_right_sticky(value: u128, by: u32) -> u128 {
    match by {
        0 => value,
        1..128 => value >> by | (value << (128 - by) != 0) as u128,
        _ => 1,
    }
}

impl Real {
    /// The same with its top bit at `bit`, which is at or above the present one.
    #[inline(always)]
    fn with_top(self, bit: u32) -> Self {
        let up = bit + self.mantissa.leading_zeros() - 127;
        Self { exponent: self.exponent - up as i32, mantissa: self.mantissa << up, ..self }
    }

    /// Where the top bit of the mantissa stands: the value is in [2^top, 2^(top + 1)).
    #[inline(always)]
    pub fn top(self) -> i32 {
        self.exponent + 127 - self.mantissa.leading_zeros() as i32
    }

    /// The sum of two exact numbers, neither of more than 106 bits; `None` if it is 0.
    ///
    /// With both tops at bit 126 the one that is shifted down loses bits only if the other has
    /// zeros there, and then at most one leading bit of the difference cancels.
    #[inline(always)]
    pub fn add(self, other: Self) -> Option<Self> {
        let (a, b) = (self.with_top(126), other.with_top(126));
        let (a, b) = if a.exponent >= b.exponent { (a, b) } else { (b, a) };
        let low = shift_right_sticky(b.mantissa, (a.exponent - b.exponent) as u32);
        if a.negative == b.negative {
            return Some(Self { mantissa: a.mantissa + low, ..a });
        }
        let mantissa = a.mantissa.abs_diff(low);
        let negative = a.negative != (a.mantissa < low);
        (mantissa != 0).then_some(Self { negative, mantissa, ..a })
    }

    /// The exact product of two numbers of at most 64 bits.
    #[inline(always)]
    pub fn mul(self, other: Self) -> Self {
        Self {
            negative: self.negative != other.negative,
            exponent: self.exponent + other.exponent,
            mantissa: self.mantissa * other.mantissa,
        }
    }

    /// The quotient of two numbers of at most 64 bits, to at least 64 bits.
    #[inline(always)]
    pub fn div(self, other: Self) -> Self {
        let (a, b) = (self.with_top(127), other);
        let rest = !a.mantissa.is_multiple_of(b.mantissa);
        Self {
            negative: a.negative != b.negative,
            exponent: a.exponent - b.exponent,
            mantissa: (a.mantissa / b.mantissa) | rest as u128,
        }
    }

    /// The square root of a positive number, to 63 bits.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        let top = if (self.top() - 126) % 2 == 0 { 126 } else { 127 };
        let a = self.with_top(top);
        let root = a.mantissa.isqrt();
        let rest = root * root != a.mantissa;
        Self { negative: false, exponent: a.exponent / 2, mantissa: root | rest as u128 }
    }

    /// Times a power of two.
    #[inline(always)]
    pub fn scale(self, by: i32) -> Self {
        Self { exponent: self.exponent + by, ..self }
    }
}
