//! What every engine shares: guest memory, exits, and the traits that an engine fulfils.
//!
//! ```text
//!   host/hv  (the hv_* C API)
//!      |  Engine, Vm, Vcpu          engine.rs
//!      v
//!   host/cpu  ---->  Stage2, Page   memory.rs, memory/page.rs
//! ```
//!
//! Four kinds of failure are kept apart: an [`Exit`] is a value that the caller of `run` handles;
//! a fault is delivered to the guest and never leaves the engine; an [`HvError`] is misuse of
//! the API; everything else belongs to the programs at the edge.

#![deny(unsafe_code)] // allowed in `memory::page` alone

pub mod attention;
pub mod engine;
pub mod error;
pub mod exit;
pub mod gic;
pub mod memory;
#[cfg(all(test, loom))]
mod models;
pub mod sync;

pub use attention::Attention;
pub use engine::{Cancel, Engine, FeatureReg, Line, Reg, Vcpu, VcpuConfig, Vm, VmConfig};
pub use error::{HvError, ReturnCode};
pub use exit::{Exit, ExitException};
pub use gic::{GicConfig, GicGeometry, InterruptController};
pub use memory::page::{HostPage, Page, Update};
pub use memory::{GuestMemory, Perms, Recent, Stage2};
