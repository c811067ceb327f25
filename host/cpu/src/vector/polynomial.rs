//! Products of polynomials over {0, 1} (the manual's `PolynomialMult`).

use super::{Fp, Shape, each, get, map2};

/// The product without carries, 127 bits.
#[inline(always)]
pub fn polynomial_mult(a: u64, b: u64) -> u128 {
    let (mut rest, mut shifted, mut product) = (a, u128::from(b), 0);
    while rest != 0 {
        if rest & 1 != 0 {
            product ^= shifted;
        }
        rest >>= 1;
        shifted <<= 1;
    }
    product
}

/// PMUL: the low halves.
pub fn pmul(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map2(shape, v[0], v[1], |a, b| polynomial_mult(a, b) as u64)
}

/// PMULL: from lanes of half the size, in the lower half.
pub fn pmull(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let product = |i| polynomial_mult(get(v[0], shape.size - 1, i), get(v[1], shape.size - 1, i));
    match shape.size {
        4 => product(0),
        _ => each(shape, |i| product(i) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_have_no_carries() {
        let fp = &mut Fp::default();
        assert_eq!(pmul(fp, Shape::scalar(0), &[0xff, 0xff]), 0x55);
        assert_eq!(pmull(fp, Shape::vector(1, 1), &[0x83ff, 0x57ff]), 0x2b79_5555);
        let most = u64::MAX.into();
        assert_eq!(pmull(fp, Shape::vector(4, 1), &[most, most]), u128::MAX / 3);
        assert_eq!(pmull(fp, Shape::vector(4, 1), &[1 << 63, 1 << 63]), 1 << 126);
    }
}
