//! Priorities: who comes first, who interrupts whom, and how an interrupt ends.
//!
//! A lower number is more urgent. Three things are compared: the mask (PMR), what is active (RPR),
//! and what is pending.
//!
//! ```text
//!   pending, priority p:   p < PMR                  else held back
//!                          group(p) < group(RPR)    else waits
//!                          lowest p first           all bits
//! ```
//!
//! The CPU interface remembers the active priorities as bits (ICC_AP0R0, AP1R0); EOIR clears the
//! most urgent one of its group, whatever INTID is written. With list registers hardware does all
//! this; the hypervisor chooses which interrupts are in the few registers, and must choose the most
//! urgent.

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
    /// Of several pending interrupts the one with the lowest priority number comes first, whatever
    /// its INTID, its kind, and when it came.
    ///
    /// The case makes four SPIs and an SGI pending in another order than that of their priorities
    /// and takes them one by one: 0x10, 0x40, 0x50, 0x60, 0xa0.
    ///
    /// ```text
    ///   set pending   0xa0  0x40  SGI 0x50  0x60  0x10
    ///   IAR gives     0x10  0x40  SGI 0x50  0x60  0xa0
    /// ```
    ///
    /// A hypervisor that fills list registers in the order of arrival is right as long as there are
    /// fewer interrupts than registers, which on many cores are four. With five pending the fifth
    /// waits outside although it may be the most urgent one. So it has to sort, and to set the
    /// underflow interrupt (ICH_HCR_EL2.UIE or NPIE) in order to come back for the rest. SGIs and
    /// PPIs live in another frame than SPIs; who searches one after the other prefers a frame.
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
    /// While an interrupt is active only a more urgent one is signalled. It is then acknowledged in
    /// the middle of the other, and ends before it. ICC_RPR_EL1 is the priority of the innermost;
    /// each EOIR goes back by one.
    ///
    /// The case takes 0x80, then 0x40, then 0x10, each inside the other, and ends them in reverse,
    /// with RPR looked at in each step.
    ///
    /// ```text
    ///   IAR   0x80    0x40    0x10
    ///   RPR   0x80    0x40    0x10    0x40    0x80    0xff
    ///   EOIR                     0x10    0x40    0x80
    /// ```
    ///
    /// The priorities that are active are a stack, kept as bits in ICC_AP1R0_EL1. An emulation with
    /// one variable, "the running priority", sets it to idle at the first EOIR: all that the outer
    /// handlers held back then comes in at once, on top of them. A hypervisor that switches vCPUs
    /// between has to save those bits with the rest, or the guest's RPR is idle when it comes back.
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
    /// An interrupt of the same priority as the active one does not preempt it, nor a lesser one.
    /// They wait for the priority drop.
    ///
    /// The case has 0x80 active, then makes another of 0x80 and one of 0x90 pending: no signal, IAR
    /// gives 1023, RPR stays. After EOIR the equal one comes; the lesser one waits for that one's
    /// end.
    ///
    /// ```text
    ///   active 0x80      pending 0x80, 0x90     IRQ: no
    ///   EOIR             --> 0x80               IRQ, 0x90 waits
    ///   EOIR             --> 0x90
    /// ```
    ///
    /// "Less than or equal" for "less than" is the mistake, and it has a hard consequence: a
    /// handler that unmasks is interrupted by others of its own priority, they by others, and the
    /// stack fills. Nearly all of Linux's interrupts have one and the same priority, so with that
    /// mistake every nesting that can happen does. A pending interrupt that is not signalled must
    /// also not keep WFI awake for ever; that is another path with the same comparison.
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
    /// The binary point divides a priority into a group priority and a subpriority; only the group
    /// decides over preemption. With ICC_BPR1_EL1 = n bits 7 to n are the group.
    ///
    /// The case sets BPR1 to 4, 5, 6 and 7 and tries 18 pairs of active and pending priority: it
    /// preempts exactly if the upper bits are less.
    ///
    /// ```text
    ///   BPR1 = 6     7 6 | 5 4 3 2 1 0
    ///                group  sub
    ///   active 0x80, pending 0x40: 01 < 10, preempts
    ///   active 0x80, pending 0xa0: 10 = 10, does not
    /// ```
    ///
    /// For Group 0 the same number means one bit less (ICC_BPR0_EL1 = n leaves bits 7 to n + 1): an
    /// off-by-one waits in every implementation. Linux sets BPR to its minimum, so that the mistake
    /// stays hidden under it; real-time systems that group their priorities meet it, as unexpected
    /// preemption, or as a deadline missed because of one that should have preempted.
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
    /// Which of two pending interrupts comes first is decided by all bits of the priority, whatever
    /// the binary point. The binary point matters only against what is active.
    ///
    /// The case sets BPR1 to 7 and has 0x70 and 0x10 pending, which are of one group: 0x10 is
    /// acknowledged first. While 0x70 is active, 0x10 does not preempt it; it comes after its end.
    ///
    /// ```text
    ///   BPR1 = 7: group is bit 7, both 0
    ///   pending 0x70, 0x10     IAR = the 0x10 one
    ///   active 0x70            0x10 waits
    /// ```
    ///
    /// An implementation that masks the priority when the interrupt becomes pending, to have it
    /// done, loses the subpriority and picks by INTID or by arrival. One that uses the full
    /// priority for both comparisons preempts within the group. Both are right with the smallest
    /// binary point, which is what most tests use. The pair of comparisons should be two functions
    /// with two names.
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
    /// With ICC_CTLR_EL1.CBPR = 1 the binary point of Group 0 is used for both groups:
    /// ICC_BPR0_EL1 = n leaves bits 7 to n + 1. ICC_BPR1_EL1 then reads BPR0 + 1, at most 7, and
    /// ignores writes. Its own value comes back when CBPR is cleared.
    ///
    /// The case sets BPR1 to 4, then CBPR, and tries BPR0 of 3, 5, 6 and 7 with reading, writing
    /// and 18 pairs of priorities; then CBPR = 0 and wants 4.
    ///
    /// ```text
    ///   CBPR = 0   Group 1: BPR1           BPR1 reads BPR1
    ///   CBPR = 1   Group 1: BPR0, + 1      BPR1 reads min(BPR0 + 1, 7)
    /// ```
    ///
    /// With BPR0 = 7 no bit is left and nothing preempts anything. In ICH_VMCR_EL2 the hardware has
    /// a bit for it (VCBPR); a hypervisor that saves the registers by reading them through the
    /// guest's view stores BPR0 + 1 as BPR1, and has lost the guest's value after the first switch.
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
    /// With ICC_CTLR_EL1.EOImode = 1 the end comes in two steps: EOIR drops the running priority,
    /// so that others may come; ICC_DIR_EL1 deactivates the interrupt, so that it may come again.
    ///
    /// The case takes 0x40, ends it by EOIR (RPR idle, still active), makes it pending again, which
    /// has to wait, takes a lesser one meanwhile, and finishes each by DIR.
    ///
    /// ```text
    ///          IAR      EOIR            DIR
    ///   state  active   active          inactive
    ///   RPR    0x40     0xff            0xff
    ///                   others may come  it may come again
    /// ```
    ///
    /// This mode exists for hypervisors: the host drops the priority, gives the interrupt to a
    /// guest, and the guest's own EOIR deactivates the physical one by the HW bit in ICH_LR. Linux
    /// uses it when it is the host. If DIR drops a priority as well, or EOIR deactivates in both
    /// modes, interrupts that were passed on come twice or never.
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
    /// Priorities drop in the reverse order of acknowledging: EOIR always takes the innermost.
    /// Deactivation has no order: DIR names an INTID and works on that alone.
    ///
    /// The case has 0x40 active inside 0x80 with EOImode 1, deactivates the outer by DIR first (RPR
    /// stays 0x40), drops both priorities, and deactivates the inner last.
    ///
    /// ```text
    ///   IAR outer, IAR inner
    ///   DIR outer    outer inactive     RPR 0x40
    ///   EOIR         RPR 0x80           inner still active
    ///   EOIR         RPR 0xff
    ///   DIR inner    inner inactive
    /// ```
    ///
    /// That is the life of threaded handlers and of passed-through devices: the one that came first
    /// may be done last. A hypervisor that traps DIR (ICH_HCR_EL2.TDIR), or gets it for an
    /// interrupt that is no longer in a list register, has to find it in its own tables. If it
    /// ignores what it does not find, the interrupt stays active for ever and its device is dead.
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
    /// ICC_AP0R0_EL1 and ICC_AP1R0_EL1 are what the CPU interface remembers: a bit for each
    /// priority at which something of Group 0 or Group 1 is active. RPR is computed from them.
    ///
    /// The case takes two Group 1 interrupts and inside them one of Group 0, and counts the bits in
    /// both registers: 0 and 1, 0 and 2, 1 and 2, and back.
    ///
    /// ```text
    ///   IAR1 0x80   AP1R0 one bit         RPR 0x80
    ///   IAR1 0x40   AP1R0 two bits        RPR 0x40
    ///   IAR0 0x20   AP0R0 one bit         RPR 0x20
    ///   EOIR0 ...   clears AP0R0's        RPR 0x40
    /// ```
    ///
    /// They exist to be saved and restored, with a vCPU or a VM. Which bit is which priority
    /// depends on the number of group bits, so between hosts that differ a migration must
    /// translate. A hypervisor that leaves them out resumes a guest in the middle of a handler with
    /// nothing active: its EOIR then drops nothing, or a priority that belongs to a later
    /// interrupt.
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
    /// The same preemption with real handlers. An IRQ handler that has acknowledged unmasks
    /// PSTATE.I; a more urgent IRQ then interrupts it, begins and ends inside it. A lesser one
    /// waits for its end.
    ///
    /// The case takes 0x80, whose handler makes 0xa0 and 0x40 pending and waits, unmasked, for the
    /// latter to be over. What the handlers tell must be: outer begins, inner begins and ends,
    /// outer ends, lesser begins and ends.
    ///
    /// ```text
    ///   0x80  |---- unmask --------------- EOIR|
    ///   0x40            |-- EOIR|
    ///   0xa0                                   |-- EOIR|
    /// ```
    ///
    /// Two machines have to agree: the PE, which masks on entry and takes an IRQ when PSTATE.I is
    /// clear, and the GIC, which asserts it only for what preempts. In a hypervisor the second
    /// interrupt becomes pending while the vCPU is in a handler of the first: list registers hold
    /// one active and one pending, and an exit in between must keep both.
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
    /// Preemption does not stop at groups: a more urgent Group 0 interrupt is signalled as FIQ
    /// while a Group 1 interrupt is active. It is taken when PSTATE.F is clear, inside the IRQ's
    /// handler, by ICC_IAR0_EL1.
    ///
    /// The case takes an IRQ of 0x80, whose handler makes a Group 0 SPI of 0x40 pending and
    /// unmasks. The FIQ must begin and end inside, and both be inactive after.
    ///
    /// ```text
    ///   IRQ 0x80  IAR1 |---- F = 0 ------------ EOIR1|
    ///   FIQ 0x40           IAR0 |-- EOIR0|
    /// ```
    ///
    /// The running priority is one for both groups, although each has active-priority bits of its
    /// own: the most urgent of AP0R0 and AP1R0. An EOIR1 written where the innermost is of Group 0
    /// must not clear that one's bit. Where a hypervisor delivers FIQ by another path than IRQ, the
    /// comparison with what is active is left out there, and a lesser FIQ gets in too.
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
    /// A priority may be changed while the interrupt is pending. What counts is what it is when the
    /// CPU interface decides: a pending interrupt that becomes more urgent overtakes another.
    ///
    /// The case has 0x40 and 0x80 pending, sees the first in ICC_HPPIR1_EL1, sets the second to
    /// 0x20, and takes the second first, with RPR 0x20.
    ///
    /// ```text
    ///   pending  A 0x40   B 0x80      HPPIR = A
    ///   IPRIORITYR[B] = 0x20          IAR = B, RPR = 0x20; then A
    /// ```
    ///
    /// A hypervisor that has copied the priority into a list register has to update the copy, on
    /// whichever vCPU it is: one that only writes its table applies the change to the next
    /// occurrence. An implementation with a sorted queue has to move the entry; the order of a
    /// queue that was sorted by old keys is not just late but broken, and entries get lost in it.
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
