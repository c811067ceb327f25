//! Advanced SIMD three same, floating-point (DDI 0487 C4.1: "Advanced SIMD three same", its upper
//! opcodes; "Advanced SIMD three same (FP16)"; the same of scalars).
//!
//! Four classes, one table: what is computed depends on U, `a` (bit 23) and three bits of opcode.
//!
//! ```text
//!   vector         0 Q U 01110 a sz 1 Rm 11 opc 1 Rn Rd
//!   vector, half   0 Q U 01110 a 1  0 Rm 00 opc 1 Rn Rd
//!   scalar         0 1 U 11110 a sz 1 Rm 11 opc 1 Rn Rd
//!   scalar, half   0 1 U 11110 a 1  0 Rm 00 opc 1 Rn Rd
//! ```

use super::operand::{no_vector, same, same_scalar, vector};
use crate::a64::rows;
use crate::emit::{Call, Emit};
use crate::vector::float::{fadd, fdiv, fmax, fmaxnm, fmin, fminnm, fmul, fsub};
use crate::vector::float_compare::{facge, facgt, fcmeq, fcmge, fcmgt};
use crate::vector::float_vector::{
    fabd, faddp, fmaxnmp, fmaxp, fminnmp, fminp, fmla, fmlal, fmlal2, fmls, fmlsl, fmlsl2, fmulx,
    frecps, frsqrts,
};
use crate::vector::{Function, Shape, function};

const H: u32 = 1;
const S: u32 = 2;

/// How an operation takes its operands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Vectors only.
    Vector,
    /// Vectors, of which Vd is an operand too.
    Accumulate,
    /// Vectors and scalars.
    Both,
    /// Products of halves added to singles (FEAT_FHM): vectors, and Vd is an operand too.
    Long,
}

type Operation = (Kind, Function);

macro_rules! operations {
    ($([$($cell:tt),*])*) => { [$([$(operations!(@ $cell)),*]),*] };
    (@ ()) => { None };
    (@ ($kind:ident $name:ident)) => { Some((Kind::$kind, function!($name))) };
}

/// By `opc`, and then by U:a.
#[rustfmt::skip]
static OPERATIONS: [[Option<Operation>; 4]; 8] = operations! {
    // 00                01                  10                11
    [(Vector fmaxnm),    (Vector fminnm),    (Vector fmaxnmp), (Vector fminnmp)] // 000
    [(Accumulate fmla),  (Accumulate fmls),  (Long fmlal2),    (Long fmlsl2)]    // 001
    [(Vector fadd),      (Vector fsub),      (Vector faddp),   (Both fabd)]      // 010
    [(Both fmulx),       (),                 (Vector fmul),    ()]               // 011
    [(Both fcmeq),       (),                 (Both fcmge),     (Both fcmgt)]     // 100
    [(Long fmlal),       (Long fmlsl),       (Both facge),     (Both facgt)]     // 101
    [(Vector fmax),      (Vector fmin),      (Vector fmaxp),   (Vector fminp)]   // 110
    [(Both frecps),      (Both frsqrts),     (Vector fdiv),    ()]               // 111
};

/// The operation on vectors of lanes of `1 << size` bytes.
#[inline(always)]
fn of_vectors(opcode: u32, unsigned: u32, a: u32, size: u32) -> Option<Operation> {
    OPERATIONS[opcode as usize][(unsigned << 1 | a) as usize]
        .filter(|(kind, _)| *kind != Kind::Long || size == S)
}

/// The operation on scalars.
#[inline(always)]
fn of_scalars(opcode: u32, unsigned: u32, a: u32) -> Option<Operation> {
    OPERATIONS[opcode as usize][(unsigned << 1 | a) as usize]
        .filter(|(kind, _)| *kind == Kind::Both)
}

/// Vd = operation(Vn, Vm), or of these and Vd.
#[inline(always)]
fn compute<E: Emit>(
    e: &mut E,
    operation: Option<Operation>,
    shape: Shape,
    [d, n, m]: [u32; 3],
) -> Result<(), E::Stop> {
    let Some((kind, function)) = operation else {
        return e.call(Call::Undefined);
    };
    e.fp_enabled()?;
    let (a, b) = (e.v(n), e.v(m));
    let result = match kind {
        Kind::Vector | Kind::Both => e.vector(function, shape, &[a, b]),
        Kind::Accumulate | Kind::Long => {
            let addend = e.v(d);
            e.vector(function, shape, &[a, b, addend])
        }
    };
    e.set_v(d, result);
    Ok(())
}

/// The text of an operation on vectors.
fn text_of_vectors(operation: Option<Operation>, size: u32, q: u32, [d, n, m]: [u32; 3]) -> String {
    match operation {
        // Only half as many halves as fit into the register: 2h or 4h.
        Some((Kind::Long, function)) => {
            let [n, m] = [n, m].map(|n| format!("v{n}.{}h", 2 << q));
            format!("{}\t{}, {n}, {m}", function.name, vector(S, q, d))
        }
        Some((_, function)) => same(function.name, size, q, [d, n, m]),
        None => String::new(),
    }
}

/// The text of an operation on scalars.
fn text_of_scalars(operation: Option<Operation>, size: u32, registers: [u32; 3]) -> String {
    operation.map_or_else(String::new, |(_, f)| same_scalar(f.name, size, registers))
}

rows! {
    /// FADD, FSUB, FMUL, FDIV, FMLA, FMAX, FADDP, FCMEQ, ... of vectors of singles and doubles, and
    /// FMLAL, FMLSL, FMLAL2, FMLSL2.
    FpThreeSame "0qu01110az1mmmmm11ooo1nnnnnddddd"
        { q = q, unsigned = u, a = a, double = z, rm = m, opcode = o, rn = n, rd = d }
        unless |i| no_vector(S + i.double, i.q)
            || of_vectors(i.opcode, i.unsigned, i.a, S + i.double).is_none(),
        text |i, pc| {
            let operation = of_vectors(i.opcode, i.unsigned, i.a, S + i.double);
            text_of_vectors(operation, S + i.double, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let operation = of_vectors(i.opcode, i.unsigned, i.a, S + i.double);
            compute(e, operation, Shape::vector(S + i.double, i.q), [i.rd, i.rn, i.rm])
        }

    /// FADD, FSUB, FMUL, FDIV, FMLA, FMAX, FADDP, FCMEQ, ... of vectors of halves.
    FpThreeSameHalf "0qu01110a10mmmmm00ooo1nnnnnddddd"
        { q = q, unsigned = u, a = a, rm = m, opcode = o, rn = n, rd = d }
        unless |i| of_vectors(i.opcode, i.unsigned, i.a, H).is_none(),
        text |i, pc| {
            let operation = of_vectors(i.opcode, i.unsigned, i.a, H);
            text_of_vectors(operation, H, i.q, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let operation = of_vectors(i.opcode, i.unsigned, i.a, H);
            compute(e, operation, Shape::vector(H, i.q), [i.rd, i.rn, i.rm])
        }

    /// FMULX, FCMEQ, FCMGE, FCMGT, FACGE, FACGT, FABD, FRECPS, FRSQRTS of singles and doubles.
    FpThreeSameScalar "01u11110az1mmmmm11ooo1nnnnnddddd"
        { unsigned = u, a = a, double = z, rm = m, opcode = o, rn = n, rd = d }
        unless |i| of_scalars(i.opcode, i.unsigned, i.a).is_none(),
        text |i, pc| {
            let operation = of_scalars(i.opcode, i.unsigned, i.a);
            text_of_scalars(operation, S + i.double, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let operation = of_scalars(i.opcode, i.unsigned, i.a);
            compute(e, operation, Shape::scalar(S + i.double), [i.rd, i.rn, i.rm])
        }

    /// FMULX, FCMEQ, FCMGE, FCMGT, FACGE, FACGT, FABD, FRECPS, FRSQRTS of halves.
    FpThreeSameScalarHalf "01u11110a10mmmmm00ooo1nnnnnddddd"
        { unsigned = u, a = a, rm = m, opcode = o, rn = n, rd = d }
        unless |i| of_scalars(i.opcode, i.unsigned, i.a).is_none(),
        text |i, pc| {
            let operation = of_scalars(i.opcode, i.unsigned, i.a);
            text_of_scalars(operation, H, [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let operation = of_scalars(i.opcode, i.unsigned, i.a);
            compute(e, operation, Shape::scalar(H), [i.rd, i.rn, i.rm])
        }
}
