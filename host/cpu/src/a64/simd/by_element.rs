//! Advanced SIMD vector and scalar by indexed element, integer.
//!
//! The element is copied to all lanes; then it is the operation of three-same or three-different.
//! Halfwords and words only; the other sizes are reserved in all rows here.

use super::operand::{Element, part, scalar, vector, with_2};
use super::three_different::{doubling_accumulate, doubling_product, widen};
use super::three_same::{add_sub, multiply_high, multiply_high_accumulate, no_doubling};
use crate::a64::rows;
use crate::vector::{Shape, arithmetic, function};

/// `name\tv1.8h, v2.8h, v3.h[7]`.
fn same(name: &str, size: u32, q: u32, [d, n]: [u32; 2], from: Element) -> String {
    format!("{}, {}", super::operand::same(name, size, q, [d, n]), from.text())
}

/// `name\th1, h2, v3.h[7]`.
fn same_scalar(name: &str, size: u32, [d, n]: [u32; 2], from: Element) -> String {
    format!("{}, {}", super::operand::same_scalar(name, size, [d, n]), from.text())
}

/// `name2\tv1.4s, v2.8h, v3.h[7]`.
fn long(name: &str, size: u32, q: u32, [d, n]: [u32; 2], from: Element) -> String {
    let (d, n) = (vector(size + 1, 1, d), vector(size, q, n));
    format!("{}\t{d}, {n}, {}", with_2(name, q), from.text())
}

/// `name\ts1, h2, v3.h[7]`.
fn long_scalar(name: &str, size: u32, [d, n]: [u32; 2], from: Element) -> String {
    format!("{name}\t{}, {}, {}", scalar(size + 1, d), scalar(size, n), from.text())
}

rows! {
    /// MLA, MLS (by element).
    ElementMultiplyAdd "0q101111ssllrrrr0o00h0nnnnnddddd"
        { q = q, esize = s, lm = l, rm = r, subtract = o, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let name = ["mla", "mls"][i.subtract as usize];
            same(name, i.esize, i.q, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let (shape, a) = (Shape::vector(i.esize, i.q), e.v(i.rn));
            let b = from.read(e);
            let product = e.vector(function!(arithmetic::mul), shape, &[a, b]);
            let old = e.v(i.rd);
            let result = e.vector(add_sub(i.subtract), shape, &[old, product]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// MUL (by element).
    ElementMultiply "0q001111ssllrrrr1000h0nnnnnddddd"
        { q = q, esize = s, lm = l, rm = r, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            same("mul", i.esize, i.q, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let (shape, a) = (Shape::vector(i.esize, i.q), e.v(i.rn));
            let b = from.read(e);
            let result = e.vector(function!(arithmetic::mul), shape, &[a, b]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SMLAL, UMLAL, SMLSL, UMLSL (by element).
    ElementMultiplyAddLong "0qu01111ssllrrrr0o10h0nnnnnddddd"
        { q = q, unsigned = u, esize = s, lm = l, rm = r, subtract = o, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let name = [["smlal", "umlal"], ["smlsl", "umlsl"]][i.subtract as usize];
            let name = name[i.unsigned as usize];
            long(name, i.esize, i.q, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let shape = Shape::vector(i.esize + 1, 1);
            let operands = [part(e, i.rn, i.q), from.read(e)];
            let operands = widen(e, shape, i.unsigned, operands);
            let product = e.vector(function!(arithmetic::mul), shape, &operands);
            let old = e.v(i.rd);
            let result = e.vector(add_sub(i.subtract), shape, &[old, product]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SMULL, UMULL (by element).
    ElementMultiplyLong "0qu01111ssllrrrr1010h0nnnnnddddd"
        { q = q, unsigned = u, esize = s, lm = l, rm = r, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let name = ["smull", "umull"][i.unsigned as usize];
            long(name, i.esize, i.q, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let shape = Shape::vector(i.esize + 1, 1);
            let operands = [part(e, i.rn, i.q), from.read(e)];
            let operands = widen(e, shape, i.unsigned, operands);
            let result = e.vector(function!(arithmetic::mul), shape, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQDMLAL, SQDMLSL (by element).
    ElementDoublingAccumulate "0q001111ssllrrrr0o11h0nnnnnddddd"
        { q = q, esize = s, lm = l, rm = r, subtract = o, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let name = ["sqdmlal", "sqdmlsl"][i.subtract as usize];
            long(name, i.esize, i.q, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let shape = Shape::vector(i.esize + 1, 1);
            let operands = [part(e, i.rn, i.q), from.read(e)];
            let result = doubling_accumulate(e, shape, i.subtract, operands, i.rd);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQDMULL (by element).
    ElementDoublingProduct "0q001111ssllrrrr1011h0nnnnnddddd"
        { q = q, esize = s, lm = l, rm = r, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            long("sqdmull", i.esize, i.q, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let shape = Shape::vector(i.esize + 1, 1);
            let operands = [part(e, i.rn, i.q), from.read(e)];
            let result = doubling_product(e, shape, operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQDMULH, SQRDMULH (by element).
    ElementMultiplyHigh "0q001111ssllrrrr110th0nnnnnddddd"
        { q = q, esize = s, lm = l, rm = r, round = t, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let name = multiply_high(i.round).name;
            same(name, i.esize, i.q, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let (shape, a) = (Shape::vector(i.esize, i.q), e.v(i.rn));
            let b = from.read(e);
            let result = e.vector(multiply_high(i.round), shape, &[a, b]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQRDMLAH, SQRDMLSH (by element; FEAT_RDM).
    ElementMultiplyHighAccumulate "0q101111ssllrrrr11o1h0nnnnnddddd"
        { q = q, esize = s, lm = l, rm = r, subtract = o, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let name = multiply_high_accumulate(i.subtract).name;
            same(name, i.esize, i.q, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let (shape, a) = (Shape::vector(i.esize, i.q), e.v(i.rn));
            let b = from.read(e);
            let function = multiply_high_accumulate(i.subtract);
            let old = e.v(i.rd);
            let result = e.vector(function, shape, &[a, b, old]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQDMLAL, SQDMLSL (by element, scalar).
    ElementDoublingAccumulateScalar "01011111ssllrrrr0o11h0nnnnnddddd"
        { esize = s, lm = l, rm = r, subtract = o, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let name = ["sqdmlal", "sqdmlsl"][i.subtract as usize];
            long_scalar(name, i.esize, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let shape = Shape::scalar(i.esize + 1);
            let operands = [e.v(i.rn), from.read(e)];
            let result = doubling_accumulate(e, shape, i.subtract, operands, i.rd);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQDMULL (by element, scalar).
    ElementDoublingProductScalar "01011111ssllrrrr1011h0nnnnnddddd"
        { esize = s, lm = l, rm = r, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            long_scalar("sqdmull", i.esize, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let shape = Shape::scalar(i.esize + 1);
            let operands = [e.v(i.rn), from.read(e)];
            let result = doubling_product(e, shape, operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQDMULH, SQRDMULH (by element, scalar).
    ElementMultiplyHighScalar "01011111ssllrrrr110th0nnnnnddddd"
        { esize = s, lm = l, rm = r, round = t, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let name = multiply_high(i.round).name;
            same_scalar(name, i.esize, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let (shape, a) = (Shape::scalar(i.esize), e.v(i.rn));
            let b = from.read(e);
            let result = e.vector(multiply_high(i.round), shape, &[a, b]);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQRDMLAH, SQRDMLSH (by element, scalar; FEAT_RDM).
    ElementMultiplyHighAccumulateScalar "01111111ssllrrrr11o1h0nnnnnddddd"
        { esize = s, lm = l, rm = r, subtract = o, h = h, rn = n, rd = d }
        unless |i| no_doubling(i.esize),
        text |i, pc| {
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let name = multiply_high_accumulate(i.subtract).name;
            same_scalar(name, i.esize, [i.rd, i.rn], from)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let from = Element::of(i.esize, i.lm, i.rm, i.h);
            let (shape, a) = (Shape::scalar(i.esize), e.v(i.rn));
            let b = from.read(e);
            let function = multiply_high_accumulate(i.subtract);
            let old = e.v(i.rd);
            let result = e.vector(function, shape, &[a, b, old]);
            e.set_v(i.rd, result);
            Ok(())
        }
}
