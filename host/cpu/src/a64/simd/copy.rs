//! Advanced SIMD copy, modified immediate.

use crate::a64::rows;

rows! {}
