//! The suite on every hypervisor at hand: one image, one table, reports.

#![forbid(unsafe_code)]

pub mod cli;
pub mod record;
pub mod report;
pub mod run;
