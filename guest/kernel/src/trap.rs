//! Provoking exceptions on purpose: [`catch`] runs code that must take one synchronous
//! exception, records it, and goes on after it.
//!
//! ```text
//!   catch(after, body)
//!     arm ------------> body() ---- the instruction traps ----> vectors.S -> offer(frame)
//!                         ^                                                   records frame,
//!                         |                                                   disarms,
//!     check, disarm <-----+---- ERET to where `after` says <----------------- moves frame.elr
//! ```
//!
//! One exception per arming: a second one is nobody's and fails the case. A handler of a case's
//! own may call `catch` again (see `exception.nested`).

use crate::cell::OneCpu;
use crate::exception::TrapFrame;

/// An exception as it was recorded.
pub type Trap = TrapFrame;

/// How to go on after the exception that was announced.
#[derive(Clone, Copy)]
pub enum After {
    /// At the next instruction, as if the one at ELR had done nothing.
    Skip,
    /// At ELR, unchanged: an instruction that is complete (SVC), or that the handler mended.
    Resume,
    /// In the caller, as if the function that faulted had returned: X30 goes to ELR.
    Link,
    /// Where this function says, by what it does to the frame.
    Handler(fn(&mut TrapFrame)),
}

static ARMED: OneCpu<Option<After>> = OneCpu::new(None);
static CAUGHT: OneCpu<Option<Trap>> = OneCpu::new(None);

/// Runs `body` and returns the one synchronous exception that it takes.
///
/// The exception may come from inline assembly only (never from a reference or a Rust pointer
/// access that the compiler could move), and the assembly may not claim `nomem`.
#[track_caller]
pub fn catch(after: After, body: impl FnOnce()) -> Trap {
    match try_catch(after, body) {
        Some(trap) => trap,
        None => panic!("expected an exception; none came"),
    }
}

/// As [`catch`], for code that may or may not take one. Handlers may call it too: what was
/// announced and caught before is put back.
pub fn try_catch(after: After, body: impl FnOnce()) -> Option<Trap> {
    let outer = (ARMED.replace(Some(after)), CAUGHT.replace(None));
    body();
    ARMED.set(outer.0);
    CAUGHT.replace(outer.1)
}

/// The handler's side: takes the exception if one was announced.
pub fn offer(frame: &mut TrapFrame) -> bool {
    let Some(after) = ARMED.replace(None) else { return false };
    CAUGHT.set(Some(*frame));
    match after {
        After::Skip => frame.elr += 4,
        After::Resume => {}
        After::Link => frame.elr = frame.x[30],
        After::Handler(handler) => handler(frame),
    }
    true
}

/// Forgets what was announced: a case that failed may have left something.
pub fn disarm() {
    ARMED.set(None);
    CAUGHT.set(None);
}
