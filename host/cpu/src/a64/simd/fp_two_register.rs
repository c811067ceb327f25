//! Advanced SIMD two-register miscellaneous, floating-point (DDI 0487 C4.1: "Advanced SIMD
//! two-register miscellaneous", its upper opcodes; "... (FP16)"; the same of scalars).
//!
//! What is computed depends on U, `a` (bit 23) and the opcode, whose rows come in four blocks:
//!
//! ```text
//!   vector         0 Q U 01110 a sz 10000 opcode 10 Rn Rd
//!   vector, half   0 Q U 01110 a 1  11100 opcode 10 Rn Rd
//!   scalar         0 1 U 11110 a sz 10000 opcode 10 Rn Rd
//!   scalar, half   0 1 U 11110 a 1  11100 opcode 10 Rn Rd
//!
//!   opcode  011xx, a = 1     signs, and comparisons with zero
//!           110xx            to integral values and integers, in a rounding mode
//!           111xx, a = 0     the same with ties away; from integers; to integral values of a size
//!           111x1, a = 1     estimates and the square root
//! ```
//!
//! Opcode 11100 with a = 1 is an estimate of integers, another row's.

use super::operand::{no_vector, same, same_scalar, unary};
use crate::a64::rows;
use crate::emit::{Call, Emit};
use crate::vector::float::{
    fabs, fneg, frint, frint32x, frint32z, frint64x, frint64z, frinti, frintx, fsqrt,
};
use crate::vector::float_compare::{fcmeq_zero, fcmge_zero, fcmgt_zero, fcmle_zero, fcmlt_zero};
use crate::vector::float_convert::{Conversion, FPCR, fcvts, fcvtu, scvtf, ucvtf};
use crate::vector::float_estimate::{frecpe, frecpx, frsqrte};
use crate::vector::{Function, Shape, function};

const H: u32 = 1;
const S: u32 = 2;

/// Rounding modes by the numbers of `Rounding::of_immediate`.
const EVEN: u32 = 0;
const UP: u32 = 1;
const DOWN: u32 = 2;
const ZERO: u32 = 3;
const AWAY: u32 = 4;

/// Where an operation exists.
#[derive(Clone, Copy)]
enum Kind {
    /// Vectors only.
    Vector,
    /// Vectors only, of singles and doubles.
    VectorNotHalf,
    /// Scalars only.
    Scalar,
    /// Both.
    Both,
}

/// What the function wants to know.
#[derive(Clone, Copy)]
enum Immediate {
    Nothing,
    Rounding(u32),
    Conversion(u32),
}

#[derive(Clone, Copy)]
struct Operation {
    kind: Kind,
    name: &'static str,
    function: Function,
    immediate: Immediate,
}

/// Tables of `(Kind name)`, `(Kind name function immediate)`, or `()` for what is not allocated.
macro_rules! operations {
    ($([$($cell:tt),*])*) => { [$([$(operations!(@ $cell)),*]),*] };
    (@ ()) => { None };
    (@ ($kind:ident $name:ident)) => { operations!(@ ($kind $name $name Nothing)) };
    (@ ($kind:ident $name:ident $function:ident $($immediate:tt)*)) => {
        Some(Operation {
            kind: Kind::$kind,
            name: stringify!($name),
            function: function!($function),
            immediate: Immediate::$($immediate)*,
        })
    };
}

type Table<const COLUMNS: usize, const ROWS: usize> = [[Option<Operation>; COLUMNS]; ROWS];

/// Opcodes 011xx with a = 1, and then by U.
#[rustfmt::skip]
static SIGNS: Table<2, 4> = operations! {
    [(Both fcmgt fcmgt_zero Nothing), (Both fcmge fcmge_zero Nothing)] // 01100
    [(Both fcmeq fcmeq_zero Nothing), (Both fcmle fcmle_zero Nothing)] // 01101
    [(Both fcmlt fcmlt_zero Nothing), ()]                              // 01110
    [(Vector fabs),                   (Vector fneg)]                   // 01111
};

/// Opcodes 110xx, and then by U:a.
#[rustfmt::skip]
static ROUNDINGS: Table<4, 4> = operations! {
    // 11000
    [(Vector frintn frint Rounding(EVEN)), (Vector frintp frint Rounding(UP)),
     (Vector frinta frint Rounding(AWAY)), ()]
    // 11001
    [(Vector frintm frint Rounding(DOWN)), (Vector frintz frint Rounding(ZERO)),
     (Vector frintx),                      (Vector frinti)]
    // 11010
    [(Both fcvtns fcvts Conversion(EVEN)), (Both fcvtps fcvts Conversion(UP)),
     (Both fcvtnu fcvtu Conversion(EVEN)), (Both fcvtpu fcvtu Conversion(UP))]
    // 11011
    [(Both fcvtms fcvts Conversion(DOWN)), (Both fcvtzs fcvts Conversion(ZERO)),
     (Both fcvtmu fcvtu Conversion(DOWN)), (Both fcvtzu fcvtu Conversion(ZERO))]
};

/// Opcodes 111xx with a = 0, and then by U.
#[rustfmt::skip]
static CONVERSIONS: Table<2, 4> = operations! {
    [(Both fcvtas fcvts Conversion(AWAY)), (Both fcvtau fcvtu Conversion(AWAY))] // 11100
    [(Both scvtf scvtf Conversion(FPCR)),  (Both ucvtf ucvtf Conversion(FPCR))]  // 11101
    [(VectorNotHalf frint32z),             (VectorNotHalf frint32x)]             // 11110
    [(VectorNotHalf frint64z),             (VectorNotHalf frint64x)]             // 11111
};

/// Opcodes 111x1 with a = 1, and then by U.
#[rustfmt::skip]
static ESTIMATES: Table<2, 2> = operations! {
    [(Both frecpe),   (Both frsqrte)] // 11101
    [(Scalar frecpx), (Vector fsqrt)] // 11111
};

/// The registers' form: vectors of half a register (0) or of all of it (1), or scalars.
#[derive(Clone, Copy)]
enum Form {
    Vector(u32),
    Scalar,
}
use Form::{Scalar, Vector};

/// An operation on lanes of `1 << size` bytes.
struct Choice {
    operation: Operation,
    size: u32,
    form: Form,
}

/// The operation of a table, if there is one for this size and form.
#[inline(always)]
fn choose<const COLUMNS: usize, const ROWS: usize>(
    table: &Table<COLUMNS, ROWS>,
    (row, column): (u32, u32),
    size: u32,
    form: Form,
) -> Option<Choice> {
    let operation = table[row as usize][column as usize]?;
    let allocated = match (form, operation.kind) {
        (Vector(q), Kind::Vector | Kind::Both) => !no_vector(size, q),
        (Vector(q), Kind::VectorNotHalf) => size != H && !no_vector(size, q),
        (Scalar, Kind::Scalar | Kind::Both) => true,
        _ => false,
    };
    allocated.then_some(Choice { operation, size, form })
}

#[inline(always)]
fn signs(opcode: u32, unsigned: u32, size: u32, form: Form) -> Option<Choice> {
    choose(&SIGNS, (opcode, unsigned), size, form)
}

#[inline(always)]
fn roundings(opcode: u32, u_a: (u32, u32), size: u32, form: Form) -> Option<Choice> {
    choose(&ROUNDINGS, (opcode, u_a.0 << 1 | u_a.1), size, form)
}

#[inline(always)]
fn conversions(opcode: u32, unsigned: u32, size: u32, form: Form) -> Option<Choice> {
    choose(&CONVERSIONS, (opcode, unsigned), size, form)
}

#[inline(always)]
fn estimates(opcode: u32, unsigned: u32, size: u32, form: Form) -> Option<Choice> {
    choose(&ESTIMATES, (opcode, unsigned), size, form)
}

/// Vd = operation(Vn).
#[inline(always)]
fn compute<E: Emit>(e: &mut E, choice: Option<Choice>, [d, n]: [u32; 2]) -> Result<(), E::Stop> {
    let Some(Choice { operation, size, form }) = choice else {
        return e.call(Call::Undefined);
    };
    let shape = match form {
        Vector(q) => Shape::vector(size, q),
        Scalar => Shape::scalar(size),
    };
    let immediate = match operation.immediate {
        Immediate::Nothing => 0,
        Immediate::Rounding(rounding) => rounding,
        Immediate::Conversion(rounding) => Conversion { from: size, fraction: 0, rounding }.imm(),
    };
    unary(e, operation.function, shape.with(immediate), d, n)
}

fn text(choice: Option<Choice>, registers: [u32; 2]) -> String {
    let Some(Choice { operation: Operation { name, .. }, size, form }) = choice else {
        return String::new();
    };
    let operands = match form {
        Vector(q) => same(name, size, q, registers),
        Scalar => same_scalar(name, size, registers),
    };
    if name.starts_with("fcm") { operands + ", #0.0" } else { operands }
}

rows! {
    /// FABS, FNEG, FCMGT, FCMGE, FCMEQ, FCMLE, FCMLT (zero): vectors of singles, doubles.
    FpSigns "0qu011101z10000011oo10nnnnnddddd"
        { q = q, unsigned = u, double = z, opcode = o, rn = n, rd = d }
        unless |i| signs(i.opcode, i.unsigned, S + i.double, Vector(i.q)).is_none(),
        text |i, pc| { text(signs(i.opcode, i.unsigned, S + i.double, Vector(i.q)), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, signs(i.opcode, i.unsigned, S + i.double, Vector(i.q)), [i.rd, i.rn])
        }

    /// FABS, FNEG, FCMGT, FCMGE, FCMEQ, FCMLE, FCMLT (zero): vectors of halves.
    FpSignsHalf "0qu011101111100011oo10nnnnnddddd"
        { q = q, unsigned = u, opcode = o, rn = n, rd = d }
        unless |i| signs(i.opcode, i.unsigned, H, Vector(i.q)).is_none(),
        text |i, pc| { text(signs(i.opcode, i.unsigned, H, Vector(i.q)), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, signs(i.opcode, i.unsigned, H, Vector(i.q)), [i.rd, i.rn])
        }

    /// FCMGT, FCMGE, FCMEQ, FCMLE, FCMLT (zero): scalars, singles and doubles.
    FpSignsScalar "01u111101z10000011oo10nnnnnddddd"
        { unsigned = u, double = z, opcode = o, rn = n, rd = d }
        unless |i| signs(i.opcode, i.unsigned, S + i.double, Scalar).is_none(),
        text |i, pc| { text(signs(i.opcode, i.unsigned, S + i.double, Scalar), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, signs(i.opcode, i.unsigned, S + i.double, Scalar), [i.rd, i.rn])
        }

    /// FCMGT, FCMGE, FCMEQ, FCMLE, FCMLT (zero): scalars that are halves.
    FpSignsScalarHalf "01u111101111100011oo10nnnnnddddd"
        { unsigned = u, opcode = o, rn = n, rd = d }
        unless |i| signs(i.opcode, i.unsigned, H, Scalar).is_none(),
        text |i, pc| { text(signs(i.opcode, i.unsigned, H, Scalar), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, signs(i.opcode, i.unsigned, H, Scalar), [i.rd, i.rn])
        }

    /// FRINTN, FRINTP, FRINTM, FRINTZ, FRINTA, FRINTX, FRINTI, FCVTNS, FCVTPS, FCVTMS, FCVTZS and
    /// the same to unsigned: vectors of singles, doubles.
    FpRoundings "0qu01110az10000110oo10nnnnnddddd"
        { q = q, unsigned = u, a = a, double = z, opcode = o, rn = n, rd = d }
        unless |i| roundings(i.opcode, (i.unsigned, i.a), S + i.double, Vector(i.q)).is_none(),
        text |i, pc| {
            text(roundings(i.opcode, (i.unsigned, i.a), S + i.double, Vector(i.q)), [i.rd, i.rn])
        }
        execute |i, e| {
            let choice = roundings(i.opcode, (i.unsigned, i.a), S + i.double, Vector(i.q));
            compute(e, choice, [i.rd, i.rn])
        }

    /// FRINTN, FRINTP, FRINTM, FRINTZ, FRINTA, FRINTX, FRINTI, FCVTNS, FCVTPS, FCVTMS, FCVTZS and
    /// the same to unsigned: vectors of halves.
    FpRoundingsHalf "0qu01110a111100110oo10nnnnnddddd"
        { q = q, unsigned = u, a = a, opcode = o, rn = n, rd = d }
        unless |i| roundings(i.opcode, (i.unsigned, i.a), H, Vector(i.q)).is_none(),
        text |i, pc| { text(roundings(i.opcode, (i.unsigned, i.a), H, Vector(i.q)), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, roundings(i.opcode, (i.unsigned, i.a), H, Vector(i.q)), [i.rd, i.rn])
        }

    /// FCVTNS, FCVTPS, FCVTMS, FCVTZS and the same to unsigned: scalars, singles and doubles.
    FpRoundingsScalar "01u11110az10000110oo10nnnnnddddd"
        { unsigned = u, a = a, double = z, opcode = o, rn = n, rd = d }
        unless |i| roundings(i.opcode, (i.unsigned, i.a), S + i.double, Scalar).is_none(),
        text |i, pc| {
            text(roundings(i.opcode, (i.unsigned, i.a), S + i.double, Scalar), [i.rd, i.rn])
        }
        execute |i, e| {
            compute(e, roundings(i.opcode, (i.unsigned, i.a), S + i.double, Scalar), [i.rd, i.rn])
        }

    /// FCVTNS, FCVTPS, FCVTMS, FCVTZS and the same to unsigned: scalars that are halves.
    FpRoundingsScalarHalf "01u11110a111100110oo10nnnnnddddd"
        { unsigned = u, a = a, opcode = o, rn = n, rd = d }
        unless |i| roundings(i.opcode, (i.unsigned, i.a), H, Scalar).is_none(),
        text |i, pc| { text(roundings(i.opcode, (i.unsigned, i.a), H, Scalar), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, roundings(i.opcode, (i.unsigned, i.a), H, Scalar), [i.rd, i.rn])
        }

    /// FCVTAS, FCVTAU, SCVTF, UCVTF, FRINT32Z, FRINT32X, FRINT64Z, FRINT64X: vectors.
    FpConversions "0qu011100z10000111oo10nnnnnddddd"
        { q = q, unsigned = u, double = z, opcode = o, rn = n, rd = d }
        unless |i| conversions(i.opcode, i.unsigned, S + i.double, Vector(i.q)).is_none(),
        text |i, pc| {
            text(conversions(i.opcode, i.unsigned, S + i.double, Vector(i.q)), [i.rd, i.rn])
        }
        execute |i, e| {
            compute(e, conversions(i.opcode, i.unsigned, S + i.double, Vector(i.q)), [i.rd, i.rn])
        }

    /// FCVTAS, FCVTAU, SCVTF, UCVTF: vectors of halves.
    FpConversionsHalf "0qu011100111100111oo10nnnnnddddd"
        { q = q, unsigned = u, opcode = o, rn = n, rd = d }
        unless |i| conversions(i.opcode, i.unsigned, H, Vector(i.q)).is_none(),
        text |i, pc| { text(conversions(i.opcode, i.unsigned, H, Vector(i.q)), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, conversions(i.opcode, i.unsigned, H, Vector(i.q)), [i.rd, i.rn])
        }

    /// FCVTAS, FCVTAU, SCVTF, UCVTF: scalars, singles and doubles.
    FpConversionsScalar "01u111100z10000111oo10nnnnnddddd"
        { unsigned = u, double = z, opcode = o, rn = n, rd = d }
        unless |i| conversions(i.opcode, i.unsigned, S + i.double, Scalar).is_none(),
        text |i, pc| { text(conversions(i.opcode, i.unsigned, S + i.double, Scalar), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, conversions(i.opcode, i.unsigned, S + i.double, Scalar), [i.rd, i.rn])
        }

    /// FCVTAS, FCVTAU, SCVTF, UCVTF: scalars that are halves.
    FpConversionsScalarHalf "01u111100111100111oo10nnnnnddddd"
        { unsigned = u, opcode = o, rn = n, rd = d }
        unless |i| conversions(i.opcode, i.unsigned, H, Scalar).is_none(),
        text |i, pc| { text(conversions(i.opcode, i.unsigned, H, Scalar), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, conversions(i.opcode, i.unsigned, H, Scalar), [i.rd, i.rn])
        }

    /// FRECPE, FRSQRTE, FSQRT: vectors of singles, doubles.
    FpEstimates "0qu011101z10000111o110nnnnnddddd"
        { q = q, unsigned = u, double = z, opcode = o, rn = n, rd = d }
        unless |i| estimates(i.opcode, i.unsigned, S + i.double, Vector(i.q)).is_none(),
        text |i, pc| {
            text(estimates(i.opcode, i.unsigned, S + i.double, Vector(i.q)), [i.rd, i.rn])
        }
        execute |i, e| {
            compute(e, estimates(i.opcode, i.unsigned, S + i.double, Vector(i.q)), [i.rd, i.rn])
        }

    /// FRECPE, FRSQRTE, FSQRT: vectors of halves.
    FpEstimatesHalf "0qu011101111100111o110nnnnnddddd"
        { q = q, unsigned = u, opcode = o, rn = n, rd = d }
        unless |i| estimates(i.opcode, i.unsigned, H, Vector(i.q)).is_none(),
        text |i, pc| { text(estimates(i.opcode, i.unsigned, H, Vector(i.q)), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, estimates(i.opcode, i.unsigned, H, Vector(i.q)), [i.rd, i.rn])
        }

    /// FRECPE, FRSQRTE, FRECPX: scalars, singles and doubles.
    FpEstimatesScalar "01u111101z10000111o110nnnnnddddd"
        { unsigned = u, double = z, opcode = o, rn = n, rd = d }
        unless |i| estimates(i.opcode, i.unsigned, S + i.double, Scalar).is_none(),
        text |i, pc| { text(estimates(i.opcode, i.unsigned, S + i.double, Scalar), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, estimates(i.opcode, i.unsigned, S + i.double, Scalar), [i.rd, i.rn])
        }

    /// FRECPE, FRSQRTE, FRECPX: scalars that are halves.
    FpEstimatesScalarHalf "01u111101111100111o110nnnnnddddd"
        { unsigned = u, opcode = o, rn = n, rd = d }
        unless |i| estimates(i.opcode, i.unsigned, H, Scalar).is_none(),
        text |i, pc| { text(estimates(i.opcode, i.unsigned, H, Scalar), [i.rd, i.rn]) }
        execute |i, e| {
            compute(e, estimates(i.opcode, i.unsigned, H, Scalar), [i.rd, i.rn])
        }
}
