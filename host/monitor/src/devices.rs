//! The devices behind MMIO exits, at the addresses of the memory map.
//!
//! The PrimeCells have 32-bit registers: an access of eight bytes is two of four, and a narrower
//! one sees the bytes of the register that it names. A narrow write counts at the register's
//! first byte only, for the peripheral bus has no byte strobes.
//!
//! What they put out (the levels of their interrupt lines, when the clock will have something to
//! say, text that waits to be shown) is asked for by [`Devices::take_outputs`]; who asks passes it
//! on. Without a GIC the lines go nowhere.

use crate::boards::{Plan, UartKind};
use crate::console::Console;
use anyvisor_abi::map::SCRATCH_SIZE;
use anyvisor_devices::pl011::{self, offset};
use anyvisor_devices::{Ns16550, Pl011, Pl031, Scratch};
use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The console's UART.
    Uart,
    /// The PL031 clock.
    Rtc,
    /// The test device.
    Scratch,
}

impl Device {
    /// The device at a guest-physical address, and the offset in it.
    pub fn at(plan: &Plan, ipa: u64) -> Option<(Self, u64)> {
        let within = |base: u64, size: u64| ipa.checked_sub(base).filter(|offset| *offset < size);
        if let Some(offset) = within(plan.uart.base, plan.uart.size) {
            Some((Self::Uart, offset))
        } else if let Some(offset) = within(plan.scratch, SCRATCH_SIZE) {
            Some((Self::Scratch, offset))
        } else {
            plan.rtc.and_then(|rtc| within(rtc.base, rtc.size)).map(|offset| (Self::Rtc, offset))
        }
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uart => "uart",
            Self::Rtc => "pl031",
            Self::Scratch => "scratch",
        }
    }
}

/// What the devices put out since it was last asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// The UART's line changed to this level.
    pub uart: Option<bool>,
    /// The clock's line changed to this level.
    pub rtc: Option<bool>,
    /// The clock wants to be looked at then (`None`: not at all), which replaces what it wanted
    /// before.
    pub clock: Option<Option<Instant>>,
    /// Text waits for the end of its line: show it soon.
    pub text: bool,
}

/// All of them.
#[derive(Debug)]
pub struct Devices {
    uart: Uart,
    plan: &'static Plan,
    rtc: Pl031,
    scratch: Scratch,
    /// The far end of the UART.
    pub console: Console,
    /// Bytes that came in and that the UART has no room for.
    input: VecDeque<u8>,
    /// Told when there are none left: only then more is sent.
    taken: Option<SyncSender<()>>,
    /// The levels of the lines that were last told.
    uart_line: bool,
    rtc_line: bool,
    /// Something about the clock may have changed.
    clock_touched: bool,
    /// Somebody was told that text waits.
    text_told: bool,
}

impl Devices {
    /// The devices as firmware leaves them: the UART is on, eight bits, with FIFOs, so that a
    /// kernel can print before it has a driver.
    pub fn new(console: Console, plan: &'static Plan) -> Self {
        Self {
            uart: Uart::new(plan.uart_kind),
            plan,
            rtc: Pl031::new(seconds()),
            scratch: Scratch::default(),
            console,
            input: VecDeque::new(),
            taken: None,
            uart_line: false,
            rtc_line: false,
            clock_touched: false,
            text_told: false,
        }
    }

    /// The devices as firmware leaves them, once more; what came in and was not read waits on.
    pub fn reset(&mut self) {
        self.uart = Uart::new(self.plan.uart_kind);
        self.rtc = Pl031::new(seconds());
        self.scratch = Scratch::default();
        self.clock_touched = true;
        self.feed();
    }

    /// What changed since the last call.
    pub fn take_outputs(&mut self) -> Outputs {
        let mut outputs = Outputs::default();
        let line = self.uart.line();
        if line != self.uart_line {
            self.uart_line = line;
            outputs.uart = Some(line);
        }
        if std::mem::take(&mut self.clock_touched) {
            let (now, rest) = clock();
            let line = self.rtc.line(now);
            if line != self.rtc_line {
                self.rtc_line = line;
                outputs.rtc = Some(line);
            }
            let left = self.rtc.rises_in(now).map(|s| Duration::from_secs(s.into()) - rest);
            outputs.clock = Some(left.and_then(|left| Instant::now().checked_add(left)));
        }
        if self.console.waits() && !self.text_told {
            self.text_told = true;
            outputs.text = true;
        }
        outputs
    }

    /// The time that the clock asked for has come.
    pub fn look_at_the_clock(&mut self) {
        self.clock_touched = true;
    }

    /// Shows what waits on the console.
    pub fn flush(&mut self) {
        self.text_told = false;
        self.console.flush();
    }

    /// Reads `bytes` (1, 2, 4, 8) at `offset` of a device.
    pub fn read(&mut self, device: Device, offset: u64, bytes: usize) -> u64 {
        match device {
            Device::Scratch => self.scratch.read(offset, bytes),
            Device::Uart if let Uart::Ns16550(uart) = &mut self.uart => {
                let value = uart.read(offset).into();
                self.feed();
                value
            }
            _ => {
                let low = self.read_word(device, offset) >> (8 * (offset & 3));
                let high = if bytes == 8 { self.read_word(device, offset + 4) } else { 0 };
                u64::from(low) | u64::from(high) << 32
            }
        }
    }

    /// Writes the low `bytes` (1, 2, 4, 8) of `value` at `offset` of a device.
    pub fn write(&mut self, device: Device, offset: u64, bytes: usize, value: u64) {
        match device {
            Device::Scratch => self.scratch.write(offset, bytes, value),
            Device::Uart if let Uart::Ns16550(uart) = &mut self.uart => {
                if let Some(sent) = uart.write(offset, value as u8) {
                    self.console.put(&[sent]);
                }
            }
            _ if offset & 3 != 0 => {}
            _ => {
                let keep = u64::MAX >> (64 - 8 * bytes);
                self.write_word(device, offset, (value & keep) as u32);
                if bytes == 8 {
                    self.write_word(device, offset + 4, (value >> 32) as u32);
                }
            }
        }
    }

    /// Bytes for the console came in; `taken` is told when the guest has had the last of them.
    pub fn input(&mut self, bytes: &[u8], taken: Option<SyncSender<()>>) {
        self.input.extend(bytes);
        self.taken = taken;
        self.feed();
    }

    fn read_word(&mut self, device: Device, offset: u64) -> u32 {
        match device {
            Device::Uart => {
                let Uart::Pl011(uart) = &mut self.uart else { return 0 };
                let word = uart.read(offset & !3);
                if !self.input.is_empty() {
                    self.feed(); // a byte was read: there may be room for another
                }
                word
            }
            Device::Rtc => {
                self.clock_touched = true;
                self.rtc.read(offset & !3, seconds())
            }
            Device::Scratch => 0,
        }
    }

    fn write_word(&mut self, device: Device, offset: u64, word: u32) {
        match device {
            Device::Uart => {
                let Uart::Pl011(uart) = &mut self.uart else { return };
                let sent = uart.write(offset, word);
                if !sent.as_slice().is_empty() {
                    self.console.put(sent.as_slice());
                }
            }
            Device::Rtc => {
                self.clock_touched = true;
                self.rtc.write(offset, word, seconds());
            }
            Device::Scratch => {}
        }
    }

    fn feed(&mut self) {
        while self.uart.can_receive()
            && let Some(byte) = self.input.pop_front()
        {
            self.uart.receive(byte);
        }
        if self.input.is_empty()
            && let Some(taken) = self.taken.take()
        {
            // Whoever sent the bytes may be gone: then nobody waits.
            let _ = taken.try_send(());
        }
    }
}

/// The UART that the board has.
#[derive(Debug)]
enum Uart {
    Pl011(Pl011),
    Ns16550(Ns16550),
}

impl Uart {
    /// A UART as firmware leaves it.
    fn new(kind: UartKind) -> Self {
        if kind == UartKind::Ns16550 {
            return Self::Ns16550(Ns16550::default());
        }
        let mut uart = Pl011::default();
        uart.write(offset::LCR_H, pl011::LCR_H_WLEN_8 | pl011::LCR_H_FEN);
        uart.write(offset::CR, pl011::CR_UARTEN | pl011::CR_TXE | pl011::CR_RXE);
        Self::Pl011(uart)
    }

    fn line(&self) -> bool {
        match self {
            Self::Pl011(uart) => uart.line(),
            Self::Ns16550(uart) => uart.line(),
        }
    }

    fn can_receive(&self) -> bool {
        match self {
            Self::Pl011(uart) => uart.can_receive(),
            Self::Ns16550(uart) => uart.can_receive(),
        }
    }

    fn receive(&mut self, byte: u8) {
        match self {
            // What does not fit was asked for before.
            Self::Pl011(uart) => drop(uart.receive(byte)),
            Self::Ns16550(uart) => uart.receive(byte),
        }
    }
}

/// The host's seconds since 1970, and the part of the next one that has passed; a clock before
/// that shows 0.
fn clock() -> (u64, Duration) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), Duration::from_nanos(since.subsec_nanos().into()))
}

fn seconds() -> u64 {
    clock().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards::Model;
    use anyvisor_abi::map::{RTC_BASE, SCRATCH_BASE, UART_BASE};
    use std::sync::mpsc::sync_channel;

    fn devices() -> Devices {
        Devices::new(Console::capture(), Model::Virt.plan())
    }

    #[test]
    fn addresses_belong_to_devices_as_the_map_says() {
        assert_eq!(Device::at(Model::Virt.plan(), UART_BASE), Some((Device::Uart, 0)));
        assert_eq!(Device::at(Model::Virt.plan(), UART_BASE + 0xfff), Some((Device::Uart, 0xfff)));
        assert_eq!(Device::at(Model::Virt.plan(), UART_BASE - 1), None);
        assert_eq!(Device::at(Model::Virt.plan(), RTC_BASE + 4), Some((Device::Rtc, 4)));
        assert_eq!(Device::at(Model::Virt.plan(), SCRATCH_BASE + 8), Some((Device::Scratch, 8)));
        assert_eq!(Device::at(Model::Virt.plan(), SCRATCH_BASE + SCRATCH_SIZE), None);
    }

    #[test]
    fn the_uarts_line_is_told_when_it_changes() {
        let mut devices = devices();
        assert_eq!(devices.take_outputs(), Outputs::default());
        devices.write(Device::Uart, offset::IMSC, 4, pl011::interrupt::RX.into());
        devices.write(Device::Uart, offset::IFLS, 4, 0); // an interrupt from two bytes on
        devices.input(b"ab", None);
        assert_eq!(devices.take_outputs().uart, Some(true));
        assert_eq!(devices.take_outputs().uart, None, "told already");
        devices.read(Device::Uart, offset::DR, 4);
        assert_eq!(devices.take_outputs().uart, Some(false));
    }

    #[test]
    fn the_clock_says_when_it_is_to_be_looked_at() {
        let mut devices = devices();
        let (matched, mask) = (0x004, 0x010);
        let far = seconds() as u32 + 1000;
        devices.write(Device::Rtc, matched, 4, far.into());
        assert_eq!(devices.take_outputs().clock, Some(None), "masked: never");
        devices.write(Device::Rtc, mask, 4, 1);
        assert!(matches!(devices.take_outputs().clock, Some(Some(_))));
        assert_eq!(devices.take_outputs().clock, None, "nothing new");
        devices.write(Device::Rtc, 0x008, 4, u64::from(far)); // the clock is set to the match
        devices.write(Device::Rtc, matched, 4, far.into());
        assert_eq!(devices.take_outputs().rtc, Some(true));
        devices.reset();
        let outputs = devices.take_outputs();
        assert_eq!((outputs.rtc, outputs.clock), (Some(false), Some(None)));
    }

    #[test]
    fn text_without_an_end_of_line_is_told_once() {
        let mut devices = Devices::new(Console::Stdout(Vec::new()), Model::Virt.plan());
        devices.write(Device::Uart, offset::DR, 1, b'>'.into());
        assert!(devices.take_outputs().text);
        devices.write(Device::Uart, offset::DR, 1, b' '.into());
        assert!(!devices.take_outputs().text, "somebody knows");
        devices.flush();
        assert!(!devices.take_outputs().text);
    }

    #[test]
    fn the_console_prints_before_any_driver_has_set_it_up() {
        let mut devices = devices();
        for (bytes, value) in [(1, b'a'), (2, b'b'), (4, b'c'), (8, b'd')] {
            devices.write(Device::Uart, offset::DR, bytes, value.into());
        }
        assert_eq!(devices.console.text(), "abcd");
        devices.write(Device::Uart, offset::DR + 1, 1, 0x78);
        assert_eq!(devices.console.text(), "abcd", "not the register's first byte");
    }

    #[test]
    fn narrow_and_wide_reads_see_the_bytes_of_the_registers() {
        let mut devices = devices();
        devices.write(Device::Uart, offset::IBRD, 4, 0x1234);
        devices.write(Device::Uart, offset::FBRD, 4, 0x15);
        assert_eq!(devices.read(Device::Uart, offset::IBRD + 1, 1) & 0xff, 0x12);
        assert_eq!(devices.read(Device::Uart, offset::IBRD, 8), 0x15_0000_1234);
    }

    #[test]
    fn input_waits_until_the_uart_has_room() {
        let mut devices = devices();
        let text: Vec<u8> = (0..100).collect();
        let (taken, told) = sync_channel(1);
        devices.input(&text, Some(taken));
        assert!(told.try_recv().is_err());
        for byte in text {
            assert_eq!(devices.read(Device::Uart, offset::DR, 4), u64::from(byte));
        }
        assert!(told.try_recv().is_ok());
        let empty = u64::from(pl011::FR_RXFE);
        assert_eq!(devices.read(Device::Uart, offset::FR, 4) & empty, empty);
    }

    #[test]
    fn a_board_with_a_16550_prints_and_hears_by_it() {
        let plan = Model::Firecracker.plan();
        let mut devices = Devices::new(Console::capture(), plan);
        let (device, offset) = Device::at(plan, plan.uart.base).unwrap();
        assert_eq!((device, offset), (Device::Uart, 0));
        devices.write(device, 0, 1, b'x'.into());
        assert_eq!(devices.console.text(), "x");
        devices.input(b"y", None);
        assert_eq!(devices.read(device, 5, 1) & 1, 1, "LSR.DR");
        assert_eq!(devices.read(device, 0, 1), u64::from(b'y'));
        assert_eq!(devices.read(device, 5, 1) & 1, 0);
    }
}
