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
/// The PPIs that a PE's own devices drive, as the Server Base System Architecture numbers them
/// (Arm DEN 0029) and Hypervisor.framework's `hv_gic_intid_t` too.
pub mod ppi {
    /// The performance monitors' overflow.
    pub const PERFORMANCE_MONITOR: u32 = 23;
    /// The virtual CPU interface's maintenance interrupt.
    pub const MAINTENANCE: u32 = 25;
    /// The EL2 physical timer.
    pub const EL2_PHYSICAL_TIMER: u32 = 26;
    /// The EL1 virtual timer.
    pub const EL1_VIRTUAL_TIMER: u32 = 27;
    /// The EL1 physical timer.
    pub const EL1_PHYSICAL_TIMER: u32 = 30;
}

/// What ICC_IAR and ICC_HPPIR read when there is no such interrupt.
pub const SPURIOUS: u32 = 1023;
