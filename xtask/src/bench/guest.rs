//! One guest on one engine, seen from the outside.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A guest that takes longer hangs: the longest benchmark takes some ten seconds.
const LIMIT: Duration = Duration::from_secs(600);
/// RAM for both engines. Pages that are not touched cost neither anything.
const MEMORY_MIB: u32 = 256;

/// Who runs the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// `anyvisor boot`.
    Ours,
    /// `qemu-system-aarch64 -M virt,gic-version=3`.
    Qemu,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "anyvisor",
            Self::Qemu => "QEMU",
        })
    }
}

/// Why a guest has no results.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// There is no QEMU.
    #[error("there is no QEMU here")]
    NoQemu,
    /// The engine cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// Which program.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It did not end.
    #[error("it was stopped after {} s; it printed {output:?}", LIMIT.as_secs())]
    Timeout {
        /// What it had printed.
        output: String,
    },
    /// The guest ended without saying that all was done.
    #[error("it ended ({status}) without DONE; it printed {output:?}")]
    NotDone {
        /// The engine's status.
        status: ExitStatus,
        /// What it printed, errors last.
        output: String,
    },
}

/// A guest's run that ended as it should.
#[derive(Debug)]
pub struct Run {
    /// What it printed.
    pub output: String,
    /// From before the process was started to the first byte that it printed.
    pub first_byte: Duration,
    /// From before the process was started to its end.
    pub wall: Duration,
}

/// A result line of the kernel's: see its `bench.rs`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// Of what.
    pub name: String,
    /// How many events, if it is events that count.
    pub events: u64,
    /// How many bytes, if it is bytes that count.
    pub bytes: u64,
    /// How many instructions, if that is known.
    pub insns: u64,
    /// How long, by the guest's clock.
    pub ns: u64,
    /// What came out of the work.
    pub check: u64,
}

impl Run {
    /// The results that it printed.
    pub fn results(&self) -> impl Iterator<Item = Measured> {
        self.output.lines().filter_map(Measured::parse)
    }
}

impl Measured {
    /// Reads a line; `None` if it is none of a result.
    pub fn parse(line: &str) -> Option<Self> {
        let mut result = Self::default();
        for word in line.trim_end().strip_prefix("R ")?.split(' ') {
            let (key, value) = word.split_once('=')?;
            match key {
                "name" => result.name = value.into(),
                "events" => result.events = value.parse().ok()?,
                "bytes" => result.bytes = value.parse().ok()?,
                "insns" => result.insns = value.parse().ok()?,
                "ns" => result.ns = value.parse().ok()?,
                "check" => {
                    result.check = u64::from_str_radix(value.strip_prefix("0x")?, 16).ok()?;
                }
                _ => return None,
            }
        }
        // A time of 0 would make a rate without end: nothing takes no time.
        result.ns = result.ns.max(1);
        (!result.name.is_empty()).then_some(result)
    }
}

/// The engines and the guest.
#[derive(Debug)]
pub struct Launch {
    /// The program `anyvisor`.
    pub monitor: PathBuf,
    /// The program `qemu-system-aarch64`, where there is one.
    pub qemu: Option<PathBuf>,
    /// The kernel as an ELF file.
    pub elf: PathBuf,
    /// The kernel as an Image.
    pub image: PathBuf,
}

impl Launch {
    /// The engines that are here, in the order in which they take turns.
    pub fn engines(&self) -> impl Iterator<Item = Engine> + use<> {
        [Some(Engine::Ours), self.qemu.as_ref().map(|_| Engine::Qemu)].into_iter().flatten()
    }

    /// Boots the kernel on a machine of `cpus`.
    ///
    /// # Errors
    /// See [`GuestError`].
    pub fn boot(
        &self,
        engine: Engine,
        cpus: u32,
        bootargs: &str,
        extra: &[&str],
    ) -> Result<Run, GuestError> {
        let kernel = if engine == Engine::Ours { &self.elf } else { &self.image };
        let mut command = self.command(engine, cpus, kernel)?;
        command.args([if engine == Engine::Ours { "--append" } else { "-append" }, bootargs]);
        let run = launch(command.args(extra))?;
        let done = run.output.lines().any(|line| line.trim_end() == "DONE");
        if done && run.status.success() {
            Ok(run.run)
        } else {
            Err(GuestError::NotDone { status: run.status, output: run.all() })
        }
    }

    /// Boots any other kernel; its status does not count.
    ///
    /// # Errors
    /// See [`GuestError`].
    pub fn boot_other(&self, engine: Engine, kernel: &Path) -> Result<Run, GuestError> {
        let ended = launch(&mut self.command(engine, 1, kernel)?)?;
        if ended.status.success() && !ended.output.is_empty() {
            Ok(ended.run)
        } else {
            Err(GuestError::NotDone { status: ended.status, output: ended.all() })
        }
    }

    fn command(&self, engine: Engine, cpus: u32, kernel: &Path) -> Result<Command, GuestError> {
        Ok(match engine {
            Engine::Ours => {
                let mut command = Command::new(&self.monitor);
                command.arg("boot").arg(kernel).args(["--memory", &format!("{MEMORY_MIB}M")]);
                command.args(["--vcpus", &cpus.to_string()]);
                command
            }
            Engine::Qemu => {
                let mut command = Command::new(self.qemu.as_ref().ok_or(GuestError::NoQemu)?);
                command.args(["-M", "virt,gic-version=3", "-cpu", "cortex-a72"]);
                command.args(["-smp", &cpus.to_string(), "-nographic", "-nic", "none"]);
                command.args(["-m", &MEMORY_MIB.to_string(), "-kernel"]).arg(kernel);
                command
            }
        })
    }
}

/// A process that ended.
struct Ended {
    run: Run,
    status: ExitStatus,
    errors: String,
}

impl std::ops::Deref for Ended {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

impl Ended {
    /// What it printed, errors last.
    fn all(&self) -> String {
        format!("{}{}", self.run.output, self.errors)
    }
}

/// A piece of output and when it came.
type Piece = (Instant, Vec<u8>);

/// Runs a program to its end.
fn launch(command: &mut Command) -> Result<Ended, GuestError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let start = |source| GuestError::Start { program: program.clone(), source };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().map_err(&start)?;
    let (output, errors) = (pieces(child.stdout.take()), pieces(child.stderr.take()));
    let deadline = started + LIMIT;
    let mut text = Vec::new();
    let mut first = None;
    loop {
        match output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((at, bytes)) => {
                first.get_or_insert(at);
                text.extend(bytes);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                end(&mut child);
                return Err(GuestError::Timeout { output: lossy(&text) });
            }
        }
    }
    // The pipe is closed: the process is ending, if it is not a program that closes its output.
    let status = child.wait().map_err(start)?;
    let ended = Instant::now();
    let errors: Vec<u8> = errors.iter().flat_map(|(_, bytes)| bytes).collect();
    let run = Run {
        output: lossy(&text),
        first_byte: first.unwrap_or(ended) - started,
        wall: ended - started,
    };
    Ok(Ended { run, status, errors: lossy(&errors) })
}

/// Reads a pipe on a thread of its own, so that each piece is timed when it comes.
fn pieces(pipe: Option<impl Read + Send + 'static>) -> Receiver<Piece> {
    let (sender, receiver) = channel();
    if let Some(mut pipe) = pipe {
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                if sender.send((Instant::now(), buffer[..count].to_vec())).is_err() {
                    break;
                }
            }
        });
    }
    receiver
}

fn end(child: &mut Child) {
    let _ = child.kill(); // it may have ended by itself just now
    let _ = child.wait();
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines() {
        let line = "R name=svc_el1 events=3 bytes=0 insns=18 ns=391 check=0xff\r";
        let wanted = Measured {
            name: "svc_el1".into(),
            events: 3,
            bytes: 0,
            insns: 18,
            ns: 391,
            check: 255,
        };
        assert_eq!(Measured::parse(line), Some(wanted));
        assert_eq!(
            Measured::parse("R name=x events=1 bytes=0 insns=0 ns=0 check=0x0").unwrap().ns,
            1
        );
        for line in ["", "R", "R ", "R name=", "R name=x events=-1", "R name=x size=1", "DONE"] {
            assert_eq!(Measured::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_process_is_timed_and_its_output_kept() {
        let mut command = Command::new("sh");
        let ended = launch(command.args(["-c", "echo a; sleep 0.2; echo b; echo c >&2; exit 3"]));
        let ended = ended.unwrap();
        assert_eq!((ended.output.as_str(), ended.errors.as_str()), ("a\nb\n", "c\n"));
        assert_eq!(ended.status.code(), Some(3));
        assert!(ended.wall >= Duration::from_millis(200) && ended.first_byte < ended.wall);
    }
}
