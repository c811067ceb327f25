//! Advanced SIMD two-register miscellaneous, integer; pairwise; across lanes.

use crate::a64::rows;

rows! {}
