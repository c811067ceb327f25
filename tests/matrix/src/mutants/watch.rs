//! A run of the suite in a process of its own, watched from outside: a bug may stop a case, or the
//! engine itself.
//!
//! ```text
//!   anyvisor run K --bug B --format json --case a --case b ...
//!      a line     the result of a case: failed?
//!      no line    for longer than a case may take: the engine hangs      \  in the case behind the
//!      the end    before all results are there: the engine has died      /  last result; the rest
//!                                                                           gets a new process
//! ```

use anyvisor_bugs::{Bug, ChooseError};
use anyvisor_monitor::run::Stop;
use anyvisor_monitor::suite::{Outcome, Verdict};
use serde::Serialize;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// A case is given up by the monitor itself after its timeout; a monitor that says nothing for so
/// much longer hangs.
const GRACE: Duration = Duration::from_secs(5);
/// Of what a process says on its standard error so much is kept.
const COMPLAINT: u64 = 16 << 10;

/// How a case found a bug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub enum How {
    /// It failed.
    Failed {
        /// Why, one line each.
        reasons: Vec<String>,
    },
    /// The guest did not end.
    TimedOut,
    /// The engine did not come back.
    Hung,
    /// The engine's process ended.
    Died {
        /// How, and what it said.
        why: String,
    },
}

impl How {
    /// Whether it was noticed by time alone.
    pub fn is_late(&self) -> bool {
        matches!(self, Self::TimedOut | Self::Hung)
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { reasons } => f.write_str(&reasons.join("; ")),
            Self::TimedOut => f.write_str("did not end"),
            Self::Hung => f.write_str("hung the engine"),
            Self::Died { why } => write!(f, "ended the engine: {why}"),
        }
    }
}

/// A case that found a bug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `group.name`.
    pub case: String,
    /// How.
    #[serde(flatten)]
    pub how: How,
    /// The flags of the machine, if it was not the ordinary one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<&'static str>,
}

/// What all runs have in common.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// The monitor.
    pub monitor: &'a Path,
    /// The kernel's ELF file.
    pub kernel: &'a Path,
    /// The flags that say what the machine is.
    pub machine: &'static [&'static str],
    /// How long a case may take.
    pub timeout: Duration,
}

impl Watch<'_> {
    /// Whether the monitor can be started.
    ///
    /// # Errors
    /// The system's.
    pub fn check(&self) -> std::io::Result<()> {
        let mut command = Command::new(self.monitor);
        let status =
            command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        match status.success() {
            true => Ok(()),
            false => Err(std::io::Error::other(format!("--version ended with {status}"))),
        }
    }

    /// Whether the monitor has bugs to choose from: one without refuses the flag before anything
    /// else, by the words of [`ChooseError::NotBuilt`].
    pub fn has_bugs(&self) -> bool {
        let mut command = Command::new(self.monitor);
        command.arg("run").arg(self.kernel).args(["--case", "no.such.case"]);
        let out = command.args(["--bug", Bug::FarNotSet.row().name]).output();
        let refusal = ChooseError::NotBuilt.to_string();
        out.is_ok_and(|out| !String::from_utf8_lossy(&out.stderr).contains(&refusal))
    }

    /// The command of a run, without its cases.
    fn command(&self, bug: Option<&str>) -> Command {
        let mut command = Command::new(self.monitor);
        command.arg("run").arg(self.kernel).args(["--format", "json", "--jobs", "1"]);
        command.args(self.machine).arg("--timeout").arg(self.timeout.as_secs_f64().to_string());
        // What the caller's environment chooses is not what is measured here.
        command.env_remove(VARIABLE);
        if let Some(bug) = bug {
            command.args(["--bug", bug]);
        }
        command
    }

    /// Runs the cases that are `left` until `limit` of them have failed, or `late` have not ended:
    /// those that did. What was not run is left.
    pub fn run(
        &self,
        bug: Option<&str>,
        left: &mut Vec<&str>,
        limit: usize,
        late: usize,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        let enough = |found: &[Finding]| {
            let lost = found.iter().filter(|finding| finding.how.is_late()).count();
            found.len() >= limit || lost >= late
        };
        while !left.is_empty() && !enough(&found) {
            let mut command = self.command(bug);
            for case in &*left {
                command.args(["--case", case]);
            }
            let how = match Process::start(command) {
                Ok(process) => process.watch(self.timeout + GRACE, left, &mut found, &enough),
                Err(error) => Some(How::Died { why: error.to_string() }),
            };
            if let Some(how) = how
                && !left.is_empty()
            {
                found.push(Finding { case: left.remove(0).to_string(), how, machine: None });
            }
        }
        found
    }
}

/// The monitor's own variable for a bug.
const VARIABLE: &str = anyvisor_monitor::seeded::VARIABLE;

/// A running monitor; it does not outlive this.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended cannot be killed; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(mut command: Command) -> std::io::Result<Self> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            // The thread ends with the process, or when nobody listens any more.
            std::thread::spawn(move || {
                let lines = BufReader::new(stdout).lines().map_while(Result::ok);
                lines.map(|line| sender.send(line)).find(Result::is_err)
            });
        }
        Ok(Self { child, lines })
    }

    /// Takes results until all are there, or there are enough. `Some`: how the first case of
    /// those that are `left` ended the process.
    fn watch(
        mut self,
        quiet: Duration,
        left: &mut Vec<&str>,
        found: &mut Vec<Finding>,
        enough: &dyn Fn(&[Finding]) -> bool,
    ) -> Option<How> {
        let complaint = self.complaint();
        loop {
            let line = match self.lines.recv_timeout(quiet) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return Some(How::Hung),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            // The sum at the end is no outcome.
            let Ok(outcome) = serde_json::from_str::<Outcome>(&line) else { continue };
            let Some(place) = left.iter().position(|case| *case == outcome.name) else { continue };
            left.remove(place);
            if outcome.verdict == Verdict::Failed {
                let how = how(outcome.reasons);
                found.push(Finding { case: outcome.name, how, machine: None });
                if enough(found) {
                    return None;
                }
            }
        }
        let status = self.child.wait();
        let said = complaint.and_then(|said| said.join().ok()).unwrap_or_default();
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let why = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Some(How::Died { why: format!("{status} {why}").trim_end().to_string() })
    }

    /// What the process says on its standard error, read to its end by a thread.
    fn complaint(&mut self) -> Option<std::thread::JoinHandle<String>> {
        let stderr = self.child.stderr.take()?;
        Some(std::thread::spawn(move || {
            let (mut kept, mut stderr) = (Vec::new(), stderr);
            let read = stderr.by_ref().take(COMPLAINT).read_to_end(&mut kept);
            // The rest is not kept, but has to go somewhere.
            let rest = read.and_then(|_| std::io::copy(&mut stderr, &mut std::io::sink()));
            drop(rest);
            String::from_utf8_lossy(&kept).into_owned()
        }))
    }
}

/// A case that was stopped for its time has no other reason.
fn how(reasons: Vec<String>) -> How {
    match &reasons[..] {
        [only] if *only == Stop::Timeout.to_string() => How::TimedOut,
        _ => How::Failed { reasons },
    }
}
