//! Complex numbers (FEAT_FCMA): a pair of lanes is one, its real part first. The immediate of the
//! shape is the rotation of the second operand, in quarters of a circle.

use super::{Fp, Shape, get, put};
use crate::fp::{self, Format};

/// Pair by pair: the lanes of the pair's real part and imaginary part of each operand.
#[inline(always)]
fn pairs(shape: Shape, v: &[u128], mut f: impl FnMut([u64; 6]) -> [u64; 2]) -> u128 {
    (0..shape.lanes / 2).fold(0, |all, i| {
        let mut lanes = [0; 6];
        for (lane, k) in lanes.iter_mut().zip(0..2 * v.len() as u32) {
            *lane = get(v[(k / 2) as usize], shape.size, 2 * i + k % 2);
        }
        let [real, imaginary] = f(lanes);
        put(put(all, shape.size, 2 * i, real), shape.size, 2 * i + 1, imaginary)
    })
}

/// FCADD of Vn and Vm: a number and another, turned by a quarter or by three.
pub fn fcadd(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let f = Format::of_size(shape.size);
    pairs(shape, v, |[n_re, n_im, m_re, m_im, ..]| {
        let (re, im) = match shape.imm {
            1 => (fp::neg(f, m_im), m_re),
            _ => (m_im, fp::neg(f, m_re)),
        };
        [fp::add(fp, f, n_re, re), fp::add(fp, f, n_im, im)]
    })
}

/// FCMLA of Vn, Vm and the addend Vd: half of a complex multiplication.
pub fn fcmla(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let f = Format::of_size(shape.size);
    pairs(shape, v, |[n_re, n_im, m_re, m_im, d_re, d_im]| {
        let (n, re, im) = match shape.imm {
            0 => (n_re, m_re, m_im),
            1 => (n_im, fp::neg(f, m_im), m_re),
            2 => (n_re, fp::neg(f, m_re), fp::neg(f, m_im)),
            _ => (n_im, m_im, fp::neg(f, m_re)),
        };
        [fp::mul_add(fp, f, d_re, n, re), fp::mul_add(fp, f, d_im, n, im)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape::vector(2, 0);

    fn number(re: f32, im: f32) -> u128 {
        u128::from(re.to_bits()) | u128::from(im.to_bits()) << 32
    }

    #[test]
    fn two_halves_are_a_multiplication() {
        let (n, m) = (number(1.0, 2.0), number(3.0, 4.0));
        let multiply = |quarters: [u32; 2]| {
            let fp = &mut Fp::default();
            quarters.iter().fold(0, |d, rot| fcmla(fp, SHAPE.with(*rot), &[n, m, d]))
        };
        assert_eq!(multiply([0, 1]), number(-5.0, 10.0));
        assert_eq!(multiply([2, 3]), number(5.0, -10.0));
        // The conjugate of Vn.
        assert_eq!(multiply([0, 3]), number(11.0, -2.0));
    }

    #[test]
    fn a_quarter_turn_is_a_multiplication_by_i() {
        let (n, m) = (number(1.0, 2.0), number(30.0, 40.0));
        let fp = &mut Fp::default();
        assert_eq!(fcadd(fp, SHAPE.with(1), &[n, m]), number(-39.0, 32.0));
        assert_eq!(fcadd(fp, SHAPE.with(3), &[n, m]), number(41.0, -28.0));
    }
}
