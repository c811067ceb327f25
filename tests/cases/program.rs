//! The monitor as a process: this test program, started again with a sign in its environment.
//! What runs is [`anyvisor_monitor::program::main`], as in the binary `anyvisor`.

use std::io::Write;
use std::process::{Command, Output, Stdio};

const SIGN: &str = "ANYVISOR_TEST_RUNS_AS_MONITOR";

/// Whether this process was started by [`anyvisor`].
pub fn is_asked_for() -> bool {
    std::env::var_os(SIGN).is_some()
}

/// How a run of the monitor ended.
pub struct Ended {
    /// The exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// Runs `anyvisor ARGS` with nothing on its standard input.
pub fn anyvisor(args: &[&str]) -> Result<Ended, String> {
    anyvisor_with(args, b"")
}

/// Runs `anyvisor ARGS` with `input` on its standard input.
pub fn anyvisor_with(args: &[&str], input: &[u8]) -> Result<Ended, String> {
    run(args, input).map_err(|error| format!("anyvisor {args:?}: {error}"))
}

fn run(args: &[&str], input: &[u8]) -> std::io::Result<Ended> {
    let mut child = Command::new(std::env::current_exe()?)
        .env(SIGN, "1")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input)?; // less than a pipe holds: it cannot block
    }
    let Output { status, stdout, stderr } = child.wait_with_output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ended { status: status.code(), stdout: text(stdout), stderr: text(stderr) })
}

impl Ended {
    /// Checks the exit status, and that every one of `parts` was printed, in this order.
    pub fn expect(&self, status: i32, output: &str, parts: &[&str]) -> Result<(), String> {
        if self.status != Some(status) {
            return Err(format!(
                "exit status {:?}, not {status}\n{}{}",
                self.status, self.stdout, self.stderr
            ));
        }
        let mut rest = output;
        for part in parts {
            let Some(at) = rest.find(part) else {
                return Err(format!(
                    "{part:?} is missing (here, or after what comes before):\n{output}"
                ));
            };
            rest = &rest[at + part.len()..];
        }
        Ok(())
    }
}
