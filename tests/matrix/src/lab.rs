//! `anyvisor-matrix lab`: a bug to be found, by its number; its name would give it away.
//!
//! ```text
//!   lab 7             a case that fails, its lesson, what both sides say, the exits; the task
//!   lab 7 --healthy   the same case's exits on an engine without the bug, to compare
//!   lab 7 -- ARGS     `anyvisor run KERNEL ARGS` with the bug: other cases, other traces
//!   lab 7 --hint      where to look
//!   lab 7 --reveal    what is wrong, the rule, the line, the mend
//! ```

mod source;

use crate::explain::terminal::Terminal;
use crate::explain::{ExplainError, Request, explain};
use crate::mutants::watch::{Finding, How, Watch};
use crate::mutants::{MACHINE, MutantsError, WITHOUT_GIC, read};
use anyvisor_bugs::{Bug, ChooseError};
use anyvisor_monitor::image::CaseInfo;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a case may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Of so many cases that fail the one to show is chosen.
const ENOUGH: usize = 5;
/// So many exits and events of a case are kept, the first and the last.
const EVENTS: u32 = 120;

/// What `lab` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kernel's ELF file
    pub kernel: PathBuf,
    /// Which lab: its number, or the bug's name
    #[arg(required_unless_present_any = ["list", "random"])]
    pub lab: Option<String>,
    /// The monitor, built with the feature `seeded`
    #[arg(long, value_name = "PROGRAM")]
    pub monitor: PathBuf,
    /// The workspace's root, for --reveal
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub source: PathBuf,
    /// List the labs
    #[arg(long, conflicts_with_all = ["lab", "random", "hint", "reveal", "healthy"])]
    pub list: bool,
    /// Any lab
    #[arg(long, conflicts_with = "lab")]
    pub random: bool,
    /// Say where to look
    #[arg(long)]
    pub hint: bool,
    /// Say what is wrong, where it stands, and how it is mended
    #[arg(long)]
    pub reveal: bool,
    /// Show the case's exits on an engine without the bug
    #[arg(long, conflicts_with_all = ["hint", "reveal"])]
    pub healthy: bool,
    /// Passed on to `anyvisor run KERNEL`, which then has the bug: --case, --trace, ...
    #[arg(last = true, value_name = "ANYVISOR ARGS")]
    pub args: Vec<String>,
}

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The kernel or the monitor does not fit.
    #[error(transparent)]
    Mutants(#[from] MutantsError),
    /// There is no such bug.
    #[error(transparent)]
    Bug(#[from] ChooseError),
    /// There is no lab of this number.
    #[error("there is no lab {0}: they are numbered from 1 to {count}", count = Bug::ALL.len())]
    Number(usize),
    /// It cannot be found from inside a guest.
    #[error("lab {0} is about a bug that no guest can see")]
    Unseen(usize),
    /// No case fails.
    #[error(
        "lab {0}: no case fails, so that there is nothing to look at; `cargo xtask mutants` says more"
    )]
    NothingFails(usize),
    /// The monitor does not run.
    #[error("the monitor: {0}")]
    Monitor(std::io::Error),
    /// The case cannot be shown.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// Nowhere to print to.
    #[error("the standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// Shows a lab, or what there is to know of it.
///
/// # Errors
/// There is no such lab; a kernel or a monitor that does not fit.
pub fn main(args: &Args) -> Result<ExitCode, LabError> {
    let mut out = std::io::stdout();
    if args.list {
        list(&mut out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let bug = match &args.lab {
        Some(lab) => find(lab)?,
        None => any(),
    };
    if bug.row().unseen.is_some() {
        return Err(LabError::Unseen(bug.number()));
    }
    if !args.args.is_empty() {
        return pass_on(args, bug);
    }
    if args.hint {
        writeln!(out, "lab {}: {}", bug.number(), bug.row().hint)?;
    }
    if args.reveal {
        reveal(&mut out, args, bug)?;
    }
    if !args.hint && !args.reveal {
        show(&mut out, args, bug)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The bugs that a guest can see.
fn labs() -> impl Iterator<Item = Bug> {
    Bug::ALL.iter().copied().filter(|bug| bug.row().unseen.is_none())
}

/// By number or name.
fn find(lab: &str) -> Result<Bug, LabError> {
    match lab.parse::<usize>() {
        Ok(number) => {
            let bug = number.checked_sub(1).and_then(|index| Bug::ALL.get(index));
            bug.copied().ok_or(LabError::Number(number))
        }
        Err(_) => Ok(Bug::from_name(lab)?),
    }
}

/// Any of them: another one each time.
fn any() -> Bug {
    let labs: Vec<Bug> = labs().collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Seconds and nanoseconds: a clock of coarse steps still names another one next time.
    let number = now.as_secs().wrapping_mul(0x9e37_79b9) ^ u64::from(now.subsec_nanos() >> 8);
    labs[(number % labs.len() as u64) as usize]
}

fn list(out: &mut impl Write) -> std::io::Result<()> {
    let mut areas: Vec<(&str, Vec<String>)> = Vec::new();
    for bug in labs() {
        let (area, number) = (bug.row().area, bug.number().to_string());
        match areas.last_mut() {
            Some((last, numbers)) if *last == area => numbers.push(number),
            _ => areas.push((area, vec![number])),
        }
    }
    let width = areas.iter().map(|(area, _)| area.len()).max().unwrap_or(0);
    for (area, numbers) in areas {
        writeln!(out, "{area:width$}  {}", numbers.join(" "))?;
    }
    writeln!(
        out,
        "{} labs, each a bug of one line: `lab NUMBER` shows what it does",
        labs().count()
    )
}

/// What of the machine made a case fail, and the case.
struct Failure<'a> {
    case: &'a CaseInfo,
    how: How,
    machine: &'static [&'static str],
}

/// A case that fails, one that says why if there is one.
fn failure<'a>(args: &Args, bug: Bug, all: &'a [CaseInfo]) -> Result<Failure<'a>, LabError> {
    let everyone: Vec<&str> = all.iter().map(|case| case.name.as_str()).collect();
    // The case that is about it, if that finds it here.
    let first: Vec<&str> = bug.row().case.into_iter().collect();
    let turns = [(MACHINE, &first), (MACHINE, &everyone), (WITHOUT_GIC, &everyone)];
    for (machine, names) in turns {
        let (kernel, monitor) = (args.kernel.as_path(), args.monitor.as_path());
        let watch = Watch { monitor, kernel, machine, timeout: TIMEOUT };
        watch.check().map_err(LabError::Monitor)?;
        if !watch.has_bugs() {
            return Err(MutantsError::NotBuilt(args.monitor.clone()).into());
        }
        let mut found = watch.run(Some(bug.row().name), &mut names.clone(), ENOUGH, 1);
        found.sort_by_key(|finding| finding.how.is_late());
        let shown = found.into_iter().next().and_then(|Finding { case, how, .. }| {
            let case = all.iter().find(|info| info.name == case)?;
            Some(Failure { case, how, machine })
        });
        if let Some(failure) = shown {
            return Ok(failure);
        }
    }
    Err(LabError::NothingFails(bug.number()))
}

fn show(out: &mut impl Write, args: &Args, bug: Bug) -> Result<(), LabError> {
    let all = read(&args.kernel)?;
    let Failure { case, how, machine } = failure(args, bug, &all)?;
    let number = bug.number();
    let mut more: Vec<String> = machine.iter().map(|flag| (*flag).to_string()).collect();
    more.extend(["--timeout".into(), TIMEOUT.as_secs().to_string()]);
    let request = Request {
        kernel: &args.kernel,
        case: &case.name,
        monitor: &args.monitor,
        bug: if args.healthy { None } else { Some(bug.row().name) },
        events: EVENTS,
        more: &more,
    };
    let terminal = Terminal::stdout();
    let explanation = explain(&request, &args.source)?;
    if args.healthy {
        writeln!(out, "Lab {number}: {}, on an engine without the bug\n", case.name)?;
        out.write_all(explanation.run_text(&terminal, false).as_bytes())?;
        return Ok(());
    }
    writeln!(out, "Lab {number}\n\nThis engine has one bug, and this case fails because of it:\n")?;
    writeln!(out, "{}", explanation.text(&terminal, false).trim_end())?;
    if explanation.outcome.reasons.is_empty() {
        // It does not fail each time; this is what was said when it did.
        writeln!(out, "\nbefore:\n{}", indented(&how.to_string().replace("; ", "\n")))?;
    }
    writeln!(
        out,
        "\nYour task: which rule of the manual does this engine break, and by which mistake?\n\
         In a hypervisor, where would you look for it first?\n\n  \
         lab {number} --healthy                 the same case without the bug\n  \
         lab {number} -- --case '{}.*'   other cases with it\n  \
         lab {number} --hint                    where to look\n  \
         lab {number} --reveal                  what it is, the line, and the mend",
        case.group()
    )?;
    Ok(())
}

fn indented(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { String::new() } else { format!("  {line}") };
    text.trim_end().lines().map(line).collect::<Vec<_>>().join("\n")
}

/// `anyvisor run` with the bug.
fn pass_on(args: &Args, bug: Bug) -> Result<ExitCode, LabError> {
    let mut command = Command::new(&args.monitor);
    command.arg("run").arg(&args.kernel).args(["--bug", bug.row().name]).args(&args.args);
    let status = command.status().map_err(LabError::Monitor)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(2)))
}

fn reveal(out: &mut impl Write, args: &Args, bug: Bug) -> std::io::Result<()> {
    let row = bug.row();
    writeln!(out, "Lab {}: {}\n\n  wrong  {}", bug.number(), row.name, row.mistake)?;
    writeln!(out, "  rule   {}", row.rule)?;
    match source::excerpt(&args.source, bug) {
        Ok((line, text)) => {
            writeln!(out, "  place  {}:{line}\n\n{text}", row.file)?;
            writeln!(out, "  mend   take away what `is({})` brings in", bug.marker())
        }
        Err(error) => writeln!(out, "  place  {} ({error})", row.file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_has_a_number_and_a_name() {
        assert_eq!(find("1").unwrap(), Bug::ALL[0]);
        assert_eq!(find(&Bug::ALL.len().to_string()).unwrap(), *Bug::ALL.last().unwrap());
        assert_eq!(find("far-not-set").unwrap(), Bug::FarNotSet);
        for wrong in ["0", &(Bug::ALL.len() + 1).to_string()] {
            assert!(find(wrong).unwrap_err().to_string().contains("numbered from 1"), "{wrong}");
        }
        assert!(matches!(find("far-not"), Err(LabError::Bug(_))));
        let chosen = any();
        assert!(labs().any(|bug| bug == chosen));
    }

    #[test]
    fn the_list_gives_no_name_away() {
        let mut text = Vec::new();
        list(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for bug in Bug::ALL {
            assert!(!text.contains(bug.row().name), "{text}");
            let numbers: Vec<&str> = text.split_whitespace().collect();
            let listed = numbers.contains(&&*bug.number().to_string());
            assert_eq!(listed, bug.row().unseen.is_none(), "{}", bug.number());
        }
    }
}
