//! Advanced SIMD vector by indexed element, integer.

use crate::a64::rows;

rows! {}
