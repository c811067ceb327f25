//! Floating-point compare, conditional compare, conditional select, immediate.

use crate::a64::rows;

rows! {}
