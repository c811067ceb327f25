//! The devices behind MMIO exits, at the addresses of the memory map.
//!
//! The PrimeCells have 32-bit registers: an access of eight bytes is two of four, and a narrower
//! one sees the bytes of the register that it names. A narrow write counts at the register's
//! first byte only, for the peripheral bus has no byte strobes.
//!
//! There is no interrupt controller yet: the devices' interrupt lines go nowhere.

use crate::console::Console;
use anyvisor_abi::map::{RTC_BASE, RTC_SIZE, SCRATCH_BASE, SCRATCH_SIZE, UART_BASE, UART_SIZE};
use anyvisor_devices::pl011::{self, offset};
use anyvisor_devices::{Pl011, Pl031, Scratch};
use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::time::{SystemTime, UNIX_EPOCH};

/// Which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The console's PL011.
    Uart,
    /// The PL031 clock.
    Rtc,
    /// The test device.
    Scratch,
}

impl Device {
    /// The device at a guest-physical address, and the offset in it.
    pub fn at(ipa: u64) -> Option<(Self, u64)> {
        let within = |base: u64, size: u64| ipa.checked_sub(base).filter(|offset| *offset < size);
        if let Some(offset) = within(UART_BASE, UART_SIZE) {
            Some((Self::Uart, offset))
        } else if let Some(offset) = within(SCRATCH_BASE, SCRATCH_SIZE) {
            Some((Self::Scratch, offset))
        } else {
            within(RTC_BASE, RTC_SIZE).map(|offset| (Self::Rtc, offset))
        }
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uart => "pl011",
            Self::Rtc => "pl031",
            Self::Scratch => "scratch",
        }
    }
}

/// All of them.
#[derive(Debug)]
pub struct Devices {
    uart: Pl011,
    rtc: Pl031,
    scratch: Scratch,
    /// The far end of the UART.
    pub console: Console,
    /// Bytes that came in and that the UART has no room for.
    input: VecDeque<u8>,
    /// Told when there are none left: only then more is sent.
    taken: Option<SyncSender<()>>,
}

impl Devices {
    /// The devices as firmware leaves them: the UART is on, eight bits, with FIFOs, so that a
    /// kernel can print before it has a driver.
    pub fn new(console: Console) -> Self {
        let mut uart = Pl011::default();
        uart.write(offset::LCR_H, pl011::LCR_H_WLEN_8 | pl011::LCR_H_FEN);
        uart.write(offset::CR, pl011::CR_UARTEN | pl011::CR_TXE | pl011::CR_RXE);
        let (rtc, scratch) = (Pl031::new(seconds()), Scratch::default());
        Self { uart, rtc, scratch, console, input: VecDeque::new(), taken: None }
    }

    /// Reads `bytes` (1, 2, 4, 8) at `offset` of a device.
    pub fn read(&mut self, device: Device, offset: u64, bytes: usize) -> u64 {
        match device {
            Device::Scratch => self.scratch.read(offset, bytes),
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
                let word = self.uart.read(offset & !3);
                if !self.input.is_empty() {
                    self.feed(); // a byte was read: there may be room for another
                }
                word
            }
            Device::Rtc => self.rtc.read(offset & !3, seconds()),
            Device::Scratch => 0,
        }
    }

    fn write_word(&mut self, device: Device, offset: u64, word: u32) {
        match device {
            Device::Uart => {
                let sent = self.uart.write(offset, word);
                if !sent.as_slice().is_empty() {
                    self.console.put(sent.as_slice());
                }
            }
            Device::Rtc => self.rtc.write(offset, word, seconds()),
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

/// The host's seconds since 1970; a clock before that shows 0.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    fn devices() -> Devices {
        Devices::new(Console::capture())
    }

    #[test]
    fn addresses_belong_to_devices_as_the_map_says() {
        assert_eq!(Device::at(UART_BASE), Some((Device::Uart, 0)));
        assert_eq!(Device::at(UART_BASE + 0xfff), Some((Device::Uart, 0xfff)));
        assert_eq!(Device::at(UART_BASE - 1), None);
        assert_eq!(Device::at(RTC_BASE + 4), Some((Device::Rtc, 4)));
        assert_eq!(Device::at(SCRATCH_BASE + 8), Some((Device::Scratch, 8)));
        assert_eq!(Device::at(SCRATCH_BASE + SCRATCH_SIZE), None);
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
}
