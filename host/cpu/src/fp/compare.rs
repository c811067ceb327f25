//! Comparisons (`FPCompare`, `FPCompareEQ`, `FPCompareGE`, `FPCompareGT`) and what is chosen by
//! them (`FPMax`, `FPMin`, `FPMaxNum`, `FPMinNum`).

use super::control::Exception;
use super::format::Format;
use super::nan::process_nans;
use super::unpack::{Kind, Unpacked, unpack};
use crate::vector::Fp;
use std::cmp::Ordering;

/// N, Z, C, V where PSTATE has them.
const N: u64 = 1 << 31;
const Z: u64 = 1 << 30;
const C: u64 = 1 << 29;
const V: u64 = 1 << 28;

/// A bit pattern as a number that is ordered as what it stands for; both zeros are 0. Operands
/// that were flushed count as zero.
#[inline(always)]
fn rank(f: Format, x: Unpacked, bits: u64) -> i64 {
    let magnitude = if x.is_zero() { 0 } else { (bits & f.mask() & !f.sign()) as i64 };
    if x.negative { -magnitude } else { magnitude }
}

/// How two operands compare; `None` if one is a NaN. Raises InvalidOp for a signaling NaN, and
/// with `signal_nans` for any.
#[inline(always)]
fn order(fp: &mut Fp, f: Format, a: u64, b: u64, signal_nans: bool) -> Option<Ordering> {
    let (x, y) = (unpack(fp, f, a), unpack(fp, f, b));
    if x.is_nan() || y.is_nan() {
        let signaling = x.kind == Kind::SignalingNan || y.kind == Kind::SignalingNan;
        if signaling || signal_nans {
            fp.raise(Exception::InvalidOp);
        }
        return None;
    }
    Some(rank(f, x, a).cmp(&rank(f, y, b)))
}

/// `FPCompare`: N, Z, C, V in bits 31:28.
pub fn compare(fp: &mut Fp, f: Format, a: u64, b: u64, signal_nans: bool) -> u64 {
    match order(fp, f, a, b, signal_nans) {
        None => C | V,
        Some(Ordering::Equal) => Z | C,
        Some(Ordering::Less) => N,
        Some(Ordering::Greater) => C,
    }
}

/// `FPCompareEQ`: a quiet NaN is unequal to all and no exception.
pub fn compare_eq(fp: &mut Fp, f: Format, a: u64, b: u64) -> bool {
    order(fp, f, a, b, false) == Some(Ordering::Equal)
}

/// `FPCompareGE`: any NaN is an invalid operation.
pub fn compare_ge(fp: &mut Fp, f: Format, a: u64, b: u64) -> bool {
    order(fp, f, a, b, true).is_some_and(Ordering::is_ge)
}

/// `FPCompareGT`: any NaN is an invalid operation.
pub fn compare_gt(fp: &mut Fp, f: Format, a: u64, b: u64) -> bool {
    order(fp, f, a, b, true) == Some(Ordering::Greater)
}

/// The larger or the smaller. Of zeros +0 is the larger. (The pseudocode rounds the result, to
/// trap a denormal one; without traps the operand itself is what comes out.)
#[inline(always)]
fn extreme(fp: &mut Fp, f: Format, a: u64, b: u64, larger: bool) -> u64 {
    let (x, y) = (unpack(fp, f, a), unpack(fp, f, b));
    if let Some(nan) = process_nans(fp, f, [(x, a), (y, b)]) {
        return nan;
    }
    let order = rank(f, x, a).cmp(&rank(f, y, b));
    let first = if larger { order.is_gt() } else { order.is_lt() };
    let (chosen, bits) = if first { (x, a) } else { (y, b) };
    if !chosen.is_zero() {
        return bits & f.mask();
    }
    f.zero(if larger { x.negative && y.negative } else { x.negative || y.negative })
}

/// `FPMax`.
pub fn max(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    extreme(fp, f, a, b, true)
}

/// `FPMin`.
pub fn min(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    extreme(fp, f, a, b, false)
}

/// `FPMaxNum`: a single quiet NaN is treated as minus infinity.
pub fn max_num(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    let (a, b) = without_quiet_nan(fp, f, a, b, f.infinity(true));
    extreme(fp, f, a, b, true)
}

/// `FPMinNum`: a single quiet NaN is treated as plus infinity.
pub fn min_num(fp: &mut Fp, f: Format, a: u64, b: u64) -> u64 {
    let (a, b) = without_quiet_nan(fp, f, a, b, f.infinity(false));
    extreme(fp, f, a, b, false)
}

/// The operands, a quiet NaN replaced if the other is none.
#[inline(always)]
fn without_quiet_nan(fp: &mut Fp, f: Format, a: u64, b: u64, instead: u64) -> (u64, u64) {
    let quiet = |kind| kind == Kind::QuietNan;
    match (quiet(unpack(fp, f, a).kind), quiet(unpack(fp, f, b).kind)) {
        (true, false) => (instead, b),
        (false, true) => (a, instead),
        _ => (a, b),
    }
}
