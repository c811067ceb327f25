//! Whole programs: the suite of cases, its memory, VMs that come and go, and `cargo xtask run`.

use super::guest::{Engine, Launch, Measured};
use super::row::{Rows, Target, Unit};
use crate::command::{Cmd, CommandError, Seen, capture, watch, watch_with};
use crate::macos;
use crate::progress::Step;
use crate::workspace::{Workspace, cargo};
use anyhow::{Context, Result};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// RAM of each of the suite's machines, in KiB: how its mapping is found among the process's.
const SUITE_MEMORY_KIB: u64 = 128 << 10;
/// How often the suite's memory is looked at.
const SAMPLING: Duration = Duration::from_millis(1);

/// `anyvisor run KERNEL`: all cases, one after another.
///
/// # Errors
/// It cannot be started.
pub fn suite(launch: &Launch, runs: u32, rows: &mut Rows) -> Result<()> {
    for _ in 0..runs {
        let mut command = suite_command(launch);
        let start = Instant::now();
        let status = command.status().context("the monitor cannot be started")?;
        let row = rows.at("suite", Unit::Seconds, || vec![Target::AtMost(1.0)]);
        row.add(Engine::Ours, start.elapsed().as_secs_f64());
        if !status.success() {
            rows.complain(format!("suite: not all cases passed ({status})"));
        }
    }
    Ok(())
}

/// VMs that come and go, with vCPUs and without: a program of ours against the C API. QEMU has
/// nothing like it.
///
/// # Errors
/// It does not compile, or cannot be started.
pub fn lifecycle(ws: &Workspace, step: &Step, runs: u32, rows: &mut Rows) -> Result<()> {
    const NAME: &str = "lifecycle";
    let cmd = Cmd::new(NAME, cargo()).dir(&ws.root);
    watch(cmd.args(["build", "--release", "-p", "anyvisor-hv", "--example", NAME]), step)?;
    let program = ws.target.join("release/examples").join(NAME);
    let program = program.with_extension(std::env::consts::EXE_EXTENSION);
    if cfg!(target_os = "macos") {
        macos::sign(&ws.root, &program)?;
    }
    for _ in 0..runs {
        let output = capture(Cmd::new(NAME, &program))?;
        for result in output.lines().filter_map(Measured::parse) {
            let targets = || match result.name.as_str() {
                "vm-vcpu" => vec![Target::AtMost(1.0)],
                _ => Vec::new(),
            };
            let row = rows.at(&result.name, Unit::Milliseconds, targets);
            row.add(Engine::Ours, result.ns as f64 / result.events as f64 / 1e6);
        }
        if !output.lines().any(|line| line == "DONE") {
            rows.complain(format!("{NAME}: it ended without DONE"));
        }
    }
    Ok(())
}

fn suite_command(launch: &Launch) -> Command {
    let mut command = Command::new(&launch.monitor);
    let memory = format!("{}M", SUITE_MEMORY_KIB >> 10);
    command.arg("run").arg(&launch.elf).args(["--format", "ktap", "--memory", &memory]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What the suite's process takes beyond the guest's own RAM.
///
/// Every millisecond `/proc/PID/smaps` is read: resident memory of all mappings, less that of the
/// mapping that is the machine's RAM (found by its size). The largest difference counts. It is a
/// sampled number: what comes and goes within a millisecond is not seen.
///
/// # Errors
/// The monitor cannot be started.
pub fn memory(launch: &Launch, rows: &mut Rows) -> Result<()> {
    if !cfg!(target_os = "linux") {
        rows.note("memory: left out, only Linux says how much of a mapping is resident".into());
        return Ok(());
    }
    let mut child = suite_command(launch).spawn().context("the monitor cannot be started")?;
    let smaps = format!("/proc/{}/smaps", child.id());
    let (mut peak, mut guest_seen) = (0, false);
    while child.try_wait().context("the monitor's end cannot be waited for")?.is_none() {
        let text = std::fs::read_to_string(&smaps).unwrap_or_default(); // gone: it has just ended
        let (others, guest) = resident(&text, SUITE_MEMORY_KIB);
        peak = peak.max(others);
        guest_seen |= guest > 0;
        std::thread::sleep(SAMPLING);
    }
    if guest_seen {
        let row = rows.at("memory", Unit::Mebibytes, || vec![Target::AtMost(24.0)]);
        row.add(Engine::Ours, peak as f64 / 1024.0);
    } else {
        rows.complain(format!(
            "memory: no mapping of {SUITE_MEMORY_KIB} KiB was seen in {smaps}: which is RAM?"
        ));
    }
    Ok(())
}

/// Resident KiB of the mappings of an `smaps` file: those of other sizes than `ram`, and of it.
fn resident(smaps: &str, ram: u64) -> (u64, u64) {
    let field = |line: &str, name| -> Option<u64> {
        line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok()
    };
    let (mut size, mut others, mut guest) = (0, 0, 0);
    for line in smaps.lines() {
        if let Some(kib) = field(line, "Size:") {
            size = kib;
        } else if let Some(kib) = field(line, "Rss:") {
            *(if size == ram { &mut guest } else { &mut others }) += kib;
        }
    }
    (others, guest)
}

/// `cargo xtask run` when everything is built.
///
/// # Errors
/// It does not run.
pub fn run_again(ws: &Workspace, step: &Step, runs: u32, rows: &mut Rows) -> Result<()> {
    for _ in 0..runs {
        let seconds = timed(xtask_run(ws), step, rows, "run-again", Seen::Keep)?;
        let row = rows.at("run-again", Unit::Seconds, || vec![Target::AtMost(2.0)]);
        row.add(Engine::Ours, seconds);
    }
    Ok(())
}

/// `cargo xtask run` with a build folder that is empty: the guest's toolchain is fetched, and
/// everything built. Crates that cargo has in its own cache are not fetched again.
///
/// # Errors
/// It does not run, or the folder cannot be removed.
pub fn run_fresh(ws: &Workspace, step: &Step, rows: &mut Rows) -> Result<()> {
    let folder = ws.target.join("bench-fresh");
    let remove = || match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    };
    remove()?;
    let cmd = xtask_run(ws).env("CARGO_TARGET_DIR", &folder);
    let seconds = timed(cmd, step, rows, "run-fresh", Seen::Message)?;
    let row = rows.at("run-fresh", Unit::Seconds, || vec![Target::AtMost(300.0)]);
    row.add(Engine::Ours, seconds);
    remove()
}

fn xtask_run(ws: &Workspace) -> Cmd {
    Cmd::new("cargo xtask run", cargo()).args(["xtask", "run"]).dir(&ws.root)
}

/// Seconds that a command takes. A case that fails (status 1) is a complaint.
fn timed(cmd: Cmd, step: &Step, rows: &mut Rows, name: &str, lines: Seen) -> Result<f64> {
    let start = Instant::now();
    let outcome = watch_with(cmd, step, |_| lines, || {});
    let seconds = start.elapsed().as_secs_f64();
    match outcome {
        Ok(()) => {}
        Err(CommandError::Failed { status, .. }) if status.code() == Some(1) => {
            rows.complain(format!("{name}: not all cases passed"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_told_apart_by_the_mapping_s_size() {
        let smaps = "\
            7f0000000000-7f0008000000 rw-p 00000000 00:00 0 \n\
            Size:             131072 kB\n\
            KernelPageSize:        4 kB\n\
            Rss:                2064 kB\n\
            Pss:                2064 kB\n\
            5500000-5501000 r-xp 00000000 08:01 7 /anyvisor\n\
            Size:                  4 kB\n\
            Rss:                   4 kB\n\
            7ffd000-7fff000 rw-p 00000000 00:00 0 [stack]\n\
            Size:                132 kB\n\
            Rss:                  16 kB\n";
        assert_eq!(resident(smaps, 131_072), (20, 2064));
        assert_eq!(resident("", 131_072), (0, 0));
    }
}
