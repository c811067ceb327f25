//! A PL011 (DDI 0183).
//!
//! The baud rate is left as it was found: a virtual line has none, and on a real one whoever
//! booted us has set it.

use aarch64_cpu::asm::barrier;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

use super::{Stuck, wait};
use crate::machine::Region;

register_bitfields! {
    u32,
    /// Flag register.
    FR [
        /// Transmit FIFO empty.
        TXFE OFFSET(7) NUMBITS(1) []
    ],
    /// Line control.
    LCR_H [
        /// FIFOs on.
        FEN OFFSET(4) NUMBITS(1) [],
        /// Word length.
        WLEN OFFSET(5) NUMBITS(2) [Bits8 = 3]
    ],
    /// Interrupts: raised (RIS), and let out (IMSC).
    INTERRUPT [
        /// There is room to transmit.
        TX OFFSET(5) NUMBITS(1) []
    ],
    /// Control.
    CR [
        /// UART on.
        UARTEN OFFSET(0) NUMBITS(1) [],
        /// Transmitter on.
        TXE OFFSET(8) NUMBITS(1) [],
        /// Receiver on.
        RXE OFFSET(9) NUMBITS(1) []
    ]
}

register_structs! {
    #[allow(non_snake_case)]
    Registers {
        (0x000 => DR: ReadWrite<u32>),
        (0x004 => _to_fr),
        (0x018 => FR: ReadOnly<u32, FR::Register>),
        (0x01c => _to_lcr),
        (0x02c => LCR_H: ReadWrite<u32, LCR_H::Register>),
        (0x030 => CR: ReadWrite<u32, CR::Register>),
        (0x034 => _to_imsc),
        (0x038 => IMSC: ReadWrite<u32, INTERRUPT::Register>),
        (0x03c => RIS: ReadOnly<u32, INTERRUPT::Register>),
        (0x040 => @END),
    }
}

/// Bytes that fit into an empty transmit FIFO: 16 in every revision, 32 in later ones.
const FIFO: usize = 16;

/// A PL011.
pub struct Pl011 {
    registers: &'static Registers,
    /// Bytes that fit for sure before the flags must be looked at again. Each look costs a guest
    /// an exit.
    room: usize,
}

// SAFETY: device registers belong to no thread; the lock around it keeps accesses apart.
unsafe impl Send for Pl011 {}

impl Pl011 {
    /// The one whose registers these are, switched on.
    pub fn open(place: Region) -> Self {
        // SAFETY: the FDT says that a PL011 stands there, `mmu::init` has mapped it as Device
        // memory, and this is the only place that makes a reference to it.
        let registers = unsafe { &*(place.start as *const Registers) };
        registers.CR.set(0); // DDI 0183, UARTCR: off before the line control is changed
        registers.IMSC.set(0);
        registers.LCR_H.write(LCR_H::WLEN::Bits8 + LCR_H::FEN::SET);
        registers.CR.write(CR::UARTEN::SET + CR::TXE::SET + CR::RXE::SET);
        Self { registers, room: 0 }
    }

    /// Sends a byte.
    pub fn send(&mut self, byte: u8) -> Result<(), Stuck> {
        if self.room == 0 {
            wait(|| self.registers.FR.is_set(FR::TXFE))?;
            self.room = FIFO;
        }
        self.room -= 1;
        self.registers.DR.set(u32::from(byte));
        Ok(())
    }

    /// Whether the transmit interrupt stands, masked or not.
    pub fn is_transmit_interrupt_raised(&self) -> bool {
        self.registers.RIS.is_set(INTERRUPT::TX)
    }

    /// Lets the transmit interrupt out, or masks it.
    pub fn let_transmit_interrupt_out(&self, on: bool) {
        self.registers.IMSC.write(INTERRUPT::TX.val(on.into()));
        barrier::dsb(barrier::SY);
    }
}
