//! Comparisons: a lane of ones where they hold, of zeros where not.

use super::{Fp, Shape, map2, sext};

#[inline(always)]
fn compare(shape: Shape, v: &[u128], holds: impl Fn(u64, u64) -> bool) -> u128 {
    map2(shape, v[0], v[1], |a, b| if holds(a, b) { u64::MAX } else { 0 })
}

/// CMEQ.
pub fn cmeq(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    compare(shape, v, |a, b| a == b)
}

/// CMTST: a bit in common.
pub fn cmtst(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    compare(shape, v, |a, b| a & b != 0)
}

/// CMGT: signed greater.
pub fn cmgt(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    compare(shape, v, |a, b| sext(a, shape.size) > sext(b, shape.size))
}

/// CMGE: signed greater or equal.
pub fn cmge(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    compare(shape, v, |a, b| sext(a, shape.size) >= sext(b, shape.size))
}

/// CMHI: unsigned higher.
pub fn cmhi(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    compare(shape, v, |a, b| a > b)
}

/// CMHS: unsigned higher or same.
pub fn cmhs(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    compare(shape, v, |a, b| a >= b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_decide() {
        let (byte, fp) = (Shape::vector(0, 0), &mut Fp::default());
        let v = [0x0101_80ff, 0x0280_017f];
        assert_eq!(cmgt(fp, byte, &v), 0x00ff_0000);
        assert_eq!(cmhi(fp, byte, &v), 0x0000_ffff);
        assert_eq!(cmtst(fp, byte, &v), 0x0000_00ff);
        assert_eq!(cmge(fp, byte, &[0, 0]), u64::MAX.into());
    }
}
