//! Floating-point data processing, one, two and three sources.

use crate::a64::rows;

rows! {}
