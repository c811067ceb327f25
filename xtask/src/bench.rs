//! `cargo xtask bench`: the project's numbers, ours and QEMU's side by side, in one table with
//! what each is meant to be.
//!
//! ```text
//! bench/guest     one guest on one engine: its results, how long until its first byte, its end
//! bench/first     the smallest guest: from process start to what its first instructions do
//! bench/load      whether the host had other things to do
//! bench/programs  the whole suite of cases, its memory, VMs that come and go, `cargo xtask run`
//! bench/row       a measured quantity: samples, median, targets and whether they are met
//! bench/table     rows as text and as JSON
//! ```
//!
//! What is measured is in the kernel (its `bench.rs`) and the same on both engines, so that the
//! quotient of the two columns says something even where the host is slow. Every number is a
//! median over `--runs`, and the engines take turns, so that a disturbance hits both. A target
//! that is missed is shown as missed and does not change the exit status; wrong results do.

mod first;
mod guest;
mod load;
mod programs;
mod row;
mod table;

use crate::progress::Step;
use crate::workspace::{HostRust, Workspace};
use crate::{guest as kernel, qemu, run};
use anyhow::{Context, Result, bail};
use guest::{Engine, Launch, Measured};
use load::Load;
use row::{Rows, Target, Unit};
use std::path::PathBuf;
use std::process::ExitCode;

/// What `bench` takes.
#[derive(clap::Args)]
pub struct Args {
    /// How often each guest runs on each engine; the median counts
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Only these: benchmarks of the kernel, or first-instruction, suite, memory, lifecycle,
    /// run-again
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// How much work each benchmark of the kernel does, in percent
    #[arg(long, value_name = "PERCENT", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    scale: u32,
    /// Leave QEMU out
    #[arg(long)]
    no_qemu: bool,
    /// Also time `cargo xtask run` with an empty build folder: fetches and builds everything
    #[arg(long)]
    fresh: bool,
    /// Write the numbers, with every sample, to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What is measured besides the kernel's benchmarks.
const PROGRAMS: [&str; 5] = ["first-instruction", "suite", "memory", "lifecycle", "run-again"];
/// CPUs of a machine where as many as there can be are wanted.
const MANY: u32 = 64;

/// Builds, measures, prints.
///
/// # Errors
/// Something cannot be built or started, or `--only` names what there is not.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    let host = HostRust::find()?;
    let kernel = kernel::build(ws, &host)?;
    let monitor = run::monitor(ws)?;
    let mut rows = Rows::default();
    let launch = Launch {
        monitor,
        qemu: find_qemu(ws, args, &mut rows)?,
        elf: kernel.elf,
        image: kernel.image,
    };
    let names = choose(&launch, &args.only)?;
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);

    let step = Step::new("benchmarks");
    if wanted("first-instruction") {
        step.message("first-instruction");
        first::measure(ws, &launch, args.runs, &mut rows)?;
    }
    measure_guests(&launch, &names, args, &step, &mut rows)?;
    if wanted("suite") {
        step.message("suite");
        programs::suite(&launch, args.runs, &mut rows)?;
    }
    if wanted("memory") {
        step.message("memory");
        programs::memory(&launch, &mut rows)?;
    }
    if wanted("lifecycle") {
        step.message("lifecycle");
        programs::lifecycle(ws, &step, args.runs, &mut rows)?;
    }
    if wanted("run-again") {
        step.message("run-again");
        programs::run_again(ws, &step, args.runs, &mut rows)?;
    }
    if args.fresh {
        programs::run_fresh(ws, &step, &mut rows)?;
    }
    step.done(&format!("medians of {}, work {} %", args.runs, args.scale));

    let machine = table::Machine::look(&launch);
    table::print(&machine, &rows);
    if let Some(path) = &args.json {
        let text =
            serde_json::to_string_pretty(&table::json(&machine, args.runs, args.scale, &rows))?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if rows.complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// QEMU, or a note that says why there is none.
fn find_qemu(ws: &Workspace, args: &Args, rows: &mut Rows) -> Result<Option<PathBuf>> {
    if args.no_qemu {
        return Ok(None);
    }
    let (qemu, reason) = qemu::prepare(ws)?;
    match (&qemu.system, reason) {
        (Some(path), _) if path.starts_with(ws.tools()) => rows.note(
            "QEMU is not installed but unpacked, and started by a shell script: about 1 ms of its \
             start-up is the shell's"
                .into(),
        ),
        (Some(_), _) => {}
        (None, reason) => rows.note(format!("no QEMU: {}", reason.unwrap_or_default())),
    }
    Ok(qemu.system)
}

/// The kernel's benchmarks that are wanted: it says itself which it has.
fn choose(launch: &Launch, only: &[String]) -> Result<Vec<String>> {
    let listed = launch.boot(Engine::Ours, 1, "bench=list", &[])?;
    let all: Vec<_> = listed.output.lines().filter_map(|line| line.strip_prefix("B ")).collect();
    for name in only {
        if !all.contains(&name.as_str()) && !PROGRAMS.contains(&name.as_str()) {
            bail!(
                "--only {name}: there is no such number; there are {}, {}",
                PROGRAMS.join(", "),
                all.join(", ")
            );
        }
    }
    let wanted = |name: &&str| only.is_empty() || only.iter().any(|only| only == name);
    Ok(all.into_iter().filter(wanted).map(String::from).collect())
}

/// What a row of the kernel's is meant to be.
fn targets(name: &str) -> Vec<Target> {
    match name {
        "alu" => vec![Target::AtLeast(120.0)],
        "svc_el1" | "svc_el0" => vec![Target::TimesFaster(10.0)],
        "dabort" | "tlbi_va" | "tlbi_all16" => vec![Target::TimesFaster(10.0)],
        "hvc" => vec![Target::AtMost(150.0)],
        "timer_wfi_median" => vec![Target::AtMost(100_000.0)],
        _ => Vec::new(),
    }
}

/// How many CPUs the machine has that a benchmark runs on.
fn cpus(name: &str) -> u32 {
    match name {
        "barrier" => MANY,
        "ipi" | "ipi_wfi" | "exits_hvc" | "exits_mmio" | "exits_sysreg" => 2,
        _ => 1,
    }
}

fn measure_guests(
    launch: &Launch,
    names: &[String],
    args: &Args,
    step: &Step,
    rows: &mut Rows,
) -> Result<()> {
    step.count(u64::from(args.runs) * names.len() as u64);
    let mut done = 0;
    for round in 1..=args.runs {
        for name in names {
            step.message(&format!("{name}, round {round} of {}", args.runs));
            for engine in launch.engines() {
                let bootargs = format!("bench={name} scale={}", args.scale);
                let load = Load::begin();
                let outcome = launch.boot(engine, cpus(name), &bootargs, &[]);
                rows.disturbed.extend(load.disturbed());
                match outcome {
                    Ok(run) => record(engine, name, &run, rows),
                    Err(error) => rows.complain(format!("{name} on {engine}: {error}")),
                }
            }
            done += 1;
            step.position(done);
        }
    }
    count_instructions(launch, args.scale, step, rows)
}

/// Adds the results of one run of a guest.
fn record(engine: Engine, name: &str, run: &guest::Run, rows: &mut Rows) {
    if name == "boot" {
        let row = rows.at("boot", Unit::Milliseconds, Vec::new);
        row.add(engine, run.wall.as_secs_f64() * 1e3);
        return;
    }
    for result in run.results() {
        let (unit, value) = match result {
            Measured { events: 1.., .. } if result.name.starts_with("exits_") => {
                (Unit::Thousands, result.events as f64 * 1e6 / result.ns as f64)
            }
            Measured { events: 1.., .. } => {
                (Unit::Nanoseconds, result.ns as f64 / result.events as f64)
            }
            Measured { bytes: 1.., .. } => {
                (Unit::Megabytes, result.bytes as f64 * 1e3 / result.ns as f64)
            }
            Measured { insns: 1.., .. } => {
                (Unit::Mips, result.insns as f64 * 1e3 / result.ns as f64)
            }
            _ => (Unit::Milliseconds, result.ns as f64 / 1e6),
        };
        let row = rows.at(&result.name, unit, || targets(&result.name));
        row.add(engine, value);
        if let Err(other) = row.agree(result.check) {
            rows.complain(format!(
                "{}: check {:#x} on {engine}, {other:#x} before: not the same work was done",
                result.name, result.check
            ));
        }
    }
}

/// Turns times into rates for the guests whose instructions nobody has counted by hand: QEMU
/// can be told to let one nanosecond pass for each (`-icount shift=0`).
fn count_instructions(launch: &Launch, scale: u32, step: &Step, rows: &mut Rows) -> Result<()> {
    if launch.qemu.is_none() {
        return Ok(());
    }
    let uncounted = |row: &row::Row| row.unit == Unit::Milliseconds && row.check.is_some();
    let names: Vec<_> = rows.iter().filter(|r| uncounted(r)).map(|r| r.name.clone()).collect();
    for name in names {
        step.message(&format!("{name}, counting its instructions"));
        let bootargs = format!("bench={name} scale={scale}");
        let run =
            launch.boot(Engine::Qemu, cpus(&name), &bootargs, &["-icount", "shift=0,sleep=off"])?;
        if let Some(insns) = run.results().find(|r| r.name == name).map(|r| r.ns) {
            let row = rows.at(&name, Unit::Mips, Vec::new);
            row.convert(Unit::Mips, |ms| insns as f64 / (ms * 1e3));
        }
    }
    Ok(())
}
