//! `anyvisor-matrix`: runs the suite on hypervisors, and makes reports of what they said.

#![forbid(unsafe_code)]

use anyvisor_matrix::cli::Cli;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::parse().command.main() {
        Ok(status) => status,
        Err(error) => {
            eprintln!("anyvisor-matrix: {error}");
            ExitCode::from(2)
        }
    }
}
