//! Advanced SIMD two-register miscellaneous, from one floating-point format to another (DDI 0487
//! C4.1): the narrower lanes are in the lower half of a register, or in the upper half of the
//! instructions whose names end in 2.

use super::operand::{narrowing_text, part, set_part, vector, with_2};
use crate::a64::rows;
use crate::emit::Emit;
use crate::vector::float_convert::{Conversion, FPCR, fcvt};
use crate::vector::{Shape, float_estimate, function};

const S: u32 = 2;

/// FCVT of lanes to lanes of `1 << to` bytes.
#[inline(always)]
fn convert<E: Emit>(e: &mut E, from: u32, to: u32, lanes: u32, value: E::Q) -> E::Q {
    let imm = Conversion { from, fraction: 0, rounding: FPCR }.imm();
    e.vector(function!(fcvt), Shape { size: to, lanes, imm }, &[value])
}

rows! {
    /// FCVTN, FCVTN2: to lanes of half the size.
    FpNarrow "0q0011100z100001011010nnnnnddddd" { q = q, double = z, rn = n, rd = d }
        text |i, pc| { narrowing_text("fcvtn", 1 + i.double, i.q, [i.rd, i.rn]) }
        execute |i, e| {
            e.fp_enabled()?;
            let value = e.v(i.rn);
            let result = convert(e, S + i.double, 1 + i.double, 4 >> i.double, value);
            set_part(e, i.rd, i.q, result);
            Ok(())
        }

    /// FCVTL, FCVTL2: to lanes of twice the size.
    FpLong "0q0011100z100001011110nnnnnddddd" { q = q, double = z, rn = n, rd = d }
        text |i, pc| {
            let (wide, narrow) = (vector(S + i.double, 1, i.rd), vector(1 + i.double, i.q, i.rn));
            format!("{}\t{wide}, {narrow}", with_2("fcvtl", i.q))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let value = part(e, i.rn, i.q);
            let result = convert(e, 1 + i.double, S + i.double, 4 >> i.double, value);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// FCVTXN, FCVTXN2: doubles to singles, rounded to odd.
    FpNarrowOdd "0q10111001100001011010nnnnnddddd" { q = q, rn = n, rd = d }
        text |i, pc| { narrowing_text("fcvtxn", S, i.q, [i.rd, i.rn]) }
        execute |i, e| {
            e.fp_enabled()?;
            let value = e.v(i.rn);
            let result = e.vector(function!(float_estimate::fcvtxn), Shape::vector(S, 0), &[value]);
            set_part(e, i.rd, i.q, result);
            Ok(())
        }

    /// FCVTXN (scalar).
    FpNarrowOddScalar "0111111001100001011010nnnnnddddd" { rn = n, rd = d }
        text |i, pc| { format!("fcvtxn\ts{}, d{}", i.rd, i.rn) }
        execute |i, e| {
            let shape = Shape::scalar(S);
            super::operand::unary(e, function!(float_estimate::fcvtxn), shape, i.rd, i.rn)
        }
}
