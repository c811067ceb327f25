//! Fused multiply-add and the steps of Newton's iteration (`FPMulAdd`, `FPMulAddH`,
//! `FPRecipStepFused`, `FPRSqrtStepFused`): one rounding at the end.

use super::arithmetic::neg;
use super::format::Format;
use super::host;
use super::nan::{invalid, process_nans, process_nans3_h};
use super::real::Real;
use super::round::round_sum;
use super::unpack::{Kind, Unpacked, unpack};
use crate::vector::Fp;

/// `FPMulAdd`: addend + a * b.
#[inline]
pub fn mul_add(fp: &mut Fp, f: Format, addend: u64, a: u64, b: u64) -> u64 {
    host::mul_add(fp, f, addend, a, b).unwrap_or_else(|| exact_mul_add(fp, f, addend, a, b))
}

fn exact_mul_add(fp: &mut Fp, f: Format, addend: u64, a: u64, b: u64) -> u64 {
    let (c, x, y) = (unpack(fp, f, addend), unpack(fp, f, a), unpack(fp, f, b));
    let nan = process_nans(fp, f, [(c, addend), (x, a), (y, b)]);
    fused(fp, f, nan, c, x, y)
}

/// `FPMulAddH`: a single-precision addend + the product of two half-precision numbers.
pub fn mul_add_h(fp: &mut Fp, addend: u64, a: u64, b: u64) -> u64 {
    let c = unpack(fp, Format::Single, addend);
    let (x, y) = (unpack(fp, Format::Half, a), unpack(fp, Format::Half, b));
    let nan = process_nans3_h(fp, [(c, addend), (x, a), (y, b)]);
    fused(fp, Format::Single, nan, c, x, y)
}

/// What both have in common: `nan` is what NaN processing gave.
#[inline(always)]
fn fused(fp: &mut Fp, f: Format, nan: Option<u64>, c: Unpacked, x: Unpacked, y: Unpacked) -> u64 {
    let indefinite = (x.is_infinity() && y.is_zero()) || (x.is_zero() && y.is_infinity());
    if let Some(nan) = nan {
        // A quiet NaN does not hide that the product is invalid.
        return if c.kind == Kind::QuietNan && indefinite { invalid(fp, f) } else { nan };
    }
    let negative = x.negative != y.negative;
    let infinite = x.is_infinity() || y.is_infinity();
    if indefinite || (infinite && c.is_infinity() && c.negative != negative) {
        invalid(fp, f)
    } else if c.is_infinity() {
        f.infinity(c.negative)
    } else if infinite {
        f.infinity(negative)
    } else if x.is_zero() || y.is_zero() {
        match c.is_zero() {
            true if c.negative == negative => f.zero(negative),
            true => round_sum(fp, f, None),
            false => round_sum(fp, f, Some(c.real())),
        }
    } else {
        let product = x.real().mul(y.real());
        let sum = if c.is_zero() { Some(product) } else { product.add(c.real()) };
        round_sum(fp, f, sum)
    }
}

/// `FPRecipStepFused`: 2 - a * b.
pub fn recip_step_fused(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    step(fp, f, a, b, f.two(false), |product| {
        let two = Real { negative: false, exponent: 1, mantissa: 1 };
        product.map_or(Some(two), |product| product.add(two))
    })
}

/// `FPRSqrtStepFused`: (3 - a * b) / 2.
pub fn rsqrt_step_fused(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    step(fp, f, a, b, f.one_point_five(false), |product| {
        let three = Real { negative: false, exponent: 0, mantissa: 3 };
        let sum = product.map_or(Some(three), |product| product.add(three));
        sum.map(|sum| sum.scale(-1))
    })
}

/// -a * b, of which `finish` makes the result (`None` is a product of 0); `indefinite` is what it
/// would be if zero times infinity were zero. The first operand is negated before all else: also
/// a NaN.
#[inline(always)]
fn step(
    fp: &mut Fp,
    f: Format,
    a: u64,
    b: u64,
    indefinite: u64,
    finish: impl Fn(Option<Real>) -> Option<Real>,
) -> u64 {
    let a = neg(f, a);
    let (x, y) = (unpack(fp, f, a), unpack(fp, f, b));
    if let Some(nan) = process_nans(fp, f, [(x, a), (y, b)]) {
        return nan;
    }
    match (x.kind, y.kind) {
        (Kind::Infinity, Kind::Zero) | (Kind::Zero, Kind::Infinity) => indefinite,
        (Kind::Infinity, _) | (_, Kind::Infinity) => f.infinity(x.negative != y.negative),
        (Kind::Zero, _) | (_, Kind::Zero) => round_sum(fp, f, finish(None)),
        _ => round_sum(fp, f, finish(Some(x.real().mul(y.real())))),
    }
}
