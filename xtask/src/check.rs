//! `cargo xtask check`: what CI insists on. Every check is run, also after one has failed, and
//! what cannot be checked here is skipped by name and with the reason.

use crate::command::{Cmd, capture, watch};
use crate::progress::Step;
use crate::run::both;
use crate::toolchain::Toolchain;
use crate::workspace::{GUEST_TARGET, HostRust, MACOS_TARGET, Workspace, cargo};
use crate::{guest, tidy};
use anyhow::{Context, Result, anyhow};
use std::process::ExitCode;

/// What `check` takes.
#[derive(clap::Args)]
pub struct Args {
    /// Only these checks (by default all).
    #[arg(value_name = "CHECK", value_parser = clap::builder::PossibleValuesParser::new(names()))]
    only: Vec<String>,
}

/// How a check went that did not fail.
enum Verdict {
    Passed(String),
    Skipped(String),
}

struct Check {
    name: &'static str,
    title: &'static str,
    check: fn(&Workspace, &HostRust, &Step) -> Result<Verdict>,
}

const fn row(
    name: &'static str,
    title: &'static str,
    check: fn(&Workspace, &HostRust, &Step) -> Result<Verdict>,
) -> Check {
    Check { name, title, check }
}

/// What takes the host's compiler only, the quick ones first.
const HERE: [Check; 4] = [
    row("tidy", "house rules", house_rules),
    row("format", "rustfmt", format),
    row("lock", "Cargo.lock", lock_file),
    row("lints", "clippy, host", host_lints),
];
/// What takes another target, and so perhaps a toolchain to fetch; at the same time.
const ELSEWHERE: [Check; 2] =
    [row("guest", "clippy, guest", guest_lints), row("macos", "type-check for macOS", macos_types)];

fn names() -> Vec<&'static str> {
    HERE.iter().chain(&ELSEWHERE).map(|check| check.name).collect()
}

/// Runs the checks; the exit status is 1 if one failed.
///
/// # Errors
/// There is no host toolchain to check with.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    let host = HostRust::find()?;
    let lane = |checks: &[Check]| -> Vec<_> {
        let chosen = |c: &&Check| args.only.is_empty() || args.only.iter().any(|o| o == c.name);
        checks.iter().filter(chosen).map(|check| (check.name, one(check, ws, &host))).collect()
    };
    let (mut outcomes, others) = both(|| lane(&HERE), || lane(&ELSEWHERE));
    outcomes.extend(others);

    let count = |wanted| outcomes.iter().filter(|(_, outcome)| *outcome == wanted).count();
    let (passed, failed, skipped) =
        (count(Outcome::Passed), count(Outcome::Failed), count(Outcome::Skipped));
    eprintln!("checks: {passed} passed, {failed} failed, {skipped} skipped");
    let Some((name, _)) = outcomes.iter().find(|(_, outcome)| *outcome == Outcome::Failed) else {
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("to see one alone: cargo xtask check {name}");
    Ok(ExitCode::FAILURE)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Skipped,
    Failed,
}

fn one(check: &Check, ws: &Workspace, host: &HostRust) -> Outcome {
    let step = Step::new(check.title);
    match (check.check)(ws, host, &step) {
        Ok(Verdict::Passed(what)) => {
            step.done(&what);
            Outcome::Passed
        }
        Ok(Verdict::Skipped(why)) => {
            step.skipped(&why);
            Outcome::Skipped
        }
        Err(error) => {
            step.print(&format!("{error:#}"));
            step.failed();
            Outcome::Failed
        }
    }
}

fn house_rules(ws: &Workspace, _: &HostRust, step: &Step) -> Result<Verdict> {
    let tree = tidy::Tree::read(ws)?;
    let findings = tree.findings();
    findings.iter().for_each(|finding| step.print(&finding.to_string()));
    match findings.len() {
        0 => Ok(Verdict::Passed(format!("kept by {} files", tree.len()))),
        n => Err(anyhow!("{n} places break a house rule (xtask/src/tidy.rs says which there are)")),
    }
}

fn format(ws: &Workspace, _: &HostRust, _: &Step) -> Result<Verdict> {
    let cmd = Cmd::new("rustfmt", cargo()).args(["fmt", "--all", "--check"]);
    capture(cmd.dir(&ws.root))
        .map(|_| Verdict::Passed("no difference".into()))
        .context("the source is not formatted: `cargo fmt --all` does it")
}

fn lock_file(ws: &Workspace, _: &HostRust, _: &Step) -> Result<Verdict> {
    let cmd = Cmd::new("Cargo.lock", cargo()).args(["metadata", "--locked", "--format-version=1"]);
    capture(cmd.dir(&ws.root))
        .map(|_| Verdict::Passed("agrees with the manifests".into()))
        .context("Cargo.lock is missing or stale: any `cargo build` writes it; commit it")
}

fn host_lints(ws: &Workspace, _: &HostRust, step: &Step) -> Result<Verdict> {
    let cmd = Cmd::new("clippy", cargo()).dir(&ws.root);
    watch(cmd.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]), step)?;
    Ok(Verdict::Passed("no warnings".into()))
}

fn guest_lints(ws: &Workspace, host: &HostRust, step: &Step) -> Result<Verdict> {
    let toolchain = Toolchain::prepare(ws, host, GUEST_TARGET)?;
    // The clippy must be the compiler's own: it reads the library that this one built.
    let clippy = match &toolchain {
        Toolchain::Installed => Some(cargo()),
        Toolchain::Offline(offline) => offline.clippy(),
    };
    let Some(clippy) = clippy else {
        let cmd = guest::command(ws, &toolchain, cargo(), "check");
        watch(deny_warnings(cmd), step)?;
        return Ok(Verdict::Passed("no warnings (the compiler's: it came without clippy)".into()));
    };
    let cmd = guest::command(ws, &toolchain, clippy, "clippy");
    watch(cmd.args(["--", "-D", "warnings"]), step)?;
    Ok(Verdict::Passed("no warnings".into()))
}

/// The macOS side of the host crates, so that it cannot rot unseen. Neither a linker nor an SDK
/// is needed to type-check.
fn macos_types(ws: &Workspace, host: &HostRust, step: &Step) -> Result<Verdict> {
    if cfg!(target_os = "macos") {
        return Ok(Verdict::Skipped("this is macOS: the lints saw it".into()));
    }
    let toolchain = match Toolchain::prepare(ws, host, MACOS_TARGET) {
        Ok(toolchain) => toolchain,
        Err(error) => return Ok(Verdict::Skipped(format!("{error:#}"))),
    };
    let cmd = Cmd::new("macOS types", cargo()).dir(&ws.root).args(["check", "--workspace"]);
    let cmd = cmd.args(["--exclude", guest::PACKAGE, "--all-targets"]);
    let cmd = cmd.arg("--target-dir").arg(ws.target.join("macos"));
    let cmd = without_code(toolchain.apply(cmd, MACOS_TARGET, "std,test"));
    let cmd = if matches!(toolchain, Toolchain::Offline(_)) { deny_warnings(cmd) } else { cmd };
    watch(cmd, step)?;
    Ok(Verdict::Passed("compiles".into()))
}

/// build-std makes code even for a check; nobody runs it, so it need not be good.
fn without_code(cmd: Cmd) -> Cmd {
    let settings = ["opt-level=0", "debug=0", "package.'*'.opt-level=0"];
    cmd.args(settings.iter().flat_map(|s| ["--config".into(), format!("profile.dev.{s}")]))
}

/// Warnings of our packages are errors. Cargo's own setting for this is not stable yet; the
/// offline compiler's commands may use it.
fn deny_warnings(cmd: Cmd) -> Cmd {
    cmd.args(["-Zwarnings", "--config", "build.warnings='deny'"])
}
