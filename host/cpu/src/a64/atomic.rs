//! Atomic memory operations (DDI 0487 C4.1: "Atomic memory operations", "Compare and swap", "LDAPR/STLR (unscaled immediate)").

use crate::a64::rows;

rows! {}
