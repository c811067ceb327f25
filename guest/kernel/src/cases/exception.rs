//! Exception entry and return: which vector, what ESR, ELR and SPSR say, what PSTATE becomes.

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
    /// SVC is the plainest exception: nothing failed, so ELR points behind the instruction, and
    /// ESR carries the immediate. From EL1 using SP_EL1 it goes through the second group of
    /// vectors, to EL1 itself. SPSR is what PSTATE was, condition flags and all.
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
    /// While PSTATE.SP is 0, EL1 runs on SP_EL0, and its exceptions go through the first group
    /// of vectors, on SP_EL1: a kernel whose stack is broken can still take them.
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
    /// A system call: from EL0 through the third group of vectors. The handler's stack is
    /// SP_EL1, whatever SP_EL0 is; SPSR says EL0t, so that ERET goes back there.
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
    /// BRK is a debug exception, but one that needs no debugger enabled. Unlike SVC it has not
    /// "happened" when it is taken: ELR points at the BRK itself, so a debugger can put the
    /// original instruction back and return.
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
    /// UDF is the one instruction that is promised to be undefined forever. EC 0 says only
    /// "unknown reason": the handler must look at the instruction. An EL1 register is just as
    /// undefined for EL0.
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
    /// Entry masks everything (D, A, I, F) and selects SP_EL1; ERET puts back what SPSR says.
    /// So a handler is never interrupted before it has saved what it needs.
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
    /// An exception inside a handler overwrites ELR_EL1, SPSR_EL1 and ESR_EL1: there is one of
    /// each. A handler that has saved them can take another exception of any kind and still
    /// return to where the first came from.
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
