//! The three commands, from the command line to the exit status.

use crate::alarm::{Event, Remote};
use crate::cli::{Boot, Gic, List, ListFormat, OnReset, Run, Trace};
use crate::console::{Console, say, tell};
use crate::cpu::Findings;
use crate::image::{CaseInfo, Image, ImageError, cases};
use crate::machine::{Config, Machine, SetupError};
use crate::qos::Class;
use crate::ram::RamRange;
use crate::report::{self, Format, Report, reporter};
use crate::run::Stop;
use crate::seam;
use crate::seeded;
use crate::select::{NoSuchCase, select};
use crate::suite::{Outcome, Suite, Summary, Verdict};
use crate::workers::{self, WorkerError};
use anyvisor_bugs::ChooseError;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// A case failed, or a guest was stopped.
const FAILED: u8 = 1;
/// The guest asked for a reset.
const RESET: u8 = 3;

/// No kernel is larger; a file that is (or a device without an end) is not read to memory.
const LARGEST_FILE: u64 = 1 << 30;

/// What is wrong with the command line, a file or the machine. One line each.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The file cannot be read.
    #[error("{}: {error}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The file is no regular file.
    #[error("{}: not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// The file is too large.
    #[error("{}: {size} bytes; a kernel has at most {LARGEST_FILE}", .path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// The file is no kernel that fits.
    #[error("{}: {error}", .path.display())]
    Image {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: ImageError,
    },
    /// There is no such case.
    #[error("{}: {error}", .path.display())]
    Case {
        /// Which kernel.
        path: PathBuf,
        /// What was asked for, and what there is.
        error: NoSuchCase,
    },
    /// Events have a place in one format only.
    #[error("--events puts the events into the outcomes of --format json: give both")]
    EventsNeedJson,
    /// There is no VM to be had.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The processor cannot be chosen.
    #[error(transparent)]
    Processor(#[from] seam::ProcessorError),
    /// The seeded bug cannot be had.
    #[error(transparent)]
    Bug(#[from] ChooseError),
    /// The processes of `--jobs`.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// `anyvisor run`.
///
/// # Errors
/// Whatever is wrong before the first case starts, or with the machine.
pub fn run(args: &Run) -> Result<ExitCode, UsageError> {
    seeded::choose(&args.seeded)?;
    seam::choose_processor(args.processor)?;
    let file = read(&args.kernel)?;
    let wrong = |error| UsageError::Image { path: args.kernel.clone(), error };
    let ram = RamRange::on(args.board, args.memory);
    let image = Image::elf(&file, ram).map_err(wrong)?;
    let all = cases(&file).map_err(wrong)?;
    let chosen = select(&all, &args.cases)
        .map_err(|error| UsageError::Case { path: args.kernel.clone(), error })?;

    let chosen = args.partition.of(chosen, |case| &case.name);
    let trace = args.trace == Some(Trace::Exits);
    let gic = args.gic.map(|gic| gic == Gic::V3);
    let events = args.events.map(|events| events as usize);
    if events.is_some() && args.format != Format::Json {
        return Err(UsageError::EventsNeedJson);
    }
    let suite = Suite { image: &image, ram, timeout: args.timeout, gic, trace, events };
    let mut report = reporter(args.format, args.figures);
    let summary = match args.jobs {
        1 => run_all(&suite, &chosen, args.retries, report.as_mut())?,
        _ => workers::run(args, &chosen, report.as_mut())?,
    };
    report.end(&summary);
    Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn run_all(
    suite: &Suite<'_>,
    chosen: &[&CaseInfo],
    retries: u32,
    report: &mut dyn Report,
) -> Result<Summary, UsageError> {
    let start = Instant::now();
    let mut summary = Summary::default();
    report.start(chosen.len());
    for case in chosen {
        report.begin(&case.name);
        let mut outcome = suite.run(case)?;
        while outcome.verdict == Verdict::Failed && outcome.attempts <= retries {
            outcome = Outcome { attempts: outcome.attempts + 1, ..suite.run(case)? };
        }
        summary.add(&outcome);
        report.case(&outcome);
    }
    summary.time = start.elapsed();
    Ok(summary)
}

/// `anyvisor list`.
///
/// # Errors
/// A file that is no test kernel.
pub fn list(args: &List) -> Result<ExitCode, UsageError> {
    let file = read(&args.kernel)?;
    let all =
        cases(&file).map_err(|error| UsageError::Image { path: args.kernel.clone(), error })?;
    match args.format {
        ListFormat::Json => {
            for case in &all {
                let CaseInfo { name, claim, reference, lesson, .. } = case;
                let needs = case.needs();
                say!(
                    "{}",
                    serde_json::json!({
                        "name": name, "claim": claim, "reference": reference, "needs": needs,
                        "lesson": lesson,
                    })
                );
            }
        }
        ListFormat::Pretty => {
            let width = all.iter().map(|case| case.name.len()).max().unwrap_or(0);
            for case in &all {
                let needs = case.needs();
                let needs = if needs.is_empty() {
                    String::new()
                } else {
                    format!(" [{}]", needs.join(" "))
                };
                say!("{:width$}  {}{needs}", case.name, case.claim);
            }
            say!("{}", report::cases(all.len()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `anyvisor boot`.
///
/// # Errors
/// Whatever is wrong before the guest starts.
pub fn boot(args: &Boot) -> Result<ExitCode, UsageError> {
    seeded::choose(&args.seeded)?;
    seam::choose_processor(args.processor)?;
    let file = read(&args.kernel)?;
    let ram = RamRange::on(args.board, args.memory);
    let image = Image::any(&file, ram)
        .map_err(|error| UsageError::Image { path: args.kernel.clone(), error })?;
    let config = Config {
        image: &image,
        vcpus: args.vcpus,
        gic: args.gic == Gic::V3,
        ram,
        bootargs: &args.append,
        seal: false,
        timeout: args.timeout,
        trace: args.trace == Some(Trace::Exits),
        events: None,
        qos: &args.qos,
    };
    let mut machine = Machine::new(&config, Console::stdout())?;
    forward_input(machine.remote());
    let mut restarts = match args.on_reset {
        OnReset::Stop => 0,
        OnReset::Restart => args.restarts,
    };
    let stop = loop {
        match machine.run() {
            Stop::Reset if restarts > 0 => {
                restarts -= 1;
                machine.reset()?;
            }
            stop => break stop,
        }
    };
    let status = match &stop {
        Stop::Off => ExitCode::SUCCESS,
        Stop::Reset => {
            if args.on_reset == OnReset::Restart {
                tell!("anyvisor: {stop} again, after {} restarts", args.restarts);
            }
            ExitCode::from(RESET)
        }
        stop => {
            tell!("anyvisor: {stop}\n{}", machine.autopsy());
            ExitCode::from(FAILED)
        }
    };
    if args.summary || !args.qos.is_empty() {
        summary(&machine, &args.qos);
    }
    Ok(status)
}

/// A line for each vCPU that was ever on: what it did, and for how long.
fn summary(machine: &Machine<'_>, qos: &[Class]) {
    for Findings { number, exec_time, exits, .. } in machine.reports(false) {
        let class = Class::of(qos, number).map_or(String::new(), |class| format!(", {class}"));
        let time = exec_time.as_secs_f64();
        tell!("vCPU {number}{class}: {time:.6} s in the guest; exits: {exits}");
    }
}

/// Gives the standard input to the guest, on a thread that ends with the process.
fn forward_input(remote: Remote) {
    let forward = move || {
        let mut buffer = [0; 256];
        while let Ok(count @ 1..) = std::io::stdin().read(&mut buffer) {
            let (taken, told) = sync_channel(1);
            let sent = remote.send(Event::Input { bytes: buffer[..count].to_vec(), taken });
            // One piece at a time: a guest that does not read must not fill our memory.
            if !sent || told.recv().is_err() {
                break;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("input".into()).spawn(forward) {
        log::warn!("the guest gets no input: {error}");
    }
}

fn read(path: &Path) -> Result<Vec<u8>, UsageError> {
    let wrong = |error| UsageError::Read { path: path.into(), error };
    let meta = std::fs::metadata(path).map_err(wrong)?;
    if !meta.is_file() {
        return Err(UsageError::NotAFile(path.into()));
    }
    if meta.len() > LARGEST_FILE {
        return Err(UsageError::TooLarge { path: path.into(), size: meta.len() });
    }
    std::fs::read(path).map_err(wrong)
}
