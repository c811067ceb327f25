//! Advanced SIMD three same, integer; and its extension FEAT_RDM.

use super::operand::{binary, no_vector, same};
use crate::a64::rows;
use crate::emit::Emit;
use crate::vector::{
    Function, Shape, arithmetic, bitwise, compare, function, functions, pairwise, polynomial,
    saturating, shift,
};

/// SQADD, UQADD, SQSUB, UQSUB. (Where a function has the name of the instruction, the text takes
/// it from there. The tables are those of the scalar forms, too.)
#[inline(always)]
pub fn saturating_add(subtract: u32, unsigned: u32) -> Function {
    let all = functions!(saturating::{sqadd, uqadd, sqsub, uqsub});
    all[(subtract << 1 | unsigned) as usize]
}

/// CMGT, CMHI, CMGE, CMHS.
#[inline(always)]
pub fn compare_greater(equal: u32, unsigned: u32) -> Function {
    functions!(compare::{cmgt, cmhi, cmge, cmhs})[(equal << 1 | unsigned) as usize]
}

/// SSHL, USHL, SQSHL, UQSHL, SRSHL, URSHL, SQRSHL, UQRSHL.
#[inline(always)]
pub fn shift_register(kind: u32, unsigned: u32) -> Function {
    let all = functions!(shift::{sshl, ushl, sqshl, uqshl, srshl, urshl, sqrshl, uqrshl});
    all[(kind << 1 | unsigned) as usize]
}

/// ADD, SUB.
#[inline(always)]
pub fn add_sub(subtract: u32) -> Function {
    functions!(arithmetic::{add, sub})[subtract as usize]
}

/// CMTST, CMEQ.
#[inline(always)]
pub fn compare_equal(equal: u32) -> Function {
    functions!(compare::{cmtst, cmeq})[equal as usize]
}

/// SQDMULH, SQRDMULH.
#[inline(always)]
pub fn multiply_high(round: u32) -> Function {
    functions!(saturating::{sqdmulh, sqrdmulh})[round as usize]
}

/// SQRDMLAH, SQRDMLSH.
#[inline(always)]
pub fn multiply_high_accumulate(subtract: u32) -> Function {
    functions!(saturating::{sqrdmlah, sqrdmlsh})[subtract as usize]
}

#[inline(always)]
fn halving_add(round: u32, unsigned: u32) -> Function {
    let all = functions!(arithmetic::{shadd, uhadd, srhadd, urhadd});
    all[(round << 1 | unsigned) as usize]
}

#[inline(always)]
fn halving_sub(unsigned: u32) -> Function {
    functions!(arithmetic::{shsub, uhsub})[unsigned as usize]
}

#[inline(always)]
fn extreme(least: u32, unsigned: u32) -> Function {
    functions!(arithmetic::{smax, umax, smin, umin})[(least << 1 | unsigned) as usize]
}

#[inline(always)]
fn extreme_pairwise(least: u32, unsigned: u32) -> Function {
    functions!(pairwise::{smaxp, umaxp, sminp, uminp})[(least << 1 | unsigned) as usize]
}

/// Whether a size has no doubled products: they are of 16 and 32 bits.
pub const fn no_doubling(size: u32) -> bool {
    size == 0 || size == 3
}

/// Vd = function(Vn, Vm, Vd).
#[inline(always)]
pub fn ternary<E: Emit>(
    e: &mut E,
    function: Function,
    shape: Shape,
    [d, n, m]: [u32; 3],
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let (a, b, c) = (e.v(n), e.v(m), e.v(d));
    let result = e.vector(function, shape, &[a, b, c]);
    e.set_v(d, result);
    Ok(())
}

/// Vd = Vd `plus` function(Vn, Vm).
#[inline(always)]
fn accumulate<E: Emit>(
    e: &mut E,
    plus: Function,
    function: Function,
    shape: Shape,
    [d, n, m]: [u32; 3],
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let (a, b, sum) = (e.v(n), e.v(m), e.v(d));
    let term = e.vector(function, shape, &[a, b]);
    let result = e.vector(plus, shape, &[sum, term]);
    e.set_v(d, result);
    Ok(())
}

rows! {
    /// AND, BIC, ORR, ORN; EOR, BSL, BIT, BIF (vector, register).
    VectorLogical "0qu01110oo1mmmmm000111nnnnnddddd"
        { q = q, unsigned = u, opcode = o, rm = m, rn = n, rd = d }
        text |i, pc| {
            let names = [["and", "bic", "orr", "orn"], ["eor", "bsl", "bit", "bif"]];
            let name = names[i.unsigned as usize][i.opcode as usize];
            same(name, 0, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let shape = Shape::vector(0, i.q);
            let function = match (i.unsigned, i.opcode) {
                (0, opcode) => functions!(bitwise::{and, bic, orr, orn})[opcode as usize],
                (_, 0) => function!(bitwise::eor),
                (_, _) => function!(bitwise::bsl),
            };
            if i.unsigned == 0 || i.opcode == 0 {
                return binary(e, function, shape, i.rd, i.rn, i.rm);
            }
            e.fp_enabled()?;
            let (a, b, old) = (e.v(i.rn), e.v(i.rm), e.v(i.rd));
            // The one that selects, where it has ones, and where it has zeros.
            let operands = match i.opcode {
                1 => [old, a, b],
                2 => [b, a, old],
                _ => [b, old, a],
            };
            let result = e.vector(function, shape, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SHADD, UHADD, SRHADD, URHADD.
    VectorHalvingAdd "0qu01110ss1mmmmm000r01nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, round = r, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            same(halving_add(i.round, i.unsigned).name, i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = halving_add(i.round, i.unsigned);
            binary(e, function, Shape::vector(i.esize, i.q), i.rd, i.rn, i.rm)
        }

    /// SHSUB, UHSUB.
    VectorHalvingSub "0qu01110ss1mmmmm001001nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| { same(halving_sub(i.unsigned).name, i.esize, i.q, [i.rd, i.rn, i.rm]) }
        execute |i, e| {
            let shape = Shape::vector(i.esize, i.q);
            binary(e, halving_sub(i.unsigned), shape, i.rd, i.rn, i.rm)
        }

    /// SQADD, UQADD, SQSUB, UQSUB.
    VectorSaturatingAdd "0qu01110ss1mmmmm00o011nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, subtract = o, rn = n, rd = d }
        unless |i| no_vector(i.esize, i.q),
        text |i, pc| {
            same(saturating_add(i.subtract, i.unsigned).name, i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = saturating_add(i.subtract, i.unsigned);
            binary(e, function, Shape::vector(i.esize, i.q), i.rd, i.rn, i.rm)
        }

    /// CMGT, CMHI, CMGE, CMHS (register).
    VectorCompareGreater "0qu01110ss1mmmmm0011o1nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, equal = o, rn = n, rd = d }
        unless |i| no_vector(i.esize, i.q),
        text |i, pc| {
            same(compare_greater(i.equal, i.unsigned).name, i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = compare_greater(i.equal, i.unsigned);
            binary(e, function, Shape::vector(i.esize, i.q), i.rd, i.rn, i.rm)
        }

    /// SSHL, USHL, SQSHL, UQSHL, SRSHL, URSHL, SQRSHL, UQRSHL (register).
    VectorShiftRegister "0qu01110ss1mmmmm010kk1nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, kind = k, rn = n, rd = d }
        unless |i| no_vector(i.esize, i.q),
        text |i, pc| {
            same(shift_register(i.kind, i.unsigned).name, i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = shift_register(i.kind, i.unsigned);
            binary(e, function, Shape::vector(i.esize, i.q), i.rd, i.rn, i.rm)
        }

    /// SMAX, UMAX, SMIN, UMIN.
    VectorMaxMin "0qu01110ss1mmmmm0110o1nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, least = o, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| { same(extreme(i.least, i.unsigned).name, i.esize, i.q, [i.rd, i.rn, i.rm]) }
        execute |i, e| {
            let shape = Shape::vector(i.esize, i.q);
            binary(e, extreme(i.least, i.unsigned), shape, i.rd, i.rn, i.rm)
        }

    /// SABD, UABD, SABA, UABA.
    VectorAbsoluteDifference "0qu01110ss1mmmmm0111a1nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, accumulate = a, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            let name = [["sabd", "uabd"], ["saba", "uaba"]][i.accumulate as usize];
            same(name[i.unsigned as usize], i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = functions!(arithmetic::{sabd, uabd})[i.unsigned as usize];
            let shape = Shape::vector(i.esize, i.q);
            match i.accumulate {
                0 => binary(e, function, shape, i.rd, i.rn, i.rm),
                _ => accumulate(e, add_sub(0), function, shape, [i.rd, i.rn, i.rm]),
            }
        }

    /// ADD, SUB (vector).
    VectorAddSub "0qo01110ss1mmmmm100001nnnnnddddd"
        { q = q, subtract = o, esize = s, rm = m, rn = n, rd = d }
        unless |i| no_vector(i.esize, i.q),
        text |i, pc| { same(add_sub(i.subtract).name, i.esize, i.q, [i.rd, i.rn, i.rm]) }
        execute |i, e| {
            binary(e, add_sub(i.subtract), Shape::vector(i.esize, i.q), i.rd, i.rn, i.rm)
        }

    /// CMTST, CMEQ (register).
    VectorCompareEqual "0qo01110ss1mmmmm100011nnnnnddddd"
        { q = q, equal = o, esize = s, rm = m, rn = n, rd = d }
        unless |i| no_vector(i.esize, i.q),
        text |i, pc| { same(compare_equal(i.equal).name, i.esize, i.q, [i.rd, i.rn, i.rm]) }
        execute |i, e| {
            binary(e, compare_equal(i.equal), Shape::vector(i.esize, i.q), i.rd, i.rn, i.rm)
        }

    /// MLA, MLS (vector).
    VectorMultiplyAdd "0qo01110ss1mmmmm100101nnnnnddddd"
        { q = q, subtract = o, esize = s, rm = m, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            same(["mla", "mls"][i.subtract as usize], i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let (shape, mul) = (Shape::vector(i.esize, i.q), function!(arithmetic::mul));
            accumulate(e, add_sub(i.subtract), mul, shape, [i.rd, i.rn, i.rm])
        }

    /// MUL (vector), PMUL.
    VectorMultiply "0qp01110ss1mmmmm100111nnnnnddddd"
        { q = q, polynomial = p, esize = s, rm = m, rn = n, rd = d }
        unless |i| i.esize == 3 || (i.polynomial == 1 && i.esize != 0),
        text |i, pc| {
            same(["mul", "pmul"][i.polynomial as usize], i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = match i.polynomial {
                0 => function!(arithmetic::mul),
                _ => function!(polynomial::pmul),
            };
            binary(e, function, Shape::vector(i.esize, i.q), i.rd, i.rn, i.rm)
        }

    /// SMAXP, UMAXP, SMINP, UMINP.
    VectorMaxMinPairwise "0qu01110ss1mmmmm1010o1nnnnnddddd"
        { q = q, unsigned = u, esize = s, rm = m, least = o, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            same(extreme_pairwise(i.least, i.unsigned).name, i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = extreme_pairwise(i.least, i.unsigned);
            binary(e, function, Shape::vector(i.esize, i.q), i.rd, i.rn, i.rm)
        }

    /// SQDMULH, SQRDMULH (vector).
    VectorMultiplyHigh "0qr01110ss1mmmmm101101nnnnnddddd"
        { q = q, round = r, esize = s, rm = m, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| { same(multiply_high(i.round).name, i.esize, i.q, [i.rd, i.rn, i.rm]) }
        execute |i, e| {
            binary(e, multiply_high(i.round), Shape::vector(i.esize, i.q), i.rd, i.rn, i.rm)
        }

    /// ADDP (vector).
    VectorAddPairwise "0q001110ss1mmmmm101111nnnnnddddd"
        { q = q, esize = s, rm = m, rn = n, rd = d }
        unless |i| no_vector(i.esize, i.q),
        text |i, pc| { same("addp", i.esize, i.q, [i.rd, i.rn, i.rm]) }
        execute |i, e| {
            let shape = Shape::vector(i.esize, i.q);
            binary(e, function!(pairwise::addp), shape, i.rd, i.rn, i.rm)
        }

    /// SQRDMLAH, SQRDMLSH (vector; FEAT_RDM).
    VectorMultiplyHighAccumulate "0q101110ss0mmmmm1000o1nnnnnddddd"
        { q = q, esize = s, rm = m, subtract = o, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let name = multiply_high_accumulate(i.subtract).name;
            same(name, i.esize, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = multiply_high_accumulate(i.subtract);
            ternary(e, function, Shape::vector(i.esize, i.q), [i.rd, i.rn, i.rm])
        }
}
