//! Floating-point compare, conditional compare, conditional select, immediate.

use super::operand::{RESERVED, size};
use crate::a64::operand::CONDITIONS;
use crate::a64::rows;
use crate::a64::simd::operand::{same_scalar, scalar};
use crate::vector::{Shape, float, function};

/// `VFPExpandImm`: a sign, an exponent of -3 to 4 and four bits of fraction, in the format of
/// `1 << size` bytes.
///
/// ```text
///   imm8   a b cd efgh
///   double a B bbbbbbbbcd efgh 0...0      B: not b
/// ```
const fn expand_immediate(size: u32, imm8: u64) -> u64 {
    let (exponent_bits, fraction_bits) = match size {
        1 => (5, 10),
        2 => (8, 23),
        _ => (11, 52),
    };
    let (sign, b) = (imm8 >> 7, imm8 >> 6 & 1);
    let repeated = ((1 << (exponent_bits - 3)) - 1) * b;
    let exponent = (b ^ 1) << (exponent_bits - 1) | repeated << 2 | imm8 >> 4 & 3;
    (sign << exponent_bits | exponent) << fraction_bits | (imm8 & 15) << (fraction_bits - 4)
}

/// The number in scientific notation with 18 decimals, as assembly text has it.
pub fn immediate(imm8: u32) -> String {
    let value = f64::from_bits(expand_immediate(3, imm8.into()));
    let text = format!("{value:.18e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("#{digits}e{sign}{exponent:0>2}")
}

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
            let registers = same_scalar(["fccmp", "fccmpe"][i.signal as usize], size(i.ftype), [i.rn, i.rm]);
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
        text |i, pc| { format!("fmov\t{}, {}", scalar(size(i.ftype), i.rd), immediate(i.imm8)) }
        execute |i, e| {
            e.fp_enabled()?;
            let value = e.q_imm(expand_immediate(size(i.ftype), i.imm8.into()).into());
            e.set_v(i.rd, value);
            Ok(())
        }
}
