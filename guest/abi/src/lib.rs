//! What the guest kernel and the monitor agree on, and nothing else.
//!
//! * [`map`]: where things stand in the guest's physical address space;
//! * [`smccc`]: hypercalls that every hypervisor has (SMCCC, PSCI);
//! * [`service`]: hypercalls that only our monitor has: the test control;
//! * [`case`]: the records that describe the cases inside the kernel's ELF file;
//! * [`lesson`]: what the cases teach, inside the same file;
//! * [`glob`]: what `case=PATTERN` in the boot arguments means.
//!
//! The host reads this crate to serve a guest; the guest reads it to ask. Neither knows more of
//! the other. No dependency, no unsafe, no allocation.

#![no_std]
#![forbid(unsafe_code)]

pub mod case;
pub mod glob;
pub mod lesson;
pub mod map;
pub mod service;
pub mod smccc;
