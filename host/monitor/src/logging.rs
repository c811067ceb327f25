//! The log: what the framework refused, and the instruction trace.
//!
//! `ANYVISOR_LOG` sets levels as `RUST_LOG` does elsewhere (`debug`, `anyvisor_hv=trace`, ...);
//! warnings are shown without it.

use std::io::Write;

/// The target of the software engine's instruction trace.
const INSTRUCTIONS: &str = "anyvisor_cpu::trace";

/// Starts the log on the standard error.
pub fn start(trace_instructions: bool) {
    let mut log = env_logger::Builder::new();
    log.filter_level(log::LevelFilter::Warn);
    log.parse_env("ANYVISOR_LOG");
    if trace_instructions {
        log.filter_module(INSTRUCTIONS, log::LevelFilter::Trace);
    }
    log.format(|out, record| match record.target() {
        INSTRUCTIONS => writeln!(out, "{}", record.args()),
        target => writeln!(out, "{} {target}: {}", record.level(), record.args()),
    });
    log.init();
}
