//! Where notices go: what was refused, and why.
//!
//! ```text
//!   the program has a logger (crate `log`)      it gets every notice; ANYVISOR_LOG is its affair
//!   it has none, ANYVISOR_LOG is set            standard error, from that level on
//!   it has none, ANYVISOR_LOG is not set        nowhere
//! ```
//!
//! The levels are those of `log`: `error` is a fault of this crate, `warn` a mistake of the caller,
//! `debug` an answer that something is not supported, which is what a caller may ask. A value that
//! is no level is said once, and counts as `warn`.
//!
//! No logger is installed for the program: it may install its own later, and that must not fail.
//! So a notice looks each time whether there is one. (`log` tells by its maximum level, which is
//! `Off` until a logger raises it.)

use anyvisor_vm::HvError;
use log::{Level, LevelFilter};
use std::fmt::{Arguments, Display};
use std::io::Write;
use std::sync::OnceLock;

/// The variable that sets the level.
pub const LOG_VARIABLE: &str = "ANYVISOR_LOG";

/// What the variable may be.
const CHOICES: &str = "off, error, warn, info, debug, trace";

/// Passes a notice on.
#[cold]
pub(crate) fn notice(level: Level, text: Arguments) {
    if log::max_level() != LevelFilter::Off {
        log::log!(level, "{text}");
    } else if level <= threshold() {
        say(level, text);
    }
}

/// Says that the variable has a value that means nothing, before there is anything to tell.
pub(crate) fn check() {
    if log::max_level() == LevelFilter::Off {
        threshold();
    }
}

/// The level from which on notices go to standard error. The variable is read once.
fn threshold() -> LevelFilter {
    static THRESHOLD: OnceLock<LevelFilter> = OnceLock::new();
    *THRESHOLD.get_or_init(|| {
        let value = std::env::var_os(LOG_VARIABLE).map(|v| v.to_string_lossy().into_owned());
        parse(value).unwrap_or_else(|error| {
            say(Level::Warn, format_args!("{error}; taken for warn"));
            LevelFilter::Warn
        })
    })
}

fn parse(value: Option<String>) -> Result<LevelFilter, HvError> {
    let Some(value) = value else { return Ok(LevelFilter::Off) };
    value.parse().map_err(|_| HvError::Environment { name: LOG_VARIABLE, value, choices: CHOICES })
}

/// A line on standard error. That it cannot be written is nobody's concern.
fn say(level: Level, text: impl Display) {
    let _ = writeln!(std::io::stderr(), "anyvisor: {level} {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_a_level_or_is_refused() {
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(parse(None), Ok(LevelFilter::Off));
        for (value, level) in [
            ("off", LevelFilter::Off),
            ("error", LevelFilter::Error),
            ("Warn", LevelFilter::Warn),
            ("DEBUG", LevelFilter::Debug),
        ] {
            assert_eq!(parse(text(value)), Ok(level), "{value}");
        }
        for value in ["", "1", "loud", "anyvisor_hv=debug"] {
            let error = parse(text(value)).unwrap_err().to_string();
            assert_eq!(error, format!("ANYVISOR_LOG is {value:?}, which is none of: {CHOICES}"));
        }
    }
}
