//! The guest kernel: built for its target, as the ELF that the monitor loads and as the flat
//! Image that other hypervisors boot.

use crate::command::{Cmd, watch};
use crate::image::flatten;
use crate::progress::Step;
use crate::toolchain::Toolchain;
use crate::workspace::{GUEST_TARGET, HostRust, Workspace, cargo};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// The kernel's package and binary.
pub const PACKAGE: &str = "anyvisor-kernel";
/// The part of the standard library that the guest uses, where it is built from source; and
/// memcpy and its like, which the prebuilt library of this target has as well.
pub const LIBRARY: &str = "core,alloc";
pub const LIBRARY_FEATURES: &str = "-Zbuild-std-features=compiler-builtins-mem";

/// The built kernel.
#[derive(Debug)]
pub struct Guest {
    /// The position-independent ELF.
    pub elf: PathBuf,
    /// The flat Image.
    pub image: PathBuf,
}

/// Finds or fetches a toolchain and builds the kernel (release).
///
/// # Errors
/// No toolchain can be had, the kernel does not compile, or it has no Image header.
pub fn build(ws: &Workspace, host: &HostRust) -> Result<Guest> {
    let toolchain = Toolchain::prepare(ws, host, GUEST_TARGET)?;
    let step = Step::new("guest kernel");
    if let Err(error) = watch(command(ws, &toolchain, cargo(), "build"), &step) {
        step.failed();
        return Err(error.into());
    }
    let folder = target_dir(ws);
    let elf = folder.join(GUEST_TARGET).join("release").join(PACKAGE);
    let image = folder.join(format!("{PACKAGE}.img"));
    let file = std::fs::read(&elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let flat = flatten(&file).with_context(|| format!("making an Image of {}", elf.display()))?;
    std::fs::write(&image, flat).with_context(|| format!("cannot write {}", image.display()))?;
    step.done_if_long("built");
    Ok(Guest { elf, image })
}

/// `cargo COMMAND` (or cargo-clippy's) for the kernel's package and target. Its build folder is
/// its own: the guest's compiler may be another than the host's, and cargo locks a build folder.
/// It is always the release profile, so that a library built from source is built once.
pub fn command(ws: &Workspace, toolchain: &Toolchain, program: PathBuf, command: &str) -> Cmd {
    let cmd = Cmd::new("guest kernel", program).arg(command).dir(&ws.root);
    let cmd = cmd.args(["--release", "-p", PACKAGE, "--bin", PACKAGE]);
    let cmd = cmd.arg("--target-dir").arg(target_dir(ws));
    let cmd = toolchain.apply(cmd, GUEST_TARGET, LIBRARY);
    if matches!(toolchain, Toolchain::Offline(_)) { cmd.arg(LIBRARY_FEATURES) } else { cmd }
}

fn target_dir(ws: &Workspace) -> PathBuf {
    ws.target.join("guest")
}
