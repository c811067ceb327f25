//! Advanced SIMD two-register miscellaneous and across lanes, integer.

use super::operand::{
    binary, narrowing_text, no_vector, part, same, scalar, set_part, unary, vector, with_2,
};
use super::three_different::extend;
use super::three_same::add_sub;
use crate::a64::rows;
use crate::emit::Emit;
use crate::vector::{
    Function, Shape, arithmetic, bitwise, compare, estimate, function, functions, pairwise,
    saturating, shift, width,
};

/// SUQADD, USQADD.
#[inline(always)]
pub fn saturating_accumulate(unsigned: u32) -> Function {
    functions!(saturating::{suqadd, usqadd})[unsigned as usize]
}

/// SQABS, SQNEG.
#[inline(always)]
pub fn saturating_absolute(negate: u32) -> Function {
    functions!(saturating::{sqabs, sqneg})[negate as usize]
}

/// ABS, NEG.
#[inline(always)]
pub fn absolute(negate: u32) -> Function {
    functions!(arithmetic::{abs, neg})[negate as usize]
}

/// XTN, SQXTUN.
#[inline(always)]
pub fn narrow(saturating: u32) -> Function {
    functions!(width::{xtn, sqxtun})[saturating as usize]
}

/// SQXTN, UQXTN.
#[inline(always)]
pub fn narrow_saturating(unsigned: u32) -> Function {
    functions!(width::{sqxtn, uqxtn})[unsigned as usize]
}

/// CMGT, CMEQ; CMGE, CMLE (zero).
pub fn compare_zero_name(equal: u32, unsigned: u32) -> &'static str {
    [["cmgt", "cmge"], ["cmeq", "cmle"]][equal as usize][unsigned as usize]
}

/// Vd = Vn compared with zero: CMLE is CMGE the other way around.
#[inline(always)]
pub fn compare_zero<E: Emit>(
    e: &mut E,
    shape: Shape,
    equal: u32,
    unsigned: u32,
    [d, n]: [u32; 2],
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let (a, zero) = (e.v(n), e.q_imm(0));
    let result = match (equal, unsigned) {
        (0, 0) => e.vector(function!(compare::cmgt), shape, &[a, zero]),
        (0, _) => e.vector(function!(compare::cmge), shape, &[a, zero]),
        (_, 0) => e.vector(function!(compare::cmeq), shape, &[a, zero]),
        (_, _) => e.vector(function!(compare::cmge), shape, &[zero, a]),
    };
    e.set_v(d, result);
    Ok(())
}

/// Vd = Vn < 0.
#[inline(always)]
pub fn less_than_zero<E: Emit>(e: &mut E, shape: Shape, [d, n]: [u32; 2]) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let (a, zero) = (e.v(n), e.q_imm(0));
    let result = e.vector(function!(compare::cmgt), shape, &[zero, a]);
    e.set_v(d, result);
    Ok(())
}

/// The container of REV64, REV32, REV16: its bytes as a power of two.
const fn container(sixteen: u32, smaller: u32) -> u32 {
    match (sixteen, smaller) {
        (0, 0) => 3,
        (0, _) => 2,
        (_, 0) => 1,
        (_, _) => 0,
    }
}

/// CLS, CLZ.
#[inline(always)]
fn count_leading(zeros: u32) -> Function {
    functions!(bitwise::{cls, clz})[zeros as usize]
}

/// CNT, NOT, RBIT. `None`: unallocated.
#[inline(always)]
fn bits(unsigned: u32, esize: u32) -> Option<Function> {
    match (unsigned, esize) {
        (0, 0) => Some(function!(bitwise::cnt)),
        (1, 0) => Some(function!(bitwise::not)),
        (1, 1) => Some(function!(bitwise::rbit)),
        _ => None,
    }
}

/// Vpart[d] = function(Vn), of half the size.
#[inline(always)]
fn narrow_part<E: Emit>(
    e: &mut E,
    function: Function,
    size: u32,
    q: u32,
    [d, n]: [u32; 2],
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let a = e.v(n);
    let result = e.vector(function, Shape::vector(size, 0), &[a]);
    set_part(e, d, q, result);
    Ok(())
}

/// Whether there are too few lanes to go across, or they are too large.
#[inline(always)]
const fn not_across(size: u32, q: u32) -> bool {
    size == 3 || (size == 2 && q == 0)
}

rows! {
    /// REV64, REV32, REV16 (vector).
    VectorReverse "0qu01110ss100000000o10nnnnnddddd"
        { q = q, smaller = u, esize = s, sixteen = o, rn = n, rd = d }
        unless |i| i.esize >= container(i.sixteen, i.smaller),
        text |i, pc| {
            let name = format!("rev{}", 8 << container(i.sixteen, i.smaller));
            same(&name, i.esize, i.q, [i.rd, i.rn])
        }
        execute |i, e| {
            let function = match container(i.sixteen, i.smaller) {
                3 => function!(bitwise::rev64),
                2 => function!(bitwise::rev32),
                _ => function!(bitwise::rev16),
            };
            unary(e, function, Shape::vector(i.esize, i.q), i.rd, i.rn)
        }

    /// SADDLP, UADDLP, SADALP, UADALP.
    VectorAddLongPairwise "0qu01110ss1000000a1010nnnnnddddd"
        { q = q, unsigned = u, esize = s, accumulate = a, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            let names = [["saddlp", "uaddlp"], ["sadalp", "uadalp"]];
            let name = names[i.accumulate as usize][i.unsigned as usize];
            format!("{name}\t{}, {}", vector(i.esize + 1, i.q, i.rd), vector(i.esize, i.q, i.rn))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let (shape, a) = (Shape::vector(i.esize + 1, i.q), e.v(i.rn));
            let function = functions!(pairwise::{saddlp, uaddlp})[i.unsigned as usize];
            let mut result = e.vector(function, shape, &[a]);
            if i.accumulate == 1 {
                let old = e.v(i.rd);
                result = e.vector(add_sub(0), shape, &[old, result]);
            }
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SUQADD, USQADD (vector).
    VectorSaturatingAccumulate "0qu01110ss100000001110nnnnnddddd"
        { q = q, unsigned = u, esize = s, rn = n, rd = d }
        unless |i| no_vector(i.esize, i.q),
        text |i, pc| {
            same(saturating_accumulate(i.unsigned).name, i.esize, i.q, [i.rd, i.rn])
        }
        execute |i, e| {
            let function = saturating_accumulate(i.unsigned);
            binary(e, function, Shape::vector(i.esize, i.q), i.rd, i.rn, i.rd)
        }

    /// CLS, CLZ (vector).
    VectorCountLeading "0qo01110ss100000010010nnnnnddddd"
        { q = q, zeros = o, esize = s, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| { same(count_leading(i.zeros).name, i.esize, i.q, [i.rd, i.rn]) }
        execute |i, e| {
            unary(e, count_leading(i.zeros), Shape::vector(i.esize, i.q), i.rd, i.rn)
        }

    /// CNT, NOT, RBIT (vector): all of bytes.
    VectorBits "0qu01110ss100000010110nnnnnddddd"
        { q = q, unsigned = u, esize = s, rn = n, rd = d }
        unless |i| bits(i.unsigned, i.esize).is_none(),
        text |i, pc| {
            let name = bits(i.unsigned, i.esize).map_or("", |function| function.name);
            same(name, 0, i.q, [i.rd, i.rn])
        }
        execute |i, e| {
            let function = match (i.unsigned, i.esize) {
                (0, _) => function!(bitwise::cnt),
                (_, 0) => function!(bitwise::not),
                (_, _) => function!(bitwise::rbit),
            };
            unary(e, function, Shape::vector(0, i.q), i.rd, i.rn)
        }

    /// SQABS, SQNEG (vector).
    VectorSaturatingAbsolute "0qo01110ss100000011110nnnnnddddd"
        { q = q, negate = o, esize = s, rn = n, rd = d }
        unless |i| no_vector(i.esize, i.q),
        text |i, pc| { same(saturating_absolute(i.negate).name, i.esize, i.q, [i.rd, i.rn]) }
        execute |i, e| {
            unary(e, saturating_absolute(i.negate), Shape::vector(i.esize, i.q), i.rd, i.rn)
        }

    /// CMGT, CMGE, CMEQ, CMLE (zero, vector).
    VectorCompareZero "0qu01110ss100000100o10nnnnnddddd"
        { q = q, unsigned = u, esize = s, equal = o, rn = n, rd = d }
        unless |i| no_vector(i.esize, i.q),
        text |i, pc| {
            same(compare_zero_name(i.equal, i.unsigned), i.esize, i.q, [i.rd, i.rn]) + ", #0"
        }
        execute |i, e| {
            let shape = Shape::vector(i.esize, i.q);
            compare_zero(e, shape, i.equal, i.unsigned, [i.rd, i.rn])
        }

    /// CMLT (zero, vector).
    VectorLessThanZero "0q001110ss100000101010nnnnnddddd" { q = q, esize = s, rn = n, rd = d }
        unless |i| no_vector(i.esize, i.q),
        text |i, pc| { same("cmlt", i.esize, i.q, [i.rd, i.rn]) + ", #0" }
        execute |i, e| { less_than_zero(e, Shape::vector(i.esize, i.q), [i.rd, i.rn]) }

    /// ABS, NEG (vector).
    VectorAbsolute "0qo01110ss100000101110nnnnnddddd"
        { q = q, negate = o, esize = s, rn = n, rd = d }
        unless |i| no_vector(i.esize, i.q),
        text |i, pc| { same(absolute(i.negate).name, i.esize, i.q, [i.rd, i.rn]) }
        execute |i, e| { unary(e, absolute(i.negate), Shape::vector(i.esize, i.q), i.rd, i.rn) }

    /// XTN, SQXTUN (vector).
    VectorNarrow "0qo01110ss100001001010nnnnnddddd"
        { q = q, saturating = o, esize = s, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| { narrowing_text(narrow(i.saturating).name, i.esize, i.q, [i.rd, i.rn]) }
        execute |i, e| { narrow_part(e, narrow(i.saturating), i.esize, i.q, [i.rd, i.rn]) }

    /// SQXTN, UQXTN (vector).
    VectorNarrowSaturating "0qu01110ss100001010010nnnnnddddd"
        { q = q, unsigned = u, esize = s, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            narrowing_text(narrow_saturating(i.unsigned).name, i.esize, i.q, [i.rd, i.rn])
        }
        execute |i, e| {
            narrow_part(e, narrow_saturating(i.unsigned), i.esize, i.q, [i.rd, i.rn])
        }

    /// SHLL: widened, and shifted by the size of the narrow lane.
    VectorShiftLongBySize "0q101110ss100001001110nnnnnddddd"
        { q = q, esize = s, rn = n, rd = d }
        unless |i| i.esize == 3,
        text |i, pc| {
            let (d, n) = (vector(i.esize + 1, 1, i.rd), vector(i.esize, i.q, i.rn));
            format!("{}\t{d}, {n}, #{}", with_2("shll", i.q), 8 << i.esize)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let (shape, a) = (Shape::vector(i.esize + 1, 1), part(e, i.rn, i.q));
            let wide = e.vector(extend(1), shape, &[a]);
            let result = e.vector(function!(shift::shl), shape.with(8 << i.esize), &[wide]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// URECPE, URSQRTE.
    VectorEstimate "0qo0111010100001110010nnnnnddddd" { q = q, root = o, rn = n, rd = d }
        text |i, pc| { same(["urecpe", "ursqrte"][i.root as usize], 2, i.q, [i.rd, i.rn]) }
        execute |i, e| {
            let function = functions!(estimate::{urecpe, ursqrte})[i.root as usize];
            unary(e, function, Shape::vector(2, i.q), i.rd, i.rn)
        }

    /// SADDLV, UADDLV.
    AcrossAddLong "0qu01110ss110000001110nnnnnddddd"
        { q = q, unsigned = u, esize = s, rn = n, rd = d }
        unless |i| not_across(i.esize, i.q),
        text |i, pc| {
            let name = ["saddlv", "uaddlv"][i.unsigned as usize];
            format!("{name}\t{}, {}", scalar(i.esize + 1, i.rd), vector(i.esize, i.q, i.rn))
        }
        execute |i, e| {
            let function = functions!(pairwise::{saddlv, uaddlv})[i.unsigned as usize];
            unary(e, function, Shape::vector(i.esize, i.q), i.rd, i.rn)
        }

    /// SMAXV, UMAXV, SMINV, UMINV.
    AcrossMaxMin "0qu01110ss11000o101010nnnnnddddd"
        { q = q, unsigned = u, esize = s, least = o, rn = n, rd = d }
        unless |i| not_across(i.esize, i.q),
        text |i, pc| {
            let name = [["smaxv", "umaxv"], ["sminv", "uminv"]][i.least as usize];
            let (d, n) = (scalar(i.esize, i.rd), vector(i.esize, i.q, i.rn));
            format!("{}\t{d}, {n}", name[i.unsigned as usize])
        }
        execute |i, e| {
            let function = functions!(pairwise::{smaxv, umaxv, sminv, uminv});
            let function = function[(i.least << 1 | i.unsigned) as usize];
            unary(e, function, Shape::vector(i.esize, i.q), i.rd, i.rn)
        }

    /// ADDV.
    AcrossAdd "0q001110ss110001101110nnnnnddddd" { q = q, esize = s, rn = n, rd = d }
        unless |i| not_across(i.esize, i.q),
        text |i, pc| {
            format!("addv\t{}, {}", scalar(i.esize, i.rd), vector(i.esize, i.q, i.rn))
        }
        execute |i, e| {
            unary(e, function!(pairwise::addv), Shape::vector(i.esize, i.q), i.rd, i.rn)
        }
}
