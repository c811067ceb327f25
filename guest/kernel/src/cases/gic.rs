//! An interrupt's way through the GIC: its states, and what holds it back. PSTATE masks all of it:
//! ISR_EL1 says what is signalled, and reading IAR acknowledges, as a handler would.
//!
//! ```text
//!            set pending          IAR             EOIR
//!   inactive ----------> pending ------> active ------> inactive
//!                           ^              | again: active and pending
//!                           +---- EOIR ----+
//! ```
//!
//! In a virtual machine the distributor (GICD) and redistributors (GICR) are memory that is not
//! there: each access exits, and the hypervisor models them. The CPU interface (ICC registers) may
//! be the hardware's virtual one, which the hypervisor feeds by list registers (ICH_LR), or be
//! emulated register by register. (A GICv2's is memory, GICC, which stage 2 can map to the
//! hardware's virtual one; of the lessons, those of SGIs and timers are taught by it as well.)
//! State is then in two places, and most mistakes are between them.

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
    /// This is the whole way of an interrupt. Pending, enabled and of sufficient priority it is
    /// signalled (ISR_EL1.I), and ICC_HPPIR1_EL1 tells its INTID without side effects. Reading
    /// ICC_IAR1_EL1 makes it active and raises the running priority (ICC_RPR_EL1). Writing
    /// ICC_EOIR1_EL1 drops the priority and makes it inactive.
    ///
    /// The case goes that way with an SGI and an SPI, and looks at state, HPPIR, RPR and the signal
    /// at each step.
    ///
    /// ```text
    ///   GICD_ISPENDR --> pending --> IRQ --> IAR = INTID --> active
    ///   RPR 0xff                                         RPR = priority
    ///                      inactive <-- EOIR             RPR 0xff
    /// ```
    ///
    /// With list registers the guest's IAR and EOIR do not exit: the active state is in ICH_LR,
    /// while GICD_ISACTIVER is read from the hypervisor's copy. A hypervisor that does not fold the
    /// one into the other before it answers shows a state of some time ago. Linux reads the active
    /// bit when it tears an interrupt down, and waits for it to fall.
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
    /// A pending interrupt that is disabled is not signalled, and stays pending. Enabled it comes
    /// at once. The enable bit matters for forwarding only: one that is active can be ended as ever
    /// after it was disabled.
    ///
    /// The case disables, makes pending, sees neither signal nor INTID, enables, disables again
    /// before it is taken, and ends it at last while disabled: an SGI by GICR_ISENABLER0, an SPI by
    /// GICD_ISENABLER.
    ///
    /// ```text
    ///   ISPENDR --> pending --[ enabled? ]--> CPU interface --> IRQ
    ///                             | no: waits here
    /// ```
    ///
    /// An interrupt that was put into a list register is on its way. When the guest then disables
    /// it, the hypervisor has to get it back from there, for a vCPU that may be running: kick it,
    /// and clean the register. One that does not delivers an interrupt after `disable_irq`
    /// returned, whose handler Linux may have freed; RWP in GICD_CTLR tells the guest when it may
    /// rely on it.
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
    /// Until it is acknowledged, software can take an interrupt back: ICPENDR clears the pending
    /// state, the signal goes away, and IAR gives the spurious INTID, 1023. This is so for SGIs and
    /// edges; a level comes back as long as its line is high.
    ///
    /// The case makes an SGI and an SPI pending, waits for the signal, clears, and wants no signal,
    /// 1023 from ICC_IAR1_EL1, and inactive.
    ///
    /// ```text
    ///   pending --> IRQ signalled --> ICPENDR --> no IRQ, IAR = 1023
    /// ```
    ///
    /// The interrupt line of the CPU is a function of the state and not an event that was sent. A
    /// hypervisor that queues "deliver 42" for a vCPU has to find and remove the entry; if it
    /// stays, the guest gets an interrupt that it has cleared, after it has reprogrammed the
    /// device. Drivers clear pending when they change a trigger type or resume from sleep, just to
    /// get rid of such leftovers.
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
    /// An edge that comes while the same interrupt is being handled is remembered: the state is
    /// active and pending. It is not signalled before EOIR, and then once, however often it came.
    ///
    /// The case sets pending, takes it, sets pending twice, and wants no signal; after EOIR it is
    /// pending, is taken once, and is inactive.
    ///
    /// ```text
    ///   edge    |      |  |
    ///   state   P  A   AP AP    P   A    -
    ///              IAR      EOIR  IAR  EOIR        taken twice in all
    /// ```
    ///
    /// A list register has a state for it (0b11), and a hypervisor that meets an edge for an
    /// interrupt whose register says active must set it there, or remember it until it is inactive.
    /// If it writes "pending" over "active", the interrupt is taken inside its own handler. If it
    /// drops the edge because "it is in the list already", the last packet of a burst stays in the
    /// network card until the next one comes.
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
    /// The active state can be written. ISACTIVER makes an interrupt active without an
    /// acknowledgement; it is then held back like any active one, but no priority is active at the
    /// CPU interface: ICC_RPR_EL1 stays idle. ICACTIVER lets it go.
    ///
    /// The case sets an SGI and an SPI active by hand, then pending, sees no signal and RPR 0xff,
    /// clears active, and takes the interrupt.
    ///
    /// ```text
    ///   ISACTIVER --> active (distributor)     RPR: idle
    ///   pending   --> held back
    ///   ICACTIVER --> signalled
    /// ```
    ///
    /// So "active" and "running priority" are two things, kept in two places. A hypervisor that
    /// computes one from the other raises RPR here and blocks all interrupts of that priority; one
    /// that ignores the write signals at once. The registers serve to save and restore a GIC: a VM
    /// that is migrated in the middle of a handler gets its active bits this way, and its active
    /// priorities by ICC_AP1R0_EL1.
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
    /// With nothing to acknowledge, IAR and HPPIR of both groups give 1023, as often as they are
    /// read, and nothing becomes active. EOIR of 1023 is ignored.
    ///
    /// The case reads ICC_IAR1_EL1 and ICC_HPPIR1_EL1 (and those of Group 0, where there is one
    /// security state) with nothing pending and with an SPI active, writes 1023 to ICC_EOIR1_EL1,
    /// and wants the running priority and the active SPI unchanged.
    ///
    /// ```text
    ///   nothing pending      IAR = 1023     RPR = 0xff
    ///   one active           IAR = 1023     RPR = its priority
    ///   EOIR 1023            no priority drop
    /// ```
    ///
    /// Handlers meet 1023 in the ordinary course of things: a level that fell, an SPI that another
    /// CPU took. They write nothing, or write it to EOIR. If that drops the running priority, the
    /// outer handler's protection is gone and it is entered again; if IAR raised the priority for
    /// "nothing", it never comes down, and all interrupts stop.
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
    /// ICC_PMR_EL1 holds back priorities: only an interrupt whose number is lower than the mask
    /// (more urgent) is signalled; one that is equal is not. It does not touch what is active
    /// already.
    ///
    /// The case has an SPI of 0x80 pending and tries six masks, below, at and above 0x80, and looks
    /// at ISR_EL1 and IAR at once. Then a priority of 0xf0 against the mask 0xf0, and 0xe0, and
    /// ends an interrupt under the mask 0.
    ///
    /// ```text
    ///   PMR     0x00  0x40  0x70  0x80 | 0x90  0xf0
    ///   0x80    held back              | signalled
    /// ```
    ///
    /// Linux with pseudo-NMIs masks interrupts by PMR and not by PSTATE.I, thousands of times a
    /// second. A comparison off by one either lets through what is being masked, or masks what
    /// should pass, at that one value only. A hypervisor that emulates the register must recompute
    /// the signal on each write, and one that keeps the vCPU's PMR while it sleeps must use it to
    /// decide about waking.
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
    /// A group is enabled twice: for all at the distributor (GICD_CTLR.EnableGrp1) and at each CPU
    /// interface (ICC_IGRPEN1_EL1). Either of them off holds the group's interrupts back; they stay
    /// pending, and nothing is lost.
    ///
    /// The case makes an SGI and an SPI pending, switches each enable off and on in turn, and wants
    /// no signal and IAR = 1023 while one is off, and the interrupt when both are on.
    ///
    /// ```text
    ///   pending --[ EnableGrp1 ]--> redistributor --[ IGRPEN1 ]--> IRQ
    ///              for all                            for this CPU
    /// ```
    ///
    /// With hardware's virtual interface ICC_IGRPEN1_EL1 is in ICH_VMCR_EL2 and works without an
    /// exit; EnableGrp1 is the hypervisor's, which must take interrupts out of the list registers
    /// of all vCPUs when it goes off. Crash kernels switch the GIC off this way in order to start
    /// from silence. One that clears pending bits on the way loses interrupts; one that does
    /// nothing disturbs the crash dump.
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
