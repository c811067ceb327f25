//! NaN processing: which operand's NaN becomes the result.

use super::control::Exception;
use super::format::Format;
use super::unpack::{Kind, Unpacked};
use crate::vector::Fp;

/// `FPProcessNaN`: made quiet, or the default NaN.
pub fn process_nan(fp: &mut Fp, f: Format, a: Unpacked, bits: u64) -> u64 {
    if a.kind == Kind::SignalingNan {
        fp.raise(Exception::InvalidOp);
    }
    if fp.default_nan() { f.default_nan() } else { bits & f.mask() | f.quiet() }
}

/// The operand whose NaN wins: the first signaling one, else the first quiet one.
#[inline(always)]
fn first_nan<const N: usize>(operands: [Unpacked; N]) -> Option<usize> {
    if !operands.iter().any(|a| a.is_nan()) {
        return None;
    }
    let of = |kind| operands.iter().position(|a| a.kind == kind);
    of(Kind::SignalingNan).or_else(|| of(Kind::QuietNan))
}

/// `FPProcessNaNs` and `FPProcessNaNs3`: the result if one of the operands is a NaN.
#[inline(always)]
pub fn process_nans<const N: usize>(
    fp: &mut Fp,
    f: Format,
    operands: [(Unpacked, u64); N],
) -> Option<u64> {
    let which = first_nan(operands.map(|(a, _)| a))?;
    let (a, bits) = operands[which];
    Some(process_nan(fp, f, a, bits))
}

/// `FPProcessNaNs3H`: the addend is single precision, the factors half.
pub fn process_nans3_h(fp: &mut Fp, operands: [(Unpacked, u64); 3]) -> Option<u64> {
    let which = first_nan(operands.map(|(a, _)| a))?;
    let (a, bits) = operands[which];
    Some(match which {
        0 => process_nan(fp, Format::Single, a, bits),
        _ => {
            let half = process_nan(fp, Format::Half, a, bits);
            convert_nan(Format::Half, Format::Single, half)
        }
    })
}

/// The default NaN of an invalid operation.
#[cold]
pub fn invalid(fp: &mut Fp, f: Format) -> u64 {
    fp.raise(Exception::InvalidOp);
    f.default_nan()
}

/// `FPConvertNaN`: sign and the upper bits of the fraction stay; the result is quiet.
pub fn convert_nan(from: Format, to: Format, a: u64) -> u64 {
    let top = (a & from.fraction()) << (52 - from.fraction_bits());
    let fraction = top >> (52 - to.fraction_bits());
    to.infinity(a & from.sign() != 0) | to.quiet() | fraction
}
