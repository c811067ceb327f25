//! Interrupts: a log of what was taken, and the handler that the running case gave.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::DAIF;
use tock_registers::interfaces::{Readable, Writeable};

use crate::cell::OneCpu;
use crate::exception::{Entry, TrapFrame};

/// An interrupt as it was taken.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Through which vector.
    pub entry: Entry,
    /// Where the code was that it interrupted.
    pub elr: u64,
    /// PSTATE of that code.
    pub spsr: u64,
}

const LOG_SIZE: usize = 8;

static HANDLER: OneCpu<Option<fn(&mut TrapFrame)>> = OneCpu::new(None);
static COUNT: OneCpu<usize> = OneCpu::new(0);
static LOG: [OneCpu<Option<Taken>>; LOG_SIZE] = [const { OneCpu::new(None) }; LOG_SIZE];

/// Gives the interrupts to `handler`, which must silence their source, and clears the log.
pub fn listen(handler: fn(&mut TrapFrame)) {
    forget();
    HANDLER.set(Some(handler));
}

/// No handler, no log: an interrupt fails the case.
pub fn forget() {
    HANDLER.set(None);
    COUNT.set(0);
    for slot in &LOG {
        slot.set(None);
    }
}

/// How many were taken since [`listen`].
pub fn count() -> usize {
    COUNT.get()
}

/// The `n`th that was taken since [`listen`]; the log holds the first few.
pub fn nth(n: usize) -> Option<Taken> {
    LOG.get(n)?.get()
}

/// The vectors' side.
pub fn offer(frame: &mut TrapFrame) -> bool {
    let Some(handler) = HANDLER.get() else { return false };
    let n = COUNT.get();
    COUNT.set(n + 1);
    if let Some(slot) = LOG.get(n) {
        slot.set(Some(Taken { entry: frame.entry, elr: frame.elr, spsr: frame.spsr }));
    }
    handler(frame);
    true
}

/// Runs `body` with IRQ and FIQ unmasked (PSTATE.I and F clear), and masks them again.
pub fn unmasked<R>(body: impl FnOnce() -> R) -> R {
    let before = DAIF.get();
    DAIF.set(before & !(0b11 << 6));
    barrier::isb(barrier::SY); // what is pending now is taken here, not just some time later
    let result = body();
    DAIF.set(before);
    result
}
