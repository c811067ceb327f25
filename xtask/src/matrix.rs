//! `cargo xtask matrix`: the suite on every hypervisor that is here.
//!
//! What runs it is a program of its own, [`program`]; so are the other commands that have to do
//! with a run of the suite. Here stands only what that program needs to be built before.

use crate::command::{Cmd, passthrough, watch};
use crate::progress::Step;
use crate::workspace::{Workspace, cargo};
use crate::{qemu, run};
use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;

/// The runner's package and binary.
const PACKAGE: &str = "anyvisor-matrix";

/// What `matrix` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Passed on to `anyvisor-matrix run`: --case, --hypervisor, --list, --out, ...
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "MATRIX ARGS")]
    args: Vec<String>,
}

/// Builds the kernel, the monitor and the runner, and runs it; the exit status is its own.
///
/// # Errors
/// One of them cannot be built.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    let (guest, monitor) = run::prepare(ws)?;
    let program = program(ws)?;
    let (qemu, no_qemu) = qemu::prepare(ws)?;
    let cmd = Cmd::new("matrix", program).arg("run").arg(&guest.elf);
    let cmd = cmd.arg("--image").arg(&guest.image).arg("--monitor").arg(monitor);
    let cmd = match qemu.system {
        Some(qemu) => cmd.env("ANYVISOR_QEMU", qemu),
        None => cmd.env("ANYVISOR_QEMU_MISSING", no_qemu.unwrap_or_default()),
    };
    let cmd = cmd.args(&args.args);
    Ok(run::status(passthrough(cmd)?))
}

/// Builds the runner, as cargo builds for development: it waits for others, and what optimising
/// and linking it as a release would take is more than it could ever save.
///
/// # Errors
/// It does not compile.
pub fn program(ws: &Workspace) -> Result<PathBuf> {
    let step = Step::new(PACKAGE);
    let cmd = Cmd::new(PACKAGE, cargo()).dir(&ws.root);
    if let Err(error) = watch(cmd.args(["build", "-p", PACKAGE, "--bin", PACKAGE]), &step) {
        step.failed();
        return Err(error.into());
    }
    step.done_if_long("built");
    Ok(ws.target.join("debug").join(PACKAGE).with_extension(std::env::consts::EXE_EXTENSION))
}
