//! The GIC's sizes and numbers. No VM is needed to ask for them.

use crate::abi::hv_return_t;
use crate::answer::answer;
use crate::engine::engine;
use crate::pointer::Out;
use anyvisor_arch::gic::intid::ppi;
use anyvisor_vm::{GicGeometry, HvError};

/// The sizes of the engine's GIC.
pub(super) fn geometry() -> Result<GicGeometry, HvError> {
    engine()?.gic_geometry().ok_or(HvError::Unsupported("a GIC"))
}

/// Defines functions that write one size in bytes.
macro_rules! sizes {
    ($($(#[$doc:meta])* fn $name:ident($out:ident) = $read:expr;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($out: *mut usize) -> hv_return_t {
            answer(stringify!($name), || {
                // SAFETY: the caller's promise.
                let out = unsafe { Out::new(stringify!($out), $out) }?;
                let read: fn(&GicGeometry) -> u64 = $read;
                out.put(read(&geometry()?) as usize);
                Ok(())
            })
        }
    )*};
}

sizes! {
    /// Bytes of the distributor's region.
    fn hv_gic_get_distributor_size(distributor_size) = |g| g.distributor.0;
    /// What the distributor's base is a multiple of.
    fn hv_gic_get_distributor_base_alignment(distributor_base_alignment) = |g| g.distributor.1;
    /// Bytes that the redistributors of a VM with as many vCPUs as it can have occupy.
    fn hv_gic_get_redistributor_region_size(redistributor_region_size) =
        |g| g.redistributor_region;
    /// Bytes of one redistributor: two frames of 64 KiB.
    fn hv_gic_get_redistributor_size(redistributor_size) = |g| g.redistributor.0;
    /// What the redistributors' base is a multiple of.
    fn hv_gic_get_redistributor_base_alignment(redistributor_base_alignment) =
        |g| g.redistributor.1;
    /// Bytes of the MSI frame's region.
    fn hv_gic_get_msi_region_size(msi_region_size) = |g| g.messages.0;
    /// What the MSI frame's base is a multiple of.
    fn hv_gic_get_msi_region_base_alignment(msi_region_base_alignment) = |g| g.messages.1;
}

/// The lowest SPI, and how many there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_get_spi_interrupt_range(
    spi_intid_base: *mut u32,
    spi_intid_count: *mut u32,
) -> hv_return_t {
    answer("hv_gic_get_spi_interrupt_range", || {
        // SAFETY: the caller's promise.
        let base = unsafe { Out::new("spi_intid_base", spi_intid_base) }?;
        // SAFETY: the caller's promise.
        let count = unsafe { Out::new("spi_intid_count", spi_intid_count) }?;
        let spis = geometry()?.spis;
        base.put(spis.start);
        count.put(spis.end - spis.start);
        Ok(())
    })
}

/// The INTID of a reserved interrupt. The values of `hv_gic_intid_t` are these INTIDs.
///
/// The header has those of EL2 (maintenance 25, physical timer 26) "only present when EL2 is
/// enabled"; a public test suite gets all five without a VM, so they are told to everybody.
fn reserved(interrupt: u16) -> Result<u32, HvError> {
    match u32::from(interrupt) {
        ppi::PERFORMANCE_MONITOR
        | ppi::MAINTENANCE
        | ppi::EL2_PHYSICAL_TIMER
        | ppi::EL1_VIRTUAL_TIMER
        | ppi::EL1_PHYSICAL_TIMER => Ok(interrupt.into()),
        _ => Err(HvError::BadEnum { what: "interrupt", value: interrupt.into() }),
    }
}

/// The INTID of the performance monitors (23), of maintenance (25), of the EL2 physical (26), EL1
/// virtual (27) and EL1 physical timer (30).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hv_gic_get_intid(interrupt: u32, intid: *mut u32) -> hv_return_t {
    answer("hv_gic_get_intid", || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("intid", intid) }?;
        geometry()?;
        out.put(reserved(super::registers::narrow(interrupt))?);
        Ok(())
    })
}
