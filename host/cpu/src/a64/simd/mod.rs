//! Advanced SIMD (DDI 0487 C4.1: "Data Processing -- Scalar Floating-Point and Advanced SIMD").

pub mod by_element;
pub mod copy;
pub mod crypto;
pub mod extension;
pub mod fp_by_element;
pub mod fp_fixed;
pub mod fp_reduce;
pub mod fp_three_same;
pub mod fp_two_register;
pub mod fp_width;
pub mod operand;
pub mod permute;
pub mod scalar;
pub mod shift;
pub mod three_different;
pub mod three_same;
pub mod two_register;
