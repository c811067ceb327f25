//! What an exception leaves alone: every general-purpose register, SP and the flags.
//!
//! ```text
//!   X0 .. X30, SP, NZCV --exception--> handler --ERET--> the same
//!         (PC and PSTATE are in ELR and SPSR, nothing else is saved)
//! ```
//!
//! The routines load every register with a value of its own, so that one that is lost, or stands in
//! another's place, has a name.

use core::arch::global_asm;

use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::{Esr, ExceptionClass};

use crate::exception::TrapFrame;
use crate::trap::{After, catch};
use crate::user::{self, EL0T_MASKED, User};
use crate::{case, check_eq, user_code};

/// X0 to X30, SP before, SP after, NZCV, as `registers_over_svc` leaves them.
#[repr(C)]
struct Dump {
    x: [u64; 31],
    sp_before: u64,
    sp_after: u64,
    nzcv: u64,
}

unsafe extern "C" {
    fn registers_over_svc(dump: *mut Dump);
}

/// What register `n` is loaded with: different in every byte pair, and never a small number.
const fn pattern(n: usize) -> u64 {
    0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n as u64 + 1)
}

case! {
    /// Hardware saves nothing but PC and PSTATE. Everything else stays in the registers, and a
    /// handler that restores what it used is invisible to the interrupted code. Only the handler's
    /// code decides that; the hardware and the hypervisor must not add changes of their own.
    ///
    /// The case loads X0 to X30 with patterns (X0 and X1 as well), sets the flags, executes SVC at
    /// EL1 and dumps all. The handler, which is Rust with formatting and copying, also sees the
    /// patterns in its frame.
    ///
    /// ```text
    ///   x0 .. x30 = pattern(n), nzcv 0101 --svc--> frame.x[n] --> same
    /// ```
    ///
    /// It is a first test of any exception path: an emulator with a banked register too many, or a
    /// hypervisor whose exit and entry exchange X29 with X30 or lose X18 (which the C ABI lets a
    /// platform reserve), shows it here with the register's number. If only this case fails, look
    /// at the vectors of the guest first.
    "exception.registers_el1": "X0 to X30, SP and NZCV are the same before and after an exception";
    reference: "DDI 0487: exception entry and return preserve the general-purpose registers";
    needs: Needs::NONE;
    fn registers_el1() {
        fn handler(frame: &mut TrapFrame) {
            // Seen through the frame as well as after the return.
            for n in 2..31 {
                check_eq!(frame.x[n], pattern(n), "X{} in the frame", n);
            }
        }
        let mut dump = Dump { x: [0; 31], sp_before: 0, sp_after: 0, nzcv: 0 };
        // SAFETY: the routine keeps AAPCS64 and writes one `Dump`; its SVC is announced.
        catch(After::Handler(handler), || unsafe { registers_over_svc(&mut dump) });
        for n in 0..31 {
            check_eq!(dump.x[n], pattern(n), "X{}", n);
        }
        check_eq!(dump.sp_after, dump.sp_before, "SP");
        check_eq!(dump.nzcv, 0b0101 << 28, "NZCV");
    }
}

case! {
    /// From EL0 the same holds with one register more: SP_EL0 is EL0's and SP_EL1 the kernel's, and
    /// an exception chooses between them without copying. The kernel sees in X0 to X30 what EL0
    /// had, and EL0 runs with what the kernel loads.
    ///
    /// The case gives EL0 a pattern in each register and flags. EL0 exchanges X0 with X30, moves SP
    /// down by 64, and executes SVC. Back in the kernel these changes are there and no others.
    ///
    /// ```text
    ///   EL1  x[n] = pattern(n) --eret--> EL0  x0 <-> x30, sp -= 64; svc
    ///   EL1  x[0] = p(30), x[30] = p(0), the rest the same, SP_EL0 - 64
    /// ```
    ///
    /// This is the contract of every context switch. A hypervisor that keeps SP_EL0 in its vCPU
    /// structure but reads "SP" by the current PSTATE.SP saves the wrong one when it interrupts
    /// EL1; the process then continues on the kernel's stack pointer. Debuggers that set registers
    /// from outside fall into the same hole.
    "exception.registers_el0": "X0 to X30, SP_EL0 and NZCV go to EL0 by ERET and come back by SVC";
    reference: "DDI 0487: exception entry and return; SP_EL0, SPSR_EL1";
    needs: Needs::NONE;
    fn registers_el0() {
        let mut user = User::at(user_code!(user_rotates));
        for n in 0..31 {
            user.x[n] = pattern(n);
        }
        user.pstate = EL0T_MASKED | 0b0110 << 28;
        let sp = user.sp;
        let trap = user::run(&mut user);
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Svc, 9).0, "ESR_EL1");
        // The code swapped two registers, moved SP, and changed nothing else.
        check_eq!(user.x[0], pattern(30), "X0");
        check_eq!(user.x[30], pattern(0), "X30");
        for n in 1..30 {
            check_eq!(user.x[n], pattern(n), "X{}", n);
        }
        check_eq!(user.sp, sp - 64, "SP_EL0");
        check_eq!(user.pstate >> 28 & 0xf, 0b0110, "SPSR_EL1.NZCV");
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".global user_rotates",
    "user_rotates:",
    "    eor x0, x0, x30",
    "    eor x30, x0, x30",
    "    eor x0, x0, x30",
    "    sub sp, sp, #64",
    "    svc #9",
    ".popsection",
    // The pattern of register n is (n + 1) times a 64-bit constant: made by addition, so that
    // every register can be loaded without another one at hand but the last.
    ".pushsection .text.registers_over_svc, \"ax\"",
    ".global registers_over_svc",
    "registers_over_svc:",
    "    stp x29, x30, [sp, #-112]!",
    "    stp x19, x20, [sp, #16]",
    "    stp x21, x22, [sp, #32]",
    "    stp x23, x24, [sp, #48]",
    "    stp x25, x26, [sp, #64]",
    "    stp x27, x28, [sp, #80]",
    "    str x0, [sp, #96]",
    "    mov x1, sp",
    "    str x1, [x0, #{sp_before}]",
    "    mov x1, #0x50000000",
    "    msr nzcv, x1",
    "    ldr x0, =0x9e3779b97f4a7c15",
    "    add x1, x0, x0",
    "    .irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30",
    "    add x\\n, x0, x1",
    "    mov x1, x\\n",
    "    .endr",
    "    add x1, x0, x0",
    "    svc #5",
    "    sub sp, sp, #16", // room for the two registers that the dump needs
    "    stp x0, x1, [sp]",
    "    ldr x0, [sp, #112]",
    "    add x1, sp, #16",
    "    str x1, [x0, #{sp_after}]",
    "    mrs x1, nzcv",
    "    str x1, [x0, #{nzcv}]",
    "    stp x2, x3, [x0, #16]",
    "    stp x4, x5, [x0, #32]",
    "    stp x6, x7, [x0, #48]",
    "    stp x8, x9, [x0, #64]",
    "    stp x10, x11, [x0, #80]",
    "    stp x12, x13, [x0, #96]",
    "    stp x14, x15, [x0, #112]",
    "    stp x16, x17, [x0, #128]",
    "    stp x18, x19, [x0, #144]",
    "    stp x20, x21, [x0, #160]",
    "    stp x22, x23, [x0, #176]",
    "    stp x24, x25, [x0, #192]",
    "    stp x26, x27, [x0, #208]",
    "    stp x28, x29, [x0, #224]",
    "    str x30, [x0, #240]",
    "    ldp x2, x3, [sp], #16",
    "    stp x2, x3, [x0]",
    "    ldp x19, x20, [sp, #16]",
    "    ldp x21, x22, [sp, #32]",
    "    ldp x23, x24, [sp, #48]",
    "    ldp x25, x26, [sp, #64]",
    "    ldp x27, x28, [sp, #80]",
    "    ldp x29, x30, [sp], #112",
    "    ret",
    "    .ltorg",
    ".popsection",
    sp_before = const core::mem::offset_of!(Dump, sp_before),
    sp_after = const core::mem::offset_of!(Dump, sp_after),
    nzcv = const core::mem::offset_of!(Dump, nzcv),
);
