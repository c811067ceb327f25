//! Advanced SIMD three-register extension, and what goes with it by element (DDI 0487 C4.1:
//! "Advanced SIMD three-register extension", "Advanced SIMD vector x indexed element"): dot
//! products, matrix products, complex numbers, BFloat16.
//!
//! ```text
//!   by element:   0 Q U 01111 size L M Rm opcode H 0 Rn Rd
//!                                  | |           |
//!      32 bits:  H:L is the index, M:Rm the register
//!      16 bits:  H:L:M is the index, Rm (of V0 to V15) the register
//! ```
//!
//! Left out here: SQRDMLAH and SQRDMLSH, which stand with their kind.

use super::operand::{Element, no_vector, same, vector};
use crate::a64::rows;
use crate::emit::Emit;
use crate::vector::{Function, Shape, bfloat16, complex, dot, function, permute};

const B: u32 = 0;
const H: u32 = 1;
const S: u32 = 2;

/// Vd = function(Vd, Vn, Vm): adds to words.
#[inline(always)]
fn add_to<E: Emit>(
    e: &mut E,
    function: Function,
    q: u32,
    (d, n, m): (u32, u32, u32),
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let operands = [e.v(d), e.v(n), e.v(m)];
    let result = e.vector(function, Shape::vector(S, q), &operands);
    e.set_v(d, result);
    Ok(())
}

/// The same with one element of Vm, of `1 << size` bytes, in place of them all.
#[inline(always)]
fn add_to_by_element<E: Emit>(
    e: &mut E,
    function: Function,
    q: u32,
    (d, n, m): (u32, u32, u32),
    (size, index): (u32, u32),
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let m = Element { size, register: m, index }.read(e);
    let operands = [e.v(d), e.v(n), m];
    let result = e.vector(function, Shape::vector(S, q), &operands);
    e.set_v(d, result);
    Ok(())
}

/// `name\tv1.2s, v2.8b, v3.8b`: words from smaller elements.
fn narrower(name: &str, size: u32, q: u32, d: u32, n: u32, m: u32) -> String {
    format!("{name}\t{}, {}, {}", vector(S, q, d), vector(size, q, n), vector(size, q, m))
}

/// `name\tv1.2s, v2.8b, v3.4b[1]`: words from smaller elements, by the group in a word.
fn narrower_by_group(name: &str, size: u32, q: u32, (d, n, m): (u32, u32, u32), i: u32) -> String {
    let group = ["4b", "2h"][size as usize];
    format!("{name}\t{}, {}, v{m}.{group}[{i}]", vector(S, q, d), vector(size, q, n))
}

const DOT: [Function; 2] = [function!(dot::sdot), function!(dot::udot)];
const DOT_MIXED: [Function; 2] = [function!(dot::sudot), function!(dot::usdot)];
const MATRIX: [Function; 3] =
    [function!(dot::smmla), function!(dot::usmmla), function!(dot::ummla)];
const BF_LONG: [Function; 2] = [function!(bfloat16::bfmlalb), function!(bfloat16::bfmlalt)];

rows! {
    /// SDOT, UDOT (vector).
    Dot "0qu01110100mmmmm100101nnnnnddddd" { q = q, unsigned = u, rm = m, rn = n, rd = d }
        text |i, pc| { narrower(DOT[i.unsigned as usize].name, B, i.q, i.rd, i.rn, i.rm) }
        execute |i, e| { add_to(e, DOT[i.unsigned as usize], i.q, (i.rd, i.rn, i.rm)) }

    /// SDOT, UDOT (by element).
    DotByElement "0qu0111110lmmmmm1110h0nnnnnddddd"
        { q = q, unsigned = u, low = l, rm = m, high = h, rn = n, rd = d }
        text |i, pc| {
            let name = DOT[i.unsigned as usize].name;
            narrower_by_group(name, B, i.q, (i.rd, i.rn, i.rm), i.high << 1 | i.low)
        }
        execute |i, e| {
            let (function, element) = (DOT[i.unsigned as usize], (S, i.high << 1 | i.low));
            add_to_by_element(e, function, i.q, (i.rd, i.rn, i.rm), element)
        }

    /// USDOT (vector).
    Usdot "0q001110100mmmmm100111nnnnnddddd" { q = q, rm = m, rn = n, rd = d }
        needs I8mm,
        text |i, pc| { narrower("usdot", B, i.q, i.rd, i.rn, i.rm) }
        execute |i, e| { add_to(e, function!(dot::usdot), i.q, (i.rd, i.rn, i.rm)) }

    /// SUDOT, USDOT (by element).
    DotMixedByElement "0q001111o0lmmmmm1111h0nnnnnddddd"
        { q = q, opcode = o, low = l, rm = m, high = h, rn = n, rd = d }
        needs I8mm,
        text |i, pc| {
            let name = DOT_MIXED[i.opcode as usize].name;
            narrower_by_group(name, B, i.q, (i.rd, i.rn, i.rm), i.high << 1 | i.low)
        }
        execute |i, e| {
            let (function, element) = (DOT_MIXED[i.opcode as usize], (S, i.high << 1 | i.low));
            add_to_by_element(e, function, i.q, (i.rd, i.rn, i.rm), element)
        }

    /// SMMLA, UMMLA, USMMLA.
    MatrixMultiply "01u01110100mmmmm1010x1nnnnnddddd"
        { unsigned = u, rm = m, mixed = x, rn = n, rd = d }
        unless |i| i.unsigned == 1 && i.mixed == 1,
        needs I8mm,
        text |i, pc| {
            narrower(MATRIX[(i.unsigned << 1 | i.mixed) as usize].name, B, 1, i.rd, i.rn, i.rm)
        }
        execute |i, e| {
            add_to(e, MATRIX[(i.unsigned << 1 | i.mixed) as usize], 1, (i.rd, i.rn, i.rm))
        }

    /// FCMLA (vector).
    ComplexMultiplyAdd "0q101110zz0mmmmm110oo1nnnnnddddd"
        { q = q, lane = z, rm = m, rot = o, rn = n, rd = d }
        unless |i| i.lane == B || no_vector(i.lane, i.q),
        text |i, pc| {
            let operands = same("fcmla", i.lane, i.q, [i.rd, i.rn, i.rm]);
            format!("{operands}, #{}", 90 * i.rot)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let operands = [e.v(i.rn), e.v(i.rm), e.v(i.rd)];
            let shape = Shape::vector(i.lane, i.q).with(i.rot);
            let result = e.vector(function!(complex::fcmla), shape, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// FCMLA (by element): the element is a pair of lanes.
    ComplexMultiplyAddByElement "0q101111zzlmmmmm0oo1h0nnnnnddddd"
        { q = q, lane = z, low = l, rm = m, rot = o, high = h, rn = n, rd = d }
        unless |i| match i.lane {
            H => i.high == 1 && i.q == 0,
            S => i.low == 1 || i.q == 0,
            _ => true,
        },
        text |i, pc| {
            let index = if i.lane == H { i.high << 1 | i.low } else { i.high };
            let element = super::operand::element(i.lane, i.rm, index);
            let operands = same("fcmla", i.lane, i.q, [i.rd, i.rn]);
            format!("{operands}, {element}, #{}", 90 * i.rot)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let index = if i.lane == H { i.high << 1 | i.low } else { i.high };
            let m = e.v(i.rm);
            let pair = Shape::vector(i.lane + 1, i.q).with(index);
            let m = e.vector(function!(permute::dup), pair, &[m]);
            let operands = [e.v(i.rn), m, e.v(i.rd)];
            let shape = Shape::vector(i.lane, i.q).with(i.rot);
            let result = e.vector(function!(complex::fcmla), shape, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// FCADD.
    ComplexAdd "0q101110zz0mmmmm111o01nnnnnddddd"
        { q = q, lane = z, rm = m, rot = o, rn = n, rd = d }
        unless |i| i.lane == B || no_vector(i.lane, i.q),
        text |i, pc| {
            let operands = same("fcadd", i.lane, i.q, [i.rd, i.rn, i.rm]);
            format!("{operands}, #{}", 90 + 180 * i.rot)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let operands = [e.v(i.rn), e.v(i.rm)];
            let shape = Shape::vector(i.lane, i.q).with(1 + 2 * i.rot);
            let result = e.vector(function!(complex::fcadd), shape, &operands);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// BFDOT (vector).
    Bfdot "0q101110010mmmmm111111nnnnnddddd" { q = q, rm = m, rn = n, rd = d }
        needs Bf16,
        text |i, pc| { narrower("bfdot", H, i.q, i.rd, i.rn, i.rm) }
        execute |i, e| { add_to(e, function!(bfloat16::bfdot), i.q, (i.rd, i.rn, i.rm)) }

    /// BFDOT (by element).
    BfdotByElement "0q00111101lmmmmm1111h0nnnnnddddd"
        { q = q, low = l, rm = m, high = h, rn = n, rd = d }
        needs Bf16,
        text |i, pc| {
            narrower_by_group("bfdot", H, i.q, (i.rd, i.rn, i.rm), i.high << 1 | i.low)
        }
        execute |i, e| {
            let (function, element) = (function!(bfloat16::bfdot), (S, i.high << 1 | i.low));
            add_to_by_element(e, function, i.q, (i.rd, i.rn, i.rm), element)
        }

    /// BFMMLA.
    Bfmmla "01101110010mmmmm111011nnnnnddddd" { rm = m, rn = n, rd = d }
        needs Bf16,
        text |i, pc| { narrower("bfmmla", H, 1, i.rd, i.rn, i.rm) }
        execute |i, e| { add_to(e, function!(bfloat16::bfmmla), 1, (i.rd, i.rn, i.rm)) }

    /// BFMLALB, BFMLALT (vector): always 128 bits; Q says which of two elements.
    Bfmlal "0t101110110mmmmm111111nnnnnddddd" { top = t, rm = m, rn = n, rd = d }
        needs Bf16,
        text |i, pc| { narrower(BF_LONG[i.top as usize].name, H, 1, i.rd, i.rn, i.rm) }
        execute |i, e| { add_to(e, BF_LONG[i.top as usize], 1, (i.rd, i.rn, i.rm)) }

    /// BFMLALB, BFMLALT (by element).
    BfmlalByElement "0t00111111llmmmm1111h0nnnnnddddd"
        { top = t, low = l, rm = m, high = h, rn = n, rd = d }
        needs Bf16,
        text |i, pc| {
            let element = super::operand::element(H, i.rm, i.high << 2 | i.low);
            let name = BF_LONG[i.top as usize].name;
            format!("{name}\t{}, {}, {element}", vector(S, 1, i.rd), vector(H, 1, i.rn))
        }
        execute |i, e| {
            let (function, element) = (BF_LONG[i.top as usize], (H, i.high << 2 | i.low));
            add_to_by_element(e, function, 1, (i.rd, i.rn, i.rm), element)
        }

    /// BFCVTN, BFCVTN2.
    Bfcvtn "0q00111010100001011010nnnnnddddd" { q = q, rn = n, rd = d }
        needs Bf16,
        text |i, pc| {
            let name = super::operand::with_2("bfcvtn", i.q);
            format!("{name}\t{}, {}", vector(H, i.q, i.rd), vector(S, 1, i.rn))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let a = e.v(i.rn);
            let result = e.vector(function!(bfloat16::bfcvtn), Shape::vector(H, 0), &[a]);
            super::operand::set_part(e, i.rd, i.q, result);
            Ok(())
        }
}
