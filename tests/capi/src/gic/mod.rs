//! The framework's interrupt controller.
//!
//! ```text
//!   place       where it stands, and a machine with one for the other files
//!   parameters  sizes and numbers            config      configuration objects
//!   create      when it can be made          lines       SPIs and messages from the host
//!   messages    the MSI frame                distributor, redistributor, interface: registers
//!   state       kept, put back, reset        delivery    what a guest takes
//!   waiting     what ends a wait             frames      what a guest finds at which address
//!   sweep       any call with any argument, on several threads
//! ```
//!
//! What a guest's registers mean is GICv3's: IHI 0069. Public programs whose use of Apple's
//! framework is quoted: applevisor's own tests, QEMU's `hw/intc/arm_gicv3_hvf.c`, alioth, and the
//! measurements of shards (Apple M5 Max, macOS 26.4).

mod config;
mod create;
mod delivery;
mod distributor;
mod frames;
mod interface;
mod lines;
mod messages;
mod parameters;
pub mod place;
mod redistributor;
mod state;
mod sweep;
mod waiting;

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    [
        parameters::cases(),
        config::cases(),
        create::cases(),
        lines::cases(),
        messages::cases(),
        distributor::cases(),
        redistributor::cases(),
        interface::cases(),
        state::cases(),
        delivery::cases(),
        waiting::cases(),
        frames::cases(),
        sweep::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
