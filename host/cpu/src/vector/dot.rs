//! Dot products of bytes (FEAT_DotProd), and products of 2x8 and 8x2 matrices of bytes
//! (FEAT_I8MM), added to words modulo 2^32.
//!
//! ```text
//!   dot product: a word += its four bytes of Vn times its four bytes of Vm
//!   matrices:    word [2i + j] += the eight bytes of Vn's half i times those of Vm's half j
//! ```
//!
//! The operands are Vd, Vn, Vm.

use super::{Fp, Shape, get, sext};

/// A byte as a number.
#[inline(always)]
fn byte(v: u128, i: u32, signed: bool) -> i64 {
    let byte = get(v, 0, i);
    if signed { sext(byte, 0) } else { byte as i64 }
}

/// A word and the products of `count` bytes of two registers, from these bytes on.
#[inline(always)]
fn sum(word: u64, n: (u128, u32), m: (u128, u32), count: u32, signed: (bool, bool)) -> u64 {
    let product = |i| byte(n.0, n.1 + i, signed.0) * byte(m.0, m.1 + i, signed.1);
    word.wrapping_add_signed((0..count).map(product).sum())
}

#[inline(always)]
fn words(v: u128, lanes: u32, f: impl Fn(u64, u32) -> u64) -> u128 {
    (0..lanes).fold(0, |all, i| super::put(all, 2, i, f(get(v, 2, i), i)))
}

#[inline(always)]
fn dot(shape: Shape, v: &[u128], signed: (bool, bool)) -> u128 {
    words(v[0], shape.lanes, |word, i| sum(word, (v[1], 4 * i), (v[2], 4 * i), 4, signed))
}

#[inline(always)]
fn matrix(v: &[u128], signed: (bool, bool)) -> u128 {
    words(v[0], 4, |word, i| sum(word, (v[1], i / 2 * 8), (v[2], i % 2 * 8), 8, signed))
}

/// SDOT.
pub fn sdot(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    dot(shape, v, (true, true))
}

/// UDOT.
pub fn udot(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    dot(shape, v, (false, false))
}

/// USDOT.
pub fn usdot(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    dot(shape, v, (false, true))
}

/// SUDOT.
pub fn sudot(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    dot(shape, v, (true, false))
}

/// SMMLA.
pub fn smmla(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    matrix(v, (true, true))
}

/// UMMLA.
pub fn ummla(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    matrix(v, (false, false))
}

/// USMMLA.
pub fn usmmla(_: &mut Fp, _: Shape, v: &[u128]) -> u128 {
    matrix(v, (false, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_those_of_the_name() {
        let fp = &mut Fp::default();
        let shape = Shape::vector(2, 0);
        let (n, m) = (0x01_00_00_ff, 0x00_00_00_fe);
        let v = [0x1_0000_0005, n, m];
        assert_eq!(sdot(fp, shape, &v), 0x1_0000_0007);
        assert_eq!(udot(fp, shape, &v), 0x1_0000_fd07);
        assert_eq!(usdot(fp, shape, &v), 0x1_ffff_fe07);
        assert_eq!(sudot(fp, shape, &v), 0x1_ffff_ff07);
    }

    #[test]
    fn matrices_are_rows_by_rows() {
        let fp = &mut Fp::default();
        let (n, m) = (3 << 64 | 2, 7 << 64 | 5);
        assert_eq!(ummla(fp, Shape::vector(2, 1), &[0, n, m]), 21 << 96 | 15 << 64 | 14 << 32 | 10);
    }
}
