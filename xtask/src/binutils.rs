//! objdump for AArch64, an outside opinion on what words mean: the one on `PATH`, or Debian's,
//! unpacked with its libraries under `target/tools/binutils`.

use crate::command::{Cmd, capture};
use crate::debian::{Apt, Unpack, finished};
use crate::progress::Step;
use crate::qemu::wrapper;
use crate::workspace::{Workspace, on_path};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// The program.
pub const OBJDUMP: &str = "aarch64-linux-gnu-objdump";
/// What finds source lines; it comes in the same package.
const ADDR2LINE: &str = "aarch64-linux-gnu-addr2line";
/// Debian's package.
const PACKAGE: &str = "binutils-aarch64-linux-gnu";

/// The program on `PATH`, or a wrapper around the one that was unpacked earlier.
///
/// # Errors
/// The wrapper cannot be written.
pub fn find(ws: &Workspace) -> Result<Option<PathBuf>> {
    match on_path(OBJDUMP) {
        None if finished(&place(ws)) => wrapper(&place(ws), OBJDUMP),
        found => Ok(found),
    }
}

/// Finds it, or fetches it. Next to nothing: the reason.
///
/// # Errors
/// The wrapper cannot be written.
pub fn prepare(ws: &Workspace) -> Result<(Option<PathBuf>, Option<String>)> {
    if let Some(found) = find(ws)? {
        return Ok((Some(found), None));
    }
    let _lock = ws.lock_tools()?;
    if let Some(found) = find(ws)? {
        return Ok((Some(found), None));
    }
    let step = Step::new("objdump");
    if let Err(error) = fetch(ws, &step) {
        let reason = format!(
            "not on PATH and cannot be fetched; install {OBJDUMP} (Debian: {PACKAGE}): {error:#}"
        );
        step.skipped(&reason);
        return Ok((None, Some(reason)));
    }
    step.done("unpacked under target/tools");
    Ok((find(ws)?, None))
}

/// `addr2line` of the same package, if that is here.
///
/// # Errors
/// The wrapper cannot be written.
pub fn addr2line(ws: &Workspace) -> Result<Option<PathBuf>> {
    match on_path(ADDR2LINE) {
        None if finished(&place(ws)) => wrapper(&place(ws), ADDR2LINE),
        found => Ok(found),
    }
}

fn place(ws: &Workspace) -> PathBuf {
    ws.tools().join("binutils")
}

fn fetch(ws: &Workspace, step: &Step) -> Result<()> {
    step.message("asking apt which packages it takes");
    let mut apt = Apt::open(&ws.tools().join("apt"))?.resolving_from_nothing()?;
    let files =
        apt.with_fresh_lists_if_need_be(step, |apt| apt.download_closure(&[PACKAGE], step))?;
    let unpack = Unpack::start(&place(ws))?;
    unpack.packages(&files, step)?;
    let program = wrapper(unpack.dir(), OBJDUMP)?.context("it is not in its package")?;
    capture(Cmd::new("unpacked objdump", program).arg("--version"))
        .context("the unpacked objdump does not start")?;
    let names = files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy()));
    let contents: String = names.map(|name| format!("{name}\n")).collect();
    unpack.finish(&contents)?;
    apt.forget_downloads();
    Ok(())
}
