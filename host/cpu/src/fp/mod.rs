//! Floating-point arithmetic, bit for bit as the manual's pseudocode (DDI 0487 J1.3,
//! `shared/functions/float`) computes it, with the cumulative bits of FPSR.
//!
//! ```text
//!   bits --FPUnpack--> Unpacked { kind, sign, Real } --+--> a NaN among them: nan.rs
//!          unpack.rs                                   +--> infinities, zeros: by the rules of
//!                                                      |    each operation
//!                                                      +--> real.rs: + - * / sqrt of Reals,
//!                                                           exact up to a sticky bit
//!   bits <--FPRound--- Real <--------------------------+
//!          round.rs
//! ```
//!
//! A value is the bit pattern of its [`Format`] in the low bits of a `u64`; bits above it are
//! ignored in operands and 0 in results. [`Fp`] carries FPCR in and FPSR in and out.
//!
//! Between unpacking and rounding there is only integer arithmetic: products of 53 bits fit 106,
//! so a `u128` holds every intermediate result with room for a sticky bit, and the integer square
//! root of a `u128` is in the standard library. A soft-float crate does its own unpacking,
//! rounding and NaN processing, which are not Arm's (flushing, NaN selection, underflow before
//! rounding, alternative half precision), and would have to be led around them; what is left of
//! it is shorter written than called. So a crate is here the second opinion instead: the unit
//! tests compare with `rustc_apfloat`, maintained by the Rust project, in all formats and rounding
//! modes. Where the host's own arithmetic is exact enough it is taken: `host.rs` says when.
//!
//! FEAT_AFP is absent (FPCR.AH, FIZ and NEP are RES0), and exceptions never trap: FPCR's trap
//! enables are RES0 too, as the architecture permits.

mod arithmetic;
mod compare;
mod control;
mod convert;
mod estimate;
mod fixed;
mod format;
mod fused;
mod host;
mod nan;
mod real;
mod round;
mod round_int;
#[cfg(test)]
mod tests;
mod unpack;

pub use crate::vector::Fp;
pub use arithmetic::{abs, add, div, mul, mulx, neg, sqrt, sub};
pub use compare::{compare, compare_eq, compare_ge, compare_gt, max, max_num, min, min_num};
pub use control::{Exception, Rounding};
pub use convert::{convert, convert_bf, convert_round_odd};
pub use estimate::{recip_estimate, recpx, rsqrt_estimate};
pub use fixed::{from_fixed, to_fixed, to_js_int};
pub use format::Format;
pub use fused::{mul_add, mul_add_h, recip_step_fused, rsqrt_step_fused};
pub use round_int::{round_int, round_int_n};
