//! The software engine: an AArch64 processor, EL1 and EL0, as Hypervisor.framework shows it.
//!
//! Reading order:
//! * [`state`]: what a vCPU is; [`sysreg`]: its system registers;
//! * [`emit`]: the vocabulary of instructions; [`a64`]: the instructions, one row each;
//! * [`fp`] and [`vector`]: what FP and SIMD instructions compute;
//! * [`ir`]: the instructions' meanings recorded, printed and evaluated;
//! * [`interp`]: the loop, and the interpreter as a client of the vocabulary;
//! * [`pauth`]: pointer authentication codes;
//! * [`mmu`]: address translation; [`exception`]: exception entry and return; [`debug`]:
//!   breakpoints, watchpoints and software step;
//! * [`pmu`]: the performance monitors, for those who want them;
//! * [`software`]: all of it behind the traits of `anyvisor_vm`.
//!
//! Nothing here does I/O, spawns a thread or reads a clock: memory, bells and time are arguments,
//! effects are return values.

#![forbid(unsafe_code)]

pub mod a64;
pub mod debug;
pub mod emit;
pub mod exception;
pub mod fp;
pub mod gic;
pub mod interp;
pub mod ir;
pub mod mmu;
pub mod model;
pub mod pauth;
pub mod pmu;
pub mod software;
pub mod state;
pub mod sysreg;
pub mod vector;

pub use a64::text;
pub use software::Software;
