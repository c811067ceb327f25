//! State that the kernel and its exception handlers share.

use core::cell::UnsafeCell;

/// A value shared between code and the exception handlers that interrupt it, on the CPU that this
/// kernel runs on. Other CPUs (`smp.rs`) read what was there before they started. Reads and writes copy the whole value and are volatile: the
/// compiler may not keep the value in registers over an instruction that traps.
pub struct OneCpu<T>(UnsafeCell<T>);

// SAFETY: only one CPU writes, others read what does not change while they run (but for
// `smp::MESSAGE`, which says how), and no reference to the inside is ever handed out. An
// exception between two halves of a copy could tear it; the cells are written before the
// exception that reads them is provoked, or with interrupts masked.
unsafe impl<T> Sync for OneCpu<T> {}

impl<T: Copy> OneCpu<T> {
    /// A cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// A copy of the value.
    pub fn get(&self) -> T {
        // SAFETY: the pointer is that of our own cell, always initialised.
        unsafe { self.0.get().read_volatile() }
    }

    /// Replaces the value.
    pub fn set(&self, value: T) {
        // SAFETY: as above; there are no references to the inside.
        unsafe { self.0.get().write_volatile(value) }
    }

    /// Replaces the value and returns the one before.
    pub fn replace(&self, value: T) -> T {
        let before = self.get();
        self.set(value);
        before
    }
}
