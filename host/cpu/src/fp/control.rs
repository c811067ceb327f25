//! FPCR as the arithmetic reads it, and FPSR as it writes it (DDI 0487 C5.2.8, C5.2.9).

use super::format::Format;
use crate::vector::Fp;
use std::cmp::Ordering;

/// FPCR.AHP: alternative half-precision.
const AHP: u32 = 1 << 26;
/// FPCR.DN: NaN results are the default NaN.
const DN: u32 = 1 << 25;
/// FPCR.FZ: flush to zero, single and double.
const FZ: u32 = 1 << 24;
/// FPCR.FZ16: flush to zero, half-precision arithmetic.
const FZ16: u32 = 1 << 19;

/// The cumulative exception bits of FPSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Exception {
    /// IOC: invalid operation.
    InvalidOp = 1 << 0,
    /// DZC: division by zero.
    DivideByZero = 1 << 1,
    /// OFC: overflow.
    Overflow = 1 << 2,
    /// UFC: underflow.
    Underflow = 1 << 3,
    /// IXC: inexact.
    Inexact = 1 << 4,
    /// IDC: a denormal operand was flushed to zero.
    InputDenorm = 1 << 7,
}

/// Rounding modes: the manual's `FPRounding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To nearest, ties to even.
    TieEven,
    /// Towards plus infinity.
    PlusInf,
    /// Towards minus infinity.
    MinusInf,
    /// Towards zero.
    Zero,
    /// To nearest, ties away from zero.
    TieAway,
    /// Towards zero, and the last bit set if that was inexact.
    Odd,
}

impl Rounding {
    /// FPCR.RMode.
    #[inline(always)]
    pub const fn of_fpcr(fp: &Fp) -> Self {
        Self::of_mode(fp.control >> 22)
    }

    /// The four modes as FPCR.RMode and the `rmode` fields of instructions number them; bits
    /// above the two are ignored.
    #[inline(always)]
    pub const fn of_mode(mode: u32) -> Self {
        match mode & 3 {
            0 => Self::TieEven,
            1 => Self::PlusInf,
            2 => Self::MinusInf,
            _ => Self::Zero,
        }
    }

    /// The modes as the immediate of a [`crate::vector::Shape`]: those of [`Self::of_mode`], and 4
    /// for ties away from zero.
    #[inline(always)]
    pub const fn of_immediate(imm: u32) -> Self {
        if imm == 4 { Self::TieAway } else { Self::of_mode(imm) }
    }

    /// Whether a magnitude with a `rest` below its last bit goes up to the next one. `half` is
    /// how the rest compares with half of the last bit.
    #[inline(always)]
    pub const fn goes_up(self, negative: bool, odd: bool, rest: bool, half: Ordering) -> bool {
        match self {
            Self::TieEven => half.is_gt() || (half.is_eq() && odd),
            Self::TieAway => half.is_ge(),
            Self::PlusInf => rest && !negative,
            Self::MinusInf => rest && negative,
            Self::Zero | Self::Odd => false,
        }
    }

    /// Whether what is too large becomes infinity, and not the largest number.
    #[inline(always)]
    pub const fn overflows_to_infinity(self, negative: bool) -> bool {
        match self {
            Self::TieEven | Self::TieAway => true,
            Self::PlusInf => !negative,
            Self::MinusInf => negative,
            Self::Zero | Self::Odd => false,
        }
    }
}

impl Fp {
    /// `FPProcessException`; nothing traps.
    #[inline(always)]
    pub const fn raise(&mut self, exception: Exception) {
        self.status |= exception as u32;
    }

    /// Whether FPSR has recorded this exception before.
    #[inline(always)]
    pub(super) const fn raised(&self, exception: Exception) -> bool {
        self.status & exception as u32 != 0
    }

    /// Whether arithmetic in this format flushes denormals to zero.
    #[inline(always)]
    pub(super) const fn flushes(&self, format: Format) -> bool {
        let bit = if matches!(format, Format::Half) { FZ16 } else { FZ };
        self.control & bit != 0
    }

    /// FPCR.DN.
    #[inline(always)]
    pub(super) const fn default_nan(&self) -> bool {
        self.control & DN != 0
    }

    /// FPCR.AHP.
    #[inline(always)]
    pub(super) const fn alternative_half(&self) -> bool {
        self.control & AHP != 0
    }
}
