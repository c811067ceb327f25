//! Advanced SIMD three same, floating-point.

use crate::a64::rows;

rows! {}
