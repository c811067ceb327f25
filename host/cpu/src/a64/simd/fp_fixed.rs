//! Advanced SIMD shift by immediate, of fixed-point numbers (DDI 0487 C4.1): SCVTF, UCVTF, FCVTZS,
//! FCVTZU with a number of bits of fraction.
//!
//! ```text
//!   immh  immb     size     bits of fraction
//!   0001  xxx      reserved
//!   001x  xxx      16       32 - immh:immb
//!   01xx  xxx      32       64 - immh:immb
//!   1xxx  xxx      64       128 - immh:immb
//! ```
//!
//! With immh 0000 a vector is a modified immediate, which is another row's; a scalar is reserved.

use super::operand::{no_vector, same, same_scalar, unary};
use crate::a64::rows;
use crate::vector::float_convert::{Conversion, FPCR, fcvts, fcvtu, scvtf, ucvtf};
use crate::vector::{Function, Shape, function};

/// Towards zero.
const ZERO: u32 = 3;

/// Bytes of a lane as a power of two: the highest 1 of immh. Below 2 it is reserved.
#[inline(always)]
const fn size(immh: u32) -> u32 {
    (immh | 1).ilog2()
}

/// Bits of the fraction: 1 to the lane's size.
#[inline(always)]
const fn fraction(immh: u32, immb: u32) -> u32 {
    (16 << size(immh)) - (immh << 3 | immb)
}

/// SCVTF, UCVTF, FCVTZS, FCVTZU: by the low bits of the opcode and U, with the rounding mode.
#[inline(always)]
fn function(opcode: u32, unsigned: u32) -> (Function, u32) {
    match (opcode, unsigned) {
        (0, 0) => (function!(scvtf), FPCR),
        (0, _) => (function!(ucvtf), FPCR),
        (_, 0) => (function!(fcvts), ZERO),
        (_, _) => (function!(fcvtu), ZERO),
    }
}

fn name(opcode: u32, unsigned: u32) -> &'static str {
    [["scvtf", "ucvtf"], ["fcvtzs", "fcvtzu"]][usize::from(opcode != 0)][unsigned as usize]
}

/// Whether the opcode's low bits are those of neither SCVTF (11100) nor FCVTZS (11111).
#[inline(always)]
const fn no_opcode(opcode: u32) -> bool {
    opcode == 1 || opcode == 2
}

rows! {
    /// SCVTF, UCVTF, FCVTZS, FCVTZU (vector, fixed-point).
    FpFixed "0qu011110hhhhbbb111oo1nnnnnddddd"
        { q = q, unsigned = u, immh = h, immb = b, opcode = o, rn = n, rd = d }
        nonzero h,
        unless |i| i.immh == 1 || no_vector(size(i.immh), i.q) || no_opcode(i.opcode),
        text |i, pc| {
            let operands = same(name(i.opcode, i.unsigned), size(i.immh), i.q, [i.rd, i.rn]);
            format!("{operands}, #{}", fraction(i.immh, i.immb))
        }
        execute |i, e| {
            let (function, rounding) = function(i.opcode, i.unsigned);
            let (from, fraction) = (size(i.immh), fraction(i.immh, i.immb));
            let imm = Conversion { from, fraction, rounding }.imm();
            unary(e, function, Shape::vector(from, i.q).with(imm), i.rd, i.rn)
        }

    /// SCVTF, UCVTF, FCVTZS, FCVTZU (scalar, fixed-point).
    FpFixedScalar "01u111110hhhhbbb111oo1nnnnnddddd"
        { unsigned = u, immh = h, immb = b, opcode = o, rn = n, rd = d }
        unless |i| i.immh < 2 || no_opcode(i.opcode),
        text |i, pc| {
            let operands = same_scalar(name(i.opcode, i.unsigned), size(i.immh), [i.rd, i.rn]);
            format!("{operands}, #{}", fraction(i.immh, i.immb))
        }
        execute |i, e| {
            let (function, rounding) = function(i.opcode, i.unsigned);
            let (from, fraction) = (size(i.immh), fraction(i.immh, i.immb));
            let imm = Conversion { from, fraction, rounding }.imm();
            unary(e, function, Shape::scalar(from).with(imm), i.rd, i.rn)
        }
}
