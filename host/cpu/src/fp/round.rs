//! `FPRound`: from a real number to the bit pattern nearest in the sense of a rounding mode.

use super::control::{Exception, Rounding};
use super::format::Format;
use super::real::Real;
use crate::vector::Fp;
use std::cmp::Ordering;

/// A mantissa without its `by` last bits, and what they were.
#[derive(Clone, Copy)]
pub struct Split {
    pub integer: u128,
    /// Whether any of them was 1.
    pub rest: bool,
    /// How they compare with half of the integer's last bit.
    half: Ordering,
}

impl Split {
    /// `value >> by` and the rest.
    #[inline(always)]
    pub fn new(value: u128, by: u32) -> Self {
        match by {
            0 => Self { integer: value, rest: false, half: Ordering::Less },
            1..128 => {
                let low = value << (128 - by);
                Self { integer: value >> by, rest: low != 0, half: low.cmp(&(1 << 127)) }
            }
            128 => Self { integer: 0, rest: value != 0, half: value.cmp(&(1 << 127)) },
            _ => Self { integer: 0, rest: value != 0, half: Ordering::Less },
        }
    }

    /// The integer, rounded.
    #[inline(always)]
    pub fn rounded(self, rounding: Rounding, negative: bool) -> u128 {
        let odd = self.integer & 1 == 1;
        let up = rounding.goes_up(negative, odd, self.rest, self.half);
        let sticky = rounding == Rounding::Odd && self.rest;
        (self.integer + up as u128) | sticky as u128
    }
}

/// What a result is rounded to: `FPRoundBase` knows four formats.
#[derive(Clone, Copy)]
struct Target {
    fraction_bits: u32,
    exponent_bits: u32,
    flush: bool,
    alternative_half: bool,
}

impl Target {
    /// One of the IEEE formats, all exponents but the last used for numbers.
    #[inline(always)]
    fn ieee(f: Format, flush: bool) -> Self {
        let (fraction_bits, exponent_bits) = (f.fraction_bits(), f.exponent_bits());
        Self { fraction_bits, exponent_bits, flush, alternative_half: false }
    }
}

/// `FPRoundBase`.
#[inline(always)]
fn round_base(fp: &mut Fp, target: Target, value: Real, rounding: Rounding) -> u64 {
    let Target { fraction_bits, exponent_bits, flush, alternative_half } = target;
    let negative = value.negative;
    let sign = u64::from(negative) << (fraction_bits + exponent_bits);
    let min_exponent = 2 - (1 << (exponent_bits - 1));
    let exponent = value.top();
    let tiny = exponent < min_exponent;
    if tiny && flush {
        fp.raise(Exception::Underflow);
        return sign;
    }
    // The exponent of the result's last bit; a denormal has that of the smallest normal number.
    let last = exponent.max(min_exponent) - fraction_bits as i32;
    let split = if value.exponent >= last {
        Split::new(value.mantissa << (value.exponent - last), 0)
    } else {
        Split::new(value.mantissa, (last - value.exponent) as u32)
    };
    let mut inexact = split.rest;
    // "Underflow occurs if exponent is too small before rounding, and result is inexact."
    if tiny && inexact {
        fp.raise(Exception::Underflow);
    }
    // Rounding up to a power of two carries from the fraction into the exponent as it should.
    let biased = if tiny { 0 } else { (exponent - min_exponent) as u64 };
    let packed = (biased << fraction_bits) + split.rounded(rounding, negative) as u64;
    let exponents = 1u64 << exponent_bits;
    let numbers = if alternative_half { exponents } else { exponents - 1 };
    let mut result = packed;
    if packed >> fraction_bits >= numbers {
        let infinity = (exponents - 1) << fraction_bits;
        if alternative_half {
            // The largest number, and not inexact.
            result = infinity | ((1 << fraction_bits) - 1);
            fp.raise(Exception::InvalidOp);
            inexact = false;
        } else {
            let to_infinity = rounding.overflows_to_infinity(negative);
            result = if to_infinity { infinity } else { infinity - 1 };
            fp.raise(Exception::Overflow);
            inexact = true;
        }
    }
    if inexact {
        fp.raise(Exception::Inexact);
    }
    sign | result
}

/// `FPRound` with a rounding mode of one's own.
#[inline]
pub fn round_to(fp: &mut Fp, f: Format, value: Real, rounding: Rounding) -> u64 {
    let target = Target::ieee(f, fp.flushes(f));
    round_base(fp, target, value, rounding)
}

/// `FPRound` with the rounding mode of FPCR.
#[inline]
pub fn round(fp: &mut Fp, f: Format, value: Real) -> u64 {
    let rounding = Rounding::of_fpcr(fp);
    round_to(fp, f, value, rounding)
}

/// An exact sum: rounded, or the zero that "depends on rounding mode".
#[inline]
pub fn round_sum(fp: &mut Fp, f: Format, value: Option<Real>) -> u64 {
    match value {
        Some(value) => round(fp, f, value),
        None => f.zero(Rounding::of_fpcr(fp) == Rounding::MinusInf),
    }
}

/// `FPRoundCV`: half precision is not flushed, and may be the alternative format.
pub fn round_cv(fp: &mut Fp, f: Format, value: Real, rounding: Rounding) -> u64 {
    let half = f == Format::Half;
    let alternative_half = half && fp.alternative_half();
    let target = Target { alternative_half, ..Target::ieee(f, !half && fp.flushes(f)) };
    round_base(fp, target, value, rounding)
}

/// `FPRoundCVBF`: to BFloat16, which is flushed by FZ.
pub fn round_cv_bf(fp: &mut Fp, value: Real, rounding: Rounding) -> u64 {
    let flush = fp.flushes(Format::Single);
    let target = Target { fraction_bits: 7, exponent_bits: 8, flush, alternative_half: false };
    round_base(fp, target, value, rounding)
}
