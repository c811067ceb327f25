//! The two groups: Group 0 is signalled as FIQ, Group 1 as IRQ, where there is one security state.

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
    /// Group 0 has registers of its own; those of Group 1 do not see it.
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
    /// And they arrive by different vectors.
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
    /// Of both groups the more urgent one is signalled, and the other one's IAR gives nothing.
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
    /// The group is a property that can be changed while it is pending.
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
