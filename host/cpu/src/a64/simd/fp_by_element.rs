//! Advanced SIMD vector and scalar x indexed element, floating-point (DDI 0487 C4.1).
//!
//! ```text
//!   0 Q U 01111 size L M Rm opcode H 0 Rn Rd    vector
//!   0 1 U 11111 size L M Rm opcode H 0 Rn Rd    scalar
//! ```

use super::operand::{Element, no_vector, scalar, vector};
use crate::a64::rows;
use crate::emit::Emit;
use crate::vector::{Function, Shape, float, float_vector, function};

const H: u32 = 1;
const S: u32 = 2;
const D: u32 = 3;

const MULTIPLY_ADD: [Function; 2] = [function!(float_vector::fmla), function!(float_vector::fmls)];
const MULTIPLY: [Function; 2] = [function!(float::fmul), function!(float_vector::fmulx)];
const LONG: [Function; 2] = [function!(float_vector::fmlal), function!(float_vector::fmlsl)];
const LONG_2: [Function; 2] = [function!(float_vector::fmlal2), function!(float_vector::fmlsl2)];

/// The element, by the field size: 00, 10, 11 are H, S, D; the rest is reserved. `rm` is M:Rm.
#[inline(always)]
const fn of(size: u32, low: u32, rm: u32, high: u32) -> Element {
    let size = match size {
        0 => H,
        2 => S,
        _ => D,
    };
    Element::of(size, low << 1 | rm >> 4, rm & 15, high)
}

/// Sizes 01, and 11 with L set, are reserved.
#[inline(always)]
const fn reserved(size: u32, low: u32) -> bool {
    size == 1 || size == 3 && low == 1
}

/// Vd = function(Vn, element).
#[inline(always)]
fn multiply<E: Emit>(
    e: &mut E,
    function: Function,
    shape: Shape,
    (d, n, m): (u32, u32, Element),
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let operands = [e.v(n), m.read(e)];
    let result = e.vector(function, shape, &operands);
    e.set_v(d, result);
    Ok(())
}

/// Vd = function(Vn, element, Vd).
#[inline(always)]
fn multiply_add<E: Emit>(
    e: &mut E,
    function: Function,
    shape: Shape,
    (d, n, m): (u32, u32, Element),
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let operands = [e.v(n), m.read(e), e.v(d)];
    let result = e.vector(function, shape, &operands);
    e.set_v(d, result);
    Ok(())
}

/// `fmul\tv1.4s, v2.4s, v3.s[1]`.
fn of_vectors(function: Function, q: u32, d: u32, n: u32, m: Element) -> String {
    let [d, n] = [d, n].map(|n| vector(m.size, q, n));
    format!("{}\t{d}, {n}, {}", function.name, m.text())
}

/// `fmul\ts1, s2, v3.s[1]`.
fn of_scalars(function: Function, d: u32, n: u32, m: Element) -> String {
    let [d, n] = [d, n].map(|n| scalar(m.size, n));
    format!("{}\t{d}, {n}, {}", function.name, m.text())
}

/// `fmlal\tv1.4s, v2.4h, v3.h[1]`.
fn of_halves(function: Function, q: u32, d: u32, n: u32, m: Element) -> String {
    format!("{}\t{}, v{n}.{}h, {}", function.name, vector(S, q, d), 2 << q, m.text())
}

rows! {
    /// FMLA, FMLS (vector by element).
    FpMultiplyAddByElement "0q001111zzlmmmmm0o01h0nnnnnddddd"
        { q = q, width = z, low = l, rm = m, opcode = o, high = h, rn = n, rd = d }
        unless |i| reserved(i.width, i.low) || no_vector(i.width, i.q),
        text |i, pc| {
            let m = of(i.width, i.low, i.rm, i.high);
            of_vectors(MULTIPLY_ADD[i.opcode as usize], i.q, i.rd, i.rn, m)
        }
        execute |i, e| {
            let m = of(i.width, i.low, i.rm, i.high);
            let shape = Shape::vector(m.size, i.q);
            multiply_add(e, MULTIPLY_ADD[i.opcode as usize], shape, (i.rd, i.rn, m))
        }

    /// FMUL, FMULX (vector by element).
    FpMultiplyByElement "0qu01111zzlmmmmm1001h0nnnnnddddd"
        { q = q, extended = u, width = z, low = l, rm = m, high = h, rn = n, rd = d }
        unless |i| reserved(i.width, i.low) || no_vector(i.width, i.q),
        text |i, pc| {
            let m = of(i.width, i.low, i.rm, i.high);
            of_vectors(MULTIPLY[i.extended as usize], i.q, i.rd, i.rn, m)
        }
        execute |i, e| {
            let m = of(i.width, i.low, i.rm, i.high);
            let shape = Shape::vector(m.size, i.q);
            multiply(e, MULTIPLY[i.extended as usize], shape, (i.rd, i.rn, m))
        }

    /// FMLA, FMLS (scalar by element).
    FpMultiplyAddByElementScalar "01011111zzlmmmmm0o01h0nnnnnddddd"
        { width = z, low = l, rm = m, opcode = o, high = h, rn = n, rd = d }
        unless |i| reserved(i.width, i.low),
        text |i, pc| {
            let m = of(i.width, i.low, i.rm, i.high);
            of_scalars(MULTIPLY_ADD[i.opcode as usize], i.rd, i.rn, m)
        }
        execute |i, e| {
            let m = of(i.width, i.low, i.rm, i.high);
            let shape = Shape::scalar(m.size);
            multiply_add(e, MULTIPLY_ADD[i.opcode as usize], shape, (i.rd, i.rn, m))
        }

    /// FMUL, FMULX (scalar by element).
    FpMultiplyByElementScalar "01u11111zzlmmmmm1001h0nnnnnddddd"
        { extended = u, width = z, low = l, rm = m, high = h, rn = n, rd = d }
        unless |i| reserved(i.width, i.low),
        text |i, pc| {
            let m = of(i.width, i.low, i.rm, i.high);
            of_scalars(MULTIPLY[i.extended as usize], i.rd, i.rn, m)
        }
        execute |i, e| {
            let m = of(i.width, i.low, i.rm, i.high);
            let shape = Shape::scalar(m.size);
            multiply(e, MULTIPLY[i.extended as usize], shape, (i.rd, i.rn, m))
        }

    /// FMLAL, FMLSL (by element): the lower halves of Vn (FEAT_FHM).
    FpMultiplyAddLongByElement "0q00111110lmmmmm0o00h0nnnnnddddd"
        { q = q, low = l, rm = m, opcode = o, high = h, rn = n, rd = d }
        text |i, pc| {
            let m = of(0, i.low, i.rm, i.high);
            of_halves(LONG[i.opcode as usize], i.q, i.rd, i.rn, m)
        }
        execute |i, e| {
            let m = of(0, i.low, i.rm, i.high);
            let shape = Shape::vector(S, i.q);
            multiply_add(e, LONG[i.opcode as usize], shape, (i.rd, i.rn, m))
        }

    /// FMLAL2, FMLSL2 (by element): the upper halves of Vn (FEAT_FHM).
    FpMultiplyAddLong2ByElement "0q10111110lmmmmm1o00h0nnnnnddddd"
        { q = q, low = l, rm = m, opcode = o, high = h, rn = n, rd = d }
        text |i, pc| {
            let m = of(0, i.low, i.rm, i.high);
            of_halves(LONG_2[i.opcode as usize], i.q, i.rd, i.rn, m)
        }
        execute |i, e| {
            let m = of(0, i.low, i.rm, i.high);
            let shape = Shape::vector(S, i.q);
            multiply_add(e, LONG_2[i.opcode as usize], shape, (i.rd, i.rn, m))
        }
}
