//! `anyvisor-matrix mutants`: how many of the seeded bugs the suite finds, and by which cases.
//!
//! ```text
//!   no bug:    every case passes, or nothing below would mean anything
//!   each bug:  anyvisor run K --bug B, watched from outside (watch.rs)
//!                a case fails | does not end | the engine hangs or dies in it   ->  caught by it
//!              what could be the machine's fault is run again (confirm)
//!   the sum:   all caught, but for those of which the table of bugs says why no guest can see them
//! ```
//!
//! The processor is the one with the most features, with performance monitors: what a case skips
//! it cannot find. What no case finds on a machine with a GIC is looked for on one without: there
//! the timer's interrupt comes by another way.
//!
//! A bug's run ends when so many cases have failed as `--stop-after` says, or three did not end at
//! all; then the number of cases is printed as `10+`.

mod table;
pub mod watch;

use anyvisor_abi::glob;
use anyvisor_bugs::{Bug, ChooseError};
use anyvisor_monitor::image::{CaseInfo, ImageError, cases};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use watch::{Finding, Watch};

/// The machine of the runs.
pub const MACHINE: &[&str] = &["--cpu", "m2", "--pmu"];
/// The same without an interrupt controller.
pub const WITHOUT_GIC: &[&str] = &["--cpu", "m2", "--pmu", "--gic", "none"];
/// Fewer findings than this are few: each is run again.
const FEW: usize = 3;
/// How often a finding is tried again, and how often it has to come again: else it is taken for an
/// accident.
const AGAIN: (usize, usize) = (3, 2);
/// How many times as long a case may take then.
const PATIENCE: u32 = 3;
/// After so many cases that do not end a bug's run ends, too.
const LATE: usize = 3;

/// What `mutants` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kernel's ELF file
    pub kernel: PathBuf,
    /// Only the bugs that fit these names or patterns (* and ?); without any, all
    #[arg(value_name = "BUG|GLOB")]
    pub bugs: Vec<String>,
    /// The monitor, built with the feature `seeded`
    #[arg(long, value_name = "PROGRAM")]
    pub monitor: PathBuf,
    /// A bug's run ends when so many cases have found it; 0: never
    #[arg(long, value_name = "N", default_value = "10")]
    pub stop_after: usize,
    /// Stop a case after this many seconds
    #[arg(long, value_name = "S", default_value = "3", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub timeout: u64,
    /// Run so many bugs at once
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Ask first the case that the table of bugs names; who else finds a bug that it finds, nobody
    /// asks then
    #[arg(long)]
    pub quick: bool,
    /// How the results are shown
    #[arg(long, value_enum, default_value = "pretty")]
    pub format: Format,
}

/// The formats of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table for people.
    Pretty,
    /// A JSON object for each bug as it is done, and one for the sum.
    Json,
}

/// What is wrong before there is a result.
#[derive(Debug, thiserror::Error)]
pub enum MutantsError {
    /// The kernel cannot be read.
    #[error("{}: {error}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// It is no test kernel.
    #[error("{}: {error}", .path.display())]
    Kernel {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: ImageError,
    },
    /// There is no such bug.
    #[error(transparent)]
    Bug(#[from] ChooseError),
    /// The table of bugs and the kernel do not agree.
    #[error("the table of bugs says that {case} finds {bug}: the kernel has no such case")]
    NoSuchCase {
        /// The bug.
        bug: &'static str,
        /// The case.
        case: &'static str,
    },
    /// The monitor cannot be run.
    #[error("{}: {error}", .path.display())]
    Monitor {
        /// Which program.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The monitor has no bugs in it.
    #[error("{}: {}", .0.display(), ChooseError::NotBuilt)]
    NotBuilt(PathBuf),
    /// Cases fail without any bug.
    #[error("without any bug {} cases fail, so that nothing can be said of the bugs: {}", .0.len(), table::names(.0))]
    Baseline(Vec<Finding>),
    /// Nowhere to print to.
    #[error("the standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// How it went for a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// A case found it.
    Caught,
    /// None did, and none can.
    Unseen,
    /// None did.
    Survived,
    /// The table says that no guest can see it, and one did.
    Seen,
}

/// A bug, and who found it.
#[derive(Clone, Debug, Serialize)]
pub struct Mutant {
    /// The bug's name.
    pub bug: &'static str,
    /// Its area.
    pub area: &'static str,
    /// How it went.
    pub fate: Fate,
    /// Why no guest can see it, by the table.
    pub unseen: Option<&'static str>,
    /// Who found it.
    pub cases: Vec<Finding>,
    /// All cases were run; false: the run was stopped when there were enough.
    pub complete: bool,
    /// How long the runs took, in nanoseconds.
    pub time_ns: u64,
}

/// Runs the suite with each bug.
///
/// # Errors
/// What is wrong with the kernel, the names or the monitor; a suite that fails by itself.
pub fn main(args: &Args) -> Result<ExitCode, MutantsError> {
    let all = read(&args.kernel)?;
    let bugs = select(&args.bugs)?;
    let watch = Watch {
        monitor: &args.monitor,
        kernel: &args.kernel,
        machine: MACHINE,
        timeout: Duration::from_secs(args.timeout),
    };
    watch.check().map_err(|error| MutantsError::Monitor { path: args.monitor.clone(), error })?;
    if !watch.has_bugs() {
        return Err(MutantsError::NotBuilt(args.monitor.clone()));
    }
    let names: Vec<&str> = all.iter().map(|case| case.name.as_str()).collect();
    let start = Instant::now();
    if let Some(bug) = bugs.iter().find(|bug| bug.row().case.is_some_and(|it| !names.contains(&it)))
    {
        let row = bug.row();
        let (bug, case) = (row.name, row.case.unwrap_or_default());
        return Err(MutantsError::NoSuchCase { bug, case });
    }
    for machine in [MACHINE, WITHOUT_GIC] {
        let (found, _) = search(&Watch { machine, ..watch }, None, &names, usize::MAX);
        if !found.is_empty() {
            return Err(MutantsError::Baseline(found));
        }
    }
    let limit = if args.stop_after == 0 { usize::MAX } else { args.stop_after };
    let mut report = table::Report::new(args.format, names.len(), &bugs)?;
    let work = |bug: Bug| match bug.row().case.filter(|_| args.quick) {
        Some(case) => {
            let asked = mutant(&watch, bug, &[case], 1);
            if asked.fate == Fate::Caught {
                Mutant { complete: false, ..asked }
            } else {
                mutant(&watch, bug, &names, limit)
            }
        }
        None => mutant(&watch, bug, &names, limit),
    };
    let mutants = each(args.jobs, &bugs, work, &mut report)?;
    report.end(&mutants, start.elapsed())?;
    let bad = |mutant: &Mutant| matches!(mutant.fate, Fate::Survived | Fate::Seen);
    Ok(ExitCode::from(u8::from(mutants.iter().any(bad))))
}

/// The cases of a kernel.
///
/// # Errors
/// It cannot be read, or is no test kernel.
pub fn read(kernel: &Path) -> Result<Vec<CaseInfo>, MutantsError> {
    let path = kernel.to_path_buf();
    let file = match std::fs::read(kernel) {
        Ok(file) => file,
        Err(error) => return Err(MutantsError::Read { path, error }),
    };
    cases(&file).map_err(|error| MutantsError::Kernel { path, error })
}

/// The bugs that any of the patterns fits, in the table's order.
fn select(patterns: &[String]) -> Result<Vec<Bug>, ChooseError> {
    let fits = |pattern: &String, bug: &Bug| glob::matches(pattern, bug.row().name);
    for pattern in patterns {
        if !Bug::ALL.iter().any(|bug| fits(pattern, bug)) {
            Bug::from_name(pattern)?;
        }
    }
    let chosen = |bug: &Bug| patterns.is_empty() || patterns.iter().any(|p| fits(p, bug));
    Ok(Bug::ALL.iter().copied().filter(chosen).collect())
}

/// Does `work` for each bug, `jobs` at once, and reports them in the table's order.
fn each(
    jobs: u16,
    bugs: &[Bug],
    work: impl Fn(Bug) -> Mutant + Sync,
    report: &mut table::Report<impl Write>,
) -> std::io::Result<Vec<Mutant>> {
    let waiting = Mutex::new(bugs.iter().copied().enumerate());
    let (sender, done) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, waiting, work) = (sender.clone(), &waiting, &work);
            scope.spawn(move || {
                loop {
                    // A lock that another one left in a panic: that one's panic is enough.
                    let next = waiting.lock().ok().and_then(|mut bugs| bugs.next());
                    let Some((place, bug)) = next else { break };
                    if sender.send((place, work(bug))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let (mut early, mut all) = (BTreeMap::new(), Vec::with_capacity(bugs.len()));
        for (place, mutant) in done {
            early.insert(place, mutant);
            while let Some(mutant) = early.remove(&all.len()) {
                report.mutant(&mutant)?;
                all.push(mutant);
            }
        }
        Ok(all)
    })
}

fn mutant(watch: &Watch<'_>, bug: Bug, names: &[&str], limit: usize) -> Mutant {
    let start = Instant::now();
    let row = bug.row();
    let (mut cases, mut complete) = search(watch, Some(row.name), names, limit);
    if cases.is_empty() {
        let watch = Watch { machine: WITHOUT_GIC, ..*watch };
        (cases, complete) = search(&watch, Some(row.name), names, limit);
        cases.iter_mut().for_each(|finding| finding.machine = Some("--gic none"));
    }
    let fate = match (cases.is_empty(), row.unseen) {
        (false, None) => Fate::Caught,
        (false, Some(_)) => Fate::Seen,
        (true, Some(_)) => Fate::Unseen,
        (true, None) => Fate::Survived,
    };
    let time_ns = start.elapsed().as_nanos() as u64;
    Mutant { bug: row.name, area: row.area, fate, unseen: row.unseen, cases, complete, time_ns }
}

/// The cases that fail, up to `limit` of them or [`LATE`] that do not end; and whether all were run.
fn search(
    watch: &Watch<'_>,
    bug: Option<&str>,
    names: &[&str],
    limit: usize,
) -> (Vec<Finding>, bool) {
    let (mut left, mut sure) = (names.to_vec(), Vec::<Finding>::new());
    loop {
        let found = watch.run(bug, &mut left, limit - sure.len(), LATE);
        sure.extend(confirm(watch, bug, found));
        let late = sure.iter().filter(|finding| finding.how.is_late()).count();
        if left.is_empty() || sure.len() >= limit || late >= LATE {
            return (sure, left.is_empty());
        }
    }
}

/// Leaves out what may have been an accident: a machine that is busy, or a case that is not as
/// sure as it should be. If there are few findings each has to come again; if there are more, only
/// those of a case that did not end, which then has to end without the bug. (Where nothing ends,
/// the first one speaks for all.)
fn confirm(watch: &Watch<'_>, bug: Option<&str>, found: Vec<Finding>) -> Vec<Finding> {
    let patient = Watch { timeout: PATIENCE * watch.timeout, ..*watch };
    let once = |bug: Option<&str>, case: &str| patient.run(bug, &mut vec![case], 1, 1).pop();
    let with_and_without = |case: &str| {
        let with = once(bug, case)?;
        let fair = !with.how.is_late() || bug.is_none() || once(None, case).is_none();
        fair.then_some(with)
    };
    let few = found.len() < FEW;
    let nothing_ends = found.len() >= LATE && found.iter().all(|finding| finding.how.is_late());
    if nothing_ends && with_and_without(&found[0].case).is_some_and(|it| it.how.is_late()) {
        return found;
    }
    let again = |finding: Finding| match finding.how.is_late() || few {
        true => (0..AGAIN.0).filter_map(|_| with_and_without(&finding.case)).nth(AGAIN.1 - 1),
        false => Some(finding),
    };
    found.into_iter().filter_map(again).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bug_names_the_case_that_finds_it_or_why_none_does() {
        for bug in Bug::ALL {
            let row = bug.row();
            assert!(row.case.is_some() != row.unseen.is_some(), "{}", row.name);
        }
    }

    #[test]
    fn bugs_are_chosen_by_name_or_pattern_and_an_unknown_one_is_refused() {
        assert_eq!(select(&[]).unwrap().len(), Bug::ALL.len());
        assert_eq!(select(&["far-not-set".into()]).unwrap(), [Bug::FarNotSet]);
        assert!(select(&["tlbi-*".into()]).unwrap().len() > 2);
        let error = select(&["far-set".into()]).unwrap_err();
        assert!(error.to_string().contains("far-not-set"), "{error}");
    }

    fn found(bug: Bug) -> Mutant {
        let row = bug.row();
        let fate = Fate::Survived;
        let (cases, time_ns) = (Vec::new(), 0);
        Mutant { bug: row.name, area: row.area, fate, unseen: None, cases, complete: true, time_ns }
    }

    #[test]
    fn bugs_that_are_done_out_of_order_are_reported_in_the_table_s() {
        let bugs = &Bug::ALL[..12];
        let gate = std::sync::Barrier::new(2);
        let work = |bug| {
            // The first one is held back until another thread has done one.
            if bug == bugs[0] || bug == bugs[1] {
                gate.wait();
            }
            found(bug)
        };
        let mut text = Vec::new();
        let all = {
            let mut report = table::Report::to(&mut text, Format::Json, bugs);
            each(2, bugs, work, &mut report).unwrap()
        };
        let names: Vec<&str> = all.iter().map(|mutant| mutant.bug).collect();
        assert_eq!(names, bugs.iter().map(|bug| bug.row().name).collect::<Vec<_>>());
        assert_eq!(String::from_utf8(text).unwrap().lines().count(), bugs.len());
    }
}
