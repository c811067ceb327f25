//! The suite on every hypervisor at hand: one image, one table, reports.
//!
//! ```text
//!   run: command line --> hypervisor: what is here --> crew: who runs what, and again
//!                                                        |
//!                    +-----------------------------------+
//!                    v                                   v
//!   session: boots, as many as it takes          monitor: our own, which reports in JSON
//!     choice: boot arguments for these cases
//!     boot: process + clock -> listen: the console, line by line, and what is wrong with it
//!                    |                                   |
//!                    +----------> record <---------------+
//!                                   | known: is it a known difference?
//!                                   v
//!            results: a file of records; show: the table for people
//!               |
//!               +--> report: files of records, of many machines, as JUnit, HTML, JSON lines
//! ```

#![forbid(unsafe_code)]

pub mod boot;
pub mod choice;
pub mod cli;
pub mod crew;
pub mod explain;
pub mod hypervisor;
pub mod known;
pub mod lab;
pub mod lines;
pub mod listen;
pub mod monitor;
pub mod mutants;
pub mod process;
pub mod record;
pub mod report;
pub mod results;
pub mod run;
pub mod session;
pub mod show;
