//! Conversions of lanes: between formats, and between them and integers.
//!
//! The shape's size is that of the result's lanes; the immediate says what the operand's are, and
//! the rest ([`Conversion`]). Where the sizes differ there is one lane.

use super::{Fp, Shape, get, put};
use crate::fp::{self, Format, Rounding};

/// The immediate of a conversion.
///
/// ```text
///     11   10 9    3 2        0
///   +--------+------+----------+
///   |  from  | frac | rounding |
///   +--------+------+----------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Bytes of the operand's lanes, as a power of two.
    pub from: u32,
    /// Bits of the fraction of a fixed-point number: 0 to 64.
    pub fraction: u32,
    /// The rounding mode, as [`Rounding::of_immediate`] numbers them, or [`FPCR`].
    pub rounding: u32,
}

impl Conversion {
    /// As an immediate.
    pub const fn imm(self) -> u32 {
        self.from << 10 | self.fraction << 3 | self.rounding
    }

    /// From an immediate.
    pub const fn of(imm: u32) -> Self {
        Self { from: imm >> 10, fraction: imm >> 3 & 0x7f, rounding: imm & 7 }
    }

    /// Whether the immediate of the function of this name is one.
    pub fn is_of(function: &str) -> bool {
        matches!(function, "fcvts" | "fcvtu" | "scvtf" | "ucvtf" | "fcvt")
    }

    /// The rounding mode, which may be FPCR's.
    fn rounding(self, fp: &Fp) -> Rounding {
        if self.rounding == FPCR {
            Rounding::of_fpcr(fp)
        } else {
            Rounding::of_immediate(self.rounding)
        }
    }
}

/// The number of the rounding mode that stands in FPCR.
pub const FPCR: u32 = 7;

/// Each lane of the operand, of a size of its own.
fn lanes(shape: Shape, operand: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    let from = Conversion::of(shape.imm).from;
    (0..shape.lanes).fold(0, |to, i| put(to, shape.size, i, f(get(operand, from, i))))
}

fn to_integer(fp: &mut Fp, shape: Shape, operand: u128, unsigned: bool) -> u128 {
    let conversion = Conversion::of(shape.imm);
    let (f, rounding) = (Format::of_size(conversion.from), conversion.rounding(fp));
    lanes(shape, operand, |a| {
        fp::to_fixed(fp, f, a, conversion.fraction, unsigned, shape.bits(), rounding)
    })
}

fn from_integer(fp: &mut Fp, shape: Shape, operand: u128, unsigned: bool) -> u128 {
    let conversion = Conversion::of(shape.imm);
    let (f, rounding) = (Format::of_size(shape.size), conversion.rounding(fp));
    lanes(shape, operand, |a| {
        fp::from_fixed(fp, f, a, 8 << conversion.from, conversion.fraction, unsigned, rounding)
    })
}

/// To signed integers or fixed-point numbers.
pub fn fcvts(fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    to_integer(fp, shape, operands[0], false)
}

/// To unsigned integers or fixed-point numbers.
pub fn fcvtu(fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    to_integer(fp, shape, operands[0], true)
}

/// From signed integers or fixed-point numbers.
pub fn scvtf(fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    from_integer(fp, shape, operands[0], false)
}

/// From unsigned integers or fixed-point numbers.
pub fn ucvtf(fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    from_integer(fp, shape, operands[0], true)
}

/// To another format.
pub fn fcvt(fp: &mut Fp, shape: Shape, operands: &[u128]) -> u128 {
    let from = Format::of_size(Conversion::of(shape.imm).from);
    lanes(shape, operands[0], |a| fp::convert(fp, from, Format::of_size(shape.size), a))
}

/// From single precision to BFloat16.
pub fn bfcvt(fp: &mut Fp, _: Shape, operands: &[u128]) -> u128 {
    fp::convert_bf(fp, get(operands[0], 2, 0)).into()
}

/// From double precision to a 32-bit integer as JavaScript has it; N, Z, C and V in
/// bits 31:28 of the upper half.
pub fn fjcvtzs(fp: &mut Fp, _: Shape, operands: &[u128]) -> u128 {
    let (result, zero) = fp::to_js_int(fp, get(operands[0], 3, 0));
    u128::from(zero) << (64 + 30) | u128::from(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_immediate_is_a_conversion() {
        for (from, fraction, rounding) in [(1, 0, FPCR), (3, 64, 3), (2, 17, 4)] {
            let conversion = Conversion { from, fraction, rounding };
            assert_eq!(Conversion::of(conversion.imm()), conversion);
        }
    }

    #[test]
    fn lanes_of_another_size() {
        let fp = &mut Fp::default();
        let imm = Conversion { from: 1, fraction: 2, rounding: 3 }.imm();
        // 1.5 in half precision, with two bits of fraction; what is above it is not looked at.
        let result = fcvts(fp, Shape::scalar(3).with(imm), &[u128::MAX << 16 | 0xbe00]);
        assert_eq!(result, (-6i64) as u64 as u128);
        let imm = Conversion { from: 3, fraction: 0, rounding: FPCR }.imm();
        let result = scvtf(fp, Shape::scalar(1).with(imm), &[-6i64 as u64 as u128]);
        assert_eq!((result, fp.status), (0xc600, 0));
        let imm = Conversion { from: 2, fraction: 1, rounding: FPCR }.imm();
        let result = ucvtf(fp, Shape::vector(2, 0).with(imm), &[0x3_0000_0001]);
        assert_eq!(result, 0x3fc0_0000_3f00_0000);
    }
}
