//! The command line: one program, a subcommand for each thing one does with a run of the suite.

use crate::{explain, lab, mutants, report, run};
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
    /// Run the cases with each seeded bug: how many are found, and by which cases
    ///
    /// The exit status is 0 if each bug is found, or cannot be seen for a reason that the table of
    /// bugs gives; 1 otherwise, 2 for what does not fit or a suite that fails without any bug.
    Mutants(mutants::Args),
    /// Show what a bug does, and not which it is: a lab, with a hint and a solution
    Lab(lab::Args),
    /// Make reports of what runs left, of one machine or of a fleet
    ///
    /// The exit status is 0 if all cases passed, were skipped or differ as known, 1 if one failed
    /// or the records are not whole or do not fit together, 2 for a file that cannot be read.
    Report(report::Args),
    /// Print a case's lesson, run it, and show what the guest and the hypervisor did in turn
    ///
    /// The exit status is 0 if the case passed or was skipped, 1 if it failed, 2 for a command
    /// line or a file that does not fit.
    Explain(explain::Args),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What is wrong before there is any result. One line, and the exit status is 2.
    pub fn main(self) -> Result<ExitCode, Box<dyn Error>> {
        Ok(match self {
            Self::Run(args) => run::main(&args)?,
            Self::Mutants(args) => mutants::main(&args)?,
            Self::Lab(args) => lab::main(&args)?,
            Self::Report(args) => report::main(&args)?,
            Self::Explain(args) => explain::main(&args)?,
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
