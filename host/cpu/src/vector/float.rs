//! Floating-point arithmetic lane by lane: the shape's size is the format's, and a scalar is a
//! vector of one lane. What a lane computes is in [`crate::fp`].

use super::{Fp, Shape, get};
use crate::fp::{self, Format, Rounding};

/// Each lane. A scalar is taken as it is: what stands above it is ignored by [`crate::fp`], and 0
/// in its results.
#[inline(always)]
fn map(shape: Shape, a: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    match shape.lanes {
        1 => f(a as u64).into(),
        _ => super::map(shape, a, f),
    }
}

/// Lane by lane of two registers.
#[inline(always)]
fn map2(shape: Shape, a: u128, b: u128, mut f: impl FnMut(u64, u64) -> u64) -> u128 {
    match shape.lanes {
        1 => f(a as u64, b as u64).into(),
        _ => super::map2(shape, a, b, f),
    }
}

/// Lane by lane of three registers.
#[inline(always)]
fn map3(shape: Shape, [a, b, c]: [u128; 3], mut f: impl FnMut(u64, u64, u64) -> u64) -> u128 {
    match shape.lanes {
        1 => f(a as u64, b as u64, c as u64).into(),
        _ => super::map3(shape, a, b, c, f),
    }
}

/// A function of one operand.
macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident |$fp:ident, $f:ident, $a:ident| $lane:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name($fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
            let $f = Format::of_size(shape.size);
            map(shape, operands[0], |$a| $lane)
        }
    )*};
}

/// A function of two operands.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident |$fp:ident, $f:ident, $a:ident, $b:ident| $lane:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name($fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
            let $f = Format::of_size(shape.size);
            map2(shape, operands[0], operands[1], |$a, $b| $lane)
        }
    )*};
}

/// A function of two factors and an addend.
macro_rules! fused {
    ($(
        $(#[$doc:meta])*
        $name:ident |$f:ident, $n:ident, $m:ident, $a:ident| $addend:expr, $factor:expr;
    )*) => {$(
        $(#[$doc])*
        pub fn $name(fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
            let $f = Format::of_size(shape.size);
            map3(shape, [operands[0], operands[1], operands[2]], |$n, $m, $a| {
                fp::mul_add(fp, $f, $addend, $factor, $m)
            })
        }
    )*};
}

unary! {
    /// The square root.
    fsqrt |fp, f, a| fp::sqrt(fp, f, a);
    /// To an integer, in FPCR's rounding mode.
    frinti |fp, f, a| {
        let rounding = Rounding::of_fpcr(fp);
        fp::round_int(fp, f, a, rounding, false)
    };
    /// The same, which says when it was inexact.
    frintx |fp, f, a| {
        let rounding = Rounding::of_fpcr(fp);
        fp::round_int(fp, f, a, rounding, true)
    };
    /// To a 32-bit integer, towards zero.
    frint32z |fp, f, a| fp::round_int_n(fp, f, a, Rounding::Zero, 32);
    /// To a 64-bit integer, towards zero.
    frint64z |fp, f, a| fp::round_int_n(fp, f, a, Rounding::Zero, 64);
    /// To a 32-bit integer, in FPCR's rounding mode.
    frint32x |fp, f, a| {
        let rounding = Rounding::of_fpcr(fp);
        fp::round_int_n(fp, f, a, rounding, 32)
    };
    /// To a 64-bit integer, in FPCR's rounding mode.
    frint64x |fp, f, a| {
        let rounding = Rounding::of_fpcr(fp);
        fp::round_int_n(fp, f, a, rounding, 64)
    };
}

/// The same.
pub fn fmov(_: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    super::map(shape, operands[0], |a| a)
}

/// The absolute value.
pub fn fabs(_: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    map(shape, operands[0], |a| fp::abs(Format::of_size(shape.size), a))
}

/// The sign changed.
pub fn fneg(_: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    map(shape, operands[0], |a| fp::neg(Format::of_size(shape.size), a))
}

/// To an integer, in the rounding mode that the immediate names: FPCR's four, or 4 for ties away.
pub fn frint(fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    let f = Format::of_size(shape.size);
    let rounding = Rounding::of_immediate(shape.imm);
    map(shape, operands[0], |a| fp::round_int(fp, f, a, rounding, false))
}

binary! {
    /// Sums.
    fadd |fp, f, a, b| fp::add(fp, f, a, b);
    /// Differences.
    fsub |fp, f, a, b| fp::sub(fp, f, a, b);
    /// Products.
    fmul |fp, f, a, b| fp::mul(fp, f, a, b);
    /// Products with the sign changed: a NaN's too.
    fnmul |fp, f, a, b| {
        let product = fp::mul(fp, f, a, b);
        fp::neg(f, product)
    };
    /// Quotients.
    fdiv |fp, f, a, b| fp::div(fp, f, a, b);
    /// The larger.
    fmax |fp, f, a, b| fp::max(fp, f, a, b);
    /// The smaller.
    fmin |fp, f, a, b| fp::min(fp, f, a, b);
    /// The larger, a number before a quiet NaN.
    fmaxnm |fp, f, a, b| fp::max_num(fp, f, a, b);
    /// The smaller, a number before a quiet NaN.
    fminnm |fp, f, a, b| fp::min_num(fp, f, a, b);
}

fused! {
    /// a + n * m.
    fmadd |f, n, m, a| a, n;
    /// a - n * m.
    fmsub |f, n, m, a| a, fp::neg(f, n);
    /// -a - n * m.
    fnmadd |f, n, m, a| fp::neg(f, a), fp::neg(f, n);
    /// -a + n * m.
    fnmsub |f, n, m, a| fp::neg(f, a), n;
}

/// N, Z, C and V in bits 31:28, of two scalars.
fn flags(fp: &mut Fp, shape: Shape, operands: &[u128], signal_nans: bool) -> u128 {
    let [a, b] = [operands[0], operands[1]].map(|operand| get(operand, shape.size, 0));
    fp::compare(fp, Format::of_size(shape.size), a, b, signal_nans).into()
}

/// N, Z, C and V in bits 31:28; a quiet NaN is no exception.
pub fn fcmp(fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    flags(fp, shape, operands, false)
}

/// N, Z, C and V in bits 31:28; any NaN is an invalid operation.
pub fn fcmpe(fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    flags(fp, shape, operands, true)
}

/// As [`fcmp`] if the third operand is not 0, else the immediate: nothing is compared then, and
/// FPSR stays.
pub fn fccmp(fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    if operands[2] == 0 { u128::from(shape.imm) << 28 } else { flags(fp, shape, operands, false) }
}

/// As [`fcmpe`] if the third operand is not 0, else the immediate.
pub fn fccmpe(fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    if operands[2] == 0 { u128::from(shape.imm) << 28 } else { flags(fp, shape, operands, true) }
}
