//! Alignment of the stack pointer and of the program counter.
//!
//! Both are checked by the PE, on its own, and both are exceptions to EL1 with an EC of their own:
//! 0x26 for SP, 0x22 for PC. Neither has a syndrome beyond that (ISS is 0). Alignment of data is
//! another thing: an alignment fault is a data abort (see the cases of memory types in group mmu).

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
    /// With SCTLR_EL1.SA = 1, a load or store at EL1 whose base is SP faults if SP is not 16-byte
    /// aligned, whatever the address that comes out (CheckSPAlignment). It catches a broken stack
    /// pointer early. EC is 0x26, ELR_EL1 the access.
    ///
    /// The case puts a multiple of 8 into SP_EL0, switches EL1 to it and loads from `[sp, #-8]`,
    /// which is an aligned address; the base counts. It uses SP_EL0 because the handler stands on
    /// SP_EL1: with that misaligned, the first push of the handler would fault again, and again.
    ///
    /// ```text
    ///   EL1t  ldr x, [sp, #-8]   SP = ...8      SP_EL1 = ...0
    ///            | EC 0x26, vector 0x000           |
    ///            +---------------------> handler --+
    /// ```
    ///
    /// QEMU's TCG (7.2) has no such check and fails here. A hypervisor on hardware has nothing to
    /// do for it, but an emulator or a binary translator must test SP at each such access; without
    /// it a kernel's stack corruption is found much later.
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
    /// SCTLR_EL1.SA0 does for EL0 what SA does for EL1: a load or store with a base SP that is not
    /// a multiple of 16 takes EC 0x26 to EL1. Only the access is checked. Arithmetic on a
    /// misaligned SP, and reading it into another register, are fine.
    ///
    /// The case lets EL0 subtract 8 from SP, copy it to X0, and store to `[sp, #-8]`, which is a
    /// 16-byte aligned address. The fault must come at the third instruction, through the vector
    /// for EL0, with SP_EL0 as the subtraction left it.
    ///
    /// ```text
    ///   sub sp, sp, #8      fine, SP = ...8
    ///   mov x0, sp          fine
    ///   str x0, [sp, #-8]   EC 0x26, though SP - 8 is aligned
    /// ```
    ///
    /// Compilers keep SP aligned, so programs rarely notice whether the check is there. Two
    /// mistakes are likely: checking the computed address, which this case's offset would pass, and
    /// checking whenever SP is written, which would fault at the first instruction. With the first,
    /// hand-written assembly that works on the emulator dies on real hardware; with the second,
    /// working programs die on the emulator.
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
    /// A64 instructions are words. A branch to an address that is not a multiple of four is taken
    /// as any other, and the fetch at its target then takes a PC alignment fault: EC 0x22, ISS 0,
    /// and both ELR_EL1 and FAR_EL1 hold the misaligned address.
    ///
    /// The case branches from EL1 to a place in its own code plus 1, 2 and 3, and compares ESR_EL1,
    /// FAR_EL1 and ELR_EL1.
    ///
    /// ```text
    ///   blr x0 (= text + 2)  done, X30 set
    ///      |
    ///      v
    ///   fetch at text + 2    EC 0x22, ELR = FAR = text + 2
    /// ```
    ///
    /// An emulator that indexes its cache of decoded code by `pc / 4` drops the low bits without
    /// noticing and executes the word that contains the address. A function pointer that was
    /// overwritten by a few bytes then calls the right function, and the bug stays hidden until
    /// real hardware. One that reports the fault at the branch gives a handler an ELR with which it
    /// blames the wrong instruction.
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
    /// The manual orders the synchronous exceptions that one instruction may have by priority. The
    /// PC alignment fault stands before the instruction abort: the address is wrong in itself,
    /// before any translation of it.
    ///
    /// The case branches to a misaligned address where nothing is mapped. EC must be 0x22 with
    /// FAR_EL1 the address, not 0x21.
    ///
    /// ```text
    ///   PC --> multiple of 4? -- no --> EC 0x22     <- first
    ///              | yes
    ///          translates?   -- no --> EC 0x20, 0x21
    ///              | yes
    ///          fetch, decode
    /// ```
    ///
    /// QEMU's TCG (7.2) translates first and fails here. The difference matters little for a
    /// kernel, which sends SIGBUS for one and SIGSEGV for the other, but it tells how a fetch is
    /// built: an emulator that does it in the manual's order gets the cases right where both
    /// conditions hold. With the abort first, a kernel may even map the page, return, and only then
    /// learn that the address can never be executed.
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
    /// ERET to a misaligned address is a legal exception return: level and PSTATE change as SPSR
    /// says, PC becomes what ELR_EL1 held, and the exception is taken at the target, from the
    /// target's level. For AArch64 the low two bits of ELR are not dropped.
    ///
    /// The case enters EL0 at an address plus 2. EC 0x22 must come through the vector for EL0, with
    /// ELR_EL1 and FAR_EL1 equal to that address.
    ///
    /// ```text
    ///   EL1  eret, ELR = x + 2
    ///          |
    ///   EL0    +--> fetch at x + 2 --+   EC 0x22, from EL0
    ///   EL1           vector 0x400 <-+   ELR = FAR = x + 2
    /// ```
    ///
    /// A hypervisor that sets a vCPU's PC from outside (a debugger, a migration, `KVM_SET_ONE_REG`)
    /// brings the guest into the same state and must leave the fault to the PE. An emulator that
    /// takes the fault inside ERET reports it from EL1 with ELR at the ERET: the guest's kernel
    /// believes that it is broken itself and panics, where it should have sent a signal to one
    /// process.
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
