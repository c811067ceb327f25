//! Floating-point functions of one lane: signs, roots, estimates, rounding to integers, and
//! conversions. The immediate of the shape is a rounding mode ([`BY_FPCR`] or the number of one)
//! and, of a fixed-point number, how many of its bits are fraction ([`fixed`]).

use super::{Fp, Shape, map, narrow, widen};
use crate::fp::{self, Format, Rounding};

/// The rounding modes that instructions name: by these numbers, of which the first four are
/// FPCR.RMode's.
const ROUNDINGS: [Rounding; 5] =
    [Rounding::TieEven, Rounding::PlusInf, Rounding::MinusInf, Rounding::Zero, Rounding::TieAway];
/// Ties to even.
pub const TIE_EVEN: u32 = 0;
/// Towards plus infinity.
pub const PLUS_INF: u32 = 1;
/// Towards minus infinity.
pub const MINUS_INF: u32 = 2;
/// Towards zero.
pub const ZERO: u32 = 3;
/// Ties away from zero.
pub const TIE_AWAY: u32 = 4;
/// As FPCR says.
pub const BY_FPCR: u32 = 5;

/// The immediate of a rounding mode and so many bits of fraction.
pub const fn fixed(rounding: u32, fraction: u32) -> u32 {
    fraction << 3 | rounding
}

/// The rounding mode of an immediate.
#[inline(always)]
fn rounding(fp: &Fp, imm: u32) -> Rounding {
    ROUNDINGS.get((imm & 7) as usize).copied().unwrap_or_else(|| Rounding::of_fpcr(fp))
}

/// The bits of fraction of an immediate.
#[inline(always)]
const fn fraction(imm: u32) -> u32 {
    imm >> 3
}

/// Functions of one lane: of FPCR and FPSR, the shape, the format and the lane.
macro_rules! one {
    ($($(#[$doc:meta])* $name:ident = $operation:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
                let f = Format::of_size(shape.size);
                map(shape, v[0], |a| $operation(&mut *fp, shape, f, a))
            }
        )*
    };
}

one! {
    /// FABS.
    fabs = |_, _, f, a| fp::abs(f, a);
    /// FNEG.
    fneg = |_, _, f, a| fp::neg(f, a);
    /// FSQRT.
    fsqrt = |fp, _, f, a| fp::sqrt(fp, f, a);
    /// FRECPE.
    frecpe = |fp, _, f, a| fp::recip_estimate(fp, f, a);
    /// FRSQRTE.
    frsqrte = |fp, _, f, a| fp::rsqrt_estimate(fp, f, a);
    /// FRECPX.
    frecpx = |fp, _, f, a| fp::recpx(fp, f, a);
    /// FRINTA, FRINTI, FRINTM, FRINTN, FRINTP, FRINTZ: by the rounding mode.
    frint = |fp: &mut Fp, shape: Shape, f, a| {
        let mode = rounding(fp, shape.imm);
        fp::round_int(fp, f, a, mode, false)
    };
    /// FRINTX: what is not an integer is inexact.
    frintx = |fp: &mut Fp, shape: Shape, f, a| {
        let mode = rounding(fp, shape.imm);
        fp::round_int(fp, f, a, mode, true)
    };
    /// FRINT32X, FRINT32Z.
    frint32 = |fp: &mut Fp, shape: Shape, f, a| {
        let mode = rounding(fp, shape.imm);
        fp::round_int_n(fp, f, a, mode, 32)
    };
    /// FRINT64X, FRINT64Z.
    frint64 = |fp: &mut Fp, shape: Shape, f, a| {
        let mode = rounding(fp, shape.imm);
        fp::round_int_n(fp, f, a, mode, 64)
    };
    /// FCVTAS to FCVTZS, by the rounding mode: to a signed lane of the same size.
    fcvts = |fp: &mut Fp, shape: Shape, f, a| {
        let mode = rounding(fp, shape.imm);
        fp::to_fixed(fp, f, a, fraction(shape.imm), false, shape.bits(), mode)
    };
    /// FCVTAU to FCVTZU, by the rounding mode: to an unsigned lane of the same size.
    fcvtu = |fp: &mut Fp, shape: Shape, f, a| {
        let mode = rounding(fp, shape.imm);
        fp::to_fixed(fp, f, a, fraction(shape.imm), true, shape.bits(), mode)
    };
    /// SCVTF: from a signed lane of the same size.
    scvtf = |fp: &mut Fp, shape: Shape, f, a| {
        let mode = rounding(fp, shape.imm);
        fp::from_fixed(fp, f, a, shape.bits(), fraction(shape.imm), false, mode)
    };
    /// UCVTF: from an unsigned lane of the same size.
    ucvtf = |fp: &mut Fp, shape: Shape, f, a| {
        let mode = rounding(fp, shape.imm);
        fp::from_fixed(fp, f, a, shape.bits(), fraction(shape.imm), true, mode)
    };
}

/// FCVTL, FCVTL2: from lanes of half the size, the first of them number `shape.imm`.
pub fn fcvtl(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let (from, to) = (Format::of_size(shape.size - 1), Format::of_size(shape.size));
    widen(shape, v[0], shape.imm, |a| fp::convert(fp, from, to, a))
}

/// FCVTN: from lanes of twice the size.
pub fn fcvtn(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let (from, to) = (Format::of_size(shape.size + 1), Format::of_size(shape.size));
    narrow(shape, v[0], |a| fp::convert(fp, from, to, a))
}

/// FCVTXN: singles from doubles, rounded to odd.
pub fn fcvtxn(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    narrow(shape, v[0], |a| fp::convert_round_odd(fp, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_immediate_says_how_to_round_and_what_is_fraction() {
        let value = u128::from(2.5f64.to_bits());
        let to_integer = |imm: u32, control: u32| {
            let mut fp = Fp { control, status: 0 };
            fcvts(&mut fp, Shape::scalar(3).with(imm), &[value])
        };
        assert_eq!(to_integer(TIE_EVEN, 0), 2);
        assert_eq!(to_integer(PLUS_INF, 0), 3);
        assert_eq!(to_integer(TIE_AWAY, 0), 3);
        assert_eq!(to_integer(BY_FPCR, PLUS_INF << 22), 3);
        assert_eq!(to_integer(BY_FPCR, MINUS_INF << 22), 2);
        assert_eq!(to_integer(fixed(ZERO, 2), 0), 10);
    }
}
