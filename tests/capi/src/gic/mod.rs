//! The framework's interrupt controller.
//!
//! ```text
//!   place       where it stands, and a machine with one for the other files
//!   parameters  sizes and numbers            config      configuration objects
//!   create      when it can be made          lines       SPIs and messages from the host
//!   registers   distributor, redistributor   interface   the CPU interface's registers
//!   state       kept, put back, reset        delivery    what a guest takes
//! ```
//!
//! What a guest's registers mean is GICv3's: IHI 0069. Public programs whose use of Apple's
//! framework is quoted: applevisor's own tests, QEMU's `hw/intc/arm_gicv3_hvf.c`, alioth, and the
//! measurements of shards (Apple M5 Max, macOS 26.4).

mod config;
mod create;
mod delivery;
mod interface;
mod lines;
mod parameters;
pub mod place;
mod registers;
mod state;

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    [
        parameters::cases(),
        config::cases(),
        create::cases(),
        lines::cases(),
        registers::cases(),
        interface::cases(),
        state::cases(),
        delivery::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
