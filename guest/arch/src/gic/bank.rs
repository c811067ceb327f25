//! The registers that speak of interrupts one by one. They stand at the same offsets in the
//! distributor (for SPIs) and in a redistributor's SGI_base (for that PE's SGIs and PPIs).
//!
//! ```text
//!   offset   name           a register holds                 of INTID m
//!   0x0080   IGROUPR<n>     32 x 1 bit                       n = m / 32, bit m % 32
//!   0x0100   ISENABLER<n>   likewise
//!   0x0180   ICENABLER<n>
//!   0x0200   ISPENDR<n>
//!   0x0280   ICPENDR<n>
//!   0x0300   ISACTIVER<n>
//!   0x0380   ICACTIVER<n>
//!   0x0400   IPRIORITYR<n>  4 x 8 bits, by byte as well      byte m
//!   0x0c00   ICFGR<n>       16 x 2 bits: 0b10 edge           n = m / 16
//!   0x0d00   IGRPMODR<n>    32 x 1 bit, RES0 with DS = 1
//!   0x0e00   NSACR<n>       16 x 2 bits, RES0 with DS = 1
//! ```

/// Group: 1 is Group 1.
pub const IGROUPR: u64 = 0x080;
/// Set-enable.
pub const ISENABLER: u64 = 0x100;
/// Clear-enable.
pub const ICENABLER: u64 = 0x180;
/// Set-pending.
pub const ISPENDR: u64 = 0x200;
/// Clear-pending.
pub const ICPENDR: u64 = 0x280;
/// Set-active.
pub const ISACTIVER: u64 = 0x300;
/// Clear-active.
pub const ICACTIVER: u64 = 0x380;
/// Priority; 0 is the highest.
pub const IPRIORITYR: u64 = 0x400;
/// Where IPRIORITYR ends: one byte for each of 1024 INTIDs.
pub const IPRIORITYR_END: u64 = 0x800;
/// Configuration: the upper of an interrupt's two bits is 1 for edge-triggered.
pub const ICFGR: u64 = 0xc00;
/// Where ICFGR ends.
pub const ICFGR_END: u64 = 0xd00;
/// Group modifier: only with two security states.
pub const IGRPMODR: u64 = 0xd00;
/// Non-secure access control: only with two security states.
pub const NSACR: u64 = 0xe00;
/// Bytes from one register of one bit an interrupt to the next such register: 32 words.
pub const BITS_STRIDE: u64 = 0x80;
