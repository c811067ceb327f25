//! A GICv3 (IHI 0069).
//!
//! The driver of the crate `arm-gic` sets up the distributor and the first CPU: somebody else's
//! driver has to be content with a GIC, too. It cannot set up the other CPUs once the first runs;
//! [`reset_this_cpu`] does.

use core::ptr::NonNull;

use anyvisor_arch::gic::gicr::waker;
use anyvisor_arch::gic::{bank, gicd, gicr};
use arm_gic::UniqueMmioPointer;
use arm_gic::gicv3::GicV3;
use arm_gic::gicv3::registers::{Gicd, GicrSgi};

use super::frame::Frame;
use super::interrupt::{Group, Interrupt, Trigger};
use super::{FREE_SPIS, cpu_interface, distributor, intids, reset_priorities};
use crate::cell::OneCpu;
use crate::machine::{MOST_CPUS, MOST_REGIONS, Machine, Region};

/// RD_base of each CPU's redistributor, by its place in the FDT.
static REDISTRIBUTORS: [OneCpu<Option<Frame>>; MOST_CPUS] =
    [const { OneCpu::new(None) }; MOST_CPUS];

/// GICR_CTLR.RWP: a write to GICR_ICENABLER0 is on its way.
const GICR_RWP: u32 = 1 << 3;
/// GICR_TYPER.VLPIS: virtual LPIs, a GICv4's.
const TYPER_VLPIS: u64 = 1 << 1;

/// Sets the GIC up, all interrupts disabled.
pub fn init(
    machine: Machine,
    distributor: Region,
    redistributors: [Option<Region>; MOST_REGIONS],
    stride: Option<u64>,
) {
    for (slot, affinity) in REDISTRIBUTORS.iter().zip(machine.cpus()) {
        let regions = redistributors.into_iter().flatten();
        let mut found = regions.map(|region| find_redistributor(region, stride, *affinity));
        slot.set(found.find_map(|frame| frame));
    }
    let own = redistributor(crate::smp::this_cpu());
    let pointers = NonNull::new(distributor.start as *mut Gicd)
        .zip(NonNull::new(own.address() as *mut GicrSgi));
    let Some((gicd, gicr)) = pointers else { return };
    // Whether redistributors have the two more frames of a GICv4 matters for finding the second;
    // the driver has one only, which is this CPU's.
    const GICV4: bool = false;
    const CPU: usize = 0;
    // SAFETY: the FDT says that a GICv3 stands there, and `mmu::init` has mapped it as Device
    // memory. The driver is gone before the registers are reached in another way.
    let mut driver = unsafe { GicV3::new(UniqueMmioPointer::new(gicd), gicr, 1, GICV4) };
    driver.setup(CPU);
    driver.enable_all_interrupts(false);
}

/// The redistributor whose GICR_TYPER.Affinity_Value is a CPU's.
fn find_redistributor(region: Region, stride: Option<u64>, affinity: u64) -> Option<Frame> {
    let wanted = affinity >> 32 << 24 | affinity & 0xff_ffff; // Aff3.Aff2.Aff1.Aff0
    let mut at = region.start;
    while at < region.end() {
        let frame = Frame::at(at);
        let typer = frame.read64(gicr::TYPER);
        if typer >> 32 == wanted {
            return Some(frame);
        }
        if typer & gicr::typer::LAST != 0 {
            break;
        }
        // A GICv4's has two more frames (GICR_TYPER.VLPIS).
        let frames = if typer & TYPER_VLPIS != 0 { 2 * gicr::SIZE } else { gicr::SIZE };
        at += stride.unwrap_or(frames);
    }
    None
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
}

/// Whether there is one security state (GICD_CTLR.DS): then Group 0 is ours, and is FIQ.
pub fn is_one_security_state() -> bool {
    distributor().read(gicd::CTLR) & gicd::ctlr::DS != 0
}

/// See [`super::wake`].
pub fn wake(cpu: usize) {
    const SGI: u32 = 15;
    if !Interrupt::of(cpu, SGI).is_pending() {
        Interrupt::of(cpu, SGI).prepare(Group::One, 0);
        cpu_interface::set_sgi1r(cpu_interface::sgi(SGI, crate::smp::affinity(cpu)));
    }
}

/// See [`super::reset_this_cpu`]. All of Group 1 is let through.
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
    reset_priorities(frame, word);
}

/// See [`super::reset`].
pub fn reset() {
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
