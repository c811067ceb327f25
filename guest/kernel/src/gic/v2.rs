//! A GICv2 (IHI 0048): what differs from a GICv3.
//!
//! ```text
//!   GICv3                                  GICv2
//!   CPUs are named by affinity             by the number of their CPU interface, 0 to 7
//!   GICD_IROUTER: one CPU                  GICD_ITARGETSR: a bit each, any number of them
//!   redistributors have SGIs and PPIs      GICD has, banked: each CPU sees its own
//!   ICC_SGI1R_EL1 sends an SGI             GICD_SGIR; and each sender's is pending by itself
//!   ICC_IAR1_EL1, ICC_EOIR1_EL1            GICC_IAR, GICC_EOIR, with the sender of an SGI
//! ```
//!
//! Left out: bypass of the CPU interface, and the non-secure view of a GIC with the Security
//! Extensions beyond what works in both views: bit 0 of GICD_CTLR and GICC_CTLR enables the
//! group that we are shown as the first.

use core::sync::atomic::{AtomicU8, Ordering};

use anyvisor_arch::gic::{bank, gicc, gicd};

use super::frame::Frame;
use super::interrupt::{Interrupt, Trigger};
use super::{FREE_SPIS, distributor, intids, reset_priorities};
use crate::cell::OneCpu;
use crate::machine::{MOST_CPUS, Region};
use crate::smp;

/// GICC_IAR.Interrupt_ID.
pub const INTID: u32 = 0x3ff;
/// GICC_IAR.CPUID: who sent the SGI.
const CPUID_SHIFT: u32 = 10;

/// The SGI of [`super::wake`].
pub const WAKE: u32 = 15;

static INTERFACE: OneCpu<Option<Frame>> = OneCpu::new(None);
/// The bit of each CPU in GICD_ITARGETSR, by its place in the FDT: it is learnt when the CPU sets its
/// own part up. 0 with one CPU, which all interrupts go to.
static TARGETS: [AtomicU8; MOST_CPUS] = [const { AtomicU8::new(0) }; MOST_CPUS];

/// Notes where the CPU interface is.
pub fn init(interface: Region) {
    INTERFACE.set(Some(Frame::at(interface.start)));
}

/// GICC: this CPU's interface.
///
/// # Panics
/// Without a GICv2.
#[track_caller]
pub fn interface() -> Frame {
    INTERFACE.get().expect("a case that uses a GICv2 needs one")
}

/// Acknowledges the highest-priority pending interrupt: GICC_IAR.
pub fn acknowledge() -> u32 {
    interface().read(gicc::IAR)
}

/// Ends it: GICC_EOIR, with what [`acknowledge`] read.
pub fn end(read: u32) {
    interface().write(gicc::EOIR, read);
}

/// GICC_RPR.
pub fn running_priority() -> u64 {
    interface().read(gicc::RPR).into()
}

/// What GICC_IAR reads of an interrupt that this CPU made pending.
pub fn with_own_number(intid: u32) -> u32 {
    if intid < 16 { intid | own_number() << CPUID_SHIFT } else { intid }
}

/// The number of this CPU's interface.
pub fn own_number() -> u32 {
    match target(smp::this_cpu()) {
        0 => 0,
        bit => bit.trailing_zeros(),
    }
}

/// The bit of a CPU in GICD_ITARGETSR.
pub fn target(cpu: usize) -> u8 {
    TARGETS.get(cpu).map_or(0, |bit| bit.load(Ordering::Relaxed))
}

/// Sends an SGI to a CPU that has set its part up: GICD_SGIR.
pub fn send(intid: u32, cpu: usize) {
    let whom = if cpu == smp::this_cpu() {
        gicd::SGIR_TO_SELF
    } else {
        u32::from(target(cpu)) << gicd::SGIR_TARGETS_SHIFT
    };
    distributor().write(gicd::SGIR, whom | intid);
}

/// Sends an SGI to all other CPUs.
pub fn send_to_others(intid: u32) {
    distributor().write(gicd::SGIR, gicd::SGIR_TO_OTHERS | intid);
}

/// See [`super::reset_this_cpu`].
pub fn reset_this_cpu() {
    let (gicd, gicc) = (distributor(), interface());
    gicc.write(gicc::CTLR, 0);
    let own = gicd.read8(gicd::ITARGETSR); // banked: reads as the bit of whoever asks
    if let Some(slot) = TARGETS.get(smp::this_cpu()) {
        slot.store(own as u8, Ordering::Relaxed);
    }
    reset_bank(gicd, 0);
    for four in 0..4 {
        gicd.write(gicd::CPENDSGIR + 4 * four, u32::MAX);
    }
    for n in 0..4 {
        gicc.write(gicc::APR + 4 * n, 0); // what an abandoned case left running
        gicc.write(gicc::NSAPR + 4 * n, 0);
    }
    gicc.write(gicc::BPR, 0); // as low as there is
    gicc.write(gicc::ABPR, 0);
    gicc.write(gicc::PMR, 0xff);
    // Nobody else can prepare it for us when we are to be woken.
    gicd.write8(bank::IPRIORITYR + u64::from(WAKE), 0);
    gicd.write(bank::ISENABLER, 1 << WAKE);
    gicc.write(gicc::CTLR, gicc::CTLR_ENABLE);
}

/// Puts 32 interrupts back: disabled, inactive, in the middle of the priorities, in Group 0.
fn reset_bank(gicd: Frame, word: u64) {
    for register in [bank::ICENABLER, bank::ICPENDR, bank::ICACTIVER] {
        gicd.write(register + 4 * word, u32::MAX);
    }
    gicd.write(bank::IGROUPR + 4 * word, 0);
    reset_priorities(gicd, word);
}

/// See [`super::reset`].
pub fn reset() {
    let gicd = distributor();
    gicd.write(gicd::CTLR, 0);
    reset_this_cpu();
    for word in 1..u64::from(intids().div_ceil(32)) {
        reset_bank(gicd, word);
    }
    for spi in FREE_SPIS.map(Interrupt::new) {
        spi.set_trigger(Trigger::Level);
        spi.route(smp::own_affinity());
        spi.clear_pending();
    }
    gicd.write(gicd::CTLR, gicd::V2_CTLR_ENABLE);
}
