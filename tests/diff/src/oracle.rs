//! QEMU's user mode with the executor in it: it is asked a batch of cases at a time.

use crate::case::{Case, Outcome};
use crate::executor::{self, RECORDS_BYTES};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use thiserror::Error;

/// The program that is looked for on PATH.
const PROGRAM: &str = "qemu-aarch64";
/// All that QEMU has, but for SVE and SME: our CPU has a subset. Pointer authentication by
/// QARMA5, not by QEMU's own faster code.
pub const CPU: &str = "max,sve=off,sme=off,pauth-impdef=off";
/// One whose DC ZVA zeroes 64 bytes, as ours does; those of the other are 512.
pub const CPU_OF_SMALL_BLOCKS: &str = "cortex-a57";
/// How long a batch may take: a few milliseconds are usual.
const PATIENCE: Duration = Duration::from_secs(30);

/// The oracle does not answer.
#[derive(Debug, Error)]
pub enum OracleError {
    /// It cannot be started.
    #[error("cannot start {0}: {1}; is ANYVISOR_QEMU_USER a qemu-aarch64 of this machine?")]
    Start(PathBuf, io::Error),
    /// It did not take a batch.
    #[error("QEMU does not take a batch: {0}; it said: {1}")]
    Ask(io::Error, String),
    /// It ended instead of answering.
    #[error("QEMU ended in a batch: {0}; it said: {1}")]
    Answer(io::Error, String),
    /// It hangs.
    #[error("QEMU has not finished a batch in {0:?}")]
    Hangs(Duration),
}

/// Finds QEMU's user mode, or says why there is none.
///
/// # Errors
/// The reason.
pub fn find() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("ANYVISOR_QEMU_USER") {
        return Ok(path.into());
    }
    if let Ok(reason) = std::env::var("ANYVISOR_QEMU_USER_MISSING") {
        return Err(reason);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
        .ok_or_else(|| format!("{PROGRAM} is not on PATH and ANYVISOR_QEMU_USER is not set"))
}

/// A running QEMU.
pub struct Oracle {
    child: Child,
    questions: ChildStdin,
    answers: Receiver<io::Result<Vec<u8>>>,
}

impl Oracle {
    /// Starts `qemu`, being `cpu`, with the executor's file.
    ///
    /// # Errors
    /// [`OracleError::Start`].
    pub fn start(qemu: &Path, cpu: &str, executor: &Path) -> Result<Self, OracleError> {
        let mut child = Command::new(qemu)
            .args(["-cpu", cpu])
            .arg(executor)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| OracleError::Start(qemu.to_owned(), error))?;
        let pipe = || OracleError::Start(qemu.to_owned(), io::ErrorKind::BrokenPipe.into());
        let questions = child.stdin.take().ok_or_else(pipe)?;
        let answers = read_all(child.stdout.take().ok_or_else(pipe)?);
        Ok(Self { child, questions, answers })
    }

    /// Hands over a batch; it works while the caller does something else.
    ///
    /// # Errors
    /// [`OracleError::Ask`].
    pub fn ask(&mut self, cases: &[Case], code: &[u32]) -> Result<(), OracleError> {
        let batch = executor::encode(cases, code);
        self.questions.write_all(&batch).map_err(|error| OracleError::Ask(error, self.said()))
    }

    /// The outcomes of the batch that it was asked.
    ///
    /// # Errors
    /// [`OracleError::Answer`], [`OracleError::Hangs`].
    pub fn answer(&mut self, count: usize) -> Result<Vec<Outcome>, OracleError> {
        match self.answers.recv_timeout(PATIENCE) {
            Ok(Ok(bytes)) => Ok(executor::decode(&bytes, count)),
            Ok(Err(error)) => Err(OracleError::Answer(error, self.said())),
            Err(_) => Err(OracleError::Hangs(PATIENCE)),
        }
    }

    /// What a QEMU that has ended wrote to its standard error.
    fn said(&mut self) -> String {
        let mut text = String::new();
        let _ = self.child.kill();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut text);
        }
        text.trim().to_owned()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads answers on a thread of its own, so that one can be waited for with patience.
fn read_all(mut from: ChildStdout) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            let mut bytes = vec![0; RECORDS_BYTES];
            let read = from.read_exact(&mut bytes);
            let ended = read.is_err();
            if sender.send(read.map(|()| bytes)).is_err() || ended {
                return;
            }
        }
    });
    receiver
}
