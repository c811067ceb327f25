//! The interrupt controller that an engine may offer, seen from the C API.

use crate::HvError;
use std::ops::Range;

/// Where a VM's GIC stands, and what it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GicConfig {
    /// Guest physical address of the distributor.
    pub distributor: u64,
    /// Guest physical address of the redistributor of vCPU 0; the others follow by number.
    pub redistributors: u64,
    /// The MSI frame, if there is one: its address, and the INTIDs that messages may name.
    pub messages: Option<(u64, Range<u32>)>,
}

/// The sizes of a GIC, which no VM is needed to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GicGeometry {
    /// Bytes of the distributor's frame, and the alignment of its address.
    pub distributor: (u64, u64),
    /// Bytes of one redistributor, and the alignment of the first one's address.
    pub redistributor: (u64, u64),
    /// Bytes of all redistributors that a VM can have.
    pub redistributor_region: u64,
    /// Bytes of the MSI frame, and the alignment of its address.
    pub messages: (u64, u64),
    /// The INTIDs of the SPIs.
    pub spis: Range<u32>,
}

/// A VM's GIC, from any thread. Arguments are checked by the caller where it says so.
///
/// Registers are named by their offset in the frame (IHI 0069, chapter 12) and are accessed as the
/// guest would, in one access of the register's own width.
pub trait InterruptController: Send + Sync {
    /// Drives the line of an SPI, which is one and is no message's.
    fn set_spi(&self, intid: u32, level: bool);
    /// Sends a message: an INTID of the MSI frame's range.
    fn send_message(&self, intid: u32);
    /// Reads a register of the distributor.
    fn distributor_register(&self, offset: u32) -> u64;
    /// Writes a register of the distributor.
    fn set_distributor_register(&self, offset: u32, value: u64);
    /// Reads a register of the MSI frame.
    fn message_register(&self, offset: u32) -> u64;
    /// Writes a register of the MSI frame.
    fn set_message_register(&self, offset: u32, value: u64);
    /// Distributor and redistributors as after reset.
    fn reset(&self);
    /// The state of distributor and redistributors, without the CPU interfaces.
    fn save(&self) -> Vec<u8>;
    /// Puts saved state back.
    ///
    /// # Errors
    /// [`HvError::GicState`]: it is not the state of such a GIC, or not a whole one.
    fn restore(&self, state: &[u8]) -> Result<(), HvError>;
}
