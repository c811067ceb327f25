//! The portable Hypervisor.framework as libraries for C: `libHypervisor.so` and `libHypervisor.a`.
//!
//! ```text
//!   cargo build --release -p anyvisor-framework
//!   cc -I host/hv/include program.c -L target/release -lHypervisor
//! ```
//!
//! Everything is in the crate `anyvisor-hv`, whose functions have C's names: whoever links that
//! crate exports them, and this one does nothing else. The headers are in its `include/`, two C
//! programs in its `examples/`.
//!
//! The crate is an rlib too, because cargo builds for a package's tests what a Rust program could link
//! only; and an rlib has no link-time optimisation. `cargo rustc --release -p anyvisor-framework
//! --crate-type cdylib` makes the shared library alone, with it: smaller, and about as fast.
//!
//! On macOS the libraries are empty: there `-framework Hypervisor` is Apple's.

#![forbid(unsafe_code)]
#![allow(non_snake_case)] // the crate's name is the library's, as `-framework Hypervisor` has it

#[cfg(not(target_os = "macos"))]
use anyvisor_hv as _;
