//! Estimates (`FPRecipEstimate`, `FPRSqrtEstimate`, `FPRecpX`): eight bits of a result, which the
//! manual defines exactly, by integer arithmetic.

use super::control::{Exception, Rounding};
use super::format::Format;
use super::nan::{invalid, process_nan};
use super::unpack::{Kind, unpack};
use crate::vector::Fp;

/// `RecipEstimate`: from 256..511, which is 0.5 to 1.0, to 256..511, which is 1.0 to 2.0.
fn recip_estimate_table(a: u32) -> u32 {
    let a = a * 2 + 1;
    let b = (1 << 19) / a;
    b.div_ceil(2)
}

/// `RecipSqrtEstimate`: from 128..511, which is 0.25 to 1.0, to 256..511, which is 1.0 to 2.0.
fn recip_sqrt_estimate_table(a: u32) -> u32 {
    let a = if a < 256 { a * 2 + 1 } else { (a >> 1 << 1 | 1) * 2 };
    // The largest b with a * b * b < 2^28.
    let b = ((1u32 << 28) - 1).div_euclid(a).isqrt();
    b.div_ceil(2)
}

/// An operand's fraction, moved up to the 52 bits of double precision.
#[inline(always)]
fn fraction52(f: Format, a: u64) -> u64 {
    (a & f.fraction()) << (52 - f.fraction_bits())
}

/// `FPRecipEstimate`.
pub fn recip_estimate(fp: &mut Fp, f: Format, a: u64) -> u64 {
    let x = unpack(fp, f, a);
    match x.kind {
        Kind::QuietNan | Kind::SignalingNan => return process_nan(fp, f, x, a),
        Kind::Infinity => return f.zero(x.negative),
        Kind::Zero => {
            fp.raise(Exception::DivideByZero);
            return f.infinity(x.negative);
        }
        Kind::Finite => {}
    }
    // Below 2^-16, 2^-128, 2^-1024 the reciprocal is too large; at 2^14, 2^126, 2^1022 and above
    // it is denormal.
    let top = x.real().top();
    if top < f.min_exponent() - 2 {
        fp.raise(Exception::Overflow);
        fp.raise(Exception::Inexact);
        let to_infinity = Rounding::of_fpcr(fp).overflows_to_infinity(x.negative);
        return if to_infinity { f.infinity(x.negative) } else { f.max_normal(x.negative) };
    }
    if fp.flushes(f) && top >= -f.min_exponent() {
        fp.raise(Exception::Underflow);
        return f.zero(x.negative);
    }
    let mut fraction = fraction52(f, a);
    let mut exponent = f.exponent_of(a) as i32;
    if exponent == 0 {
        if fraction >> 51 == 0 {
            exponent = -1;
            fraction <<= 2;
        } else {
            fraction <<= 1;
        }
        fraction &= (1 << 52) - 1;
    }
    let scaled = 1 << 8 | (fraction >> 44) as u32;
    let estimate = u64::from(recip_estimate_table(scaled));
    // 29, 253, 2045 less the exponent.
    let result_exponent = -2 * f.min_exponent() + 1 - exponent;
    let mut fraction = (estimate & 0xff) << 44;
    if result_exponent == 0 {
        fraction = 1 << 51 | fraction >> 1;
    } else if result_exponent == -1 {
        fraction = 1 << 50 | fraction >> 2;
    }
    f.pack(x.negative, result_exponent.max(0) as u64, fraction >> (52 - f.fraction_bits()))
}

/// `FPRSqrtEstimate`.
pub fn rsqrt_estimate(fp: &mut Fp, f: Format, a: u64) -> u64 {
    let x = unpack(fp, f, a);
    match x.kind {
        Kind::QuietNan | Kind::SignalingNan => return process_nan(fp, f, x, a),
        Kind::Zero => {
            fp.raise(Exception::DivideByZero);
            return f.infinity(x.negative);
        }
        _ if x.negative => return invalid(fp, f),
        Kind::Infinity => return f.zero(false),
        Kind::Finite => {}
    }
    let mut fraction = fraction52(f, a);
    let mut exponent = f.exponent_of(a) as i32;
    if exponent == 0 {
        // A denormal number is normalised.
        let zeros = fraction.leading_zeros() as i32 - 12;
        exponent = -zeros;
        fraction = fraction << (zeros + 1) & ((1 << 52) - 1);
    }
    let scaled = match exponent & 1 {
        0 => 1 << 8 | (fraction >> 44) as u32,
        _ => 1 << 7 | (fraction >> 45) as u32,
    };
    let estimate = u64::from(recip_sqrt_estimate_table(scaled));
    // 44, 380, 3068 less the exponent, halved.
    let result_exponent = (-3 * f.min_exponent() + 2 - exponent) / 2;
    let fraction = (estimate & 0xff) << 44 >> (52 - f.fraction_bits());
    f.pack(false, result_exponent as u64, fraction)
}

/// `FPRecpX`: the power of two next to the reciprocal, for scaling.
pub fn recpx(fp: &mut Fp, f: Format, a: u64) -> u64 {
    let x = unpack(fp, f, a);
    if x.is_nan() {
        return process_nan(fp, f, x, a);
    }
    let most = (1 << f.exponent_bits()) - 1;
    let exponent = match f.exponent_of(a) {
        0 => most - 1,
        exponent => most ^ exponent,
    };
    f.pack(x.negative, exponent, 0)
}
