//! The boot code, which is assembly: see `boot.S` and `el2.S`.

use core::mem::offset_of;

use crate::smp::{FAULTED, Mailbox};

core::arch::global_asm!(
    include_str!("boot.S"),
    TTBR0 = const offset_of!(Mailbox, ttbr0),
    MAIR = const offset_of!(Mailbox, mair),
    SCTLR = const offset_of!(Mailbox, sctlr),
    STATE = const offset_of!(Mailbox, state),
    FAULT = const offset_of!(Mailbox, fault),
    INITIAL = const offset_of!(Mailbox, initial),
    FAULTED = const FAULTED,
);

core::arch::global_asm!(include_str!("el2.S"), options(raw));
