//! SHA-512 (FIPS 180-4 6.4), as SHA512H and kin divide it: two rounds at a time, and the schedule.

use super::{Fp, Shape};

/// The two doublewords of a register, the upper one first.
#[inline(always)]
fn halves(v: u128) -> (u64, u64) {
    ((v >> 64) as u64, v as u64)
}

#[inline(always)]
fn join(upper: u64, lower: u64) -> u128 {
    u128::from(upper) << 64 | u128::from(lower)
}

/// Three rotations of a doubleword, or two and a shift, exclusively or-ed.
#[inline(always)]
fn sigma(x: u64, a: u32, b: u32, last: u64) -> u64 {
    x.rotate_right(a) ^ x.rotate_right(b) ^ last
}

/// SHA512H: the sums of two rounds that go into e, and into a with those of [`sha512h2`].
pub fn sha512h(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    let (w, x, y) = (halves(v[0]), halves(v[1]), halves(v[2]));
    let sum = |e: u64, f: u64, g: u64, w: u64| {
        let choose = e & f ^ !e & g;
        choose.wrapping_add(sigma(e, 14, 18, e.rotate_right(41))).wrapping_add(w)
    };
    let upper = sum(y.0, x.1, x.0, w.0);
    let lower = sum(upper.wrapping_add(y.1), y.0, x.1, w.1);
    join(upper, lower)
}

/// SHA512H2: a and b after two rounds.
pub fn sha512h2(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    let (w, x, y) = (halves(v[0]), halves(v[1]), halves(v[2]));
    let sum = |a: u64, b: u64, c: u64, w: u64| {
        let majority = a & b ^ a & c ^ b & c;
        majority.wrapping_add(sigma(a, 28, 34, a.rotate_right(39))).wrapping_add(w)
    };
    let upper = sum(y.1, y.0, x.1, w.0);
    let lower = sum(upper, y.1, y.0, w.1);
    join(upper, lower)
}

/// SHA512SU0.
pub fn sha512su0(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    let (w, x) = (halves(v[0]), halves(v[1]));
    let next = |w: u64, x: u64| sigma(x, 1, 8, x >> 7).wrapping_add(w);
    join(next(w.0, x.1), next(w.1, w.0))
}

/// SHA512SU1.
pub fn sha512su1(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    let (w, x, y) = (halves(v[0]), halves(v[1]), halves(v[2]));
    let next = |w: u64, x: u64, y: u64| sigma(x, 19, 61, x >> 6).wrapping_add(w).wrapping_add(y);
    join(next(w.0, x.0, y.0), next(w.1, x.1, y.1))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::vector::map2;

    /// r^3 as four digits of 64 bits.
    fn cube(r: u128) -> [u64; 4] {
        let mut power = [1, 0, 0, 0];
        for _ in 0..3 {
            let mut product = [0u64; 4];
            for (i, a) in power.into_iter().enumerate() {
                let mut carry = 0;
                for (j, b) in [r as u64, (r >> 64) as u64, 0, 0].into_iter().enumerate() {
                    if let Some(digit) = product.get_mut(i + j) {
                        carry += u128::from(a) * u128::from(b) + u128::from(*digit);
                        *digit = carry as u64;
                        carry >>= 64;
                    }
                }
            }
            power = product;
        }
        power
    }

    /// FIPS 180-4 4.2.3: 64 bits of the fractional parts of the cube roots of the first 80 primes.
    /// (4.2.2: SHA-256's are the first 32 of them.)
    pub(in crate::vector) fn constants() -> Vec<u64> {
        let prime = |n: &u64| (2..*n).all(|d| !n.is_multiple_of(d));
        let root = |n: u64| {
            let fits = |r: u128| cube(r).into_iter().rev().le([n, 0, 0, 0]);
            (0..67).rev().fold(0, |r, bit| if fits(r | 1 << bit) { r | 1 << bit } else { r }) as u64
        };
        (2..).filter(prime).take(80).map(root).collect()
    }

    #[test]
    fn the_hash_of_abc() {
        let (fp, shape) = (&mut Fp::default(), Shape::vector(3, 1));
        let add = |a: u128, b: u128| map2(shape, a, b, u64::wrapping_add);
        // What EXT of 8 bytes gives.
        let middle = |low: u128, high: u128| high << 64 | low >> 64;

        // "abc", a one, zeros, 24 bits; two words each.
        let mut w = vec![0x6162_6380_0000_0000u128, 0, 0, 0, 0, 0, 0, 0x18 << 64];
        for t in 8..40 {
            let x = sha512su0(fp, shape, &[w[t - 8], w[t - 7]]);
            let x = sha512su1(fp, shape, &[x, w[t - 1], middle(w[t - 4], w[t - 3])]);
            w.push(x);
        }
        let start = [
            0xbb67_ae85_84ca_a73b_6a09_e667_f3bc_c908,
            0xa54f_f53a_5f1d_36f1_3c6e_f372_fe94_f82b,
            0x9b05_688c_2b3e_6c1f_510e_527f_ade6_82d1,
            0x5be0_cd19_137e_2179_1f83_d9ab_fb41_bd6b,
        ];
        let [mut ab, mut cd, mut ef, mut gh] = start;
        for (w, k) in w.iter().zip(constants().chunks(2)) {
            let w = add(*w, join(k[1], k[0])).rotate_left(64);
            let sum = sha512h(fp, shape, &[add(gh, w), middle(ef, gh), middle(cd, ef)]);
            let next = sha512h2(fp, shape, &[sum, cd, ab]);
            (ab, cd, ef, gh) = (next, ab, add(cd, sum), ef);
        }
        let digest: Vec<u128> =
            [ab, cd, ef, gh].into_iter().zip(start).map(|(a, b)| add(a, b)).collect();
        assert_eq!(digest[0], 0xcc41_7349_ae20_4131_ddaf_35a1_9361_7aba);
        assert_eq!(digest[1], 0x0a9e_eee6_4b55_d39a_12e6_fa4e_89a9_7ea2);
        assert_eq!(digest[2], 0x36ba_3c23_a3fe_ebbd_2192_992a_274f_c1a8);
        assert_eq!(digest[3], 0x2a9a_c94f_a54c_a49f_454d_4423_643c_e80e);
    }
}
