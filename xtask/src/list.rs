//! `cargo xtask list`: the cases, read from the kernel's ELF file without booting it.

use crate::command::{Cmd, passthrough};
use crate::run;
use crate::workspace::Workspace;
use anyhow::Result;
use std::process::ExitCode;

/// What `list` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Passed on to `anyvisor list KERNEL`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ANYVISOR ARGS")]
    args: Vec<String>,
}

/// Builds the kernel and the monitor if need be and lists the cases.
///
/// # Errors
/// A step before the monitor's start failed.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    let (guest, monitor) = run::prepare(ws)?;
    let cmd = Cmd::new("list", monitor).arg("list").arg(&guest.elf).args(&args.args);
    Ok(run::status(passthrough(cmd)?))
}
