//! A hypervisor's process, and all that it starts: one process group, which never outlives us.
//!
//! It stands outside the terminal's foreground group, so that Ctrl-C reaches us alone, and we end
//! it in order. (Should somebody kill us in a way that cannot be caught, it stays behind.)

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pieces of output that wait to be read: a process that floods waits, too.
const PIECES: usize = 16;
const PIECE: usize = 16 << 10;
/// Of what it says on its standard error the last is kept.
const KEPT: usize = 16 << 10;
/// How long a killed group's output may take to end. Something that left the group may hold it
/// open for ever.
const LINGER: Duration = Duration::from_secs(2);

/// A running process group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: Receiver<Vec<u8>>,
    errors: Receiver<Vec<u8>>,
    said: Vec<u8>,
    /// Once it is collected its number may be somebody else's.
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts it, without input.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(mut command: Command) -> std::io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn()?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let (output, errors) = (pieces(output), pieces(errors));
        Ok(Self { child, output, errors, said: Vec::new(), status: None })
    }

    /// Where its standard output comes, in pieces; closed when that is.
    pub fn output(&self) -> &Receiver<Vec<u8>> {
        &self.output
    }

    /// Its exit status, if it has ended. What it left behind is ended, too.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.hear_errors();
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if self.status.is_none() && waitid(WaitId::Pid(self.group()?), look).ok()?.is_some() {
            self.kill();
        }
        self.status
    }

    /// Its exit status, when it has ended by itself before `deadline`.
    pub fn ends_before(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            match self.ended() {
                Some(status) => return Some(status),
                None if Instant::now() >= deadline => return None,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Ends the whole group, also what a dead leader has left behind, and collects it.
    pub fn kill(&mut self) {
        if self.status.is_some() {
            return;
        }
        if let Some(group) = self.group() {
            // There may be nobody left but the dead leader, which is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.status = self.child.wait().ok();
    }

    fn group(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()).ok()?)
    }

    /// What it said last on its standard error, once it has ended.
    pub fn last_words(&mut self) -> String {
        let deadline = Instant::now() + LINGER;
        while let Ok(piece) = self.errors.recv_timeout(deadline - Instant::now().min(deadline)) {
            self.keep(&piece);
        }
        String::from_utf8_lossy(&self.said).trim().to_string()
    }

    /// Reads what waits on the standard error, so that nobody waits for us.
    pub fn hear_errors(&mut self) {
        while let Ok(piece) = self.errors.try_recv() {
            self.keep(&piece);
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        self.said.extend_from_slice(piece);
        let excess = self.said.len().saturating_sub(KEPT);
        self.said.drain(..excess);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pieces(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, pieces) = sync_channel(PIECES);
    if let Some(pipe) = pipe {
        // Ends with the pipe, or when nobody listens any more.
        std::thread::spawn(move || forward(pipe, &sender));
    }
    pieces
}

fn forward(mut pipe: impl Read, sender: &SyncSender<Vec<u8>>) {
    let mut buffer = vec![0; PIECE];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        if sender.send(buffer[..count].to_vec()).is_err() {
            return;
        }
    }
}

/// Somebody wants all of it to end: Ctrl-C, or the end of our own terminal.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Mutex<Option<i32>>>);

impl Interrupt {
    /// One that the signals SIGINT, SIGTERM and SIGHUP raise. A second signal ends us at once.
    ///
    /// # Errors
    /// The system does not let us handle them.
    pub fn by_signals() -> std::io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let interrupt = Self::default();
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let raised = interrupt.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let before =
                    raised.0.lock().unwrap_or_else(PoisonError::into_inner).replace(signal);
                if before.is_some() {
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                }
            }
        });
        Ok(interrupt)
    }

    /// The signal, if there was one.
    pub fn signal(&self) -> Option<i32> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start(command).unwrap()
    }

    fn exists(pid: &str) -> bool {
        let mut probe = Command::new("kill");
        probe.args(["-0", pid]).stderr(Stdio::null()).status().unwrap().success()
    }

    #[test]
    fn what_a_process_starts_dies_with_it() {
        let mut process = sh("sleep 600 & echo $!; wait");
        let line = process.output().recv().unwrap();
        let sleeper = String::from_utf8(line).unwrap().trim().to_string();
        assert!(exists(&sleeper));
        process.kill();
        // Its new parent collects it in its own time.
        while exists(&sleeper) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_process_that_floods_its_errors_ends_all_the_same_and_its_last_words_are_kept() {
        let mut process = sh("yes | head -c 1000000 >&2; echo the end >&2; exit 3");
        let far = Instant::now() + Duration::from_secs(600);
        assert_eq!(process.ends_before(far).and_then(|status| status.code()), Some(3));
        let words = process.last_words();
        assert!(words.ends_with("the end") && words.len() <= KEPT, "{}", words.len());
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert!(Process::start(Command::new("./no-such-program")).is_err());
    }
}
