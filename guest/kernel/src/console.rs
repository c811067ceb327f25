//! The console: where the results go, and the sink of `log`.
//!
//! Which device it is, `machine/console.rs` chooses; each kind is a file. Polled output only. A
//! device that has no room is waited for, however slow whoever reads is: a result that is lost
//! is worse than a late one. But nothing waits for ever: a device that takes nothing for
//! [`PATIENCE_S`] is given up, and the kernel goes on without a console, as it does where there
//! is none.

mod ns16550;
mod pl011;
pub mod virtio;

use core::fmt::{self, Write};

use spin::Mutex;

use crate::machine::{ConsoleDevice, ConsoleKind, Machine};
use crate::timer;
use ns16550::Ns16550;
use pl011::Pl011;
use virtio::Virtio;

/// How long a device may have no room, in seconds of the virtual counter.
const PATIENCE_S: u64 = 60;

/// The device.
#[expect(clippy::large_enum_variant, reason = "there is one, and no heap to put it on")]
enum Device {
    Pl011(Pl011),
    Ns16550(Ns16550),
    Virtio(Virtio),
}

struct Console {
    device: Device,
    /// It took nothing for too long.
    given_up: bool,
}

/// The device took nothing for [`PATIENCE_S`].
pub struct Stuck;

/// Waits until a device `has_room`.
fn wait(mut has_room: impl FnMut() -> bool) -> Result<(), Stuck> {
    if has_room() {
        return Ok(());
    }
    let start = (timer::VIRTUAL.counter)();
    while !has_room() {
        if (timer::VIRTUAL.counter)().wrapping_sub(start) > PATIENCE_S * timer::frequency() {
            return Err(Stuck);
        }
    }
    Ok(())
}

impl Console {
    fn open(console: ConsoleDevice) -> Option<Self> {
        let device = match console.kind {
            ConsoleKind::Pl011 => Device::Pl011(Pl011::open(console.registers)),
            ConsoleKind::Ns16550 { shift, width } => {
                Device::Ns16550(Ns16550::open(console.registers, shift, width))
            }
            ConsoleKind::Virtio => Device::Virtio(Virtio::open(console.registers)?),
        };
        Some(Self { device, given_up: false })
    }

    fn send(&mut self, byte: u8) {
        if !self.given_up {
            let sent = match &mut self.device {
                Device::Pl011(uart) => uart.send(byte),
                Device::Ns16550(uart) => uart.send(byte),
                Device::Virtio(device) => device.send(byte),
            };
            self.given_up = sent.is_err();
        }
    }

    /// Sends what the device collects.
    fn flush(&mut self) {
        if let Device::Virtio(device) = &mut self.device
            && !self.given_up
        {
            self.given_up = device.flush().is_err();
        }
    }
}

impl Write for Console {
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

static CONSOLE: Mutex<Option<Console>> = Mutex::new(None);

/// Opens the console and makes it the sink of `log`. Without one, output goes nowhere.
pub fn init(machine: Machine) {
    *CONSOLE.lock() = machine.console.and_then(Console::open);
    static SINK: Sink = Sink;
    if log::set_logger(&SINK).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}

/// Writes to the console; `print!` and `println!` call it.
pub fn write(arguments: fmt::Arguments<'_>) {
    if let Some(console) = CONSOLE.lock().as_mut() {
        let _ = console.write_fmt(arguments); // never fails
        console.flush();
    }
}

/// Whether the console is a PL011 whose interrupt stands that says that there is room to
/// transmit, masked or not. Whatever was written before raised it.
pub fn is_transmit_interrupt_raised() -> bool {
    with_pl011(|uart| uart.is_transmit_interrupt_raised()).unwrap_or(false)
}

/// Lets that interrupt out, or masks it: the console's line goes high or low.
pub fn let_transmit_interrupt_out(on: bool) {
    with_pl011(|uart| uart.let_transmit_interrupt_out(on));
}

fn with_pl011<R>(body: impl FnOnce(&Pl011) -> R) -> Option<R> {
    match CONSOLE.lock().as_ref() {
        Some(Console { device: Device::Pl011(uart), .. }) => Some(body(uart)),
        _ => None,
    }
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
