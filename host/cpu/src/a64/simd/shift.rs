//! Advanced SIMD shift by immediate.

use crate::a64::rows;

rows! {}
