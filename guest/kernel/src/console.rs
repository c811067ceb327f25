//! The console: a PL011 (DDI 0183) at the address that the FDT says, and the sink of `log`.
//!
//! Polled output only. The baud rate is left as it was found: a virtual line has none, and on a
//! real one whoever booted us has set it.

use core::fmt::{self, Write};

use aarch64_cpu::asm::barrier;
use spin::Mutex;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

use crate::machine::Machine;

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

struct Pl011 {
    registers: &'static Registers,
    /// Bytes that fit for sure before the flags must be looked at again. Each look costs a guest
    /// an exit.
    room: usize,
}

// SAFETY: device registers belong to no thread; the lock around it keeps accesses apart.
unsafe impl Send for Pl011 {}

impl Pl011 {
    fn init(&self) {
        self.registers.CR.set(0); // DDI 0183, UARTCR: off before the line control is changed
        self.registers.IMSC.set(0);
        self.registers.LCR_H.write(LCR_H::WLEN::Bits8 + LCR_H::FEN::SET);
        self.registers.CR.write(CR::UARTEN::SET + CR::TXE::SET + CR::RXE::SET);
    }

    fn send(&mut self, byte: u8) {
        while self.room == 0 {
            if self.registers.FR.is_set(FR::TXFE) {
                self.room = FIFO;
            }
        }
        self.room -= 1;
        self.registers.DR.set(u32::from(byte));
    }
}

impl Write for Pl011 {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for byte in s.bytes() {
            if byte == b'\n' {
                self.send(b'\r');
            }
            self.send(byte);
        }
        Ok(())
    }
}

static CONSOLE: Mutex<Option<Pl011>> = Mutex::new(None);

/// Finds the console and makes it the sink of `log`. Without one, output goes nowhere.
pub fn init(machine: Machine) {
    let Some(uart) = machine.uart else { return };
    // SAFETY: the FDT says that a PL011 stands there, `mmu::init` has mapped it as Device
    // memory, and this is the only place that makes a reference to it.
    let registers = unsafe { &*(uart.start as *const Registers) };
    let pl011 = Pl011 { registers, room: 0 };
    pl011.init();
    *CONSOLE.lock() = Some(pl011);
    static SINK: Sink = Sink;
    if log::set_logger(&SINK).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}

/// Writes to the console; `print!` and `println!` call it.
pub fn write(arguments: fmt::Arguments<'_>) {
    if let Some(pl011) = CONSOLE.lock().as_mut() {
        let _ = pl011.write_fmt(arguments); // Pl011 never fails
    }
}

/// Whether the interrupt stands that says that there is room to transmit, masked or not. Whatever
/// was written before raised it.
pub fn is_transmit_interrupt_raised() -> bool {
    CONSOLE.lock().as_ref().is_some_and(|pl011| pl011.registers.RIS.is_set(INTERRUPT::TX))
}

/// Lets that interrupt out, or masks it: the console's line goes high or low.
pub fn let_transmit_interrupt_out(on: bool) {
    if let Some(pl011) = CONSOLE.lock().as_ref() {
        pl011.registers.IMSC.write(INTERRUPT::TX.val(on.into()));
    }
    barrier::dsb(barrier::SY);
}

/// Takes the console from whoever held it when things went wrong.
pub fn seize() {
    // SAFETY: one CPU; the holder was interrupted by the exception or panic that we come from
    // and never goes on.
    unsafe { CONSOLE.force_unlock() };
}

/// Writes text as KTAP diagnostics: each line behind `# `.
pub fn diagnose(arguments: fmt::Arguments<'_>) {
    struct Lines(bool);
    impl Write for Lines {
        fn write_str(&mut self, s: &str) -> fmt::Result {
            for piece in s.split_inclusive('\n') {
                let prefix = if self.0 { "# " } else { "" };
                write(format_args!("{prefix}{piece}"));
                self.0 = piece.ends_with('\n');
            }
            Ok(())
        }
    }
    let mut lines = Lines(true);
    let _ = lines.write_fmt(arguments);
    if !lines.0 {
        write(format_args!("\n"));
    }
}

struct Sink;

impl log::Log for Sink {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        diagnose(format_args!("{}: {}", record.level().as_str(), record.args()));
    }

    fn flush(&self) {}
}

/// `println!`, on the console.
#[macro_export]
macro_rules! println {
    ($($arguments:tt)*) => {
        $crate::console::write(format_args!("{}\n", format_args!($($arguments)*)))
    };
}
