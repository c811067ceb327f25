//! Estimates of unsigned numbers (DDI 0487: `UnsignedRecipEstimate`, `UnsignedRSqrtEstimate`).

use super::{Fp, Shape, map};

/// The manual's `RecipEstimate`: of 256 to 511 (0.5 to 1, in units of 1/512), 256 to 511.
pub const fn recip_estimate(a: u32) -> u32 {
    // In units of 1/1024, rounded to the middle of the interval.
    let a = a * 2 + 1;
    let b = (1 << 19) / a;
    b.div_ceil(2)
}

/// The manual's `RecipSqrtEstimate`: of 128 to 511 (0.25 to 1), 256 to 511.
pub const fn recip_sqrt_estimate(a: u32) -> u32 {
    let a = if a < 256 { a * 2 + 1 } else { (((a >> 1) << 1) + 1) * 2 };
    // The largest b with a * b * b < 2^28, to which the pseudocode counts up from 512.
    let b = (((1 << 28) - 1) / a).isqrt();
    b.div_ceil(2)
}

/// URECPE: lanes are fractions; below 0.5, ones.
pub fn urecpe(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| match a >> 31 {
        0 => 0xffff_ffff,
        _ => u64::from(recip_estimate((a >> 23) as u32 & 0x1ff)) << 23,
    })
}

/// URSQRTE: below 0.25, ones.
pub fn ursqrte(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| match a >> 30 {
        0 => 0xffff_ffff,
        _ => u64::from(recip_sqrt_estimate((a >> 23) as u32 & 0x1ff)) << 23,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_stay_in_their_range() {
        assert_eq!((recip_estimate(256), recip_estimate(511)), (511, 256));
        assert_eq!((recip_sqrt_estimate(128), recip_sqrt_estimate(511)), (511, 256));
        for a in 256..512 {
            assert!((256..512).contains(&recip_estimate(a)));
        }
        for a in 128..512 {
            assert!((256..512).contains(&recip_sqrt_estimate(a)));
        }
    }

    #[test]
    fn small_fractions_have_no_reciprocal() {
        let (word, fp) = (Shape::scalar(2), &mut Fp::default());
        assert_eq!(urecpe(fp, word, &[0x7fff_ffff]), 0xffff_ffff);
        assert_eq!(urecpe(fp, word, &[0x8000_0000]), 0xff80_0000);
        assert_eq!(ursqrte(fp, word, &[0x3fff_ffff]), 0xffff_ffff);
        assert_eq!(ursqrte(fp, word, &[0x4000_0000]), 0xff80_0000);
    }
}
