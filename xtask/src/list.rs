//! `cargo xtask list`: the cases, read from the kernel's ELF file without booting it; or the
//! instructions, from the table that the software engine is made of.

use crate::command::{Cmd, passthrough};
use crate::run;
use crate::workspace::{Workspace, cargo};
use anyhow::Result;
use std::process::ExitCode;

/// The package with the table of instructions, and the program in it that prints it.
const CPU: &str = "anyvisor-cpu";
const INSTRUCTIONS: &str = "instructions";

/// What `list` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Instead of the cases: each encoding class of A64 with its rows, or why it has none
    #[arg(long, conflicts_with = "args")]
    instructions: bool,
    /// Passed on to `anyvisor list KERNEL`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ANYVISOR ARGS")]
    args: Vec<String>,
}

/// Builds the kernel and the monitor if need be and lists the cases; or lists the instructions.
///
/// # Errors
/// A step before the program's start failed.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    if args.instructions {
        let cmd = Cmd::new("list", cargo()).dir(&ws.root);
        let cmd = cmd.args(["run", "-q", "-p", CPU, "--example", INSTRUCTIONS]);
        return Ok(run::status(passthrough(cmd)?));
    }
    let (guest, monitor) = run::prepare(ws)?;
    let cmd = Cmd::new("list", monitor).arg("list").arg(&guest.elf).args(&args.args);
    Ok(run::status(passthrough(cmd)?))
}
