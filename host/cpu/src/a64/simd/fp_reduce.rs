//! Advanced SIMD scalar pairwise, and across lanes, floating-point (DDI 0487 C4.1): all lanes of a
//! vector make one scalar.
//!
//! ```text
//!   pairwise       0 1 U 11110 a sz 11000 opcode 10 Rn Rd    two lanes
//!   across lanes   0 Q U 01110 a sz 11000 opcode 10 Rn Rd    four lanes or eight
//!
//!   U is 1 for singles and doubles, 0 for halves.
//! ```

use super::operand::{scalar, unary, vector};
use crate::a64::rows;
use crate::emit::{Call, Emit};
use crate::vector::float_vector::{faddv, fmaxnmv, fmaxv, fminnmv, fminv};
use crate::vector::{Function, Shape, function};

const H: u32 = 1;
const S: u32 = 2;

type Operation = (&'static str, Function);

/// By opcode<1:0>, and then by a.
static OPERATIONS: [[Option<Operation>; 2]; 4] = [
    [Some(("fmaxnm", function!(fmaxnmv))), Some(("fminnm", function!(fminnmv)))],
    [Some(("fadd", function!(faddv))), None],
    [None, None],
    [Some(("fmax", function!(fmaxv))), Some(("fmin", function!(fminv)))],
];

/// The operation on two lanes.
#[inline(always)]
fn of_two(opcode: u32, a: u32) -> Option<Operation> {
    OPERATIONS[opcode as usize][a as usize]
}

/// The operation on more lanes: there is no sum.
#[inline(always)]
fn of_more(opcode: u32, a: u32) -> Option<Operation> {
    if opcode == 1 { None } else { of_two(opcode, a) }
}

/// The scalar Vd = operation of so many lanes of Vn.
#[inline(always)]
fn compute<E: Emit>(
    e: &mut E,
    operation: Option<Operation>,
    (size, lanes): (u32, u32),
    [d, n]: [u32; 2],
) -> Result<(), E::Stop> {
    match operation {
        Some((_, function)) => unary(e, function, Shape { size, lanes, imm: 0 }, d, n),
        None => e.call(Call::Undefined),
    }
}

/// `faddp\ts1, v2.2s`.
fn pair_text(operation: Option<Operation>, size: u32, [d, n]: [u32; 2]) -> String {
    let letter = ["h", "s", "d"][(size - H) as usize];
    let name = operation.map_or("", |(name, _)| name);
    format!("{name}p\t{}, v{n}.2{letter}", scalar(size, d))
}

/// `fmaxv\ts1, v2.4s`.
fn across_text(operation: Option<Operation>, size: u32, q: u32, [d, n]: [u32; 2]) -> String {
    let name = operation.map_or("", |(name, _)| name);
    format!("{name}v\t{}, {}", scalar(size, d), vector(size, q, n))
}

rows! {
    /// FADDP, FMAXP, FMINP, FMAXNMP, FMINNMP (scalar) of singles and doubles.
    FpPair "01111110az11000011oo10nnnnnddddd" { a = a, double = z, opcode = o, rn = n, rd = d }
        unless |i| of_two(i.opcode, i.a).is_none(),
        text |i, pc| { pair_text(of_two(i.opcode, i.a), S + i.double, [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, of_two(i.opcode, i.a), (S + i.double, 2), [i.rd, i.rn])
        }

    /// FADDP, FMAXP, FMINP, FMAXNMP, FMINNMP (scalar) of halves.
    FpPairHalf "01011110a011000011oo10nnnnnddddd" { a = a, opcode = o, rn = n, rd = d }
        unless |i| of_two(i.opcode, i.a).is_none(),
        text |i, pc| { pair_text(of_two(i.opcode, i.a), H, [i.rd, i.rn]) }
        execute |i, e| { compute(e, of_two(i.opcode, i.a), (H, 2), [i.rd, i.rn]) }

    /// FMAXV, FMINV, FMAXNMV, FMINNMV of four singles.
    FpAcross "01101110a011000011oo10nnnnnddddd" { a = a, opcode = o, rn = n, rd = d }
        unless |i| of_more(i.opcode, i.a).is_none(),
        text |i, pc| { across_text(of_more(i.opcode, i.a), S, 1, [i.rd, i.rn]) }
        execute |i, e| { compute(e, of_more(i.opcode, i.a), (S, 4), [i.rd, i.rn]) }

    /// FMAXV, FMINV, FMAXNMV, FMINNMV of four halves or eight.
    FpAcrossHalf "0q001110a011000011oo10nnnnnddddd" { q = q, a = a, opcode = o, rn = n, rd = d }
        unless |i| of_more(i.opcode, i.a).is_none(),
        text |i, pc| { across_text(of_more(i.opcode, i.a), H, i.q, [i.rd, i.rn]) }
        execute |i, e| { compute(e, of_more(i.opcode, i.a), (H, 4 << i.q), [i.rd, i.rn]) }
}
