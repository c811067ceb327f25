//! Add, subtract, multiply, divide, square root (`FPAdd`, `FPSub`, `FPMul`, `FPMulX`, `FPDiv`,
//! `FPSqrt`, `FPAbs`, `FPNeg`).

use super::control::Exception;
use super::format::Format;
use super::host;
use super::nan::{invalid, process_nan, process_nans};
use super::round::{round, round_sum};
use super::unpack::{Kind, unpack};
use crate::vector::Fp;

/// `FPAbs`: NaNs too only lose their sign.
#[inline(always)]
pub fn abs(f: Format, a: u64) -> u64 {
    a & f.mask() & !f.sign()
}

/// `FPNeg`: NaNs too only change their sign.
#[inline(always)]
pub fn neg(f: Format, a: u64) -> u64 {
    a & f.mask() ^ f.sign()
}

/// `FPAdd`.
#[inline]
pub fn add(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    host::add(fp, f, a, b).unwrap_or_else(|| sum(fp, f, a, b, false))
}

/// `FPSub`.
#[inline]
pub fn sub(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    // The host's negation is exact, and a NaN does not come this way.
    host::add(fp, f, a, neg(f, b)).unwrap_or_else(|| sum(fp, f, a, b, true))
}

/// The sum, or with `subtract` the difference: a NaN keeps its sign in both.
fn sum(fp: &mut Fp, f: Format, a: u64, b: u64, subtract: bool) -> u64 {
    let (x, mut y) = (unpack(fp, f, a), unpack(fp, f, b));
    if let Some(nan) = process_nans(fp, f, [(x, a), (y, b)]) {
        return nan;
    }
    y.negative ^= subtract;
    match (x.kind, y.kind) {
        (Kind::Infinity, Kind::Infinity) if x.negative != y.negative => invalid(fp, f),
        (Kind::Infinity, _) => f.infinity(x.negative),
        (_, Kind::Infinity) => f.infinity(y.negative),
        (Kind::Zero, Kind::Zero) if x.negative == y.negative => f.zero(x.negative),
        (Kind::Zero, Kind::Zero) => round_sum(fp, f, None),
        (Kind::Zero, _) => round(fp, f, y.real()),
        (_, Kind::Zero) => round(fp, f, x.real()),
        _ => round_sum(fp, f, x.real().add(y.real())),
    }
}

/// `FPMul`.
#[inline]
pub fn mul(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    host::mul(fp, f, a, b).unwrap_or_else(|| product(fp, f, a, b, false))
}

/// `FPMulX`: zero times infinity is two.
#[inline]
pub fn mulx(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    host::mul(fp, f, a, b).unwrap_or_else(|| product(fp, f, a, b, true))
}

fn product(fp: &mut Fp, f: Format, a: u64, b: u64, extended: bool) -> u64 {
    let (x, y) = (unpack(fp, f, a), unpack(fp, f, b));
    if let Some(nan) = process_nans(fp, f, [(x, a), (y, b)]) {
        return nan;
    }
    let negative = x.negative != y.negative;
    match (x.kind, y.kind) {
        (Kind::Infinity, Kind::Zero) | (Kind::Zero, Kind::Infinity) if extended => f.two(negative),
        (Kind::Infinity, Kind::Zero) | (Kind::Zero, Kind::Infinity) => invalid(fp, f),
        (Kind::Infinity, _) | (_, Kind::Infinity) => f.infinity(negative),
        (Kind::Zero, _) | (_, Kind::Zero) => f.zero(negative),
        _ => round(fp, f, x.real().mul(y.real())),
    }
}

/// `FPDiv`.
#[inline]
pub fn div(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    host::div(fp, f, a, b).unwrap_or_else(|| quotient(fp, f, a, b))
}

fn quotient(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    let (x, y) = (unpack(fp, f, a), unpack(fp, f, b));
    if let Some(nan) = process_nans(fp, f, [(x, a), (y, b)]) {
        return nan;
    }
    let negative = x.negative != y.negative;
    match (x.kind, y.kind) {
        (Kind::Infinity, Kind::Infinity) | (Kind::Zero, Kind::Zero) => invalid(fp, f),
        (Kind::Infinity, _) => f.infinity(negative),
        (_, Kind::Zero) => {
            fp.raise(Exception::DivideByZero);
            f.infinity(negative)
        }
        (Kind::Zero, _) | (_, Kind::Infinity) => f.zero(negative),
        _ => round(fp, f, x.real().div(y.real())),
    }
}

/// `FPSqrt`.
#[inline]
pub fn sqrt(fp: &mut Fp, f: Format, a: u64) -> u64 {
    host::sqrt(fp, f, a).unwrap_or_else(|| root(fp, f, a))
}

fn root(fp: &mut Fp, f: Format, a: u64) -> u64 {
    let x = unpack(fp, f, a);
    match x.kind {
        Kind::QuietNan | Kind::SignalingNan => process_nan(fp, f, x, a),
        Kind::Zero => f.zero(x.negative),
        _ if x.negative => invalid(fp, f),
        Kind::Infinity => f.infinity(false),
        Kind::Finite => round(fp, f, x.real().sqrt()),
    }
}
