//! Floating-point comparisons lane by lane: all ones where they hold, zeros where not.

use super::{Fp, Shape, map, map2};
use crate::fp::{self, Format};

/// All ones, or zeros.
#[inline(always)]
fn mask(holds: bool) -> u64 {
    u64::from(holds).wrapping_neg()
}

/// Comparisons of two lanes.
macro_rules! two {
    ($($(#[$doc:meta])* $name:ident = $holds:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
                let f = Format::of_size(shape.size);
                map2(shape, v[0], v[1], |a, b| mask($holds(&mut *fp, f, a, b)))
            }
        )*
    };
}

/// Comparisons of a lane with zero.
macro_rules! zero {
    ($($(#[$doc:meta])* $name:ident = $holds:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
                let f = Format::of_size(shape.size);
                map(shape, v[0], |a| mask($holds(&mut *fp, f, a)))
            }
        )*
    };
}

two! {
    /// FCMEQ (register).
    fcmeq = fp::compare_eq;
    /// FCMGE (register).
    fcmge = fp::compare_ge;
    /// FCMGT (register).
    fcmgt = fp::compare_gt;
    /// FACGE.
    facge = |fp, f, a, b| fp::compare_ge(fp, f, fp::abs(f, a), fp::abs(f, b));
    /// FACGT.
    facgt = |fp, f, a, b| fp::compare_gt(fp, f, fp::abs(f, a), fp::abs(f, b));
}

zero! {
    /// FCMEQ (zero).
    fcmeq_zero = |fp, f, a| fp::compare_eq(fp, f, a, 0);
    /// FCMGE (zero).
    fcmge_zero = |fp, f, a| fp::compare_ge(fp, f, a, 0);
    /// FCMGT (zero).
    fcmgt_zero = |fp, f, a| fp::compare_gt(fp, f, a, 0);
    /// FCMLE (zero).
    fcmle_zero = |fp, f, a| fp::compare_ge(fp, f, 0, a);
    /// FCMLT (zero).
    fcmlt_zero = |fp, f, a| fp::compare_gt(fp, f, 0, a);
}
