//! A virtio-console (virtio 1.2, "Console Device") behind virtio-mmio ("Virtio Over MMIO"), of
//! version 2, and of version 1 ("Legacy interface"): port 0's transmit queue, polled.
//!
//! ```text
//!   descriptor 0 -> the bytes            the driver: bytes, descriptor, ring, index, notify
//!   available ring: 0, 0, 0, ...         the device: used index = available index, when it
//!   used ring                                        has taken the bytes
//! ```
//!
//! Bytes are collected until [`Virtio::flush`], for a notification costs an exit. One buffer is
//! on its way at a time, and its end is waited for: what is printed is out before anything else
//! happens, as with a UART.
//!
//! Why our own: the crate `virtio-drivers` waits for a used buffer without end, and a device that
//! takes nothing must not hang the kernel; it also wants a heap's worth of queues for the
//! receiver. What is left is this page. Left out: input, more ports, packed rings, PCI.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU16, Ordering, fence};

use super::{Stuck, wait};
use crate::gic::frame::Frame;
use crate::machine::Region;

// Registers ("MMIO Device Register Layout").
const MAGIC_VALUE: u64 = 0x000;
const VERSION: u64 = 0x004;
const DEVICE_ID: u64 = 0x008;
const DEVICE_FEATURES: u64 = 0x010;
const DEVICE_FEATURES_SEL: u64 = 0x014;
const DRIVER_FEATURES: u64 = 0x020;
const DRIVER_FEATURES_SEL: u64 = 0x024;
const GUEST_PAGE_SIZE: u64 = 0x028; // legacy
const QUEUE_SEL: u64 = 0x030;
const QUEUE_NUM_MAX: u64 = 0x034;
const QUEUE_NUM: u64 = 0x038;
const QUEUE_ALIGN: u64 = 0x03c; // legacy
const QUEUE_PFN: u64 = 0x040; // legacy
const QUEUE_READY: u64 = 0x044;
const QUEUE_NOTIFY: u64 = 0x050;
const STATUS: u64 = 0x070;
const QUEUE_DESC: u64 = 0x080;
const QUEUE_DRIVER: u64 = 0x090;
const QUEUE_DEVICE: u64 = 0x0a0;

/// "virt".
const MAGIC: u32 = 0x7472_6976;
/// The device ID of a console.
const CONSOLE: u32 = 3;

// Device status ("Device Status Field").
const ACKNOWLEDGE: u32 = 1;
const DRIVER: u32 = 2;
const DRIVER_OK: u32 = 4;
const FEATURES_OK: u32 = 8;

/// VIRTIO_F_VERSION_1, in the second word of features.
const VERSION_1: u32 = 1 << 0;
/// transmitq(port0).
const TRANSMIT: u32 = 1;
/// VIRTQ_AVAIL_F_NO_INTERRUPT: nobody takes the used buffer's interrupt.
const NO_INTERRUPT: u16 = 1;

/// Entries of the queue; one is in use.
const ENTRIES: usize = 2;
/// Bytes that go out at once.
const BYTES: usize = 512;
/// Legacy: unit of QueuePFN, and alignment of the used ring.
const PAGE: u32 = 4096;

/// What the device reads and writes, in the legacy interface's layout, which suits both.
#[repr(C, align(4096))]
struct Queue {
    // Descriptor 0 ("The Virtqueue Descriptor Table"): address, length, flags, next.
    address: u64,
    length: u32,
    flags: u32,
    _more_descriptors: [u64; 2 * (ENTRIES - 1)],
    // The available ring.
    available_flags: u16,
    available: AtomicU16,
    ring: [u16; ENTRIES],
    _to_used: [u8; PAGE as usize - 16 * ENTRIES - 4 - 2 * ENTRIES],
    // The used ring.
    used_flags: u16,
    used: AtomicU16,
    _used_ring: [u32; 2 * ENTRIES],
}

struct Shared(UnsafeCell<Queue>);

// SAFETY: the console's lock keeps drivers apart; the device's accesses are ordered by the indexes,
// which are atomic.
unsafe impl Sync for Shared {}

static QUEUE: Shared = Shared(UnsafeCell::new(Queue {
    address: 0,
    length: 0,
    flags: 0,
    _more_descriptors: [0; 2 * (ENTRIES - 1)],
    available_flags: NO_INTERRUPT,
    available: AtomicU16::new(0),
    ring: [0; ENTRIES],
    _to_used: [0; PAGE as usize - 16 * ENTRIES - 4 - 2 * ENTRIES],
    used_flags: 0,
    used: AtomicU16::new(0),
    _used_ring: [0; 2 * ENTRIES],
}));

/// Whether a virtio-mmio slot holds a console. An empty one has device ID 0.
pub fn is_console(place: Region) -> bool {
    let registers = Frame::at(place.start);
    registers.read(MAGIC_VALUE) == MAGIC && registers.read(DEVICE_ID) == CONSOLE
}

/// A virtio-console.
pub struct Virtio {
    registers: Frame,
    bytes: [u8; BYTES],
    count: usize,
}

impl Virtio {
    /// Sets the device up ("Driver Requirements: Device Initialization"); `None` if it will not
    /// work with us.
    pub fn open(place: Region) -> Option<Self> {
        let registers = Frame::at(place.start);
        let legacy = match registers.read(VERSION) {
            1 => true,
            2 => false,
            _ => return None,
        };
        registers.write(STATUS, 0);
        registers.write(STATUS, ACKNOWLEDGE);
        registers.write(STATUS, ACKNOWLEDGE | DRIVER);
        registers.write(DRIVER_FEATURES_SEL, 0);
        registers.write(DRIVER_FEATURES, 0);
        let mut status = ACKNOWLEDGE | DRIVER;
        if !legacy {
            registers.write(DEVICE_FEATURES_SEL, 1);
            if registers.read(DEVICE_FEATURES) & VERSION_1 == 0 {
                return None;
            }
            registers.write(DRIVER_FEATURES_SEL, 1);
            registers.write(DRIVER_FEATURES, VERSION_1);
            status |= FEATURES_OK;
            registers.write(STATUS, status);
            if registers.read(STATUS) & FEATURES_OK == 0 {
                return None;
            }
        }
        registers.write(QUEUE_SEL, TRANSMIT);
        if (registers.read(QUEUE_NUM_MAX) as usize) < ENTRIES {
            return None;
        }
        registers.write(QUEUE_NUM, ENTRIES as u32);
        let queue = QUEUE.0.get();
        if legacy {
            registers.write(GUEST_PAGE_SIZE, PAGE);
            registers.write(QUEUE_ALIGN, PAGE);
            registers.write(QUEUE_PFN, u32::try_from(queue as u64 / u64::from(PAGE)).ok()?);
        } else {
            // SAFETY: addresses of the fields of a static.
            let parts = unsafe {
                [
                    (QUEUE_DESC, (&raw const (*queue).address) as u64),
                    (QUEUE_DRIVER, (&raw const (*queue).available_flags) as u64),
                    (QUEUE_DEVICE, (&raw const (*queue).used_flags) as u64),
                ]
            };
            for (register, address) in parts {
                registers.write(register, address as u32);
                registers.write(register + 4, (address >> 32) as u32);
            }
            registers.write(QUEUE_READY, 1);
        }
        registers.write(STATUS, status | DRIVER_OK);
        Some(Self { registers, bytes: [0; BYTES], count: 0 })
    }

    /// Takes a byte.
    pub fn send(&mut self, byte: u8) -> Result<(), Stuck> {
        self.bytes[self.count] = byte;
        self.count += 1;
        if self.count == BYTES { self.flush() } else { Ok(()) }
    }

    /// Sends what was taken.
    pub fn flush(&mut self) -> Result<(), Stuck> {
        if self.count == 0 {
            return Ok(());
        }
        let queue = QUEUE.0.get();
        // SAFETY: the device has given everything back (it was waited for), so the descriptor is
        // ours to write; the ring's entries are all 0 for good. Volatile, for the device reads it.
        let (available, used) = unsafe {
            (&raw mut (*queue).address).write_volatile(self.bytes.as_ptr() as u64);
            (&raw mut (*queue).length).write_volatile(self.count as u32);
            (&(*queue).available, &(*queue).used)
        };
        self.count = 0;
        let next = available.load(Ordering::Relaxed).wrapping_add(1);
        fence(Ordering::SeqCst);
        available.store(next, Ordering::Release);
        self.registers.write(QUEUE_NOTIFY, TRANSMIT); // behind a DSB
        wait(|| used.load(Ordering::Acquire) == next)
    }
}
