//! Rounding to an integer in the same format (`FPRoundInt`, `FPRoundIntN`).

use super::control::{Exception, Rounding};
use super::fixed::integer;
use super::format::Format;
use super::nan::process_nan;
use super::real::Real;
use super::round::round_to;
use super::unpack::{Kind, Unpacked, unpack};
use crate::vector::Fp;

/// The integer of a finite number as a bit pattern, whether that was inexact, and the magnitude.
#[inline(always)]
fn round_real(fp: &mut Fp, f: Format, x: Unpacked, rounding: Rounding) -> (u64, bool, u128) {
    let (magnitude, inexact) = integer(x.real(), rounding);
    let negative = x.negative;
    let bits = match magnitude {
        0 => f.zero(negative),
        mantissa => round_to(fp, f, Real { negative, exponent: 0, mantissa }, Rounding::Zero),
    };
    (bits, inexact, magnitude)
}

/// `FPRoundInt`: FRINT*; `exact` (FRINTX) reports inexactness.
pub fn round_int(fp: &mut Fp, f: Format, a: u64, rounding: Rounding, exact: bool) -> u64 {
    let x = unpack(fp, f, a);
    match x.kind {
        Kind::QuietNan | Kind::SignalingNan => process_nan(fp, f, x, a),
        Kind::Infinity => f.infinity(x.negative),
        Kind::Zero => f.zero(x.negative),
        // Without a fraction it is an integer already, of whatever size.
        Kind::Finite if x.real().exponent >= 0 => a & f.mask(),
        Kind::Finite => {
            let (bits, inexact, _) = round_real(fp, f, x, rounding);
            if inexact && exact {
                fp.raise(Exception::Inexact);
            }
            bits
        }
    }
}

/// `FPRoundIntN`: FRINT32*, FRINT64*. What does not fit a signed integer of `int_bits` bits, a NaN
/// too, becomes the least such integer.
pub fn round_int_n(fp: &mut Fp, f: Format, a: u64, rounding: Rounding, int_bits: u32) -> u64 {
    let x = unpack(fp, f, a);
    let limit = 1u128 << (int_bits - 1);
    let (bits, inexact, magnitude) = match x.kind {
        Kind::Zero => return f.zero(x.negative),
        Kind::QuietNan | Kind::SignalingNan | Kind::Infinity => (0, false, u128::MAX),
        Kind::Finite if x.real().top() >= int_bits as i32 => (0, false, u128::MAX),
        Kind::Finite => round_real(fp, f, x, rounding),
    };
    let most = if x.negative { limit } else { limit - 1 };
    if magnitude > most {
        fp.raise(Exception::InvalidOp);
        let least = Real { negative: true, exponent: int_bits as i32 - 1, mantissa: 1 };
        return round_to(fp, f, least, Rounding::Zero);
    }
    if inexact {
        fp.raise(Exception::Inexact);
    }
    bits
}
