//! `anyvisor-matrix run`: the cases on every hypervisor that is here, from the command line to the
//! exit status.

mod choose;
mod told;

use crate::boot::{BootError, Limits};
use crate::choice::Table;
use crate::crew::{Crew, is_failure};
use crate::hypervisor::{self, TemplateError};
use crate::known::{Known, KnownError};
use crate::process::Interrupt;
use crate::record::{End, Lesson, Record};
use crate::report;
use crate::results::{Results, WriteError};
use crate::show::Shown;
use anyvisor_monitor::image::{CaseInfo, ImageError, cases};
use anyvisor_monitor::partition::Partition;
use anyvisor_monitor::select::{NoSuchCase, select};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub use choose::ChooseError;

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kernel's ELF file: its table of cases is the plan
    pub kernel: PathBuf,
    /// The same kernel as a flat Image (default: the ELF file's name with .img behind it)
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// The program `anyvisor` (default: beside this one, or on PATH)
    #[arg(long, value_name = "PROGRAM")]
    pub monitor: Option<PathBuf>,
    /// Only hypervisors whose ids fit this pattern (* and ?); may be given again
    #[arg(long = "hypervisor", value_name = "GLOB")]
    pub hypervisors: Vec<String>,
    /// Say which hypervisors are here, and why others are not; run nothing
    #[arg(long)]
    pub list: bool,
    /// Any other hypervisor that prints the guest's console on its standard output: its command
    /// line, with {image} (or {elf}) and {append} where they belong
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,
    /// The id of the hypervisor of --command
    #[arg(long, value_name = "ID", default_value = "command")]
    pub name: String,
    /// How many vCPUs the machine of --command has
    #[arg(long, value_name = "N", default_value = "1")]
    pub vcpus: u8,
    /// Lines on the console that are those of --command itself: a pattern; may be given again
    #[arg(long, value_name = "GLOB")]
    pub chatter: Vec<String>,
    /// Exit statuses of --command for a machine that a guest switched off or reset
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "0")]
    pub statuses: Vec<i32>,
    /// Run only the cases that fit this name or pattern (* and ?); may be given again
    #[arg(long = "case", value_name = "NAME|GLOB")]
    pub cases: Vec<String>,
    /// Run only this part of the cases: I/N or count:I/N (every Nth), or hash:I/N (by name)
    #[arg(long, value_name = "I/N", default_value_t = Partition::WHOLE)]
    pub partition: Partition,
    /// Run a case that failed again, this many times at most; one that passes then is flaky
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u32).range(..=100))]
    pub retries: u32,
    /// Machines at once (default: one for two of this computer's CPUs)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Stop a machine whose case has no result after this many seconds
    #[arg(long, value_name = "S", default_value = "60", value_parser = choose::seconds, allow_negative_numbers = true)]
    pub timeout: Duration,
    /// Stop a machine whose case prints more than this many KiB
    #[arg(long, value_name = "KIB", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub flood: u32,
    /// Write results.jsonl there, and reports
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Known differences (default: those of tests/matrix/known.toml)
    #[arg(long, value_name = "FILE")]
    pub known: Option<PathBuf>,
    /// Leave cases out of the table that passed everywhere
    #[arg(long)]
    pub brief: bool,
}

/// What is wrong with the command line, a file or a program. One line each.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file cannot be read.
    #[error("{}: {error}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The file is no test kernel.
    #[error("{}: {error}", .path.display())]
    Kernel {
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
    /// `--command` cannot be used.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Nothing to run on.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// The file of known differences.
    #[error(transparent)]
    Known(#[from] KnownError),
    /// A hypervisor does not start.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The results cannot be written.
    #[error("the results cannot be written: {0}")]
    Write(#[from] WriteError),
    /// Nor what is made of them.
    #[error(transparent)]
    Report(#[from] report::Error),
    /// Signals cannot be handled.
    #[error("handling Ctrl-C: {0}")]
    Signals(std::io::Error),
}

/// Runs the cases.
///
/// # Errors
/// Whatever is wrong before the first case, or with a program or the disk.
pub fn main(args: &Args) -> Result<ExitCode, RunError> {
    let monitor = args.monitor.clone().or_else(choose::monitor);
    let known = args.known.as_deref().map_or_else(Known::ours, Known::read)?;
    let file = read(&args.kernel)?;
    let all =
        cases(&file).map_err(|error| RunError::Kernel { path: args.kernel.clone(), error })?;
    let wanted = choose::places(&all, args)?;
    let found = hypervisor::find(monitor.as_deref());
    if args.list {
        choose::list(&found);
        return Ok(ExitCode::SUCCESS);
    }
    let hypervisors = choose::hypervisors(found, args)?;
    let image = args.image.clone().unwrap_or_else(|| args.kernel.with_extension("img"));
    if hypervisors.iter().any(|one| matches!(one.way, hypervisor::Way::Boots(_))) {
        read(&image)?; // it is the hypervisors' to boot, but a clear word now is better
    }

    let start = Instant::now();
    let mut results = args.out.as_deref().map(Results::create).transpose()?;
    if let Some(results) = &mut results {
        for record in heads(&hypervisors, &all) {
            results.write(&record)?;
        }
    }
    let interrupt = Interrupt::by_signals().map_err(RunError::Signals)?;
    let audience = told::Told::new(results, wanted.len() * hypervisors.len(), wanted.len());
    let crew = Crew {
        hypervisors: &hypervisors,
        table: Table(&all),
        elf: &args.kernel,
        image: &image,
        limits: Limits { case: args.timeout, console: args.flood as usize * 1024 },
        known: &known,
        retries: args.retries,
        jobs: args.jobs.map_or_else(choose::jobs, usize::from),
        interrupt: &interrupt,
    };
    let outcome = crew.run(&wanted, &audience);
    let (mut results, runs, lost) = audience.end();
    if let Some(error) = lost {
        return Err(error.into());
    }

    let places = |name: &str| all.iter().position(|case| case.name == name);
    let cases: Vec<&str> = wanted.iter().map(|&place| &*all[place].name).collect();
    let columns: Vec<_> = hypervisors.iter().map(hypervisor::Hypervisor::record).collect();
    let mut runs = runs;
    let column = |id: &str| columns.iter().position(|column| column.id == id);
    runs.sort_by_key(|run| (column(&run.hypervisor), places(&run.case)));
    let stale = told::stale(&known, &columns, &runs);
    let shown = Shown {
        hypervisors: &columns,
        cases: &cases,
        runs: &runs,
        stale: &stale,
        brief: args.brief,
    };
    print(&shown.lines());
    match outcome {
        Ok(()) => {}
        Err(BootError::Interrupted(signal)) => {
            eprintln!("anyvisor-matrix: interrupted by signal {signal}: the results are not whole");
            return Ok(ExitCode::from(128 | (signal as u8 & 0x7f)));
        }
        Err(error) => return Err(error.into()),
    }
    if let Some(results) = &mut results {
        let partition = args.partition.to_string();
        let time_ns = start.elapsed().as_nanos() as u64;
        results.write(&Record::End(End { partition, cases: runs.len(), time_ns }))?;
        reports(results.path())?;
    }
    let failed = runs.iter().any(is_failure);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The records before the first result.
fn heads<'a>(
    hypervisors: &'a [hypervisor::Hypervisor],
    all: &'a [CaseInfo],
) -> impl Iterator<Item = Record> + 'a {
    let hypervisors = hypervisors.iter().map(|one| Record::Hypervisor(one.record()));
    let lessons = all.iter().map(|case| {
        Record::Lesson(Lesson {
            case: case.name.clone(),
            claim: case.claim.clone(),
            reference: case.reference.clone(),
            needs: case.needs(),
            text: case.lesson.clone(),
        })
    });
    hypervisors.chain(lessons)
}

fn read(path: &Path) -> Result<Vec<u8>, RunError> {
    std::fs::read(path).map_err(|error| RunError::Read { path: path.into(), error })
}

/// Makes the reports of a whole run, beside its results. They are made of the file, as those of
/// many machines are.
fn reports(results: &Path) -> Result<(), RunError> {
    let report = report::open(&[results.to_path_buf()])?;
    let (junit, page) =
        (results.with_file_name("junit.xml"), results.with_file_name("report.html"));
    report::write(&junit, &report::junit::write(&report))?;
    report::write(&page, &report::html::write(&report))?;
    for problem in &report.problems {
        eprintln!("anyvisor-matrix: {problem}");
    }
    print(&[String::new()]);
    print(&[results, &junit, &page].map(|file| format!("written: {}", file.display())));
    Ok(())
}

/// Prints lines. A reader that went away (`| head`) is no error.
fn print(lines: &[String]) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            return;
        }
    }
}

/// The cases that the patterns choose, for whoever does not run them all.
///
/// # Errors
/// A pattern that fits none.
fn chosen<'a>(all: &'a [CaseInfo], args: &Args) -> Result<Vec<&'a CaseInfo>, RunError> {
    select(all, &args.cases).map_err(|error| RunError::Case { path: args.kernel.clone(), error })
}
