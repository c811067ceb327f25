//! Chromium, which looks at the reports' page as a reader's browser does: one on `PATH`, or
//! Debian's headless shell, unpacked with all the libraries that it depends on under
//! `target/tools/chromium` (170 MB fetched, 560 MB unpacked).
//!
//! The unpacked one is started like QEMU by the unpacked dynamic loader, so that nothing of it
//! meets the system's libraries. Two things are particular:
//!
//! ```text
//!   wrapper --exec--> loader --maps--> chromium-headless-shell
//!      ^                 /proc/self/exe is the loader: Chromium looks for its data beside that,
//!      |                 so a copy of the loader lies in Chromium's folder
//!      +-- --browser-subprocess-path: its other processes come this way, too;
//!          --no-zygote: the zygote would not, it is always /proc/self/exe
//! ```

use crate::command::{Cmd, Seen, join_paths, watch_with};
use crate::debian::{Apt, Unpack, finished, write_file};
use crate::offline::{library_dirs, write_script};
use crate::progress::Step;
use crate::qemu::loader_in;
use crate::workspace::{Workspace, on_path};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The program in Debian's package of the same name.
pub const CHROMIUM: &str = "chromium-headless-shell";
/// What it may be called on `PATH`.
const NAMES: [&str; 4] = [CHROMIUM, "chromium", "chromium-browser", "google-chrome"];
/// A browser that has not shown an empty page by then will not.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program on `PATH` that starts, or a wrapper around the one that was unpacked earlier.
///
/// # Errors
/// The wrapper cannot be written.
pub fn find(ws: &Workspace) -> Result<Option<PathBuf>> {
    // Some systems have a program of this name that only says how to install one.
    let mut named = NAMES.into_iter().filter_map(on_path);
    let works = |program: &PathBuf| starts(program, &Step::new("Chromium")).is_ok();
    match named.find(works) {
        None if finished(&place(ws)) => wrapper(&place(ws)).map(Some),
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
    let step = Step::new("Chromium");
    if let Err(error) = fetch(ws, &step) {
        let reason = format!(
            "not on PATH and cannot be fetched; install it (Debian: {CHROMIUM} or chromium): \
             {error:#}"
        );
        step.skipped(&reason);
        return Ok((None, Some(reason)));
    }
    step.done("unpacked under target/tools");
    Ok((find(ws)?, None))
}

fn place(ws: &Workspace) -> PathBuf {
    ws.tools().join("chromium")
}

fn fetch(ws: &Workspace, step: &Step) -> Result<()> {
    step.message("asking apt which packages it takes");
    let mut apt = Apt::open(&ws.tools().join("apt"))?.resolving_from_nothing()?;
    let files =
        apt.with_fresh_lists_if_need_be(step, |apt| apt.download_closure(&[CHROMIUM], step))?;
    let unpack = Unpack::start(&place(ws))?;
    unpack.packages(&files, step)?;
    step.message("starting it");
    starts(&wrapper(unpack.dir())?, step).context("the unpacked Chromium does not start")?;
    let names = files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy()));
    let contents: String = names.map(|name| format!("{name}\n")).collect();
    unpack.finish(&contents)?;
    apt.forget_downloads();
    Ok(())
}

/// Shows an empty page.
fn starts(program: &Path, step: &Step) -> Result<()> {
    let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "about:blank"];
    let cmd = Cmd::new("Chromium", program).args(flags).limit(PATIENCE);
    Ok(watch_with(cmd, step, |_| Seen::Keep, || {})?)
}

/// A script that starts the unpacked program, with the fonts that were unpacked beside it.
fn wrapper(root: &Path) -> Result<PathBuf> {
    let folder = root.join("usr/lib/chromium");
    let mut dirs = library_dirs(root);
    let loader = dirs.iter().find_map(|dir| loader_in(dir));
    let loader = loader.with_context(|| format!("no dynamic loader below {}", root.display()))?;
    let copy = folder.join("loader");
    if !copy.exists() {
        // Written whole or not at all, and never while it runs.
        let part = folder.join("loader.part");
        std::fs::copy(&loader, &part)
            .and_then(|_| std::fs::rename(&part, &copy))
            .with_context(|| format!("cannot write {}", copy.display()))?;
    }
    // libpulse finds its other half by a path in the system's folders.
    dirs.extend(library_dirs(root).iter().map(|dir| dir.join("pulseaudio")));
    let fonts = root.join("fonts.conf");
    write_file(
        &fonts,
        &format!(
            "<?xml version=\"1.0\"?>\n<fontconfig>\n\
             <dir>{0}/usr/share/fonts</dir>\n<cachedir>{0}/var/cache/fontconfig</cachedir>\n\
             </fontconfig>\n",
            root.display()
        ),
    )?;
    let script = root.join(CHROMIUM);
    write_script(
        &script,
        &format!(
            "#!/bin/sh\nFONTCONFIG_FILE='{}' exec '{}' --library-path '{}' \\\n  '{}' \\\n  \
             --browser-subprocess-path='{}' --no-zygote \"$@\"\n",
            fonts.display(),
            copy.display(),
            join_paths(&dirs).to_string_lossy(),
            folder.join(CHROMIUM).display(),
            script.display(),
        ),
    )?;
    Ok(script)
}
