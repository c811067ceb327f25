//! What SHA-3 (FIPS 202) is made of: exclusive or with a rotation, of three, or with an and-not.

use super::{Fp, Shape, map2};

/// EOR3.
pub fn eor3(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    v[0] ^ v[1] ^ v[2]
}

/// BCAX.
pub fn bcax(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    v[0] ^ v[1] & !v[2]
}

/// RAX1 of `v[1]` and `v[2]`.
pub fn rax1(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    map2(Shape::vector(3, 1), v[1], v[2], |a, b| a ^ b.rotate_left(1))
}

/// XAR; the immediate says how far to rotate.
pub fn xar(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map2(shape, v[0], v[1], |a, b| (a ^ b).rotate_right(shape.imm))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 202 3.2.5, algorithm 5: the round constants, from the register that makes their bits.
    fn constants() -> Vec<u64> {
        let mut register = 1u16;
        let mut bit = || {
            let out = u64::from(register & 1);
            register <<= 1;
            register ^= if register & 0x100 != 0 { 0x171 } else { 0 };
            out
        };
        let mut constant = || (0..7).fold(0, |rc, j| rc | bit() << ((1 << j) - 1));
        (0..24).map(|_| constant()).collect()
    }

    /// KECCAK-f[1600], twice side by side.
    fn keccak(a: &mut [[u128; 5]; 5]) {
        let (fp, whole) = (&mut Fp::default(), Shape::scalar(4));
        for rc in constants() {
            // theta: the parities of columns.
            let c = [0, 1, 2, 3, 4].map(|x| {
                let upper = eor3(fp, whole, &[a[0][x], a[1][x], a[2][x]]);
                eor3(fp, whole, &[upper, a[3][x], a[4][x]])
            });
            let d = [0, 1, 2, 3, 4].map(|x| rax1(fp, whole, &[0, c[(x + 4) % 5], c[(x + 1) % 5]]));
            // rho and pi: each lane is rotated and moved.
            let mut b = [[0; 5]; 5];
            b[0][0] = a[0][0] ^ d[0];
            let (mut x, mut y) = (1, 0);
            for t in 0..24 {
                let left: u32 = (t + 1) * (t + 2) / 2;
                let right = Shape::vector(3, 1).with(left.wrapping_neg() & 63);
                b[(2 * x + 3 * y) % 5][y] = xar(fp, right, &[a[y][x], d[x]]);
                (x, y) = (y, (2 * x + 3 * y) % 5);
            }
            // chi and iota.
            for (to, b) in a.iter_mut().zip(b) {
                *to = [0, 1, 2, 3, 4]
                    .map(|x| bcax(fp, whole, &[b[x], b[(x + 2) % 5], b[(x + 1) % 5]]));
            }
            a[0][0] ^= u128::from(rc) << 64 | u128::from(rc);
        }
    }

    #[test]
    fn the_sha3_256_hash_of_abc() {
        let mut a = [[0; 5]; 5];
        // "abc", the suffix 01 and the padding of a block of 136 bytes; the upper half: "".
        a[0][0] = 0x06 << 64 | 0x0663_6261;
        a[3][1] = 1 << 127 | 1 << 63;
        keccak(&mut a);
        let digest = |shift: u32| {
            a[0][..4]
                .iter()
                .map(|lane| (lane >> shift) as u64)
                .map(u64::swap_bytes)
                .collect::<Vec<_>>()
        };
        let abc = [
            0x3a98_5da7_4fe2_25b2,
            0x045c_172d_6bd3_90bd,
            0x855f_086e_3e9d_525b,
            0x46bf_e245_1143_1532,
        ];
        let empty = [
            0xa7ff_c6f8_bf1e_d766,
            0x51c1_4756_a061_d662,
            0xf580_ff4d_e43b_49fa,
            0x82d8_0a4b_80f8_434a,
        ];
        assert_eq!(digest(0), abc);
        assert_eq!(digest(64), empty);
    }
}
