//! What the monitor does about each kind of exit. [`crate::run`] is the table of contents.

pub mod announced;
pub mod cancel;
pub mod debug;
pub mod hypercall;
pub mod mmio;
pub mod psci;
pub mod service;
pub mod sysreg;
pub mod undefined;
pub mod vtimer;
pub mod wfx;
