//! A way back to the runner from wherever a case went wrong.
//!
//! [`guarded`] notes the stack pointer and calls the case; [`abandon`] cuts the stack back to
//! there, however deep in handlers the case was, and makes `guarded` return. Nothing is
//! unwound: values of the case are forgotten, not dropped, and `runner` puts the machine back
//! in order.

use core::arch::naked_asm;
use core::ffi::c_void;
use core::fmt::{self, Write};

use crate::cell::OneCpu;

/// How a case ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its body returned.
    Passed,
    /// It panicked, or took an exception that nobody announced.
    Failed,
    /// It found that the machine lacks what it is about.
    Skipped,
}

/// One line that says why, cut at its end.
#[derive(Clone, Copy)]
pub struct Reason {
    bytes: [u8; 240],
    len: usize,
}

impl Reason {
    /// Nothing.
    pub const EMPTY: Self = Self { bytes: [0; 240], len: 0 };

    /// The line.
    pub fn text(&self) -> &str {
        let valid = self.bytes[..self.len].utf8_chunks().next();
        valid.map_or("", |chunk| chunk.valid())
    }
}

impl Write for Reason {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for byte in s.bytes().map(|b| if b == b'\n' { b' ' } else { b }) {
            if self.len < self.bytes.len() {
                self.bytes[self.len] = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}

/// The stack pointer to go back to, while a case runs.
static ANCHOR: OneCpu<Option<u64>> = OneCpu::new(None);
static REASON: OneCpu<Reason> = OneCpu::new(Reason::EMPTY);

/// Calls `body`; returns when it does, or when it was abandoned.
pub fn guarded(body: fn()) -> (Outcome, Reason) {
    REASON.set(Reason::EMPTY);
    // SAFETY: `abandon` is reached only below this call, while the stack pointer that
    // `enter` notes is that of a live frame.
    let code = unsafe { call_guarded((&raw const body).cast(), enter) };
    ANCHOR.set(None);
    let outcome = match code {
        0 => Outcome::Passed,
        1 => Outcome::Failed,
        _ => Outcome::Skipped,
    };
    (outcome, REASON.get())
}

/// Ends the running case; returns only if there is none.
pub fn abandon(outcome: Outcome, reason: fmt::Arguments<'_>) {
    let Some(anchor) = ANCHOR.replace(None) else { return };
    let mut line = Reason::EMPTY;
    let _ = line.write_fmt(reason); // cut at its end, never fails
    REASON.set(line);
    let code = match outcome {
        Outcome::Passed => 0,
        Outcome::Failed => 1,
        Outcome::Skipped => 2,
    };
    // SAFETY: the anchor is the stack pointer in `call_guarded`, whose frame is live as long as
    // the anchor is set.
    unsafe { cut_back(anchor, code) }
}

/// Called by [`call_guarded`] with its stack pointer.
extern "C" fn enter(body: *const c_void, anchor: u64) {
    ANCHOR.set(Some(anchor));
    // SAFETY: `guarded` passed a pointer to this function pointer, and is still there.
    let body = unsafe { *body.cast::<fn()>() };
    body();
}

/// Saves what AAPCS64 wants kept, calls `enter(body, stack pointer)`, returns 0.
#[unsafe(naked)]
unsafe extern "C" fn call_guarded(
    body: *const c_void,
    enter: extern "C" fn(*const c_void, u64),
) -> u64 {
    naked_asm!(
        "stp x29, x30, [sp, #-96]!",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        "mov x2, x1",
        "mov x1, sp",
        "blr x2",
        "mov x0, #0",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp x29, x30, [sp], #96",
        "ret",
    )
}

/// Returns `code` from the [`call_guarded`] whose stack pointer `anchor` is. The case may have
/// been on the other stack pointer, or may have left interrupts on.
#[unsafe(naked)]
unsafe extern "C" fn cut_back(anchor: u64, code: u64) -> ! {
    naked_asm!(
        "msr daifset, #0xf",
        "msr spsel, #1",
        "mov sp, x0",
        "mov x0, x1",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp x29, x30, [sp], #96",
        "ret",
    )
}
