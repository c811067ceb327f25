//! The rounds of AES (FIPS 197), as AESE and kin divide them.
//!
//! ```text
//!   AESE:  SubBytes(ShiftRows(state + key))      AESMC:   MixColumns(state)
//!   AESD:  their inverses, of state + key        AESIMC:  its inverse
//! ```
//!
//! The state is four columns of four bytes: byte `4c + r` of the register is row r, column c.
//! The S-box is computed from its definition when this is compiled: the inverse in GF(2^8), then
//! an affine map.

use super::{Fp, Shape};

/// The field's polynomial, x^8 + x^4 + x^3 + x + 1, without its x^8.
const POLYNOMIAL: u8 = 0x1b;

/// Multiplies in GF(2^8).
const fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { POLYNOMIAL } else { 0 };
        b >>= 1;
    }
    product
}

/// The S-box and its inverse.
const S_BOXES: ([u8; 256], [u8; 256]) = {
    let (mut forward, mut inverse) = ([0; 256], [0; 256]);
    // 3 generates the field, and `reciprocal` walks backwards as `a` walks forwards.
    let (mut a, mut reciprocal, mut i) = (1u8, 1u8, 0);
    let third = 0xf6;
    while i < 256 {
        // The last step stands for 0, which has no inverse and is mapped to itself.
        let (a0, b) = if i == 255 { (0, 0) } else { (a, reciprocal) };
        let s =
            b ^ b.rotate_left(1) ^ b.rotate_left(2) ^ b.rotate_left(3) ^ b.rotate_left(4) ^ 0x63;
        forward[a0 as usize] = s;
        inverse[s as usize] = a0;
        a = multiply(a, 3);
        reciprocal = multiply(reciprocal, third);
        i += 1;
    }
    (forward, inverse)
};

/// Products with the coefficients of MixColumns' inverse.
const fn times(factor: u8) -> [u8; 256] {
    let (mut table, mut i) = ([0; 256], 0);
    while i < 256 {
        table[i] = multiply(i as u8, factor);
        i += 1;
    }
    table
}
const TIMES: [[u8; 256]; 6] = [times(2), times(3), times(9), times(11), times(13), times(14)];

/// Substitutes the bytes of the state with row r moved by r columns: to the left, or back.
#[inline(always)]
fn substitute(state: u128, key: u128, s_box: &[u8; 256], left: bool) -> u128 {
    let from = (state ^ key).to_le_bytes();
    let mut to = [0; 16];
    for (i, byte) in to.iter_mut().enumerate() {
        let row = i % 4;
        let columns = if left { row } else { 4 - row };
        *byte = s_box[usize::from(from[(i + 4 * columns) % 16])];
    }
    u128::from_le_bytes(to)
}

/// Multiplies each column by a circulant matrix: the tables are its first row, `None` for 1.
#[inline(always)]
fn mix(state: u128, row: [Option<&[u8; 256]>; 4]) -> u128 {
    let from = state.to_le_bytes();
    let mut to = [0; 16];
    for (i, byte) in to.iter_mut().enumerate() {
        for (k, table) in row.iter().enumerate() {
            let a = from[i & !3 | (i + k) & 3];
            *byte ^= table.map_or(a, |table| table[usize::from(a)]);
        }
    }
    u128::from_le_bytes(to)
}

/// AESE of the state and a key.
pub fn aese(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    substitute(v[0], v[1], &S_BOXES.0, true)
}

/// AESD of the state and a key.
pub fn aesd(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    substitute(v[0], v[1], &S_BOXES.1, false)
}

/// AESMC.
pub fn aesmc(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    mix(v[0], [Some(&TIMES[0]), Some(&TIMES[1]), None, None])
}

/// AESIMC.
pub fn aesimc(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    mix(v[0], [Some(&TIMES[5]), Some(&TIMES[3]), Some(&TIMES[4]), Some(&TIMES[2])])
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Shape = Shape::scalar(4);

    /// FIPS 197 5.2: the eleven round keys of a 128-bit key.
    fn round_keys(key: u128) -> Vec<u128> {
        let mut words: Vec<u32> = (0..4).map(|i| (key >> (32 * i)) as u32).collect();
        let mut constant = 1;
        for i in 4..44 {
            let mut word = words[i - 1];
            if i % 4 == 0 {
                let bytes = word.rotate_right(8).to_le_bytes();
                word = u32::from_le_bytes(bytes.map(|b| S_BOXES.0[usize::from(b)]));
                word ^= u32::from(constant);
                constant = multiply(constant, 2);
            }
            words.push(words[i - 4] ^ word);
        }
        let key = |w: &[u32]| w.iter().rev().fold(0, |key, w| key << 32 | u128::from(*w));
        words.chunks(4).map(key).collect()
    }

    #[test]
    fn the_example_of_fips_197() {
        // FIPS 197 appendix C.1.
        let key = u128::from_be_bytes(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0fu128.to_le_bytes());
        let plain = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeffu128.swap_bytes();
        let cipher = 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55au128.swap_bytes();
        let keys = round_keys(key);
        let fp = &mut Fp::default();

        let mut state = plain;
        for key in &keys[..9] {
            state = aese(fp, WHOLE, &[state, *key]);
            state = aesmc(fp, WHOLE, &[state]);
        }
        state = aese(fp, WHOLE, &[state, keys[9]]) ^ keys[10];
        assert_eq!(state, cipher);

        // FIPS 197 5.3.5, the equivalent inverse cipher.
        state = aesd(fp, WHOLE, &[state, keys[10]]);
        for key in keys[1..10].iter().rev() {
            state = aesimc(fp, WHOLE, &[state]);
            let key = aesimc(fp, WHOLE, &[*key]);
            state = aesd(fp, WHOLE, &[state, key]);
        }
        assert_eq!(state ^ keys[0], plain);
    }
}
