//! Scalar floating-point (DDI 0487 C4.1: "Data Processing -- Scalar Floating-Point and Advanced
//! SIMD").

pub mod arithmetic;
pub mod compare;
pub mod convert;
mod operand;
