//! Floating-point data processing, one, two and three sources.

use super::operand::{RESERVED, size};
use crate::a64::rows;
use crate::a64::simd::operand::{binary, same_scalar, unary};
use crate::vector::{Shape, float, function};

rows! {
    /// FMOV (register), FABS, FNEG, FSQRT.
    FpOneSource "00011110ff10000oo10000nnnnnddddd" { ftype = f, opcode = o, rn = n, rd = d }
        unless |i| i.ftype == RESERVED,
        text |i, pc| {
            let name = ["fmov", "fabs", "fneg", "fsqrt"][i.opcode as usize];
            same_scalar(name, size(i.ftype), [i.rd, i.rn])
        }
        execute |i, e| {
            let shape = Shape::scalar(size(i.ftype));
            let function = match i.opcode {
                0 => function!(float::fmov),
                1 => function!(float::fabs),
                2 => function!(float::fneg),
                _ => function!(float::fsqrt),
            };
            unary(e, function, shape, i.rd, i.rn)
        }

    /// FRINTN, FRINTP, FRINTM, FRINTZ, FRINTA, FRINTX, FRINTI.
    FpRoundInt "00011110ff1001ooo10000nnnnnddddd" { ftype = f, opcode = o, rn = n, rd = d }
        unless |i| i.ftype == RESERVED || i.opcode == 5,
        text |i, pc| {
            let name = ["n", "p", "m", "z", "a", "", "x", "i"][i.opcode as usize];
            same_scalar(&format!("frint{name}"), size(i.ftype), [i.rd, i.rn])
        }
        execute |i, e| {
            let shape = Shape::scalar(size(i.ftype));
            let function = match i.opcode {
                6 => function!(float::frintx),
                7 => function!(float::frinti),
                _ => function!(float::frint),
            };
            unary(e, function, shape.with(i.opcode), i.rd, i.rn)
        }

    /// FRINT32Z, FRINT32X, FRINT64Z, FRINT64X. No half precision.
    FpRoundIntSize "000111100f10100oo10000nnnnnddddd" { ftype = f, opcode = o, rn = n, rd = d }
        text |i, pc| {
            let name = ["frint32z", "frint32x", "frint64z", "frint64x"][i.opcode as usize];
            same_scalar(name, size(i.ftype), [i.rd, i.rn])
        }
        execute |i, e| {
            let function = match i.opcode {
                0 => function!(float::frint32z),
                1 => function!(float::frint32x),
                2 => function!(float::frint64z),
                _ => function!(float::frint64x),
            };
            unary(e, function, Shape::scalar(size(i.ftype)), i.rd, i.rn)
        }

    /// FMUL, FDIV, FADD, FSUB, FMAX, FMIN, FMAXNM, FMINNM, FNMUL.
    FpTwoSource "00011110ff1mmmmmoooo10nnnnnddddd"
        { ftype = f, rm = m, opcode = o, rn = n, rd = d }
        unless |i| i.ftype == RESERVED || i.opcode > 8,
        text |i, pc| {
            let names =
                ["fmul", "fdiv", "fadd", "fsub", "fmax", "fmin", "fmaxnm", "fminnm", "fnmul"];
            same_scalar(names[i.opcode as usize], size(i.ftype), [i.rd, i.rn, i.rm])
        }
        execute |i, e| {
            let function = match i.opcode {
                0 => function!(float::fmul),
                1 => function!(float::fdiv),
                2 => function!(float::fadd),
                3 => function!(float::fsub),
                4 => function!(float::fmax),
                5 => function!(float::fmin),
                6 => function!(float::fmaxnm),
                7 => function!(float::fminnm),
                _ => function!(float::fnmul),
            };
            binary(e, function, Shape::scalar(size(i.ftype)), i.rd, i.rn, i.rm)
        }

    /// FMADD, FMSUB, FNMADD, FNMSUB.
    FpThreeSource "00011111ffNmmmmmoaaaaannnnnddddd"
        { ftype = f, negate = N, rm = m, subtract = o, ra = a, rn = n, rd = d }
        unless |i| i.ftype == RESERVED,
        text |i, pc| {
            let names = [["fmadd", "fmsub"], ["fnmadd", "fnmsub"]];
            let name = names[i.negate as usize][i.subtract as usize];
            same_scalar(name, size(i.ftype), [i.rd, i.rn, i.rm, i.ra])
        }
        execute |i, e| {
            e.fp_enabled()?;
            let function = match (i.negate, i.subtract) {
                (0, 0) => function!(float::fmadd),
                (0, _) => function!(float::fmsub),
                (_, 0) => function!(float::fnmadd),
                (_, _) => function!(float::fnmsub),
            };
            let operands = [e.v(i.rn), e.v(i.rm), e.v(i.ra)];
            let result = e.vector(function, Shape::scalar(size(i.ftype)), &operands);
            e.set_v(i.rd, result);
            Ok(())
        }
}
