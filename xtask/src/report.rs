//! `cargo xtask report`: reports of what runs of the suite left (`anyvisor-matrix report`).

use crate::command::{Cmd, passthrough};
use crate::workspace::Workspace;
use crate::{matrix, run};
use anyhow::Result;
use std::process::ExitCode;

/// What `report` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Passed on to `anyvisor-matrix report`: FILE.jsonl..., --junit, --html, --jsonl, --pretty
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "REPORT ARGS")]
    args: Vec<String>,
}

/// Builds the program and runs it; the exit status is its own.
///
/// # Errors
/// It cannot be built.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    let cmd = Cmd::new("report", matrix::program(ws)?).arg("report").args(&args.args);
    Ok(run::status(passthrough(cmd)?))
}
