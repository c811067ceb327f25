//! `cargo xtask mutants`: does the suite find the bugs that were put into the engine for it?
//! `cargo xtask lab`: does somebody else?
//!
//! Both are subcommands of `anyvisor-matrix`; here stands what they need to be built: the kernel,
//! and a monitor with the bugs in it, by a profile of its own and so in a folder of its own.

use crate::command::{Cmd, passthrough, watch};
use crate::guest::{self, Guest};
use crate::progress::Step;
use crate::run::{self, both};
use crate::workspace::{HostRust, Workspace, cargo};
use crate::{macos, matrix};
use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;

/// The profile of the workspace's Cargo.toml, and the monitor's feature.
const SEEDED: &str = "seeded";

/// What `mutants` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Passed on to `anyvisor-matrix mutants`: bugs by name or pattern, --format, --stop-after, ...
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "MUTANTS ARGS")]
    args: Vec<String>,
}

impl Args {
    /// Each bug, and the case alone that is known to find it.
    pub fn quick() -> Self {
        Self { args: vec!["--quick".into()] }
    }
}

/// What `lab` takes.
#[derive(clap::Args)]
pub struct LabArgs {
    /// Passed on to `anyvisor-matrix lab`: a lab's number, --list, --random, --hint, --reveal, ...
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "LAB ARGS")]
    args: Vec<String>,
}

/// Builds what is needed and runs the suite with each bug; the exit status is the runner's.
///
/// # Errors
/// Something cannot be built.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    let (guest, monitor) = prepare(ws)?;
    let cmd = Cmd::new("mutants", matrix::program(ws)?).arg("mutants").arg(&guest.elf);
    Ok(run::status(passthrough(cmd.arg("--monitor").arg(&monitor).args(&args.args))?))
}

/// Builds what is needed and shows a lab.
///
/// # Errors
/// Something cannot be built.
pub fn lab(ws: &Workspace, args: &LabArgs) -> Result<ExitCode> {
    let (guest, monitor) = prepare(ws)?;
    let cmd = Cmd::new("lab", matrix::program(ws)?).arg("lab").arg(&guest.elf);
    let cmd = cmd.arg("--monitor").arg(&monitor).arg("--source").arg(&ws.root);
    Ok(run::status(passthrough(cmd.args(&args.args))?))
}

/// The guest, and the monitor with the bugs.
///
/// # Errors
/// One of them cannot be built.
pub fn prepare(ws: &Workspace) -> Result<(Guest, PathBuf)> {
    let host = HostRust::find()?;
    let (guest, monitor) = both(|| guest::build(ws, &host), || seeded_monitor(ws));
    Ok((guest?, monitor?))
}

/// Builds the monitor with the bugs, of which its flag `--bug` chooses one.
///
/// # Errors
/// It does not compile, or cannot be signed.
fn seeded_monitor(ws: &Workspace) -> Result<PathBuf> {
    let step = Step::new("monitor with bugs");
    let cmd = Cmd::new("monitor with bugs", cargo()).dir(&ws.root);
    let cmd = cmd.args(["build", "--profile", SEEDED, "-p", run::PACKAGE, "--features", SEEDED]);
    if let Err(error) = watch(cmd, &step) {
        step.failed();
        return Err(error.into());
    }
    let file = ws.target.join(SEEDED).join("anyvisor");
    let file = file.with_extension(std::env::consts::EXE_EXTENSION);
    if cfg!(target_os = "macos") {
        macos::sign(&ws.root, &file)?;
    }
    step.done_if_long("built");
    Ok(file)
}
