//! `cargo xtask test`: every crate's tests, with the guest and QEMU at hand.
//!
//! The tests learn from the environment what there is; without it (plain `cargo test`) those
//! that need a kernel skip, by name:
//!
//! ```text
//! ANYVISOR_KERNEL         the kernel's ELF file
//! ANYVISOR_KERNEL_IMAGE   the kernel as a flat Image
//! ANYVISOR_QEMU           a program that is qemu-system-aarch64, or else
//! ANYVISOR_QEMU_MISSING   the reason why there is none
//! ANYVISOR_QEMU_USER      a program that is qemu-aarch64, or else
//! ANYVISOR_QEMU_USER_MISSING
//! ANYVISOR_OBJDUMP        a program that is objdump for AArch64, or else
//! ANYVISOR_OBJDUMP_MISSING
//! ANYVISOR_ADDR2LINE      addr2line of the same package, or else
//! ANYVISOR_ADDR2LINE_MISSING
//! ANYVISOR_CHROMIUM       a program that is a headless Chromium, or else
//! ANYVISOR_CHROMIUM_MISSING
//! ANYVISOR_ENGINE         what --engine said, if anything
//! ```
//!
//! When all tests have passed, and all were asked for, the suite has to find the seeded bugs:
//! [`crate::mutants`].
//!
//! The profile is cargo's for development. What the release profile could save
//! is less than what it costs: it links every test program with fat LTO.

use crate::command::{Cmd, passthrough, watch};
use crate::progress::Step;
use crate::workspace::{HostRust, Workspace, cargo};
use crate::{binutils, chromium, contract, guest, macos, mutants, qemu, run};
use anyhow::{Result, bail};
use std::process::ExitCode;

/// What serves the `hv_*` API.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// The software engine, on any machine.
    Software,
    /// Apple's Hypervisor.framework, on Apple silicon only.
    Hvf,
}

/// What `test` takes.
#[derive(clap::Args)]
pub struct Args {
    /// What serves the hv_* API; by default what the system has: on a Mac Apple's framework,
    /// elsewhere the software engine. With `hvf` it is the API's contract alone that is tested, as
    /// by --contract.
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// Test the API's contract alone, each case in a process of its own, and write a report of
    /// what disagrees. A test's name after `--` chooses cases.
    #[arg(long)]
    contract: bool,
    /// Try the protocols between vCPUs in every order of steps, under loom, and nothing else.
    #[arg(long)]
    loom: bool,
    /// Passed on to `cargo test`, for example a test's name or `-p PACKAGE`.
    #[arg(allow_hyphen_values = true, value_name = "CARGO ARGS")]
    cargo: Vec<String>,
    /// Passed on to the test programs.
    #[arg(last = true, value_name = "TEST ARGS")]
    program: Vec<String>,
}

/// Builds what the tests need and runs them; the exit status is cargo's.
///
/// # Errors
/// The engine cannot be had here, or the guest cannot be built.
pub fn run(ws: &Workspace, args: &Args) -> Result<ExitCode> {
    let mac = cfg!(target_os = "macos");
    let silicon = mac && cfg!(target_arch = "aarch64");
    match args.engine {
        Some(Engine::Hvf) if !silicon => bail!(
            "--engine hvf is Apple's Hypervisor.framework: it needs a Mac with Apple silicon, \
             macOS 15 or later and codesign (`xcode-select --install`); this is {} on {} \
             (--engine software runs anywhere)",
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
        Some(Engine::Software) if mac => bail!(
            "--engine software cannot be had on macOS: there hv_* is linked to Apple's framework"
        ),
        _ => {}
    }
    if args.contract || args.engine == Some(Engine::Hvf) {
        if !args.cargo.is_empty() || args.program.len() > 1 {
            bail!("the contract takes one word after `--`: cases whose name holds it");
        }
        return contract::run(ws, args.program.first().map(String::as_str));
    }
    if args.loom {
        if !args.program.is_empty() {
            bail!("--loom runs all models: it takes nothing after `--`");
        }
        return loom(ws, &args.cargo);
    }
    let host = HostRust::find()?;
    let cargo_test = || -> Result<Cmd> {
        let cmd = Cmd::new("tests", cargo()).dir(&ws.root).args(["test", "--workspace"]);
        let cmd = if mac { cmd.args(["--config", &macos::runner_setting()?]) } else { cmd };
        Ok(cmd.args(&args.cargo))
    };
    let others = || -> Result<_> {
        Ok((qemu::prepare(ws)?, binutils::prepare(ws)?, chromium::prepare(ws)?))
    };
    let guest_and_others = || guest::build(ws, &host).and_then(|g| Ok((g, others()?)));
    let programs = || compile(cargo_test()?);
    let (fetched, compiled) = run::both(guest_and_others, programs);
    let (guest, ((qemu, no_qemu), (objdump, no_objdump), (chromium, no_chromium))) = fetched?;
    compiled?;

    let mut cmd =
        cargo_test()?.env("ANYVISOR_KERNEL", &guest.elf).env("ANYVISOR_KERNEL_IMAGE", &guest.image);
    for (name, program, missing) in [
        ("ANYVISOR_QEMU", qemu.system, &no_qemu),
        ("ANYVISOR_QEMU_USER", qemu.user, &no_qemu),
        ("ANYVISOR_OBJDUMP", objdump, &no_objdump),
        ("ANYVISOR_ADDR2LINE", binutils::addr2line(ws)?, &no_objdump),
        ("ANYVISOR_CHROMIUM", chromium, &no_chromium),
    ] {
        cmd = match program {
            Some(program) => cmd.env(name, program),
            None => cmd.env(&format!("{name}_MISSING"), missing.as_deref().unwrap_or_default()),
        };
    }
    if let Some(engine) = args.engine {
        cmd = cmd.env("ANYVISOR_ENGINE", if engine == Engine::Hvf { "hvf" } else { "software" });
    }
    if !args.program.is_empty() {
        cmd = cmd.arg("--").args(&args.program);
    }
    let tested = passthrough(cmd)?;
    // Who chose tests wants those. On a Mac the engine is Apple's, and has no bugs of ours in it.
    let all = args.cargo.is_empty() && args.program.is_empty();
    if !tested.success() || !all || mac {
        return Ok(run::status(tested));
    }
    mutants::run(ws, &mutants::Args::quick())
}

/// The crates with models (`models.rs`).
const MODELED: [&str; 2] = ["anyvisor-vm", "anyvisor-cpu"];
/// How often a thread is stopped against its will in one order of steps: more than this finds
/// little and takes long. `LOOM_MAX_PREEMPTIONS` says otherwise.
const PREEMPTIONS: &str = "3";

/// Runs the models, in a build of their own: what threads share is another thing there.
fn loom(ws: &Workspace, args: &[String]) -> Result<ExitCode> {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let cmd = Cmd::new("models", cargo()).dir(&ws.root).args(["test", "--lib"]);
    let cmd = cmd.args(MODELED.iter().flat_map(|name| ["-p", name])).args(args);
    let cmd = cmd.arg("--target-dir").arg(ws.target.join("loom"));
    let cmd = cmd.env("RUSTFLAGS", format!("{flags} --cfg loom"));
    let bound = std::env::var("LOOM_MAX_PREEMPTIONS").unwrap_or(PREEMPTIONS.into());
    let cmd = cmd.env("LOOM_MAX_PREEMPTIONS", bound);
    Ok(run::status(passthrough(cmd.args(["--", "models::"]))?))
}

/// Compiles the test programs while the guest is fetched and built.
fn compile(cmd: Cmd) -> Result<()> {
    let step = Step::new("test programs");
    match watch(cmd.arg("--no-run"), &step) {
        Ok(()) => step.done_if_long("built"),
        Err(error) => {
            step.failed();
            return Err(error.into());
        }
    }
    Ok(())
}
