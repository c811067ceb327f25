//! Instructions that wait, and the hints around them.
//!
//! ```text
//!   HINT #n    0 NOP  1 YIELD  2 WFE  3 WFI  4 SEV  5 SEVL  ...  not allocated: NOP, for ever
//!   WFET, WFIT Xt     as WFE and WFI, until CNTVCT_EL0 >= Xt at the latest (FEAT_WFxT)
//! ```
//!
//! HCR_EL2.TWI and TWE let a hypervisor have the waits, to run somebody else. It must then wake
//! the vCPU for all that hardware would wake it for, and go on behind the instruction with all
//! else as it was. The event register and interrupts have groups of their own (event, virq,
//! gic_timer).

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::SCTLR_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::ExceptionClass;
use anyvisor_arch::field::Field;
use anyvisor_arch::sctlr;
use anyvisor_arch::sysreg::SysReg;
use tock_registers::interfaces::{Readable, Writeable};

use super::timer::milliseconds;
use crate::access::El;
use crate::probe::{Probe, mrs};
use crate::timer::VIRTUAL;
use crate::{case, check_eq, gic, hypercall, machine, services};

const WFE: u32 = 0xd503_205f;
const WFI: u32 = 0xd503_207f;
const SEVL: u32 = 0xd503_20bf;
/// WFET and WFIT, of X0; Rt in bits 4:0.
const WFET: u32 = 0xd503_1000;
const WFIT: u32 = 0xd503_1020;

/// ID_AA64ISAR2_EL1.WFxT is 2 where the feature is there.
fn has_timeouts(probe: &Probe) -> bool {
    const WFXT: Field = Field::new(3, 0);
    let id = SysReg::ID_AA64ISAR2_EL1.encoding();
    WFXT.get(probe.read(El::El1, id).done("ID_AA64ISAR2_EL1")[0]) >= 2
}

/// Every register different.
fn pattern() -> [u64; 31] {
    core::array::from_fn(|n| 0x9e37_79b9_7f4a_7c15 * (n as u64 + 1))
}

case! {
    /// WFIT and WFET where ID_AA64ISAR2_EL1.WFxT claims them: with a deadline that is past they
    /// end at once; with one a quarter of a millisecond on, and nothing else to wake for, a loop
    /// of them ends when the deadline is there and not later than patience lasts; XZR is a
    /// deadline of 0. Not claimed, both are UNDEFINED for each Rt, at EL1 and EL0.
    ///
    /// ```text
    ///   31                     16 15        5 4  0
    ///   |1101010100000011|0001000|0000|000|op| Rt |     op 0 WFET, 1 WFIT; not in the HINT space
    /// ```
    ///
    /// Trapped by HCR_EL2.TWI and TWE these two come with ISS.TI = 2 or 3 and the register in
    /// ISS.RN: a handler that tests TI for "not zero means WFE" takes WFIT for WFE, and one that
    /// knows no deadline puts a vCPU to sleep that nobody wakes. They are no hints: without the
    /// feature they must not be NOPs, or software that probes for them takes a busy loop for a
    /// wait.
    "power.timeouts": "WFIT and WFET end by their deadline where ISAR2.WFxT claims them, and are UNDEFINED where not";
    reference: "DDI 0487: FEAT_WFxT; WFET, WFIT; ESR_ELx, ISS for a WF* instruction (TI, RN)";
    needs: Needs::NONE;
    fn timeouts() {
        let probe = Probe::open();
        if !has_timeouts(&probe) {
            for el in [El::El1, El::El0] {
                for rt in [0, 1, 17, 30, 31] {
                    probe.run(el, &[WFET | rt], &[0; 31]).undefined(format_args!("WFET X{rt}"));
                    probe.run(el, &[WFIT | rt], &[0; 31]).undefined(format_args!("WFIT X{rt}"));
                }
            }
            return;
        }
        for word in [WFIT, WFET] {
            probe.run(El::El1, &[word | 31], &[]).done("a wait until 0");
            for el in [El::El1, El::El0] {
                probe.run(el, &[word], &[(VIRTUAL.counter)()]).done("a wait until now");
                let start = (VIRTUAL.counter)();
                let deadline = start + milliseconds(1) / 4;
                let mut waits = 0_u64;
                while (VIRTUAL.counter)() < deadline {
                    probe.run(el, &[word], &[deadline]).done("a wait with a deadline");
                    waits += 1;
                }
                let late = (VIRTUAL.counter)() - deadline;
                assert!(late < milliseconds(2000), "{late} ticks late after {waits} waits");
            }
        }
    }
}

case! {
    /// The HINT space: 128 encodings, of which some thirty mean something. All the others are NOPs
    /// on every machine there will ever be, at EL1 and EL0; so are those of features that are not
    /// there (BTI, PSB, DGH, CSDB as far as it can be seen) or switched off (PACIASP with
    /// SCTLR_EL1.EnIA = 0). Each is executed with a pattern in all registers and in NZCV, and
    /// nothing changes. WFE, WFI and XPACLRI, which do something, are left out.
    ///
    /// ```text
    ///   HINT #n    1101 0101 0000 0011 0010  CRm  op2  11111      n = CRm:op2
    /// ```
    ///
    /// Compilers emit hints for features of tomorrow because they are NOPs today. An emulator that
    /// knows only the allocated ones and makes the rest UNDEFINED kills the first program built
    /// with -mbranch-protection. A hypervisor with HCR_EL2.TWE or API traps set sees some of them
    /// as exits, and must go on behind them.
    "power.hints": "all 128 HINTs but WFE, WFI and XPACLRI change no register at EL1 and EL0: what is not allocated is a NOP";
    reference: "DDI 0487: the HINT encoding space; unallocated hints behave as NOP";
    needs: Needs::NONE;
    fn hints() {
        const LEFT_OUT: [u32; 3] = [2, 3, 7];
        const SET_NZCV: u32 = 0xd51b_4200; // MSR NZCV, X0
        let probe = Probe::open();
        let before = { let mut x = pattern(); x[0] = 0b1010 << 28; x };
        for n in (0..128).filter(|n| !LEFT_OUT.contains(n)) {
            let word = 0xd503_201f | n << 5;
            for el in [El::El1, El::El0] {
                let ended = probe.run(el, &[SET_NZCV, word], &before);
                check_eq!(ended.trap.spsr >> 28, 0b1010, "NZCV after HINT #{} at {:?}", n, el);
                let after = ended.done(format_args!("HINT #{n} at {el:?}"));
                for (register, (after, before)) in after.into_iter().zip(before).enumerate() {
                    check_eq!(after, before, "X{} after HINT #{} at {:?}", register, n, el);
                }
            }
        }
    }
}

/// Lets the virtual timer's interrupt come, masked by PSTATE, a little later; the deadline.
fn alarm() -> u64 {
    gic::enable((VIRTUAL.intid)(machine::get()), true);
    let deadline = (VIRTUAL.counter)() + milliseconds(1) / 4;
    VIRTUAL.start(deadline);
    deadline
}

/// Stops it.
fn silence() {
    VIRTUAL.stop();
    gic::enable((VIRTUAL.intid)(machine::get()), false);
    if hypercall::has_services() && !gic::is_present() {
        services::unmask_virtual_timer(); // it was masked when it fired
    }
}

case! {
    /// WFI and WFE with a pattern in X0 to X30 and in NZCV, at EL1 and EL0, ended by the timer's
    /// interrupt (masked by PSTATE.I, which does not matter to a wait) or by an event: all
    /// registers and flags are as before, and the next instruction is the one behind. WFI may end
    /// for no reason, so it is repeated until the deadline has passed.
    ///
    /// ```text
    ///   EL1  WFI --- HCR_EL2.TWI: exit, EC 0x01 ---> EL2: PC += 4, run somebody else
    ///   EL1  next instruction  <--- the timer, the GIC or another vCPU wakes it
    /// ```
    ///
    /// The vCPU is off its CPU for as long as it sleeps, and another thread, perhaps another CPU,
    /// takes it on again. PC is moved on by the exit's handler: forgotten, the WFI repeats and the
    /// guest hangs once it has nothing else to do; done twice (the handler and the emulator behind
    /// it), one instruction is skipped. Here the instruction behind the WFI is an SVC, and its ELR
    /// is looked at.
    "power.registers": "WFI and WFE leave X0 to X30 and NZCV alone at EL1 and EL0, and go on just behind themselves";
    reference: "DDI 0487: WFI, WFE; HCR_EL2.TWI, TWE; ESR_EL2, EC 0x01";
    needs: Needs::TIMER_IRQ;
    fn registers() {
        const SET_NZCV: u32 = 0xd51b_4200;
        let probe = Probe::open();
        let before = { let mut x = pattern(); x[0] = 0b0101 << 28; x };
        let patience = milliseconds(2000);
        for el in [El::El1, El::El0] {
            for words in [[SET_NZCV, WFI, WFI], [SET_NZCV, SEVL, WFE]] {
                let deadline = alarm();
                while (VIRTUAL.counter)() < deadline {
                    let ended = probe.run(el, &words, &before);
                    check_eq!(ended.trap.elr, ended.start + 16, "ELR_EL1 of the SVC behind the wait");
                    check_eq!(ended.trap.spsr >> 28, 0b0101, "NZCV after the wait");
                    let after = ended.done("the wait");
                    for (n, (after, before)) in after.into_iter().zip(before).enumerate() {
                        check_eq!(after, before, "X{} after the wait at {:?}", n, el);
                    }
                }
                let late = (VIRTUAL.counter)() - deadline;
                assert!(late < patience, "the wait ended {late} ticks after its timer");
                silence();
            }
        }
    }
}

case! {
    /// A program's WFI. With SCTLR_EL1.nTWI = 1 it waits as the kernel's does, and an interrupt
    /// wakes it that EL1 will take; with nTWI = 0 it traps to EL1 (EC 0x01), at the latest when
    /// there is nothing to wake for. Trapped it has not waited. With the timer's interrupt pending
    /// already both forms must come back at once, trapped or done: there is something to wake for.
    ///
    /// ```text
    ///   EL0  WFI   nTWI = 0   -> EC 0x01 to EL1: Linux goes on behind it
    ///              nTWI = 1   -> waits; HCR_EL2.TWI may still take it, from EL0 as well
    /// ```
    ///
    /// EL1's trap has priority over EL2's. A hypervisor that has TWI set and gets EL0's WFI puts
    /// the whole vCPU to sleep: right, if EL1 allowed it. One that injects the trap into EL1 on
    /// its own account confuses a guest whose nTWI says that it will never come.
    "power.wfi_el0": "WFI at EL0 waits for the timer with SCTLR_EL1.nTWI = 1; pending already, it comes back, trapped or done";
    reference: "DDI 0487: SCTLR_EL1.nTWI; WFI wake-up events; HCR_EL2.TWI";
    needs: Needs::TIMER_IRQ;
    fn wfi_el0() {
        let probe = Probe::open();
        for _ in 0..5 {
            let deadline = alarm();
            while (VIRTUAL.counter)() < deadline {
                probe.run(El::El0, &[WFI], &[]).done("WFI at EL0");
            }
            // Now it is pending.
            probe.run(El::El0, &[WFI], &[]).done("WFI at EL0 with the timer pending");
            SCTLR_EL1.set(SCTLR_EL1.get() & !sctlr::N_TWI);
            barrier::isb(barrier::SY);
            let ended = probe.run(El::El0, &[WFI], &[]);
            assert!(
                ended.is_done() || ended.trap.esr.class() == Ok(ExceptionClass::Wait),
                "WFI with nTWI = 0 took {}",
                ended.trap.esr
            );
            SCTLR_EL1.set(SCTLR_EL1.get() | sctlr::N_TWI);
            barrier::isb(barrier::SY);
            silence();
        }
        let counter = mrs(0, SysReg::CNTVCT_EL0.encoding());
        probe.run(El::El1, &[counter], &[]).done("CNTVCT_EL0");
    }
}
