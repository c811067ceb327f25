//! The GICv3, where the FDT has one: just enough to take the timers' interrupts.

use core::ptr::NonNull;

use arm_gic::gicv3::registers::{Gicd, GicrSgi};
use arm_gic::gicv3::{GicCpuInterface, GicV3, InterruptGroup};
use arm_gic::{IntId, UniqueMmioPointer};
use spin::Mutex;

use crate::machine::Machine;

static GIC: Mutex<Option<GicV3<'static>>> = Mutex::new(None);

/// Only this CPU, whose redistributor is the first.
const CPU: usize = 0;

/// Whether redistributors have the two more frames of a GICv4. It matters for finding the second.
const GICV4: bool = false;

/// Sets the GIC up, all interrupts disabled.
pub fn init(machine: Machine) {
    let Some(regions) = machine.gic else { return };
    let pointers = NonNull::new(regions.distributor.start as *mut Gicd)
        .zip(NonNull::new(regions.redistributors.start as *mut GicrSgi));
    let Some((gicd, gicr)) = pointers else { return };
    // SAFETY: the FDT says that a GICv3 stands there, `mmu::init` has mapped it as Device
    // memory, and this is the only driver for it.
    let mut gic = unsafe { GicV3::new(UniqueMmioPointer::new(gicd), gicr, 1, GICV4) };
    gic.setup(CPU);
    gic.enable_all_interrupts(false);
    GicCpuInterface::set_priority_mask(0xff); // let everything through
    *GIC.lock() = Some(gic);
}

/// Whether there is one.
pub fn is_present() -> bool {
    GIC.lock().is_some()
}

/// Enables or disables a PPI.
pub fn enable(intid: u32, on: bool) {
    if let Some(gic) = GIC.lock().as_mut() {
        let intid = ppi(intid);
        gic.set_interrupt_priority(intid, Some(CPU), 0x80).expect("a PPI has a priority");
        gic.enable_interrupt(intid, Some(CPU), on).expect("a PPI can be enabled");
    }
}

/// Acknowledges the highest-priority pending interrupt (ICC_IAR1_EL1).
pub fn acknowledge() -> Option<u32> {
    GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group1).map(u32::from)
}

/// Ends an interrupt that was acknowledged (ICC_EOIR1_EL1).
pub fn end(intid: u32) {
    GicCpuInterface::end_interrupt(ppi(intid), InterruptGroup::Group1);
}

fn ppi(intid: u32) -> IntId {
    const FIRST_PPI_INTID: u32 = 16;
    IntId::ppi(intid - FIRST_PPI_INTID)
}

/// Takes the driver from whoever held it when a case failed, and disables its interrupts.
pub fn reset(machine: Machine) {
    // SAFETY: one CPU; the holder was abandoned.
    unsafe { GIC.force_unlock() };
    for intid in [machine.virtual_timer, machine.physical_timer] {
        enable(intid, false);
    }
}
