//! Where things are: the tree, the build folder, and the toolchain that cargo chose.

use crate::command::{Cmd, capture};
use anyhow::{Context, Result, anyhow};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The guest's target: no operating system, no floating-point registers.
pub const GUEST_TARGET: &str = "aarch64-unknown-none-softfloat";
/// The target of the Mac: type-checked everywhere, run on Apple silicon.
pub const MACOS_TARGET: &str = "aarch64-apple-darwin";

/// The tree that this xtask belongs to.
#[derive(Debug)]
pub struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's build folder: `target`, or what `CARGO_TARGET_DIR` or a config file says.
    pub target: PathBuf,
    /// The workspace's minimum Rust version.
    pub rust_version: Version,
    /// The folders of the workspace's crates, relative to the root, with `/`.
    pub crates: Vec<String>,
}

/// The compiler that cargo uses for the host.
#[derive(Debug, Clone)]
pub struct HostRust {
    /// `rustc --version`.
    pub version: String,
    /// `rustc --print sysroot`.
    pub sysroot: PathBuf,
    /// The host's target triple.
    pub triple: String,
}

/// A version of the form `major.minor.patch`, as far as it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Version(pub [u32; 3]);

impl Version {
    /// The version at the start of a text: `1.96.0+dfsg1-1` is 1.96.0, `1.95` is 1.95.0. A
    /// Debian epoch (`1:`) is left out. Nothing if the text does not start with a number.
    pub fn parse(text: &str) -> Option<Self> {
        let text = match text.split_once(':') {
            Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => rest,
            _ => text,
        };
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut parts = [0; 3];
        for (i, part) in text[..end].split('.').enumerate().take(3) {
            match part.parse() {
                Ok(n) => parts[i] = n,
                Err(_) if i > 0 => break,
                Err(_) => return None,
            }
        }
        Some(Self(parts))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// Cargo's own, for example a manifest that it cannot read.
    pub fn find() -> Result<Self> {
        // Cargo says it at run time, too: two trees may share a build folder, and so this program.
        let folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = folder.join("Cargo.toml");
        let text = capture(
            Cmd::new("workspace", cargo())
                .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
                .arg(&manifest),
        )?;
        Self::from_metadata(&text).context("reading what `cargo metadata` printed")
    }

    fn from_metadata(text: &str) -> Result<Self> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        let path = |key: &str| {
            value[key].as_str().map(PathBuf::from).ok_or_else(|| anyhow!("it has no `{key}`"))
        };
        let root = path("workspace_root")?;
        let list = value["packages"].as_array().ok_or_else(|| anyhow!("it has no `packages`"))?;
        let mut crates = Vec::new();
        let mut rust_version = Version::default();
        for package in list {
            let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
            let folder = manifest.parent().and_then(|dir| dir.strip_prefix(&root).ok());
            let folder = folder.unwrap_or(Path::new("")).to_string_lossy().replace('\\', "/");
            let needs = package["rust_version"].as_str().and_then(Version::parse);
            rust_version = rust_version.max(needs.unwrap_or_default());
            crates.push(folder);
        }
        Ok(Self { target: path("target_directory")?, root, rust_version, crates })
    }

    /// Where fetched tools live.
    pub fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Holds the tools folder until the value is dropped: two xtasks do not fetch at once.
    ///
    /// # Errors
    /// The folder cannot be made or the file system has no locks.
    pub fn lock_tools(&self) -> Result<File> {
        let tools = self.tools();
        std::fs::create_dir_all(&tools)
            .with_context(|| format!("cannot make {}", tools.display()))?;
        let path = tools.join(".lock");
        let file =
            File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("waiting for another xtask that holds {}", path.display());
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }
}

impl HostRust {
    /// Asks `rustc`.
    ///
    /// # Errors
    /// There is none, or it does not answer.
    pub fn find() -> Result<Self> {
        let version = capture(Cmd::new("host toolchain", rustc()).arg("--version"))?;
        let paths = capture(
            Cmd::new("host toolchain", rustc()).args(["--print=sysroot", "--print=host-tuple"]),
        )?;
        let mut lines = paths.lines();
        match (lines.next(), lines.next()) {
            (Some(sysroot), Some(triple)) => Ok(Self {
                version: version.trim().to_owned(),
                sysroot: PathBuf::from(sysroot),
                triple: triple.to_owned(),
            }),
            _ => Err(anyhow!("`rustc --print=sysroot --print=host-tuple` printed {paths:?}")),
        }
    }

    /// Whether the sysroot holds this target's library.
    pub fn has_target(&self, target: &str) -> bool {
        let lib = self.sysroot.join("lib/rustlib").join(target).join("lib");
        std::fs::read_dir(lib).is_ok_and(|mut dir| {
            dir.any(|entry| {
                entry.is_ok_and(|e| e.file_name().to_string_lossy().starts_with("libcore-"))
            })
        })
    }
}

/// The cargo that started us, so that nested builds use the same one.
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

fn rustc() -> PathBuf {
    std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from)
}

/// The program of this name on `PATH`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let parse = |text| Version::parse(text).map(|v| v.0);
        assert_eq!(parse("1.96.0+dfsg1-1~deb12u2"), Some([1, 96, 0]));
        assert_eq!(parse("1.95"), Some([1, 95, 0]));
        assert_eq!(parse("1:22.1.8-1~deb12u1"), Some([22, 1, 8]));
        assert_eq!(parse("1.85.0.really1.80"), Some([1, 85, 0]));
        assert_eq!(parse("2."), Some([2, 0, 0]));
        assert_eq!(parse("nightly"), None);
        assert_eq!(parse(""), None);
        assert!(Version([1, 100, 0]) > Version([1, 95, 9]));
    }

    #[test]
    fn metadata() {
        let text = r#"{"workspace_root":"/r","target_directory":"/t","packages":[
            {"name":"a","manifest_path":"/r/host/a/Cargo.toml","rust_version":"1.95"},
            {"name":"b","manifest_path":"/r/b/Cargo.toml","rust_version":null}]}"#;
        let ws = Workspace::from_metadata(text).unwrap();
        assert_eq!(ws.tools(), Path::new("/t/tools"));
        assert_eq!(ws.rust_version, Version([1, 95, 0]));
        assert_eq!(ws.crates, ["host/a", "b"]);
        let error = Workspace::from_metadata("{}").unwrap_err();
        assert!(error.to_string().contains("workspace_root"), "{error}");
    }
}
