//! `FPUnpack`: from a bit pattern to what it stands for.

use super::control::Exception;
use super::format::Format;
use super::real::Real;
use crate::vector::Fp;

/// The manual's `FPType`, denormal and normal numbers in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Zero,
    Finite,
    Infinity,
    QuietNan,
    SignalingNan,
}

/// An operand.
#[derive(Clone, Copy, Debug)]
pub struct Unpacked {
    pub kind: Kind,
    pub negative: bool,
    /// Of a finite number that is not 0.
    mantissa: u64,
    exponent: i32,
}

impl Unpacked {
    /// The number; only a [`Kind::Finite`] has one.
    #[inline(always)]
    pub fn real(self) -> Real {
        let Self { negative, exponent, .. } = self;
        Real { negative, exponent, mantissa: self.mantissa.into() }
    }

    /// Whether it is a NaN of either sort.
    #[inline(always)]
    pub fn is_nan(self) -> bool {
        matches!(self.kind, Kind::QuietNan | Kind::SignalingNan)
    }

    /// Whether it is zero, maybe after a flush.
    #[inline(always)]
    pub fn is_zero(self) -> bool {
        self.kind == Kind::Zero
    }

    /// Whether it is an infinity.
    #[inline(always)]
    pub fn is_infinity(self) -> bool {
        self.kind == Kind::Infinity
    }
}

/// `FPUnpackBase`: `flush` is FZ or FZ16 as it applies, `alternative` FPCR.AHP as it applies.
#[inline(always)]
fn unpack_base(fp: &mut Fp, f: Format, a: u64, flush: bool, alternative: bool) -> Unpacked {
    let negative = a & f.sign() != 0;
    let fraction = a & f.fraction();
    let biased = f.exponent_of(a);
    let largest = (1 << f.exponent_bits()) - 1;
    let lowest = f.min_exponent() - f.fraction_bits() as i32;
    let (kind, mantissa, exponent) = match biased {
        0 if fraction == 0 => (Kind::Zero, 0, 0),
        0 if flush => {
            // "FZ16 does not generate an Input Denormal exception."
            if f != Format::Half {
                fp.raise(Exception::InputDenorm);
            }
            (Kind::Zero, 0, 0)
        }
        0 => (Kind::Finite, fraction, lowest),
        _ if biased == largest && !alternative => match fraction {
            0 => (Kind::Infinity, 0, 0),
            _ if fraction & f.quiet() != 0 => (Kind::QuietNan, 0, 0),
            _ => (Kind::SignalingNan, 0, 0),
        },
        _ => (Kind::Finite, fraction | (f.fraction() + 1), lowest + biased as i32 - 1),
    };
    Unpacked { kind, negative, mantissa, exponent }
}

/// `FPUnpack`: an operand of arithmetic.
#[inline(always)]
pub fn unpack(fp: &mut Fp, f: Format, a: u64) -> Unpacked {
    let flush = fp.flushes(f);
    unpack_base(fp, f, a, flush, false)
}

/// `FPUnpackCV`: an operand of a conversion between formats. Half precision is not flushed, and
/// may be the alternative format.
#[inline(always)]
pub fn unpack_cv(fp: &mut Fp, f: Format, a: u64) -> Unpacked {
    let half = f == Format::Half;
    let flush = !half && fp.flushes(f);
    let alternative = half && fp.alternative_half();
    unpack_base(fp, f, a, flush, alternative)
}
