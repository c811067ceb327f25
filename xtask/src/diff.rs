//! `cargo xtask diff`: random instructions on our CPU and on QEMU's, as many as one likes.
//!
//! `cargo xtask test` does the same with few cases and always the same seed; here the seed is a
//! new one unless it is given, and a difference says the command that shows it again. `--long`
//! also goes through all 2^32 words, of which none may have two rows (`tests/decode`).

use crate::command::{Cmd, passthrough, watch};
use crate::progress::Step;
use crate::workspace::{Workspace, cargo};
use crate::{binutils, qemu, run};
use anyhow::{Result, anyhow};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// The package of the tests.
const PACKAGE: &str = "anyvisor-tests-diff";
const DECODE: &str = "anyvisor-tests-decode";
/// Cases of `--long`.
const LONG: u64 = 21_000_000;

/// What `diff` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Twenty million cases over all rows and programs, in a release build
    #[arg(long, conflicts_with = "cases")]
    long: bool,
    /// The sequence of random numbers (by default a new one)
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only rows and topics whose names match this, with * and ?
    #[arg(long, value_name = "GLOB")]
    rows: Option<String>,
    /// Cases of each row or topic
    #[arg(long, value_name = "N")]
    cases: Option<u64>,
}

/// Builds the tests and runs them; the exit status is theirs.
///
/// # Errors
/// There is no QEMU, or the tests do not compile.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    let tests = || {
        let cmd = Cmd::new("tests", cargo()).dir(&ws.root).args(["test", "-q", "-p", PACKAGE]);
        if args.long { cmd.arg("--release") } else { cmd }
    };
    let fetch = || qemu::prepare(ws);
    let build = || {
        let step = Step::new("test program");
        let built = watch(tests().arg("--no-run"), &step);
        match built {
            Ok(()) => step.done_if_long("built"),
            Err(_) => step.failed(),
        }
        built
    };
    let (fetched, built) = run::both(fetch, build);
    let (qemu, reason) = fetched?;
    built?;
    let why = || anyhow!("no oracle: {}", reason.unwrap_or_default());
    let user = qemu.user.ok_or_else(why)?;

    let mut cmd = tests().env("ANYVISOR_QEMU_USER", user);
    if let Some(system) = qemu.system {
        cmd = cmd.env("ANYVISOR_QEMU", system);
    }
    cmd = cmd.env("ANYVISOR_DIFF_SEED", args.seed.unwrap_or_else(fresh_seed).to_string());
    if let Some(rows) = &args.rows {
        cmd = cmd.env("ANYVISOR_DIFF_ROWS", rows);
    }
    match args.cases {
        Some(cases) => cmd = cmd.env("ANYVISOR_DIFF_CASES", cases.to_string()),
        None if args.long => cmd = cmd.env("ANYVISOR_DIFF_TOTAL", LONG.to_string()),
        None => {}
    }
    let status = passthrough(cmd)?;
    if !args.long || !status.success() {
        return Ok(run::status(status));
    }
    let cmd = Cmd::new("every word", cargo()).dir(&ws.root);
    let cmd = cmd.args(["test", "-q", "--release", "-p", DECODE]).env("ANYVISOR_DECODE_ALL", "1");
    let cmd = match binutils::prepare(ws)? {
        (Some(objdump), _) => cmd.env("ANYVISOR_OBJDUMP", objdump),
        (None, reason) => cmd.env("ANYVISOR_OBJDUMP_MISSING", reason.unwrap_or_default()),
    };
    Ok(run::status(passthrough(cmd)?))
}

/// A short number that is another one every millisecond.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as u64 % 1_000_000_000
}
