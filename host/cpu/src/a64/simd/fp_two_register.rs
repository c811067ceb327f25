//! Advanced SIMD two-register miscellaneous, floating-point; pairwise; across lanes.

use crate::a64::rows;

rows! {}
