//! Floating-point compare, conditional compare, conditional select, immediate.

use super::operand::{RESERVED, size};
use crate::a64::operand::{CONDITIONS, float_immediate};
use crate::a64::rows;
use crate::a64::simd::operand::{same_scalar, scalar};
use crate::fp::Format;
use crate::vector::{Shape, float, function};

rows! {
    /// FCMP, FCMPE. With zero, Rm is (0)(0)(0)(0)(0) and ignored.
    FpCompare "00011110ff1mmmmm001000nnnnnez000"
        { ftype = f, rm = m, rn = n, signal = e, zero = z }
        unless |i| i.ftype == RESERVED,
        text |i, pc| {
            let (name, size) = (["fcmp", "fcmpe"][i.signal as usize], size(i.ftype));
            match i.zero {
                0 => same_scalar(name, size, [i.rn, i.rm]),
                _ => format!("{name}\t{}, #0.0", scalar(size, i.rn)),
            }
        }
        execute |i, e| {
            e.fp_enabled()?;
            let a = e.v(i.rn);
            let b = if i.zero == 0 { e.v(i.rm) } else { e.q_imm(0) };
            let function = match i.signal {
                0 => function!(float::fcmp),
                _ => function!(float::fcmpe),
            };
            let flags = e.vector(function, Shape::scalar(size(i.ftype)), &[a, b]);
            let flags = e.q_half(flags, false);
            e.set_nzcv(flags);
            Ok(())
        }

    /// FCCMP, FCCMPE. Only if the condition holds is anything compared, and FPSR changed.
    FpCondCompare "00011110ff1mmmmmcccc01nnnnnezzzz"
        { ftype = f, rm = m, cond = c, rn = n, signal = e, nzcv = z }
        unless |i| i.ftype == RESERVED,
        text |i, pc| {
            let name = ["fccmp", "fccmpe"][i.signal as usize];
            let registers = same_scalar(name, size(i.ftype), [i.rn, i.rm]);
            format!("{registers}, #{:#x}, {}", i.nzcv, CONDITIONS[i.cond as usize])
        }
        execute |i, e| {
            e.fp_enabled()?;
            let (zero, one) = (e.imm(0), e.imm(1));
            let holds = e.select(i.cond, one, zero);
            let operands = [e.v(i.rn), e.v(i.rm), e.q_of(holds, zero)];
            let function = match i.signal {
                0 => function!(float::fccmp),
                _ => function!(float::fccmpe),
            };
            let flags = e.vector(function, Shape::scalar(size(i.ftype)).with(i.nzcv), &operands);
            let flags = e.q_half(flags, false);
            e.set_nzcv(flags);
            Ok(())
        }

    /// FCSEL.
    FpCondSelect "00011110ff1mmmmmcccc11nnnnnddddd"
        { ftype = f, rm = m, cond = c, rn = n, rd = d }
        unless |i| i.ftype == RESERVED,
        text |i, pc| {
            let registers = same_scalar("fcsel", size(i.ftype), [i.rd, i.rn, i.rm]);
            format!("{registers}, {}", CONDITIONS[i.cond as usize])
        }
        execute |i, e| {
            e.fp_enabled()?;
            let (a, b) = (e.v(i.rn), e.v(i.rm));
            let (a, b) = (e.q_half(a, false), e.q_half(b, false));
            let chosen = e.select(i.cond, a, b);
            let low = e.zero_extend(chosen, 8 << size(i.ftype));
            let zero = e.imm(0);
            let result = e.q_of(low, zero);
            e.set_v(i.rd, result);
            Ok(())
        }

    /// FMOV (scalar, immediate).
    FpMoveImm "00011110ff1iiiiiiii10000000ddddd" { ftype = f, imm8 = i, rd = d }
        unless |i| i.ftype == RESERVED,
        text |i, pc| {
            format!("fmov\t{}, {}", scalar(size(i.ftype), i.rd), float_immediate(i.imm8))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let value = e.q_imm(Format::of_size(size(i.ftype)).expand_immediate(i.imm8).into());
            e.set_v(i.rd, value);
            Ok(())
        }
}
