//! SHA-256 (FIPS 180-4 6.2), as SHA256H and kin divide it: four rounds at a time, and the schedule.

use super::sha1::{choose, majority, word};
use super::{Fp, Shape, map2, map3};

const WORDS: Shape = Shape::vector(2, 1);

/// Three rotations of a word, or two and a shift, exclusively or-ed.
#[inline(always)]
fn sigma(x: u32, a: u32, b: u32, last: u32) -> u32 {
    x.rotate_right(a) ^ x.rotate_right(b) ^ last
}

/// Four rounds: a to d in `x`, e to h in `y`, words of the schedule with their constants in `w`.
#[inline(always)]
fn hash(mut x: u128, mut y: u128, w: u128) -> (u128, u128) {
    let top = 0xffff_ffff << 96;
    for i in 0..4 {
        let choose = choose(word(y, 0), word(y, 1), word(y, 2));
        let majority = majority(word(x, 0), word(x, 1), word(x, 2));
        let (a, e) = (word(x, 0), word(y, 0));
        let t = word(y, 3)
            .wrapping_add(sigma(e, 6, 11, e.rotate_right(25)))
            .wrapping_add(choose)
            .wrapping_add(word(w, i));
        let d = word(x, 3).wrapping_add(t);
        let h = t.wrapping_add(sigma(a, 2, 13, a.rotate_right(22))).wrapping_add(majority);
        // y:x moves up by a word, and its top comes in at the bottom.
        (x, y) = ((x & !top) << 32 | u128::from(h), (y & !top) << 32 | u128::from(d));
    }
    (x, y)
}

/// SHA256H: a to d after four rounds.
pub fn sha256h(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    hash(v[0], v[1], v[2]).0
}

/// SHA256H2: e to h after four rounds.
pub fn sha256h2(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    hash(v[1], v[0], v[2]).1
}

/// SHA256SU0.
pub fn sha256su0(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    let next = v[1] << 96 | v[0] >> 32;
    map2(WORDS, next, v[0], |next, a| {
        let x = next as u32;
        sigma(x, 7, 18, x >> 3).wrapping_add(a as u32).into()
    })
}

/// SHA256SU1.
pub fn sha256su1(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    let next = v[2] << 96 | v[1] >> 32;
    let two = |last| {
        map3(WORDS, last, v[0], next, |last, a, b| {
            let x = last as u32;
            sigma(x, 17, 19, x >> 10).wrapping_add(a as u32).wrapping_add(b as u32).into()
        })
    };
    // The upper words come from the lower ones of the result.
    let low = two(v[2] >> 64) & u128::from(u64::MAX);
    two(v[2] >> 64 | low << 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::map;
    use crate::vector::sha512::tests::constants;

    #[test]
    fn the_hash_of_abc() {
        let fp = &mut Fp::default();
        let shape = Shape::scalar(4);
        // "abc", a one, zeros, 24 bits.
        let mut w = vec![0x6162_6380u128, 0, 0, 0x18 << 96];
        for t in 4..16 {
            let x = sha256su0(fp, shape, &[w[t - 4], w[t - 3]]);
            let x = sha256su1(fp, shape, &[x, w[t - 2], w[t - 1]]);
            w.push(x);
        }
        let start =
            (0xa54f_f53a_3c6e_f372_bb67_ae85_6a09_e667, 0x5be0_cd19_1f83_d9ab_9b05_688c_510e_527f);
        let (mut abcd, mut efgh): (u128, u128) = start;
        for (w, k) in w.iter().zip(constants().chunks(4)) {
            let mut k = k.iter();
            let w = map(WORDS, *w, |w| w + (k.next().unwrap() >> 32));
            let next = sha256h(fp, shape, &[abcd, efgh, w]);
            efgh = sha256h2(fp, shape, &[efgh, abcd, w]);
            abcd = next;
        }
        abcd = map2(WORDS, abcd, start.0, |a, b| a + b);
        efgh = map2(WORDS, efgh, start.1, |a, b| a + b);
        assert_eq!(abcd, 0x5dae_2223_4141_40de_8f01_cfea_ba78_16bf);
        assert_eq!(efgh, 0xf200_15ad_b410_ff61_9617_7a9c_b003_61a3);
    }
}
