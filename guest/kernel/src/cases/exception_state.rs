//! PSTATE's smaller fields over an exception: what the entry changes of them.

use core::arch::asm;

use aarch64_cpu::registers::ID_AA64MMFR2_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::pstate::UAO;
use tock_registers::interfaces::Readable;

use crate::exception::TrapFrame;
use crate::trap::{After, catch};
use crate::{case, check_eq, skip};

/// ID_AA64MMFR2_EL1.UAO.
const UAO_SHIFT: u32 = 4;

case! {
    /// With PSTATE.UAO set a kernel's LDTR and STTR are as LDR and STR. It is set for a few
    /// instructions that serve both users' memory and the kernel's own, and an exception in the
    /// middle must not take it along: the handler's LDTR is for users' memory, and would reach the
    /// kernel's. So the entry clears it, SPSR_EL1 keeps it, and ERET brings it back.
    ///
    /// ```text
    ///   UAO = 1   SVC  -->  vector: UAO = 0, SPSR.UAO = 1   ERET  -->  UAO = 1
    /// ```
    ///
    /// A hypervisor that injects exceptions by hand has to do the same.
    "exception.uao": "an exception clears PSTATE.UAO and SPSR_EL1 keeps it; ERET brings it back";
    reference: "DDI 0487: AArch64.TakeException, PSTATE.UAO; SPSR_EL1.UAO; FEAT_UAO";
    needs: Needs::NONE;
    fn uao() {
        if ID_AA64MMFR2_EL1.get() >> UAO_SHIFT & 0xf == 0 {
            skip!("ID_AA64MMFR2_EL1.UAO says no UAO");
        }
        fn handler(frame: &mut TrapFrame) {
            let inside: u64;
            // S3_0_C4_C2_4 is UAO.
            // SAFETY: reads a field of PSTATE.
            unsafe { asm!("mrs {}, s3_0_c4_c2_4", out(reg) inside, options(nostack)) };
            frame.x[9] = inside;
        }
        let (mut inside, mut after) = (u64::MAX, 0_u64);
        // SAFETY: the exception is announced. UAO is set by the number of MSR (immediate), which
        // needs no extension of the assembler, and is clear again at the end; nothing is accessed.
        let trap = catch(After::Handler(handler), || unsafe {
            asm!(
                ".inst 0xd500417f", // MSR UAO, #1
                "svc #0",
                "mrs {after}, s3_0_c4_c2_4",
                ".inst 0xd500407f", // MSR UAO, #0
                after = out(reg) after,
                out("x9") inside,
                options(nostack),
            );
        });
        check_eq!(trap.spsr & UAO, UAO, "SPSR_EL1.UAO");
        check_eq!(inside, 0, "PSTATE.UAO in the handler");
        check_eq!(after, UAO, "PSTATE.UAO after ERET");
    }
}
