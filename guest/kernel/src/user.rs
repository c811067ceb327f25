//! Running code at EL0: [`run`] enters it with the registers given and returns with the
//! exception that ended it, like a hypervisor's run call one level up.
//!
//! ```text
//!   run(&mut user)                                 EL1
//!     save callee-saved registers
//!     ELR, SPSR, SP_EL0, X0..X30 = user, ERET -->  EL0: code on the user page
//!                                                     |  SVC, abort, interrupt, ...
//!     leave(frame): record it, point the frame    <--+  vectors.S (SP_EL1 is where ERET left it)
//!     at `back_from_user`, ERET
//!     restore callee-saved registers, return
//! ```
//!
//! What EL0 may execute is the page `.user.text`, what it may touch one page of stack (and
//! what a case maps for it in its own window).

use core::arch::naked_asm;
use core::mem::offset_of;

use anyvisor_arch::pstate::{DAIF, Mode};

use crate::exception::TrapFrame;
use crate::trap::{self, After, Trap};

/// The state that EL0 runs with, and after [`run`] the state that it stopped with.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct User {
    /// X0 to X30.
    pub x: [u64; 31],
    /// SP_EL0.
    pub sp: u64,
    /// PC.
    pub pc: u64,
    /// PSTATE: EL0t, and all interrupts masked unless a case says otherwise.
    pub pstate: u64,
}

/// EL0t with D, A, I and F masked.
pub const EL0T_MASKED: u64 = DAIF | Mode::El0t.bits();
/// EL1h with D, A, I and F masked.
pub const EL1H_MASKED: u64 = DAIF | Mode::El1h.bits();

impl User {
    /// At `pc`, all registers zero, the stack at the end of its page.
    pub fn at(pc: u64) -> Self {
        Self { x: [0; 31], sp: crate::image::user_data().end, pc, pstate: EL0T_MASKED }
    }

    /// With `value` in register `n`.
    pub fn with(mut self, n: usize, value: u64) -> Self {
        self.x[n] = value;
        self
    }
}

/// The address of a routine on the user page.
#[macro_export]
macro_rules! user_code {
    ($symbol:ident) => {{
        unsafe extern "C" {
            static $symbol: u8;
        }
        (&raw const $symbol) as u64
    }};
}

/// Runs EL0 until it takes an exception; returns the exception, and the state in `user`.
#[track_caller]
pub fn run(user: &mut User) -> Trap {
    // SAFETY: the exception that ends EL0's run is announced, and its handler leaves to
    // `back_from_user` with SP_EL1 as `enter` left it. EL0 can reach only the user pages.
    let trap = trap::catch(After::Handler(leave), || unsafe { enter(user) });
    user.x = trap.x;
    user.sp = trap.sp;
    user.pc = trap.elr;
    user.pstate = trap.spsr;
    trap
}

/// Points the frame at the kernel again.
pub fn leave(frame: &mut TrapFrame) {
    frame.elr = back_from_user as *const () as u64;
    frame.spsr = EL1H_MASKED;
}

/// Saves what the procedure call standard (AAPCS64) wants kept, and goes to EL0.
#[unsafe(naked)]
unsafe extern "C" fn enter(user: *const User) {
    naked_asm!(
        "stp x29, x30, [sp, #-96]!",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        "ldr x1, [x0, #{sp}]",
        "ldr x2, [x0, #{pc}]",
        "ldr x3, [x0, #{pstate}]",
        "msr sp_el0, x1",
        "msr elr_el1, x2",
        "msr spsr_el1, x3",
        "ldp x2, x3, [x0, #16]",
        "ldp x4, x5, [x0, #32]",
        "ldp x6, x7, [x0, #48]",
        "ldp x8, x9, [x0, #64]",
        "ldp x10, x11, [x0, #80]",
        "ldp x12, x13, [x0, #96]",
        "ldp x14, x15, [x0, #112]",
        "ldp x16, x17, [x0, #128]",
        "ldp x18, x19, [x0, #144]",
        "ldp x20, x21, [x0, #160]",
        "ldp x22, x23, [x0, #176]",
        "ldp x24, x25, [x0, #192]",
        "ldp x26, x27, [x0, #208]",
        "ldp x28, x29, [x0, #224]",
        "ldr x30, [x0, #240]",
        "ldp x0, x1, [x0]",
        "eret",
        sp = const offset_of!(User, sp),
        pc = const offset_of!(User, pc),
        pstate = const offset_of!(User, pstate),
    )
}

/// Undoes [`enter`]: SP_EL1 is where it was at the ERET.
#[unsafe(naked)]
unsafe extern "C" fn back_from_user() {
    naked_asm!(
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp x29, x30, [sp], #96",
        "ret",
    )
}
