//! Advanced SIMD three same, integer.

use crate::a64::rows;

rows! {}
