//! Arithmetic that saturates: what does not fit becomes the nearest value that does, and QC of
//! FPSR remembers it (the manual's `SatQ`).

use super::{Fp, Shape, map, map2, map3, sext};

/// FPSR.QC: some result since it was cleared was saturated.
pub const QC: u32 = 1 << 27;

/// The manual's `Int`: a lane as a number.
#[inline(always)]
pub const fn int<const SIGNED: bool>(shape: Shape, lane: u64) -> i128 {
    if SIGNED { sext(lane, shape.size) as i128 } else { lane as i128 }
}

/// The manual's `SatQ`: the nearest number of the shape's size.
#[inline(always)]
pub fn sat_q<const SIGNED: bool>(fp: &mut Fp, shape: Shape, value: i128) -> u64 {
    let bits = shape.bits();
    let (least, most) =
        if SIGNED { (-1 << (bits - 1), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
    let nearest = value.clamp(least, most);
    if nearest != value {
        fp.status |= QC;
    }
    nearest as u64
}

/// Pairs of functions of two registers, signed and unsigned.
macro_rules! signed_and_unsigned {
    ($($(#[$doc:meta])* $signed:ident, $unsigned:ident = |$a:ident, $b:ident| $value:expr;)*) => {$(
        $(#[$doc])*
        pub fn $signed(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
            map2(shape, v[0], v[1], |a, b| {
                let ($a, $b) = (int::<true>(shape, a), int::<true>(shape, b));
                sat_q::<true>(fp, shape, $value)
            })
        }

        $(#[$doc])*
        pub fn $unsigned(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
            map2(shape, v[0], v[1], |a, b| {
                let ($a, $b) = (int::<false>(shape, a), int::<false>(shape, b));
                sat_q::<false>(fp, shape, $value)
            })
        }
    )*};
}

signed_and_unsigned! {
    /// SQADD, UQADD.
    sqadd, uqadd = |a, b| a + b;
    /// SQSUB, UQSUB.
    sqsub, uqsub = |a, b| a - b;
}

/// SUQADD: an unsigned number added to a signed one, which is the second.
pub fn suqadd(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map2(shape, v[0], v[1], |a, b| {
        sat_q::<true>(fp, shape, int::<false>(shape, a) + int::<true>(shape, b))
    })
}

/// USQADD: a signed number added to an unsigned one, which is the second.
pub fn usqadd(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map2(shape, v[0], v[1], |a, b| {
        sat_q::<false>(fp, shape, int::<true>(shape, a) + int::<false>(shape, b))
    })
}

/// SQABS.
pub fn sqabs(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| sat_q::<true>(fp, shape, int::<true>(shape, a).abs()))
}

/// SQNEG.
pub fn sqneg(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| sat_q::<true>(fp, shape, -int::<true>(shape, a)))
}

/// The high half of twice the product, added to or subtracted from `c`; `round` is 1 or 0. Lanes
/// have 32 bits at most.
#[inline(always)]
fn doubled_high(
    fp: &mut Fp,
    shape: Shape,
    [a, b]: [u64; 2],
    c: u64,
    sign: i128,
    round: i128,
) -> u64 {
    let [a, b, c] = [a, b, c].map(|lane| int::<true>(shape, lane));
    let sum = (c << shape.bits()) + 2 * sign * a * b + (round << (shape.bits() - 1));
    sat_q::<true>(fp, shape, sum >> shape.bits())
}

/// SQDMULH.
pub fn sqdmulh(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map2(shape, v[0], v[1], |a, b| doubled_high(fp, shape, [a, b], 0, 1, 0))
}

/// SQRDMULH.
pub fn sqrdmulh(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map2(shape, v[0], v[1], |a, b| doubled_high(fp, shape, [a, b], 0, 1, 1))
}

/// SQRDMLAH: to the third register. It saturates once, at the end.
pub fn sqrdmlah(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map3(shape, v[0], v[1], v[2], |a, b, c| doubled_high(fp, shape, [a, b], c, 1, 1))
}

/// SQRDMLSH: from the third register.
pub fn sqrdmlsh(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map3(shape, v[0], v[1], v[2], |a, b, c| doubled_high(fp, shape, [a, b], c, -1, 1))
}

#[cfg(test)]
mod tests {
    use super::super::Compute;
    use super::*;

    /// The result, and whether QC was set.
    fn run(function: Compute, size: u32, v: &[u128]) -> (u128, bool) {
        let mut fp = Fp::default();
        let result = function(&mut fp, Shape::scalar(size), v);
        assert!(matches!(fp.status, 0 | QC));
        (result, fp.status == QC)
    }

    #[test]
    fn sums_stop_at_the_ends() {
        assert_eq!(run(sqadd, 0, &[0x7f, 1]), (0x7f, true));
        assert_eq!(run(sqadd, 3, &[0x7fff_ffff_ffff_fffe, 1]), (0x7fff_ffff_ffff_ffff, false));
        assert_eq!(run(sqsub, 3, &[1 << 63, 1]), (1 << 63, true));
        assert_eq!(run(uqadd, 3, &[u64::MAX.into(), 1]), (u64::MAX.into(), true));
        assert_eq!(run(uqsub, 2, &[0, 1]), (0, true));
        assert_eq!(run(suqadd, 0, &[0xff, 0x80]), (0x7f, false));
        assert_eq!(run(suqadd, 0, &[0xff, 0x81]), (0x7f, true));
        assert_eq!(run(usqadd, 0, &[0x80, 0x7f]), (0, true));
        assert_eq!(run(usqadd, 0, &[0x7f, 0x80]), (0xff, false));
    }

    #[test]
    fn only_the_minimum_saturates() {
        assert_eq!(run(sqabs, 1, &[0x8000]), (0x7fff, true));
        assert_eq!(run(sqneg, 1, &[0x8001]), (0x7fff, false));
        assert_eq!(run(sqdmulh, 1, &[0x8000, 0x8000]), (0x7fff, true));
        assert_eq!(run(sqdmulh, 2, &[0x8000_0000, 0x8000_0000]), (0x7fff_ffff, true));
        assert_eq!(run(sqdmulh, 2, &[0x8000_0000, 0x8000_0001]), (0x7fff_ffff, false));
        assert_eq!(run(sqdmulh, 1, &[0xffff, 1]), (0xffff, false));
        assert_eq!(run(sqrdmulh, 1, &[0xffff, 1]), (0, false));
    }

    #[test]
    fn accumulation_saturates_once() {
        // The product alone would saturate; with -1 added it does not, and with 0 it does.
        let minimum = 0x8000;
        assert_eq!(run(sqrdmlah, 1, &[minimum, minimum, 0xffff]), (0x7fff, false));
        assert_eq!(run(sqrdmlah, 1, &[minimum, minimum, 0]), (0x7fff, true));
        assert_eq!(run(sqrdmlsh, 1, &[minimum, minimum, 0]), (0x8000, false));
        assert_eq!(run(sqrdmlsh, 1, &[minimum, minimum, 0xffff]), (0x8000, true));
        // Half is rounded up.
        assert_eq!(run(sqrdmlah, 1, &[0x4000, 1, 0]), (1, false));
        assert_eq!(run(sqrdmlsh, 1, &[0x4000, 1, 0]), (0, false));
    }

    #[test]
    fn qc_is_never_cleared() {
        let mut fp = Fp { control: 0, status: QC };
        sqadd(&mut fp, Shape::scalar(0), &[1, 1]);
        assert_eq!(fp.status, QC);
    }
}
