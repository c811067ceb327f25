//! Estimates (`FPRecipEstimate`, `FPRSqrtEstimate`, `FPRecpX`): eight bits of a result, which the
//! manual defines exactly, by integer arithmetic.

use super::control::{Exception, Rounding};
use super::format::Format;
use super::nan::{invalid, process_nan};
use super::unpack::{Kind, unpack};
use crate::vector::{Fp, estimate as table};

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
    let estimate = u64::from(table::recip_estimate(scaled));
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
    let estimate = u64::from(table::recip_sqrt_estimate(scaled));
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
