//! BFloat16 (FEAT_BF16 without FEAT_EBF16): the upper half of a single-precision number.
//!
//! Dot products have an arithmetic of their own, which FPCR does not change and which tells FPSR
//! nothing (DDI 0487, `BFDotAdd`, `BFMulH`, `BFAdd`, `BFRound`): operands and results that are
//! denormal are zeros, every NaN is the default NaN, and what is inexact is rounded to odd:
//!
//! ```text
//!   the exact sum    1.xxxxxxxxxxxxxxxxxxxxxxx|yyyyy     |: where a single ends
//!   rounded to odd   1.xxxxxxxxxxxxxxxxxxxxxxs|          s: x, or 1 if any y is
//! ```
//!
//! So a sum may be made in two steps, and the last rounding is still right.
//! BFMLAL and BFCVTN round as FPCR says: they belong to the arithmetic of [`crate::fp`].

use super::{Fp, Shape, get, narrow, put};
use crate::fp::{self, Format};

const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0xff << 23;
const DEFAULT_NAN: u32 = 0x1ff << 22;
const FRACTION: u32 = (1 << 23) - 1;
/// What is kept below a single's bits while adding.
const GUARD: u32 = 64;

/// What a single stands for here.
enum Value {
    Nan,
    Infinity,
    Zero,
    /// This significand, of 24 bits, times 2 to this power.
    Finite(u128, i32),
}

/// The manual's `BFUnpack`: denormal numbers are zeros.
fn unpack(a: u32) -> Value {
    match (a & INFINITY, a & FRACTION) {
        (0, _) => Value::Zero,
        (INFINITY, 0) => Value::Infinity,
        (INFINITY, _) => Value::Nan,
        (exponent, fraction) => {
            Value::Finite(u128::from(1 << 23 | fraction), (exponent >> 23) as i32 - 150)
        }
    }
}

/// The manual's `BFRound`: a significand, not 0, times 2 to a power, rounded to odd.
fn round(sign: u32, significand: u128, power: i32) -> u32 {
    let top = significand.ilog2();
    match power + top as i32 {
        exponent if exponent < -126 => sign,
        exponent if exponent > 127 => sign | INFINITY,
        exponent => {
            let fraction = match top.checked_sub(23) {
                None => significand << (23 - top),
                Some(excess) => {
                    let lost = significand & ((1 << excess) - 1) != 0;
                    significand >> excess | u128::from(lost)
                }
            };
            sign | ((exponent + 127) as u32) << 23 | fraction as u32 & FRACTION
        }
    }
}

/// The manual's `BFMulH`, of two singles that were BFloat16.
fn multiply(a: u32, b: u32) -> u32 {
    let sign = (a ^ b) & SIGN;
    match (unpack(a), unpack(b)) {
        (Value::Nan, _) | (_, Value::Nan) => DEFAULT_NAN,
        (Value::Infinity, Value::Zero) | (Value::Zero, Value::Infinity) => DEFAULT_NAN,
        (Value::Infinity, _) | (_, Value::Infinity) => sign | INFINITY,
        (Value::Zero, _) | (_, Value::Zero) => sign,
        (Value::Finite(a, power_a), Value::Finite(b, power_b)) => {
            round(sign, a * b, power_a + power_b)
        }
    }
}

/// The manual's `BFAdd`.
fn add(a: u32, b: u32) -> u32 {
    let (sign_a, sign_b) = (a & SIGN, b & SIGN);
    match (unpack(a), unpack(b)) {
        (Value::Nan, _) | (_, Value::Nan) => DEFAULT_NAN,
        (Value::Infinity, Value::Infinity) if sign_a != sign_b => DEFAULT_NAN,
        (Value::Infinity, _) => sign_a | INFINITY,
        (_, Value::Infinity) => sign_b | INFINITY,
        // Rounding to odd, +0 and -0 make +0.
        (Value::Zero, Value::Zero) => sign_a & sign_b,
        (Value::Zero, Value::Finite(..)) => b,
        (Value::Finite(..), Value::Zero) => a,
        (Value::Finite(a, power_a), Value::Finite(b, power_b)) => {
            let power = power_a.max(power_b);
            // The smaller is moved down, and what falls out of it stays as its last bit.
            let align = |significand: u128, own: i32| {
                let significand = significand << GUARD;
                let by = (power - own).min(127);
                significand >> by | u128::from(significand & ((1 << by) - 1) != 0)
            };
            let (a, b) = (align(a, power_a), align(b, power_b));
            let (sign, magnitude) = match (sign_a == sign_b, a >= b) {
                (true, _) => (sign_a, a + b),
                (false, true) => (sign_a, a - b),
                (false, false) => (sign_b, b - a),
            };
            match magnitude {
                0 => 0,
                _ => round(sign, magnitude, power - GUARD as i32),
            }
        }
    }
}

/// Element `i` of BFloat16 as a single.
#[inline(always)]
fn element(v: u128, i: u32) -> u32 {
    (get(v, 1, i) as u32) << 16
}

/// The manual's `BFDotAdd`: pairs `i` of `n` and `j` of `m`.
fn dot_add(sum: u32, (n, i): (u128, u32), (m, j): (u128, u32)) -> u32 {
    let product = |k| multiply(element(n, 2 * i + k), element(m, 2 * j + k));
    add(sum, add(product(0), product(1)))
}

/// Single by single: of Vd, with its number.
#[inline(always)]
fn singles(d: u128, lanes: u32, mut f: impl FnMut(u32, u32) -> u32) -> u128 {
    (0..lanes).fold(0, |all, i| put(all, 2, i, f(get(d, 2, i) as u32, i).into()))
}

/// BFDOT of Vd, Vn, Vm.
pub fn bfdot(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    singles(v[0], shape.lanes, |sum, i| dot_add(sum, (v[1], i), (v[2], i)))
}

/// BFMMLA of Vd, Vn, Vm: a 2x4 matrix times a 4x2 one.
pub fn bfmmla(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    singles(v[0], 4, |sum, i| {
        let (row, column) = (i / 2, i % 2);
        (0..2).fold(sum, |sum, k| dot_add(sum, (v[1], 2 * row + k), (v[2], 2 * column + k)))
    })
}

/// Multiplies the even or the odd elements, as singles, and adds: fused.
#[inline(always)]
fn multiply_add_long(fp: &mut Fp, shape: Shape, v: &[u128], odd: u32) -> u128 {
    singles(v[0], shape.lanes, |sum, i| {
        let (n, m) = (element(v[1], 2 * i + odd), element(v[2], 2 * i + odd));
        fp::mul_add(fp, Format::Single, sum.into(), n.into(), m.into()) as u32
    })
}

/// BFMLALB of Vd, Vn, Vm.
pub fn bfmlalb(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    multiply_add_long(fp, shape, v, 0)
}

/// BFMLALT of Vd, Vn, Vm.
pub fn bfmlalt(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    multiply_add_long(fp, shape, v, 1)
}

/// BFCVTN: four singles to the lower half.
pub fn bfcvtn(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    narrow(shape, v[0], |a| fp::convert_bf(fp, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u32 = 0x3f80_0000;

    #[test]
    fn sums_are_rounded_to_odd() {
        // 1 + 2^-40, 1 - 2^-40, and what a single holds.
        let tiny = (127 - 40) << 23;
        assert_eq!(add(ONE, tiny), ONE | 1);
        assert_eq!(add(ONE, SIGN | tiny), ONE - 1);
        assert_eq!(add(ONE, SIGN | ONE), 0);
        assert_eq!(add(SIGN, 0), 0);
        assert_eq!(add(SIGN, SIGN), SIGN);
        // Exponents as far apart as they can be.
        assert_eq!(add(INFINITY - 1, SIGN | 1 << 23), INFINITY - 1);
        assert_eq!(add(INFINITY - 2, 1 << 23), INFINITY - 1);
    }

    #[test]
    fn what_is_too_large_is_infinite_and_what_is_too_small_is_zero() {
        assert_eq!(multiply(INFINITY - (1 << 23), 2 << 29), INFINITY);
        assert_eq!(add(INFINITY - 1, INFINITY - 1), INFINITY);
        assert_eq!(multiply(SIGN | 1 << 23, 126 << 23), SIGN);
        assert_eq!(add(1 << 23 | 1, SIGN | 1 << 23), 0);
        assert_eq!(multiply(ONE, 0x7f_0000), 0);
    }

    #[test]
    fn every_nan_is_the_default_nan() {
        assert_eq!(multiply(INFINITY, 0), DEFAULT_NAN);
        assert_eq!(add(INFINITY, SIGN | INFINITY), DEFAULT_NAN);
        assert_eq!(add(0xffff_ffff, ONE), DEFAULT_NAN);
    }
}
