//! What EL0 may do with counters and timers: every combination that CNTKCTL_EL1 can say.

use core::arch::global_asm;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::CNTKCTL_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::{Esr, ExceptionClass, SystemAccess};
use anyvisor_arch::sysreg::Encoding;
use anyvisor_arch::timer::cntkctl::{EL0PCTEN, EL0PTEN, EL0VCTEN, EL0VTEN};
use tock_registers::interfaces::Writeable;

use super::timer::physical;
use crate::user::{self, User};
use crate::{case, check_eq, user_code};

/// An access at EL0: its place among the routines, the register, and which bits of CNTKCTL_EL1
/// (any one of them) let it through.
struct Row {
    /// (CRm, op2): op0 is 3, op1 3, CRn 14.
    register: (u16, u16),
    reads: bool,
    allowed_by: u64,
}

const fn row(crm: u16, op2: u16, reads: bool, allowed_by: u64) -> Row {
    Row { register: (crm, op2), reads, allowed_by }
}

/// In the order of the routines below.
const TABLE: [Row; 15] = [
    row(0, 0, true, EL0PCTEN | EL0VCTEN), // CNTFRQ_EL0
    row(0, 1, true, EL0PCTEN),            // CNTPCT_EL0
    row(0, 2, true, EL0VCTEN),            // CNTVCT_EL0
    row(2, 0, true, EL0PTEN),             // CNTP_TVAL_EL0
    row(2, 1, true, EL0PTEN),             // CNTP_CTL_EL0
    row(2, 2, true, EL0PTEN),             // CNTP_CVAL_EL0
    row(3, 0, true, EL0VTEN),             // CNTV_TVAL_EL0
    row(3, 1, true, EL0VTEN),             // CNTV_CTL_EL0
    row(3, 2, true, EL0VTEN),             // CNTV_CVAL_EL0
    row(2, 0, false, EL0PTEN),
    row(2, 1, false, EL0PTEN),
    row(2, 2, false, EL0PTEN),
    row(3, 0, false, EL0VTEN),
    row(3, 1, false, EL0VTEN),
    row(3, 2, false, EL0VTEN),
];
/// Bytes of a routine: the access, SVC.
const ROUTINE: u64 = 8;

case! {
    /// Four bits of CNTKCTL_EL1 say what EL0 may do, each for its own registers: all 16 combinations
    /// against all 9 reads and 6 writes.
    ///
    /// ```text
    ///   EL0 --- MRS CNTVCT_EL0 ---> EL0VCTEN = 1 ? --- the count (no exit, no kernel)
    ///                               EL0VCTEN = 0 ? --- EC 0x18 to EL1, ISS names register and Rt
    ///
    ///   bit       EL0PCTEN   EL0VCTEN   EL0PTEN   EL0VTEN
    ///   CNTFRQ       x   or     x
    ///   CNTPCT       x
    ///   CNTVCT                  x
    ///   CNTP_*                             x
    ///   CNTV_*                                       x
    /// ```
    ///
    /// It is the kernel's own trap: EL1 gets it, whatever the hypervisor traps besides. The order
    /// matters to one who emulates a counter (CNTHCTL_EL2.EL1PCTEN = 0, EL1TVCT = 1): the trap to
    /// EL1 comes first, so an exit for EL0's access must look at CNTKCTL_EL1 before it answers,
    /// and else give the guest an exception with the ISS that the hardware would have made.
    "timer.el0_access": "all 16 combinations of CNTKCTL_EL1's EL0 bits against 15 accesses: through, or EC 0x18 with its ISS";
    reference: "DDI 0487: CNTKCTL_EL1.EL0PCTEN, EL0VCTEN, EL0PTEN, EL0VTEN; ESR_EL1, EC 0x18";
    needs: Needs::NONE;
    fn el0_access() {
        physical(); // skips where there is none
        let done = Esr::immediate(ExceptionClass::Svc, 0).0;
        for combination in 0..16_u64 {
            let bits = [EL0PCTEN, EL0VCTEN, EL0PTEN, EL0VTEN];
            let control =
                bits.into_iter().enumerate().fold(0, |all, (n, bit)| all | ((combination >> n & 1) * bit));
            CNTKCTL_EL1.set(control);
            barrier::isb(barrier::SY);
            for (at, row) in (user_code!(user_timer_accesses)..).step_by(ROUTINE as usize).zip(&TABLE) {
                // Zero to CTL stops the timer, and so does no harm; CVAL and TVAL mean nothing then.
                let trap = user::run(&mut User::at(at));
                let (crm, op2) = row.register;
                let encoding = Encoding::new(3, 3, 14, crm, op2);
                let access = SystemAccess { encoding, rt: 5, read: row.reads };
                let allowed = control & row.allowed_by != 0;
                let wanted = if allowed { done } else { Esr::system(access).0 };
                check_eq!(trap.esr.0, wanted, "ESR_EL1 of {} with CNTKCTL_EL1 {:#x}", encoding, control);
                let elr = if allowed { at + ROUTINE } else { at };
                check_eq!(trap.elr, elr, "ELR_EL1 of {} with CNTKCTL_EL1 {:#x}", encoding, control);
            }
        }
        CNTKCTL_EL1.set(0);
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".global user_timer_accesses",
    "user_timer_accesses:",
    ".irp register, cntfrq, cntpct, cntvct, cntp_tval, cntp_ctl, cntp_cval, cntv_tval, cntv_ctl, cntv_cval",
    "mrs x5, \\register\\()_el0",
    "svc #0",
    ".endr",
    ".irp register, cntp_tval, cntp_ctl, cntp_cval, cntv_tval, cntv_ctl, cntv_cval",
    "msr \\register\\()_el0, x5",
    "svc #0",
    ".endr",
    ".popsection",
);
