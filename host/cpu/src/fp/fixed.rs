//! Conversions to and from integers and fixed-point numbers (`FPToFixed`, `FixedToFP`,
//! `FPToFixedJS`).

use super::control::{Exception, Rounding};
use super::format::Format;
use super::real::Real;
use super::round::{Split, round_to};
use super::unpack::{Kind, Unpacked, unpack};
use crate::vector::Fp;

/// The magnitude of a number as an integer, rounded, and whether that was inexact. More than any
/// register holds if it is larger than that.
#[inline(always)]
pub fn integer(value: Real, rounding: Rounding) -> (u128, bool) {
    if value.top() >= 126 {
        return (1 << 126, false);
    }
    let split = match value.exponent {
        up @ 0.. => Split::new(value.mantissa << up, 0),
        down => Split::new(value.mantissa, down.unsigned_abs()),
    };
    (split.rounded(rounding, value.negative), split.rest)
}

/// `FPToFixed`: times 2^`fbits`, rounded, saturated to `int_bits` bits.
pub fn to_fixed(
    fp: &mut Fp,
    f: Format,
    a: u64,
    fbits: u32,
    unsigned: bool,
    int_bits: u32,
    rounding: Rounding,
) -> u64 {
    let x = unpack(fp, f, a);
    let (magnitude, inexact) = match x.kind {
        Kind::QuietNan | Kind::SignalingNan => {
            fp.raise(Exception::InvalidOp);
            (0, false)
        }
        Kind::Infinity => (1 << 126, false),
        Kind::Zero => (0, false),
        Kind::Finite => integer(x.real().scale(fbits as i32), rounding),
    };
    let value = if x.negative { -(magnitude as i128) } else { magnitude as i128 };
    let (least, most) = match unsigned {
        true => (0, (1 << int_bits) - 1),
        false => (-(1 << (int_bits - 1)), (1 << (int_bits - 1)) - 1),
    };
    // SatQ. "Generate exceptions": never both of them.
    let saturated = value.clamp(least, most);
    if saturated != value {
        fp.raise(Exception::InvalidOp);
    } else if inexact {
        fp.raise(Exception::Inexact);
    }
    saturated as u64 & u64::MAX >> (64 - int_bits)
}

/// `FixedToFP`: an integer of `int_bits` bits, divided by 2^`fbits`.
pub fn from_fixed(
    fp: &mut Fp,
    f: Format,
    value: u64,
    int_bits: u32,
    fbits: u32,
    unsigned: bool,
    rounding: Rounding,
) -> u64 {
    let unused = 64 - int_bits;
    let signed = ((value << unused) as i64) >> unused;
    let (negative, magnitude) = match unsigned {
        true => (false, value << unused >> unused),
        false => (signed < 0, signed.unsigned_abs()),
    };
    if magnitude == 0 {
        return f.zero(false);
    }
    let real = Real { negative, exponent: -(fbits as i32), mantissa: magnitude.into() };
    round_to(fp, f, real, rounding)
}

/// `FPToFixedJS`: from double precision to 32 bits as ECMAScript's ToInt32 does it, modulo 2^32;
/// and PSTATE.Z, which says that nothing was lost.
pub fn to_js_int(fp: &mut Fp, a: u64) -> (u64, bool) {
    let x = unpack(fp, Format::Double, a);
    let (value, inexact) = match x.kind {
        Kind::QuietNan | Kind::SignalingNan | Kind::Infinity => {
            fp.raise(Exception::InvalidOp);
            return (0, false);
        }
        // -0 is not an integer's zero, nor is a denormal that was flushed.
        Kind::Zero => return (0, a == 0),
        Kind::Finite => modulo(x),
    };
    if i32::try_from(value).is_err() {
        fp.raise(Exception::InvalidOp);
        return (value as u64 & 0xffff_ffff, false);
    }
    if inexact {
        fp.raise(Exception::Inexact);
    }
    (value as u64 & 0xffff_ffff, !inexact)
}

/// Rounded towards zero. 2^126 stands for all that is larger: it is no 32-bit integer either, and
/// its low 32 bits are 0 as theirs are, since the last bit of such a number is worth 2^74 or more.
#[inline(always)]
fn modulo(x: Unpacked) -> (i128, bool) {
    let (magnitude, inexact) = integer(x.real(), Rounding::Zero);
    (if x.negative { -(magnitude as i128) } else { magnitude as i128 }, inexact)
}
