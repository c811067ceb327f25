//! `--jobs N`: a process has one VM at a time, so cases run side by side in processes of our own.
//!
//! ```text
//!   anyvisor run K --jobs 2
//!     +-- anyvisor run K --format json --case a --case c   --- JSON lines --+
//!     +-- anyvisor run K --format json --case b --case d   --- JSON lines --+--> report,
//!                                                                in the kernel's order
//! ```

use crate::cli::{Run, Trace};
use crate::image::CaseInfo;
use crate::report::Report;
use crate::suite::{Outcome, Summary};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

/// Why the workers did not do their work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// No process.
    #[error("starting a worker process: {0}")]
    Start(#[from] std::io::Error),
    /// One ended early.
    #[error("a worker process ended ({status}) without a result for {case}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The first case that it did not report.
        case: String,
    },
}

/// Runs the cases in `args.jobs` processes.
///
/// # Errors
/// A worker that does not start, or ends early. What the others are doing is stopped.
pub fn run(
    args: &Run,
    chosen: &[&CaseInfo],
    report: &mut dyn Report,
) -> Result<Summary, WorkerError> {
    let start = Instant::now();
    let jobs = usize::from(args.jobs).min(chosen.len()).max(1);
    let mut workers = Vec::with_capacity(jobs);
    for worker in 0..jobs {
        let share: Vec<&str> =
            chosen.iter().skip(worker).step_by(jobs).map(|case| &*case.name).collect();
        workers.push(Worker(spawn(args, &share)?));
    }

    report.start(chosen.len());
    let mut outcomes: Vec<Option<Outcome>> = chosen.iter().map(|_| None).collect();
    let mut summary = Summary::default();
    let mut next = 0;
    std::thread::scope(|scope| {
        let (sender, outcome) = channel();
        for worker in &mut workers {
            if let Some(lines) = worker.0.stdout.take() {
                let sender = sender.clone();
                scope.spawn(move || forward(BufReader::new(lines), &sender));
            }
        }
        drop(sender); // the receiver ends when the last worker's output does
        for outcome in outcome {
            let place = chosen.iter().position(|case| case.name == outcome.name);
            let Some(place) = place else { continue };
            outcomes[place] = Some(outcome);
            // In the kernel's order, as soon as all before it are there.
            while let Some(Some(outcome)) = outcomes.get(next) {
                report.begin(&outcome.name);
                summary.add(outcome);
                report.case(outcome);
                next += 1;
            }
        }
    });
    if next < chosen.len() {
        let status = workers[next % jobs].0.wait()?;
        return Err(WorkerError::Ended { status, case: chosen[next].name.clone() });
    }
    summary.time = start.elapsed();
    Ok(summary)
}

/// A process that does not outlive its master.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended already cannot be killed; either way it is collected.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(args: &Run, cases: &[&str]) -> Result<Child, std::io::Error> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").arg(&args.kernel).args(["--format", "json", "--jobs", "1"]);
    command.arg("--memory").arg(args.memory.to_string());
    command.args(["--board", args.board.name()]);
    command.arg("--timeout").arg(args.timeout.as_secs_f64().to_string());
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

/// Sends on every line that is an outcome; the sum at the end is none.
fn forward(lines: impl BufRead, sender: &Sender<Outcome>) {
    for line in lines.lines().map_while(Result::ok) {
        if let Ok(outcome) = serde_json::from_str(&line)
            && sender.send(outcome).is_err()
        {
            return;
        }
    }
}
