//! Seeded bugs of the engine and of this monitor ([`anyvisor_bugs`]): which one this process has,
//! and the list of them.

use crate::cli::Seeded;
use crate::console::say;
use anyvisor_bugs::{Bug, ChooseError};

/// The bug's name, where `--bug` does not say it.
pub const VARIABLE: &str = "ANYVISOR_BUG";

/// Gives this process the bug that was asked for, by the command line or else by [`VARIABLE`].
///
/// # Errors
/// There is no such bug, or there is none in this build.
pub fn choose(wanted: &Seeded) -> Result<(), ChooseError> {
    let variable = || std::env::var_os(VARIABLE).map(|name| name.to_string_lossy().into_owned());
    match wanted.bug.clone().or_else(variable) {
        Some(name) => anyvisor_bugs::choose(&name).map(drop),
        None => Ok(()),
    }
}

/// `anyvisor bugs`: all of them, by area, and whether they can be had here.
pub fn list() {
    let width = Bug::ALL.iter().map(|bug| bug.row().name.len()).max().unwrap_or(0);
    let mut area = "";
    for row in Bug::ALL.iter().map(|bug| bug.row()) {
        if row.area != area {
            area = row.area;
            say!("{area}");
        }
        say!("  {:width$}  {}", row.name, row.mistake);
    }
    say!("{} bugs", Bug::ALL.len());
    if !anyvisor_bugs::BUILT {
        say!("{}", ChooseError::NotBuilt);
    }
}
