//! A 16550 (National Semiconductor's PC16550D, "Registers"), as PCs have it, at addresses of
//! memory: the binding `8250` says how far its registers are apart and how wide.
//!
//! ```text
//!   0  THR   a byte to send                5  LSR   bit 5 THRE: the transmit FIFO is empty
//!   1  IER   interrupts: none              2  FCR   bit 0: FIFOs on
//!   3  LCR   bits 1:0 = 3: eight bits      4  MCR   left alone
//! ```
//!
//! The baud rate is left as it was found, as the PL011's is.

use super::{Stuck, wait};
use crate::gic::frame::Frame;
use crate::machine::Region;

const THR: u64 = 0;
const IER: u64 = 1;
const FCR: u64 = 2;
const LCR: u64 = 3;
const LSR: u64 = 5;

const FCR_FIFO: u32 = 1 << 0;
const LCR_8_BITS: u32 = 0b11;
const LSR_THRE: u32 = 1 << 5;

/// A 16550.
pub struct Ns16550 {
    registers: Frame,
    shift: u32,
    width: u32,
}

impl Ns16550 {
    /// The one whose registers these are, with its interrupts off.
    pub fn open(place: Region, shift: u32, width: u32) -> Self {
        let uart = Self { registers: Frame::at(place.start), shift, width };
        uart.write(IER, 0);
        uart.write(LCR, LCR_8_BITS); // and DLAB 0: THR and IER are what they are called
        uart.write(FCR, FCR_FIFO);
        uart
    }

    /// Sends a byte. Without knowing how deep the FIFO is (some hypervisors have none) one byte at
    /// a time is what is sure to fit.
    pub fn send(&mut self, byte: u8) -> Result<(), Stuck> {
        wait(|| self.read(LSR) & LSR_THRE != 0)?;
        self.write(THR, byte.into());
        Ok(())
    }

    fn read(&self, register: u64) -> u32 {
        let offset = register << self.shift;
        if self.width == 1 { self.registers.read8(offset) } else { self.registers.read(offset) }
    }

    fn write(&self, register: u64, value: u32) {
        let offset = register << self.shift;
        if self.width == 1 {
            self.registers.write8(offset, value);
        } else {
            self.registers.write(offset, value);
        }
    }
}
