//! Shifts: by a register's lanes, and by an immediate.
//!
//! A shift by a register takes the low byte of each lane as a signed number, -128 to 127: left if
//! it is positive, right if it is negative. Bits may leave at either end, so it is computed with
//! numbers that are wide enough:
//!
//! ```text
//!                  64 bits of a lane
//!   127          63                 0
//!    |............|=================|      left by 63 at most; further is "all of it left",
//!    |               =====|.........|      right by 66 at most: nothing but sign is there any more
//! ```

use super::saturating::{int, sat_q};
use super::{Fp, Shape, map, map2, sext};

/// `value` (a lane as a number) shifted by `by`: exactly, but for what is too far left, which
/// becomes a number that fits in no lane and whose low 64 bits are 0.
#[inline(always)]
fn shifted(value: i128, by: i8, round: bool) -> i128 {
    match by {
        0 => value,
        1..=63 => value << by,
        64.. => value.signum() << 100,
        _ => {
            let right = u32::from(by.unsigned_abs()).min(66);
            (value + (i128::from(round) << (right - 1))) >> right
        }
    }
}

/// Shifts by a register: modulo the lane's size, and saturating; signed and unsigned.
macro_rules! shifts {
    ($($(#[$doc:meta])* $name:ident, $saturating:ident, $signed:literal, $round:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
            map2(shape, v[0], v[1], |a, by| {
                shifted(int::<$signed>(shape, a), by as i8, $round) as u64
            })
        }

        $(#[$doc])*
        pub fn $saturating(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
            map2(shape, v[0], v[1], |a, by| {
                let value = shifted(int::<$signed>(shape, a), by as i8, $round);
                sat_q::<$signed>(fp, shape, value)
            })
        }
    )*};
}

shifts! {
    /// SSHL, SQSHL.
    sshl, sqshl, true, false;
    /// USHL, UQSHL.
    ushl, uqshl, false, false;
    /// SRSHL, SQRSHL: to the right with rounding.
    srshl, sqrshl, true, true;
    /// URSHL, UQRSHL.
    urshl, uqrshl, false, true;
}

/// SQSHLU: to the left by the immediate, from signed to unsigned.
pub fn sqshlu(fp: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| sat_q::<false>(fp, shape, int::<true>(shape, a) << shape.imm))
}

/// SHL: to the left by the immediate.
pub fn shl(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| a << shape.imm)
}

/// SSHR: to the right by the immediate, which is 1 to the lane's size, as in all that follow.
pub fn sshr(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| (sext(a, shape.size) >> shape.imm.min(63)) as u64)
}

/// USHR.
pub fn ushr(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| a.checked_shr(shape.imm).unwrap_or(0))
}

/// SRSHR: with rounding.
pub fn srshr(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let by = shape.imm as i8;
    map(shape, v[0], |a| shifted(int::<true>(shape, a), -by, true) as u64)
}

/// URSHR.
pub fn urshr(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let by = shape.imm as i8;
    map(shape, v[0], |a| shifted(int::<false>(shape, a), -by, true) as u64)
}

/// SRI: to the right by the immediate, with the bits that come in from the second register.
pub fn sri(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let all = u64::MAX >> (64 - shape.bits());
    let kept = !all.checked_shr(shape.imm).unwrap_or(0);
    map2(shape, v[0], v[1], |a, b| a.checked_shr(shape.imm).unwrap_or(0) | b & kept)
}

/// SLI: to the left by the immediate (0 to the lane's size less 1), likewise.
pub fn sli(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let kept = !(u64::MAX << shape.imm);
    map2(shape, v[0], v[1], |a, b| a << shape.imm | b & kept)
}

#[cfg(test)]
mod tests {
    use super::super::Compute;
    use super::super::saturating::QC;
    use super::*;

    /// One lane shifted by a number: the result, and whether QC was set.
    fn run(function: Compute, size: u32, a: u64, by: i8) -> (u64, bool) {
        let mut fp = Fp::default();
        // Only the low byte counts.
        let by = u128::from(by as u8) | 0x5a00;
        let result = function(&mut fp, Shape::scalar(size), &[a.into(), by]);
        (result as u64, fp.status == QC)
    }

    const MIN: u64 = 1 << 63;

    #[test]
    fn far_shifts_leave_zero_or_the_sign() {
        for by in [-128, -127, -67, -66, -65] {
            assert_eq!(run(sshl, 3, MIN, by), (u64::MAX, false));
            assert_eq!(run(srshl, 3, MIN, by), (0, false));
            assert_eq!(run(ushl, 3, u64::MAX, by), (0, false));
            assert_eq!(run(urshl, 3, u64::MAX, by), (0, false));
        }
        for by in [64, 65, 127] {
            assert_eq!(run(sshl, 3, u64::MAX, by), (0, false));
            assert_eq!(run(urshl, 3, u64::MAX, by), (0, false));
        }
        assert_eq!(run(urshl, 3, MIN, -64), (1, false));
        assert_eq!(run(srshl, 3, MIN, -64), (0, false));
        assert_eq!(run(sshl, 0, 0xff, 8), (0, false));
    }

    #[test]
    fn rounding_carries_into_a_bit_that_the_lane_does_not_have() {
        assert_eq!(run(urshl, 3, u64::MAX, -1), (MIN, false));
        assert_eq!(run(srshl, 3, MIN - 1, -1), (MIN >> 1, false));
        assert_eq!(run(uqrshl, 0, 0xff, -8), (1, false));
        assert_eq!(run(uqrshl, 3, u64::MAX, -64), (1, false));
        assert_eq!(run(sqrshl, 0, 0x80, -8), (0, false));
        assert_eq!(run(sqrshl, 0, 0xfd, -1), (0xff, false));
    }

    #[test]
    fn shifts_to_the_left_saturate() {
        assert_eq!(run(sqshl, 3, 1, 63), (MIN - 1, true));
        assert_eq!(run(sqshl, 3, u64::MAX, 63), (MIN, false));
        assert_eq!(run(sqshl, 3, u64::MAX, 64), (MIN, true));
        assert_eq!(run(sqshl, 3, 0, 127), (0, false));
        assert_eq!(run(uqshl, 3, 1, 63), (MIN, false));
        assert_eq!(run(uqshl, 3, u64::MAX, 63), (u64::MAX, true));
        assert_eq!(run(uqrshl, 3, 1, 127), (u64::MAX, true));
        assert_eq!(run(sqrshl, 0, 0x40, 1), (0x7f, true));
        let fp = &mut Fp::default();
        assert_eq!(sqshlu(fp, Shape::scalar(3).with(63), &[1]), MIN.into());
        assert_eq!(fp.status, 0);
        assert_eq!(sqshlu(fp, Shape::scalar(0).with(0), &[0xff]), 0);
        assert_eq!(fp.status, QC);
    }

    #[test]
    fn immediates_may_be_as_large_as_the_lane() {
        let (fp, all) = (&mut Fp::default(), Shape::scalar(3).with(64));
        let (min, byte) = (u128::from(MIN), Shape::scalar(0).with(8));
        assert_eq!(sshr(fp, all, &[min]), u64::MAX.into());
        assert_eq!(ushr(fp, all, &[min]), 0);
        assert_eq!(srshr(fp, all, &[min]), 0);
        assert_eq!(urshr(fp, all, &[min]), 1);
        assert_eq!(urshr(fp, byte, &[0x80]), 1);
        assert_eq!(srshr(fp, byte, &[0x80]), 0);
        assert_eq!(sri(fp, all, &[min, 5]), 5);
        assert_eq!(sri(fp, byte.with(4), &[0xab, 0xcd]), 0xca);
        assert_eq!(sli(fp, byte.with(4), &[0xab, 0xcd]), 0xbd);
        assert_eq!(sli(fp, byte.with(0), &[0xab, 0xcd]), 0xab);
    }
}
