//! What only a Mac asks for: a program that uses Hypervisor.framework is signed with the
//! entitlement `com.apple.security.hypervisor` (an ad-hoc signature will do).

use crate::command::{Cmd, capture, passthrough};
use crate::run::status;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const ENTITLEMENTS: &str = "host/monitor/hypervisor.entitlements";

/// What the runner takes.
#[derive(clap::Args)]
pub struct Args {
    /// The program that cargo built.
    program: PathBuf,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Signs a program, in place.
///
/// # Errors
/// `codesign` is not there (it comes with the Xcode command-line tools) or refuses.
pub fn sign(root: &Path, program: &Path) -> Result<()> {
    let cmd = Cmd::new("signing", "codesign").args(["--sign", "-", "--force", "--entitlements"]);
    capture(cmd.arg(root.join(ENTITLEMENTS)).arg(program))
        .map(drop)
        .context("the program cannot be signed; `xcode-select --install` brings codesign")
}

/// Cargo's runner for test programs on macOS: sign, then run.
///
/// # Errors
/// It cannot be signed or started.
pub fn run_signed(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    sign(&ws.root, &args.program)?;
    Ok(status(passthrough(Cmd::new("test program", &args.program).args(&args.args))?))
}

/// The setting that makes cargo run test programs through [`run_signed`].
///
/// # Errors
/// The system does not tell where this program is.
pub fn runner_setting() -> Result<String> {
    let me = std::env::current_exe().context("where is this program?")?;
    let me = serde_json::Value::from(me.to_string_lossy()); // TOML reads its quoting, too
    Ok(format!("target.'cfg(target_os = \"macos\")'.runner=[{me},\"signed\"]"))
}
