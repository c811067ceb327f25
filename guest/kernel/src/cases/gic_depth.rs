//! Priorities through and through: each mask against each priority, nesting as deep as it goes,
//! several interrupts at once under EOImode 1, states changed under a running handler.

use anyvisor_abi::case::Needs;
use anyvisor_arch::gic::icc::ctlr;

use super::gic::{check_quiet, check_state, end, spi, take};
use crate::gic::cpu_interface::{self as icc, IDLE, IRQ, NONE, signalled};
use crate::gic::interrupt::{Group, Interrupt, State};
use crate::gic::{self, DEFAULT_PRIORITY, FREE_SPIS};
use crate::{case, check_eq};

/// The distance of two priorities that are different, and the lowest one.
fn priorities() -> (u64, u64) {
    let step = 1 << (8 - icc::priority_bits());
    (step, 0x100 - step)
}

case! {
    /// ICC_PMR_EL1 at each value that it can hold, against each priority that an interrupt can have:
    /// signalled if and only if the priority is a lower number than the mask.
    ///
    /// ```text
    ///   priority    00 08 10 ... 78 | 80 88 ... f8        with 5 bits: 32 x 32 pairs
    ///   PMR = 0x80  signalled       | held back           equal is held back
    /// ```
    ///
    /// EL1 masks by PMR what it does not want inside a critical section (Linux's pseudo-NMIs live
    /// on it). The access is a system register: with a vGIC in hardware there is no exit, so the
    /// comparison is the hardware's. A hypervisor that models it has three chances: `<=` for `<`
    /// (the one everybody makes), comparing all eight bits though fewer are implemented, and not
    /// looking again at what is pending when PMR is raised: the guest then waits for the next
    /// interrupt to notice this one.
    "gic_priority.every_mask": "each value of ICC_PMR_EL1 against each priority: signalled if and only if priority < mask";
    reference: "IHI 0069: ICC_PMR_EL1: priority masking; ICC_CTLR_EL1.PRIbits";
    needs: Needs::GIC;
    fn every_mask() {
        let spi = spi(0, 0);
        spi.set_pending();
        let (step, lowest) = priorities();
        for priority in (0..=lowest).step_by(step as usize) {
            spi.set_priority(priority);
            gic::settle();
            check_eq!(spi.priority(), priority, "the priority read back");
            for mask in (0..=lowest).step_by(step as usize) {
                icc::set_pmr(mask);
                let wanted = if priority < mask { IRQ } else { 0 };
                check_eq!(signalled(), wanted, "ISR_EL1: priority {:#x}, PMR {:#x}", priority, mask);
            }
            // And from the top: raised to all that there is, the mask lets all through but the lowest
            // priority, which is not below it.
            icc::set_pmr(0);
            icc::set_pmr(0xff);
            let wanted = if priority < lowest { IRQ } else { 0 };
            check_eq!(signalled(), wanted, "ISR_EL1: priority {:#x}, PMR 0xff", priority);
        }
        spi.clear_pending();
        check_quiet();
    }
}

case! {
    /// Handlers nest as deep as there are priorities. Each acknowledge pushes one active priority,
    /// each EOIR drops the most urgent one that is active, and the running priority follows.
    ///
    /// ```text
    ///   ICC_AP1R0_EL1  ...0001  ...0011  ...0111         ...0011  ...0001  ...0000
    ///   ICC_RPR_EL1    f0       e0       d0     ...      e0       f0       ff
    ///                  IAR      IAR      IAR             EOIR     EOIR     EOIR
    /// ```
    ///
    /// The active priorities are a set of bits, one for each preemption level, not a stack of INTIDs:
    /// that is why hardware needs no memory for nesting, and why a hypervisor that saves a vCPU must
    /// save AP0R and AP1R, and all of ICH_AP1R<n>_EL2 where there are more than 32 levels. One that
    /// keeps "the active interrupt" in a single variable survives one preemption, which is all that
    /// most guests do.
    "gic_priority.depth": "16 SGIs and 8 SPIs, each more urgent than the one before, all nested: RPR and AP1R follow down and up";
    reference: "IHI 0069: preemption; ICC_RPR_EL1, ICC_AP1R<n>_EL1; priority drop";
    needs: Needs::GIC;
    fn depth() {
        let (step, lowest) = priorities();
        icc::set_bpr1(0); // as many levels as there are
        let levels = 0x80 >> icc::bpr1().max(1) << 1;
        let sources = (0..16).chain(FREE_SPIS).take(levels.min(lowest / step + 1) as usize);
        // Each a whole preemption level above the one before.
        let rung = (0x100 / levels).max(step);
        let mut all = [(Interrupt::new(0), 0); 24];
        let mut depth = 0;
        // The lowest priority of all is never signalled with a mask of as many bits: begin above it.
        for (n, intid) in (2..).zip(sources).take_while(|(n, _)| n * rung <= 0x100) {
            let priority = 0x100 - n * rung;
            all[depth] = (Interrupt::new(intid).prepare(Group::One, priority), priority);
            depth += 1;
        }
        assert!(depth >= 8, "only {depth} levels of {rung:#x} each");
        for (n, (interrupt, priority)) in all[..depth].iter().enumerate() {
            interrupt.set_pending();
            take(*interrupt);
            check_eq!(icc::rpr(), *priority, "ICC_RPR_EL1 at depth {}", n + 1);
            check_eq!(icc::ap1r0().count_ones().into(), n as u64 + 1, "bits of ICC_AP1R0_EL1");
            check_quiet();
        }
        for n in (0..depth).rev() {
            let (interrupt, priority) = all[n];
            check_eq!(icc::rpr(), priority, "ICC_RPR_EL1 before the end of depth {}", n + 1);
            end(interrupt);
            check_state(interrupt, State::INACTIVE);
            check_eq!(icc::ap1r0().count_ones().into(), n as u64, "bits of ICC_AP1R0_EL1");
        }
        check_eq!(icc::rpr(), IDLE, "ICC_RPR_EL1 at the end");
    }
}

case! {
    /// EOImode 1 takes the end of an interrupt apart: EOIR drops the priority, DIR deactivates, and
    /// any number may be dropped and not yet deactivated. DIR in all 24 orders of four.
    ///
    /// ```text
    ///   IAR a, b, c, d  (nested)   active: a b c d     running: d's priority
    ///   EOIR d, c, b, a            active: a b c d     idle: anything may be signalled again,
    ///                                                  but not a to d themselves
    ///   DIR  in any order          each leaves the others active
    /// ```
    ///
    /// This is a hypervisor's own mode: it acknowledges a device's interrupt, drops the priority so
    /// that others can come, and lets the guest's EOI deactivate it (ICH_LR.HW). Linux's KVM and Xen
    /// run in it, and under nested virtualization they are the guest. What goes wrong: EOIR that
    /// deactivates all the same (the device interrupts at once again), DIR that works on the last
    /// acknowledged interrupt instead of the one it names, DIR that drops a priority too.
    "gic_priority.many_dropped": "EOImode 1: four interrupts dropped and active, deactivated by DIR in each of the 24 orders";
    reference: "IHI 0069: ICC_CTLR_EL1.EOImode, ICC_EOIR1_EL1, ICC_DIR_EL1";
    needs: Needs::GIC;
    fn many_dropped() {
        icc::set_ctlr(ctlr::EOI_MODE);
        let all = [0, 1, 2, 3].map(|n| spi(n, 0xc0 - 0x20 * u64::from(n)));
        let orders = (0..256_usize).map(|n| [n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6]);
        let permutations = orders.filter(|order| (0..4).all(|n| order.contains(&n)));
        let mut count = 0;
        for order in permutations {
            for interrupt in all {
                interrupt.set_pending();
                take(interrupt);
            }
            for interrupt in all.into_iter().rev() {
                end(interrupt);
                check_state(interrupt, State::ACTIVE);
            }
            check_eq!(icc::rpr(), IDLE, "ICC_RPR_EL1 after the last EOIR");
            all[order[0]].set_pending(); // active: it waits
            check_quiet();
            all[order[0]].clear_pending();
            for (done, n) in order.into_iter().enumerate() {
                icc::set_dir(all[n].intid.into());
                for (at, other) in order.into_iter().enumerate() {
                    let wanted = if at <= done { State::INACTIVE } else { State::ACTIVE };
                    check_state(all[other], wanted);
                }
                check_eq!(icc::rpr(), IDLE, "ICC_RPR_EL1 after DIR");
            }
            count += 1;
        }
        check_eq!(count, 24, "orders of four");
    }
}

case! {
    /// Software clears the active state of an interrupt whose handler still runs. The state is the
    /// distributor's (or the redistributor's); the running priority is the CPU interface's, and
    /// stays until EOIR.
    ///
    /// ```text
    ///            IAR              ICACTIVER            pending again         EOIR
    ///   state    active           inactive             pending               pending -> signalled
    ///   RPR      80               80                   80: held back         idle
    /// ```
    ///
    /// Two places, one interrupt: that is what a hypervisor with list registers has to keep in step.
    /// A guest's ICACTIVER is a write to memory, an exit, and the interrupt's state may stand in a
    /// list register of a vCPU that runs elsewhere: that vCPU must be stopped first. Who only
    /// changes his own table sees the interrupt come back active when the list register is read
    /// back.
    "gic.active_cleared": "ICACTIVER under a running handler: the interrupt may be pending again, and waits for the priority to drop";
    reference: "IHI 0069: GICD_ICACTIVER, GICR_ICACTIVER0; ICC_RPR_EL1; ICC_EOIR1_EL1 of an inactive interrupt";
    needs: Needs::GIC;
    fn active_cleared() {
        for interrupt in [Interrupt::new(4).prepare(Group::One, DEFAULT_PRIORITY), spi(1, DEFAULT_PRIORITY)] {
            interrupt.set_pending();
            take(interrupt);
            interrupt.clear_active();
            check_state(interrupt, State::INACTIVE);
            check_eq!(icc::rpr(), DEFAULT_PRIORITY, "ICC_RPR_EL1 after ICACTIVER");
            interrupt.set_pending();
            check_state(interrupt, State::PENDING);
            check_quiet();
            check_eq!(icc::iar1(), NONE, "ICC_IAR1_EL1 under the same priority");
            end(interrupt); // drops the priority; there is nothing to deactivate
            check_eq!(icc::rpr(), IDLE, "ICC_RPR_EL1 after EOIR");
            take(interrupt);
            end(interrupt);
            check_state(interrupt, State::INACTIVE);
            check_quiet();
        }
    }
}

case! {
    /// Disabled while pending, active or both, in every order with the group, the mask and the
    /// priority: the enable decides over forwarding alone. It neither takes a pending state away
    /// nor ends an active one.
    ///
    /// ```text
    ///   pending, enabled --ICENABLER--> pending, not signalled --ISENABLER--> signalled
    ///   active           --ICENABLER--> active  --EOIR--> inactive
    ///   active+pending   --ICENABLER--> active+pending --EOIR--> pending, not signalled
    /// ```
    ///
    /// `disable_irq` of a kernel does this with a device that goes on. A hypervisor that throws the
    /// interrupt out of its list of pending ones when it is disabled loses an edge for ever: the
    /// device does not send it again.
    "gic.disabled_states": "ICENABLER holds back and loses nothing: pending, active, both, for SGI and SPI";
    reference: "IHI 0069: GICD_ICENABLER, GICR_ICENABLER0: disabling an interrupt that is pending or active";
    needs: Needs::GIC;
    fn disabled_states() {
        for interrupt in [Interrupt::new(5).prepare(Group::One, 0x60), spi(2, 0x60)] {
            for _ in 0..3 {
                interrupt.set_pending();
                interrupt.disable();
                check_quiet();
                check_state(interrupt, State::PENDING);
                check_eq!(icc::hppir1(), NONE, "ICC_HPPIR1_EL1 while it is disabled");
                interrupt.enable();
                take(interrupt);
                interrupt.disable();
                gic::settle();
                check_state(interrupt, State::ACTIVE);
                interrupt.set_pending();
                check_state(interrupt, State::ACTIVE_AND_PENDING);
                end(interrupt);
                check_state(interrupt, State::PENDING);
                check_quiet();
                interrupt.enable();
                take(interrupt);
                end(interrupt);
                check_state(interrupt, State::INACTIVE);
            }
        }
    }
}
