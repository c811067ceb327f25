//! The MSI frame: a device writes an INTID, and that SPI becomes pending.
//!
//! ```text
//!   0x008  MSI_TYPER      [25:16] first INTID, [9:0] how many; read only
//!   0x040  MSI_SETSPI_NS  [9:0] INTID; write only, 32 bits or the lower 16
//!   0xfcc  MSI_IIDR       0: an implementer that is none
//! ```
//!
//! As GICv2m has it (Arm DEN 0029, Server Base System Architecture). An INTID that is not the
//! frame's is ignored. Its SPIs are edges: GICD_ICFGR reads so and cannot be changed.
//!
//! # Left out
//! The identification registers of the frame other than MSI_IIDR read zero.

use anyvisor_arch::gic::msi::{SETSPI_INTID, SETSPI_NS, TYPER, TYPER_BASE, TYPER_COUNT};
use std::ops::Range;

pub fn read(messages: &Range<u32>, offset: u64, bytes: u8) -> u64 {
    match (offset, bytes) {
        (TYPER, 4) => {
            TYPER_BASE.put(messages.start.into()) | TYPER_COUNT.put(messages.len() as u64)
        }
        _ => 0,
    }
}

/// The INTID that a write names, if it is a write that sends.
pub fn sent(offset: u64, bytes: u8, value: u64) -> Option<u32> {
    (offset == SETSPI_NS && matches!(bytes, 2 | 4)).then(|| SETSPI_INTID.get(value) as u32)
}
