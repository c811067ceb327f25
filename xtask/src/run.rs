//! `cargo xtask run`: from whatever is here to a booted guest.

use crate::command::{Cmd, passthrough, watch};
use crate::guest::{self, Guest};
use crate::macos;
use crate::progress::Step;
use crate::workspace::{HostRust, Workspace, cargo};
use anyhow::Result;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

/// The monitor's package and binary.
pub const PACKAGE: &str = "anyvisor-monitor";
const BINARY: &str = "anyvisor";

/// What `run` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Passed on to `anyvisor run KERNEL`: --case, --memory, --trace, --timeout, --format, ...
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ANYVISOR ARGS")]
    args: Vec<String>,
}

/// Builds what is not built, runs it, and ends with its exit status.
///
/// # Errors
/// A step before the monitor's start failed.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    let (guest, monitor) = prepare(ws)?;
    let cmd = Cmd::new("run", monitor).arg("run").arg(&guest.elf).args(&args.args);
    Ok(status(passthrough(cmd)?))
}

/// The guest and the monitor, built at once: each has long stretches for one core only (the
/// download, the core library, the link), which the other one fills.
///
/// # Errors
/// One of them cannot be built.
pub fn prepare(ws: &Workspace) -> Result<(Guest, PathBuf)> {
    let host = HostRust::find()?;
    let (guest, monitor) = both(|| guest::build(ws, &host), || monitor(ws));
    Ok((guest?, monitor?))
}

/// Runs two jobs at once; a panic of either is ours.
pub fn both<A, B: Send>(one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        (one, other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Builds the monitor (release), and signs it on macOS, where an unsigned program may not use
/// the hypervisor.
///
/// # Errors
/// It does not compile, or cannot be signed.
pub fn monitor(ws: &Workspace) -> Result<PathBuf> {
    let step = Step::new("monitor");
    let cmd = Cmd::new("monitor", cargo()).dir(&ws.root);
    let cmd = cmd.args(["build", "--release", "-p", PACKAGE, "--bin", BINARY]);
    if let Err(error) = watch(cmd, &step) {
        step.failed();
        return Err(error.into());
    }
    let file =
        ws.target.join("release").join(BINARY).with_extension(std::env::consts::EXE_EXTENSION);
    if cfg!(target_os = "macos") {
        macos::sign(&ws.root, &file)?;
    }
    step.done_if_long("built");
    Ok(file)
}

/// The exit status of a program as our own. One that was ended by a signal has none: 2.
pub fn status(status: ExitStatus) -> ExitCode {
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => ExitCode::from(code),
        _ => {
            eprintln!("error: it ended with {status}");
            ExitCode::from(2)
        }
    }
}
