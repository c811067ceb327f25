//! Pointer authentication (DDI 0487 C4.1): data processing, loads and branches.

use crate::a64::rows;

rows! {}
