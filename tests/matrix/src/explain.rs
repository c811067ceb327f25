//! `anyvisor-matrix explain`: what a case teaches, and what happens when it runs: the guest's
//! instructions with their source lines, and what the hypervisor did about them.
//!
//! ```text
//!   KERNEL --cases--> lesson, claim, reference, needs        (lesson.rs: Markdown for a terminal)
//!     |
//!     +--DWARF-----------------------+
//!     |                              v
//!   MONITOR run KERNEL --events --> events with lines --> the two sides in turn      (weave.rs)
//!     (run.rs)                      (source.rs, assembly.rs)
//! ```
//!
//! The parts are for others too: [`explain`] runs and looks up, [`Explanation::text`] shows,
//! [`Sources::fill`] gives lines to any events of this kernel.

mod assembly;
mod lesson;
mod run;
mod source;
pub mod terminal;
mod weave;

pub use run::{Request, RunError};
pub use source::{SourceError, Sources};

use crate::record::Lesson;
use anyvisor_monitor::image::{CaseInfo, ImageError, cases};
use anyvisor_monitor::select::{NoSuchCase, select};
use anyvisor_monitor::suite::{Outcome, Verdict};
use anyvisor_monitor::timeline::Place;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use terminal::Terminal;

/// How many names a pattern that fits several cases is answered with.
const MOST_NAMES: usize = 8;

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kernel's ELF file
    pub kernel: PathBuf,
    /// The case: its name, or a pattern (* and ?) that fits no other
    pub case: String,
    /// The monitor that runs it
    #[arg(long, value_name = "PROGRAM")]
    pub monitor: PathBuf,
    /// A seeded bug of a monitor that was built with them
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// Keep so many events, the first and the last
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub events: u32,
    /// Where the kernel's source is (default: the current folder)
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub workspace: PathBuf,
    /// Show the exits outside the case too, and the calls that lead to each exit
    #[arg(long)]
    pub all: bool,
    /// How it is shown
    #[arg(long, value_enum, default_value = "pretty")]
    pub format: Format,
    /// Arguments for `anyvisor run`: --cpu, --pmu, --gic, ...
    #[arg(last = true, value_name = "ANYVISOR ARGS")]
    pub more: Vec<String>,
}

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text for people.
    Pretty,
    /// One JSON object.
    Json,
}

/// Why there is nothing to be explained. One line each.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
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
    Image {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: ImageError,
    },
    /// There is no such case.
    #[error(transparent)]
    NoSuchCase(#[from] NoSuchCase),
    /// The pattern is not one case's.
    #[error("{pattern:?} fits {count} cases, and one is explained at a time: {}{}",
        .names.join(", "), if .names.len() < *.count { ", ..." } else { "" })]
    Several {
        /// What was asked for.
        pattern: String,
        /// How many it fits.
        count: usize,
        /// The first of them.
        names: Vec<String>,
    },
    /// The kernel's debug information cannot be read.
    #[error("{}: {error}", .path.display())]
    Source {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: SourceError,
    },
    /// The monitor did not run it.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An error of this program.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A case, and one run of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// What it teaches.
    pub lesson: Lesson,
    /// The command line that ran it.
    pub command: Vec<String>,
    /// How it went, with events that know their source lines.
    pub outcome: Outcome,
    /// Where the guest gave the case up, if it did.
    pub failed_at: Option<Place>,
}

/// The subcommand.
///
/// # Errors
/// Whatever is wrong before there is an outcome.
pub fn main(args: &Args) -> Result<ExitCode, ExplainError> {
    let request = Request {
        kernel: &args.kernel,
        case: &args.case,
        monitor: &args.monitor,
        bug: args.bug.as_deref(),
        events: args.events,
        more: &args.more,
    };
    let explanation = explain(&request, &args.workspace)?;
    let text = match args.format {
        Format::Pretty => explanation.text(&Terminal::stdout(), args.all),
        Format::Json => serde_json::to_string(&explanation)? + "\n",
    };
    terminal::print(&text);
    let failed = explanation.outcome.verdict == Verdict::Failed;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs a case and finds the source lines of what happened. `workspace` is where the kernel's
/// source may be.
///
/// # Errors
/// A kernel that cannot be read, no such case, a monitor that gives no outcome.
pub fn explain(request: &Request<'_>, workspace: &Path) -> Result<Explanation, ExplainError> {
    let path = || request.kernel.to_path_buf();
    let file = std::fs::read(request.kernel)
        .map_err(|error| ExplainError::Read { path: path(), error })?;
    let all = cases(&file).map_err(|error| ExplainError::Image { path: path(), error })?;
    let case = one(&all, request.case)?;
    let sources = Sources::read(&file, workspace)
        .map_err(|error| ExplainError::Source { path: path(), error })?;

    let request = Request { case: &case.name, ..*request };
    let (command, mut outcome) = request.run()?;
    sources.fill(&mut outcome.events);
    let failed_at = outcome.console.lines().find_map(|line| sources.mentioned(line));
    Ok(Explanation { lesson: lesson(case), command, outcome, failed_at })
}

/// What a case teaches, as the reports have it.
pub fn lesson(case: &CaseInfo) -> Lesson {
    Lesson {
        case: case.name.clone(),
        claim: case.claim.clone(),
        reference: case.reference.clone(),
        needs: case.needs(),
        text: case.lesson.clone(),
    }
}

/// The one case that is meant.
fn one<'a>(all: &'a [CaseInfo], pattern: &str) -> Result<&'a CaseInfo, ExplainError> {
    let fitting = select(all, &[pattern.to_string()])?;
    match fitting[..] {
        [case] => Ok(case),
        _ => Err(ExplainError::Several {
            pattern: pattern.into(),
            count: fitting.len(),
            names: fitting.iter().take(MOST_NAMES).map(|case| case.name.clone()).collect(),
        }),
    }
}

impl Explanation {
    /// All of it for people. `all`: also what happens outside the case, and all calls.
    pub fn text(&self, terminal: &Terminal, all: bool) -> String {
        let mut out = self.lesson_text(terminal);
        out += &terminal.heading("What happens");
        out += &weave::text(self, terminal, all);
        out += &weave::verdict(self, terminal);
        out
    }

    /// Name, claim, lesson, reference, needs.
    pub fn lesson_text(&self, terminal: &Terminal) -> String {
        lesson::text(&self.lesson, terminal)
    }

    /// The run: both sides in turn, then the verdict.
    pub fn run_text(&self, terminal: &Terminal, all: bool) -> String {
        weave::text(self, terminal, all) + &weave::verdict(self, terminal)
    }
}
