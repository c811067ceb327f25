//! `cargo xtask explain CASE`: what a case teaches, and what the guest and the hypervisor do when
//! it runs, with the lines of its source.

use crate::command::{Cmd, passthrough};
use crate::workspace::Workspace;
use crate::{matrix, mutants, run};
use anyhow::Result;
use std::process::ExitCode;

/// What `explain` takes.
#[derive(clap::Args)]
pub struct Args {
    /// The case: its name, or a pattern (* and ?) that fits no other; and more for
    /// `anyvisor-matrix explain`: --all, --bug NAME, --format json, --events N, `-- --cpu m2`, ...
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CASE"
    )]
    args: Vec<String>,
}

/// Builds what is not built, and explains; the exit status is the case's.
///
/// # Errors
/// Something does not compile.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    let seeded = args.args.iter().any(|arg| arg == "--bug" || arg.starts_with("--bug="));
    let (guest, monitor) = if seeded { mutants::prepare(ws)? } else { run::prepare(ws)? };
    let cmd =
        Cmd::new("explain", matrix::program(ws)?).dir(&ws.root).arg("explain").arg(&guest.elf);
    let cmd = cmd.arg("--monitor").arg(&monitor).args(&args.args);
    Ok(run::status(passthrough(cmd)?))
}
