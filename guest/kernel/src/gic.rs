//! The GICv3, where the FDT has one.
//!
//! Who does what:
//!
//! * the driver of the crate `arm-gic` sets up the distributor and the first CPU: somebody else's
//!   driver has to be content with a GIC, too;
//! * [`frame`], [`interrupt`] and [`cpu_interface`] are for the cases, which need every register
//!   and every state, and for the other CPUs, which the driver cannot set up once the first runs.
//!
//! The handlers of the timers' interrupts use [`acknowledge`] and [`end`]: Group 1, EOImode 0.

pub mod cpu_interface;
pub mod frame;
pub mod interrupt;

use core::ptr::NonNull;

use aarch64_cpu::asm::barrier;
use anyvisor_arch::gic::gicr::waker;
use anyvisor_arch::gic::intid::SPIS;
use anyvisor_arch::gic::{bank, gicd, gicr};
use arm_gic::UniqueMmioPointer;
use arm_gic::gicv3::GicV3;
use arm_gic::gicv3::registers::{Gicd, GicrSgi};

use crate::cell::OneCpu;
use crate::machine::{GicRegions, MOST_CPUS, Machine};
use frame::Frame;
use interrupt::{Group, Interrupt, Trigger};

/// The distributor.
static DISTRIBUTOR: OneCpu<Option<Frame>> = OneCpu::new(None);
/// RD_base of each CPU's redistributor, by its place in the FDT.
static REDISTRIBUTORS: [OneCpu<Option<Frame>>; MOST_CPUS] =
    [const { OneCpu::new(None) }; MOST_CPUS];

/// GICR_CTLR.RWP: a write to GICR_ICENABLER0 is on its way.
const GICR_RWP: u32 = 1 << 3;

/// The priority of everything that no case is about: the middle.
pub const DEFAULT_PRIORITY: u64 = 0x80;

/// Sets the GIC up, all interrupts disabled.
pub fn init(machine: Machine) {
    let Some(regions) = machine.gic else { return };
    let pointers = NonNull::new(regions.distributor.start as *mut Gicd)
        .zip(NonNull::new(regions.redistributors.start as *mut GicrSgi));
    let Some((gicd, gicr)) = pointers else { return };
    // Whether redistributors have the two more frames of a GICv4 matters for finding the second;
    // the driver has the first only, which is this CPU's.
    const GICV4: bool = false;
    const CPU: usize = 0;
    // SAFETY: the FDT says that a GICv3 stands there, and `mmu::init` has mapped it as Device
    // memory. The driver is gone before the registers are reached in another way.
    let mut driver = unsafe { GicV3::new(UniqueMmioPointer::new(gicd), gicr, 1, GICV4) };
    driver.setup(CPU);
    driver.enable_all_interrupts(false);
    DISTRIBUTOR.set(Some(Frame::at(regions.distributor.start)));
    for (slot, affinity) in REDISTRIBUTORS.iter().zip(machine.cpus()) {
        slot.set(find_redistributor(regions, *affinity));
    }
    reset();
}

/// The redistributor whose GICR_TYPER.Affinity_Value is a CPU's.
fn find_redistributor(regions: GicRegions, affinity: u64) -> Option<Frame> {
    let region = regions.redistributors;
    let wanted = affinity >> 32 << 24 | affinity & 0xff_ffff; // Aff3.Aff2.Aff1.Aff0
    for at in (region.start..region.end()).step_by(gicr::SIZE as usize) {
        let frame = Frame::at(at);
        let typer = frame.read64(gicr::TYPER);
        if typer >> 32 == wanted {
            return Some(frame);
        }
        if typer & gicr::typer::LAST != 0 {
            break;
        }
    }
    None
}

/// Whether there is one.
pub fn is_present() -> bool {
    DISTRIBUTOR.get().is_some()
}

/// GICD.
///
/// # Panics
/// Without a GIC.
#[track_caller]
pub fn distributor() -> Frame {
    DISTRIBUTOR.get().expect("a case that uses the GIC needs one")
}

/// RD_base of a CPU, by its place in the FDT.
///
/// # Panics
/// If the GIC has none for it.
#[track_caller]
pub fn redistributor(cpu: usize) -> Frame {
    match REDISTRIBUTORS.get(cpu).and_then(OneCpu::get) {
        Some(frame) => frame,
        None => panic!("no GICR_TYPER names CPU {cpu}"),
    }
}

/// Waits until writes to GICD_CTLR, GICR_CTLR and the enables have taken effect (RWP).
pub fn settle() {
    while distributor().read(gicd::CTLR) & gicd::ctlr::RWP != 0 {}
    while redistributor(crate::smp::this_cpu()).read(gicr::CTLR) & GICR_RWP != 0 {}
    barrier::isb(barrier::SY);
}

/// Whether there is one security state (GICD_CTLR.DS): then Group 0 is ours, and is FIQ.
pub fn is_one_security_state() -> bool {
    distributor().read(gicd::CTLR) & gicd::ctlr::DS != 0
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

/// Acknowledges the highest-priority pending interrupt (ICC_IAR1_EL1).
pub fn acknowledge() -> Option<u32> {
    let intid = cpu_interface::iar1() & 0xff_ffff;
    (intid < 1020).then_some(intid as u32)
}

/// Ends an interrupt that was acknowledged (ICC_EOIR1_EL1).
pub fn end(intid: u32) {
    cpu_interface::set_eoir1(intid.into());
}

/// The number of SPIs' INTIDs, and 32: GICD_TYPER.ITLinesNumber.
pub fn intids() -> u32 {
    let lines = gicd::typer::IT_LINES_NUMBER.get(distributor().read(gicd::TYPER).into()) as u32;
    (32 * (lines + 1)).min(SPIS.end)
}

/// Wakes a CPU from WFI, whatever it is waiting for, by an SGI that is more urgent than anything else. For a CPU whose case was abandoned.
pub fn wake(cpu: usize) {
    const SGI: u32 = 15;
    if is_present() && !Interrupt::of(cpu, SGI).is_pending() {
        Interrupt::of(cpu, SGI).prepare(Group::One, 0);
        cpu_interface::set_sgi1r(cpu_interface::sgi(SGI, crate::smp::affinity(cpu)));
    }
}

/// Makes a CPU's own part as every case finds it: awake, nothing pending, active or enabled, all of
/// Group 1 let through. For a CPU that has just started, and for the first one between cases.
pub fn reset_this_cpu() {
    use cpu_interface as icc;
    let cpu = crate::smp::this_cpu();
    icc::set_sre(icc::sre() | 1);
    let frame = redistributor(cpu);
    let asleep = waker::PROCESSOR_SLEEP | waker::CHILDREN_ASLEEP;
    if frame.read(gicr::WAKER) & asleep != 0 {
        frame.write(gicr::WAKER, 0);
        while frame.read(gicr::WAKER) & waker::CHILDREN_ASLEEP != 0 {}
    }
    icc::set_igrpen0(0);
    icc::set_igrpen1(0);
    if icc::rpr() != icc::IDLE {
        icc::set_ap0r0(0);
        icc::set_ap1r0(0);
    }
    icc::set_ctlr(0); // EOImode 0, a binary point for each group
    icc::set_bpr0(0); // as low as there is
    icc::set_bpr1(0);
    icc::set_pmr(0xff); // all priorities
    reset_bank(frame.plus(gicr::SGI_BASE), 0);
    icc::set_igrpen1(1);
}

/// Puts 32 interrupts back: disabled, inactive, of Group 1, in the middle of the priorities.
fn reset_bank(frame: Frame, word: u64) {
    let at = word * 4;
    for register in [bank::ICENABLER, bank::ICPENDR, bank::ICACTIVER, bank::IGROUPR] {
        frame.write(register + at, u32::MAX);
    }
    for four in 0..8 {
        frame
            .write(bank::IPRIORITYR + (word * 8 + four) * 4, 0x0101_0101 * DEFAULT_PRIORITY as u32);
    }
}

/// The SPIs that the cases may use: no device of the machine has them, and [`reset`] puts all of
/// their registers back.
pub const FREE_SPIS: core::ops::Range<u32> = 40..48;

/// Puts everything back that a case may have changed.
pub fn reset() {
    if !is_present() {
        return;
    }
    reset_this_cpu();
    let gicd = distributor();
    gicd.write(gicd::CTLR, gicd::ctlr::ARE);
    for word in 1..u64::from(intids().div_ceil(32)) {
        reset_bank(gicd, word);
    }
    settle();
    for spi in FREE_SPIS.map(Interrupt::new) {
        spi.set_trigger(Trigger::Level);
        spi.route(crate::smp::own_affinity());
        spi.clear_pending();
    }
    gicd.write(gicd::CTLR, gicd::ctlr::ARE | gicd::ctlr::ENABLE_GRP0 | gicd::ctlr::ENABLE_GRP1);
    settle();
}
