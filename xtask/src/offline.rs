//! A Rust compiler that needs no rustup: Debian's packages, unpacked under `target/tools/rust`.
//!
//! Debian carries a current compiler for its browsers (`rustc-web`, in the security archive of
//! each stable release). It has no library for the guest, but the library's source; cargo's
//! build-std compiles that. The packages conflict with Debian's `rustup`, so they are never
//! installed. Names derive from the compiler's: `rustc-web` -> `rust-web-src`,
//! `rust-web-clippy`; `rustc` -> `rust-src`; `rustc-1.96` -> `rust-1.96-src`. The library and
//! LLVM follow from what the packages depend on.

use crate::command::{Cmd, capture, join_paths};
use crate::debian::{Apt, Stanza, Unpack, closure, finished, write_file};
use crate::progress::Step;
use crate::workspace::{HostRust, Version, Workspace, on_path};
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};

/// The unpacked compiler, ready to be cargo's `RUSTC`.
#[derive(Debug, Clone)]
pub struct Offline {
    /// Its version.
    pub version: Version,
    /// The packages it was made of, one a line.
    pub packages: String,
    root: PathBuf,
    linker: PathBuf,
}

impl Offline {
    /// The one that an earlier run unpacked, if it is whole and new enough.
    ///
    /// # Errors
    /// There is one, but no linker for it, or its wrapper script cannot be written.
    pub fn cached(ws: &Workspace, host: &HostRust) -> Result<Option<Self>> {
        let root = place(ws);
        if !finished(&root) {
            return Ok(None);
        }
        let packages = std::fs::read_to_string(root.join(".finished"))?;
        let mut lines = packages.lines().filter_map(|line| line.split_once(' '));
        let compiler = lines.find(|(package, _)| suffix(package).is_some());
        match compiler.and_then(|(_, version)| Version::parse(version)) {
            Some(version) if version >= ws.rust_version => {
                write_wrappers(&root)?;
                Ok(Some(Self { version, packages, linker: linker(host)?, root }))
            }
            _ => Ok(None),
        }
    }

    /// Fetches and unpacks it.
    ///
    /// # Errors
    /// apt or dpkg are not here, the archive has no compiler that is new enough, the network
    /// does not answer, or the unpacked compiler does not start.
    pub fn fetch(ws: &Workspace, host: &HostRust, step: &Step) -> Result<Self> {
        linker(host)?; // before the download, not after it
        step.message("asking apt for its newest compiler");
        let mut apt = Apt::open(&ws.tools().join("apt"))?;
        let place = place(ws);
        let (contents, files) = apt.with_fresh_lists_if_need_be(step, |apt| {
            let packages = packages(apt, ws.rust_version)?;
            let line = |p: &Stanza| format!("{} {}\n", p.package, p.version);
            let names: Vec<_> = packages.iter().map(|p| p.package.clone()).collect();
            step.message(&format!("fetching {}", names.join(", ")));
            Ok((packages.iter().map(line).collect::<String>(), apt.download(&names, step)?))
        })?;
        let unpack = Unpack::start(&place)?;
        unpack.packages(&files, step)?;
        starts(unpack.dir())?;
        unpack.finish(&contents)?;
        apt.forget_downloads();
        Self::cached(ws, host)?
            .ok_or_else(|| anyhow!("{} was unpacked but is not there", place.display()))
    }

    /// Makes a cargo command use this compiler, its library built from source for `target`.
    pub fn apply(&self, cmd: Cmd, target: &str, library: &str) -> Cmd {
        let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
        cmd.env("RUSTC", self.root.join("bin/rustc"))
            .env("RUSTC_BOOTSTRAP", "1") // -Zbuild-std is cargo's for nightly only
            .env(&linker, &self.linker)
            .arg(format!("-Zbuild-std={library}"))
            .args(["--config", "future-incompat-report.frequency='never'"]) // it names core
    }

    /// This compiler's own `cargo-clippy`, if the archive had it.
    pub fn clippy(&self) -> Option<PathBuf> {
        let file = self.root.join("bin/cargo-clippy");
        file.is_file().then_some(file)
    }
}

fn place(ws: &Workspace) -> PathBuf {
    ws.tools().join("rust")
}

/// The guest is linked by lld: rustup's toolchain brings one.
fn linker(host: &HostRust) -> Result<PathBuf> {
    let bundled = host.sysroot.join("lib/rustlib").join(&host.triple).join("bin/rust-lld");
    if bundled.is_file() {
        return Ok(bundled);
    }
    on_path("ld.lld").with_context(|| {
        format!(
            "no linker for the guest: neither {} nor `ld.lld` on PATH; install lld \
             (Debian: apt-get install lld)",
            bundled.display()
        )
    })
}

/// The newest compiler of the archive and all that it takes, the compiler first.
fn packages(apt: &Apt, at_least: Version) -> Result<Vec<Stanza>> {
    let names: Vec<_> = apt.names("rustc")?.into_iter().filter(|n| suffix(n).is_some()).collect();
    let compiler = newest(apt.show(&names), at_least)?;
    let suffix = suffix(&compiler.package).unwrap_or_default();
    let extra = [format!("rust{suffix}-src"), format!("rust{suffix}-clippy")];
    let same = |stanza: &Stanza| stanza.version == compiler.version;
    let mut roots = vec![compiler.package.clone()];
    roots.extend(apt.show(&extra).into_iter().filter(same).map(|s| s.package));
    if !roots.contains(&extra[0]) {
        bail!("the archive has {} {} but not its library's source", roots[0], compiler.version);
    }
    // The library must stand beside the compiler even if the system has it elsewhere.
    closure(&roots, &apt.installed()?, |name| name.starts_with("libstd-rust"), |n| apt.show(n))
}

/// `rustc-web` -> `-web`, `rustc` -> nothing, `rustc-1.96` -> `-1.96`; other packages are none.
fn suffix(package: &str) -> Option<&str> {
    let suffix = package.strip_prefix("rustc")?;
    let version = |s: &str| s.strip_prefix('-').is_some_and(|v| Version::parse(v).is_some());
    (suffix.is_empty() || suffix == "-web" || version(suffix)).then_some(suffix)
}

fn newest(stanzas: Vec<Stanza>, at_least: Version) -> Result<Stanza> {
    let newest = stanzas.into_iter().max_by_key(Stanza::upstream);
    let newest = newest.context("the package lists hold no Rust compiler")?;
    if newest.upstream() < at_least {
        bail!("{} {} is too old: the workspace needs {at_least}", newest.package, newest.version);
    }
    Ok(newest)
}

/// The folders of shared libraries below a root that packages were unpacked into.
pub fn library_dirs(root: &Path) -> Vec<PathBuf> {
    let bases = ["usr/lib", "lib"].into_iter().map(|base| root.join(base));
    let entries = bases.filter_map(|base| std::fs::read_dir(base).ok()).flatten();
    let dirs = entries.filter_map(|entry| Some(entry.ok()?.path()));
    dirs.filter(|dir| dir.to_string_lossy().contains("-linux-gnu")).collect()
}

fn compiler(root: &Path) -> PathBuf {
    let bin = root.join("usr/bin");
    let versioned = || {
        let files = std::fs::read_dir(&bin).ok()?.filter_map(Result::ok);
        files.map(|f| f.path()).find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rustc-"))
        })
    };
    let plain = bin.join("rustc");
    if plain.exists() { plain } else { versioned().unwrap_or(plain) }
}

fn starts(root: &Path) -> Result<()> {
    let rustc = Cmd::new("unpacked compiler", compiler(root)).arg("-vV");
    capture(rustc.env("LD_LIBRARY_PATH", join_paths(&library_dirs(root))))
        .map(drop)
        .context("the unpacked compiler does not start: a library of the system may be missing")
}

/// Scripts that start the unpacked programs with their libraries: cargo calls `RUSTC` by path.
fn write_wrappers(root: &Path) -> Result<()> {
    let libraries = join_paths(&library_dirs(root));
    let libraries = libraries.to_string_lossy();
    let bin = root.join("bin");
    std::fs::create_dir_all(&bin).with_context(|| format!("cannot make {}", bin.display()))?;
    let usr = |name: &str| root.join("usr/bin").join(name);
    let programs = [
        ("rustc", compiler(root)),
        ("cargo-clippy", usr("cargo-clippy")),
        ("clippy-driver", usr("clippy-driver")),
    ];
    for (name, program) in programs.iter().filter(|(_, program)| program.exists()) {
        write_script(
            &bin.join(name),
            &format!(
                "#!/bin/sh\nLD_LIBRARY_PATH='{libraries}' exec '{}' \"$@\"\n",
                program.display()
            ),
        )?;
    }
    Ok(())
}

/// Writes an executable script, only if it would change: cargo takes a newer compiler for
/// another one.
///
/// # Errors
/// The system's, with the path.
pub fn write_script(path: &Path, text: &str) -> Result<()> {
    write_file(path, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode)
            .with_context(|| format!("cannot make {} executable", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(package: &str, version: &str) -> Stanza {
        Stanza { package: package.into(), version: version.into(), depends: vec![] }
    }

    #[test]
    fn which_packages_are_compilers() {
        assert_eq!(suffix("rustc"), Some(""));
        assert_eq!(suffix("rustc-web"), Some("-web"));
        assert_eq!(suffix("rustc-1.96"), Some("-1.96"));
        assert_eq!(suffix("rustc-doc"), None);
        assert_eq!(suffix("rustup"), None);
    }

    #[test]
    fn the_newest_that_is_new_enough() {
        let have =
            || vec![stanza("rustc", "1.63.0+dfsg1-2"), stanza("rustc-web", "1.96.0+dfsg1-1")];
        assert_eq!(newest(have(), Version([1, 95, 0])).unwrap().package, "rustc-web");
        let error = newest(have(), Version([1, 97, 0])).unwrap_err().to_string();
        assert!(error.contains("rustc-web 1.96.0") && error.contains("needs 1.97.0"), "{error}");
        assert!(newest(vec![], Version::default()).is_err());
    }
}
