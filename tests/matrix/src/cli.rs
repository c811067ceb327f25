//! The command line: one program, a subcommand for each thing one does with a run of the suite.

use crate::{report, run};
use clap::{Parser, Subcommand};
use std::error::Error;
use std::process::ExitCode;

/// Runs the suite on hypervisors, and makes reports of what they said.
#[derive(Debug, Parser)]
#[command(name = "anyvisor-matrix", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done. Each stands in a module of its own, with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the cases of a test kernel on every hypervisor that is here
    ///
    /// The exit status is 0 if all passed, were skipped or differ as known, 1 if one failed, 2 for
    /// a command line or a file that does not fit.
    Run(Box<run::Args>),
    /// Make reports of what runs left, of one machine or of a fleet
    ///
    /// The exit status is 0 if all cases passed, were skipped or differ as known, 1 if one failed
    /// or the records are not whole or do not fit together, 2 for a file that cannot be read.
    Report(report::Args),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What is wrong before there is any result. One line, and the exit status is 2.
    pub fn main(self) -> Result<ExitCode, Box<dyn Error>> {
        Ok(match self {
            Self::Run(args) => run::main(&args)?,
            Self::Report(args) => report::main(&args)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
