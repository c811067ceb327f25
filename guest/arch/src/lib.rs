//! What software can see of an AArch64 machine: names and numbers that the manual defines.
//!
//! * [`sysreg`]: the system registers, one table; [`id`]: the values of the ID registers;
//! * [`esr`]: what an exception says of itself; [`pstate`]: what it saves of the PE's state;
//! * [`descriptor`], [`tcr`], [`sctlr`], [`mair`]: the stage-1 MMU as its tables and controls
//!   spell it;
//! * [`timer`]: the generic timer's control bits; [`gic`]: the interrupt controller's registers;
//!   [`debug`]: the debug registers' fields.
//!
//! The guest's kernel and the host's CPU read the same constants: there is one place where a
//! number of the manual can be wrong. Nothing here does anything; there is no state.
//!
//! References: Arm ARM DDI 0487, issue J.a, cited by register and field (section numbers drift
//! from issue to issue, register names do not).

#![no_std]
#![forbid(unsafe_code)]

pub mod debug;
pub mod descriptor;
pub mod esr;
pub mod field;
pub mod gic;
pub mod id;
pub mod mair;
pub mod pstate;
pub mod sctlr;
pub mod sysreg;
pub mod tcr;
pub mod timer;
