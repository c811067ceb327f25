//! Floating-point estimates lane by lane, and the narrowing that rounds to odd.

use super::{Fp, Shape, map, narrow};
use crate::fp::{self, Format};

/// FRECPE.
pub fn frecpe(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let f = Format::of_size(shape.size);
    map(shape, v[0], |a| fp::recip_estimate(fp, f, a))
}

/// FRSQRTE.
pub fn frsqrte(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let f = Format::of_size(shape.size);
    map(shape, v[0], |a| fp::rsqrt_estimate(fp, f, a))
}

/// FRECPX.
pub fn frecpx(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let f = Format::of_size(shape.size);
    map(shape, v[0], |a| fp::recpx(fp, f, a))
}

/// FCVTXN: doubles to singles, rounded to odd.
pub fn fcvtxn(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    narrow(shape, v[0], |a| fp::convert_round_odd(fp, a))
}
