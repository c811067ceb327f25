//! An interrupt's way through the GIC: its states, and what holds it back. PSTATE masks all of it:
//! ISR_EL1 says what is signalled, and reading IAR acknowledges, as a handler would.

use anyvisor_abi::case::Needs;
use anyvisor_arch::gic::gicd;

use crate::gic::cpu_interface::{self as icc, FIQ, IDLE, IRQ, NONE, signalled};
use crate::gic::interrupt::{Group, Interrupt, State};
use crate::gic::{self, DEFAULT_PRIORITY, FREE_SPIS};
use crate::{case, check_eq, smp};

/// An edge-triggered SPI that goes to this CPU, enabled and inactive.
pub fn spi(n: u32, priority: u64) -> Interrupt {
    Interrupt::new(FREE_SPIS.start + n).prepare(Group::One, priority)
}

/// Nothing is signalled to this CPU.
#[track_caller]
pub fn check_quiet() {
    gic::settle();
    let seen = signalled();
    let pending = || if gic::is_v3() { [icc::hppir1(), icc::hppir0()] } else { [NONE; 2] };
    assert!(seen & IRQ == 0, "an IRQ is signalled: INTID {}", pending()[0]);
    assert!(seen & FIQ == 0, "a FIQ is signalled: INTID {}", pending()[1]);
}

/// An IRQ is signalled to this CPU, or soon will be.
#[track_caller]
pub fn wait_for_irq() {
    smp::spin_until(|| signalled() == IRQ);
}

/// The interrupt `wanted` is signalled as IRQ: acknowledges it.
#[track_caller]
pub fn take(wanted: Interrupt) {
    wait_for_irq();
    let seen = gic::acknowledge().map_or(NONE, |taken| taken.intid().into());
    check_eq!(seen, u64::from(wanted.intid), "INTID that IAR reads");
}

/// Ends what [`take`] took.
pub fn end(interrupt: Interrupt) {
    gic::end_own(interrupt.intid);
}

#[track_caller]
pub fn check_state(interrupt: Interrupt, wanted: State) {
    let seen = interrupt.state();
    assert!(seen == wanted, "INTID {} is {seen:?}, expected {wanted:?}", interrupt.intid);
}

/// An SGI to oneself, and an SPI: what holds for one holds for the other.
fn both() -> [Interrupt; 2] {
    [Interrupt::new(3).prepare(Group::One, DEFAULT_PRIORITY), spi(0, DEFAULT_PRIORITY)]
}

case! {
    /// The whole way: pending, signalled, acknowledged and so active, ended.
    "gic.acknowledge": "pending is signalled; IAR makes it active and gives its INTID; EOIR ends it";
    reference: "IHI 0069: interrupt handling state machine; ICC_IAR1_EL1, ICC_HPPIR1_EL1, ICC_EOIR1_EL1";
    needs: Needs::GIC;
    fn acknowledge() {
        for interrupt in both() {
            check_state(interrupt, State::INACTIVE);
            check_quiet();
            interrupt.set_pending();
            check_state(interrupt, State::PENDING);
            wait_for_irq();
            check_eq!(icc::hppir1(), u64::from(interrupt.intid), "ICC_HPPIR1_EL1");
            take(interrupt);
            check_state(interrupt, State::ACTIVE);
            check_eq!(icc::rpr(), DEFAULT_PRIORITY, "ICC_RPR_EL1");
            check_eq!(icc::hppir1(), NONE, "ICC_HPPIR1_EL1 after it");
            check_quiet();
            end(interrupt);
            check_state(interrupt, State::INACTIVE);
            check_eq!(icc::rpr(), IDLE, "ICC_RPR_EL1 at the end");
            check_quiet();
        }
    }
}

case! {
    /// A pending interrupt that is disabled is held back, and keeps pending.
    "gic.enable": "a disabled interrupt stays pending and is not signalled; enabled, it is at once";
    reference: "IHI 0069: GICD_ISENABLER, GICD_ICENABLER, GICR_ISENABLER0, GICR_ICENABLER0";
    needs: Needs::GIC;
    fn enable() {
        for interrupt in both() {
            interrupt.disable();
            assert!(!interrupt.is_enabled(), "the enable bit stays set");
            interrupt.set_pending();
            check_quiet();
            check_eq!(icc::iar1(), NONE, "ICC_IAR1_EL1 while it is disabled");
            interrupt.enable();
            wait_for_irq();
            interrupt.disable();
            check_quiet();
            check_state(interrupt, State::PENDING);
            interrupt.enable();
            take(interrupt);
            // The enable matters for forwarding only: an active one is ended as ever.
            interrupt.disable();
            end(interrupt);
            check_state(interrupt, State::INACTIVE);
        }
    }
}

case! {
    /// Before it is acknowledged, software can take it back.
    "gic.withdraw": "ICPENDR takes a pending interrupt back: nothing is signalled, IAR gives 1023";
    reference: "IHI 0069: GICD_ICPENDR, GICR_ICPENDR0; spurious INTID 1023";
    needs: Needs::GIC;
    fn withdraw() {
        for interrupt in both() {
            interrupt.set_pending();
            wait_for_irq();
            interrupt.clear_pending();
            check_quiet();
            check_eq!(icc::iar1(), NONE, "ICC_IAR1_EL1");
            check_state(interrupt, State::INACTIVE);
        }
    }
}

case! {
    /// An edge that comes again while the first is handled is remembered, once.
    "gic.active_and_pending": "pending again while active: not signalled before EOIR, then once more";
    reference: "IHI 0069: interrupt handling state machine: active and pending";
    needs: Needs::GIC;
    fn active_and_pending() {
        for interrupt in both() {
            interrupt.set_pending();
            take(interrupt);
            interrupt.set_pending();
            interrupt.set_pending();
            check_state(interrupt, State::ACTIVE_AND_PENDING);
            check_quiet();
            end(interrupt);
            check_state(interrupt, State::PENDING);
            take(interrupt);
            end(interrupt);
            check_state(interrupt, State::INACTIVE);
            check_quiet();
        }
    }
}

case! {
    /// The active state can be written: it holds the interrupt back without any priority being
    /// active at the CPU interface.
    "gic.active_by_hand": "ISACTIVER holds a pending interrupt back, ICACTIVER lets it go; RPR stays idle";
    reference: "IHI 0069: GICD_ISACTIVER, GICD_ICACTIVER";
    needs: Needs::GIC;
    fn active_by_hand() {
        for interrupt in both() {
            interrupt.set_active();
            interrupt.set_pending();
            check_state(interrupt, State::ACTIVE_AND_PENDING);
            check_quiet();
            check_eq!(icc::rpr(), IDLE, "ICC_RPR_EL1");
            interrupt.clear_active();
            take(interrupt);
            end(interrupt);
        }
    }
}

case! {
    /// With nothing pending IAR gives the spurious INTID, as often as it is read, and nothing
    /// becomes active.
    "gic.spurious": "with nothing pending IAR0, IAR1, HPPIR0, HPPIR1 give 1023; EOIR of 1023 does nothing";
    reference: "IHI 0069: special INTIDs; ICC_IAR0_EL1, ICC_IAR1_EL1, ICC_EOIR1_EL1";
    needs: Needs::GIC;
    fn spurious() {
        let spi = spi(0, 0x40);
        for active in [false, true] {
            if active {
                spi.set_pending();
                take(spi);
            }
            let running = icc::rpr();
            for read in [icc::iar1, icc::hppir1] {
                check_eq!(read(), NONE, "Group 1");
            }
            if gic::is_one_security_state() {
                for read in [icc::iar0, icc::hppir0] {
                    check_eq!(read(), NONE, "Group 0");
                }
            }
            icc::set_eoir1(NONE);
            check_eq!(icc::rpr(), running, "ICC_RPR_EL1");
        }
        check_state(spi, State::ACTIVE);
        end(spi);
        check_eq!(icc::rpr(), IDLE, "ICC_RPR_EL1 at the end");
    }
}

case! {
    /// Only what is more urgent than the mask is signalled; the mask itself is not.
    "gic.priority_mask": "PMR holds back priorities at and below it; raised, it lets them through";
    reference: "IHI 0069: ICC_PMR_EL1: priority masking";
    needs: Needs::GIC;
    fn priority_mask() {
        let spi = spi(0, 0x80);
        spi.set_pending();
        for (mask, passes) in
            [(0, false), (0x40, false), (0x80, false), (0x90, true), (0xf0, true), (0x70, false)]
        {
            icc::set_pmr(mask);
            check_eq!(signalled(), if passes { IRQ } else { 0 }, "ISR_EL1 with PMR {:#x}", mask);
            if !passes {
                check_eq!(icc::iar1(), NONE, "ICC_IAR1_EL1 with PMR {:#x}", mask);
            }
        }
        icc::set_pmr(0xf0);
        spi.set_priority(0xf0);
        check_quiet();
        spi.set_priority(0xe0);
        take(spi);
        icc::set_pmr(0); // does not matter for what is active
        check_state(spi, State::ACTIVE);
        end(spi);
        check_state(spi, State::INACTIVE);
    }
}

case! {
    /// A group is enabled twice: for all at the distributor, and at each CPU interface.
    "gic.group_enables": "GICD_CTLR.EnableGrp1 and ICC_IGRPEN1 each hold Group 1 back, and nothing is lost";
    reference: "IHI 0069: GICD_CTLR.EnableGrp1, ICC_IGRPEN1_EL1";
    needs: Needs::GIC;
    fn group_enables() {
        let gicd = gic::distributor();
        let control = gicd.read(gicd::CTLR);
        for interrupt in both() {
            interrupt.set_pending();
            wait_for_irq();
            icc::set_igrpen1(0);
            check_quiet();
            check_eq!(icc::iar1(), NONE, "ICC_IAR1_EL1 with IGRPEN1 0");
            icc::set_igrpen1(1);
            wait_for_irq();
            gicd.write(gicd::CTLR, gicd::ctlr::ARE);
            check_quiet();
            check_eq!(icc::iar1(), NONE, "ICC_IAR1_EL1 with EnableGrp1 0");
            check_state(interrupt, State::PENDING);
            gicd.write(gicd::CTLR, control);
            take(interrupt);
            end(interrupt);
        }
    }
}
