//! Instructions that controls of EL1 trap to EL1: floating point, and what EL0 may not do.

use core::arch::{asm, global_asm};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTKCTL_EL1, CPACR_EL1, SCTLR_EL1, TPIDR_EL0, TPIDRRO_EL0};
use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::{Esr, ExceptionClass, SystemAccess, Wait};
use anyvisor_arch::sysreg::Encoding;
use anyvisor_arch::timer::cntkctl;
use anyvisor_arch::{pstate, sctlr};
use tock_registers::interfaces::{Readable, Writeable};

use crate::access::{El, load, store};
use crate::trap::{After, catch};
use crate::user::{self, User};
use crate::{case, check_eq, skip, user_code};

/// CPACR_EL1.FPEN: 0 traps EL0 and EL1, 1 traps EL0 only, 3 traps nobody.
const FPEN_SHIFT: u32 = 20;

case! {
    /// With CPACR_EL1.FPEN = 0 the first FP or SIMD instruction traps, at EL1 and EL0: how an
    /// operating system saves FP registers only for who uses them. The ISS says COND = 0b1110
    /// with CV = 1 ("always"), the only condition that A64 has.
    "exception.fp_trapped": "FP with CPACR_EL1.FPEN = 0 traps at EL1 and EL0: EC 0x07, ELR at it";
    reference: "DDI 0487: CPACR_EL1.FPEN; ESR_ELx, ISS for an access to SIMD or floating-point";
    needs: Needs::NONE;
    fn fp_trapped() {
        CPACR_EL1.set(0);
        barrier::isb(barrier::SY);
        let mut at = 0;
        let trap = catch(After::Skip, || {
            // SAFETY: the instruction traps; nothing is changed.
            unsafe {
                asm!("adr {at}, 2f", ".arch_extension fp", "2: fmov d0, xzr", ".arch_extension nofp",
                    at = inout(reg) at);
            }
        });
        check_eq!(trap.esr.0, Esr::fp_access().0, "ESR_EL1");
        check_eq!(trap.elr, at, "ELR_EL1");
        let start = user_code!(user_fp);
        let trap = user::run(&mut User::at(start));
        check_eq!(trap.esr.0, Esr::fp_access().0, "ESR_EL1 from EL0");
        check_eq!(trap.elr, start, "ELR_EL1 from EL0");
    }
}

case! {
    /// FPEN = 1 lets EL1 through and still traps EL0.
    "exception.fp_trapped_el0_only": "FP with CPACR_EL1.FPEN = 1 traps at EL0 with EC 0x07 only";
    reference: "DDI 0487: CPACR_EL1.FPEN = 0b01";
    needs: Needs::NONE;
    fn fp_trapped_el0_only() {
        CPACR_EL1.set(1 << FPEN_SHIFT);
        barrier::isb(barrier::SY);
        let trap = user::run(&mut User::at(user_code!(user_fp)));
        check_eq!(trap.esr.0, Esr::fp_access().0, "ESR_EL1");
    }
}

/// ESR_EL1 of EL0's MRS or MSR of X`rt`.
fn system(encoding: Encoding, rt: u8, read: bool) -> u64 {
    Esr::system(SystemAccess { encoding, rt, read }).0
}

case! {
    /// SCTLR_EL1.UCT = 0 takes CTR_EL0 from EL0. The trap names the register by its encoding,
    /// the general-purpose register, and the direction, so that a kernel can emulate it.
    "exception.el0_sysreg": "MRS X7, CTR_EL0 at EL0 with UCT = 0: EC 0x18, ISS names it; 1: reads";
    reference: "DDI 0487: SCTLR_EL1.UCT; ESR_ELx, ISS for MSR, MRS or System instruction";
    needs: Needs::NONE;
    fn el0_sysreg() {
        const CTR_EL0: Encoding = Encoding::new(3, 3, 0, 0, 1);
        let start = user_code!(user_reads_ctr);
        let trap = user::run(&mut User::at(start));
        check_eq!(trap.esr.0, system(CTR_EL0, 7, true), "ESR_EL1");
        check_eq!(trap.elr, start, "ELR_EL1");
        SCTLR_EL1.set(SCTLR_EL1.get() | sctlr::UCT);
        barrier::isb(barrier::SY);
        let mut user = User::at(start);
        let trap = user::run(&mut user);
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Svc, 0).0, "ESR_EL1 with UCT = 1");
        let ctr: u64;
        // SAFETY: reads an ID register.
        unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack)) };
        check_eq!(user.x[7], ctr, "CTR_EL0 read at EL0");
    }
}

case! {
    /// CNTKCTL_EL1.EL0VCTEN = 0 takes the virtual counter from EL0, EL0PCTEN the physical one.
    /// CNTFRQ_EL0 is readable if either is.
    "exception.el0_counter": "CNTVCT_EL0, CNTPCT_EL0 at EL0 trap by CNTKCTL_EL1; CNTFRQ by both";
    reference: "DDI 0487: CNTKCTL_EL1.EL0VCTEN, EL0PCTEN";
    needs: Needs::NONE;
    fn el0_counter() {
        const CNTFRQ_EL0: Encoding = Encoding::new(3, 3, 14, 0, 0);
        const CNTPCT_EL0: Encoding = Encoding::new(3, 3, 14, 0, 1);
        const CNTVCT_EL0: Encoding = Encoding::new(3, 3, 14, 0, 2);
        let done = Esr::immediate(ExceptionClass::Svc, 0).0;
        let registers = [
            (user_code!(user_reads_cntvct), CNTVCT_EL0, cntkctl::EL0VCTEN),
            (user_code!(user_reads_cntpct), CNTPCT_EL0, cntkctl::EL0PCTEN),
            (user_code!(user_reads_cntfrq), CNTFRQ_EL0, cntkctl::EL0PCTEN | cntkctl::EL0VCTEN),
        ];
        for allowed in [0, cntkctl::EL0VCTEN, cntkctl::EL0PCTEN] {
            CNTKCTL_EL1.set(allowed);
            barrier::isb(barrier::SY);
            for (start, encoding, bits) in registers {
                let trap = user::run(&mut User::at(start));
                let wanted = if allowed & bits != 0 { done } else { system(encoding, 5, true) };
                check_eq!(trap.esr.0, wanted, "ESR_EL1 of {} with CNTKCTL_EL1 {:#x}", encoding, allowed);
            }
        }
    }
}

case! {
    /// CNTKCTL_EL1.EL0VTEN and EL0PTEN give EL0 the timers themselves; they say nothing of the
    /// counters.
    "exception.el0_timer": "CNTV_CTL_EL0, CNTP_CTL_EL0 at EL0 trap by EL0VTEN, EL0PTEN";
    reference: "DDI 0487: CNTKCTL_EL1.EL0VTEN, EL0PTEN";
    needs: Needs::NONE;
    fn el0_timer() {
        const CNTP_CTL_EL0: Encoding = Encoding::new(3, 3, 14, 2, 1);
        const CNTV_CTL_EL0: Encoding = Encoding::new(3, 3, 14, 3, 1);
        let done = Esr::immediate(ExceptionClass::Svc, 0).0;
        let registers = [
            (user_code!(user_reads_cntv_ctl), CNTV_CTL_EL0, cntkctl::EL0VTEN),
            (user_code!(user_reads_cntp_ctl), CNTP_CTL_EL0, cntkctl::EL0PTEN),
        ];
        let counters = cntkctl::EL0VCTEN | cntkctl::EL0PCTEN;
        super::timer::physical(); // skips where there is none
        for allowed in [counters, cntkctl::EL0VTEN, cntkctl::EL0PTEN] {
            CNTKCTL_EL1.set(allowed);
            barrier::isb(barrier::SY);
            for (start, encoding, bit) in registers {
                let trap = user::run(&mut User::at(start));
                let wanted = if allowed & bit != 0 { done } else { system(encoding, 5, true) };
                check_eq!(trap.esr.0, wanted, "ESR_EL1 of {} with CNTKCTL_EL1 {:#x}", encoding, allowed);
            }
        }
    }
}

case! {
    /// SCTLR_EL1.UMA = 0: EL0 cannot mask interrupts. The immediate form (MSR DAIFSet) traps the
    /// same way, with Rt = 31.
    "exception.el0_daif": "MSR DAIF and DAIFSet at EL0 with SCTLR_EL1.UMA = 0: EC 0x18";
    reference: "DDI 0487: SCTLR_EL1.UMA; MSR (immediate)";
    needs: Needs::NONE;
    fn el0_daif() {
        const DAIF: Encoding = Encoding::new(3, 3, 4, 2, 1);
        let mut user = User::at(user_code!(user_writes_daif));
        let trap = user::run(&mut user);
        check_eq!(trap.esr.0, system(DAIF, 3, false), "ESR_EL1");
        check_eq!(trap.spsr & pstate::DAIF, pstate::DAIF, "SPSR_EL1.DAIF, unchanged");
        // MSR DAIFSet, #imm: op0 0, op1 3, CRn 4, CRm the immediate, op2 6.
        const DAIFSET_2: Encoding = Encoding::new(0, 3, 4, 2, 6);
        let trap = user::run(&mut User::at(user_code!(user_sets_daif)));
        check_eq!(trap.esr.0, system(DAIFSET_2, 31, false), "ESR_EL1 of DAIFSet");
    }
}

case! {
    /// SCTLR_EL1.nTWI = 0 traps WFI at EL0, if it would wait. TI in the ISS tells WFI from WFE.
    "exception.el0_wfi": "WFI at EL0 with SCTLR_EL1.nTWI = 0: EC 0x01, ISS.TI = 0, ELR at it";
    reference: "DDI 0487: SCTLR_EL1.nTWI; ESR_ELx, ISS for a WF* instruction";
    needs: Needs::NONE;
    fn el0_wfi() {
        SCTLR_EL1.set(SCTLR_EL1.get() & !sctlr::N_TWI);
        barrier::isb(barrier::SY);
        let start = user_code!(user_wfi);
        let trap = user::run(&mut User::at(start));
        check_eq!(trap.esr.0, Esr::wait(Wait::Interrupt).0, "ESR_EL1");
        check_eq!(trap.elr, start, "ELR_EL1");
    }
}

case! {
    /// SCTLR_EL1.nTWE does the same for WFE, if it would wait: with the event register set it
    /// just clears it and goes on. ERET sets it, so the first WFE of EL0 never waits.
    "exception.el0_wfe": "WFE at EL0 with SCTLR_EL1.nTWE = 0: EC 0x01, ISS.TI = 1, not the first";
    reference: "DDI 0487: SCTLR_EL1.nTWE; the Event Register; ESR_ELx, ISS for a WF* instruction";
    needs: Needs::NONE;
    fn el0_wfe() {
        SCTLR_EL1.set(SCTLR_EL1.get() & !sctlr::N_TWE);
        barrier::isb(barrier::SY);
        let start = user_code!(user_wfe);
        let trap = user::run(&mut User::at(start));
        if trap.esr == Esr::immediate(ExceptionClass::Svc, 0) {
            // A hint: a CPU whose WFE never waits has nothing to trap (DDI 0487: WFE, SCTLR_EL1.nTWE).
            crate::skip!("eight WFEs in a row neither waited nor trapped");
        }
        check_eq!(trap.esr.0, Esr::wait(Wait::Event).0, "ESR_EL1");
        assert!(trap.elr > start, "the first WFE trapped, with the event register set by ERET");
    }
}

case! {
    /// With UMA = 1 the same instructions are EL0's, and change nothing but its own masks.
    "exception.el0_daif_allowed": "SCTLR_EL1.UMA = 1: EL0 sets and clears its own D, A, I, F";
    reference: "DDI 0487: SCTLR_EL1.UMA";
    needs: Needs::NONE;
    fn el0_daif_allowed() {
        SCTLR_EL1.set(SCTLR_EL1.get() | sctlr::UMA);
        barrier::isb(barrier::SY);
        let mut user = User::at(user_code!(user_swaps_daif)).with(3, 0b0101 << 6);
        let trap = user::run(&mut user);
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Svc, 0).0, "ESR_EL1");
        check_eq!(user.x[4], pstate::DAIF, "DAIF that EL0 read first");
        check_eq!(trap.spsr & pstate::DAIF, 0b0111 << 6, "SPSR_EL1.DAIF");
    }
}

case! {
    /// SCTLR_EL1.DZE = 0 takes DC ZVA from EL0, and makes DCZID_EL0.DZP say so there. The trap
    /// names the system instruction as it would a register.
    "exception.el0_dc_zva": "DC ZVA at EL0 with SCTLR_EL1.DZE = 0: EC 0x18; with 1 it zeroes";
    reference: "DDI 0487: SCTLR_EL1.DZE; DCZID_EL0.DZP; DC ZVA";
    needs: Needs::NONE;
    fn el0_dc_zva() {
        const DC_ZVA: Encoding = Encoding::new(1, 3, 7, 4, 1);
        let id: u64;
        // SAFETY: reads an ID register.
        unsafe { asm!("mrs {}, dczid_el0", out(reg) id, options(nomem, nostack)) };
        if id >> 4 & 1 != 0 {
            skip!("DCZID_EL0.DZP prohibits DC ZVA");
        }
        let target = crate::image::user_data().start;
        store(El::El0, target, u64::MAX).value();
        let start = user_code!(user_zeroes);
        let trap = user::run(&mut User::at(start).with(2, target));
        check_eq!(trap.esr.0, system(DC_ZVA, 2, false), "ESR_EL1 with DZE = 0");
        SCTLR_EL1.set(SCTLR_EL1.get() | sctlr::DZE);
        barrier::isb(barrier::SY);
        let trap = user::run(&mut User::at(start).with(2, target));
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Svc, 0).0, "ESR_EL1 with DZE = 1");
        let word = load(El::El0, target).value();
        check_eq!(word, 0, "the block's first word");
    }
}

case! {
    /// A register of a higher level does not exist for EL1: UNDEFINED, not trapped, so that
    /// nobody at EL1 can tell whether there is an EL2.
    "exception.higher_registers": "HCR_EL2 and SCR_EL3 at EL1, and VBAR_EL1 at EL0, are UNDEFINED";
    reference: "DDI 0487: HCR_EL2, SCR_EL3, VBAR_EL1, accessibility pseudocode";
    needs: Needs::NONE;
    fn higher_registers() {
        // SAFETY: the accesses trap; nothing is changed.
        let hcr = catch(After::Skip, || unsafe {
            asm!("mrs {}, hcr_el2", out(reg) _, options(nostack));
        });
        check_eq!(hcr.esr.0, Esr::unknown().0, "ESR_EL1 of HCR_EL2");
        // SAFETY: as above.
        let scr = catch(After::Skip, || unsafe {
            asm!("mrs {}, scr_el3", out(reg) _, options(nostack));
        });
        check_eq!(scr.esr.0, Esr::unknown().0, "ESR_EL1 of SCR_EL3");
        let start = user_code!(user_writes_vbar);
        let trap = user::run(&mut User::at(start));
        check_eq!(trap.esr.0, Esr::unknown().0, "ESR_EL1 of VBAR_EL1 at EL0");
    }
}

case! {
    /// TPIDR_EL0 is EL0's to read and write, TPIDRRO_EL0 to read only: what the kernel puts
    /// there (a CPU number, say) EL0 cannot forge.
    "exception.thread_registers": "EL0 owns TPIDR_EL0, reads TPIDRRO_EL0, cannot write it: EC 0";
    reference: "DDI 0487: TPIDR_EL0, TPIDRRO_EL0";
    needs: Needs::NONE;
    fn thread_registers() {
        const TOKEN: u64 = 0xfeed_0123_4567_89ab;
        TPIDRRO_EL0.set(TOKEN);
        let start = user_code!(user_thread);
        let mut user = User::at(start).with(9, !TOKEN);
        let trap = user::run(&mut user);
        check_eq!(user.x[10], TOKEN, "TPIDRRO_EL0 read at EL0");
        check_eq!(TPIDR_EL0.get(), !TOKEN, "TPIDR_EL0 written at EL0");
        check_eq!(trap.esr.0, Esr::unknown().0, "ESR_EL1 of the write to TPIDRRO_EL0");
        check_eq!(trap.elr, start + 8, "ELR_EL1");
        check_eq!(TPIDRRO_EL0.get(), TOKEN, "TPIDRRO_EL0 after it");
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".arch_extension fp",
    "user_fp:           fmov d0, xzr",
    "                   svc #0",
    ".arch_extension nofp",
    "user_reads_ctr:    mrs x7, ctr_el0",
    "                   svc #0",
    "user_reads_cntvct: mrs x5, cntvct_el0",
    "                   svc #0",
    "user_reads_cntpct: mrs x5, cntpct_el0",
    "                   svc #0",
    "user_reads_cntfrq: mrs x5, cntfrq_el0",
    "                   svc #0",
    "user_reads_cntv_ctl: mrs x5, cntv_ctl_el0",
    "                   svc #0",
    "user_reads_cntp_ctl: mrs x5, cntp_ctl_el0",
    "                   svc #0",
    "user_wfe:          .rept 8",
    "                   wfe",
    "                   .endr",
    "                   svc #0",
    "user_writes_daif:  msr daif, x3",
    "user_sets_daif:    msr daifset, #2",
    "user_wfi:          wfi",
    "                   svc #0",
    "user_swaps_daif:   mrs x4, daif",
    "                   msr daif, x3",
    "                   msr daifset, #2",
    "                   svc #0",
    "user_zeroes:       dc zva, x2",
    "                   svc #0",
    "user_writes_vbar:  msr vbar_el1, x0",
    "                   svc #0",
    "user_thread:       msr tpidr_el0, x9",
    "                   mrs x10, tpidrro_el0",
    "                   msr tpidrro_el0, x9",
    ".global user_fp, user_reads_ctr, user_reads_cntvct, user_reads_cntpct, user_reads_cntfrq",
    ".global user_writes_daif, user_sets_daif, user_wfi, user_swaps_daif, user_zeroes",
    ".global user_writes_vbar, user_thread, user_wfe, user_reads_cntv_ctl, user_reads_cntp_ctl",
    ".popsection",
);
