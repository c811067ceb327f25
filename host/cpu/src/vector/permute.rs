//! Lanes and bytes that move.

use super::{Fp, Shape, each, get, keep, put};

/// DUP: lane `imm` of a whole register in all lanes.
pub fn dup(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let lane = get(v[0], shape.size, shape.imm);
    each(shape, |_| lane)
}

/// INS: the first register with the lowest lane of the second as its lane `imm`.
pub fn ins(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    put(v[0], shape.size, shape.imm, get(v[1], shape.size, 0))
}

/// EXT: the bytes from number `imm` on, of the first register and then the second.
pub fn ext(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    let from = 8 * shape.imm;
    let above = 8 * shape.lanes - from;
    let low = keep(shape, v[0]) >> from;
    keep(shape, low | v[1].checked_shl(above).unwrap_or(0))
}

/// The byte of a table at an index, if it has one.
#[inline(always)]
fn look_up(table: &[u128], index: u64) -> Option<u64> {
    table.get(index as usize / 16).map(|part| get(*part, 0, index as u32 % 16))
}

/// TBL: bytes of a table of one to four registers, behind the indices; 0 for an index too large.
pub fn tbl(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    each(shape, |i| look_up(&v[1..], get(v[0], 0, i)).unwrap_or(0))
}

/// TBX: the same behind a register that has the bytes for indices too large.
pub fn tbx(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    each(shape, |i| look_up(&v[2..], get(v[1], 0, i)).unwrap_or(get(v[0], 0, i)))
}

/// Each second lane of the first register and then of the second.
#[inline(always)]
fn unzip(shape: Shape, v: &[u128], odd: u32) -> u128 {
    let half = shape.lanes / 2;
    each(shape, |i| {
        let from = v[usize::from(i >= half)];
        get(from, shape.size, 2 * (i % half) + odd)
    })
}

/// Lanes of the two registers in turn: from the lower halves, or from the upper.
#[inline(always)]
fn zip(shape: Shape, v: &[u128], upper: u32) -> u128 {
    let first = upper * shape.lanes / 2;
    each(shape, |i| get(v[i as usize % 2], shape.size, first + i / 2))
}

/// The even or odd lanes of the two registers in turn.
#[inline(always)]
fn transpose(shape: Shape, v: &[u128], odd: u32) -> u128 {
    each(shape, |i| get(v[i as usize % 2], shape.size, i & !1 | odd))
}

/// UZP1.
pub fn uzp1(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    unzip(shape, v, 0)
}

/// UZP2.
pub fn uzp2(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    unzip(shape, v, 1)
}

/// ZIP1.
pub fn zip1(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    zip(shape, v, 0)
}

/// ZIP2.
pub fn zip2(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    zip(shape, v, 1)
}

/// TRN1.
pub fn trn1(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    transpose(shape, v, 0)
}

/// TRN2.
pub fn trn2(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    transpose(shape, v, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u128 = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
    const B: u128 = 0x1f1e_1d1c_1b1a_1918_1716_1514_1312_1110;

    #[test]
    fn tables_end() {
        let (bytes, fp) = (Shape::vector(0, 0), &mut Fp::default());
        let indices = 0xff20_1f10_0f00_0110;
        assert_eq!(tbl(fp, bytes, &[indices, A]), 0x0000_0000_0f00_0100);
        assert_eq!(tbl(fp, bytes, &[indices, A, B]), 0x0000_1f10_0f00_0110);
        assert_eq!(tbx(fp, bytes, &[u128::MAX, indices, A]), 0xffff_ffff_0f00_01ff);
        let four = [u128::MAX, 0x4040_3f3f, A, B, A, B];
        assert_eq!(tbx(fp, bytes, &four), 0xffff_1f1f);
    }

    #[test]
    fn bytes_are_extracted_across_the_seam() {
        let fp = &mut Fp::default();
        assert_eq!(ext(fp, Shape::vector(0, 0).with(3), &[A, B]), 0x1211_1007_0605_0403);
        assert_eq!(ext(fp, Shape::vector(0, 1).with(15), &[A, B]), B << 8 | 0x0f);
        assert_eq!(ext(fp, Shape::vector(0, 1).with(0), &[A, B]), A);
        assert_eq!(ext(fp, Shape::vector(0, 0).with(0), &[A, B]), A & u128::from(u64::MAX));
    }

    #[test]
    fn lanes_change_places() {
        let (half, fp) = (Shape::vector(1, 0), &mut Fp::default());
        assert_eq!(uzp1(fp, half, &[A, B]), 0x1514_1110_0504_0100);
        assert_eq!(uzp2(fp, half, &[A, B]), 0x1716_1312_0706_0302);
        assert_eq!(zip1(fp, half, &[A, B]), 0x1312_0302_1110_0100);
        assert_eq!(zip2(fp, half, &[A, B]), 0x1716_0706_1514_0504);
        assert_eq!(trn1(fp, half, &[A, B]), 0x1514_0504_1110_0100);
        assert_eq!(trn2(fp, half, &[A, B]), 0x1716_0706_1312_0302);
        assert_eq!(dup(fp, half.with(7), &[A]), 0x0f0e_0f0e_0f0e_0f0e);
        assert_eq!(ins(fp, Shape::vector(0, 1).with(15), &[A, 0xab]) >> 120, 0xab);
    }
}
