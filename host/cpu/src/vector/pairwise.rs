//! Pairs and sums: lanes of one register with each other.

use super::{Fp, Shape, each, get, lanes, sext};

/// Lane `i` of two registers as one long one, `a` below: of each as many lanes as the shape has.
#[inline(always)]
fn of_both(shape: Shape, a: u128, b: u128, i: u32) -> u64 {
    match i.checked_sub(shape.lanes) {
        None => get(a, shape.size, i),
        Some(i) => get(b, shape.size, i),
    }
}

#[inline(always)]
fn pairs(shape: Shape, v: &[u128], f: impl Fn(u64, u64) -> u64) -> u128 {
    let lane = |i| of_both(shape, v[0], v[1], i);
    each(shape, |i| f(lane(2 * i), lane(2 * i + 1)))
}

/// Lanes as signed numbers, if they are.
#[inline(always)]
fn number<const SIGNED: bool>(shape: Shape, lane: u64) -> i64 {
    if SIGNED { sext(lane, shape.size) } else { lane as i64 }
}

/// ADDP (vector).
pub fn addp(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    pairs(shape, v, u64::wrapping_add)
}

/// ADDV, and ADDP (scalar): the sum of the shape's lanes.
pub fn addv(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let sum = lanes(v[0], shape).fold(0, u64::wrapping_add);
    get(sum.into(), shape.size, 0).into()
}

/// Pairwise and across lanes, signed and unsigned. Lanes have 32 bits at most.
macro_rules! extremes {
    ($($(#[$doc:meta])* $pair:ident, $across:ident, $signed:literal, $choose:ident;)*) => {$(
        $(#[$doc])*
        pub fn $pair(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
            let number = |lane| number::<$signed>(shape, lane);
            pairs(shape, v, |a, b| number(a).$choose(number(b)) as u64)
        }

        $(#[$doc])*
        pub fn $across(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
            let numbers = lanes(v[0], shape).map(|lane| number::<$signed>(shape, lane));
            let chosen = numbers.reduce(i64::$choose).unwrap_or_default();
            get(chosen as u128, shape.size, 0).into()
        }
    )*};
}

extremes! {
    /// SMAXP, SMAXV: the shape's lanes are the operand's.
    smaxp, smaxv, true, max;
    /// UMAXP, UMAXV.
    umaxp, umaxv, false, max;
    /// SMINP, SMINV.
    sminp, sminv, true, min;
    /// UMINP, UMINV.
    uminp, uminv, false, min;
}

/// Sums in twice the size: of pairs into the shape's lanes, and of all the shape's lanes.
macro_rules! long_sums {
    ($($(#[$doc:meta])* $pair:ident, $across:ident, $signed:literal;)*) => {$(
        $(#[$doc])*
        pub fn $pair(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
            let half = Shape { size: shape.size - 1, ..shape };
            let number = |i| number::<$signed>(half, get(v[0], half.size, i));
            each(shape, |i| (number(2 * i) + number(2 * i + 1)) as u64)
        }

        $(#[$doc])*
        pub fn $across(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
            let sum: i64 = lanes(v[0], shape).map(|lane| number::<$signed>(shape, lane)).sum();
            get(sum as u128, shape.size + 1, 0).into()
        }
    )*};
}

long_sums! {
    /// SADDLP: the shape's lanes are the result's. SADDLV: they are the operand's.
    saddlp, saddlv, true;
    /// UADDLP, UADDLV.
    uaddlp, uaddlv, false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_from_the_first_then_from_the_second() {
        let (half, fp) = (Shape::vector(1, 0), &mut Fp::default());
        let v = [0x0004_0003_0002_0001, 0x0040_ffff_0020_0010];
        assert_eq!(addp(fp, half, &v), 0x003f_0030_0007_0003);
        assert_eq!(smaxp(fp, half, &v), 0x0040_0020_0004_0002);
        assert_eq!(umaxp(fp, half, &v), 0xffff_0020_0004_0002);
        assert_eq!(sminp(fp, half, &v), 0xffff_0010_0003_0001);
    }

    #[test]
    fn sums_wrap_or_widen() {
        let (byte, fp) = (Shape::vector(0, 0), &mut Fp::default());
        let v = [u64::MAX.into()];
        assert_eq!(addv(fp, byte, &v), 0xf8);
        assert_eq!(saddlv(fp, byte, &v), 0xfff8);
        assert_eq!(uaddlv(fp, byte, &v), 0x07f8);
        assert_eq!(sminv(fp, byte, &[0x7f80]), 0x80);
        assert_eq!(umaxv(fp, byte, &[0x7f80]), 0x80);
        assert_eq!(saddlp(fp, Shape::vector(1, 0), &v), 0xfffe_fffe_fffe_fffe);
        assert_eq!(uaddlp(fp, Shape::vector(3, 0), &v), 0x1_ffff_fffe);
        assert_eq!(addv(fp, Shape::vector(3, 1), &[u128::MAX]), u128::from(u64::MAX) - 1);
    }
}
