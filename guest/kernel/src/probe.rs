//! Instructions made at run time: a few words on a page of code, run at EL1 or EL0 with registers
//! of the case's choice, up to the exception that ends them.
//!
//! ```text
//!   run(el, [word, ...], registers)
//!     page of code:  word, ..., SVC #0        one page that EL1 executes, one that EL0 does
//!     user::run --------- ERET ------------>  word          at EL0t or EL1h
//!                                             |  an exception: it is what is returned
//!     Ended <-- vectors, leave(frame) <-----  SVC #0        the words went through
//! ```
//!
//! What tables of encodings are tried with: the assembler need not know the instruction, and a word
//! that the machine takes for UNDEFINED costs no more than one that it executes. A word may use any
//! general-purpose register; at EL1 it must leave SP alone.

use anyvisor_arch::descriptor::{AF, AP_EL0, AP_READ_ONLY, Granule, PXN, UXN};
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::sysreg::Encoding;

use crate::access::{El, write_code};
use crate::mmu::window::{Page, Window};
use crate::mmu::{NORMAL, USER_DATA};
use crate::trap::Trap;
use crate::user::{self, EL0T_MASKED, EL1H_MASKED, User};

/// The instruction SVC #0.
const SVC: u32 = 0xd400_0001;

/// Pages to run words on, and one of data that both levels may read and write.
pub struct Probe {
    /// The window that all of it is in; free from 0x4000_0000 on.
    pub window: Window,
    /// 4 KiB that EL1 and EL0 may read and write.
    pub data: Page,
    privileged: Page,
    user: Page,
}

/// How the words ended.
pub struct Ended {
    /// The registers after them.
    pub x: [u64; 31],
    /// The exception that ended them: that of the SVC behind them, or an earlier one.
    pub trap: Trap,
    /// Where the first of them stood.
    pub start: u64,
}

impl Ended {
    /// Whether all words went through.
    pub fn is_done(&self) -> bool {
        self.trap.esr == Esr::immediate(ExceptionClass::Svc, 0)
    }

    /// Whether it was UNDEFINED, as the manual wants it told: EC 0, ISS 0.
    pub fn is_undefined(&self) -> bool {
        self.trap.esr == Esr::unknown()
    }

    /// The registers.
    ///
    /// # Panics
    /// If an exception came instead.
    #[track_caller]
    pub fn done(self, what: impl core::fmt::Display) -> [u64; 31] {
        let trap = &self.trap;
        assert!(self.is_done(), "{what} took {} FAR {:#x}", trap.esr, trap.far);
        self.x
    }

    /// # Panics
    /// If it was not UNDEFINED, at its first word.
    #[track_caller]
    pub fn undefined(&self, what: impl core::fmt::Display) {
        assert!(!self.is_done(), "{what} is not UNDEFINED");
        assert!(self.is_undefined(), "{what} is not UNDEFINED: {}", self.trap.esr);
        assert!(self.trap.elr == self.start, "{what}: ELR_EL1 {:#x}", self.trap.elr);
    }
}

impl Probe {
    /// The pages, in a window of their own.
    pub fn open() -> Self {
        Self::open_with(Granule::K4, 39)
    }

    /// The same in a window of 2^`va_bits` bytes and this granule.
    pub fn open_with(granule: Granule, va_bits: u32) -> Self {
        let mut window = Window::open(granule, va_bits);
        let privileged = window.page(0x10_0000, NORMAL | AF | AP_READ_ONLY | UXN);
        let user = window.page(0x20_0000, NORMAL | AF | AP_READ_ONLY | AP_EL0 | PXN);
        let data = window.page(0x30_0000, USER_DATA);
        Self { window, data, privileged, user }
    }

    /// Where the first word stands that is run at `el`.
    pub fn start(&self, el: El) -> u64 {
        match el {
            El::El1 => self.privileged.va,
            El::El0 => self.user.va,
        }
    }

    /// Runs `words` at `el` with `registers` (X0 and up; the others are 0).
    pub fn run(&self, el: El, words: &[u32], registers: &[u64]) -> Ended {
        let (page, pstate) = match el {
            El::El1 => (self.privileged, EL1H_MASKED),
            El::El0 => (self.user, EL0T_MASKED),
        };
        for (n, &word) in words.iter().chain([&SVC]).enumerate() {
            write_code(page.pa + 4 * n as u64, word);
        }
        let mut state = User { pstate, ..User::at(page.va) };
        state.x[..registers.len()].copy_from_slice(registers);
        let trap = user::run(&mut state);
        Ended { x: state.x, trap, start: page.va }
    }

    /// MRS X0, `register`.
    pub fn read(&self, el: El, register: Encoding) -> Ended {
        self.run(el, &[mrs(0, register)], &[])
    }

    /// MSR `register`, X0.
    pub fn write(&self, el: El, register: Encoding, value: u64) -> Ended {
        self.run(el, &[msr(register, 0)], &[value])
    }
}

/// MRS X`rt`, `register`.
pub const fn mrs(rt: u32, register: Encoding) -> u32 {
    0xd520_0000 | (register.0 as u32) << 5 | rt
}

/// MSR `register`, X`rt`.
pub const fn msr(register: Encoding, rt: u32) -> u32 {
    0xd500_0000 | (register.0 as u32) << 5 | rt
}
