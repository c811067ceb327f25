//! Conversions between formats (`FPConvert`, `FPConvertBF`).

use super::control::{Exception, Rounding};
use super::format::Format;
use super::nan::convert_nan;
use super::round::{round_cv, round_cv_bf};
use super::unpack::{Kind, unpack_cv};
use crate::vector::Fp;

/// `FPConvert` with the rounding mode of FPCR.
pub fn convert(fp: &mut Fp, from: Format, to: Format, a: u64) -> u64 {
    let rounding = Rounding::of_fpcr(fp);
    convert_to(fp, from, to, a, rounding)
}

/// FCVTXN: from double to single precision, rounded to odd.
pub fn convert_round_odd(fp: &mut Fp, a: u64) -> u64 {
    convert_to(fp, Format::Double, Format::Single, a, Rounding::Odd)
}

#[inline]
fn convert_to(fp: &mut Fp, from: Format, to: Format, a: u64, rounding: Rounding) -> u64 {
    let x = unpack_cv(fp, from, a);
    // The alternative format has no NaNs and no infinities.
    let alternative = to == Format::Half && fp.alternative_half();
    match x.kind {
        Kind::QuietNan | Kind::SignalingNan => {
            if x.kind == Kind::SignalingNan || alternative {
                fp.raise(Exception::InvalidOp);
            }
            if alternative {
                to.zero(x.negative)
            } else if fp.default_nan() {
                to.default_nan()
            } else {
                convert_nan(from, to, a)
            }
        }
        Kind::Infinity if alternative => {
            fp.raise(Exception::InvalidOp);
            to.mask() >> 1 | to.zero(x.negative)
        }
        Kind::Infinity => to.infinity(x.negative),
        Kind::Zero => to.zero(x.negative),
        Kind::Finite => round_cv(fp, to, x.real(), rounding),
    }
}

/// `FPConvertBF`: from single precision to BFloat16, which is its upper half.
pub fn convert_bf(fp: &mut Fp, a: u64) -> u64 {
    const SINGLE: Format = Format::Single;
    let x = unpack_cv(fp, SINGLE, a);
    let quiet = match x.kind {
        Kind::Finite => {
            let rounding = Rounding::of_fpcr(fp);
            return round_cv_bf(fp, x.real(), rounding);
        }
        Kind::Zero => SINGLE.zero(x.negative),
        Kind::Infinity => SINGLE.infinity(x.negative),
        Kind::QuietNan | Kind::SignalingNan => {
            if x.kind == Kind::SignalingNan {
                fp.raise(Exception::InvalidOp);
            }
            if fp.default_nan() { SINGLE.default_nan() } else { a & SINGLE.mask() | SINGLE.quiet() }
        }
    };
    quiet >> 16
}
