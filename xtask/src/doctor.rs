//! `cargo xtask doctor`: what was found, what `run` would do, what a person must install.
//! It changes nothing and fetches nothing.

use crate::toolchain::{Found, Way, what_to_install};
use crate::workspace::{GUEST_TARGET, HostRust, MACOS_TARGET, Version, Workspace, on_path};
use crate::{binutils, chromium, debian, offline::Offline, qemu};
use anyhow::Result;
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Prints the findings. The exit status is 1 if `run` could not work here.
///
/// # Errors
/// There is no Rust toolchain at all.
pub fn run(ws: &Workspace) -> Result<ExitCode> {
    let host = HostRust::find()?;
    let found = Found::look(ws, &host, GUEST_TARGET);
    let ways = found.ways();

    println!("Host");
    item("system", &format!("{}, {} cores", host.triple, cores()));
    item("compiler", &host.version);
    item("sysroot", &host.sysroot.display().to_string());
    let old = Version::parse(host.version.trim_start_matches("rustc "))
        .is_none_or(|version| version < ws.rust_version);
    if old {
        item("", &format!("too old: the workspace needs {}", ws.rust_version));
    }
    item("build folder", &ws.target.display().to_string());

    println!("Guest ({GUEST_TARGET})");
    item("rustup target", if found.installed { "installed" } else { "not installed" });
    item("rustup", &may(&found.rustup, "may add it"));
    match Offline::cached(ws, &host) {
        Ok(Some(offline)) => {
            item("unpacked compiler", &format!("{} from", offline.version));
            offline.packages.lines().for_each(|line| item("", line));
        }
        Ok(None) => item("unpacked compiler", "none"),
        Err(error) => item("unpacked compiler", &format!("not usable: {error:#}")),
    }
    item("Debian packages", &may(&found.debian, "can be unpacked"));
    if found.debian.is_ok() {
        archives().iter().for_each(|(host, reached)| {
            item("", &format!("{host}: {}", if *reached { "reached" } else { "not reached" }));
        });
    }

    println!("QEMU, objdump and Chromium (for `test` and `diff` only)");
    let qemu = qemu::find(ws)?;
    for (name, program) in [
        (qemu::SYSTEM, qemu.system),
        (qemu::USER, qemu.user),
        (binutils::OBJDUMP, binutils::find(ws)?),
        (chromium::CHROMIUM, chromium::find(ws)?),
    ] {
        item(
            name,
            &match program {
                Some(path) => path.display().to_string(),
                None if found.debian.is_ok() => "none; `test` fetches Debian's".into(),
                None => "none; `test` skips its part by name".into(),
            },
        );
    }

    println!("macOS");
    if cfg!(target_os = "macos") {
        let codesign = on_path("codesign").map(|path| path.display().to_string());
        let install = || "missing: xcode-select --install".to_owned();
        item("codesign", &codesign.unwrap_or_else(install));
    } else {
        let mac = Found::look(ws, &host, MACOS_TARGET);
        let how = match mac.ways().first() {
            Some(Way::Installed) => "with the installed target",
            Some(Way::Unpacked) => "with the unpacked compiler",
            Some(Way::Rustup) => "after `rustup target add`",
            Some(Way::Debian) => "after unpacking Debian's compiler",
            None => "skipped: no toolchain for it",
        };
        item("type-check", how);
        item("to run there", "rustup; xcode-select --install (codesign); macOS 15; Apple silicon");
    }

    println!("`cargo xtask run` would");
    for way in &ways {
        item(
            "",
            &match way {
                Way::Installed => format!("build the guest with {}", host.version),
                Way::Unpacked => "build the guest with the unpacked compiler".into(),
                Way::Rustup => format!("try `rustup target add {GUEST_TARGET}`"),
                Way::Debian => {
                    "fetch Debian's compiler (140 MB) and unpack it under target/tools".into()
                }
            },
        );
    }
    if ways.is_empty() {
        item("", "fail: there is no toolchain for the guest");
        println!("To install\n{}", what_to_install(&host.triple, GUEST_TARGET));
    } else {
        item("", "build the monitor and boot the guest's cases");
    }
    Ok(if ways.is_empty() || old { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn item(name: &str, value: &str) {
    println!("  {name:<18} {value}");
}

fn may(what: &Result<(), String>, yes: &str) -> String {
    what.clone().err().unwrap_or_else(|| yes.to_owned())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The servers of apt's sources, and whether each takes a connection. Behind a proxy they may
/// not, and apt works all the same.
fn archives() -> Vec<(String, bool)> {
    let hosts = debian::source_hosts();
    let reached = |(host, port): &(String, u16)| {
        (host.as_str(), *port).to_socket_addrs().is_ok_and(|mut addresses| {
            addresses.next().is_some_and(|a| TcpStream::connect_timeout(&a, PATIENCE).is_ok())
        })
    };
    hosts.iter().map(|host| (host.0.clone(), reached(host))).collect()
}
