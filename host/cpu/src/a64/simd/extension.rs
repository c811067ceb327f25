//! Advanced SIMD three-register extension: dot product, matrix multiply, rounding doubling multiply accumulate, complex.

use crate::a64::rows;

rows! {}
