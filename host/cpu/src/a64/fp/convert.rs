//! Conversions between floating-point, fixed-point and integer.

use super::operand::{RESERVED, size};
use crate::a64::operand::reg;
use crate::a64::rows;
use crate::a64::simd::operand::{element, scalar, unary};
use crate::emit::{Emit, Size};
use crate::vector::float_convert::{Conversion, FPCR};
use crate::vector::{Function, Shape, float_convert, function};

/// The size of a general register, as vectors count: a power of two of bytes.
#[inline(always)]
const fn general(sf: u32) -> u32 {
    2 + sf
}

/// Rd = the conversion of Vn.
#[inline(always)]
fn to_general<E: Emit>(
    e: &mut E,
    function: Function,
    sf: u32,
    conversion: Conversion,
    rd: u32,
    rn: u32,
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let a = e.v(rn);
    let shape = Shape::scalar(general(sf)).with(conversion.imm());
    let result = e.vector(function, shape, &[a]);
    let result = e.q_half(result, false);
    e.set_reg(Size::sf(sf), rd, result);
    Ok(())
}

/// Vd = the conversion of Rn, in FPCR's rounding mode.
#[inline(always)]
fn from_general<E: Emit>(
    e: &mut E,
    unsigned: u32,
    (sf, ftype, fraction): (u32, u32, u32),
    rd: u32,
    rn: u32,
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let (a, zero) = (e.reg(Size::sf(sf), rn), e.imm(0));
    let a = e.q_of(a, zero);
    let conversion = Conversion { from: general(sf), fraction, rounding: FPCR };
    let shape = Shape::scalar(size(ftype)).with(conversion.imm());
    let function = match unsigned {
        0 => function!(float_convert::scvtf),
        _ => function!(float_convert::ucvtf),
    };
    let result = e.vector(function, shape, &[a]);
    e.set_v(rd, result);
    Ok(())
}

/// The functions to integers.
#[inline(always)]
fn fcvt(unsigned: u32) -> Function {
    match unsigned {
        0 => function!(float_convert::fcvts),
        _ => function!(float_convert::fcvtu),
    }
}

/// `#5`: bits of a fraction, by the field `scale`.
const fn fraction(scale: u32) -> u32 {
    64 - scale
}

rows! {
    /// FCVT to single and double precision.
    FpConvert "00011110ff100010t10000nnnnnddddd" { ftype = f, to = t, rn = n, rd = d }
        unless |i| i.ftype == RESERVED || i.ftype == i.to,
        text |i, pc| {
            format!("fcvt\t{}, {}", scalar(size(i.to), i.rd), scalar(size(i.ftype), i.rn))
        }
        execute |i, e| {
            let conversion = Conversion { from: size(i.ftype), fraction: 0, rounding: FPCR };
            let shape = Shape::scalar(size(i.to)).with(conversion.imm());
            unary(e, function!(float_convert::fcvt), shape, i.rd, i.rn)
        }

    /// FCVT from single and double to half precision.
    FpConvertToHalf "000111100f100011110000nnnnnddddd" { ftype = f, rn = n, rd = d }
        text |i, pc| { format!("fcvt\t{}, {}", scalar(1, i.rd), scalar(size(i.ftype), i.rn)) }
        execute |i, e| {
            let conversion = Conversion { from: size(i.ftype), fraction: 0, rounding: FPCR };
            let shape = Shape::scalar(1).with(conversion.imm());
            unary(e, function!(float_convert::fcvt), shape, i.rd, i.rn)
        }

    /// BFCVT.
    FpConvertToBrain "0001111001100011010000nnnnnddddd" { rn = n, rd = d }
        needs Bf16,
        text |i, pc| { format!("bfcvt\t{}, {}", scalar(1, i.rd), scalar(2, i.rn)) }
        execute |i, e| {
            unary(e, function!(float_convert::bfcvt), Shape::scalar(1), i.rd, i.rn)
        }

    /// FCVTNS, FCVTNU, FCVTPS, FCVTPU, FCVTMS, FCVTMU, FCVTZS, FCVTZU (scalar, integer).
    FpToInteger "z0011110ff1mm00u000000nnnnnddddd"
        { sf = z, ftype = f, rmode = m, unsigned = u, rn = n, rd = d }
        unless |i| i.ftype == RESERVED,
        text |i, pc| {
            let mode = ["n", "p", "m", "z"][i.rmode as usize];
            let sign = ["s", "u"][i.unsigned as usize];
            let (rd, rn) = (reg(Size::sf(i.sf), i.rd), scalar(size(i.ftype), i.rn));
            format!("fcvt{mode}{sign}\t{rd}, {rn}")
        }
        execute |i, e| {
            let conversion = Conversion { from: size(i.ftype), fraction: 0, rounding: i.rmode };
            to_general(e, fcvt(i.unsigned), i.sf, conversion, i.rd, i.rn)
        }

    /// FCVTAS, FCVTAU (scalar): ties away from zero.
    FpToIntegerAway "z0011110ff10010u000000nnnnnddddd"
        { sf = z, ftype = f, unsigned = u, rn = n, rd = d }
        unless |i| i.ftype == RESERVED,
        text |i, pc| {
            let (rd, rn) = (reg(Size::sf(i.sf), i.rd), scalar(size(i.ftype), i.rn));
            format!("fcvta{}\t{rd}, {rn}", ["s", "u"][i.unsigned as usize])
        }
        execute |i, e| {
            let conversion = Conversion { from: size(i.ftype), fraction: 0, rounding: 4 };
            to_general(e, fcvt(i.unsigned), i.sf, conversion, i.rd, i.rn)
        }

    /// SCVTF, UCVTF (scalar, integer).
    FpFromInteger "z0011110ff10001u000000nnnnnddddd"
        { sf = z, ftype = f, unsigned = u, rn = n, rd = d }
        unless |i| i.ftype == RESERVED,
        text |i, pc| {
            let (rd, rn) = (scalar(size(i.ftype), i.rd), reg(Size::sf(i.sf), i.rn));
            format!("{}\t{rd}, {rn}", ["scvtf", "ucvtf"][i.unsigned as usize])
        }
        execute |i, e| { from_general(e, i.unsigned, (i.sf, i.ftype, 0), i.rd, i.rn) }

    /// FCVTZS, FCVTZU (scalar, fixed-point).
    FpToFixed "z0011110ff01100ussssssnnnnnddddd"
        { sf = z, ftype = f, unsigned = u, scale = s, rn = n, rd = d }
        unless |i| i.ftype == RESERVED || (i.sf == 0 && i.scale < 32),
        text |i, pc| {
            let (rd, rn) = (reg(Size::sf(i.sf), i.rd), scalar(size(i.ftype), i.rn));
            let name = ["fcvtzs", "fcvtzu"][i.unsigned as usize];
            format!("{name}\t{rd}, {rn}, #{}", fraction(i.scale))
        }
        execute |i, e| {
            let (from, fraction) = (size(i.ftype), fraction(i.scale));
            let conversion = Conversion { from, fraction, rounding: 3 };
            to_general(e, fcvt(i.unsigned), i.sf, conversion, i.rd, i.rn)
        }

    /// SCVTF, UCVTF (scalar, fixed-point).
    FpFromFixed "z0011110ff00001ussssssnnnnnddddd"
        { sf = z, ftype = f, unsigned = u, scale = s, rn = n, rd = d }
        unless |i| i.ftype == RESERVED || (i.sf == 0 && i.scale < 32),
        text |i, pc| {
            let (rd, rn) = (scalar(size(i.ftype), i.rd), reg(Size::sf(i.sf), i.rn));
            let name = ["scvtf", "ucvtf"][i.unsigned as usize];
            format!("{name}\t{rd}, {rn}, #{}", fraction(i.scale))
        }
        execute |i, e| {
            from_general(e, i.unsigned, (i.sf, i.ftype, fraction(i.scale)), i.rd, i.rn)
        }

    /// FMOV (general) from a scalar of the register's size, or half of one.
    FpMoveToGeneral "z0011110ff100110000000nnnnnddddd" { sf = z, ftype = f, rn = n, rd = d }
        unless |i| !moves(i.sf, i.ftype),
        text |i, pc| {
            format!("fmov\t{}, {}", reg(Size::sf(i.sf), i.rd), scalar(size(i.ftype), i.rn))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let value = e.v(i.rn);
            let low = e.q_half(value, false);
            let low = e.zero_extend(low, 8 << size(i.ftype));
            e.set_reg(Size::sf(i.sf), i.rd, low);
            Ok(())
        }

    /// FMOV (general) to a scalar.
    FpMoveFromGeneral "z0011110ff100111000000nnnnnddddd" { sf = z, ftype = f, rn = n, rd = d }
        unless |i| !moves(i.sf, i.ftype),
        text |i, pc| {
            format!("fmov\t{}, {}", scalar(size(i.ftype), i.rd), reg(Size::sf(i.sf), i.rn))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let value = e.reg(Size::sf(i.sf), i.rn);
            let (low, zero) = (e.zero_extend(value, 8 << size(i.ftype)), e.imm(0));
            let value = e.q_of(low, zero);
            e.set_v(i.rd, value);
            Ok(())
        }

    /// FMOV (general) from the upper half of a vector register.
    FpMoveFromUpper "1001111010101110000000nnnnnddddd" { rn = n, rd = d }
        text |i, pc| { format!("fmov\t{}, {}", reg(Size::X, i.rd), element(3, i.rn, 1)) }
        execute |i, e| {
            e.fp_enabled()?;
            let value = e.v(i.rn);
            let high = e.q_half(value, true);
            e.set_reg(Size::X, i.rd, high);
            Ok(())
        }

    /// FMOV (general) to the upper half of a vector register; the lower half stays.
    FpMoveToUpper "1001111010101111000000nnnnnddddd" { rn = n, rd = d }
        text |i, pc| { format!("fmov\t{}, {}", element(3, i.rd, 1), reg(Size::X, i.rn)) }
        execute |i, e| {
            e.fp_enabled()?;
            let old = e.v(i.rd);
            let (low, high) = (e.q_half(old, false), e.reg(Size::X, i.rn));
            let value = e.q_of(low, high);
            e.set_v(i.rd, value);
            Ok(())
        }

    /// FJCVTZS.
    FpToJavascript "0001111001111110000000nnnnnddddd" { rn = n, rd = d }
        text |i, pc| { format!("fjcvtzs\t{}, {}", reg(Size::W, i.rd), scalar(3, i.rn)) }
        execute |i, e| {
            e.fp_enabled()?;
            let a = e.v(i.rn);
            let both = e.vector(function!(float_convert::fjcvtzs), Shape::scalar(4), &[a]);
            let (result, flags) = (e.q_half(both, false), e.q_half(both, true));
            e.set_nzcv(flags);
            e.set_reg(Size::W, i.rd, result);
            Ok(())
        }
}

/// Whether a general register of this size can be moved to and from this format: single with W,
/// double with X, half with both.
const fn moves(sf: u32, ftype: u32) -> bool {
    matches!((sf, ftype), (0, 0) | (1, 1) | (_, 3))
}
