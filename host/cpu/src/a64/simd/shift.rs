//! Advanced SIMD shift by immediate, integer; vector and scalar.
//!
//! immh:immb says both the size of the lanes and the distance:
//!
//! ```text
//!   immh  immb     size     to the right           to the left
//!   0001  xxx      8        16 - immh:immb         immh:immb - 8
//!   001x  xxx      16       32 - immh:immb         immh:immb - 16
//!   01xx  xxx      32       64 - immh:immb         immh:immb - 32
//!   1xxx  xxx      64       128 - immh:immb        immh:immb - 64
//! ```
//!
//! With immh 0000 it is a modified immediate, which is another row's.

use super::operand::{
    narrowing_text, no_vector, part, same, same_scalar, scalar, set_part, vector, with_2,
};
use super::three_different::extend;
use super::three_same::add_sub;
use super::two_register::{narrow, narrow_saturating};
use crate::a64::rows;
use crate::emit::Emit;
use crate::vector::{Function, Shape, function, functions, shift};

/// Bytes of a lane as a power of two: the highest 1 of immh, which is not 0.
#[inline(always)]
const fn size(immh: u32) -> u32 {
    (immh | 1).ilog2()
}

/// To the right by 1 to the lane's size.
#[inline(always)]
const fn right(immh: u32, immb: u32) -> u32 {
    (16 << size(immh)) - (immh << 3 | immb)
}

/// To the left by 0 to the lane's size less 1.
#[inline(always)]
const fn left(immh: u32, immb: u32) -> u32 {
    (immh << 3 | immb) - (8 << size(immh))
}

/// SSHR, USHR, SRSHR, URSHR; with `accumulate` SSRA, USRA, SRSRA, URSRA.
#[inline(always)]
fn right_function(round: u32, unsigned: u32) -> Function {
    functions!(shift::{sshr, ushr, srshr, urshr})[(round << 1 | unsigned) as usize]
}

fn right_name(round: u32, accumulate: u32, unsigned: u32) -> &'static str {
    let names = [["sshr", "ushr"], ["ssra", "usra"], ["srshr", "urshr"], ["srsra", "ursra"]];
    names[(round << 1 | accumulate) as usize][unsigned as usize]
}

#[inline(always)]
fn shift_right<E: Emit>(
    e: &mut E,
    shape: Shape,
    function: Function,
    accumulate: u32,
    [d, n]: [u32; 2],
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let a = e.v(n);
    let mut result = e.vector(function, shape, &[a]);
    if accumulate == 1 {
        let old = e.v(d);
        result = e.vector(add_sub(0), shape, &[old, result]);
    }
    e.set_v(d, result);
    Ok(())
}

/// SRI; SHL, SLI: into Vd.
#[inline(always)]
fn insert<E: Emit>(
    e: &mut E,
    shape: Shape,
    function: Function,
    [d, n]: [u32; 2],
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let (a, old) = (e.v(n), e.v(d));
    let result = e.vector(function, shape, &[a, old]);
    e.set_v(d, result);
    Ok(())
}

#[inline(always)]
fn left_function(insert: u32) -> Function {
    functions!(shift::{shl, sli})[insert as usize]
}

/// SQSHL, UQSHL (immediate): as by a register that has the distance in all lanes.
#[inline(always)]
fn saturating_left<E: Emit>(
    e: &mut E,
    shape: Shape,
    unsigned: u32,
    [d, n]: [u32; 2],
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let a = e.v(n);
    let function = functions!(shift::{sqshl, uqshl})[unsigned as usize];
    let by = e.q_imm(u128::from(shape.imm) * (u128::MAX / 0xff));
    let result = e.vector(function, shape, &[a, by]);
    e.set_v(d, result);
    Ok(())
}

#[inline(always)]
fn saturating_left_unsigned<E: Emit>(
    e: &mut E,
    shape: Shape,
    [d, n]: [u32; 2],
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let a = e.v(n);
    let result = e.vector(function!(shift::sqshlu), shape, &[a]);
    e.set_v(d, result);
    Ok(())
}

/// SHRN, RSHRN, SQSHRUN, SQRSHRUN: shifted in the wide lanes, then narrowed.
#[inline(always)]
fn right_narrow<E: Emit>(e: &mut E, shape: Shape, round: u32, to_unsigned: u32, n: u32) -> E::Q {
    // What is only cut off may as well be shifted as unsigned.
    right_then(e, shape, right_function(round, 1 - to_unsigned), narrow(to_unsigned), n)
}

/// SQSHRN, UQSHRN, SQRSHRN, UQRSHRN.
#[inline(always)]
fn right_narrow_saturating<E: Emit>(
    e: &mut E,
    shape: Shape,
    round: u32,
    unsigned: u32,
    n: u32,
) -> E::Q {
    right_then(e, shape, right_function(round, unsigned), narrow_saturating(unsigned), n)
}

#[inline(always)]
fn right_then<E: Emit>(e: &mut E, shape: Shape, shift: Function, narrow: Function, n: u32) -> E::Q {
    let a = e.v(n);
    let shifted = e.vector(shift, Shape { size: shape.size + 1, ..shape }, &[a]);
    e.vector(narrow, shape, &[shifted])
}

fn narrow_name(round: u32, to_unsigned: u32) -> &'static str {
    [["shrn", "rshrn"], ["sqshrun", "sqrshrun"]][to_unsigned as usize][round as usize]
}

fn narrow_saturating_name(round: u32, unsigned: u32) -> &'static str {
    [["sqshrn", "sqrshrn"], ["uqshrn", "uqrshrn"]][unsigned as usize][round as usize]
}

/// `name\tb1, h2, #3`.
fn narrow_scalar(name: &str, immh: u32, immb: u32, [d, n]: [u32; 2]) -> String {
    let size = size(immh);
    format!("{name}\t{}, {}, #{}", scalar(size, d), scalar(size + 1, n), right(immh, immb))
}

rows! {
    /// SSHR, USHR, SSRA, USRA, SRSHR, URSHR, SRSRA, URSRA (vector).
    VectorShiftRight "0qu011110hhhhbbb00ra01nnnnnddddd"
        { q = q, unsigned = u, immh = h, immb = b, round = r, accumulate = a, rn = n, rd = d }
        nonzero h,
        unless |i| no_vector(size(i.immh), i.q),
        text |i, pc| {
            let name = right_name(i.round, i.accumulate, i.unsigned);
            let registers = same(name, size(i.immh), i.q, [i.rd, i.rn]);
            format!("{registers}, #{}", right(i.immh, i.immb))
        }
        execute |i, e| {
            let shape = Shape::vector(size(i.immh), i.q).with(right(i.immh, i.immb));
            let function = right_function(i.round, i.unsigned);
            shift_right(e, shape, function, i.accumulate, [i.rd, i.rn])
        }

    /// SRI (vector).
    VectorShiftRightInsert "0q1011110hhhhbbb010001nnnnnddddd"
        { q = q, immh = h, immb = b, rn = n, rd = d }
        nonzero h,
        unless |i| no_vector(size(i.immh), i.q),
        text |i, pc| {
            let registers = same("sri", size(i.immh), i.q, [i.rd, i.rn]);
            format!("{registers}, #{}", right(i.immh, i.immb))
        }
        execute |i, e| {
            let shape = Shape::vector(size(i.immh), i.q).with(right(i.immh, i.immb));
            insert(e, shape, function!(shift::sri), [i.rd, i.rn])
        }

    /// SHL, SLI (vector).
    VectorShiftLeft "0qi011110hhhhbbb010101nnnnnddddd"
        { q = q, insert = i, immh = h, immb = b, rn = n, rd = d }
        nonzero h,
        unless |i| no_vector(size(i.immh), i.q),
        text |i, pc| {
            let registers = same(left_function(i.insert).name, size(i.immh), i.q, [i.rd, i.rn]);
            format!("{registers}, #{}", left(i.immh, i.immb))
        }
        execute |i, e| {
            let shape = Shape::vector(size(i.immh), i.q).with(left(i.immh, i.immb));
            insert(e, shape, left_function(i.insert), [i.rd, i.rn])
        }

    /// SQSHLU (vector).
    VectorShiftLeftUnsigned "0q1011110hhhhbbb011001nnnnnddddd"
        { q = q, immh = h, immb = b, rn = n, rd = d }
        nonzero h,
        unless |i| no_vector(size(i.immh), i.q),
        text |i, pc| {
            let registers = same("sqshlu", size(i.immh), i.q, [i.rd, i.rn]);
            format!("{registers}, #{}", left(i.immh, i.immb))
        }
        execute |i, e| {
            let shape = Shape::vector(size(i.immh), i.q).with(left(i.immh, i.immb));
            saturating_left_unsigned(e, shape, [i.rd, i.rn])
        }

    /// SQSHL, UQSHL (immediate, vector).
    VectorShiftLeftSaturating "0qu011110hhhhbbb011101nnnnnddddd"
        { q = q, unsigned = u, immh = h, immb = b, rn = n, rd = d }
        nonzero h,
        unless |i| no_vector(size(i.immh), i.q),
        text |i, pc| {
            let name = ["sqshl", "uqshl"][i.unsigned as usize];
            let registers = same(name, size(i.immh), i.q, [i.rd, i.rn]);
            format!("{registers}, #{}", left(i.immh, i.immb))
        }
        execute |i, e| {
            let shape = Shape::vector(size(i.immh), i.q).with(left(i.immh, i.immb));
            saturating_left(e, shape, i.unsigned, [i.rd, i.rn])
        }

    /// SHRN, RSHRN, SQSHRUN, SQRSHRUN (vector).
    VectorShiftRightNarrow "0qu011110hhhhbbb1000r1nnnnnddddd"
        { q = q, to_unsigned = u, immh = h, immb = b, round = r, rn = n, rd = d }
        nonzero h,
        unless |i| size(i.immh) == 3,
        text |i, pc| {
            let name = narrow_name(i.round, i.to_unsigned);
            let registers = narrowing_text(name, size(i.immh), i.q, [i.rd, i.rn]);
            format!("{registers}, #{}", right(i.immh, i.immb))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let shape = Shape::vector(size(i.immh), 0).with(right(i.immh, i.immb));
            let result = right_narrow(e, shape, i.round, i.to_unsigned, i.rn);
            set_part(e, i.rd, i.q, result);
            Ok(())
        }

    /// SQSHRN, UQSHRN, SQRSHRN, UQRSHRN (vector).
    VectorShiftRightNarrowSaturating "0qu011110hhhhbbb1001r1nnnnnddddd"
        { q = q, unsigned = u, immh = h, immb = b, round = r, rn = n, rd = d }
        nonzero h,
        unless |i| size(i.immh) == 3,
        text |i, pc| {
            let name = narrow_saturating_name(i.round, i.unsigned);
            let registers = narrowing_text(name, size(i.immh), i.q, [i.rd, i.rn]);
            format!("{registers}, #{}", right(i.immh, i.immb))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let shape = Shape::vector(size(i.immh), 0).with(right(i.immh, i.immb));
            let result = right_narrow_saturating(e, shape, i.round, i.unsigned, i.rn);
            set_part(e, i.rd, i.q, result);
            Ok(())
        }

    /// SSHLL, USHLL: SXTL and UXTL if by 0.
    VectorShiftLeftLong "0qu011110hhhhbbb101001nnnnnddddd"
        { q = q, unsigned = u, immh = h, immb = b, rn = n, rd = d }
        nonzero h,
        unless |i| size(i.immh) == 3,
        text |i, pc| {
            let (size, name) = (size(i.immh), ["sshll", "ushll"][i.unsigned as usize]);
            let (d, n) = (vector(size + 1, 1, i.rd), vector(size, i.q, i.rn));
            format!("{}\t{d}, {n}, #{}", with_2(name, i.q), left(i.immh, i.immb))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let shape = Shape::vector(size(i.immh) + 1, 1);
            let a = part(e, i.rn, i.q);
            let mut result = e.vector(extend(i.unsigned), shape, &[a]);
            let by = left(i.immh, i.immb);
            if by != 0 {
                result = e.vector(function!(shift::shl), shape.with(by), &[result]);
            }
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SSHR, USHR, SSRA, USRA, SRSHR, URSHR, SRSRA, URSRA (scalar).
    ScalarShiftRight "01u1111101iiiiii00ra01nnnnnddddd"
        { unsigned = u, imm6 = i, round = r, accumulate = a, rn = n, rd = d }
        text |i, pc| {
            let name = right_name(i.round, i.accumulate, i.unsigned);
            same_scalar(name, 3, [i.rd, i.rn]) + &format!(", #{}", 64 - i.imm6)
        }
        execute |i, e| {
            let shape = Shape::scalar(3).with(64 - i.imm6);
            let function = right_function(i.round, i.unsigned);
            shift_right(e, shape, function, i.accumulate, [i.rd, i.rn])
        }

    /// SRI (scalar).
    ScalarShiftRightInsert "0111111101iiiiii010001nnnnnddddd" { imm6 = i, rn = n, rd = d }
        text |i, pc| { same_scalar("sri", 3, [i.rd, i.rn]) + &format!(", #{}", 64 - i.imm6) }
        execute |i, e| {
            insert(e, Shape::scalar(3).with(64 - i.imm6), function!(shift::sri), [i.rd, i.rn])
        }

    /// SHL, SLI (scalar).
    ScalarShiftLeft "01i1111101jjjjjj010101nnnnnddddd"
        { insert = i, imm6 = j, rn = n, rd = d }
        text |i, pc| {
            let name = left_function(i.insert).name;
            same_scalar(name, 3, [i.rd, i.rn]) + &format!(", #{}", i.imm6)
        }
        execute |i, e| {
            insert(e, Shape::scalar(3).with(i.imm6), left_function(i.insert), [i.rd, i.rn])
        }

    /// SQSHLU (scalar).
    ScalarShiftLeftUnsigned "011111110hhhhbbb011001nnnnnddddd"
        { immh = h, immb = b, rn = n, rd = d }
        nonzero h,
        text |i, pc| {
            let registers = same_scalar("sqshlu", size(i.immh), [i.rd, i.rn]);
            format!("{registers}, #{}", left(i.immh, i.immb))
        }
        execute |i, e| {
            let shape = Shape::scalar(size(i.immh)).with(left(i.immh, i.immb));
            saturating_left_unsigned(e, shape, [i.rd, i.rn])
        }

    /// SQSHL, UQSHL (immediate, scalar).
    ScalarShiftLeftSaturating "01u111110hhhhbbb011101nnnnnddddd"
        { unsigned = u, immh = h, immb = b, rn = n, rd = d }
        nonzero h,
        text |i, pc| {
            let name = ["sqshl", "uqshl"][i.unsigned as usize];
            let registers = same_scalar(name, size(i.immh), [i.rd, i.rn]);
            format!("{registers}, #{}", left(i.immh, i.immb))
        }
        execute |i, e| {
            let shape = Shape::scalar(size(i.immh)).with(left(i.immh, i.immb));
            saturating_left(e, shape, i.unsigned, [i.rd, i.rn])
        }

    /// SQSHRUN, SQRSHRUN (scalar).
    ScalarShiftRightNarrow "011111110hhhhbbb1000r1nnnnnddddd"
        { immh = h, immb = b, round = r, rn = n, rd = d }
        nonzero h,
        unless |i| size(i.immh) == 3,
        text |i, pc| { narrow_scalar(narrow_name(i.round, 1), i.immh, i.immb, [i.rd, i.rn]) }
        execute |i, e| {
            e.fp_enabled()?;
            let shape = Shape::scalar(size(i.immh)).with(right(i.immh, i.immb));
            let result = right_narrow(e, shape, i.round, 1, i.rn);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// SQSHRN, UQSHRN, SQRSHRN, UQRSHRN (scalar).
    ScalarShiftRightNarrowSaturating "01u111110hhhhbbb1001r1nnnnnddddd"
        { unsigned = u, immh = h, immb = b, round = r, rn = n, rd = d }
        nonzero h,
        unless |i| size(i.immh) == 3,
        text |i, pc| {
            let name = narrow_saturating_name(i.round, i.unsigned);
            narrow_scalar(name, i.immh, i.immb, [i.rd, i.rn])
        }
        execute |i, e| {
            e.fp_enabled()?;
            let shape = Shape::scalar(size(i.immh)).with(right(i.immh, i.immb));
            let result = right_narrow_saturating(e, shape, i.round, i.unsigned, i.rn);
            e.set_v(i.rd, result);
            Ok(())
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn immh_says_size_and_distance() {
        assert_eq!((size(0b0001), right(1, 0), right(1, 7)), (0, 8, 1));
        assert_eq!((size(0b0011), left(2, 0), left(3, 7)), (1, 0, 15));
        assert_eq!((size(0b0100), right(4, 0), left(7, 7)), (2, 32, 31));
        assert_eq!((size(0b1000), right(8, 0), left(15, 7)), (3, 64, 63));
    }
}
