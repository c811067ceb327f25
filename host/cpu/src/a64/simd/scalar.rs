//! Scalar.

use crate::a64::rows;

rows! {}
