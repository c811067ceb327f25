//! Bits: logic on whole registers, counts and reversals in lanes.

use super::{Fp, Shape, keep, map, sext};

/// AND.
pub fn and(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    keep(shape, v[0] & v[1])
}

/// BIC.
pub fn bic(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    keep(shape, v[0] & !v[1])
}

/// ORR.
pub fn orr(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    keep(shape, v[0] | v[1])
}

/// ORN.
pub fn orn(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    keep(shape, v[0] | !v[1])
}

/// EOR.
pub fn eor(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    keep(shape, v[0] ^ v[1])
}

/// BSL, BIT, BIF: where the first has a 1, the second's bit, else the third's.
pub fn bsl(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    keep(shape, v[0] & v[1] | !v[0] & v[2])
}

/// NOT.
pub fn not(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    keep(shape, !v[0])
}

/// RBIT: the bits of each lane in reverse order.
pub fn rbit(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| a.reverse_bits() >> (64 - shape.bits()))
}

/// The lanes in reverse order inside containers of `1 << container` bytes: lane `i` comes from
/// where the bits of `i` that count lanes of a container are turned.
fn reverse(shape: Shape, container: u32, v: u128) -> u128 {
    let turn = (1 << (container - shape.size)) - 1;
    super::each(shape, |i| super::get(v, shape.size, i ^ turn))
}

/// REV16.
pub fn rev16(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    reverse(shape, 1, v[0])
}

/// REV32.
pub fn rev32(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    reverse(shape, 2, v[0])
}

/// REV64.
pub fn rev64(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    reverse(shape, 3, v[0])
}

/// CLS: bits after the sign that equal it.
pub fn cls(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| {
        let a = sext(a, shape.size);
        u64::from((a ^ a >> 63).leading_zeros() - (64 - shape.bits()) - 1)
    })
}

/// CLZ.
pub fn clz(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| u64::from(a.leading_zeros() - (64 - shape.bits())))
}

/// CNT.
pub fn cnt(_: &mut Fp, shape: Shape, v: &[u128]) -> u128 {
    map(shape, v[0], |a| a.count_ones().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_of_lanes() {
        let (half, fp) = (Shape::vector(1, 0), &mut Fp::default());
        let v = [0xffff_8000_0001_0000];
        assert_eq!(cls(fp, half, &v), 0x000f_0000_000e_000f);
        assert_eq!(clz(fp, half, &v), 0x0000_0000_000f_0010);
        assert_eq!(cnt(fp, half, &v), 0x0010_0001_0001_0000);
    }

    #[test]
    fn reversals_stay_in_their_containers() {
        let fp = &mut Fp::default();
        let v = [0x0011_2233_4455_6677];
        assert_eq!(rev16(fp, Shape::vector(0, 0), &v), 0x1100_3322_5544_7766);
        assert_eq!(rev32(fp, Shape::vector(0, 0), &v), 0x3322_1100_7766_5544);
        assert_eq!(rev32(fp, Shape::vector(1, 0), &v), 0x2233_0011_6677_4455);
        assert_eq!(rev64(fp, Shape::vector(2, 0), &v), 0x4455_6677_0011_2233);
        assert_eq!(rbit(fp, Shape::vector(0, 0), &[0x80f0]), 0x010f);
    }

    #[test]
    fn logic_keeps_to_the_shape() {
        let fp = &mut Fp::default();
        assert_eq!(not(fp, Shape::vector(0, 0), &[0]), u64::MAX.into());
        assert_eq!(orn(fp, Shape::vector(0, 1), &[0, 0]), u128::MAX);
        assert_eq!(bsl(fp, Shape::vector(0, 1), &[0b1100, 0b1010, 0b0101]), 0b1001);
    }
}
