//! Floating-point arithmetic that only vectors have: pairs, reductions, steps of estimates, and
//! products that add to the destination. The rest is in [`super::float`].
//!
//! Lanes are computed lowest first; FPSR accumulates over them. The functions bear the mnemonics as
//! their names. Operands are Vn, then Vm, then the addend Vd.

use super::{Fp, Shape, get, map, map2, map3};
use crate::fp::{self, Format};

/// Functions of two lanes.
macro_rules! two {
    ($($(#[$doc:meta])* $name:ident = $operation:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
                let f = Format::of_size(shape.size);
                map2(shape, v[0], v[1], |a, b| $operation(&mut *fp, f, a, b))
            }
        )*
    };
}

/// Functions of pairs of neighbouring lanes, first of Vn and then of Vm.
macro_rules! pairwise {
    ($($(#[$doc:meta])* $name:ident = $operation:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
                let f = Format::of_size(shape.size);
                pairs(shape, v, |a, b| $operation(&mut *fp, f, a, b))
            }
        )*
    };
}

/// Functions that combine all lanes of Vn.
macro_rules! across {
    ($($(#[$doc:meta])* $name:ident = $operation:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
                let f = Format::of_size(shape.size);
                let mut operation = |a, b| $operation(&mut *fp, f, a, b);
                reduce(shape.size, v[0], 0, shape.lanes, &mut operation).into()
            }
        )*
    };
}

/// Lane `i` of the result is `f` of lanes `2i` and `2i + 1` of `v[1]:v[0]`.
#[inline(always)]
fn pairs(shape: Shape, v: &[u128], mut f: impl FnMut(u64, u64) -> u64) -> u128 {
    let mut next = 0;
    map(shape, 0, |_| {
        let lane = |i| get(v[(i / shape.lanes) as usize], shape.size, i % shape.lanes);
        next += 2;
        f(lane(next - 2), lane(next - 1))
    })
}

/// The manual's `Reduce` of lanes `first` to `first + lanes`: the lower half of them, with the
/// upper half.
fn reduce(size: u32, v: u128, first: u32, lanes: u32, f: &mut impl FnMut(u64, u64) -> u64) -> u64 {
    if lanes == 1 {
        return get(v, size, first);
    }
    let half = lanes / 2;
    let low = reduce(size, v, first, half, f);
    let high = reduce(size, v, first + half, half, f);
    f(low, high)
}

two! {
    /// FMULX.
    fmulx = fp::mulx;
    /// FABD.
    fabd = |fp: &mut Fp, f, a, b| fp::abs(f, fp::sub(fp, f, a, b));
    /// FRECPS.
    frecps = fp::recip_step_fused;
    /// FRSQRTS.
    frsqrts = fp::rsqrt_step_fused;
}

pairwise! {
    /// FADDP (vector).
    faddp = fp::add;
    /// FMAXP (vector).
    fmaxp = fp::max;
    /// FMINP (vector).
    fminp = fp::min;
    /// FMAXNMP (vector).
    fmaxnmp = fp::max_num;
    /// FMINNMP (vector).
    fminnmp = fp::min_num;
}

across! {
    /// FADDP (scalar): of two lanes.
    faddv = fp::add;
    /// FMAXV, and FMAXP (scalar).
    fmaxv = fp::max;
    /// FMINV, and FMINP (scalar).
    fminv = fp::min;
    /// FMAXNMV, and FMAXNMP (scalar).
    fmaxnmv = fp::max_num;
    /// FMINNMV, and FMINNMP (scalar).
    fminnmv = fp::min_num;
}

/// FMLA: fused.
pub fn fmla(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let f = Format::of_size(shape.size);
    map3(shape, v[0], v[1], v[2], |n, m, d| fp::mul_add(fp, f, d, n, m))
}

/// FMLS: fused, with Vn negated.
pub fn fmls(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let f = Format::of_size(shape.size);
    map3(shape, v[0], v[1], v[2], |n, m, d| fp::mul_add(fp, f, d, fp::neg(f, n), m))
}

/// Singles plus products of halves, these from number `first` on: fused.
#[inline(always)]
fn multiply_add_long(fp: &mut Fp, shape: Shape, v: &[u128], first: u32, negate: bool) -> u128 {
    let mut i = first;
    map(shape, v[2], |d| {
        let (n, m) = (get(v[0], 1, i), get(v[1], 1, i));
        i += 1;
        let n = if negate { fp::neg(Format::Half, n) } else { n };
        fp::mul_add_h(fp, d, n, m)
    })
}

/// FMLAL.
pub fn fmlal(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    multiply_add_long(fp, shape, v, 0, false)
}

/// FMLAL2.
pub fn fmlal2(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    multiply_add_long(fp, shape, v, shape.lanes, false)
}

/// FMLSL.
pub fn fmlsl(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    multiply_add_long(fp, shape, v, 0, true)
}

/// FMLSL2.
pub fn fmlsl2(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    multiply_add_long(fp, shape, v, shape.lanes, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four singles.
    fn singles(lanes: [f32; 4]) -> u128 {
        lanes.iter().rev().fold(0, |v, lane| v << 32 | u128::from(lane.to_bits()))
    }

    #[test]
    fn pairs_come_from_the_first_operand_and_then_from_the_second() {
        let (n, m) = (singles([1.0, 2.0, 3.0, 4.0]), singles([5.0, 6.0, 7.0, 8.0]));
        let sum = faddp(&mut Fp::default(), Shape::vector(2, 1), &[n, m]);
        assert_eq!(sum, singles([3.0, 7.0, 11.0, 15.0]));
    }

    #[test]
    fn a_reduction_halves() {
        // 1 + 2^-24 is 1: only in pairs do the small ones count.
        let tiny = f32::from_bits((127 - 24) << 23);
        let v = singles([1.0, tiny, tiny, tiny]);
        let sum = faddv(&mut Fp::default(), Shape::vector(2, 1), &[v]);
        assert_eq!(sum, u128::from((1.0f32 + 2.0 * tiny).to_bits()));
    }

    #[test]
    fn status_accumulates_over_the_lanes_that_count() {
        // 1 / 0 is in the second lane, 0 / 0 in the third.
        let (n, m) = (singles([1.0, 1.0, 0.0, 1.0]), singles([1.0, 0.0, 0.0, 1.0]));
        let status = |shape| {
            let mut fp = Fp::default();
            crate::vector::float::fdiv(&mut fp, shape, &[n, m]);
            fp.status
        };
        assert_eq!(status(Shape::scalar(2)), 0);
        assert_eq!(status(Shape::vector(2, 0)), 2);
        assert_eq!(status(Shape::vector(2, 1)), 3);
    }
}
