//! The guest's cases as tests, on every hypervisor at hand; and what the monitor says of files
//! and guests that are no good.
//!
//! ```text
//! engine::NAME     a case of $ANYVISOR_KERNEL on the monitor's own machine
//! m2::NAME         all of them once more, on the processor that has what the default one lacks
//! bare::NAME       all of them once more, on machines without a GIC
//! board::NAME      all cases in one boot on another hypervisor's board
//! qemu-tcg-MACHINE::NAME  the same case in the same kernel ($ANYVISOR_KERNEL_IMAGE) under
//!                  $ANYVISOR_QEMU, by the runner of the matrix, on each of its machines
//! file::NAME       a file that is no kernel: one clear line, exit status 2
//! usage::NAME      a command line that does not fit: the same
//! guest::NAME      a guest that hangs, crashes or lies: the report, exit status 1
//! vcpus::NAME      a guest of several vCPUs: the machine ends, and for the right reason
//! ```
//!
//! What is not there (a kernel, QEMU) is one ignored test that says why.

#![forbid(unsafe_code)]

mod boards;
mod elf;
mod engine;
mod file;
mod guest;
mod program;
mod qemu;
mod vcpus;

use libtest_mimic::{Arguments, Completion, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    if program::is_asked_for() {
        return anyvisor_monitor::program::main();
    }
    let mut trials = engine::trials();
    trials.extend(engine::other_processor());
    trials.extend(engine::without_gic());
    trials.extend(boards::trials());
    trials.extend(qemu::trials());
    trials.extend(file::trials());
    trials.extend(guest::trials());
    trials.extend(vcpus::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A test that cannot be: ignored, with the reason.
fn missing(name: &str, reason: String) -> Vec<Trial> {
    vec![Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason)))]
}

/// An environment variable that says where something is.
fn place(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set; cargo xtask test sets it"))
}
