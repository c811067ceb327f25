//! Lanes: taking a register apart and putting it together.

use super::Shape;

/// Lane `i` of `1 << size` bytes (8 at most), zero-extended.
#[inline(always)]
pub const fn get(value: u128, size: u32, i: u32) -> u64 {
    let bits = 8 << size;
    (value >> (i * bits)) as u64 & (u64::MAX >> (64 - bits))
}

/// `value` with lane `i` replaced by the low bits of `lane`.
#[inline(always)]
pub const fn put(value: u128, size: u32, i: u32, lane: u64) -> u128 {
    let bits = 8 << size;
    let mask = (u64::MAX >> (64 - bits)) as u128;
    value & !(mask << (i * bits)) | (lane as u128 & mask) << (i * bits)
}

/// A lane as a signed number.
#[inline(always)]
pub const fn sext(lane: u64, size: u32) -> i64 {
    let unused = 64 - (8 << size);
    ((lane << unused) as i64) >> unused
}

/// `value` without what lies above the shape's lanes.
#[inline(always)]
pub const fn keep(shape: Shape, value: u128) -> u128 {
    value & (u128::MAX >> (128 - shape.lanes * shape.bits()))
}

/// The lanes of `value`, lowest first.
#[inline(always)]
pub fn lanes(value: u128, shape: Shape) -> impl Iterator<Item = u64> {
    (0..shape.lanes).map(move |i| get(value, shape.size, i))
}

/// A register whose lane `i` is `f(i)`; what lies above the shape's lanes is 0.
#[inline(always)]
fn build(size: u32, lanes: u32, mut f: impl FnMut(u32) -> u64) -> u128 {
    let bits = 8 << size;
    let mask = u128::from(u64::MAX >> (64 - bits));
    (0..lanes).fold(0, |value, i| value | (u128::from(f(i)) & mask) << (i * bits))
}

/// Lane `i` is `f(i)`.
#[inline(always)]
pub fn each(shape: Shape, f: impl FnMut(u32) -> u64) -> u128 {
    build(shape.size, shape.lanes, f)
}

/// Each lane of one register.
#[inline(always)]
pub fn map(shape: Shape, a: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    build(shape.size, shape.lanes, |i| f(get(a, shape.size, i)))
}

/// Lane by lane of two registers.
#[inline(always)]
pub fn map2(shape: Shape, a: u128, b: u128, mut f: impl FnMut(u64, u64) -> u64) -> u128 {
    let size = shape.size;
    build(size, shape.lanes, |i| f(get(a, size, i), get(b, size, i)))
}

/// Lane by lane of three registers.
#[inline(always)]
pub fn map3(
    shape: Shape,
    a: u128,
    b: u128,
    c: u128,
    mut f: impl FnMut(u64, u64, u64) -> u64,
) -> u128 {
    let size = shape.size;
    build(size, shape.lanes, |i| f(get(a, size, i), get(b, size, i), get(c, size, i)))
}

/// `shape.lanes` lanes of the shape's size, each from a lane of `a` of half the size, the first
/// of them number `first`.
#[inline(always)]
pub fn widen(shape: Shape, a: u128, first: u32, mut f: impl FnMut(u64) -> u64) -> u128 {
    build(shape.size, shape.lanes, |i| f(get(a, shape.size - 1, first + i)))
}

/// `shape.lanes` lanes of the shape's size, each from a lane of `a` of twice the size.
#[inline(always)]
pub fn narrow(shape: Shape, a: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    build(shape.size, shape.lanes, |i| f(get(a, shape.size + 1, i)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_taken_and_put_back() {
        let value = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
        assert_eq!(get(value, 0, 15), 0x0f);
        assert_eq!(get(value, 1, 1), 0x0302);
        assert_eq!(get(value, 3, 1), 0x0f0e_0d0c_0b0a_0908);
        assert_eq!(put(value, 2, 3, 0x1_dead_beef) >> 96, 0xdead_beef);
        assert_eq!(sext(0x80, 0), -128);
        assert_eq!(map(Shape::vector(0, 0), value, |lane| lane + 1), 0x0807_0605_0403_0201);
        assert_eq!(map2(Shape::scalar(2), value, value, |a, b| a + b), 0x0604_0200);
        assert_eq!(widen(Shape::vector(1, 1), value, 8, |a| a) >> 112, 0x0f);
        assert_eq!(narrow(Shape::vector(0, 0), value, |a| a), 0x0e0c_0a08_0604_0200);
    }
}
