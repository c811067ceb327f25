//! Advanced SIMD table lookup, permute, extract.

use crate::a64::rows;

rows! {}
