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

#[cfg(test)]
mod tests {
    use super::*;

    const SCALAR: Shape = Shape::scalar(3);
    const TRUE: u128 = u64::MAX as u128;
    /// FPSR.IOC.
    const INVALID: u32 = 1;

    #[test]
    fn a_quiet_nan_is_unequal_to_all_and_invalid_to_order() {
        let (nan, one) = (u128::from(f64::NAN.to_bits()), u128::from(1f64.to_bits()));
        let compare = |f: crate::vector::Compute, v: &[u128]| {
            let mut fp = Fp::default();
            (f(&mut fp, SCALAR, v), fp.status)
        };
        assert_eq!(compare(fcmeq, &[nan, nan]), (0, 0));
        assert_eq!(compare(fcmge, &[nan, one]), (0, INVALID));
        assert_eq!(compare(facgt, &[one, nan]), (0, INVALID));
        assert_eq!(compare(fcmlt_zero, &[nan]), (0, INVALID));
        assert_eq!(compare(fcmeq_zero, &[nan]), (0, 0));
    }

    #[test]
    fn zeros_are_equal_and_magnitudes_have_no_sign() {
        let (one, two) = (u128::from(1f64.to_bits()), u128::from((-2f64).to_bits()));
        let fp = &mut Fp::default();
        assert_eq!(fcmeq(fp, SCALAR, &[0, 1 << 63]), TRUE);
        assert_eq!(fcmle_zero(fp, SCALAR, &[1 << 63]), TRUE);
        assert_eq!(fcmlt_zero(fp, SCALAR, &[1 << 63]), 0);
        assert_eq!(facgt(fp, SCALAR, &[two, one]), TRUE);
        assert_eq!(fcmgt(fp, SCALAR, &[two, one]), 0);
    }
}
