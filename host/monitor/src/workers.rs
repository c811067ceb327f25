//! `--jobs N`: a process has one VM at a time, so cases run side by side in processes of our own.
//!
//! ```text
//!   anyvisor run K --jobs 2
//!     +-- anyvisor run K --format json --case a --case c   --- JSON lines --+
//!     +-- anyvisor run K --format json --case b --case d   --- JSON lines --+--> report,
//!                                                                in the kernel's order
//! ```
//!
//! An engine can crash or hang, and takes its process with it. What that process had said stays;
//! the case that it was at fails, with the process's end as the reason; a new process takes the
//! rest of the share.

use crate::cli::{Run, Trace};
use crate::image::CaseInfo;
use crate::report::Report;
use crate::suite::{Outcome, Summary};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How much longer than a case may take its result may take: the monitor stops a case by itself,
/// and says so.
const GRACE: Duration = Duration::from_secs(10);
/// The exit status of a process that did not understand its command line.
const USAGE: i32 = 2;

/// Why the workers did not do their work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// No process.
    #[error("starting a worker process: {0}")]
    Start(#[from] std::io::Error),
    /// It did not even start on its first case.
    #[error("a worker process ended ({0}) before its first case")]
    Refused(ExitStatus),
}

/// Runs the cases in `args.jobs` processes.
///
/// # Errors
/// Workers that do not start. What the others are doing is stopped.
pub fn run(
    args: &Run,
    chosen: &[&CaseInfo],
    report: &mut dyn Report,
) -> Result<Summary, WorkerError> {
    let start = Instant::now();
    let jobs = usize::from(args.jobs).min(chosen.len()).max(1);
    let patience = args.timeout.saturating_mul(args.retries + 1).saturating_add(GRACE);
    report.start(chosen.len());
    let mut summary = Summary::default();
    let mut outcomes: Vec<Option<Outcome>> = chosen.iter().map(|_| None).collect();
    let mut next = 0;
    std::thread::scope(|scope| {
        let (sender, receiver) = channel();
        for worker in 0..jobs {
            let share: Vec<usize> = (worker..chosen.len()).step_by(jobs).collect();
            let sender = sender.clone();
            scope.spawn(move || {
                let start = |cases: &[&str]| spawn(args, cases);
                if let Err(error) = work(start, chosen, &share, patience, &sender) {
                    let _ = sender.send(Err(error)); // nobody listens: another one failed first
                }
            });
        }
        drop(sender); // the receiver ends when the last worker does
        for outcome in receiver {
            let (place, outcome): (usize, Outcome) = outcome?;
            outcomes[place] = Some(outcome);
            // In the kernel's order, as soon as all before it are there.
            while let Some(Some(outcome)) = outcomes.get(next) {
                report.begin(&outcome.name);
                summary.add(outcome);
                report.case(outcome);
                next += 1;
            }
        }
        summary.time = start.elapsed();
        Ok(summary)
    })
}

/// What is sent of a case: its place among those chosen, and how it went.
type Sent = Result<(usize, Outcome), WorkerError>;

/// Has the cases of a share run, by as many processes one after another as it takes.
fn work(
    start: impl Fn(&[&str]) -> std::io::Result<Child>,
    chosen: &[&CaseInfo],
    mut share: &[usize],
    patience: Duration,
    sender: &Sender<Sent>,
) -> Result<(), WorkerError> {
    let mut said_something = false;
    while !share.is_empty() {
        let names: Vec<&str> = share.iter().map(|&place| &*chosen[place].name).collect();
        let mut worker = Worker(start(&names)?);
        let outcomes = worker.0.stdout.take().map(listen);
        let mut began = Instant::now();
        let hangs = loop {
            let Some((&place, rest)) = share.split_first() else { break false };
            let Some(outcomes) = &outcomes else { break false };
            match outcomes.recv_timeout(patience) {
                Ok(outcome) if outcome.name == chosen[place].name => {
                    (share, said_something) = (rest, true);
                    began = Instant::now();
                    if sender.send(Ok((place, outcome))).is_err() {
                        return Ok(()); // another worker could not start: all is over
                    }
                }
                // Not the case that it was told to run: it cannot be trusted any more.
                Ok(_) | Err(RecvTimeoutError::Disconnected) => break false,
                Err(RecvTimeoutError::Timeout) => break true,
            }
        };
        let Some((&place, rest)) = share.split_first() else { break };
        let reason = if hangs {
            format!("the process that ran it said nothing for {} s", patience.as_secs())
        } else {
            let status = worker.ended()?;
            if !said_something && status.code() == Some(USAGE) {
                return Err(WorkerError::Refused(status));
            }
            format!("the process that ran it ended ({status}) without a result")
        };
        share = rest;
        if sender.send(Ok((place, Outcome::lost(chosen[place], reason, began.elapsed())))).is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

/// A process that does not outlive its master.
struct Worker(Child);

impl Worker {
    /// Its exit status, when it has closed its output: if it does not end now, it never will.
    fn ended(&mut self) -> std::io::Result<ExitStatus> {
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.0.kill()?;
        self.0.wait()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended already cannot be killed; either way it is collected.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(args: &Run, cases: &[&str]) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").arg(&args.kernel).args(["--format", "json", "--jobs", "1"]);
    command.arg("--memory").arg(args.memory.to_string());
    command.args(["--board", args.board.name()]);
    command.arg("--timeout").arg(args.timeout.as_secs_f64().to_string());
    command.arg("--retries").arg(args.retries.to_string());
    match args.trace {
        Some(Trace::Exits) => command.args(["--trace", "exits"]),
        Some(Trace::Instructions) => command.args(["--trace", "instructions"]),
        None => &mut command,
    };
    if let Some(events) = args.events {
        command.arg(format!("--events={events}"));
    }
    if let Some(gic) = args.gic {
        command.args(["--gic", gic.name()]);
    }
    if let Some(model) = args.processor.cpu {
        command.args(["--cpu", model.name()]);
    }
    if args.processor.pmu {
        command.arg("--pmu");
    }
    if let Some(bug) = &args.seeded.bug {
        command.arg("--bug").arg(bug);
    }
    for case in cases {
        command.arg("--case").arg(case);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

/// The outcomes that a process prints, as they come; the sum at the end is none.
fn listen(output: ChildStdout) -> Receiver<Outcome> {
    let (sender, outcomes) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Ok(outcome) = serde_json::from_str(&line)
                && sender.send(outcome).is_err()
            {
                return;
            }
        }
    });
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Verdict;
    use anyvisor_abi::case::Needs;

    fn case(name: &str) -> CaseInfo {
        CaseInfo {
            name: name.into(),
            claim: String::new(),
            reference: String::new(),
            needs: Needs::NONE,
            lesson: String::new(),
        }
    }

    /// Runs the cases a to e by workers that do what `script` says: a line of JSON for each
    /// argument, unless that is told to do something else.
    fn worked(script: &str, patience: Duration) -> (Result<(), WorkerError>, Vec<Outcome>) {
        let cases = ["a", "b", "c", "d", "e"].map(case);
        let chosen: Vec<&CaseInfo> = cases.iter().collect();
        let passed = Outcome {
            verdict: Verdict::Passed,
            ..Outcome::lost(&cases[0], String::new(), Duration::ZERO)
        };
        let json = serde_json::to_string(&Outcome { name: "NAME".into(), ..passed }).unwrap();
        let said = format!("say() {{ echo '{json}' | sed \"s/NAME/$1/\"; }}");
        let script = format!("{said}\nfor case in \"$@\"; do\n{script}\nsay $case\ndone");
        let start = |names: &[&str]| {
            let mut command = Command::new("sh");
            command.args(["-c", &script, "worker"]).args(names);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
        };
        let (sender, receiver) = channel();
        let done = work(start, &chosen, &[0, 1, 2, 3, 4], patience, &sender);
        drop(sender);
        (done, receiver.into_iter().map(|sent| sent.unwrap().1).collect())
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    fn failed(outcomes: &[Outcome]) -> Vec<(&str, &str)> {
        assert_eq!(outcomes.iter().map(|o| &*o.name).collect::<String>(), "abcde");
        let failed = outcomes.iter().filter(|o| o.verdict == Verdict::Failed);
        failed.map(|o| (&*o.name, &*o.reasons[0])).collect()
    }

    #[test]
    fn a_worker_that_dies_fails_the_case_that_it_was_at_and_another_goes_on() {
        let (done, outcomes) = worked("[ $case != b ] && [ $case != d ] || kill -9 $$", PATIENCE);
        done.unwrap();
        let failed = failed(&outcomes);
        assert_eq!(failed.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["b", "d"]);
        for (_, reason) in failed {
            assert!(reason.contains("ended (signal: 9"), "{reason}");
        }
    }

    #[test]
    fn a_worker_that_hangs_is_killed_and_another_goes_on() {
        let patience = Duration::from_secs(3);
        let (done, outcomes) = worked("[ $case != c ] || exec sleep 600", patience);
        done.unwrap();
        assert_eq!(failed(&outcomes), [("c", "the process that ran it said nothing for 3 s")]);
    }

    #[test]
    fn a_worker_that_reports_another_case_or_half_a_line_is_not_believed() {
        for script in [
            "[ $case != c ] || { say x; exit 0; }",
            "[ $case != c ] || { printf '{\"name\":\"c\",'; exit 0; }",
        ] {
            let (done, outcomes) = worked(script, PATIENCE);
            done.unwrap();
            let failed = failed(&outcomes);
            assert_eq!(failed.len(), 1, "{failed:?}");
            assert!(failed[0].0 == "c" && failed[0].1.contains("exit status: 0"), "{failed:?}");
        }
    }

    #[test]
    fn workers_that_refuse_their_command_line_are_an_error() {
        let (done, outcomes) = worked("exit 2", PATIENCE);
        assert!(matches!(done, Err(WorkerError::Refused(_))), "{done:?}");
        assert!(outcomes.is_empty());
    }
}
