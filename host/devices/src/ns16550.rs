//! A 16550A: the UART of PCs, and of hypervisors that like them. The model is the crate
//! `vm-superio`'s; this is its place among ours: what is sent is returned, and the level of the
//! interrupt line is a question.
//!
//! Left out, as there: the FIFO control, the modem's lines, and any baud rate. The transmitter is
//! always empty.

use std::convert::Infallible;
use vm_superio::Trigger;
use vm_superio::serial::{NoEvents, Serial};

/// The interrupt identification register, and its bit that is 0 while an interrupt is pending.
const IIR_NONE: u8 = 1 << 0;

/// Nobody is to be told: [`Ns16550::line`] is asked.
struct Silent;

impl Trigger for Silent {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A 16550A with registers of a byte.
pub struct Ns16550(Serial<Silent, NoEvents, Vec<u8>>);

impl Default for Ns16550 {
    fn default() -> Self {
        Self(Serial::new(Silent, Vec::new()))
    }
}

impl std::fmt::Debug for Ns16550 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ns16550").field(&self.0.state()).finish()
    }
}

impl Ns16550 {
    /// Reads the register at `offset`; there are eight.
    pub fn read(&mut self, offset: u64) -> u8 {
        u8::try_from(offset).map_or(0, |offset| self.0.read(offset))
    }

    /// Writes the register at `offset`; returns a byte that was sent.
    pub fn write(&mut self, offset: u64, value: u8) -> Option<u8> {
        // It cannot fail: nobody is told, and a Vec takes every byte.
        let _ = u8::try_from(offset).map(|offset| self.0.write(offset, value));
        self.0.writer_mut().pop()
    }

    /// The level of the interrupt line.
    pub fn line(&self) -> bool {
        self.0.state().interrupt_identification & IIR_NONE == 0
    }

    /// Whether there is room for a byte that comes in.
    pub fn can_receive(&self) -> bool {
        self.0.fifo_capacity() > 0
    }

    /// A byte came in. In loopback, or without room, it is lost.
    pub fn receive(&mut self, byte: u8) {
        let _ = self.0.enqueue_raw_bytes(&[byte]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: u64 = 0;
    const IER: u64 = 1;
    const IIR: u64 = 2;
    const LCR: u64 = 3;
    const MCR: u64 = 4;
    const LSR: u64 = 5;

    #[test]
    fn what_is_written_to_the_data_register_is_sent_unless_it_is_the_divisor() {
        let mut uart = Ns16550::default();
        assert_eq!(uart.write(DATA, b'a'), Some(b'a'));
        assert_eq!(uart.read(LSR) & 0x60, 0x60, "THRE and TEMT");
        uart.write(LCR, 0x80); // DLAB
        assert_eq!(uart.write(DATA, 12), None);
        assert_eq!(uart.read(DATA), 12);
        uart.write(LCR, 0x03);
        assert_eq!(uart.write(DATA, b'b'), Some(b'b'));
    }

    #[test]
    fn the_line_is_high_while_an_enabled_interrupt_is_pending() {
        let mut uart = Ns16550::default();
        uart.receive(b'x');
        assert!(!uart.line(), "not enabled");
        uart.write(IER, 1); // received data
        assert!(uart.line());
        assert_eq!(uart.read(DATA), b'x');
        assert!(!uart.line(), "nothing left");
        uart.write(IER, 2); // transmitter empty: it always is
        assert!(uart.line());
        assert_eq!(uart.read(IIR) & 0xf, 2);
        assert!(!uart.line(), "reading IIR takes it off");
    }

    #[test]
    fn in_loopback_a_byte_comes_back_and_none_is_sent() {
        let mut uart = Ns16550::default();
        uart.write(MCR, 0x10);
        assert_eq!(uart.write(DATA, b'l'), None);
        assert_eq!(uart.read(DATA), b'l');
    }

    #[test]
    fn registers_that_are_not_there_read_as_zero() {
        let mut uart = Ns16550::default();
        assert_eq!(uart.read(8), 0);
        assert_eq!(uart.read(0x1_0000), 0);
        assert_eq!(uart.write(0x100, 1), None);
    }
}
