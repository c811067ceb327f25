//! Compiles and runs C programs against the libraries of this package.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a program is linked.
#[derive(Clone, Copy, Debug)]
pub enum Link {
    /// Against libHypervisor.so.
    Shared,
    /// With libHypervisor.a inside.
    Static,
}

/// Where the package's folder is.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The headers.
pub fn include() -> PathBuf {
    package().join("../hv/include")
}

/// Where cargo puts the libraries: beside this test program.
fn libraries() -> PathBuf {
    let program = std::env::current_exe().expect("this program has a path");
    program.parent().expect("it is in a folder").to_owned()
}

/// The C compiler: $CC or `cc`, with the headers. Warnings are errors.
pub fn compiler() -> Command {
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"]).arg(include());
    cc
}

/// Runs a compiler; panics with what it said if it fails.
pub fn compiled(mut compiler: Command) -> Output {
    let output = compiler.output().unwrap_or_else(|error| panic!("no C compiler: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler:?}: {}\n{said}", output.status);
    output
}

/// A file of the running test's own, in cargo's folder for tests: tests run at the same time, and
/// a program that runs, or a source that is read, must not be written.
pub fn fresh(name: &str) -> PathBuf {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default().replace("::", "-");
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{number}-{name}"))
}

/// Compiles and links a program.
pub fn build(source: &Path, link: Link) -> PathBuf {
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    let program = fresh(&format!("{name}-{link:?}"));
    let mut cc = compiler();
    cc.arg(source).arg("-o").arg(&program);
    let libraries = libraries();
    match link {
        Link::Shared => {
            cc.arg("-L").arg(&libraries).arg("-lHypervisor").arg("-Wl,-rpath").arg("-Xlinker");
            cc.arg(&libraries);
        }
        Link::Static => {
            cc.arg(libraries.join("libHypervisor.a")).args(["-lpthread", "-ldl", "-lm"]);
        }
    }
    compiled(cc);
    program
}

/// Runs a program with some environment, and no other setting of ours.
pub fn run(program: &Path, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    for name in ["ANYVISOR_CPU", "ANYVISOR_PMU", "ANYVISOR_LOG"] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// The lines that a program wrote, which must have ended well.
pub fn lines(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", output.status);
    text(&output.stdout)
}

/// Output as lines.
pub fn text(output: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(output).lines().map(str::to_owned).collect()
}
