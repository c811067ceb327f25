//! Priorities: who comes first, who interrupts whom, and how an interrupt ends.

use core::sync::atomic::{AtomicU64, Ordering};

use anyvisor_abi::case::Needs;
use anyvisor_arch::gic::icc::ctlr;
use anyvisor_arch::pstate::Vector;

use super::gic::{check_quiet, check_state, end, spi, take, wait_for_irq};
use super::gic_group::{end_fiq, fiq, take_fiq};
use crate::gic::cpu_interface::{self as icc, IDLE, IRQ, NONE, signalled};
use crate::gic::interrupt::{Group, Interrupt, State};
use crate::interrupt::{self, unmasked};
use crate::{case, check_eq, smp};

#[track_caller]
fn check_running(wanted: u64) {
    check_eq!(icc::rpr(), wanted, "ICC_RPR_EL1");
}

case! {
    /// Of several pending interrupts the one with the lowest number of priority comes first,
    /// whatever its INTID and kind.
    "gic_priority.order": "pending SPIs and an SGI are acknowledged in the order of their priorities";
    reference: "IHI 0069: interrupt prioritization";
    needs: Needs::GIC;
    fn order() {
        let sgi = Interrupt::new(9).prepare(Group::One, 0x50);
        let all = [spi(0, 0xa0), spi(1, 0x40), sgi, spi(2, 0x60), spi(3, 0x10)];
        for interrupt in all {
            interrupt.set_pending();
        }
        for n in [4, 1, 2, 3, 0] {
            take(all[n]);
            end(all[n]);
        }
        check_quiet();
        check_running(IDLE);
    }
}

case! {
    /// While one is active only a more urgent one is signalled; it runs in the middle of the other,
    /// and ends before it.
    "gic_priority.preemption": "0x40 preempts 0x80, then 0x10 that; RPR goes down and, with each EOIR, up again";
    reference: "IHI 0069: preemption; ICC_RPR_EL1; priority drop";
    needs: Needs::GIC;
    fn preemption() {
        let all = [(spi(0, 0x80), 0x80), (spi(1, 0x40), 0x40), (spi(2, 0x10), 0x10)];
        for (interrupt, priority) in all {
            interrupt.set_pending();
            take(interrupt);
            check_running(priority);
        }
        for (n, (interrupt, priority)) in all.into_iter().enumerate().rev() {
            check_state(interrupt, State::ACTIVE);
            check_running(priority);
            end(interrupt);
            check_state(interrupt, State::INACTIVE);
            check_running(if n == 0 { IDLE } else { all[n - 1].1 });
        }
    }
}

case! {
    /// The same priority does not interrupt, nor a lesser one. They wait.
    "gic_priority.no_preemption": "an equal or lesser priority waits for the end of the active one";
    reference: "IHI 0069: preemption; ICC_RPR_EL1";
    needs: Needs::GIC;
    fn no_preemption() {
        let active = spi(0, 0x80);
        active.set_pending();
        take(active);
        let (equal, lesser) = (spi(1, 0x80), spi(2, 0x90));
        equal.set_pending();
        lesser.set_pending();
        check_quiet();
        check_eq!(icc::iar1(), NONE, "ICC_IAR1_EL1");
        check_running(0x80);
        end(active);
        take(equal);
        check_quiet();
        end(equal);
        take(lesser);
        end(lesser);
        check_running(IDLE);
    }
}

/// Whether `pending` interrupts `active`, as priorities.
fn preempts(first: Interrupt, second: Interrupt, active: u64, pending: u64) -> bool {
    first.set_priority(active);
    second.set_priority(pending);
    first.set_pending();
    take(first);
    second.set_pending();
    crate::gic::settle();
    let preempted = signalled() == IRQ;
    if preempted {
        take(second);
        end(second);
        end(first);
    } else {
        end(first);
        take(second);
        end(second);
    }
    check_running(IDLE);
    preempted
}

/// Whether two priorities differ in the bits above the binary point, in which only they count:
/// `group` has the bits that do.
fn check_groups(group: u64) {
    let (first, second) = (spi(0, 0x80), spi(1, 0x80));
    for active in [0x80, 0x50, 0xf0] {
        for pending in [0x00, 0x40, 0x70, 0x80, 0xa0, 0xe0] {
            let wanted = pending & group < active & group;
            let seen = preempts(first, second, active, pending);
            assert!(
                seen == wanted,
                "{pending:#x} preempts {active:#x}: {seen}, with the bits {group:#x}"
            );
        }
    }
}

case! {
    /// The binary point divides a priority: only the upper part decides over preemption. In
    /// ICC_BPR1_EL1 a value n leaves bits 7 to n.
    "gic_priority.binary_point": "ICC_BPR1 4, 5, 6 and 7: only bits 7 to BPR1 decide over preemption";
    reference: "IHI 0069: priority grouping; ICC_BPR1_EL1";
    needs: Needs::GIC;
    fn binary_point() {
        for point in 4..=7 {
            icc::set_bpr1(point);
            check_groups(0xff & 0xff << point);
        }
    }
}

case! {
    /// Which one comes first is decided by all bits, whatever the binary point.
    "gic_priority.order_within_group": "with BPR1 7 the more urgent of two still comes first, and is not preempted";
    reference: "IHI 0069: priority grouping: subpriority";
    needs: Needs::GIC;
    fn order_within_group() {
        icc::set_bpr1(7);
        let (less, more) = (spi(0, 0x70), spi(1, 0x10));
        less.set_pending();
        more.set_pending();
        take(more);
        check_quiet();
        end(more);
        take(less);
        more.set_pending();
        check_quiet();
        end(less);
        take(more);
        end(more);
    }
}

case! {
    /// With CBPR the binary point of Group 0 is for both; there a value n leaves bits 7 to n + 1.
    /// BPR1 then shows it, and cannot be written.
    "gic_priority.common_binary_point": "CBPR: BPR0 decides for Group 1, BPR1 reads BPR0 + 1 and ignores writes";
    reference: "IHI 0069: ICC_CTLR_EL1.CBPR, ICC_BPR0_EL1, ICC_BPR1_EL1";
    needs: Needs::GIC;
    fn common_binary_point() {
        if !crate::gic::is_one_security_state() {
            crate::skip!("GICD_CTLR.DS is 0: ICC_BPR0_EL1 is not ours");
        }
        icc::set_bpr1(4);
        icc::set_ctlr(ctlr::CBPR);
        for point in [3, 5, 6, 7] {
            icc::set_bpr0(point);
            check_eq!(icc::bpr1(), (point + 1).min(7), "ICC_BPR1_EL1 with BPR0 {}", point);
            icc::set_bpr1(2);
            check_eq!(icc::bpr1(), (point + 1).min(7), "ICC_BPR1_EL1 after a write");
            check_groups(0xff & 0xff << (point + 1));
        }
        icc::set_ctlr(0);
        check_eq!(icc::bpr1(), 4, "ICC_BPR1_EL1 without CBPR");
    }
}

case! {
    /// With EOImode 1 the end comes in two steps: EOIR drops the priority, so that others may come;
    /// DIR makes the interrupt inactive, so that it may come again.
    "gic_priority.eoi_mode": "EOImode 1: EOIR drops the priority only, DIR deactivates; between them others come";
    reference: "IHI 0069: ICC_CTLR_EL1.EOImode, ICC_EOIR1_EL1, ICC_DIR_EL1";
    needs: Needs::GIC;
    fn eoi_mode() {
        icc::set_ctlr(ctlr::EOI_MODE);
        check_eq!(icc::ctlr() & ctlr::EOI_MODE, ctlr::EOI_MODE, "ICC_CTLR_EL1.EOImode");
        let (first, lesser) = (spi(0, 0x40), spi(1, 0x90));
        first.set_pending();
        take(first);
        lesser.set_pending();
        check_quiet();
        end(first);
        check_running(IDLE);
        check_state(first, State::ACTIVE);
        first.set_pending(); // it comes again, and has to wait for DIR
        take(lesser);
        end(lesser);
        icc::set_dir(lesser.intid.into());
        check_state(lesser, State::INACTIVE);
        check_state(first, State::ACTIVE_AND_PENDING);
        check_quiet();
        icc::set_dir(first.intid.into());
        take(first);
        end(first);
        icc::set_dir(first.intid.into());
        check_state(first, State::INACTIVE);
    }
}

case! {
    /// Priorities drop in the reverse order of acknowledging; deactivation has no order.
    "gic_priority.deactivate_any_order": "EOImode 1: DIR of the outer interrupt may come before that of the inner";
    reference: "IHI 0069: ICC_DIR_EL1: deactivation need not follow the order";
    needs: Needs::GIC;
    fn deactivate_any_order() {
        icc::set_ctlr(ctlr::EOI_MODE);
        let (outer, inner) = (spi(0, 0x80), spi(1, 0x40));
        for interrupt in [outer, inner] {
            interrupt.set_pending();
            take(interrupt);
        }
        icc::set_dir(outer.intid.into());
        check_state(outer, State::INACTIVE);
        check_running(0x40);
        end(inner);
        check_running(0x80);
        check_state(inner, State::ACTIVE);
        end(outer);
        check_running(IDLE);
        icc::set_dir(inner.intid.into());
        check_state(inner, State::INACTIVE);
    }
}

case! {
    /// AP1R is what the CPU interface remembers: a bit for each priority that is active.
    "gic_priority.active_priorities": "ICC_AP0R0 and AP1R0 have a bit for each active priority of their group";
    reference: "IHI 0069: ICC_AP0R<n>_EL1, ICC_AP1R<n>_EL1";
    needs: Needs::GIC;
    fn active_priorities() {
        let bits = || [icc::ap0r0(), icc::ap1r0()].map(u64::count_ones);
        let check = |zero: u32, one: u32| {
            let seen = bits();
            assert!(seen == [zero, one], "{seen:?} bits of AP0R0, AP1R0, not {zero}, {one}");
        };
        let zero = fiq(2, 0x20);
        check(0, 0);
        let (outer, inner) = (spi(0, 0x80), spi(1, 0x40));
        for (n, interrupt) in (1..).zip([outer, inner]) {
            interrupt.set_pending();
            take(interrupt);
            check(0, n);
        }
        zero.set_pending();
        take_fiq(zero);
        check(1, 2);
        check_running(0x20);
        end_fiq(zero);
        check(0, 2);
        end(inner);
        end(outer);
        check(0, 0);
    }
}

/// What the handlers did: a digit each, in order.
static STORY: AtomicU64 = AtomicU64::new(0);

fn tell(digit: u64) {
    STORY.store(STORY.load(Ordering::Relaxed) * 10 + digit, Ordering::Relaxed);
}

fn told() -> u64 {
    STORY.swap(0, Ordering::Relaxed)
}

case! {
    /// The same with handlers that are interrupted: the inner one begins and ends inside the outer.
    "gic_priority.nested": "an IRQ handler that unmasks is interrupted by a more urgent IRQ, not by a lesser";
    reference: "IHI 0069: preemption; DDI 0487: PSTATE.I in a handler";
    needs: Needs::GIC;
    fn nested() {
        told();
        let (less, outer, inner) = (spi(0, 0xa0), spi(1, 0x80), spi(2, 0x40));
        interrupt::listen(|_| {
            let intid = icc::iar1();
            let n = intid - u64::from(crate::gic::FREE_SPIS.start);
            tell(1 + n);
            if n == 1 {
                Interrupt::new(crate::gic::FREE_SPIS.start).set_pending();
                Interrupt::new(crate::gic::FREE_SPIS.start + 2).set_pending();
                crate::gic::settle();
                unmasked(|| smp::spin_until(|| STORY.load(Ordering::Relaxed) % 10 == 7));
            }
            icc::set_eoir1(intid);
            tell(5 + n);
        });
        unmasked(|| {
            outer.set_pending();
            smp::spin_until(|| interrupt::count() == 3 && icc::rpr() == IDLE);
        });
        // Begins as 1 to 3, ends as 5 to 7: outer, inner in it, and then the lesser one.
        check_eq!(told(), 237_615, "the handlers' story");
        for interrupt in [less, outer, inner] {
            check_state(interrupt, State::INACTIVE);
        }
    }
}

case! {
    /// A FIQ of Group 0 interrupts the handler of an IRQ as soon as PSTATE.F lets it.
    "gic_priority.fiq_in_irq": "a more urgent Group 0 interrupt is taken as FIQ inside an IRQ handler";
    reference: "IHI 0069: preemption between groups";
    needs: Needs::GIC;
    fn fiq_in_irq() {
        told();
        let (zero, one) = (fiq(0, 0x40), spi(1, 0x80));
        interrupt::listen(|frame| {
            if frame.entry.kind() == Vector::Fiq {
                let intid = icc::iar0();
                tell(3);
                icc::set_eoir0(intid);
                return;
            }
            let intid = icc::iar1();
            tell(1);
            Interrupt::new(crate::gic::FREE_SPIS.start).set_pending();
            unmasked(|| smp::spin_until(|| STORY.load(Ordering::Relaxed) % 10 == 3));
            icc::set_eoir1(intid);
            tell(2);
        });
        unmasked(|| {
            one.set_pending();
            smp::spin_until(|| interrupt::count() == 2 && icc::rpr() == IDLE);
        });
        check_eq!(told(), 132, "the handlers' story");
        check_state(zero, State::INACTIVE);
        wait_for_nothing();
    }
}

/// What is pending after all of it: nothing.
fn wait_for_nothing() {
    check_quiet();
    check_running(IDLE);
}

case! {
    /// Priority may change while an interrupt waits; it counts as it is when it is acknowledged.
    "gic_priority.changed_while_pending": "a pending interrupt whose priority changes overtakes another";
    reference: "IHI 0069: GICD_IPRIORITYR<n>: effect of a change";
    needs: Needs::GIC;
    fn changed_while_pending() {
        let (first, second) = (spi(0, 0x40), spi(1, 0x80));
        first.set_pending();
        second.set_pending();
        wait_for_irq();
        check_eq!(icc::hppir1(), u64::from(first.intid), "ICC_HPPIR1_EL1");
        second.set_priority(0x20);
        take(second);
        check_running(0x20);
        end(second);
        take(first);
        end(first);
    }
}
