//! The program `anyvisor`, as a function: the binary calls it, and so do tests that need a
//! process of their own.

use crate::cli::{Cli, Command, Trace};
use crate::console::{output_lost, tell};
use crate::{command, explain, logging, seeded};
use clap::Parser;
use std::process::ExitCode;

/// The command line, a file or the machine does not fit. clap uses the same number.
const USAGE: u8 = 2;

/// Does what the process's command line says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(traces_instructions(&cli.command));
    let result = match &cli.command {
        Command::Run(args) => command::run(args), // the cases of a test kernel
        Command::List(args) => command::list(args), // what they claim
        Command::Boot(args) => command::boot(args), // any other kernel
        Command::Explain(args) => Ok(explain::explain(args)), // instruction words
        Command::Bugs => {
            seeded::list(); // what `--bug` takes
            Ok(ExitCode::SUCCESS)
        }
    };
    let status = result.unwrap_or_else(|error| {
        tell!("anyvisor: {error}");
        ExitCode::from(USAGE)
    });
    if output_lost() {
        tell!("anyvisor: the standard output took no more: results are lost");
        return ExitCode::from(USAGE);
    }
    status
}

fn traces_instructions(command: &Command) -> bool {
    let trace = match command {
        Command::Run(args) => args.trace,
        Command::Boot(args) => args.trace,
        Command::List(_) | Command::Explain(_) | Command::Bugs => None,
    };
    trace == Some(Trace::Instructions)
}
