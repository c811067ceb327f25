//! SHA-1 (FIPS 180-4 6.1), as SHA1C and kin divide it: four rounds at a time, and the schedule.

use super::{Fp, Shape, get, map2};

const WORDS: Shape = Shape::vector(2, 1);

/// Word `i` of a register.
#[inline(always)]
pub(super) fn word(v: u128, i: u32) -> u32 {
    get(v, 2, i) as u32
}

/// The manual's `SHAchoose`.
#[inline(always)]
pub(super) fn choose(x: u32, y: u32, z: u32) -> u32 {
    ((y ^ z) & x) ^ z
}

/// The manual's `SHAmajority`.
#[inline(always)]
pub(super) fn majority(x: u32, y: u32, z: u32) -> u32 {
    (x & y) | ((x | y) & z)
}

/// The manual's `SHAparity`.
#[inline(always)]
fn parity(x: u32, y: u32, z: u32) -> u32 {
    x ^ y ^ z
}

/// Four rounds: a to d in `v[0]`, e in `v[1]`, words of the schedule with their constant in `v[2]`.
#[inline(always)]
fn hash(v: &[u128], f: impl Fn(u32, u32, u32) -> u32) -> u128 {
    let (mut x, mut y) = (v[0], word(v[1], 0));
    for i in 0..4 {
        let t = f(word(x, 1), word(x, 2), word(x, 3));
        y = y.wrapping_add(word(x, 0).rotate_left(5)).wrapping_add(t).wrapping_add(word(v[2], i));
        // b is rotated; then y:x moves up by a word, and its top comes in at the bottom.
        let top = word(x, 3);
        let b = u128::from(word(x, 1).rotate_left(30));
        x = (x & !(0xffff_ffff << 32) | b << 32) << 32 | u128::from(y);
        y = top;
    }
    x
}

/// SHA1C.
pub fn sha1c(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    hash(v, choose)
}

/// SHA1P.
pub fn sha1p(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    hash(v, parity)
}

/// SHA1M.
pub fn sha1m(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    hash(v, majority)
}

/// SHA1H of `v[1]`.
pub fn sha1h(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    word(v[1], 0).rotate_left(30).into()
}

/// SHA1SU0.
pub fn sha1su0(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    (v[1] << 64 | v[0] >> 64) ^ v[0] ^ v[2]
}

/// SHA1SU1.
pub fn sha1su1(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    let t = v[0] ^ v[1] >> 32;
    let rotated = map2(WORDS, t, 0, |t, _| (t as u32).rotate_left(1).into());
    rotated ^ u128::from(word(t, 0).rotate_left(2)) << 96
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_abc() {
        let fp = &mut Fp::default();
        let shape = Shape::scalar(4);
        // "abc", a one, zeros, 24 bits.
        let mut w = vec![0x6162_6380u128, 0, 0, 0x18 << 96];
        for t in 4..20 {
            let x = sha1su0(fp, shape, &[w[t - 4], w[t - 3], w[t - 2]]);
            let x = sha1su1(fp, shape, &[x, w[t - 1]]);
            w.push(x);
        }
        let start = (0x1032_5476_98ba_dcfe_efcd_ab89_6745_2301, 0xc3d2_e1f0);
        let (mut abcd, mut e): (u128, u128) = start;
        let constants = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6u64];
        for (t, w) in w.iter().enumerate() {
            let add = |w: u64, _| w + constants[t / 5];
            let schedule = map2(WORDS, *w, 0, add);
            let next = sha1h(fp, shape, &[0, abcd]);
            let f = [sha1c, sha1p, sha1m, sha1p][t / 5];
            abcd = f(fp, shape, &[abcd, e, schedule]);
            e = next;
        }
        abcd = map2(WORDS, abcd, start.0, |a, b| a + b);
        let digest: Vec<u32> = (0..4).map(|i| word(abcd, i)).collect();
        assert_eq!(digest, [0xa999_3e36, 0x4706_816a, 0xba3e_2571, 0x7850_c26c]);
        assert_eq!((e + start.1) as u32, 0x9cd0_d89d);
    }
}
