//! The reports of a run: JSON lines of one machine or of many in, and out what people and
//! programs read.
//!
//! ```text
//!   results.jsonl  --read-->  parts, each with its end  --merge-->  Report
//!   results.jsonl  --read-->  (whatever is wrong is a Problem)        |
//!        ...                                                          +--> pretty  a terminal
//!                                                                     +--> junit   CI's servers
//!                                                                     +--> html    one page
//!                                                                     +--> jsonl   one file again
//! ```
//!
//! What the files say is an allegation: they come from other machines, and a guest's console is
//! in them as it was. Each line that does not fit, each partition that is not there and each case
//! that two files tell differently is named, in all reports, and makes the exit status 1.

pub mod html;
pub mod jsonl;
pub mod junit;
pub mod merge;
pub mod pretty;
pub mod problem;
pub mod read;
pub mod status;
pub mod text;

use merge::Report;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use thiserror::Error;

/// What `report` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What runs of the suite left: partitions of one run, or runs on other hypervisors
    #[arg(required = true, value_name = "FILE.jsonl")]
    files: Vec<PathBuf>,
    /// Write JUnit XML there
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write a page there: one file, which needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write all records as one run's there
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// Print a summary (by default only if no file is asked for)
    #[arg(long)]
    pretty: bool,
    /// Take a run of which a part is missing; it is still said
    #[arg(long)]
    partial: bool,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum Error {
    /// A file of records cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A report cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Where to.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Reads, merges and writes. The exit status is 0 if every case passed, was skipped or differs as
/// known, and 1 if one failed or the records have a problem.
///
/// # Errors
/// A file cannot be read or written.
pub fn main(args: &Args) -> Result<ExitCode, Error> {
    let report = open(&args.files)?;
    let written = [
        (&args.junit, junit::write as fn(&Report) -> String),
        (&args.html, html::write),
        (&args.jsonl, jsonl::write),
    ];
    for (path, writer) in &written {
        if let Some(path) = path {
            write(path, &writer(&report))?;
        }
    }
    if args.pretty || written.iter().all(|(path, _)| path.is_none()) {
        // Whoever reads it may have gone: the exit status still tells.
        let _ = std::io::stdout().write_all(pretty::write(&report).as_bytes());
    }
    for problem in &report.problems {
        eprintln!("anyvisor-matrix: {}", text::line(&problem.to_string()));
    }
    let tolerated = |problem: &problem::Problem| args.partial && problem.is_a_missing_part();
    let bad = report.has_failed() || !report.problems.iter().all(tolerated);
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Reads files of records and puts them together.
///
/// # Errors
/// A file cannot be read.
pub fn open(files: &[PathBuf]) -> Result<Report, Error> {
    let (mut parts, mut problems) = (Vec::new(), Vec::new());
    for path in files {
        let name = path.display().to_string();
        let error = |source| Error::Read { path: name.clone(), source };
        let file = File::open(path).map_err(error)?;
        let found = read::read(&name, BufReader::new(file)).map_err(error)?;
        parts.extend(found.parts);
        problems.extend(found.problems);
    }
    Ok(merge::merge(parts, problems))
}

/// Writes a file, whole or not at all, with the folders above it.
///
/// # Errors
/// The system's, with the path.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    let error = |source| Error::Write { path: path.display().to_string(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(error)?;
    }
    if path.exists() && !path.is_file() {
        return std::fs::write(path, text).map_err(error); // a pipe, a terminal
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path)).map_err(error)
}
