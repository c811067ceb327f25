//! Integer arithmetic of lanes that wraps or cannot overflow.
//!
//! What accumulates (MLA, SABA, SMLAL) or widens (SADDL, SMULL) has no function of its own: its
//! row puts it together from these and from [`super::width`].

use super::{Fp, Shape, map, map2, sext};

/// ADD.
pub fn add(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map2(shape, v[0], v[1], u64::wrapping_add)
}

/// SUB.
pub fn sub(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map2(shape, v[0], v[1], u64::wrapping_sub)
}

/// MUL.
pub fn mul(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map2(shape, v[0], v[1], u64::wrapping_mul)
}

/// ABS: of the minimum, the minimum.
pub fn abs(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| sext(a, shape.size).unsigned_abs())
}

/// NEG.
pub fn neg(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], u64::wrapping_neg)
}

/// Pairs of functions, signed and unsigned, of lanes as numbers.
macro_rules! signed_and_unsigned {
    ($($(#[$doc:meta])* $signed:ident, $unsigned:ident = |$a:ident, $b:ident| $value:expr;)*) => {$(
        $(#[$doc])*
        pub fn $signed(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
            map2(shape, v[0], v[1], |a, b| {
                let ($a, $b) = (sext(a, shape.size), sext(b, shape.size));
                $value as u64
            })
        }

        $(#[$doc])*
        pub fn $unsigned(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
            map2(shape, v[0], v[1], |$a, $b| $value as u64)
        }
    )*};
}

signed_and_unsigned! {
    /// SHADD, UHADD: half the sum. (Lanes of 32 bits at most, as the next two.)
    shadd, uhadd = |a, b| (a + b) >> 1;
    /// SRHADD, URHADD: half the sum, rounded up.
    srhadd, urhadd = |a, b| (a + b + 1) >> 1;
    /// SHSUB, UHSUB: half the difference, rounded down.
    shsub, uhsub = |a, b| a.wrapping_sub(b) >> 1;
    /// SMAX, UMAX.
    smax, umax = |a, b| a.max(b);
    /// SMIN, UMIN.
    smin, umin = |a, b| a.min(b);
    /// SABD, UABD: the distance.
    sabd, uabd = |a, b| a.abs_diff(b);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_keep_the_bit_that_would_overflow() {
        let (byte, fp) = (Shape::scalar(0), &mut Fp::default());
        assert_eq!(shadd(fp, byte, &[0x80, 0x81]), 0x80);
        assert_eq!(srhadd(fp, byte, &[0x80, 0x81]), 0x81);
        assert_eq!(uhadd(fp, byte, &[0xff, 0xfe]), 0xfe);
        assert_eq!(urhadd(fp, byte, &[0xff, 0xfe]), 0xff);
        assert_eq!(shsub(fp, byte, &[0x80, 0x7f]), 0x80);
        assert_eq!(uhsub(fp, byte, &[0, 1]), 0xff);
    }

    #[test]
    fn distances_and_absolutes_are_unsigned() {
        let (byte, fp) = (Shape::scalar(0), &mut Fp::default());
        assert_eq!(sabd(fp, byte, &[0x80, 0x7f]), 0xff);
        assert_eq!(uabd(fp, byte, &[0x80, 0x7f]), 1);
        assert_eq!(abs(fp, byte, &[0x80]), 0x80);
        assert_eq!(*fp, Fp::default());
    }
}
