//! PL011 UART: the driver-visible part of DDI 0183, at revision r1p4 (16-deep FIFOs).
//!
//! ```text
//! offset  name    access  what
//! 0x000   DR      RW      | 11 OE | 10 BE | 9 PE | 8 FE | 7..0 data |   read: oldest received
//! 0x004   RSR/ECR RW      |  3 OE |  2 BE | 1 PE | 0 FE |               write: clears all
//! 0x018   FR      RO      | 8 RI | 7 TXFE | 6 RXFF | 5 TXFF | 4 RXFE | 3 BUSY | 2 DCD | 1 DSR | 0 CTS |
//! 0x020   ILPR    RW      remembered
//! 0x024   IBRD    RW      remembered
//! 0x028   FBRD    RW      remembered
//! 0x02c   LCR_H   RW      | 7 SPS | 6..5 WLEN | 4 FEN | 3 STP2 | 2 EPS | 1 PEN | 0 BRK |
//! 0x030   CR      RW      | 15 CTSEn | 14 RTSEn | 13 Out2 | 12 Out1 | 11 RTS | 10 DTR | 9 RXE | 8 TXE |
//!                         | 7 LBE | 2 SIRLP | 1 SIREN | 0 UARTEN |
//! 0x034   IFLS    RW      | 5..3 RXIFLSEL | 2..0 TXIFLSEL |
//! 0x038   IMSC    RW      | 10 OE | 9 BE | 8 PE | 7 FE | 6 RT | 5 TX | 4 RX | 3 DSR | 2 DCD | 1 CTS | 0 RI |
//! 0x03c   RIS     RO      the same bits, before the mask
//! 0x040   MIS     RO      RIS and IMSC
//! 0x044   ICR     WO      writing 1 clears the bit of RIS
//! 0x048   DMACR   RW      remembered
//! 0xfe0.. PeriphID0..3, PCellID0..3
//! ```
//!
//! Time is compressed: there is no baud rate. A byte leaves in the same access that puts it into
//! an enabled transmitter, so FR.BUSY and FR.TXFF are only seen set when the transmitter is
//! disabled; the 32 bit periods of the receive timeout pass right after each byte.
//!
//! The interrupts are the manual's transitions, not levels: RIS is set by an event (the fill
//! passes the trigger, a byte is lost, ...) and cleared by ICR or by the opposite event. That is
//! why clearing RXRIS while the FIFO is still full gives no second interrupt.
//!
//! Left out: hardware flow control (CTSEn and RTSEn are remembered), IrDA (SIREN, SIRLP), DMA
//! requests, breaks, parity and framing (FE, PE and BE are never set), the modem lines outside
//! loopback (FR's CTS, DSR, DCD and RI read 0), the integration test registers (0x80 to 0x8c
//! read 0). Reserved values of RXIFLSEL and TXIFLSEL count as 7/8.

#[cfg(test)]
mod tests;

use crate::fifo::{DEPTH, Fifo};

/// Register offsets.
pub mod offset {
    #![allow(missing_docs)] // named in the picture above
    pub const DR: u64 = 0x000;
    pub const RSR_ECR: u64 = 0x004;
    pub const FR: u64 = 0x018;
    pub const ILPR: u64 = 0x020;
    pub const IBRD: u64 = 0x024;
    pub const FBRD: u64 = 0x028;
    pub const LCR_H: u64 = 0x02c;
    pub const CR: u64 = 0x030;
    pub const IFLS: u64 = 0x034;
    pub const IMSC: u64 = 0x038;
    pub const RIS: u64 = 0x03c;
    pub const MIS: u64 = 0x040;
    pub const ICR: u64 = 0x044;
    pub const DMACR: u64 = 0x048;
    pub const PERIPH_ID0: u64 = 0xfe0;
}

/// UARTCR: the whole UART is on.
pub const CR_UARTEN: u32 = 1 << 0;
/// UARTCR: what is sent is received.
pub const CR_LBE: u32 = 1 << 7;
/// UARTCR: the transmitter is on.
pub const CR_TXE: u32 = 1 << 8;
/// UARTCR: the receiver is on.
pub const CR_RXE: u32 = 1 << 9;
const CR_DTR: u32 = 1 << 10;
const CR_RTS: u32 = 1 << 11;
const CR_OUT1: u32 = 1 << 12;
const CR_OUT2: u32 = 1 << 13;
/// Bits 6:3 of UARTCR are reserved and read as zero.
const CR_WRITABLE: u32 = 0xff87;
/// Reset value: transmitter and receiver on, the UART off.
const CR_RESET: u32 = CR_TXE | CR_RXE;

/// UARTLCR_H: the FIFOs are enabled; otherwise each is a holding register of one byte.
pub const LCR_H_FEN: u32 = 1 << 4;
/// UARTLCR_H: eight bits a byte (WLEN = 0b11).
pub const LCR_H_WLEN_8: u32 = 3 << 5;

/// UARTFR: the receive FIFO is empty.
pub const FR_RXFE: u32 = 1 << 4;
/// UARTFR: the transmit FIFO is full.
pub const FR_TXFF: u32 = 1 << 5;
/// UARTFR: the receive FIFO is full.
pub const FR_RXFF: u32 = 1 << 6;
/// UARTFR: the transmit FIFO is empty.
pub const FR_TXFE: u32 = 1 << 7;
/// UARTFR: bytes wait to be sent by an enabled UART.
pub const FR_BUSY: u32 = 1 << 3;
const FR_CTS: u32 = 1 << 0;
const FR_DSR: u32 = 1 << 1;
const FR_DCD: u32 = 1 << 2;
const FR_RI: u32 = 1 << 8;

/// Interrupt bits of IMSC, RIS, MIS and ICR.
pub mod interrupt {
    #![allow(missing_docs)] // named in the picture above
    pub const RI: u32 = 1 << 0;
    pub const CTS: u32 = 1 << 1;
    pub const DCD: u32 = 1 << 2;
    pub const DSR: u32 = 1 << 3;
    pub const RX: u32 = 1 << 4;
    pub const TX: u32 = 1 << 5;
    pub const RT: u32 = 1 << 6;
    pub const OE: u32 = 1 << 10;
    pub const ALL: u32 = 0x7ff;
}

/// UARTDR: a byte was lost before this one.
const DR_OE: u32 = 1 << 11;
/// UARTRSR: a byte was lost.
const RSR_OE: u32 = 1 << 3;

/// UARTPeriphID0..3 (part 0x011, designer Arm, revision r1p4) and UARTPCellID0..3.
const IDS: [u32; 8] = [0x11, 0x10, 0x24, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// The bytes that an access sent out, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    bytes: [u8; DEPTH],
    len: usize,
}

impl Sent {
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What became of a byte that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It waits in the FIFO.
    Stored,
    /// The FIFO was full: the byte is lost and the overrun noted.
    Overrun,
    /// The receiver is off, or in loopback: nobody listened.
    Deaf,
}

/// The device.
#[derive(Clone, Debug)]
pub struct Pl011 {
    tx: Fifo<u8>,
    /// Data in bits 7:0, the errors in bits 11:8: what a read of UARTDR returns.
    rx: Fifo<u16>,
    /// A byte was lost and the next that is stored shall say so.
    overrun: bool,
    /// UARTRSR: the errors of the byte that was read last, and the overrun.
    rsr: u32,
    ilpr: u32,
    ibrd: u32,
    fbrd: u32,
    lcr_h: u32,
    cr: u32,
    ifls: u32,
    imsc: u32,
    ris: u32,
    dmacr: u32,
}

impl Default for Pl011 {
    fn default() -> Self {
        Self {
            tx: Fifo::default(),
            rx: Fifo::default(),
            overrun: false,
            rsr: 0,
            ilpr: 0,
            ibrd: 0,
            fbrd: 0,
            lcr_h: 0,
            cr: CR_RESET,
            ifls: 0b010_010,
            imsc: 0,
            ris: 0,
            dmacr: 0,
        }
    }
}

impl Pl011 {
    /// The combined interrupt line, UARTINTR: any bit of MIS.
    pub fn line(&self) -> bool {
        self.ris & self.imsc != 0
    }

    /// Whether a byte that comes in now would be stored.
    pub fn can_receive(&self) -> bool {
        self.receiver_on() && self.cr & CR_LBE == 0 && self.rx.len() < self.depth()
    }

    /// A byte comes in from outside.
    pub fn receive(&mut self, byte: u8) -> Received {
        if !self.receiver_on() || self.cr & CR_LBE != 0 {
            return Received::Deaf;
        }
        self.store(byte)
    }

    /// Reads the register at `offset`.
    pub fn read(&mut self, offset: u64) -> u32 {
        match offset {
            offset::DR => self.read_data(),
            offset::RSR_ECR => self.rsr,
            offset::FR => self.flags(),
            offset::ILPR => self.ilpr,
            offset::IBRD => self.ibrd,
            offset::FBRD => self.fbrd,
            offset::LCR_H => self.lcr_h,
            offset::CR => self.cr,
            offset::IFLS => self.ifls,
            offset::IMSC => self.imsc,
            offset::RIS => self.ris,
            offset::MIS => self.ris & self.imsc,
            offset::DMACR => self.dmacr,
            offset::PERIPH_ID0..=0xfff if offset.is_multiple_of(4) => {
                IDS[(offset - offset::PERIPH_ID0) as usize / 4]
            }
            _ => 0,
        }
    }

    /// Writes the register at `offset` and returns the bytes that this sent out.
    pub fn write(&mut self, offset: u64, value: u32) -> Sent {
        match offset {
            offset::DR => return self.write_data(value as u8),
            offset::RSR_ECR => self.rsr = 0,
            offset::ILPR => self.ilpr = value & 0xff,
            offset::IBRD => self.ibrd = value & 0xffff,
            offset::FBRD => self.fbrd = value & 0x3f,
            offset::LCR_H => self.write_line_control(value & 0xff),
            offset::CR => return self.write_control(value & CR_WRITABLE),
            offset::IFLS => self.ifls = value & 0x3f,
            offset::IMSC => self.imsc = value & interrupt::ALL,
            offset::ICR => self.ris &= !value,
            offset::DMACR => self.dmacr = value & 7,
            _ => {}
        }
        Sent::default()
    }

    fn fifos(&self) -> bool {
        self.lcr_h & LCR_H_FEN != 0
    }

    fn depth(&self) -> usize {
        if self.fifos() { DEPTH } else { 1 }
    }

    fn transmitter_on(&self) -> bool {
        self.cr & (CR_UARTEN | CR_TXE) == CR_UARTEN | CR_TXE
    }

    fn receiver_on(&self) -> bool {
        self.cr & (CR_UARTEN | CR_RXE) == CR_UARTEN | CR_RXE
    }

    /// The fill at which UARTRXINTR rises: at or above it.
    fn rx_trigger(&self) -> usize {
        if self.fifos() { eighths(self.ifls >> 3) * DEPTH / 8 } else { 1 }
    }

    /// The fill at which UARTTXINTR rises: at or below it.
    fn tx_trigger(&self) -> usize {
        if self.fifos() { eighths(self.ifls) * DEPTH / 8 } else { 0 }
    }

    fn flags(&self) -> u32 {
        let bit = |on: bool, flag: u32| if on { flag } else { 0 };
        bit(self.tx.is_empty(), FR_TXFE)
            | bit(self.tx.len() == self.depth(), FR_TXFF)
            | bit(self.rx.is_empty(), FR_RXFE)
            | bit(self.rx.len() == self.depth(), FR_RXFF)
            // "BUSY ... is set as soon as the transmit FIFO becomes non-empty, regardless of
            // whether the UART is enabled or not."
            | bit(!self.tx.is_empty(), FR_BUSY)
            | self.modem_inputs()
    }

    /// In loopback the modem outputs are the modem inputs (UARTCR.LBE): RTS to CTS, DTR to DSR,
    /// Out1 to DCD, Out2 to RI. Otherwise nothing is connected.
    fn modem_inputs(&self) -> u32 {
        let wire = |output: u32, input: u32| if self.cr & output != 0 { input } else { 0 };
        if self.cr & CR_LBE == 0 {
            return 0;
        }
        wire(CR_RTS, FR_CTS) | wire(CR_DTR, FR_DSR) | wire(CR_OUT1, FR_DCD) | wire(CR_OUT2, FR_RI)
    }

    fn read_data(&mut self) -> u32 {
        let Some(entry) = self.rx.pop() else { return 0 };
        let entry = u32::from(entry);
        // RSR shows the errors of the byte read last; its overrun bit stays until ECR.
        self.rsr = self.rsr & RSR_OE | entry >> 8 & 0b111;
        if self.rx.len() < self.rx_trigger() {
            self.ris &= !interrupt::RX;
        }
        if self.rx.is_empty() {
            self.ris &= !interrupt::RT;
        }
        entry
    }

    fn write_data(&mut self, byte: u8) -> Sent {
        // Five to eight bits are sent; the receiver at the other end sees no more than that.
        let bits = 5 + (self.lcr_h >> 5 & 0b11);
        let depth = self.depth();
        // A full FIFO drops the byte: a driver looks at FR.TXFF first.
        self.tx.push(byte & (0xff >> (8 - bits)), depth);
        if self.tx.len() > self.tx_trigger() {
            self.ris &= !interrupt::TX;
        }
        self.transmit()
    }

    /// Sends what waits, if the transmitter is on.
    fn transmit(&mut self) -> Sent {
        let mut sent = Sent::default();
        while self.transmitter_on()
            && let Some(byte) = self.tx.pop()
        {
            if self.cr & CR_LBE == 0 {
                sent.push(byte);
            } else if self.receiver_on() {
                self.store(byte);
            }
            if self.tx.len() <= self.tx_trigger() {
                self.ris |= interrupt::TX;
            }
        }
        sent
    }

    fn store(&mut self, byte: u8) -> Received {
        let overrun = if self.overrun { DR_OE as u16 } else { 0 };
        let depth = self.depth();
        if !self.rx.push(u16::from(byte) | overrun, depth) {
            self.overrun = true;
            self.rsr |= RSR_OE;
            self.ris |= interrupt::OE;
            return Received::Overrun;
        }
        self.overrun = false;
        if self.rx.len() >= self.rx_trigger() {
            self.ris |= interrupt::RX;
        }
        if self.fifos() {
            self.ris |= interrupt::RT;
        }
        Received::Stored
    }

    fn write_line_control(&mut self, value: u32) {
        if (self.lcr_h ^ value) & LCR_H_FEN != 0 {
            // A FIFO that becomes a holding register, or the other way round, starts empty.
            self.tx.clear();
            self.rx.clear();
            self.ris &= !(interrupt::RX | interrupt::RT);
        }
        self.lcr_h = value;
    }

    fn write_control(&mut self, value: u32) -> Sent {
        let before = self.modem_inputs();
        self.cr = value;
        let changed = before ^ self.modem_inputs();
        for (input, bit) in [
            (FR_RI, interrupt::RI),
            (FR_CTS, interrupt::CTS),
            (FR_DCD, interrupt::DCD),
            (FR_DSR, interrupt::DSR),
        ] {
            if changed & input != 0 {
                self.ris |= bit;
            }
        }
        self.transmit() // what waited for the transmitter leaves now
    }
}

/// The trigger of a three-bit field of UARTIFLS, in eighths of the FIFO.
fn eighths(select: u32) -> usize {
    match select & 0b111 {
        0b000 => 1,
        0b001 => 2,
        0b010 => 4,
        0b011 => 6,
        _ => 7,
    }
}
