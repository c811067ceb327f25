//! Instructions that controls of EL1 trap to EL1: floating point, and what EL0 may not do.
//!
//! CPACR_EL1, SCTLR_EL1 and CNTKCTL_EL1 let a kernel take things from EL0, and in part from itself.
//! A trap is a synchronous exception with ELR_EL1 at the instruction; ESR_EL1 names what was tried,
//! so that the kernel can emulate it, allow it, or send a signal. EL2 has controls of its own for
//! much of this (CPTR_EL2, HCR_EL2.TWI, TDZ, CNTHCTL_EL2). They come second: what EL1's control
//! traps goes to EL1 and never reaches the hypervisor.
//!
//! ```text
//!   EL0 executes it --> allowed by EL1's control? -- no --> EL1, EC, ISS
//!                             | yes
//!                       allowed by EL2's control? -- no --> EL2
//!                             | yes: done
//! ```

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
    /// With CPACR_EL1.FPEN = 0 the first floating-point or SIMD instruction traps, from EL1 as from
    /// EL0: EC 0x07, ELR_EL1 at the instruction. An operating system uses it to save and load
    /// vector registers only for those who use them. The ISS has CV = 1 and COND = 0b1110
    /// ("always"), the values for every A64 instruction.
    ///
    /// The case clears FPEN, executes `FMOV D0, XZR` at EL1 and at EL0, and compares ESR_EL1 and
    /// ELR_EL1.
    ///
    /// ```text
    ///   fmov --> CPACR_EL1.FPEN = 0?  yes --> EL1, EC 0x07
    ///               no --> CPTR_EL2.TFP = 1?  yes --> EL2, EC 0x07
    ///                         no --> executed
    /// ```
    ///
    /// A hypervisor that switches vector registers lazily sets CPTR_EL2.TFP and sees EC 0x07 as
    /// well, at EL2, but only for instructions that CPACR_EL1 let through. An engine that asks
    /// EL2's control before EL1's takes the guest's trap for its own, loads the registers and
    /// retries: the instruction succeeds although the guest's kernel forbade it, and one process
    /// has the vector registers of another. One that reflects its own trap to EL1 gives the guest a
    /// trap that CPACR_EL1 does not explain.
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
    /// CPACR_EL1.FPEN = 0b01 lets EL1 use floating point and still traps EL0 with EC 0x07. It is
    /// the setting of a kernel that has enabled the vector unit for itself while the current
    /// process has not touched it yet. (0b11 lets both through; 0b00 and 0b10 trap both.)
    ///
    /// The case sets 0b01 and executes `FMOV D0, XZR` twice: at EL1 no exception may come, and from
    /// EL0 ESR_EL1 must be that of an FP access.
    ///
    /// Who implements the field as a single bit, "enabled or not", gets one of the two levels
    /// wrong. If EL0 is let through, lazy switching in the guest's kernel never sees the process's
    /// first use: the process computes with stale registers of its predecessor and leaks them.
    /// Nothing crashes; results are wrong now and then, which makes this the hardest kind to find.
    "exception.fp_trapped_el0_only": "FP with CPACR_EL1.FPEN = 1 traps at EL0 with EC 0x07 only";
    reference: "DDI 0487: CPACR_EL1.FPEN = 0b01";
    needs: Needs::NONE;
    fn fp_trapped_el0_only() {
        CPACR_EL1.set(1 << FPEN_SHIFT);
        barrier::isb(barrier::SY);
        // SAFETY: nobody else uses the V registers. No exception is announced: one fails the case.
        unsafe { asm!(".arch_extension fp", "fmov d0, xzr", ".arch_extension nofp") };
        let trap = user::run(&mut User::at(user_code!(user_fp)));
        check_eq!(trap.esr.0, Esr::fp_access().0, "ESR_EL1");
    }
}

/// ESR_EL1 of EL0's MRS or MSR of X`rt`.
fn system(encoding: Encoding, rt: u8, read: bool) -> u64 {
    Esr::system(SystemAccess { encoding, rt, read }).0
}

case! {
    /// SCTLR_EL1.UCT = 0 takes CTR_EL0 (the cache geometry) from EL0. The trap has EC 0x18, and its
    /// ISS names the register by Op0, Op1, CRn, CRm and Op2, the general-purpose register Rt, and
    /// the direction. That is all a kernel needs to emulate the read: Linux does so on machines
    /// whose cores differ in cache geometry.
    ///
    /// The case reads CTR_EL0 into X7 at EL0, and compares the whole syndrome and ELR_EL1. Then it
    /// sets UCT and reads again: no trap, and the value that EL1 reads.
    ///
    /// ```text
    ///   ISS    21:20  19:17  16:14  13:10  9:5    4:1    0
    ///          Op0    Op2    Op1    CRn    Rt     CRm    1 = read
    ///          3      1      3      0      7      0      1
    /// ```
    ///
    /// The order of the fields is not that of the encoding, and Op1 and Op2 change places easily:
    /// then the guest's kernel looks up another register and, finding none, kills the process.
    /// HCR_EL2.TID2 traps the same register to EL2, but not what UCT has trapped already.
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
    /// CNTKCTL_EL1.EL0VCTEN lets EL0 read the virtual counter CNTVCT_EL0, EL0PCTEN the physical
    /// one. CNTFRQ_EL0 is readable if either is set. What is not allowed traps to EL1 with EC 0x18
    /// and the register's name.
    ///
    /// The case reads the three registers at EL0 under three settings (none, virtual only, physical
    /// only) and compares nine outcomes.
    ///
    /// ```text
    ///   EL0 reads     CNTVCT     CNTPCT     CNTFRQ
    ///   neither bit   trap       trap       trap
    ///   EL0VCTEN      value      trap       value
    ///   EL0PCTEN      trap       value      value
    /// ```
    ///
    /// Linux's vDSO reads the virtual counter from EL0 millions of times a second; if that traps,
    /// `clock_gettime` becomes many times slower, or the process dies. A hypervisor may take the
    /// physical counter from its guest with CNTHCTL_EL2.EL1PCTEN = 0; such a trap goes to EL2,
    /// which must emulate the read, and must not touch those that CNTKCTL_EL1 sends to EL1.
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
    /// CNTKCTL_EL1.EL0VTEN and EL0PTEN give EL0 the timers themselves: their CTL, CVAL and TVAL
    /// registers. They are apart from the bits for the counters: who may read the time need not be
    /// allowed to arm a timer, and the other way round.
    ///
    /// The case reads CNTV_CTL_EL0 and CNTP_CTL_EL0 at EL0 under three settings: both counter bits
    /// and no timer bit, EL0VTEN alone, EL0PTEN alone. What is not allowed must trap with EC 0x18
    /// and name the register.
    ///
    /// ```text
    ///   EL0 reads     CNTV_CTL   CNTP_CTL
    ///   counters only trap       trap
    ///   EL0VTEN       value      trap
    ///   EL0PTEN       trap       value
    /// ```
    ///
    /// EL0's forbidden access goes to EL1 before EL2 is considered, so a hypervisor that traps the
    /// physical timer to emulate it (CNTHCTL_EL2.EL1PCEN) sees only what EL1 has allowed. An engine
    /// that asks for EL2's control first hands the access to that emulation, which serves it: a
    /// user program can then stop its kernel's tick.
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
    /// With SCTLR_EL1.UMA = 0 EL0 cannot mask interrupts. `MSR DAIF, X3` traps to EL1 with EC 0x18,
    /// naming DAIF, X3 and a write. The immediate form, `MSR DAIFSet, #2`, traps the same way: its
    /// ISS has Op0 = 0, the immediate in CRm, and Rt = 31.
    ///
    /// The case executes both at EL0 and compares the syndromes, and that SPSR_EL1 still has the
    /// masks of before. (QEMU 7.2 exchanges Op1 and Op2 of the immediate form.)
    ///
    /// ```text
    ///   EL0   msr daif, x3      --> EL1, EC 0x18: 3 3 C4 C2 1, Rt 3
    ///         msr daifset, #2   --> EL1, EC 0x18: 0 3 C4 C2 6, Rt 31
    /// ```
    ///
    /// The point is the order: nothing may have been written when the trap is taken. An emulator
    /// that treats DAIFSet as a quick PSTATE write without a check lets any process switch
    /// interrupts off, and a guest kernel that relies on its tick to get the CPU back has lost it
    /// for good. Linux sends SIGILL for the trap; only with the right syndrome does it know that
    /// this was a system instruction.
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
    /// SCTLR_EL1.nTWI = 0 traps WFI at EL0, if it would otherwise wait. ESR_EL1 has EC 0x01,
    /// ELR_EL1 is at the instruction, and ISS.TI tells WFI (0) from WFE (1). COND is 0b1110 with
    /// CV = 1.
    ///
    /// The case clears nTWI and executes WFI at EL0 with nothing pending. The trap must come, with
    /// that syndrome.
    ///
    /// ```text
    ///   EL0  wfi  -- nTWI = 0 --> EL1  EC 0x01        (this case)
    ///             -- nTWI = 1, HCR_EL2.TWI = 1 --> EL2: the vCPU sleeps
    ///             -- neither --> the PE waits
    /// ```
    ///
    /// Every hypervisor uses HCR_EL2.TWI to sleep instead of burning the core while a guest idles.
    /// An engine that looks at EL2's control first stops the whole vCPU for a process's WFI,
    /// although its kernel wanted to hear of it; kernels that use the trap to yield then hang until
    /// the next interrupt. An emulator must also set PC right: at the WFI for the trap, behind it
    /// after a completed wait.
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
    /// SCTLR_EL1.nTWE does for WFE what nTWI does for WFI: EC 0x01, with ISS.TI = 1. The trap comes
    /// only if the instruction would wait. With the Event Register set, WFE clears it and goes on.
    /// An exception return sets the Event Register, so the first WFE after the ERET to EL0 never
    /// waits.
    ///
    /// The case runs eight WFEs in a row at EL0 with nTWE = 0. One of them must trap, and not the
    /// first: ELR_EL1 lies behind the start. A machine whose WFE never waits has nothing to trap,
    /// and the case skips.
    ///
    /// ```text
    ///   eret (event = 1)
    ///   wfe   event 1 --> 0, goes on
    ///   wfe   would wait: EC 0x01, TI = 1, ELR here
    /// ```
    ///
    /// A hypervisor that traps WFE (HCR_EL2.TWE, to notice a vCPU that spins on a lock) has to
    /// leave the Event Register as the guest would find it. If its own exits and ERETs lose an
    /// event, a waiter sleeps through its SEV; if WFE traps unconditionally, spin locks in EL0
    /// become a storm of exceptions.
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
    /// With SCTLR_EL1.UMA = 1 EL0 may read and write its own D, A, I and F. PSTATE is one register,
    /// so what EL0 sets there masks interrupts for itself; EL1's masks come from exception entry
    /// and from EL1's own SPSR.
    ///
    /// The case lets EL0 read DAIF, write 0b0101 to it and set I by `MSR DAIFSet, #2`; then SVC. It
    /// wants the value that EL0 read to be 0b1111 (what SPSR_EL1 gave it), and SPSR_EL1.DAIF after
    /// the SVC to be 0b0111: both writes took effect, none trapped.
    ///
    /// It is the counterpart of `exception.el0_daif`. An emulator that hard-codes "EL0 may not"
    /// fails it. One that applies such a write lazily, at the next block or the next exit, fails it
    /// as well: the SVC saves the masks right after the write. A kernel that trusts its EL0 (there
    /// may be only one program) can use UMA for short critical sections there.
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
    /// DC ZVA zeroes a block of memory and is meant for EL0: `memset` uses it. SCTLR_EL1.DZE = 0
    /// takes it away, and reading DCZID_EL0.DZP at EL0 then says so (not looked at here). The trap
    /// has EC 0x18 and names the system instruction as it would a register: Op0 1, Op1 3, CRn 7,
    /// CRm 4, Op2 1, Rt 2, a write.
    ///
    /// The case fills a word, executes `DC ZVA, X2` at EL0 with DZE = 0 and compares the syndrome;
    /// then with DZE = 1 and wants the word to be zero. It skips where DCZID_EL0.DZP at EL1
    /// prohibits the instruction.
    ///
    /// HCR_EL2.TDZ traps the same to EL2, for hypervisors that cannot let it run, but only what DZE
    /// has let through. If DC ZVA silently does nothing, every page that a C library clears keeps
    /// its old contents: data leak between processes, and programs find rubbish in fresh memory.
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
    /// A register of a higher level does not exist for EL1: an access is UNDEFINED, EC 0 with ISS
    /// 0, and not a trap that would name it. So software at EL1 cannot learn from it what the
    /// levels above are doing. The same holds one level down for VBAR_EL1 at EL0.
    ///
    /// The case reads HCR_EL2 and SCR_EL3 at EL1 and writes VBAR_EL1 at EL0, and wants EC 0 at EL1
    /// each time.
    ///
    /// ```text
    ///   EL0   msr vbar_el1 --+
    ///   EL1   mrs hcr_el2 ---+--> UNDEFINED, EC 0, at EL1's vectors
    ///         mrs scr_el3 ---+
    /// ```
    ///
    /// With nested virtualization (HCR_EL2.NV) accesses of EL1 to EL2 registers trap to EL2
    /// instead; a hypervisor that has not offered EL2 to its guest must leave NV clear or inject
    /// the exception. An emulator with one table of registers and no level in it hands out the
    /// hypervisor's configuration, and accepts writes to it.
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
    /// TPIDR_EL0 is EL0's to read and write: the C library keeps the thread pointer there.
    /// TPIDRRO_EL0 EL0 may read only: what the kernel puts there (a CPU number, say) a process
    /// cannot forge. A write of it from EL0 is UNDEFINED: EC 0, the register unchanged.
    ///
    /// The case puts a token in TPIDRRO_EL0. EL0 writes TPIDR_EL0, reads the token, and tries to
    /// overwrite it. The case wants the token read, TPIDR_EL0 written, EC 0 with ELR_EL1 at the
    /// third instruction, and the token intact.
    ///
    /// ```text
    ///   EL0   msr tpidr_el0, x9      done
    ///         mrs x10, tpidrro_el0   done
    ///         msr tpidrro_el0, x9    UNDEFINED --> EL1, EC 0
    /// ```
    ///
    /// No hypervisor needs to trap these registers, and all must switch them: they belong to the
    /// vCPU. KVM, for one, saves them by hand on each world switch. If TPIDR_EL0 is forgotten,
    /// thread-local variables of one guest process, or worse of another guest, appear in the next:
    /// `errno` changes without reason, locks have the wrong owner.
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
