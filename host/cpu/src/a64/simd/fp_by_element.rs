//! Advanced SIMD vector by indexed element, floating-point.

use crate::a64::rows;

rows! {}
