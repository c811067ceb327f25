//! `anyvisor`: runs guests in virtual machines. [`anyvisor_monitor::program`] is what it does.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    anyvisor_monitor::program::main()
}
