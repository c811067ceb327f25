//! The runner against a hypervisor that does everything wrong that can be done wrong.
//!
//! This program is that hypervisor, too: started as `fake WAY {elf} {append}` it prints what a
//! kernel with that ELF file's table would print, and each case does what its name says
//! ([`hypervisor`]). The tests start the runner as people do, and read what it leaves.

#![forbid(unsafe_code)]

mod hypervisor;
mod kernel;
mod runs;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// The first argument of the program as a hypervisor.
pub const FAKE: &str = "fake";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|word| word == FAKE) {
        return hypervisor::main(&words[2..]);
    }
    let trials: Vec<Trial> = runs::trials();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
