//! Alignment of the stack pointer and of the program counter.

use core::arch::{asm, global_asm};

use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::pstate::{Mode, Vector, vector_offset};

use crate::access::{El, fetch};
use crate::trap::{After, try_catch};
use crate::user::{self, User};
use crate::{case, check_eq, user_code};

const NO_SP_CHECK: &str = "no SP alignment fault came";

case! {
    /// With SCTLR_EL1.SA a load or store whose base is SP faults when SP is not 16-byte aligned,
    /// whatever the address that comes out. EL1 tries it on SP_EL0, because an exception taken
    /// on a misaligned SP_EL1 would fault again at the handler's first push.
    "exception.sp_alignment_el1": "SP not 16-aligned as a base at EL1: EC 0x26, ELR at the access";
    reference: "DDI 0487: CheckSPAlignment, AArch64.SPAlignmentFault; SCTLR_EL1.SA";
    needs: Needs::NONE;
    fn sp_alignment_el1() {
        let stack = crate::image::user_data().end - 8;
        let mut at = 0;
        let trap = try_catch(After::Skip, || {
            // SAFETY: the only access on that stack faults; SPSel is put back.
            unsafe {
                asm!(
                    "msr sp_el0, {stack}",
                    "adr {at}, 2f",
                    "msr spsel, #0",
                    "2: ldr {scratch}, [sp, #-8]", // the address itself is aligned
                    "msr spsel, #1",
                    stack = in(reg) stack,
                    at = inout(reg) at,
                    scratch = out(reg) _,
                );
            }
        });
        let trap = trap.expect(NO_SP_CHECK);
        check_eq!(trap.entry.offset(), vector_offset(Mode::El1t, Vector::Synchronous), "vector");
        check_eq!(trap.esr.0, Esr::new(ExceptionClass::SpAlignment, 0).0, "ESR_EL1");
        check_eq!(trap.elr, at, "ELR_EL1");
    }
}

case! {
    /// The same for EL0, by SCTLR_EL1.SA0. Arithmetic on a misaligned SP is no access, and fine.
    "exception.sp_alignment_el0": "SP not 16-aligned as a base at EL0: EC 0x26; arithmetic is fine";
    reference: "DDI 0487: CheckSPAlignment; SCTLR_EL1.SA0";
    needs: Needs::NONE;
    fn sp_alignment_el0() {
        let start = user_code!(user_misaligned_sp);
        let mut user = User::at(start);
        let sp = user.sp;
        let trap = user::run(&mut user);
        assert!(trap.esr != Esr::immediate(ExceptionClass::Svc, 0), "{NO_SP_CHECK}");
        check_eq!(trap.entry.offset(), vector_offset(Mode::El0t, Vector::Synchronous), "vector");
        check_eq!(trap.esr.0, Esr::new(ExceptionClass::SpAlignment, 0).0, "ESR_EL1");
        check_eq!(trap.elr, start + 8, "ELR_EL1");
        check_eq!(user.sp, sp - 8, "SP_EL0");
    }
}

case! {
    /// A64 instructions are words: a branch to an address that is not a multiple of four is
    /// taken, and the fetch at its target faults. FAR and ELR both hold the misaligned address.
    "exception.pc_alignment_el1": "a branch to a misaligned address: EC 0x22, FAR and ELR hold it";
    reference: "DDI 0487: AArch64.CheckPCAlignment, AArch64.PCAlignmentFault; FAR_EL1";
    needs: Needs::NONE;
    fn pc_alignment_el1() {
        for offset in [1, 2, 3] {
            let target = crate::image::text().start + 0x1000 + offset;
            let trap = fetch(El::El1, target).fault();
            check_eq!(trap.esr.0, Esr::new(ExceptionClass::PcAlignment, 0).0, "ESR_EL1");
            check_eq!(trap.far, target, "FAR_EL1");
            check_eq!(trap.elr, target, "ELR_EL1");
        }
    }
}

case! {
    /// Where nothing is mapped, alignment is still looked at first: the list of synchronous
    /// exceptions by priority has the PC alignment fault before the instruction abort.
    "exception.pc_alignment_first": "a misaligned PC where nothing is mapped: EC 0x22, no abort";
    reference: "DDI 0487: prioritization of synchronous exceptions taken to AArch64 state";
    needs: Needs::NONE;
    fn pc_alignment_first() {
        let target = 0x70_0000_0002;
        let trap = fetch(El::El1, target).fault();
        let aborts = trap.esr.class() == Ok(ExceptionClass::InstructionAbortSame);
        assert!(!aborts, "the instruction abort came first");
        check_eq!(trap.esr.0, Esr::new(ExceptionClass::PcAlignment, 0).0, "ESR_EL1");
        check_eq!(trap.far, target, "FAR_EL1");
    }
}

case! {
    /// From EL0, and by ERET instead of a branch: the exception is taken from EL0, because the
    /// return itself was fine.
    "exception.pc_alignment_el0": "ERET to a misaligned address: EC 0x22 from the target level";
    reference: "DDI 0487: AArch64.CheckPCAlignment; ERET";
    needs: Needs::NONE;
    fn pc_alignment_el0() {
        let target = user_code!(user_misaligned_sp) + 2;
        let trap = user::run(&mut User::at(target));
        check_eq!(trap.entry.offset(), vector_offset(Mode::El0t, Vector::Synchronous), "vector");
        check_eq!(trap.esr.0, Esr::new(ExceptionClass::PcAlignment, 0).0, "ESR_EL1");
        check_eq!(trap.far, target, "FAR_EL1");
        check_eq!(trap.elr, target, "ELR_EL1");
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".global user_misaligned_sp",
    "user_misaligned_sp:",
    "    sub sp, sp, #8",
    "    mov x0, sp",
    "    str x0, [sp, #-8]", // the address itself is 16-byte aligned
    "    svc #0",
    ".popsection",
);
