//! What a guest or a caller of the API may do at random, and what must hold then.
//!
//! ```text
//!   bytes --Input--> gic: accesses to a GIC's registers, lines, PEs that come and go
//!                    api: calls of hv_* functions with any argument
//! ```
//!
//! Each body takes bytes as instructions and runs out of them. It panics when something that must
//! hold does not. The same bodies run twice: from seeds, in the ordinary tests (`tests/seeded.rs`);
//! and under libFuzzer, which looks for bytes that go new ways, with AddressSanitizer
//! (`fuzz/`, a workspace of its own because it needs a nightly compiler):
//!
//!     cargo xtask fuzz gic --minutes 10

#![forbid(unsafe_code)]

#[cfg(not(target_os = "macos"))]
pub mod api;
pub mod gic;
mod input;

pub use input::{Input, seeded};
