//! The message frame: a device writes an SPI's INTID and the SPI becomes pending.
//!
//! As the Server Base System Architecture (Arm DEN 0029, "GICv2m") has it.

use crate::field::Field;

/// Bytes of the frame.
pub const SIZE: u64 = 0x1000;
/// MSI_TYPER.
pub const TYPER: u64 = 0x008;
/// MSI_SETSPI_NS.
pub const SETSPI_NS: u64 = 0x040;
/// MSI_IIDR.
pub const IIDR: u64 = 0xfcc;

/// MSI_TYPER: the first INTID.
pub const TYPER_BASE: Field = Field::new(25, 16);
/// MSI_TYPER: how many there are.
pub const TYPER_COUNT: Field = Field::new(9, 0);
/// MSI_SETSPI_NS: the INTID.
pub const SETSPI_INTID: Field = Field::new(9, 0);
