//! Advanced SIMD three different.

use crate::a64::rows;

rows! {}
