//! Conversions between floating-point, fixed-point and integer.

use crate::a64::rows;

rows! {}
