//! `cargo xtask fuzz`: random sequences that libFuzzer steers, for as long as one likes.
//!
//! What is fuzzed is in `tests/fuzz`, and runs a little in the ordinary tests, too. Here it needs
//! what nothing else in this project does, and is not fetched: a nightly compiler (for the
//! coverage that steers, and AddressSanitizer) and cargo-fuzz. What is found stays in
//! `tests/fuzz/fuzz/artifacts`, with how to run it again.

use crate::command::{Cmd, capture, passthrough};
use crate::run;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::process::ExitCode;

/// What `fuzz` takes.
#[derive(clap::Args)]
pub struct Args {
    /// What is fuzzed
    #[arg(value_enum)]
    target: Target,
    /// For how long
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// Run this input, one that was found, once
    #[arg(long, value_name = "FILE")]
    input: Option<std::path::PathBuf>,
}

/// The targets.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Target {
    /// Accesses to the GIC's registers, its lines, PEs that come and go
    Gic,
    /// Calls of the C API with any argument
    Api,
}

const TOOLCHAIN: &str = "nightly";
/// From the workspace.
const FOLDER: &str = "tests/fuzz/fuzz";
/// Longer inputs are only slower.
const LONGEST: u32 = 4096;

/// A program of the nightly toolchain.
fn nightly(arguments: &[&str]) -> Cmd {
    Cmd::new("fuzz", "rustup").args(["run", TOOLCHAIN]).args(arguments)
}

/// Builds and runs the target.
///
/// # Errors
/// There is no nightly compiler or no cargo-fuzz, or the target does not compile.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    capture(nightly(&["cargo", "--version"])).with_context(|| {
        format!("there is no nightly compiler: `rustup toolchain install {TOOLCHAIN}` installs one")
    })?;
    capture(nightly(&["cargo", "fuzz", "--version"]))
        .context("there is no cargo-fuzz: `cargo install cargo-fuzz` installs it")?;
    let target = match args.target {
        Target::Gic => "gic",
        Target::Api => "api",
    };
    let cmd = nightly(&["cargo", "fuzz", "run", "--fuzz-dir", FOLDER, target]).dir(&ws.root);
    let cmd = match &args.input {
        // The target runs in another folder than its caller.
        Some(input) => cmd.arg(std::path::absolute(input)?),
        None => cmd.args([
            "--".into(),
            format!("-max_total_time={}", args.minutes.saturating_mul(60)),
            format!("-max_len={LONGEST}"),
            // Inputs of `api` run on threads of their own. The C library's list of a thread's
            // destructors is taken for a leak now and then, though never again by that input.
            "-detect_leaks=0".into(),
        ]),
    };
    Ok(run::status(passthrough(cmd)?))
}
