//! Advanced SIMD three different: operands or results of twice the size.
//!
//! ```text
//!   Vn, Vm   ....  or upper half  |a3|a2|a1|a0|        "long": SADDL, SMLAL, ...
//!                                  v  v  v  v          SADDW takes Vn as it is
//!                               |  a3 |  a2 |  a1 |  a0 |
//!                                  operation of the wide lanes, with Vd where it accumulates
//!
//!   SADDHN: the wide lanes' sum, of which the upper halves go to the lower or upper half of Vd
//! ```
//!
//! So there are few functions: the lanes are widened, and then it is the operation of three-same.
//! SQDMULL doubles by a saturating addition of the product to itself, which is the only place
//! where it can saturate.

use super::operand::{part, scalar, set_part, vector, with_2};
use super::three_same::{add_sub, no_doubling};
use crate::a64::rows;
use crate::emit::Emit;
use crate::vector::{
    Function, Shape, arithmetic, function, functions, polynomial, saturating, shift, width,
};

/// SXTL, UXTL.
#[inline(always)]
pub fn extend(unsigned: u32) -> Function {
    functions!(width::{sxtl, uxtl})[unsigned as usize]
}

/// Both operands, narrow in `operands`, as lanes of the wide `shape`.
#[inline(always)]
pub fn widen<E: Emit>(e: &mut E, shape: Shape, unsigned: u32, operands: [E::Q; 2]) -> [E::Q; 2] {
    operands.map(|narrow| e.vector(extend(unsigned), shape, &[narrow]))
}

/// Twice the product of narrow lanes, saturated to the wide `shape`.
#[inline(always)]
pub fn doubling_product<E: Emit>(e: &mut E, shape: Shape, operands: [E::Q; 2]) -> E::Q {
    let operands = widen(e, shape, 0, operands);
    let product = e.vector(function!(arithmetic::mul), shape, &operands);
    e.vector(function!(saturating::sqadd), shape, &[product, product])
}

/// Vd and such a product: their sum or difference, saturated again.
#[inline(always)]
pub fn doubling_accumulate<E: Emit>(
    e: &mut E,
    shape: Shape,
    subtract: u32,
    operands: [E::Q; 2],
    d: u32,
) -> E::Q {
    let product = doubling_product(e, shape, operands);
    let old = e.v(d);
    let function = functions!(saturating::{sqadd, sqsub})[subtract as usize];
    e.vector(function, shape, &[old, product])
}

/// `name\ts1, h2, h3`: a scalar of twice the size.
pub fn long_name(name: &str, size: u32, [d, n, m]: [u32; 3]) -> String {
    format!("{name}\t{}, {}, {}", scalar(size + 1, d), scalar(size, n), scalar(size, m))
}

/// `name2\tv1.4s, v2.8h, v3.8h`.
fn long(name: &str, size: u32, q: u32, [d, n, m]: [u32; 3]) -> String {
    let (n, m) = (vector(size, q, n), vector(size, q, m));
    format!("{}\t{}, {n}, {m}", with_2(name, q), vector(size + 1, 1, d))
}

rows! {
    /// SADDL, UADDL, SADDW, UADDW, SSUBL, USUBL, SSUBW, USUBW.
    VectorAddLong "0qu01110ss1mmmmm00ow00nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, subtract = o, wide = w, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            let names = [["saddl", "uaddl"], ["saddw", "uaddw"], ["ssubl", "usubl"],
                ["ssubw", "usubw"]];
            let name = names[(i.subtract << 1 | i.wide) as usize][i.unsigned as usize];
            if i.wide == 0 {
                return long(name, i.esize, i.q, [i.rd, i.rn, i.rm]);
            }
            let (d, n) = (vector(i.esize + 1, 1, i.rd), vector(i.esize + 1, 1, i.rn));
            format!("{}\t{d}, {n}, {}", with_2(name, i.q), vector(i.esize, i.q, i.rm))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let (shape, extend) = (Shape::vector(i.esize + 1, 1), extend(i.unsigned));
            let b = part(e, i.rm, i.q);
            let b = e.vector(extend, shape, &[b]);
            let a = if i.wide == 1 {
                e.v(i.rn)
            } else {
                let a = part(e, i.rn, i.q);
                e.vector(extend, shape, &[a])
            };
            let result = e.vector(add_sub(i.subtract), shape, &[a, b]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// ADDHN, RADDHN, SUBHN, RSUBHN.
    VectorAddHighNarrow "0qr01110ss1mmmmm01o000nnnnnddddd"
        { q = q, round = r, esize = s, rm = m, subtract = o, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            let names = [["addhn", "raddhn"], ["subhn", "rsubhn"]];
            let name = with_2(names[i.subtract as usize][i.round as usize], i.q);
            let (n, m) = (vector(i.esize + 1, 1, i.rn), vector(i.esize + 1, 1, i.rm));
            format!("{name}\t{}, {n}, {m}", vector(i.esize, i.q, i.rd))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let (narrow, wide) = (Shape::vector(i.esize, 0), Shape::vector(i.esize + 1, 1));
            let (a, b) = (e.v(i.rn), e.v(i.rm));
            let sum = e.vector(add_sub(i.subtract), wide, &[a, b]);
            let high = functions!(shift::{ushr, urshr})[i.round as usize];
            let high = e.vector(high, wide.with(narrow.bits()), &[sum]);
            let result = e.vector(function!(width::xtn), narrow, &[high]);
            set_part(e, i.rd, i.q, result);
            Ok(())
        }

    /// SABAL, UABAL, SABDL, UABDL.
    VectorAbsoluteDifferenceLong "0qu01110ss1mmmmm01o100nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, only = o, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            let name = [["sabal", "uabal"], ["sabdl", "uabdl"]][i.only as usize];
            long(name[i.unsigned as usize], i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            e.fp_enabled()?;
            let shape = Shape::vector(i.esize + 1, 1);
            let operands = [part(e, i.rn, i.q), part(e, i.rm, i.q)];
            let operands = widen(e, shape, i.unsigned, operands);
            // Lanes of 64 bits hold the difference of 32 as a signed number in either case.
            let mut result = e.vector(function!(arithmetic::sabd), shape, &operands);
            if i.only == 0 {
                let old = e.v(i.rd);
                result = e.vector(add_sub(0), shape, &[old, result]);
            }
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SMLAL, UMLAL, SMLSL, UMLSL (vector).
    VectorMultiplyAddLong "0qu01110ss1mmmmm10o000nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, subtract = o, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            let name = [["smlal", "umlal"], ["smlsl", "umlsl"]][i.subtract as usize];
            long(name[i.unsigned as usize], i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            e.fp_enabled()?;
            let shape = Shape::vector(i.esize + 1, 1);
            let operands = [part(e, i.rn, i.q), part(e, i.rm, i.q)];
            let operands = widen(e, shape, i.unsigned, operands);
            let product = e.vector(function!(arithmetic::mul), shape, &operands);
            let old = e.v(i.rd);
            let result = e.vector(add_sub(i.subtract), shape, &[old, product]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SMULL, UMULL (vector).
    VectorMultiplyLong "0qu01110ss1mmmmm110000nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            let name = ["smull", "umull"][i.unsigned as usize];
            long(name, i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            e.fp_enabled()?;
            let shape = Shape::vector(i.esize + 1, 1);
            let operands = [part(e, i.rn, i.q), part(e, i.rm, i.q)];
            let operands = widen(e, shape, i.unsigned, operands);
            let result = e.vector(function!(arithmetic::mul), shape, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQDMLAL, SQDMLSL (vector).
    VectorDoublingAccumulate "0q001110ss1mmmmm10o100nnnnnddddd"
        { q = q, esize = s, rm = m, subtract = o, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let name = ["sqdmlal", "sqdmlsl"][i.subtract as usize];
            long(name, i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            e.fp_enabled()?;
            let shape = Shape::vector(i.esize + 1, 1);
            let operands = [part(e, i.rn, i.q), part(e, i.rm, i.q)];
            let result = doubling_accumulate(e, shape, i.subtract, operands, i.rd);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQDMULL (vector).
    VectorDoublingProduct "0q001110ss1mmmmm110100nnnnnddddd"
        { q = q, esize = s, rm = m, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| { long("sqdmull", i.esize, i.q, [i.rd, i.rn, i.rm]) }
        execute |i, e| {
            e.fp_enabled()?;
            let shape = Shape::vector(i.esize + 1, 1);
            let operands = [part(e, i.rn, i.q), part(e, i.rm, i.q)];
            let result = doubling_product(e, shape, operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// PMULL: of bytes, and (FEAT_PMULL) of doublewords.
    VectorPolynomialLong "0q001110ss1mmmmm111000nnnnnddddd"
        { q = q, esize = s, rm = m, rn = n, rd = d }
        unless |i| i.esize == 1 || i.esize == 2,
        text |i, pc| { long("pmull", i.esize, i.q, [i.rd, i.rn, i.rm]) }
        execute |i, e| {
            e.fp_enabled()?;
            let operands = [part(e, i.rn, i.q), part(e, i.rm, i.q)];
            let shape = Shape::vector(i.esize + 1, 1);
            let result = e.vector(function!(polynomial::pmull), shape, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }
}
