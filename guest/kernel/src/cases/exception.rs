//! Exception entry and return: which vector, what ESR, ELR and SPSR say, what PSTATE becomes.
//!
//! An exception that a guest's EL0 or EL1 takes to EL1 is the guest's own affair: with
//! HCR_EL2.TGE = 0 the hardware does it without a visit to EL2, and whoever emulates a PE must do
//! the same by hand. In one step PC and PSTATE go to ELR_EL1 and SPSR_EL1, the reason to ESR_EL1,
//! interrupts are masked, and PC becomes VBAR_EL1 plus an offset out of this table:
//!
//! ```text
//!   taken from             synchronous   IRQ     FIQ     SError
//!   EL1 using SP_EL0       0x000         0x080   0x100   0x180
//!   EL1 using SP_EL1       0x200         0x280   0x300   0x380
//!   EL0 in AArch64         0x400         0x480   0x500   0x580
//!   EL0 in AArch32         0x600         0x680   0x700   0x780
//! ```
//!
//! A case provokes one exception with inline assembly or with a routine on the page that EL0 may
//! execute, and compares what the vectors saved with what the manual says.

use core::arch::{asm, global_asm};

use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::pstate::{DAIF, IL, MODE, Mode, NZCV, SS, Vector, vector_offset};

use crate::cell::OneCpu;
use crate::exception::TrapFrame;
use crate::trap::{After, Trap, catch};
use crate::user::{self, User};
use crate::{case, check_eq, user_code};

/// The bits of SPSR_EL1 that every Armv8 PE has; later ones (PAN, SSBS, TCO, ...) differ.
const SPSR_V8_0: u64 = NZCV | DAIF | SS | IL | MODE;

case! {
    /// SVC is the plainest exception: the instruction is complete when it is taken, so ELR_EL1
    /// points behind it, and ESR_EL1 carries EC 0x15 (SVC in AArch64) with the 16-bit immediate in
    /// its ISS. Taken from EL1 on SP_EL1 it goes through the second group of vectors, to EL1
    /// itself. SPSR_EL1 is what PSTATE was, condition flags and masks included.
    ///
    /// The case sets N and V, executes `SVC #0x1234` at EL1 and compares vector, ESR, ELR and SPSR,
    /// all of them in full.
    ///
    /// ```text
    ///   EL1   msr nzcv ... svc #0x1234 ... 2:  <----- eret ------+
    ///               | VBAR + 0x200                               |
    ///               v  ELR = 2:   SPSR = PSTATE   ESR = 15, 1234 |
    ///   EL1   handler -------------------------------------------+
    ///   EL2   takes no part
    /// ```
    ///
    /// An emulator that leaves ELR at the SVC makes it run for ever; one that adds 4 to an ELR that
    /// is right already skips an instruction. Linux's EL1 never uses SVC, so the second slip shows
    /// in EL0 first, after every system call.
    "exception.svc_el1": "SVC at EL1 takes vector 0x200: EC 0x15, its immediate, ELR behind it, SPSR";
    reference: "DDI 0487: AArch64.CallSupervisor, AArch64.TakeException; ESR_ELx, ISS for SVC";
    needs: Needs::NONE;
    fn svc_el1() {
        let flags: u64 = 0b1010 << 28;
        let mut behind = 0;
        let trap = catch(After::Resume, || {
            // SAFETY: the exception is announced, and only changes what is declared.
            unsafe {
                asm!(
                    "msr nzcv, {flags}",
                    "adr {behind}, 2f",
                    "svc #0x1234",
                    "2:",
                    flags = in(reg) flags,
                    behind = inout(reg) behind,
                );
            }
        });
        check_eq!(trap.entry.offset(), vector_offset(Mode::El1h, Vector::Synchronous), "vector");
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Svc, 0x1234).0, "ESR_EL1");
        check_eq!(trap.elr, behind, "ELR_EL1");
        check_eq!(trap.spsr & SPSR_V8_0, flags | DAIF | Mode::El1h.bits(), "SPSR_EL1");
    }
}

case! {
    /// PSTATE.SP chooses the stack pointer. While it is 0, EL1 runs on SP_EL0, and its exceptions
    /// go through the first group of vectors. Entry sets PSTATE.SP to 1, so the handler stands on
    /// SP_EL1 whatever the interrupted code used: a kernel whose current stack is broken can still
    /// take the exception. SPSR_EL1.M says EL1t (0b0100), and ERET goes back to SP_EL0.
    ///
    /// The case points SP_EL0 at a page of EL0's, switches to it, executes SVC and switches back.
    /// It checks the vector, the mode in SPSR, that SP_EL0 was kept for the handler to read, and
    /// that SP_EL1 afterwards is what it was before.
    ///
    /// ```text
    ///   EL1t  svc #7 on SP_EL0 --> VBAR + 0x000, PSTATE.SP = 1
    ///   EL1h  handler on SP_EL1; SPSR.M = 0b0100 --> eret: EL1t again
    /// ```
    ///
    /// A hypervisor holds two stack pointers for EL1 and must save and restore both. One that keeps
    /// only the current one, or stores it under the wrong name when PSTATE.SP is 0, gives the guest
    /// the other's stack: the first push after a world switch overwrites memory of somebody else.
    "exception.svc_el1t": "SVC at EL1 using SP_EL0 takes vector 0x000, and the handler has SP_EL1";
    reference: "DDI 0487: PSTATE.SP, SPSel; AArch64.TakeException";
    needs: Needs::NONE;
    fn svc_el1t() {
        let kernel: u64;
        // SAFETY: reads the stack pointer.
        unsafe { asm!("mov {}, sp", out(reg) kernel, options(nomem, nostack)) };
        let stack = crate::image::user_data().end;
        let trap = catch(After::Resume, || {
            // SAFETY: no stack is used between the two changes of SPSel.
            unsafe {
                asm!(
                    "msr sp_el0, {stack}",
                    "msr spsel, #0",
                    "svc #7",
                    "msr spsel, #1",
                    stack = in(reg) stack,
                );
            }
        });
        check_eq!(trap.entry.offset(), vector_offset(Mode::El1t, Vector::Synchronous), "vector");
        check_eq!(trap.spsr & MODE, Mode::El1t.bits(), "SPSR_EL1.M");
        check_eq!(trap.sp, stack, "the interrupted code's stack pointer");
        let after: u64;
        // SAFETY: as above.
        unsafe { asm!("mov {}, sp", out(reg) after, options(nomem, nostack)) };
        check_eq!(after, kernel, "SP_EL1 after the return");
    }
}

case! {
    /// This is a system call. SVC at EL0 is taken to EL1 through the third group of vectors, "from
    /// a lower level, AArch64". The handler has SP_EL1, whatever SP_EL0 was; SPSR_EL1.M says EL0t,
    /// so that ERET goes back to EL0; ELR_EL1 is the instruction behind the SVC.
    ///
    /// The case runs `SVC #0xffff` at EL0 with 93 in X8, where Linux has the number of the call,
    /// and compares vector, ESR_EL1, ELR_EL1, SPSR_EL1 and X8. Then it lets EL0 go on from there
    /// and wants the next SVC's immediate, 1.
    ///
    /// ```text
    ///   EL0   svc #0xffff             svc #1
    ///           |      ^ ERET           |
    ///           v      |                v
    ///   EL1   VBAR+0x400 --+          VBAR+0x400
    ///   EL2   sees nothing: HCR_EL2.TGE is 0
    /// ```
    ///
    /// With TGE = 1 the same SVC would go to EL2: right for a host, wrong for a guest. Whoever
    /// truncates the immediate to 8 bits fails here too.
    "exception.svc_el0": "SVC at EL0 takes vector 0x400, ELR behind it, SPSR says EL0t";
    reference: "DDI 0487: AArch64.CallSupervisor; ESR_ELx, ISS for SVC";
    needs: Needs::NONE;
    fn svc_el0() {
        let start = user_code!(user_svc);
        let mut user = User::at(start).with(8, 93);
        let trap = user::run(&mut user);
        check_eq!(trap.entry.offset(), vector_offset(Mode::El0t, Vector::Synchronous), "vector");
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Svc, 0xffff).0, "ESR_EL1");
        check_eq!(trap.elr, start + 4, "ELR_EL1");
        check_eq!(trap.spsr & SPSR_V8_0, DAIF | Mode::El0t.bits(), "SPSR_EL1");
        check_eq!(trap.x[8], 93, "X8");
        // And it can go on from there.
        let again = user::run(&mut user);
        check_eq!(again.esr.0, Esr::immediate(ExceptionClass::Svc, 1).0, "ESR_EL1 of the second");
    }
}

case! {
    /// BRK raises a debug exception, but one that needs no debugger enabled and no unmasked
    /// PSTATE.D. Unlike SVC it has not "happened" when it is taken: the preferred return address,
    /// and so ELR_EL1, is the BRK itself, so that a debugger can put the original instruction back
    /// and return to it. ESR_EL1 has EC 0x3c and the immediate.
    ///
    /// The case executes BRK at EL1 and at EL0 and compares ESR_EL1, ELR_EL1 and, from EL0, the
    /// vector.
    ///
    /// ```text
    ///   brk #3   --> EC 0x3c, ELR = the BRK       (SVC: ELR = behind it)
    ///                MDCR_EL2.TDE = 0: EL1      1: EL2, hand it back
    /// ```
    ///
    /// MDCR_EL2.TDE = 1 routes debug exceptions of EL0 and EL1 to EL2, which is how a hypervisor
    /// debugs its guest. A BRK that it did not plant itself it must then hand back: write the
    /// guest's ELR_EL1, SPSR_EL1 and ESR_EL1 and continue at the guest's vector. One that advances
    /// PC behind the BRK, as it would after HVC, breaks Linux's `WARN_ON` and kprobes, which are
    /// found by the address in ELR_EL1 and skip the BRK themselves.
    "exception.brk": "BRK at EL1 and EL0: EC 0x3c, its immediate, ELR at the instruction itself";
    reference: "DDI 0487: AArch64.SoftwareBreakpoint; ESR_ELx, ISS for BRK";
    needs: Needs::NONE;
    fn brk() {
        let mut at = 0;
        let trap = catch(After::Skip, || {
            // SAFETY: the exception is announced.
            unsafe { asm!("adr {at}, 2f", "2: brk #0xbeef", at = inout(reg) at) }
        });
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Brk, 0xbeef).0, "ESR_EL1");
        check_eq!(trap.elr, at, "ELR_EL1");
        let start = user_code!(user_brk);
        let trap = user::run(&mut User::at(start));
        check_eq!(trap.entry.offset(), vector_offset(Mode::El0t, Vector::Synchronous), "vector");
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Brk, 3).0, "ESR_EL1 from EL0");
        check_eq!(trap.elr, start, "ELR_EL1 from EL0");
    }
}

case! {
    /// UDF is the one encoding that is promised to be undefined for ever. ESR_EL1 has EC 0,
    /// "unknown reason", with ISS 0: no more is told, and the handler must read the instruction at
    /// ELR_EL1, which points at it. A register of EL1 is just as undefined for EL0, and so is ERET
    /// there: no trap names the register, because at EL0 it does not exist.
    ///
    /// The case executes UDF at EL1, and UDF, `MRS X0, SCTLR_EL1` and ERET at EL0, and wants
    /// ESR_EL1 with nothing but EC 0 and IL, each time with ELR at the instruction.
    ///
    /// ```text
    ///   EL0, EL1   udf      --+
    ///   EL0        mrs, eret --+--> EL1: EC 0, ISS 0, ELR at it
    ///   EL2        not reached
    /// ```
    ///
    /// A hypervisor that traps a group of registers (HCR_EL2.TVM, TID3) sees accesses from EL1
    /// only; what EL0 may not do is UNDEFINED before the trap is considered. An emulator that
    /// decodes first and checks the level last lets a user program read the kernel's registers, or
    /// reports EC 0x18, which promises its kernel a register that could be emulated.
    "exception.undefined": "UDF, and an EL1 register at EL0, are UNDEFINED: EC 0, ISS 0, ELR at it";
    reference: "DDI 0487: UDF; AArch64.UndefinedFault; ESR_ELx, EC 0b000000";
    needs: Needs::NONE;
    fn undefined() {
        let mut at = 0;
        let trap = catch(After::Skip, || {
            // SAFETY: the exception is announced.
            unsafe { asm!("adr {at}, 2f", "2: udf #0x55", at = inout(reg) at) }
        });
        check_eq!(trap.esr.0, Esr::unknown().0, "ESR_EL1");
        check_eq!(trap.elr, at, "ELR_EL1");
        for start in [user_code!(user_udf), user_code!(user_reads_sctlr), user_code!(user_eret)] {
            let trap = user::run(&mut User::at(start));
            check_eq!(trap.esr.0, Esr::unknown().0, "ESR_EL1 from EL0");
            check_eq!(trap.elr, start, "ELR_EL1 from EL0");
        }
    }
}

case! {
    /// Taking an exception to EL1 sets PSTATE.D, A, I and F and selects SP_EL1. A handler is
    /// therefore never interrupted before it has saved ELR_EL1 and SPSR_EL1, of which there is one
    /// each. ERET puts back what SPSR_EL1 says.
    ///
    /// ```text
    ///   before      D 1  A 0  I 1  F 0     SP_EL1
    ///   handler     D 1  A 1  I 1  F 1     SP_EL1, CurrentEL = EL1
    ///   SPSR_EL1    D 1  A 0  I 1  F 0
    ///   after ERET  D 1  A 0  I 1  F 0
    /// ```
    ///
    /// The case clears A and F, executes SVC, reads DAIF, SPSel and CurrentEL inside the handler,
    /// and DAIF again behind the SVC.
    ///
    /// A hypervisor that injects an exception or interrupt by hand (it writes ELR_EL1, SPSR_EL1 and
    /// PC) must set the masks too. If it forgets I, the next interrupt comes in at the first
    /// instruction of Linux's vector and overwrites ELR: the way back is lost, and the kernel loops
    /// or panics far from the cause.
    "exception.entry_masks": "entry sets D, A, I, F and SP_EL1 at EL1; ERET restores what was before";
    reference: "DDI 0487: AArch64.TakeException (PSTATE.<D,A,I,F> = 1111); ERET";
    needs: Needs::NONE;
    fn entry_masks() {
        static INSIDE: OneCpu<(u64, u64, u64)> = OneCpu::new((0, 0, 0));
        fn handler(_: &mut TrapFrame) {
            let (daif, spsel, level): (u64, u64, u64);
            // SAFETY: reads PSTATE.
            unsafe {
                asm!("mrs {}, daif", "mrs {}, spsel", "mrs {}, currentel",
                    out(reg) daif, out(reg) spsel, out(reg) level, options(nomem, nostack));
            }
            INSIDE.set((daif, spsel, level));
        }
        let before = DAIF & !(0b1010 << 6); // A and F clear
        let mut after = 0;
        let trap = catch(After::Handler(handler), || {
            // SAFETY: nothing is pending; the masks are put back.
            unsafe {
                asm!(
                    "msr daif, {before}",
                    "svc #0",
                    "mrs {after}, daif",
                    "msr daifset, #0xf",
                    before = in(reg) before,
                    after = inout(reg) after,
                );
            }
        });
        let (daif, spsel, level) = INSIDE.get();
        check_eq!(daif, DAIF, "DAIF in the handler");
        check_eq!(spsel, 1, "SPSel in the handler");
        check_eq!(level, 1 << 2, "CurrentEL in the handler");
        check_eq!(trap.spsr & DAIF, before, "SPSR_EL1.DAIF");
        check_eq!(after, before, "DAIF after ERET");
    }
}

case! {
    /// There is one ELR_EL1, one SPSR_EL1 and one ESR_EL1. An exception inside a handler overwrites
    /// them. A handler that has saved them first can take another exception of any kind and still
    /// return to where the first one came from. Nothing in the hardware counts the nesting; it is
    /// all in software's stack frames.
    ///
    /// The case executes SVC with one set of flags, and its handler executes BRK with another. Each
    /// frame must hold its own ESR, SPSR and ELR, the inner one must lie below the outer, and after
    /// both returns the flags are the first ones.
    ///
    /// ```text
    ///   EL1  svc #1 --> handler: saves; brk #2 --> handler: saves
    ///        NZCV 1001           NZCV 0110             |
    ///          ^---- ERET (1001) ----^---- ERET -------+
    /// ```
    ///
    /// Nothing here needs EL2. What breaks it is an emulator that keeps a shadow of ELR or SPSR
    /// from the last entry, and returns by the shadow although the guest has written the register
    /// since.
    "exception.nested": "an exception in a handler has its own ESR, ELR, SPSR; both return rightly";
    reference: "DDI 0487: AArch64.TakeException; ELR_EL1, SPSR_EL1, ESR_EL1";
    needs: Needs::NONE;
    fn nested() {
        static INNER: OneCpu<Option<Trap>> = OneCpu::new(None);
        fn handler(_: &mut TrapFrame) {
            // SAFETY: the inner exception is announced; it sets the flags to tell the two apart.
            INNER.set(Some(catch(After::Skip, || unsafe {
                let flags: u64 = 0b0110 << 28;
                asm!("msr nzcv, {}", "brk #2", in(reg) flags);
            })));
        }
        INNER.set(None);
        let flags: u64 = 0b1001 << 28;
        let (mut behind, mut after) = (0, 0);
        let outer = catch(After::Handler(handler), || {
            // SAFETY: the exception is announced.
            unsafe {
                asm!(
                    "msr nzcv, {flags}",
                    "adr {behind}, 2f",
                    "svc #1",
                    "2: mrs {after}, nzcv",
                    flags = in(reg) flags,
                    behind = inout(reg) behind,
                    after = inout(reg) after,
                );
            }
        });
        let inner = INNER.get().expect("the handler's own exception was recorded");
        check_eq!(inner.esr.0, Esr::immediate(ExceptionClass::Brk, 2).0, "ESR_EL1 of the inner");
        check_eq!(inner.spsr & NZCV, 0b0110 << 28, "SPSR_EL1.NZCV of the inner");
        check_eq!(outer.esr.0, Esr::immediate(ExceptionClass::Svc, 1).0, "ESR_EL1 of the outer");
        check_eq!(outer.elr, behind, "ELR_EL1 of the outer");
        check_eq!(after, flags, "NZCV after both");
        assert!(inner.sp < outer.sp, "the inner handler's frame lies below the outer's");
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    "user_svc:          svc #0xffff",
    "                   svc #1",
    "user_brk:          brk #3",
    "user_udf:          udf #0",
    "user_reads_sctlr:  mrs x0, sctlr_el1",
    "user_eret:         eret",
    ".global user_svc, user_brk, user_udf, user_reads_sctlr, user_eret",
    ".popsection",
);
