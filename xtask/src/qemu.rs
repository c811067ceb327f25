//! QEMU, twice: `qemu-system-aarch64` is another hypervisor for our guest, `qemu-aarch64` is
//! another CPU to compare ours with. Those on `PATH`, or Debian's, unpacked with all the
//! libraries that they depend on under `target/tools/qemu`.
//!
//! The unpacked ones are started by the unpacked dynamic loader with the unpacked libraries,
//! the C library included: nothing of it meets the system's libraries, so neither may be of
//! another release, and nothing installed (a newer `qemu-utils`, say) stands in its way.

use crate::command::{Cmd, capture};
use crate::debian::{Apt, Unpack, finished};
use crate::offline::{library_dirs, write_script};
use crate::progress::Step;
use crate::workspace::{Workspace, on_path};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// A whole machine: another hypervisor.
pub const SYSTEM: &str = "qemu-system-aarch64";
/// A user-mode CPU.
pub const USER: &str = "qemu-aarch64";
/// Debian's packages, and one that they take without need: network boot.
const PACKAGES: [&str; 3] = ["qemu-system-arm", "qemu-user", "ipxe-qemu-"];

/// The programs that there are.
#[derive(Debug)]
pub struct Qemu {
    /// [`SYSTEM`].
    pub system: Option<PathBuf>,
    /// [`USER`].
    pub user: Option<PathBuf>,
}

/// The programs on `PATH`, or wrappers around those that were unpacked earlier.
///
/// # Errors
/// A wrapper cannot be written.
pub fn find(ws: &Workspace) -> Result<Qemu> {
    let root = place(ws);
    let unpacked = finished(&root);
    let program = |name| match on_path(name) {
        None if unpacked => wrapper(&root, name),
        found => Ok(found),
    };
    Ok(Qemu { system: program(SYSTEM)?, user: program(USER)? })
}

/// Finds them, or fetches what is missing. Next to what there is: the reason why one is not.
///
/// # Errors
/// A wrapper cannot be written.
pub fn prepare(ws: &Workspace) -> Result<(Qemu, Option<String>)> {
    let complete = |qemu: &Qemu| qemu.system.is_some() && qemu.user.is_some();
    let found = find(ws)?;
    if complete(&found) {
        return Ok((found, None));
    }
    let _lock = ws.lock_tools()?;
    let found = find(ws)?;
    if complete(&found) {
        return Ok((found, None));
    }
    let step = Step::new("QEMU");
    match fetch(ws, &step) {
        Ok(()) => step.done("unpacked under target/tools"),
        Err(error) => {
            let reason = format!(
                "not on PATH and cannot be fetched; install it (Debian: qemu-system-arm \
                 qemu-user, Fedora: qemu-system-aarch64 qemu-user, macOS: brew install qemu): \
                 {error:#}"
            );
            step.skipped(&reason);
            return Ok((found, Some(reason)));
        }
    }
    let found = find(ws)?;
    let reason = (!complete(&found)).then(|| "not in the packages of this system".to_owned());
    Ok((found, reason))
}

fn place(ws: &Workspace) -> PathBuf {
    ws.tools().join("qemu")
}

fn fetch(ws: &Workspace, step: &Step) -> Result<()> {
    step.message("asking apt which packages it takes");
    let mut apt = Apt::open(&ws.tools().join("apt"))?.resolving_from_nothing()?;
    let files =
        apt.with_fresh_lists_if_need_be(step, |apt| apt.download_closure(&PACKAGES, step))?;
    let unpack = Unpack::start(&place(ws))?;
    unpack.packages(&files, step)?;
    for name in [SYSTEM, USER] {
        if let Some(wrapper) = wrapper(unpack.dir(), name)? {
            capture(Cmd::new("unpacked QEMU", wrapper).arg("--version"))
                .context("the unpacked QEMU does not start")?;
        }
    }
    let names = files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy()));
    let contents: String = names.map(|name| format!("{name}\n")).collect();
    unpack.finish(&contents)?;
    apt.forget_downloads();
    Ok(())
}

/// A script that starts an unpacked program, if that was in the packages.
pub fn wrapper(root: &Path, name: &str) -> Result<Option<PathBuf>> {
    let program = root.join("usr/bin").join(name);
    if !program.is_file() {
        return Ok(None);
    }
    let dirs = library_dirs(root);
    let loader = dirs.iter().find_map(|dir| loader_in(dir));
    let loader = loader.with_context(|| format!("no dynamic loader below {}", root.display()))?;
    let path = std::env::join_paths(dirs).context("a path of the build folder has a colon")?;
    let data = if name == SYSTEM {
        format!(" -L '{}'", root.join("usr/share/qemu").display())
    } else {
        String::new()
    };
    let script = root.join(name);
    write_script(
        &script,
        &format!(
            "#!/bin/sh\nexec '{}' --library-path '{}' \\\n  '{}'{data} \"$@\"\n",
            loader.display(),
            path.to_string_lossy(),
            program.display(),
        ),
    )?;
    Ok(Some(script))
}

/// The C library's loader, itself: the link to it in /lib64 is absolute and means the system's.
pub fn loader_in(dir: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    files.filter(|path| path.is_file()).find(|path| name(path).starts_with("ld-linux-"))
}
