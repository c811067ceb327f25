//! A redistributor that is told that its CPU sleeps.

use anyvisor_abi::case::Needs;
use anyvisor_arch::gic::gicr::{self, waker};

use super::gic::{check_quiet, check_state, end, take};
use crate::gic::cpu_interface as icc;
use crate::gic::interrupt::{Group, Interrupt, State};
use crate::gic::{self, DEFAULT_PRIORITY};
use crate::{case, check_eq, smp};

/// Writes GICR_WAKER.ProcessorSleep of this CPU, and waits until ChildrenAsleep follows.
fn sleep(asleep: bool) {
    let frame = gic::redistributor(smp::this_cpu());
    frame.write(gicr::WAKER, if asleep { waker::PROCESSOR_SLEEP } else { 0 });
    smp::spin_until(|| (frame.read(gicr::WAKER) & waker::CHILDREN_ASLEEP != 0) == asleep);
}

case! {
    /// Before a kernel switches a CPU off it tells the redistributor, by GICR_WAKER.ProcessorSleep:
    /// from then on what comes for this CPU is held pending there, and not passed on, until the
    /// bit is cleared. A redistributor is so after reset, too, which is why every kernel wakes it.
    ///
    /// ```text
    ///   groups off   ProcessorSleep = 1   groups on   SGI      ProcessorSleep = 0
    ///   ------------------------------------------------------------------------> signalled
    ///                                                 |  held: no IRQ, HPPIR 1023  |
    /// ```
    ///
    /// (To change the bit with a group enabled is UNPREDICTABLE, so the groups are switched off
    /// around each change.) An emulated GIC that keeps the bit and does not look at it signals
    /// interrupts to a CPU that is not ready for any.
    ///
    /// The register's description promises this without a condition. Arm's guide to the GICv3 says
    /// that to configure the CPU interface while its redistributor sleeps "can be UNPREDICTABLE",
    /// and this case does enable a group there.
    "gic.asleep": "with GICR_WAKER.ProcessorSleep an SGI stays pending and is not signalled; awake it is";
    reference: "IHI 0069: GICR_WAKER.{ProcessorSleep, ChildrenAsleep}";
    needs: Needs::GIC;
    fn asleep() {
        let sgi = Interrupt::new(3).prepare(Group::One, DEFAULT_PRIORITY);
        icc::set_igrpen1(0);
        sleep(true);
        icc::set_igrpen1(1);
        sgi.set_pending();
        check_quiet();
        check_eq!(icc::hppir1(), icc::NONE, "ICC_HPPIR1_EL1 while the redistributor is asleep");
        check_eq!(icc::iar1(), icc::NONE, "ICC_IAR1_EL1 while the redistributor is asleep");
        check_state(sgi, State::PENDING);
        icc::set_igrpen1(0);
        sleep(false);
        icc::set_igrpen1(1);
        take(sgi);
        end(sgi);
    }
}
