//! What the command line chooses: cases, hypervisors, how many at once.

use super::{Args, RunError, chosen, print};
use crate::hypervisor::{Boots, Found, Hypervisor, Template, Way};
use anyvisor_abi::glob;
use anyvisor_monitor::image::CaseInfo;
use console::style;
use std::path::PathBuf;
use std::time::Duration;

/// Nothing to run on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// One was named, and is not here.
    #[error("{id} is not here: {reason}")]
    NotHere {
        /// Which.
        id: String,
        /// Why not.
        reason: String,
    },
    /// There is none of this name.
    #[error("no hypervisor fits {pattern:?}; there are {}", .ids.join(", "))]
    NoSuch {
        /// What was asked for.
        pattern: String,
        /// What there is.
        ids: Vec<String>,
    },
    /// Of those that were asked for none is here.
    #[error("no hypervisor is here that was asked for: --list says why")]
    None,
    /// `--name` is another one's, or is no name.
    #[error("--name {0:?}: give it a name of its own, of letters, digits, - and .")]
    Name(String),
}

/// The places of the chosen cases in the kernel's table. A part of a run may have none: its file
/// says so, and the parts' report is whole.
pub fn places(all: &[CaseInfo], args: &Args) -> Result<Vec<usize>, RunError> {
    let chosen = args.partition.of(chosen(all, args)?, |case| &case.name);
    let place = |case: &&CaseInfo| all.iter().position(|one| one.name == case.name);
    Ok(chosen.iter().filter_map(place).collect())
}

/// The hypervisors that are here and chosen. With `--command` it is that one, and what
/// `--hypervisor` says.
pub fn hypervisors(found: Vec<Found>, args: &Args) -> Result<Vec<Hypervisor>, RunError> {
    let ids = || found.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    for pattern in &args.hypervisors {
        let mut fitting = found.iter().filter(|one| glob::matches(pattern, &one.id)).peekable();
        if fitting.peek().is_none() {
            return Err(ChooseError::NoSuch { pattern: pattern.clone(), ids: ids() }.into());
        }
        if let Some(Found { id, hypervisor: Err(reason), .. }) =
            fitting.find(|one| one.id == *pattern)
        {
            let (id, reason) = (id.clone(), reason.clone());
            return Err(ChooseError::NotHere { id, reason }.into());
        }
    }
    let is_chosen = |one: &Found| match &args.hypervisors[..] {
        [] => args.command.is_none(),
        patterns => patterns.iter().any(|pattern| glob::matches(pattern, &one.id)),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_name = !args.name.is_empty() && args.name.chars().all(fits);
    let mut chosen = Vec::new();
    if let Some(command) = &args.command {
        if !is_name || ids().contains(&args.name) {
            return Err(ChooseError::Name(args.name.clone()).into());
        }
        chosen.push(other(command, args)?);
    }
    chosen.extend(found.into_iter().filter(is_chosen).filter_map(|one| one.hypervisor.ok()));
    if chosen.is_empty() { Err(ChooseError::None.into()) } else { Ok(chosen) }
}

/// The hypervisor of `--command`. How it says its version nobody knows.
fn other(command: &str, args: &Args) -> Result<Hypervisor, RunError> {
    let boots = Boots {
        template: Template::parse(command)?,
        config: None,
        append: "",
        chatter: args.chatter.clone(),
        statuses: args.statuses.clone(),
    };
    Ok(Hypervisor {
        id: args.name.clone(),
        name: command.split_whitespace().collect::<Vec<_>>().join(" "),
        version: "unknown".into(),
        vcpus: args.vcpus,
        way: Way::Boots(boots),
    })
}

/// `--list`.
pub fn list(found: &[Found]) {
    let width = found.iter().map(|one| one.id.len()).max().unwrap_or(0);
    let line = |one: &Found| {
        let (mark, what) = match &one.hypervisor {
            Ok(hypervisor) => (style("here").green(), hypervisor.version.clone()),
            Err(reason) => (style("  - ").dim(), reason.clone()),
        };
        format!("{mark} {:width$}  {}: {what}", one.id, one.name)
    };
    print(&found.iter().map(line).collect::<Vec<_>>());
}

/// The program `anyvisor`: beside this one, or on `PATH`.
pub fn monitor() -> Option<PathBuf> {
    let name = format!("anyvisor{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe().ok()?.with_file_name(&name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places =
        std::iter::once(own).chain(std::env::split_paths(&path).map(|dir| dir.join(&name)));
    places.find(|file| file.is_file())
}

/// A machine of four vCPUs has about two that are at work.
pub fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |cpus| (cpus.get() / 2).max(1))
}

/// Reads a time in seconds, whole or not.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: write seconds above 0, as in 10 or 0.5");
    let number: f64 = text.parse().map_err(|_| wrong())?;
    match Duration::try_from_secs_f64(number) {
        Ok(time) if !time.is_zero() && time < Duration::from_secs(86_400) => Ok(time),
        Ok(time) if !time.is_zero() => Err(format!("{text} s is more than a day")),
        _ => Err(wrong()),
    }
}
