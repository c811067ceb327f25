//! Lanes that become twice or half as wide. The narrow ones are in the lower half of a register.

use super::saturating::{int, sat_q};
use super::{Fp, Shape, narrow, sext, widen};

/// SXTL: the shape is the result's.
pub fn sxtl(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    widen(shape, v[0], 0, |a| sext(a, shape.size - 1) as u64)
}

/// UXTL.
pub fn uxtl(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    widen(shape, v[0], 0, |a| a)
}

/// XTN: the shape is the result's, as in all that follow.
pub fn xtn(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    narrow(shape, v[0], |a| a)
}

/// The shape of the operand.
#[inline(always)]
fn wide(shape: Shape) -> Shape {
    Shape { size: shape.size + 1, ..shape }
}

/// SQXTN: signed to signed.
pub fn sqxtn(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    narrow(shape, v[0], |a| sat_q::<true>(fp, shape, int::<true>(wide(shape), a)))
}

/// UQXTN: unsigned to unsigned.
pub fn uqxtn(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    narrow(shape, v[0], |a| sat_q::<false>(fp, shape, int::<false>(wide(shape), a)))
}

/// SQXTUN: signed to unsigned.
pub fn sqxtun(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    narrow(shape, v[0], |a| sat_q::<false>(fp, shape, int::<true>(wide(shape), a)))
}

#[cfg(test)]
mod tests {
    use super::super::saturating::QC;
    use super::*;

    #[test]
    fn narrowing_saturates_by_sign() {
        let (bytes, fp) = (Shape::vector(0, 0), &mut Fp::default());
        let v = [0xff7f_0080_0180_8000_u128];
        assert_eq!(xtn(fp, bytes, &v), 0x7f80_8000);
        assert_eq!(*fp, Fp::default());
        assert_eq!(sqxtn(fp, bytes, &v), 0x807f_7f80);
        assert_eq!(uqxtn(fp, bytes, &v), 0xff80_ffff);
        assert_eq!(sqxtun(fp, bytes, &v), 0x0080_ff00);
        assert_eq!(fp.status, QC);
    }

    #[test]
    fn widening_keeps_the_number() {
        let (halves, fp) = (Shape::vector(1, 1), &mut Fp::default());
        assert_eq!(sxtl(fp, halves, &[0x80ff]), 0xff80_ffff);
        assert_eq!(uxtl(fp, halves, &[0x80ff]), 0x0080_00ff);
        assert_eq!(sxtl(fp, Shape::scalar(3), &[0x8000_0000]), 0xffff_ffff_8000_0000);
    }
}
