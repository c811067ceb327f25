//! The GIC, where the FDT has one: a GICv3 or a GICv2.
//!
//! Who does what:
//!
//! * [`v3`] and [`v2`] set one up, reset it between cases, and are what differs between the two;
//! * this file is what does not: a case that is not about the version acknowledges, ends and sends
//!   interrupts by its functions, and runs on either;
//! * [`frame`], [`interrupt`] and [`cpu_interface`] (GICv3's) are for the cases, which need every
//!   register and every state.
//!
//! Interrupts that no case is about are IRQs, and EOIR both drops the priority and deactivates: with
//! a GICv3 Group 1 and EOImode 0, with a GICv2 Group 0 that is not signalled as FIQ.

pub mod cpu_interface;
pub mod frame;
pub mod interrupt;
pub mod v2;
pub mod v3;

use aarch64_cpu::asm::barrier;
use anyvisor_arch::gic::intid::SPIS;
use anyvisor_arch::gic::{bank, gicd};

use crate::cell::OneCpu;
use crate::machine::{GicCpus, Machine};
use frame::Frame;
use interrupt::{Group, Interrupt};

pub use v3::{is_one_security_state, redistributor};

/// The architecture's versions that there are drivers for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V2,
    V3,
}

static VERSION: OneCpu<Option<Version>> = OneCpu::new(None);
/// The distributor.
static DISTRIBUTOR: OneCpu<Option<Frame>> = OneCpu::new(None);

/// The priority of everything that no case is about: the middle.
pub const DEFAULT_PRIORITY: u64 = 0x80;

/// Sets the GIC up, all interrupts disabled.
pub fn init(machine: Machine) {
    let Some(regions) = machine.gic else { return };
    DISTRIBUTOR.set(Some(Frame::at(regions.distributor.start)));
    let version = match regions.cpus {
        GicCpus::V3 { redistributors, stride } => {
            v3::init(machine, regions.distributor, redistributors, stride);
            Version::V3
        }
        GicCpus::V2(interface) => {
            v2::init(interface);
            Version::V2
        }
    };
    VERSION.set(Some(version));
    reset();
}

/// Whether there is one.
pub fn is_present() -> bool {
    VERSION.get().is_some()
}

/// Whether it is a GICv2.
pub fn is_v2() -> bool {
    VERSION.get() == Some(Version::V2)
}

/// Whether it is a GICv3.
pub fn is_v3() -> bool {
    VERSION.get() == Some(Version::V3)
}

/// GICD.
///
/// # Panics
/// Without a GIC.
#[track_caller]
pub fn distributor() -> Frame {
    DISTRIBUTOR.get().expect("a case that uses the GIC needs one")
}

/// Waits until writes to the GIC's controls and enables have taken effect.
pub fn settle() {
    if is_v3() {
        v3::settle();
    }
    barrier::isb(barrier::SY);
}

/// Enables or disables a PPI of this CPU, in Group 1.
pub fn enable(intid: u32, on: bool) {
    if is_present() {
        let ppi = Interrupt::new(intid);
        if on {
            ppi.prepare(Group::One, DEFAULT_PRIORITY);
        } else {
            ppi.disable();
            settle();
        }
    }
}

/// What acknowledging an interrupt read: with a GICv2 the sender of an SGI stands beside its INTID,
/// and EOIR wants to have it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged(u32);

impl Acknowledged {
    /// Which interrupt.
    pub fn intid(self) -> u32 {
        if is_v2() { self.0 & v2::INTID } else { self.0 & 0xff_ffff }
    }
}

/// Acknowledges the highest-priority pending interrupt.
pub fn acknowledge() -> Option<Acknowledged> {
    let read = if is_v2() { v2::acknowledge() } else { cpu_interface::iar1() as u32 };
    let taken = Acknowledged(read);
    (taken.intid() < 1020).then_some(taken)
}

/// Ends an interrupt that was acknowledged.
pub fn end(taken: Acknowledged) {
    if is_v2() {
        v2::end(taken.0);
    } else {
        cpu_interface::set_eoir1(taken.0.into());
    }
}

/// Ends an interrupt that was acknowledged, and that this CPU sent itself, if it is an SGI.
pub fn end_own(intid: u32) {
    end(Acknowledged(if is_v2() { v2::with_own_number(intid) } else { intid }));
}

/// The running priority; [`cpu_interface::IDLE`]: none.
pub fn running_priority() -> u64 {
    if is_v2() { v2::running_priority() } else { cpu_interface::rpr() }
}

/// Sends an SGI to a CPU, by its place in the FDT.
pub fn send(intid: u32, cpu: usize) {
    if is_v2() {
        v2::send(intid, cpu);
    } else {
        cpu_interface::set_sgi1r(cpu_interface::sgi(intid, crate::smp::affinity(cpu)));
    }
}

/// Sends an SGI to all CPUs but this one.
pub fn send_to_others(intid: u32) {
    if is_v2() {
        v2::send_to_others(intid);
    } else {
        cpu_interface::set_sgi1r(cpu_interface::sgi_to_others(intid));
    }
}

/// The number of SPIs' INTIDs, and 32: GICD_TYPER.ITLinesNumber.
pub fn intids() -> u32 {
    let lines = gicd::typer::IT_LINES_NUMBER.get(distributor().read(gicd::TYPER).into()) as u32;
    (32 * (lines + 1)).min(SPIS.end)
}

/// Wakes a CPU from WFI, whatever it is waiting for, by an SGI that is more urgent than anything
/// else. For a CPU whose case was abandoned.
pub fn wake(cpu: usize) {
    match VERSION.get() {
        Some(Version::V3) => v3::wake(cpu),
        Some(Version::V2) => v2::send(v2::WAKE, cpu),
        None => {}
    }
}

/// Makes a CPU's own part as every case finds it: awake, nothing pending, active or enabled, all
/// IRQs let through. For a CPU that has just started, and for the first one between cases.
pub fn reset_this_cpu() {
    match VERSION.get() {
        Some(Version::V3) => v3::reset_this_cpu(),
        Some(Version::V2) => v2::reset_this_cpu(),
        None => {}
    }
}

/// The SPIs that the cases may use: no device of the machine has them, and [`reset`] puts all of
/// their registers back.
pub const FREE_SPIS: core::ops::Range<u32> = 40..48;

/// Puts everything back that a case may have changed.
pub fn reset() {
    match VERSION.get() {
        Some(Version::V3) => v3::reset(),
        Some(Version::V2) => v2::reset(),
        None => {}
    }
}

/// Puts the priorities of 32 interrupts back.
fn reset_priorities(frame: Frame, word: u64) {
    for four in 0..8 {
        let at = bank::IPRIORITYR + (word * 8 + four) * 4;
        frame.write(at, 0x0101_0101 * DEFAULT_PRIORITY as u32);
    }
}
