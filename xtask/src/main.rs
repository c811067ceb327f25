//! `cargo xtask`: one command from a fresh clone to a booted guest.
//!
//! ```text
//! run, list    guest ELF + monitor (release), then `anyvisor run` or `anyvisor list`
//! explain      a case: its lesson, and the guest and the monitor in turn as it runs
//! test         guest ELF and Image, QEMU if it can be had, then `cargo test --workspace`
//! test --engine hvf  the API's contract on Apple's framework: what disagrees, as a file
//! test --loom  what vCPUs share, in every order of steps
//! matrix       the cases on every hypervisor that is here: one table
//! mutants      the cases on an engine with one bug at a time: which of them find it
//! lab          a failing case, its trace and no name: find the bug
//! report       JUnit XML, one HTML page, one file of records out of many
//! diff         random instructions on our CPU and on QEMU's
//! fuzz         random sequences against the GIC's model and the C API, steered by coverage
//! bench        the kernel's benchmarks on the monitor and on QEMU, start-up, memory
//! check        format, lints, tidy, the guest's lints, the macOS side type-checked
//! doctor       what was found, what `run` would do, what a person must install
//!
//! workspace    where things are                 progress, command   what a person sees
//! toolchain    who compiles for the guest       debian/, offline    packages without root
//! guest, image the kernel: ELF, flat Image      qemu, binutils      other opinions
//!                                               chromium            who reads a report
//! ```
//!
//! Everything that is fetched lives under `target/tools`; nothing outside `target/` is written,
//! with one exception that the user asked for by using rustup: `rustup target add`.

#![forbid(unsafe_code)]

mod bench;
mod binutils;
mod check;
mod chromium;
mod command;
mod contract;
mod debian;
mod diff;
mod doctor;
mod explain;
mod fuzz;
mod guest;
mod image;
mod list;
mod macos;
mod matrix;
mod mutants;
mod offline;
mod progress;
mod qemu;
mod report;
mod run;
mod test;
mod tidy;
mod toolchain;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Builds, runs and tests Anyvisor.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up what is missing, build the guest and the monitor, boot the guest's cases.
    Run(run::Args),
    /// Run all tests: the crates' own, and every guest case on every engine that is here.
    Test(test::Args),
    /// Run every guest case on every hypervisor that is here, and print one table.
    Matrix(matrix::Args),
    /// Run every guest case on our engine with each seeded bug: which cases find it.
    Mutants(mutants::Args),
    /// Find a bug: a case that fails, what it teaches, and the trace.
    Lab(mutants::LabArgs),
    /// Make reports of what runs of the suite left, and one run of many.
    Report(report::Args),
    /// Run random instructions on our CPU and on QEMU's: what differs, and how to see it again.
    Diff(diff::Args),
    /// Let libFuzzer look for sequences that break the GIC's model or the C API.
    Fuzz(fuzz::Args),
    /// Print the cases that the kernel's ELF file holds, or the table of instructions.
    List(list::Args),
    /// Print what a case teaches, run it, and show what guest and hypervisor do in turn.
    Explain(explain::Args),
    /// Format, lints, house rules, the guest's build, the macOS side: what CI insists on.
    Check(check::Args),
    /// Measure: speed beside QEMU's, start-up, memory, each with what it is meant to be.
    Bench(bench::Args),
    /// Say what was found, what `run` would do, and what to install where it cannot help.
    Doctor,
    /// Sign a program with the hypervisor entitlement and run it: cargo's runner on macOS.
    #[command(hide = true)]
    Signed(macos::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = workspace::Workspace::find().and_then(|ws| match cli.command {
        Command::Run(args) => run::run(&ws, &args),
        Command::Test(args) => test::run(&ws, &args),
        Command::Matrix(args) => matrix::run(&ws, &args),
        Command::Mutants(args) => mutants::run(&ws, &args),
        Command::Lab(args) => mutants::lab(&ws, &args),
        Command::Report(args) => report::run(&ws, &args),
        Command::Diff(args) => diff::run(&ws, &args),
        Command::Fuzz(args) => fuzz::run(&ws, &args),
        Command::List(args) => list::run(&ws, &args),
        Command::Explain(args) => explain::run(&ws, &args),
        Command::Check(args) => check::run(&ws, &args),
        Command::Bench(args) => bench::run(&ws, &args),
        Command::Doctor => doctor::run(&ws),
        Command::Signed(args) => macos::run_signed(&ws, &args),
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        for cause in error.chain().skip(1) {
            eprintln!("  because: {}", cause.to_string().replace('\n', "\n  "));
        }
        ExitCode::from(2)
    })
}
