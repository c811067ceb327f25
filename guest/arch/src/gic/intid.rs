//! INTIDs: which number is what kind of interrupt (IHI 0069, "INTIDs").
//!
//! ```text
//!   0        16        32                      1020     1024            8192
//!   |  SGIs  |  PPIs   |         SPIs          | special | (reserved, or | LPIs ...
//!   | by PE  |  by PE  |   one of all PEs      |         |  extended)    |
//! ```

use core::ops::Range;

/// Software generated interrupts: each PE has its own.
pub const SGIS: Range<u32> = 0..16;
/// Private peripheral interrupts: each PE has its own.
pub const PPIS: Range<u32> = 16..32;
/// Shared peripheral interrupts: routed to a PE.
pub const SPIS: Range<u32> = 32..1020;
/// What ICC_IAR and ICC_HPPIR read when there is no such interrupt.
pub const SPURIOUS: u32 = 1023;
