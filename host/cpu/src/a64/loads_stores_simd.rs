//! Loads and stores of SIMD and FP registers (DDI 0487 C4.1: "Loads and Stores").

use crate::a64::rows;

rows! {}
