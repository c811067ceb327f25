//! The fast path: the host's own single and double precision.
//!
//! Rust's `f32` and `f64` are IEEE 754 in round-to-nearest without flushing, so they are right
//! here if FPCR rounds to nearest and neither operands nor result come near what the manual adds:
//! * operands are normal or zero: no NaN processing, no infinities, no flushing of inputs;
//! * the result is normal and above the smallest normal number (which a result may reach by
//!   rounding, "underflow is detected before rounding"), or a zero that is exact.
//!
//! Then only FPSR.IXC is left. Once it is set, which any rounding does and hardly any program
//! undoes, there is nothing to find out. Before that, a sum's error is computed exactly, and a
//! product is taken if it must be exact; the rest goes the slow way.
//!
//! Left out: 32-bit x86 without SSE2, whose x87 rounds results twice. All of it is slow there.

use super::control::{Exception, Rounding};
use super::format::Format;
use crate::vector::Fp;

/// What the fast path needs of `f32` and `f64`.
trait Host: Copy + PartialEq {
    const PRECISION: u32;
    const ZERO: Self;
    fn of(bits: u64) -> Self;
    fn bits(self) -> u64;
    fn is_operand(self) -> bool;
    fn is_result(self) -> bool;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn sqrt(self) -> Self;
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The bits of the mantissa from its first to its last 1.
    fn significant(self) -> u32;
}

macro_rules! host {
    ($float:ident, $bits:ident, $format:expr) => {
        impl Host for $float {
            const PRECISION: u32 = $format.fraction_bits() + 1;
            const ZERO: Self = 0.0;
            #[inline(always)]
            fn of(bits: u64) -> Self {
                Self::from_bits(bits as $bits)
            }
            #[inline(always)]
            fn bits(self) -> u64 {
                self.to_bits().into()
            }
            #[inline(always)]
            fn is_operand(self) -> bool {
                self.is_normal() || self == 0.0
            }
            #[inline(always)]
            fn is_result(self) -> bool {
                let magnitude = self.abs();
                magnitude > Self::MIN_POSITIVE && magnitude <= Self::MAX
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                self / other
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                self.mul_add(factor, addend)
            }
            #[inline(always)]
            fn significant(self) -> u32 {
                let zeros = self.to_bits().trailing_zeros();
                Self::PRECISION - zeros.min(Self::PRECISION - 1)
            }
        }
    };
}
host!(f32, u32, Format::Single);
host!(f64, u64, Format::Double);

/// Whether the host's arithmetic is IEEE 754's.
const EXACT: bool = !cfg!(all(target_arch = "x86", not(target_feature = "sse2")));

/// Calls `$function` for the format, if FPCR rounds to nearest.
macro_rules! either {
    ($fp:ident, $f:ident, $function:ident($($operand:ident),*)) => {
        match $f {
            _ if !EXACT || Rounding::of_fpcr($fp) != Rounding::TieEven => None,
            Format::Half => None,
            Format::Single => $function($fp, $(f32::of($operand)),*),
            Format::Double => $function($fp, $(f64::of($operand)),*),
        }
    };
}

/// a + b.
#[inline(always)]
pub fn add(fp: &mut Fp, f: Format, a: u64, b: u64) -> Option<u64> {
    either!(fp, f, sum(a, b))
}

/// a * b.
#[inline(always)]
pub fn mul(fp: &Fp, f: Format, a: u64, b: u64) -> Option<u64> {
    either!(fp, f, product(a, b))
}

/// a / b.
#[inline(always)]
pub fn div(fp: &Fp, f: Format, a: u64, b: u64) -> Option<u64> {
    either!(fp, f, quotient(a, b))
}

/// The square root.
#[inline(always)]
pub fn sqrt(fp: &Fp, f: Format, a: u64) -> Option<u64> {
    either!(fp, f, root(a))
}

/// addend + a * b.
#[inline(always)]
pub fn mul_add(fp: &Fp, f: Format, addend: u64, a: u64, b: u64) -> Option<u64> {
    either!(fp, f, fused(addend, a, b))
}

/// A sum that is zero or denormal is exact; the former is taken, the latter may be flushed.
#[inline(always)]
fn sum<T: Host>(fp: &mut Fp, a: T, b: T) -> Option<u64> {
    let result = a.add(b);
    let fits = a.is_operand() && b.is_operand() && (result.is_result() || result == T::ZERO);
    if !fits {
        return None;
    }
    if !fp.raised(Exception::Inexact) {
        // Knuth's TwoSum: exact for any two numbers without overflow. An overflow between is
        // seen as a NaN or infinity, which is not zero; then the slow way decides.
        let b_part = result.sub(a);
        let a_part = result.sub(b_part);
        let error = a.sub(a_part).add(b.sub(b_part));
        if error != T::ZERO {
            return None;
        }
    }
    Some(result.bits())
}

/// A product of as many bits as fit is exact; a zero comes only from a zero.
#[inline(always)]
fn product<T: Host>(fp: &Fp, a: T, b: T) -> Option<u64> {
    let result = a.mul(b);
    let fits = a.is_operand() && b.is_operand() && result.is_result();
    let known = fp.raised(Exception::Inexact) || a.significant() + b.significant() <= T::PRECISION;
    (fits && known).then(|| result.bits())
}

#[inline(always)]
fn quotient<T: Host>(fp: &Fp, a: T, b: T) -> Option<u64> {
    let result = a.div(b);
    let fits = a.is_operand() && b.is_operand() && result.is_result();
    (fits && fp.raised(Exception::Inexact)).then(|| result.bits())
}

#[inline(always)]
fn root<T: Host>(fp: &Fp, a: T) -> Option<u64> {
    let result = a.sqrt();
    let fits = a.is_operand() && result.is_result();
    (fits && fp.raised(Exception::Inexact)).then(|| result.bits())
}

#[inline(always)]
fn fused<T: Host>(fp: &Fp, c: T, a: T, b: T) -> Option<u64> {
    let fits = a.is_operand() && b.is_operand() && c.is_operand();
    if !(fits && fp.raised(Exception::Inexact)) {
        return None;
    }
    let result = a.mul_add(b, c);
    result.is_result().then(|| result.bits())
}
