//! Who compiles for a target that is not the host's.
//!
//! ```text
//! the toolchain has the target's library ------------------> plain cargo
//! a compiler unpacked earlier under target/tools ----------> cargo with build-std
//! rustup may install: `rustup target add` -----------------> plain cargo
//! Debian or a relative: fetch and unpack its compiler -----> cargo with build-std
//! nothing of these ----------------------------------------> say what to install
//! ```
//!
//! `rustup target add` is the one step that changes something outside `target/`. Whoever sets
//! `RUSTUP_AUTO_INSTALL=0` told rustup not to fetch anything of its own accord; that holds for
//! us as well.

use crate::command::{Cmd, Seen, watch_with};
use crate::debian;
use crate::offline::Offline;
use crate::progress::Step;
use crate::workspace::{HostRust, Version, Workspace, on_path};
use anyhow::{Result, anyhow};
use std::time::Duration;

/// A target's library is some 30 MB at most; a server that is not reached is given up early.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);
const RUSTUP_SILENCE: &str = "10";

/// A way to compile for a target.
#[derive(Debug, Clone)]
pub enum Toolchain {
    /// The toolchain that cargo uses anyway has the target.
    Installed,
    /// Debian's compiler, the library built from source.
    Offline(Offline),
}

/// What a machine offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The toolchain has the target's library.
    pub installed: bool,
    /// The version of a compiler that was unpacked earlier.
    pub unpacked: Option<Version>,
    /// Whether `rustup target add` may be tried, or why not.
    pub rustup: Result<(), String>,
    /// Whether Debian's packages may be tried, or why not.
    pub debian: Result<(), String>,
}

/// One way to get a toolchain, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Nothing to do.
    Installed,
    /// Use what was unpacked.
    Unpacked,
    /// `rustup target add`.
    Rustup,
    /// Fetch and unpack Debian's compiler.
    Debian,
}

impl Found {
    /// Looks around.
    pub fn look(ws: &Workspace, host: &HostRust, target: &str) -> Self {
        let unpacked = Offline::cached(ws, host).ok().flatten();
        let no_install = std::env::var("RUSTUP_AUTO_INSTALL").is_ok_and(|v| v == "0");
        let rustup = if on_path("rustup").is_none() {
            Err("there is no rustup on PATH".into())
        } else if !host.sysroot.join("lib/rustlib/multirust-channel-manifest.toml").is_file() {
            Err(format!("{} is not a toolchain that rustup installed", host.sysroot.display()))
        } else if no_install {
            Err("RUSTUP_AUTO_INSTALL=0 says that rustup shall not install by itself".into())
        } else {
            Ok(())
        };
        let debian = match debian::missing_program() {
            Some(name) => Err(format!("there is no `{name}`: this is no Debian or relative of it")),
            None => Ok(()),
        };
        let installed = host.has_target(target);
        Self { installed, unpacked: unpacked.map(|o| o.version), rustup, debian }
    }

    /// The ways to try, in order.
    pub fn ways(&self) -> Vec<Way> {
        if self.installed {
            vec![Way::Installed]
        } else if self.unpacked.is_some() {
            vec![Way::Unpacked]
        } else {
            let rustup = self.rustup.is_ok().then_some(Way::Rustup);
            let debian = self.debian.is_ok().then_some(Way::Debian);
            rustup.into_iter().chain(debian).collect()
        }
    }
}

impl Toolchain {
    /// Finds one for the target, or fetches it.
    ///
    /// # Errors
    /// Why each way failed, and what a person can install.
    pub fn prepare(ws: &Workspace, host: &HostRust, target: &str) -> Result<Self> {
        if host.has_target(target) {
            return Ok(Self::Installed);
        }
        let _lock = ws.lock_tools()?; // whoever waited here may find the work done
        let found = Found::look(ws, host, target);
        let mut reasons = Vec::new();
        for way in found.ways() {
            match Self::take(way, ws, host, target) {
                Ok(toolchain) => return Ok(toolchain),
                Err(error) => reasons.push(format!("{error:#}")),
            }
        }
        reasons.extend(found.rustup.err());
        reasons.extend(found.debian.err());
        Err(anyhow!("{}", reasons.join("\n")).context(format!(
            "there is no toolchain for {target}\n{}",
            what_to_install(&host.triple, target)
        )))
    }

    fn take(way: Way, ws: &Workspace, host: &HostRust, target: &str) -> Result<Self> {
        match way {
            Way::Installed => Ok(Self::Installed),
            Way::Unpacked => Offline::cached(ws, host)?
                .map(Self::Offline)
                .ok_or_else(|| anyhow!("the unpacked compiler is gone")),
            Way::Rustup => rustup_target_add(target).map(|()| Self::Installed),
            Way::Debian => {
                let step = Step::new("Debian's Rust compiler");
                match Offline::fetch(ws, host, &step) {
                    Ok(offline) => {
                        step.done(&format!("{}, unpacked under target/tools", offline.version));
                        Ok(Self::Offline(offline))
                    }
                    Err(error) => {
                        step.failed();
                        Err(error)
                    }
                }
            }
        }
    }

    /// Makes a cargo command compile for `target`. `library` is what build-std builds where
    /// the toolchain does not have it.
    pub fn apply(&self, cmd: Cmd, target: &str, library: &str) -> Cmd {
        let cmd = cmd.args(["--target", target]);
        match self {
            Self::Installed => cmd,
            Self::Offline(offline) => offline.apply(cmd, target, library),
        }
    }
}

fn rustup_target_add(target: &str) -> Result<()> {
    let step = Step::new(format!("rustup target add {target}"));
    let cmd = Cmd::new("guest toolchain", "rustup")
        .args(["target", "add", target])
        .env("RUSTUP_DOWNLOAD_TIMEOUT", RUSTUP_SILENCE)
        .env("RUST_BACKTRACE", "0")
        .limit(RUSTUP_LIMIT);
    let judge = |line: &str| if line.starts_with("info") { Seen::Message } else { Seen::Keep };
    match watch_with(cmd, &step, judge, || {}) {
        Ok(()) => step.done("installed"),
        Err(error) => {
            step.skipped("that failed; is there another way?");
            return Err(error.into());
        }
    }
    Ok(())
}

/// What a person can do where no way leads to a toolchain.
pub fn what_to_install(host: &str, target: &str) -> String {
    let mut lines = vec![format!("with rustup:  rustup target add {target}")];
    if host.contains("linux") {
        lines.push("Debian, Ubuntu: be online once; xtask unpacks the packages by itself".into());
        if target == crate::workspace::GUEST_TARGET {
            let fedora = "rust-std-static-aarch64-unknown-none-softfloat lld";
            lines.push(format!("Fedora:       dnf install {fedora}"));
        }
        lines.push("others (Arch, ...): install rustup, then as above".into());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Found =
        Found { installed: false, unpacked: None, rustup: Err(String::new()), debian: Ok(()) };

    #[test]
    fn an_installed_target_is_taken_before_all() {
        let found = Found { installed: true, unpacked: Some(Version([1, 96, 0])), ..NOTHING };
        assert_eq!(found.ways(), [Way::Installed]);
    }

    #[test]
    fn what_was_unpacked_is_used_again_without_asking_the_network() {
        let found = Found { unpacked: Some(Version([1, 96, 0])), rustup: Ok(()), ..NOTHING };
        assert_eq!(found.ways(), [Way::Unpacked]);
    }

    #[test]
    fn rustup_comes_before_debian_and_only_where_it_may() {
        let may = Found { rustup: Ok(()), ..NOTHING };
        assert_eq!(may.ways(), [Way::Rustup, Way::Debian]);
        assert_eq!(NOTHING.ways(), [Way::Debian]);
        let mac = Found { rustup: Ok(()), debian: Err(String::new()), ..NOTHING };
        assert_eq!(mac.ways(), [Way::Rustup]);
    }

    #[test]
    fn where_nothing_helps_a_person_is_told_what_to_install() {
        let none = Found { debian: Err(String::new()), ..NOTHING };
        assert_eq!(none.ways(), []);
        let mac = what_to_install("aarch64-apple-darwin", "t");
        assert!(mac.contains("rustup target add t") && !mac.contains("Debian"), "{mac}");
        assert!(what_to_install("x86_64-unknown-linux-gnu", "t").contains("Arch"));
    }
}
