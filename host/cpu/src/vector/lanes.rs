//! Lanes: taking a register apart and putting it together.
//!
//! A loop over lanes is compiled once for each size of a lane, as a loop over arrays: a function of
//! plain arithmetic then becomes a few vector instructions of the host.

use super::Shape;

/// Lane `i` of `1 << size` bytes (8 at most), zero-extended.
#[inline(always)]
pub const fn get(value: u128, size: u32, i: u32) -> u64 {
    let bit = i << (3 + size);
    debug_assert!(bit < 128);
    // A lane does not cross the middle; a shift by 64 or nothing is cheaper than one by anything.
    let half = (value >> (bit & 64)) as u64;
    half >> (bit & 63) & (u64::MAX >> (64 - (8 << size)))
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

/// A function with the bytes of a lane as a constant.
macro_rules! by_size {
    ($shape:expr, $function:ident($($argument:expr),*)) => {
        match $shape.size {
            0 => $function::<1>($($argument),*),
            1 => $function::<2>($($argument),*),
            2 => $function::<4>($($argument),*),
            _ => $function::<8>($($argument),*),
        }
    };
}

/// The number that bytes are.
#[inline(always)]
fn number<const B: usize>(lane: &[u8; B]) -> u64 {
    let mut all = [0; 8];
    all[..B].copy_from_slice(lane);
    u64::from_le_bytes(all)
}

/// The low bytes of a number.
#[inline(always)]
fn bytes<const B: usize>(number: u64) -> [u8; B] {
    let mut lane = [0; B];
    lane.copy_from_slice(&number.to_le_bytes()[..B]);
    lane
}

/// A register of which lane `i`, of `B` bytes, is `f(i)`; what lies above the last is 0.
#[inline(always)]
fn collect<const B: usize>(lanes: u32, mut f: impl FnMut(usize) -> u64) -> u128 {
    let mut all = [0; 16];
    let places = all.as_chunks_mut::<B>().0;
    if lanes as usize == places.len() {
        // As many as there can be: a loop whose length the compiler knows.
        for (i, lane) in places.iter_mut().enumerate() {
            *lane = bytes(f(i));
        }
    } else {
        for (i, lane) in places.iter_mut().enumerate().take(lanes as usize) {
            *lane = bytes(f(i));
        }
    }
    u128::from_le_bytes(all)
}

/// Lane `i` is `f(i)`.
#[inline(always)]
pub fn each(shape: Shape, mut f: impl FnMut(u32) -> u64) -> u128 {
    by_size!(shape, collect(shape.lanes, |i| f(i as u32)))
}

/// Each lane of one register.
#[inline(always)]
pub fn map(shape: Shape, a: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    #[inline(always)]
    fn of<const B: usize>(lanes: u32, a: [u8; 16], f: &mut impl FnMut(u64) -> u64) -> u128 {
        let a = a.as_chunks::<B>().0;
        collect::<B>(lanes, |i| f(number(&a[i])))
    }
    by_size!(shape, of(shape.lanes, a.to_le_bytes(), &mut f))
}

/// Lane by lane of two registers.
#[inline(always)]
pub fn map2(shape: Shape, a: u128, b: u128, mut f: impl FnMut(u64, u64) -> u64) -> u128 {
    #[inline(always)]
    fn of<const B: usize>(
        lanes: u32,
        [a, b]: [[u8; 16]; 2],
        f: &mut impl FnMut(u64, u64) -> u64,
    ) -> u128 {
        let (a, b) = (a.as_chunks::<B>().0, b.as_chunks::<B>().0);
        collect::<B>(lanes, |i| f(number(&a[i]), number(&b[i])))
    }
    by_size!(shape, of(shape.lanes, [a, b].map(u128::to_le_bytes), &mut f))
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
    each(shape, |i| f(get(a, size, i), get(b, size, i), get(c, size, i)))
}

/// `shape.lanes` lanes of the shape's size, each from a lane of `a` of half the size, the first
/// of them number `first`.
#[inline(always)]
pub fn widen(shape: Shape, a: u128, first: u32, mut f: impl FnMut(u64) -> u64) -> u128 {
    each(shape, |i| f(get(a, shape.size - 1, first + i)))
}

/// `shape.lanes` lanes of the shape's size, each from a lane of `a` of twice the size.
#[inline(always)]
pub fn narrow(shape: Shape, a: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    each(shape, |i| f(get(a, shape.size + 1, i)))
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
