//! Interrupts that the monitor injects: taken, held back, in order. As wake-up events they are in
//! `wait.rs`.
//!
//! The monitor drives the vCPU's IRQ and FIQ lines directly, with no interrupt controller between,
//! so what is seen here is the PE's own behaviour: lines are levels, PSTATE.I and F hold them back,
//! and taking one masks both.
//!
//! ```text
//!   hypervisor: HCR_EL2.VI, VF   (hv_vcpu_set_pending_interrupt)
//!         |
//!   virtual IRQ, FIQ --> ISR_EL1.I, F --> PSTATE.I, F clear? --> vector
//! ```
//!
//! With HCR_EL2.IMO and FMO set, physical interrupts go to EL2, whatever the guest masks, and the
//! virtual ones are those that the guest sees.

use core::arch::{asm, global_asm};

use anyvisor_abi::case::Needs;
use anyvisor_abi::service::{INJECT, LEVEL_HIGH, LEVEL_LOW, LEVEL_PULSE, LINE_FIQ, LINE_IRQ};
use anyvisor_arch::pstate::{self, DAIF, Mode, Vector, vector_offset};

use crate::exception::TrapFrame;
use crate::interrupt::{self, Taken, unmasked};
use crate::services::{self, host_time, inject};
use crate::timer::{self, VIRTUAL};
use crate::trap::{After, catch};
use crate::user::{self, User};
use crate::{case, check_eq, user_code};

/// ISR_EL1: what is pending at this vCPU, masked or not.
pub fn pending() -> u64 {
    let isr: u64;
    // SAFETY: reads a register.
    unsafe { asm!("isb", "mrs {}, isr_el1", out(reg) isr, options(nostack)) };
    isr & (ISR_I | ISR_F)
}

/// ISR_EL1.I: an IRQ is pending.
pub const ISR_I: u64 = 1 << 7;
/// ISR_EL1.F: a FIQ is pending.
pub const ISR_F: u64 = 1 << 6;

/// Lowers the line that the vector belongs to.
pub fn lower(frame: &mut TrapFrame) {
    let line = if frame.entry.kind() == Vector::Fiq { LINE_FIQ } else { LINE_IRQ };
    inject(line, LEVEL_LOW, 0);
}

/// The one interrupt that was taken.
#[track_caller]
pub fn only_one() -> Taken {
    check_eq!(interrupt::count() as u64, 1, "interrupts taken");
    interrupt::nth(0).expect("the first is in the log")
}

/// Makes the INJECT call in line; returns the address of the instruction behind the HVC.
fn inject_here(line: u64, level: u64) -> u64 {
    let behind: u64;
    // SAFETY: the call changes an interrupt line; SMCCC says which registers it may change.
    unsafe {
        asm!(
            "hvc #0",
            "2:",
            "adr x9, 2b",
            inout("x0") u64::from(INJECT) => _, inout("x1") line => _,
            inout("x2") level => _, inout("x3") 0_u64 => _,
            out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _,
            out("x9") behind, out("x10") _, out("x11") _, out("x12") _, out("x13") _,
            out("x14") _, out("x15") _, out("x16") _, out("x17") _, options(nostack),
        );
    }
    behind
}

/// An unmasked line that goes high is taken before the next instruction.
fn check_taken_at_once(line: u64, kind: Vector) {
    interrupt::listen(lower);
    let behind = unmasked(|| inject_here(line, LEVEL_HIGH));
    let taken = only_one();
    check_eq!(taken.entry.offset(), vector_offset(Mode::El1h, kind), "vector");
    check_eq!(taken.elr, behind, "ELR_EL1");
    check_eq!(taken.spsr & DAIF, DAIF & !(pstate::I | pstate::F), "SPSR_EL1.DAIF");
    check_eq!(taken.spsr & pstate::MODE, Mode::El1h.bits(), "SPSR_EL1.M");
}

case! {
    /// An IRQ that becomes pending during a hypercall is taken when the call returns: the
    /// hypervisor's ERET synchronizes, so it comes before the next instruction. The vector is 0x280
    /// (EL1 on SP_EL1, IRQ), ELR_EL1 is behind the HVC, SPSR_EL1 shows I and F clear.
    ///
    /// The case unmasks, has the monitor raise the IRQ line in an HVC that stands in line, and
    /// compares. The handler lowers the line; exactly one interrupt is taken.
    ///
    /// ```text
    ///   EL1  hvc ----+            +--> VBAR + 0x280, ELR = behind the hvc
    ///   EL2          VI = 1, eret-+
    /// ```
    ///
    /// With HCR_EL2.VI the PE does it. A hypervisor that injects by hand (SPSR, ELR, PC written by
    /// itself) must do it after PC is behind the HVC, or the call is made twice. One that injects
    /// although PSTATE.I is set, "because it is urgent", enters the guest's handler with ELR_EL1
    /// and SPSR_EL1 in use: both are lost.
    "virq.irq_taken": "an unmasked IRQ is taken at once: vector 0x280, ELR behind the HVC";
    reference: "DDI 0487: AArch64.TakePhysicalIRQException; HCR_EL2.VI";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn irq_taken() {
        check_taken_at_once(LINE_IRQ, Vector::Irq);
    }
}

case! {
    /// A FIQ is an interrupt with a vector (0x300 from EL1 on SP_EL1) and a mask (PSTATE.F) of its
    /// own. With HCR_EL2.VF the hypervisor makes a virtual one pending.
    ///
    /// The case raises the FIQ line in an HVC with F clear and wants vector 0x300, ELR_EL1 behind
    /// the HVC, SPSR_EL1 with I and F clear and mode EL1h, and one interrupt.
    ///
    /// ```text
    ///   HCR_EL2.VI --> vector 0x280        masks PSTATE.I
    ///   HCR_EL2.VF --> vector 0x300        masks PSTATE.F
    /// ```
    ///
    /// Many guests never use FIQ, so that mistakes live long: both lines sent to 0x280, or FIQ held
    /// back by PSTATE.I. Apple's systems deliver their timer by FIQ, and a GIC with one security
    /// state gives Group 0 as FIQ. Such guests panic for want of a FIQ handler, or wait for a tick
    /// that never comes.
    "virq.fiq_taken": "an unmasked FIQ is taken at once: vector 0x300, ELR behind the HVC";
    reference: "DDI 0487: AArch64.TakePhysicalFIQException; HCR_EL2.VF";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn fiq_taken() {
        check_taken_at_once(LINE_FIQ, Vector::Fiq);
    }
}

/// A masked line is pending, is seen in ISR_EL1, is not taken, and is gone when lowered.
fn check_masked(line: u64, isr: u64) {
    // No handler: if it is taken, the case fails.
    inject(line, LEVEL_HIGH, 0);
    check_eq!(pending(), isr, "ISR_EL1 while the line is high");
    host_time(); // another exit and entry: still there
    check_eq!(pending(), isr, "ISR_EL1 after another exit");
    inject(line, LEVEL_LOW, 0);
    check_eq!(pending(), 0, "ISR_EL1 after the line is low");
    interrupt::listen(lower);
    unmasked(host_time);
    check_eq!(interrupt::count() as u64, 0, "interrupts taken after the line is low");
}

case! {
    /// PSTATE.I holds an IRQ back. It stays pending, and ISR_EL1.I shows it, but nothing is taken.
    /// When the line goes low before I is cleared, it was never there: nothing remembers a level.
    ///
    /// The case raises the line with I set, reads ISR_EL1, makes another hypercall and reads it
    /// again (still there), has the line lowered (gone), and unmasks: nothing may be taken.
    ///
    /// ```text
    ///   line      ____|---------------|______
    ///   ISR.I     0    1    exit   1    0
    ///   PSTATE.I  1 1 1 1 1 1 1 1 1 1 1 1 | 0      nothing taken
    /// ```
    ///
    /// Under Hypervisor.framework a pending line is forgotten at each exit and must be set before
    /// every entry: the second read of ISR_EL1 finds out who does not. The opposite mistake, a
    /// latch that stays after the line is low, gives the guest an interrupt whose source has
    /// nothing to say; Linux counts those and at last disables the line.
    "virq.irq_masked": "an IRQ masked by PSTATE.I is pending in ISR_EL1 and not taken";
    reference: "DDI 0487: PSTATE.I; ISR_EL1.I";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn irq_masked() {
        check_masked(LINE_IRQ, ISR_I);
    }
}

case! {
    /// PSTATE.F does for FIQ what PSTATE.I does for IRQ: held back, it is pending in ISR_EL1.F and
    /// nothing else happens; the line lowered, it is gone.
    ///
    /// The case is that of `virq.irq_masked` with the FIQ line: raised and seen, seen again after
    /// another exit, lowered and not seen, unmasked and not taken. As no handler listens while it
    /// is masked, one that is taken fails the case by itself.
    ///
    /// ```text
    ///   ISR_EL1   bit 7 I    bit 6 F    bit 8 A
    /// ```
    ///
    /// ISR_EL1 is read by code that polls with interrupts masked: firmware, debuggers, this kernel.
    /// At EL1 it shows the virtual interrupts if HCR_EL2.IMO and FMO are set, and the physical ones
    /// if not. A hypervisor that leaves FMO clear because it "does not use FIQ" shows the guest its
    /// host's, and sends them there.
    "virq.fiq_masked": "a FIQ masked by PSTATE.F is pending in ISR_EL1 and not taken";
    reference: "DDI 0487: PSTATE.F; ISR_EL1.F";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn fiq_masked() {
        check_masked(LINE_FIQ, ISR_F);
    }
}

case! {
    /// Clearing PSTATE.I lets a pending IRQ be taken. A write of PSTATE takes effect in program
    /// order; the interrupt itself must be taken in finite time, and at the latest at the next
    /// context synchronization event, such as an ISB, before the instruction behind it.
    ///
    /// The case raises the line with I set, wants nothing taken, then executes `MSR DAIFClr, #2`
    /// and ISB. The interrupt must come with ELR_EL1 at the ISB or behind it.
    ///
    /// ```text
    ///   msr daifclr, #2
    ///   isb               <-- ELR here,
    ///   msr daifset, #2   <-- or here; not later
    /// ```
    ///
    /// A hypervisor by HCR_EL2.VI has nothing to do here. Others have to notice the unmasking,
    /// which does not exit: an emulator that looks for interrupts only at the end of a block takes
    /// it after the mask is back, and never. A `local_irq_enable` with a `local_irq_disable` soon
    /// after it is such a window, and on that emulator a guest's clock may stop.
    "virq.unmask": "a pending IRQ is taken as soon as PSTATE.I is cleared";
    reference: "DDI 0487: MSR (immediate) DAIFClr; asynchronous exception behavior";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn unmask() {
        interrupt::listen(lower);
        inject(LINE_IRQ, LEVEL_HIGH, 0);
        check_eq!(interrupt::count() as u64, 0, "interrupts taken while masked");
        let at: u64;
        // SAFETY: the handler is there; the mask is put back.
        unsafe {
            asm!("msr daifclr, #2", "2: isb", "msr daifset, #2", "adr {}, 2b",
                out(reg) at, options(nostack));
        }
        let elr = only_one().elr;
        assert!([at, at + 4].contains(&elr), "ELR_EL1: {elr:#x}, expected the ISB at {at:#x}, or behind");
    }
}

case! {
    /// IRQ and FIQ are masked apart. With F clear and I set, a FIQ is taken while an IRQ that is
    /// pending too is held back.
    ///
    /// The case raises both lines masked, reads both in ISR_EL1, clears F only and executes ISB.
    /// Exactly one interrupt is taken, by the FIQ's vector, and afterwards ISR_EL1 shows the IRQ
    /// alone.
    ///
    /// ```text
    ///   pending   I F     PSTATE.F := 0     FIQ taken     pending  I
    ///   PSTATE    I F                       vector 0x300  PSTATE   I F
    /// ```
    ///
    /// An implementation that has one flag, "interrupts enabled", or that asks first which of the
    /// two is pending and then for that one's mask, takes the IRQ or none: it finds the IRQ, sees
    /// it masked, and stops looking. A pseudo-NMI scheme, in which FIQ stays open while IRQ is
    /// masked, is what then fails: the watchdog that should report a hang is itself not heard.
    "virq.masks_are_separate": "PSTATE.F clear, I set: of both pending only the FIQ is taken";
    reference: "DDI 0487: PSTATE.I, PSTATE.F";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn masks_are_separate() {
        interrupt::listen(lower);
        inject(LINE_IRQ, LEVEL_HIGH, 0);
        inject(LINE_FIQ, LEVEL_HIGH, 0);
        check_eq!(pending(), ISR_I | ISR_F, "ISR_EL1");
        // SAFETY: the handler is there; the mask is put back.
        unsafe { asm!("msr daifclr, #1", "isb", "msr daifset, #1", options(nostack)) };
        check_eq!(only_one().entry.offset(), vector_offset(Mode::El1h, Vector::Fiq), "vector");
        check_eq!(pending(), ISR_I, "ISR_EL1 after the FIQ");
        inject(LINE_IRQ, LEVEL_LOW, 0);
    }
}

case! {
    /// With IRQ and FIQ pending together and both unmasked, both are taken, one after the other,
    /// each once. Which is first is the implementation's choice: the manual leaves the priority of
    /// asynchronous exceptions IMPLEMENTATION DEFINED.
    ///
    /// The case raises both, unmasks, and wants two interrupts, one by each vector, in either
    /// order, and nothing pending after.
    ///
    /// ```text
    ///   I, F pending --> FIQ: mask I, F; lower; eret --> IRQ: ...; eret
    ///               or   IRQ first, then FIQ
    /// ```
    ///
    /// Entry masks both, so the second waits for the first one's ERET, which unmasks and is a
    /// synchronization: the second is taken there, before the interrupted code goes on. A
    /// hypervisor that injects by hand and writes ELR twice in a row, at one entry, loses the
    /// first: both handlers run, and the second one's ERET returns into the first's vector with its
    /// first instruction not yet executed and its ELR gone.
    "virq.both": "IRQ and FIQ pending together are both taken, once each";
    reference: "DDI 0487: prioritization of asynchronous exceptions is IMPLEMENTATION DEFINED";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn both() {
        interrupt::listen(lower);
        inject(LINE_IRQ, LEVEL_HIGH, 0);
        inject(LINE_FIQ, LEVEL_HIGH, 0);
        unmasked(|| {});
        check_eq!(interrupt::count() as u64, 2, "interrupts taken");
        let kinds = [0, 1].map(|n| interrupt::nth(n).expect("two are in the log").entry.kind());
        assert!(
            kinds == [Vector::Irq, Vector::Fiq] || kinds == [Vector::Fiq, Vector::Irq],
            "taken were {kinds:?}"
        );
        check_eq!(pending(), 0, "ISR_EL1 after both");
    }
}

case! {
    /// Taking an exception masks D, A, I and F. A handler that has saved its registers may clear F
    /// again, and a FIQ then interrupts it. The inner SPSR_EL1 says that I was masked and F was
    /// not.
    ///
    /// The case takes an IRQ; its handler raises the FIQ line, sees that nothing happens while F is
    /// set, clears F, executes ISB, and the FIQ must have been taken. Both return, and two
    /// interrupts are counted.
    ///
    /// ```text
    ///   code --IRQ--> handler: F = 0 --FIQ--> handler
    ///                 SPSR: I,F = 0           SPSR: I = 1, F = 0
    /// ```
    ///
    /// On paper this is like `exception.nested`; in a hypervisor it is another path, as the line
    /// goes up while the guest is inside a handler, after an exit that its handler made. A
    /// hypervisor that marks "an interrupt is being handled" and holds back all others until it
    /// sees an ERET (which does not exit) never delivers the FIQ.
    "virq.fiq_nests": "a FIQ interrupts an IRQ handler that unmasks F; both return";
    reference: "DDI 0487: AArch64.TakeException masks D, A, I, F";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn fiq_nests() {
        interrupt::listen(|frame| {
            lower(frame);
            if frame.entry.kind() == Vector::Irq {
                inject(LINE_FIQ, LEVEL_HIGH, 0);
                check_eq!(interrupt::count() as u64, 1, "interrupts taken while F is masked");
                // SAFETY: the handler can be entered again; the mask is put back.
                unsafe { asm!("msr daifclr, #1", "isb", "msr daifset, #1", options(nostack)) };
                check_eq!(interrupt::count() as u64, 2, "interrupts taken with F unmasked");
            }
        });
        unmasked(|| inject(LINE_IRQ, LEVEL_HIGH, 0));
        check_eq!(interrupt::count() as u64, 2, "interrupts taken");
        let inner = interrupt::nth(1).expect("two are in the log");
        check_eq!(inner.entry.offset(), vector_offset(Mode::El1h, Vector::Fiq), "the inner vector");
        check_eq!(inner.spsr & DAIF, DAIF & !pstate::F, "the inner SPSR_EL1.DAIF");
    }
}

case! {
    /// An interrupt that becomes pending inside a synchronous handler waits for its ERET. That
    /// restores I from SPSR_EL1 and is a context synchronization event: the IRQ is taken before the
    /// instruction to which the ERET goes.
    ///
    /// The case executes SVC with interrupts unmasked; its handler raises the IRQ line and sees
    /// that nothing is taken. The IRQ's ELR_EL1 must equal that of the SVC: the instruction behind
    /// it.
    ///
    /// ```text
    ///   svc --> handler (I = 1): line up --> eret, I = 0
    ///   2:                                     |--> IRQ, ELR = 2:
    /// ```
    ///
    /// An emulator that looks for interrupts after every N instructions, or only at branches that
    /// it follows itself, executes a few instructions of the caller first. It seems harmless, but a
    /// system call that has made a task runnable then returns to the wrong one and runs it for a
    /// while: the place where a preemptive kernel looks for work is just this.
    "virq.after_eret": "an IRQ raised in an SVC handler is taken right after its ERET";
    reference: "DDI 0487: ERET; PSTATE.I restored from SPSR_EL1";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn after_eret() {
        interrupt::listen(lower);
        let trap = unmasked(|| {
            let handler = After::Handler(|_| {
                inject(LINE_IRQ, LEVEL_HIGH, 0);
                check_eq!(interrupt::count() as u64, 0, "interrupts taken in the handler");
            });
            // SAFETY: the exception is announced.
            catch(handler, || unsafe { asm!("svc #0") })
        });
        check_eq!(only_one().elr, trap.elr, "ELR_EL1 of the IRQ");
    }
}

case! {
    /// EL0 is interrupted through the third group of vectors: 0x480 for IRQ. The handler has
    /// SP_EL1; ELR_EL1 is where EL0 was, SPSR_EL1.M says EL0t. What the handler does to ELR is
    /// where EL0 goes on, which is all that a scheduler does.
    ///
    /// The case lets EL0 spin on a branch to itself with I and F clear, and has the monitor raise
    /// the line after a millisecond. The handler lowers it and adds 4 to ELR; EL0 comes to its SVC.
    ///
    /// ```text
    ///   EL0   1: b 1b  ... IRQ            svc
    ///   EL1              0x480: ELR += 4 --^
    /// ```
    ///
    /// The loop makes no exit. The hypervisor has to reach a vCPU that is inside the guest: it must
    /// kick the thread or core (hv_vcpus_exit, an IPI), set VI, and enter again. One that delivers
    /// only at exits that happen anyway leaves EL0 spinning for ever; a guest's kernel cannot take
    /// the CPU from a process. HCR_EL2.TGE must be 0 here as well.
    "virq.from_el0": "an IRQ during EL0's loop takes vector 0x480 and can move EL0 on";
    reference: "DDI 0487: exception vectors, from a lower level using AArch64";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn from_el0() {
        interrupt::listen(|frame| {
            lower(frame);
            frame.elr += 4;
        });
        let start = user_code!(user_spins);
        let mut user = User::at(start);
        user.pstate = DAIF & !(pstate::I | pstate::F) | Mode::El0t.bits();
        inject(LINE_IRQ, LEVEL_HIGH, 1_000_000);
        let trap = user::run(&mut user);
        let taken = only_one();
        check_eq!(taken.entry.offset(), vector_offset(Mode::El0t, Vector::Irq), "vector");
        check_eq!(taken.elr, start, "ELR_EL1");
        check_eq!(taken.spsr & pstate::MODE, Mode::El0t.bits(), "SPSR_EL1.M");
        check_eq!(trap.elr, start + 8, "ELR_EL1 of EL0's SVC");
    }
}

case! {
    /// A line is a level. If the handler does not lower it, the interrupt is taken again as soon as
    /// its ERET unmasks.
    ///
    /// The case raises the line in an HVC; its handler lowers it the third time only. Three
    /// interrupts must be taken, all with ELR_EL1 behind the HVC: the interrupted code has not
    /// executed one instruction between.
    ///
    /// ```text
    ///   line   |------------------------|____
    ///   IRQ      0x280  eret 0x280  eret 0x280 lower  eret
    ///   ELR      2:          2:          2:
    /// ```
    ///
    /// A hypervisor whose API forgets the line at each exit has to raise it again before each
    /// entry, as long as the source says so; one that treats "inject" as an event delivers one.
    /// Devices with level interrupts then lose work: the handler serves one cause, returns, and
    /// expects to be called for the other. A network card under load stops, and a ping from outside
    /// does not help.
    "virq.level": "a line that stays high is taken again after the handler returns";
    reference: "DDI 0487: interrupts are level-sensitive at the PE";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn level() {
        interrupt::listen(|frame| {
            if interrupt::count() == 3 {
                lower(frame);
            }
        });
        let behind = unmasked(|| inject_here(LINE_IRQ, LEVEL_HIGH));
        check_eq!(interrupt::count() as u64, 3, "interrupts taken");
        for n in 0..3 {
            check_eq!(interrupt::nth(n).expect("in the log").elr, behind, "ELR_EL1 of {}", n);
        }
    }
}

case! {
    /// Hypervisor.framework clears a pending interrupt when the run returns: set before an entry,
    /// it is presented at that entry. The monitor's "pulse" is that and no more: taken if it is
    /// unmasked then, gone at the next exit if not.
    ///
    /// The case takes a pulse of IRQ unmasked, with an exit inside its handler: one interrupt. Then
    /// it sends a FIQ masked, sees it in ISR_EL1, exits, and sees it no more.
    ///
    /// ```text
    ///   set pending, run --> ISR.F = 1 --> exit --> run --> ISR.F = 0
    /// ```
    ///
    /// The contract is the framework's (`hv_vcpu_set_pending_interrupt`) and not the manual's:
    /// HCR_EL2.VI, in contrast, stays until it is cleared. Porting a VMM from KVM to the framework
    /// goes wrong here in both directions. If VI is left set, each pulse becomes an interrupt
    /// storm; if the line is not repeated, an interrupt that the guest had masked at the moment is
    /// lost, and its disk waits for ever.
    "virq.pulse": "a pulse is taken once without being lowered; masked, it is gone after an exit";
    reference: "hv_vcpu_set_pending_interrupt: cleared when a run returns";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn pulse() {
        interrupt::listen(|_| {
            host_time(); // an exit inside the handler: the line is low from here on
        });
        unmasked(|| inject(LINE_IRQ, LEVEL_PULSE, 0));
        check_eq!(interrupt::count() as u64, 1, "interrupts taken");
        inject(LINE_FIQ, LEVEL_PULSE, 0);
        check_eq!(pending(), ISR_F, "ISR_EL1 at the entry with the pulse");
        host_time();
        check_eq!(pending(), 0, "ISR_EL1 at the next entry");
        check_eq!(interrupt::count() as u64, 1, "interrupts taken in all");
    }
}

case! {
    /// A hypervisor must be able to get a vCPU out of the guest at any moment: `hv_vcpus_exit`, a
    /// signal and `immediate_exit` under KVM. The run call returns "cancelled", and the vCPU can be
    /// entered again. The guest must not see it: registers and time go on.
    ///
    /// The case has the monitor cancel it half a millisecond ahead, is busy adding meanwhile, and
    /// asks now and then how many entries were cancelled. There must be exactly one, and the sum
    /// must be right.
    ///
    /// ```text
    ///   guest   add add add | add add add       sum as if nothing happened
    ///   host    cancel -----+ exit, count, run
    /// ```
    ///
    /// The race is between the request and the entry: if it comes while the vCPU is outside it must
    /// not be lost, and if it comes twice it is one exit or two but never none. A lost one is a VM
    /// that cannot be paused while it computes; one with a half-saved register is a wrong sum, once
    /// in a million.
    "virq.cancel": "a cancelled entry is counted by the monitor and invisible to the guest";
    reference: "hv_vcpus_exit; Anyvisor's contract: CANCEL";
    needs: Needs::SERVICES;
    fn cancel() {
        const DELAY: u64 = 500_000;
        const NEVER: u64 = 3600 * 1_000_000_000;
        const PATIENCE: u64 = 2_000_000_000;
        let start = host_time();
        let before = services::cancel(DELAY);
        let (mut rounds, mut sum) = (0_u64, 0_u64);
        loop {
            // Busy for 1 ms without an exit of its own.
            let end = (VIRTUAL.counter)() + timer::frequency() / 1000;
            while (VIRTUAL.counter)() < end {
                (rounds, sum) = (rounds + 1, sum + rounds);
            }
            // Asking announces another one, which never comes.
            let cancelled = services::cancel(NEVER) - before;
            if cancelled > 0 {
                check_eq!(cancelled, 1, "entries cancelled");
                break;
            }
            let waited = host_time() - start;
            assert!(waited < PATIENCE, "no entry was cancelled in {waited} ns");
        }
        check_eq!(sum, rounds * (rounds - 1) / 2, "the sum of what was counted meanwhile");
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".global user_spins",
    "user_spins: b user_spins",
    "            svc #0",
    ".popsection",
);
