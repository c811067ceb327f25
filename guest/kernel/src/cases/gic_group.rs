//! The two groups: Group 0 is signalled as FIQ, Group 1 as IRQ, where there is one security state.
//!
//! ```text
//!   Group 0 --> FIQ --> ICC_IAR0, EOIR0, HPPIR0, BPR0, IGRPEN0, AP0R
//!   Group 1 --> IRQ --> ICC_IAR1, EOIR1, HPPIR1, BPR1, IGRPEN1, AP1R
//!               PMR, RPR, CTLR, DIR: one for both
//! ```
//!
//! A virtual machine has one security state (GICD_CTLR.DS = 1), so both groups are the guest's.
//! With two, Group 0 belongs to the secure side and the cases skip.

use core::sync::atomic::{AtomicU64, Ordering};

use anyvisor_abi::case::Needs;
use anyvisor_arch::pstate::{Mode, Vector, vector_offset};

use super::gic::{check_quiet, check_state, end, spi, take};
use super::virq::only_one;
use crate::exception::TrapFrame;
use crate::gic::cpu_interface::{self as icc, FIQ, IDLE, IRQ, NONE, signalled};
use crate::gic::interrupt::{Group, Interrupt, State};
use crate::gic::{self, FREE_SPIS};
use crate::interrupt::{self, unmasked};
use crate::{case, check_eq, skip, smp};

/// An SPI of Group 0, with the group let through.
pub fn fiq(n: u32, priority: u64) -> Interrupt {
    if !gic::is_one_security_state() {
        skip!("GICD_CTLR.DS is 0: Group 0 is not ours");
    }
    icc::set_igrpen0(1);
    Interrupt::new(FREE_SPIS.start + n).prepare(Group::Zero, priority)
}

#[track_caller]
pub fn wait_for_fiq() {
    smp::spin_until(|| signalled() == FIQ);
}

/// The Group 0 interrupt `wanted` is signalled: acknowledges it.
#[track_caller]
pub fn take_fiq(wanted: Interrupt) {
    wait_for_fiq();
    check_eq!(icc::iar0(), u64::from(wanted.intid), "ICC_IAR0_EL1");
}

pub fn end_fiq(interrupt: Interrupt) {
    icc::set_eoir0(interrupt.intid.into());
}

case! {
    /// A Group 0 interrupt has registers of its own. ICC_IAR0_EL1 acknowledges it, ICC_EOIR0_EL1
    /// ends it; those of Group 1 do not see it and give 1023. The running priority is common.
    ///
    /// The case makes a Group 0 SPI pending, wants a FIQ in ISR_EL1, its INTID from HPPIR0, 1023
    /// from HPPIR1 and IAR1, takes it by IAR0, looks at RPR, and ends it.
    ///
    /// ```text
    ///   pending, Group 0 --> ISR_EL1.F
    ///   IAR1 = 1023 (not active)    IAR0 = INTID (active)
    /// ```
    ///
    /// Linux only uses Group 1, so a hypervisor may never have been asked for the other half:
    /// ICC_IAR0_EL1 is then UNDEFINED, or an alias of IAR1. If IAR1 acknowledges a Group 0
    /// interrupt, a kernel takes what its firmware waits for. In ICH_LR the group is one bit (60),
    /// and it decides between the virtual IRQ and FIQ; forgotten, all is FIQ.
    "gic_group.fiq": "a Group 0 interrupt is a FIQ: IAR0 gives it, IAR1 gives 1023, EOIR0 ends it";
    reference: "IHI 0069: interrupt grouping, one security state; ICC_IAR0_EL1, ICC_EOIR0_EL1";
    needs: Needs::GIC;
    fn group0() {
        let fiq = fiq(0, 0x60);
        fiq.set_pending();
        wait_for_fiq();
        check_eq!(icc::hppir0(), u64::from(fiq.intid), "ICC_HPPIR0_EL1");
        check_eq!(icc::hppir1(), NONE, "ICC_HPPIR1_EL1");
        check_eq!(icc::iar1(), NONE, "ICC_IAR1_EL1");
        take_fiq(fiq);
        check_state(fiq, State::ACTIVE);
        check_eq!(icc::rpr(), 0x60, "ICC_RPR_EL1");
        end_fiq(fiq);
        check_state(fiq, State::INACTIVE);
        check_eq!(icc::rpr(), IDLE, "ICC_RPR_EL1 at the end");
        check_quiet();
    }
}

/// The INTID that the handler took.
static TAKEN: AtomicU64 = AtomicU64::new(0);

fn handler(frame: &mut TrapFrame) {
    let is_fiq = frame.entry.kind() == Vector::Fiq;
    let intid = if is_fiq { icc::iar0() } else { icc::iar1() };
    TAKEN.store(intid, Ordering::Relaxed);
    if is_fiq { icc::set_eoir0(intid) } else { icc::set_eoir1(intid) }
}

case! {
    /// The two groups arrive by different vectors: Group 1 as IRQ at 0x280, Group 0 as FIQ at 0x300
    /// (from EL1 on SP_EL1), each under its own mask in PSTATE.
    ///
    /// The case takes one of each with both unmasked, and compares vector and INTID. The handler
    /// chooses IAR0 or IAR1 by the vector.
    ///
    /// ```text
    ///   GIC: Group 1 --> IRQ line --> PSTATE.I --> VBAR + 0x280
    ///        Group 0 --> FIQ line --> PSTATE.F --> VBAR + 0x300
    /// ```
    ///
    /// It is the GIC and the PE together, over two lines that a hypervisor's code calls by numbers,
    /// or by names of another API. `applevisor` 1.0.0 has its enumeration of the two the wrong way
    /// round; no type checker finds that. A guest with both lines exchanged reads IAR1 in its IRQ
    /// handler, gets 1023, returns, and is called again: an interrupt storm with nothing to
    /// acknowledge.
    "gic_group.vectors": "Group 1 is taken by vector 0x280, Group 0 by vector 0x300";
    reference: "IHI 0069: interrupt grouping; DDI 0487: exception vectors";
    needs: Needs::GIC;
    fn vectors() {
        for (interrupt, vector) in [(spi(1, 0x80), Vector::Irq), (fiq(0, 0x80), Vector::Fiq)] {
            interrupt::listen(handler);
            unmasked(|| {
                interrupt.set_pending();
                smp::spin_until(|| interrupt::count() > 0);
            });
            let taken = only_one();
            check_eq!(taken.entry.offset(), vector_offset(Mode::El1h, vector), "vector");
            check_eq!(TAKEN.load(Ordering::Relaxed), u64::from(interrupt.intid), "INTID");
            check_state(interrupt, State::INACTIVE);
        }
    }
}

case! {
    /// With interrupts of both groups pending the more urgent one is signalled, IRQ or FIQ, and IAR
    /// of the other group gives 1023 as long as it is not its turn.
    ///
    /// The case has 0x40 and 0x60 pending in both assignments, looks at ISR_EL1, tries the wrong
    /// IAR, takes the first, sees nothing signalled while it is active, ends it, and takes the
    /// other.
    ///
    /// ```text
    ///   Group 0 0x40, Group 1 0x60    FIQ    IAR1 = 1023
    ///   Group 0 0x60, Group 1 0x40    IRQ    IAR0 = 1023
    /// ```
    ///
    /// So the choice is made over both groups first, and then its group says which line. An
    /// implementation that asks each group for its own best, and raises both lines, lets the PE
    /// choose, which prefers as it likes: priority between groups has no effect any more. And its
    /// IAR hands out an interrupt of lesser priority than the one that is signalled. Priority
    /// inversion of this kind shows as jitter in whatever firmware does.
    "gic_group.order": "with both pending the more urgent is signalled, IRQ or FIQ, then the other";
    reference: "IHI 0069: prioritization; ICC_HPPIR0_EL1, ICC_HPPIR1_EL1";
    needs: Needs::GIC;
    fn order() {
        let (zero, one) = (fiq(0, 0x80), spi(1, 0x80));
        for (of_zero, of_one) in [(0x40, 0x60), (0x60, 0x40)] {
            zero.set_priority(of_zero);
            one.set_priority(of_one);
            zero.set_pending();
            one.set_pending();
            if of_zero < of_one {
                check_eq!(signalled(), FIQ, "ISR_EL1");
                check_eq!(icc::iar1(), NONE, "ICC_IAR1_EL1 while Group 0 comes first");
                take_fiq(zero);
                check_quiet();
                end_fiq(zero);
                take(one);
                end(one);
            } else {
                check_eq!(signalled(), IRQ, "ISR_EL1");
                check_eq!(icc::iar0(), NONE, "ICC_IAR0_EL1 while Group 1 comes first");
                take(one);
                check_quiet();
                end(one);
                take_fiq(zero);
                end_fiq(zero);
            }
        }
    }
}

case! {
    /// The group is a bit in IGROUPR that can be changed while the interrupt is pending. From then
    /// on it is signalled as the other kind, and held back or let through by the other enable.
    ///
    /// The case makes an SPI and an SGI pending in Group 0 (FIQ), moves each to Group 1 (IRQ), and
    /// back, with ICC_IGRPEN0_EL1 cleared (nothing) and set (FIQ), and takes it.
    ///
    /// ```text
    ///   IGROUPR = 0: FIQ   IGROUPR = 1: IRQ   = 0, IGRPEN0 = 0: none
    /// ```
    ///
    /// Like priority and enable, the group is copied into a list register when an interrupt is
    /// handed to a vCPU, and the copy must follow. Kernels set groups once at boot, when things may
    /// already be pending from before: a boot loader's timer, an SGI from a crashed kernel. If the
    /// copy does not follow, the first interrupt of the new kernel is a FIQ for which it has no
    /// handler, and it panics before it has a console.
    "gic_group.moved": "a pending interrupt that changes its group is signalled as the other";
    reference: "IHI 0069: GICD_IGROUPR<n>, GICR_IGROUPR0";
    needs: Needs::GIC;
    fn moved() {
        for interrupt in [fiq(0, 0x60), Interrupt::new(5).prepare(Group::Zero, 0x60)] {
            interrupt.set_pending();
            wait_for_fiq();
            interrupt.set_group(Group::One);
            smp::spin_until(|| signalled() == IRQ);
            interrupt.set_group(Group::Zero);
            icc::set_igrpen0(0);
            check_quiet();
            icc::set_igrpen0(1);
            take_fiq(interrupt);
            end_fiq(interrupt);
        }
    }
}
