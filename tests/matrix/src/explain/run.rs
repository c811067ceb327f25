//! One run of a case by the monitor, in a process of its own: a seeded bug may hang or end it.

use anyvisor_monitor::suite::Outcome;
use std::io::{Read, Take};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// The monitor stops a case by itself long before this.
const PATIENCE: Duration = Duration::from_secs(60);
/// More is no outcome: a console of 1 MiB, and a million events.
const MOST_OUTPUT: u64 = 1 << 30;
/// Of what the monitor says when something is wrong.
const MOST_ERROR: u64 = 1 << 16;

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The kernel's ELF file.
    pub kernel: &'a Path,
    /// The case; for [`super::explain`] also a pattern that fits one.
    pub case: &'a str,
    /// The monitor's program.
    pub monitor: &'a Path,
    /// A seeded bug, if the monitor has them.
    pub bug: Option<&'a str>,
    /// How many events are kept.
    pub events: u32,
    /// More arguments for `anyvisor run`.
    pub more: &'a [String],
}

/// Why there is no outcome. One line each.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The monitor cannot be started.
    #[error("{program} cannot be started: {error}")]
    Start {
        /// Which program.
        program: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// It ended without an outcome.
    #[error("the monitor ended ({status}) without an outcome: {said}")]
    NoOutcome {
        /// How it ended.
        status: ExitStatus,
        /// The last line of what it said.
        said: String,
    },
    /// It did not end.
    #[error("the monitor gave no outcome in {} s, and was stopped", PATIENCE.as_secs())]
    Hangs,
}

impl Request<'_> {
    /// The command line, and the outcome with its events.
    ///
    /// # Errors
    /// The monitor does not start, ends early, or hangs.
    pub fn run(&self) -> Result<(Vec<String>, Outcome), RunError> {
        let program = self.monitor.display().to_string();
        let mut command = Command::new(self.monitor);
        command.arg("run").arg(self.kernel).args(["--case", self.case, "--format", "json"]);
        command.arg(format!("--events={}", self.events));
        if let Some(bug) = self.bug {
            command.args(["--bug", bug]);
        }
        command.args(self.more);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words = words.map(|word| word.to_string_lossy().into_owned()).collect();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| RunError::Start { program, error })?;
        Ok((words, outcome(Running(child), self.case)?))
    }
}

/// A process that does not outlive its master.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already cannot be killed; either way it is collected.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn outcome(mut running: Running, case: &str) -> Result<Outcome, RunError> {
    let output = running.0.stdout.take().map(|from| collect(from.take(MOST_OUTPUT)));
    let errors = running.0.stderr.take().map(|from| collect(from.take(MOST_ERROR)));
    let text = wait(output)?;
    let outcome = text.lines().rev().find_map(|line| serde_json::from_str::<Outcome>(line).ok());
    if let Some(outcome) = outcome.filter(|outcome| outcome.name == case) {
        return Ok(outcome);
    }
    let said = wait(errors)?;
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    let status =
        running.0.wait().map_err(|error| RunError::Start { program: "waiting".into(), error })?;
    Err(RunError::NoOutcome { status, said: super::terminal::plain(last) })
}

/// Reads to the end, on a thread of its own.
fn collect<R: Read + Send + 'static>(mut from: Take<R>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What cannot be read is not there; the outcome says whether that matters.
        let _ = from.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

fn wait(output: Option<Receiver<Vec<u8>>>) -> Result<String, RunError> {
    let Some(output) = output else { return Ok(String::new()) };
    match output.recv_timeout(PATIENCE) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(RecvTimeoutError::Timeout) => Err(RunError::Hangs),
        Err(RecvTimeoutError::Disconnected) => Ok(String::new()),
    }
}
