//! One boot of one hypervisor: its process, its console, and a clock.

use crate::listen::{Ended, Listener};
use crate::process::{Interrupt, Process};
use anyvisor_monitor::image::CaseInfo;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// How often the signals are looked at.
const TICK: Duration = Duration::from_millis(50);
/// A process that has closed its output, or said that it stops, ends within this.
const GRACE: Duration = Duration::from_secs(10);

/// What a boot, and a case, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time from one result to the next; the same from the start to the first line of the report,
    /// and from the last result to the end of the process.
    pub case: Duration,
    /// What a case may print, in bytes.
    pub console: usize,
}

/// A boot to be made.
#[derive(Debug)]
pub struct Boot<'a> {
    /// The program with its arguments.
    pub command: Command,
    /// The cases that it will run, in order.
    pub wanted: &'a [&'a CaseInfo],
    /// Lines that are the hypervisor's own.
    pub chatter: &'a [String],
    /// Exit statuses of a machine that ended as the guest asked for.
    pub statuses: &'a [i32],
    /// What it may take.
    pub limits: Limits,
}

/// Why a boot has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The program does not start.
    #[error("cannot start {program}: {error}")]
    Start {
        /// Which.
        program: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// A signal.
    #[error("interrupted by signal {0}")]
    Interrupted(i32),
}

/// How a boot that was interrupted went so far is of use, too.
pub type Outcome = (Ended, Option<BootError>);

impl Boot<'_> {
    /// Boots, and listens to the end. `progress` is told each case that starts.
    pub fn run(self, interrupt: &Interrupt, progress: &mut dyn FnMut(usize)) -> Outcome {
        let program = self.command.get_program().to_string_lossy().into_owned();
        let mut process = match Process::start(self.command) {
            Ok(process) => process,
            Err(error) => {
                let error = BootError::Start { program, error };
                let ended = Ended { heard: Vec::new(), no_report: Some(error.to_string()) };
                return (ended, Some(error));
            }
        };
        let mut listener = Listener::new(self.wanted, self.chatter, self.limits.console);
        let start = Instant::now();
        let (mut since, mut seen) = (start, (0, false));
        let mut dead: Option<Instant> = None;
        let why = loop {
            if let Some(signal) = interrupt.signal() {
                process.kill();
                let mut ended = listener.end(None, start.elapsed());
                // The case that ran did nothing wrong.
                ended.heard.truncate(seen.0);
                return (ended, Some(BootError::Interrupted(signal)));
            }
            process.hear_errors();
            let left = (since + self.limits.case).saturating_duration_since(Instant::now());
            match process.output().recv_timeout(left.min(TICK)) {
                Ok(bytes) => listener.hear(&bytes, start.elapsed()),
                Err(RecvTimeoutError::Disconnected) => {
                    break self::end(&mut process, self.statuses);
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    break Some(silence(&listener, self.limits.case));
                }
                // Its output ends with it, unless something that it started holds that open.
                Err(RecvTimeoutError::Timeout) if process.ended().is_some() => {
                    if dead.get_or_insert_with(Instant::now).elapsed() > GRACE {
                        break self::end(&mut process, self.statuses);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = (listener.count(), listener.runs());
            if now != seen {
                (since, seen) = (Instant::now(), now);
                progress(now.0);
            }
            if listener.is_over() {
                break None; // the listener knows why
            }
            // Output that never pauses must not hide that the time is over.
            if since.elapsed() > self.limits.case {
                break Some(silence(&listener, self.limits.case));
            }
        };
        process.kill();
        let words = process.last_words();
        let why = why.map(|why| if words.is_empty() { why } else { format!("{why}: {words}") });
        (listener.end(why, start.elapsed()), None)
    }
}

/// What a process that closed its output ended with, if that is not as it should be.
fn end(process: &mut Process, statuses: &[i32]) -> Option<String> {
    match process.ends_before(Instant::now() + GRACE) {
        Some(status) if status.code().is_some_and(|code| statuses.contains(&code)) => None,
        Some(status) => Some(ended_with(status)),
        None => Some("it closed its output and did not end".into()),
    }
}

fn ended_with(status: ExitStatus) -> String {
    format!("the hypervisor ended with {status}")
}

fn silence(listener: &Listener<'_>, limit: Duration) -> String {
    let seconds = limit.as_secs_f64();
    match listener.running() {
        _ if !listener.runs() => format!("the kernel did not start in {seconds} s"),
        Some(_) => format!("no result in {seconds} s"),
        None => format!("the machine did not end in {seconds} s"),
    }
}
