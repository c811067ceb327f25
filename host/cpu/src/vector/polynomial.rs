//! Products of polynomials over {0, 1} (the manual's `PolynomialMult`): sums without carries.
//!
//! The host's multiplication has carries. They are kept from doing harm by room: of each factor
//! every fourth bit is taken, so that a column of the product is four bits wide, counts the ones
//! that meet there, and is right in its lowest bit.
//!
//! ```text
//!   a                  0001 0000 0001
//!   b                  0001 0001 0001
//!   a * b    0001 0001 0010 0001 0001
//!                      ^ two ones met here: without carries 0, as the lowest bit says
//! ```
//!
//! In the low 64 bits only the last four columns can have 16 ones, and what they carry leaves at
//! the top. The high half is the low half of the product of the factors turned around.

use super::{Fp, Shape, each, get, map2};

/// The low 64 bits of the product.
#[inline(always)]
fn low(a: u64, b: u64) -> u64 {
    let quarter = |x: u64, i: usize| x & 0x1111_1111_1111_1111 << i;
    let column = |i: usize| {
        let products = (0..4).map(|j| quarter(a, j).wrapping_mul(quarter(b, (4 + i - j) % 4)));
        quarter(products.fold(0, |sum, product| sum ^ product), i)
    };
    column(0) | column(1) | column(2) | column(3)
}

/// The product, 127 bits.
#[inline(always)]
pub fn polynomial_mult(a: u64, b: u64) -> u128 {
    let high = low(a.reverse_bits(), b.reverse_bits()).reverse_bits() >> 1;
    u128::from(high) << 64 | u128::from(low(a, b))
}

/// PMUL: the low halves.
pub fn pmul(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map2(shape, v[0], v[1], low)
}

/// PMULL: from lanes of half the size, in the lower half.
pub fn pmull(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let lane = |v, i| get(v, shape.size - 1, i);
    match shape.size {
        4 => polynomial_mult(lane(v[0], 0), lane(v[1], 0)),
        _ => each(shape, |i| low(lane(v[0], i), lane(v[1], i))),
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

    #[test]
    fn the_product_is_the_sum_of_what_is_shifted_by_the_ones() {
        let sum = |a: u64, b: u64| {
            let ones = (0..64).filter(|bit| a >> bit & 1 == 1);
            ones.fold(0, |sum, bit| sum ^ u128::from(b) << bit)
        };
        let (mut a, mut b) = (0x9e37_79b9_7f4a_7c15, u64::MAX);
        for _ in 0..1000 {
            assert_eq!(polynomial_mult(a, b), sum(a, b), "{a:#x}, {b:#x}");
            (a, b) = (b.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ a >> 31, a);
        }
    }
}
