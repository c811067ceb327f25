//! The monitor: loads a guest, serves its traps through `applevisor`, and checks them from the
//! outside.
//!
//! ```text
//!   file --image--> segments --machine--> VM, RAM, GIC, vCPUs (processors, cpu)
//!                                           |
//!                        each vCPU's run: present lines, enter, exit
//!                                           |
//!        +----------+-----------+-----------+----------+----------+
//!     hypercall    mmio        wfx        sysreg     vtimer     cancel      (trap/)
//!     psci, service devices    sleep     undefined   lines    notices
//!                                           |
//!            board: what they share; alarm: what happens later, and what stops the machine
//!                                           |
//!                          Stop, console, complaints, record
//!                                           |
//!   suite: one case, one VM --> Outcome --report--> KTAP, pretty, JSON
//! ```
//!
//! It is written against the unmodified `applevisor` crate: on macOS that is Apple's framework;
//! elsewhere `anyvisor-hv` is linked by the line below and nothing else here knows of it.

#![deny(unsafe_code)] // but for `seam`, which says why

#[cfg(not(target_os = "macos"))]
use anyvisor_hv as _;

pub mod alarm;
pub mod autopsy;
pub mod board;
pub mod boards;
pub mod cli;
pub mod command;
pub mod console;
pub mod cpu;
pub mod devices;
pub mod expect;
pub mod explain;
pub mod fdt;
pub mod firmware;
pub mod gic;
pub mod image;
pub mod ktap;
pub mod lines;
pub mod logging;
pub mod machine;
pub mod mmio_decode;
pub mod partition;
pub mod processors;
pub mod program;
pub mod qos;
pub mod ram;
pub mod record;
pub mod remedy;
pub mod report;
pub mod reset;
pub mod run;
#[allow(unsafe_code)]
pub mod seam;
pub mod seeded;
pub mod select;
pub mod size;
pub mod suite;
pub mod timeline;
pub mod trap;
pub mod walk;
pub mod watch;
pub mod workers;
