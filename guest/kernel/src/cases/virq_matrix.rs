//! The two interrupt lines against the two masks, over exits and without them.

use anyvisor_abi::case::Needs;
use anyvisor_abi::service::{LEVEL_HIGH, LEVEL_LOW, LINE_FIQ, LINE_IRQ};
use anyvisor_arch::pstate::{self, Vector};

use aarch64_cpu::registers::DAIF;
use tock_registers::interfaces::{Readable, Writeable};

use super::timer::milliseconds;
use super::virq::{ISR_F, ISR_I, lower, pending};
use crate::services::{host_time, inject};
use crate::smp::spin_until;
use crate::timer::VIRTUAL;
use crate::{case, check_eq, hypercall, interrupt};

/// The lines, with what ISR_EL1 and PSTATE call them.
const LINES: [(u64, u64, u64, Vector); 2] =
    [(LINE_IRQ, ISR_I, pstate::I, Vector::Irq), (LINE_FIQ, ISR_F, pstate::F, Vector::Fiq)];

/// Runs `body` with these of PSTATE.I and F clear.
fn with_unmasked(bits: u64, body: impl FnOnce()) {
    let before = DAIF.get();
    DAIF.set(before & !bits);
    body();
    DAIF.set(before);
}

/// How many of the interrupts that were taken came through a vector.
fn taken_by(kind: Vector) -> usize {
    (0..interrupt::count())
        .filter(|&n| interrupt::nth(n).is_some_and(|taken| taken.entry.kind() == kind))
        .count()
}

case! {
    /// Both lines, high or low, against both masks, set or clear: 16 states, each reached in both
    /// orders (the lines first, or the masks first). What is high and not masked is taken once; what
    /// is high and masked stands in ISR_EL1; nothing else happens.
    ///
    /// ```text
    ///              PSTATE.I = 1         PSTATE.I = 0
    ///   IRQ high   ISR_EL1.I, no more   vector 0x280, handler lowers it
    ///   IRQ low    nothing              nothing          and the same of FIQ, independent of it
    /// ```
    ///
    /// The masks are two and the lines are two. A hypervisor that has one flag "interrupt pending",
    /// or asks for an IRQ window only, gets 14 of the 16 right. The two orders differ in who takes
    /// the interrupt: the entry after the call that raised it, or the MSR DAIFClr with no exit at all.
    "virq.mask_matrix": "IRQ and FIQ high or low against PSTATE.I and F, in both orders: taken, or held in ISR_EL1, exactly so";
    reference: "DDI 0487: PSTATE.I, F; ISR_EL1; asynchronous exception masking";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn mask_matrix() {
        for state in 0..32_u64 {
            let high = |n: usize| state >> n & 1 == 1;
            let open = |n: usize| state >> (2 + n) & 1 == 1;
            let lines_first = state & 16 == 0;
            interrupt::listen(lower);
            let unmasked = (0..2).filter(|&n| open(n)).fold(0, |bits, n| bits | LINES[n].2);
            let raise = || {
                for n in (0..2).filter(|&n| high(n)) {
                    inject(LINES[n].0, LEVEL_HIGH, 0);
                }
            };
            let mut held = 0;
            if lines_first {
                raise();
                let all = (0..2).filter(|&n| high(n)).fold(0, |bits, n| bits | LINES[n].1);
                check_eq!(pending(), all, "ISR_EL1 with all masked, state {:#b}", state);
                with_unmasked(unmasked, || held = pending());
            } else {
                with_unmasked(unmasked, || {
                    raise();
                    held = pending();
                });
            }
            for (n, (_, isr, _, kind)) in LINES.into_iter().enumerate() {
                let wanted = usize::from(high(n) && open(n));
                assert!(taken_by(kind) == wanted, "state {state:#b}: {kind:?} was taken {} times", taken_by(kind));
                let stands = if high(n) && !open(n) { isr } else { 0 };
                check_eq!(held & isr, stands, "ISR_EL1, state {:#b}", state);
                inject(LINES[n].0, LEVEL_LOW, 0);
            }
            check_eq!(pending(), 0, "ISR_EL1 at the end of state {:#b}", state);
        }
    }
}

case! {
    /// A line that is high and masked is still high after any number of exits: of calls, of device
    /// accesses, of a WFI. It is taken once when it is unmasked. And a line that was lowered
    /// meanwhile is not taken.
    ///
    /// ```text
    ///   IRQ   ____|~~~~~~~~~~~~~~~~~~~~~~~~|______
    ///   exits     HVC  MMIO  HVC  WFI  ...
    ///   PSTATE.I  1    1     1    1      0 -> taken
    /// ```
    ///
    /// Hypervisor.framework forgets a pending interrupt whenever `hv_vcpu_run` returns: the monitor
    /// has to give it again before each entry, and to stop giving it when the line is low. KVM keeps
    /// it until it is told otherwise. Code that was written for one of the two loses interrupts on
    /// the other, or takes them for ever.
    "virq.kept_over_exits": "a masked line stays pending over HVC, MMIO and WFI exits and is taken once; lowered, not at all";
    reference: "hv_vcpu_set_pending_interrupt: cleared when a run returns; DDI 0487: ISR_EL1, WFI";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn kept_over_exits() {
        let exits: [fn(); 3] = [
            || {
                hypercall::call32(anyvisor_abi::smccc::PSCI_VERSION, 0);
            },
            || {
                crate::console::is_transmit_interrupt_raised(); // reads a register of the console
            },
            aarch64_cpu::asm::wfi, // completes at once: an interrupt is pending
        ];
        for (line, isr, mask, kind) in LINES {
            for lowered in [false, true] {
                interrupt::listen(lower);
                inject(line, LEVEL_HIGH, 0);
                for round in 0..5 {
                    for (n, exit) in exits.into_iter().enumerate() {
                        exit();
                        check_eq!(pending(), isr, "ISR_EL1 after exit {} of round {}", n, round);
                    }
                }
                if lowered {
                    inject(line, LEVEL_LOW, 0);
                    check_eq!(pending(), 0, "ISR_EL1 after the line was lowered");
                }
                with_unmasked(mask, || {
                    host_time();
                });
                let wanted = usize::from(!lowered);
                check_eq!(taken_by(kind) as u64, wanted as u64, "taken by {:?}", kind);
                check_eq!(interrupt::count() as u64, wanted as u64, "taken in all");
            }
        }
    }
}

case! {
    /// A line that rises while the guest runs and makes no exit of its own: the hypervisor has to
    /// make one, to tell it. Masked it shows in ISR_EL1, and when it falls again it is gone there,
    /// with no interrupt taken.
    ///
    /// ```text
    ///   guest   loop: MRS ISR_EL1, no exit ..................................
    ///   host          raise after 200 us |---- cancel the run, enter again with the line
    ///   ISR.I   0000000000000000000000000000011111111 ... lowered: 0
    /// ```
    ///
    /// On Apple's framework this is `hv_vcpus_exit` on the running vCPU, on KVM a signal or the
    /// vGIC's kick. A hypervisor that only looks at the lines when an exit happens delivers it with
    /// the next timer tick: everything works, slowly. One that is lowered in the same way and not
    /// told leaves an interrupt that is taken when nobody asks for it any more.
    "virq.while_running": "a line that rises or falls while the guest loops without exits shows in ISR_EL1, and is taken if unmasked";
    reference: "DDI 0487: ISR_EL1; hv_vcpus_exit; interrupts are level-sensitive at the PE";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn while_running() {
        const DELAY: u64 = 200_000;
        for (line, isr, mask, kind) in LINES {
            inject(line, LEVEL_HIGH, DELAY);
            spin_until(|| pending() == isr);
            inject(line, LEVEL_LOW, DELAY);
            spin_until(|| pending() == 0);
            interrupt::listen(lower);
            with_unmasked(mask, || {
                let quiet = (VIRTUAL.counter)() + milliseconds(1);
                while (VIRTUAL.counter)() < quiet {}
                assert!(interrupt::count() == 0, "{kind:?} was taken of a line that is low");
                inject(line, LEVEL_HIGH, DELAY);
                spin_until(|| interrupt::count() == 1);
            });
            check_eq!(taken_by(kind) as u64, 1, "taken by {:?}", kind);
            check_eq!(pending(), 0, "ISR_EL1 after the handler lowered it");
        }
    }
}

case! {
    /// Up and down again before the guest gets to see it, in every order of the two lines: what is
    /// low at the entry was never there.
    ///
    /// ```text
    ///   raise I, raise F, lower I          only F is pending
    ///   raise F, lower F, raise F          F, once
    ///   raise I, lower I                   nothing
    /// ```
    ///
    /// A hypervisor that queues interrupts ("there was an IRQ") instead of keeping levels delivers
    /// two, or one that is none. For a message it would be right; for a line it is not.
    "virq.last_level_counts": "lines raised and lowered in every sequence of 4 steps: what is pending and taken is the last level";
    reference: "DDI 0487: interrupts are level-sensitive at the PE; HCR_EL2.VI, VF";
    needs: Needs::SERVICES.and(Needs::LINES);
    fn last_level_counts() {
        for sequence in 0..256_u32 {
            let mut levels = [LEVEL_LOW; 2];
            for step in 0..4 {
                let action = sequence >> (2 * step) & 0b11;
                let (which, level) = ((action & 1) as usize, u64::from(action >> 1));
                levels[which] = if level == 0 { LEVEL_LOW } else { LEVEL_HIGH };
                inject(LINES[which].0, levels[which], 0);
            }
            let wanted = LINES.iter().zip(levels).filter(|(_, level)| *level == LEVEL_HIGH);
            let isr = wanted.clone().fold(0, |isr, (line, _)| isr | line.1);
            check_eq!(pending(), isr, "ISR_EL1 after sequence {:#x}", sequence);
            interrupt::listen(lower);
            with_unmasked(pstate::I | pstate::F, || {
                host_time();
            });
            check_eq!(interrupt::count() as u64, wanted.count() as u64, "taken after sequence {:#x}", sequence);
        }
    }
}
