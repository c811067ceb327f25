//! All cases on our own monitor, which has a VM for each and reports by itself, in JSON lines.
//!
//! It watches its workers, so that a crash or a hang of the engine costs the case that it came in.
//! Should the monitor itself end early, the first case without a result fails, and another one
//! goes on with the rest.

use crate::boot::BootError;
use crate::choice::Table;
use crate::lines::{Line, Lines};
use crate::process::{Interrupt, Process};
use anyvisor_monitor::suite::Outcome;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// How often the signals are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How much longer than its cases the monitor may be silent.
const GRACE: Duration = Duration::from_secs(60);
/// A line holds a case's whole console and all of its events.
const LONGEST: usize = 256 << 20;

/// How it is started.
#[derive(Debug)]
pub struct Monitor<'a> {
    /// The program `anyvisor`.
    pub program: &'a Path,
    /// The kernel's table.
    pub table: Table<'a>,
    /// The kernel's ELF file.
    pub elf: &'a Path,
    /// Processes at once.
    pub jobs: usize,
    /// How many events of a case are kept.
    pub events: u32,
    /// What a case may take.
    pub timeout: Duration,
    /// Ends all of it.
    pub interrupt: &'a Interrupt,
}

/// Results by place in the table; and why it is incomplete, if it is.
pub type Results = (Vec<(usize, Outcome)>, Option<BootError>);

impl Monitor<'_> {
    /// Runs the cases at `wanted`, which are places in the table. `progress` is told the place of
    /// each case whose result is there.
    pub fn run(&self, wanted: &[usize], progress: &mut dyn FnMut(usize)) -> Results {
        let mut results = Vec::with_capacity(wanted.len());
        let mut rest = wanted.to_vec();
        while !rest.is_empty() {
            let start = Instant::now();
            let names: Vec<&str> = self.table.cases(&rest).iter().map(|case| &*case.name).collect();
            let mut keep = |outcome: Outcome| {
                let at = rest.iter().position(|&place| self.table.0[place].name == outcome.name);
                if let Some(at) = at {
                    let place = rest.remove(at);
                    progress(place);
                    results.push((place, outcome));
                }
            };
            let why = match self.start(&names, &mut keep) {
                Ok(why) => why,
                Err(error) => return (results, Some(error)),
            };
            if !rest.is_empty() {
                let lost = rest.remove(0);
                let lost = (lost, Outcome::lost(&self.table.0[lost], why, start.elapsed()));
                results.push(lost);
            }
        }
        results.sort_by_key(|(place, _)| *place);
        (results, None)
    }

    /// One process of it. Why it ended.
    fn start(&self, names: &[&str], keep: &mut dyn FnMut(Outcome)) -> Result<String, BootError> {
        let mut command = Command::new(self.program);
        command.arg("run").arg(self.elf).args(["--format", "json"]);
        command.arg("--jobs").arg(self.jobs.to_string());
        command.arg(format!("--events={}", self.events));
        command.arg("--timeout").arg(self.timeout.as_secs_f64().to_string());
        for name in names {
            command.args(["--case", name]);
        }
        let start = |error| BootError::Start { program: self.program.display().to_string(), error };
        let mut process = Process::start(command).map_err(start)?;
        let mut lines = Lines::up_to(LONGEST);
        let patience = self.timeout + GRACE;
        let mut since = Instant::now();
        let ended = loop {
            if let Some(signal) = self.interrupt.signal() {
                return Err(BootError::Interrupted(signal));
            }
            process.hear_errors();
            match process.output().recv_timeout(TICK) {
                Ok(bytes) => {
                    for line in lines.cut(&bytes) {
                        let Line::Text(line) = line else { continue };
                        if let Ok(outcome) = serde_json::from_str(&line) {
                            since = Instant::now();
                            keep(outcome);
                        }
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) if since.elapsed() > patience => break false,
                Err(RecvTimeoutError::Timeout) => {
                    process.ended(); // what it left behind would hold its output open
                }
            }
        };
        if !ended {
            return Ok(format!("the monitor said nothing for {} s", patience.as_secs()));
        }
        let status = process.ends_before(Instant::now() + GRACE);
        process.kill();
        let words = process.last_words();
        Ok(match status {
            Some(status) => format!("the monitor ended ({status}) without a result: {words}"),
            None => "the monitor closed its output and did not end".into(),
        })
    }
}
