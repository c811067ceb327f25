//! `cargo xtask test --engine hvf`: the API's contract on Apple's framework, as a file to send.
//!
//! ```text
//!   build tests/capi -> sign it -> for each of its cases, a process of its own -> the report
//! ```
//!
//! A process for each case, because a framework that gets what it does not expect may end the
//! process, or never come back: that is an outcome of that case, and the others go on. So the
//! cases that a Mac is not asked to pass (null pointers, foreign threads, stale handles) run,
//! too; what they do there is in the report, but is no disagreement.
//!
//! `--contract` does the same with whatever serves the API here.

mod report;

use crate::command::{Cmd, capture, watch};
use crate::macos;
use crate::progress::Step;
use crate::workspace::{Workspace, cargo};
use anyhow::{Context, Result, bail};
use report::{Case, End, Outcome, Report};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const PACKAGE: &str = "anyvisor-tests-capi";
const PROGRAM: &str = "capi";
/// The slowest case takes a few seconds; one that takes so long has hung.
const LIMIT: Duration = Duration::from_secs(120);
/// Where the report is written, in cargo's build folder.
const FILE: &str = "contract-report.md";
/// How often a running case is looked at.
const TICK: Duration = Duration::from_millis(2);

/// Runs the cases whose name holds `filter`, and writes the report. The status is 0 if nothing
/// disagrees.
///
/// # Errors
/// The program cannot be built, signed, listed or started; the report cannot be written.
pub fn run(ws: &Workspace, filter: Option<&str>) -> Result<ExitCode> {
    let program = build(ws)?;
    if cfg!(target_os = "macos") {
        if asked("sysctl", &["-n", "kern.hv_support"]) == "0" {
            bail!(
                "this Mac has no Hypervisor.framework to give (kern.hv_support is 0): so it is \
                 in a virtual machine, as hosted CI runners are"
            );
        }
        macos::sign(&ws.root, &program)?;
    }
    let cases = list(&program, filter)?;
    let step = Step::new("contract");
    step.count(cases.len() as u64);
    let mut outcomes = Vec::new();
    for case in cases {
        let end = run_case(&program, &case.name)?;
        outcomes.push(Outcome { case, end });
        step.position(outcomes.len() as u64);
    }
    let report = Report { facts: facts(ws), outcomes };
    let path = ws.target.join(FILE);
    std::fs::write(&path, report.to_string())
        .with_context(|| format!("cannot write {}", path.display()))?;
    step.done(&report.summary());
    println!("{}", report.disagreements());
    println!("the report: {}", path.display());
    println!("(please send it: each disagreement on Apple's framework is a fact to learn)");
    Ok(ExitCode::from(u8::from(report.disagrees())))
}

fn build(ws: &Workspace) -> Result<PathBuf> {
    let build = || {
        let args = ["test", "-p", PACKAGE, "--test", PROGRAM, "--no-run"];
        Cmd::new("contract", cargo()).dir(&ws.root).args(args)
    };
    let step = Step::new("contract tests");
    if let Err(error) = watch(build(), &step) {
        step.failed();
        return Err(error.into());
    }
    step.done_if_long("built");
    let messages = capture(build().arg("--message-format=json"))?;
    executable(&messages).context("cargo does not tell where the test program is")
}

/// The test program, in what `cargo --message-format=json` prints.
fn executable(messages: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let ours = message["reason"] == "compiler-artifact" && message["target"]["name"] == PROGRAM;
        message["executable"].as_str().filter(|_| ours).map(PathBuf::from)
    })
}

fn list(program: &Path, filter: Option<&str>) -> Result<Vec<Case>> {
    let list = |also: &[&str]| {
        let cmd = Cmd::new("contract", program).arg("--list").args(also);
        capture(cmd.args(filter))
    };
    Ok(report::cases(&list(&[])?, &list(&["--ignored"])?))
}

/// Runs one case in a process of its own.
fn run_case(program: &Path, name: &str) -> Result<End> {
    let start = || format!("cannot start {}", program.display());
    let mut child = std::process::Command::new(program)
        .args(["--exact", "--include-ignored", name])
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(start)?;
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        match child.try_wait().with_context(start)? {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => {
                child.kill().with_context(start)?;
                child.wait().with_context(start)?;
                break None;
            }
            None => std::thread::sleep(TICK),
        }
    };
    let text = |pipe: std::thread::JoinHandle<String>| pipe.join().unwrap_or_default();
    let (out, err) = (text(out), text(err));
    let seen = || report::what_was_seen(&out, &err);
    Ok(match status {
        None => End::Hung { after: LIMIT, seen: seen() },
        Some(status) if status.success() && report::passed_one(&out) => End::Agrees,
        Some(status) if status.success() => bail!("{name} did not run:\n{out}"),
        Some(status) if status.code() == Some(101) => End::Disagrees { seen: seen() },
        Some(status) => End::Crashed { how: how(status), seen: seen() },
    })
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is what there is to tell.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn how(status: ExitStatus) -> String {
    status.to_string()
}

/// What a reader of the report needs to know of this machine.
fn facts(ws: &Workspace) -> Vec<(&'static str, String)> {
    let mac = cfg!(target_os = "macos");
    let engine = if mac { "Apple's Hypervisor.framework" } else { "anyvisor-hv, in software" };
    let commit = Cmd::new("report", "git").dir(&ws.root).args(["describe", "--always", "--dirty"]);
    let commit = capture(commit).map_or("unknown".into(), |text| text.trim().to_owned());
    let mut facts = vec![("engine", engine.to_owned()), ("anyvisor", commit)];
    if mac {
        let system = |what| asked("sw_vers", &[what]);
        facts.extend([
            ("machine", asked("sysctl", &["-n", "hw.model"])),
            ("processor", asked("sysctl", &["-n", "machdep.cpu.brand_string"])),
            ("cores", asked("sysctl", &["-n", "hw.ncpu"])),
            ("macOS", format!("{} ({})", system("-productVersion"), system("-buildVersion"))),
            ("kernel", asked("uname", &["-v"])),
        ]);
    } else {
        facts.push(("system", asked("uname", &["-srm"])));
    }
    facts
}

/// The first line that a program prints.
fn asked(program: &str, args: &[&str]) -> String {
    let text = capture(Cmd::new("report", program).args(args)).unwrap_or_default();
    text.lines().next().map_or("unknown".into(), |line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargo_s_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"libc"},"executable":null}
            not json
            {"reason":"compiler-artifact","target":{"name":"capi"},"executable":"/t/capi-1"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages), Some("/t/capi-1".into()));
        assert_eq!(executable("{}"), None);
    }
}
