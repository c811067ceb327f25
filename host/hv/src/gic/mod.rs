//! The framework's interrupt controller: a GICv3 that the engine runs by itself.
//!
//! ```text
//!   hv_gic_config_create, hv_gic_config_set_*        config       where it stands
//!            |
//!   hv_vm_create -> hv_gic_create -> hv_vcpu_create  (this order; one GIC in a VM)
//!                        |
//!     hv_gic_set_spi     |      hv_gic_send_msi      here         what devices say
//!                +-------v-------+
//!                |  distributor  |                   registers    what it is set to
//!                | redistributor |  one a vCPU
//!                | CPU interface |
//!                +-------+-------+
//!                        |
//!     hv_gic_state_create, hv_gic_set_state          state        kept and put back
//!                                                    parameters   sizes and numbers, before all
//! ```
//!
//! Everything but a vCPU's own registers may be called from any thread.
//!
//! # What a guest and its monitor see, where Apple's documents leave it open
//!
//! * The GIC answers where nothing is mapped: memory mapped over one of its frames hides it, be it
//!   mapped before or after `hv_gic_create`. (Only a stage-2 fault leads to a device, on hardware
//!   as here.)
//! * In the redistributors' region only the frames of vCPUs that can exist are the GIC's. The rest
//!   of it exits, as the layout of QEMU's `virt` board relies on with Apple's framework: its
//!   devices lie in that region.
//! * With a GIC the virtual timer is PPI 27 and WFI waits inside `hv_vcpu_run`: neither exits. A
//!   public measurement saw the same of Apple's framework.
//!
//! # Left out
//!
//! * LPIs and an ITS: Apple's GIC has none.
//! * EL2, and with it ICC_SRE_EL2 and the ICH and ICV registers: `HV_UNSUPPORTED`.

mod config;
mod parameters;
mod registers;
mod state;

pub use config::*;
pub use parameters::*;
pub use registers::*;
pub use state::*;

pub(crate) use config::Settings;

use crate::abi::{hv_gic_config_t, hv_ipa_t, hv_return_t};
use crate::answer::answer;
use crate::vm::{self, Gic};
use anyvisor_arch::gic::msi;
use anyvisor_vm::HvError;

/// Gives the VM a GIC. It has no vCPU yet.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_create(gic_config: hv_gic_config_t) -> hv_return_t {
    answer("hv_gic_create", || {
        let settings = config::settings(gic_config)?;
        let geometry = parameters::geometry()?;
        vm::create_gic(|vm| settings.place(&geometry, vm.ipa_bits))
    })
}

fn set_spi(intid: u32, level: bool) -> Result<(), HvError> {
    let Gic { controller, config } = vm::gic()?;
    config::check_spis(&parameters::geometry()?, intid, 1)?;
    match config.messages {
        Some((_, messages)) if messages.contains(&intid) => Err(HvError::MessageSpi(intid)),
        _ => {
            controller.set_spi(intid, level);
            Ok(())
        }
    }
}

fn send_msi(address: u64, intid: u32) -> Result<(), HvError> {
    let Gic { controller, config } = vm::gic()?;
    let (base, messages) = config.messages.ok_or(HvError::NoMessages)?;
    let register = base + msi::SETSPI_NS;
    if address != register {
        return Err(HvError::MessageAddress { address, register });
    }
    if !messages.contains(&intid) {
        return Err(HvError::NoMessageSpi(intid));
    }
    controller.send_message(intid);
    Ok(())
}

/// Drives the line of an SPI. An edge-triggered one becomes pending when its line goes up.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_set_spi(intid: u32, level: bool) -> hv_return_t {
    answer("hv_gic_set_spi", || set_spi(intid, level))
}

/// Sends a message, as a device that writes `intid` to the MSI frame's SETSPI_NS at `address`.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_send_msi(address: hv_ipa_t, intid: u32) -> hv_return_t {
    answer("hv_gic_send_msi", || send_msi(address, intid))
}

/// Puts distributor and redistributors back to what they are after reset. The registers of the CPU
/// interfaces are the vCPUs', and stay.
#[unsafe(no_mangle)]
pub extern "C" fn hv_gic_reset() -> hv_return_t {
    answer("hv_gic_reset", || {
        vm::gic()?.controller.reset();
        Ok(())
    })
}
