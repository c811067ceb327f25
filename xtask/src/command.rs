//! Programs that are started, and what is said when one fails: the step, the command line as
//! one could type it, the end of what it printed.

use crate::progress::Step;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How much of a failed program's output an error shows.
const TAIL_LINES: usize = 20;
/// What tells cargo to color its diagnostics although we read them first.
const COLOR: &str = "CARGO_TERM_COLOR";
/// How often a watched program's step is refreshed.
const TICK: Duration = Duration::from_millis(80);

/// Why a program's work was not done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("{step}: cannot start `{line}`: {source}\nis the program installed and on PATH?")]
    Start {
        /// Which step.
        step: String,
        /// The command line.
        line: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It ended with a status that is not 0.
    #[error("{step}: `{line}` ended with {status}{tail}")]
    Failed {
        /// Which step.
        step: String,
        /// The command line.
        line: String,
        /// The status.
        status: ExitStatus,
        /// The end of what it printed, each line on its own, or nothing.
        tail: String,
    },
    /// It was stopped because it took too long.
    #[error("{step}: `{line}` was stopped after {} s{tail}", limit.as_secs())]
    Timeout {
        /// Which step.
        step: String,
        /// The command line.
        line: String,
        /// The limit.
        limit: Duration,
        /// The end of what it printed.
        tail: String,
    },
}

/// A program to start, with the step's name for errors.
#[derive(Debug)]
pub struct Cmd {
    step: String,
    command: Command,
    limit: Option<Duration>,
}

impl Cmd {
    /// A program by path or name. What cargo told *us* about our own package is taken out of
    /// its environment: a nested build must not see it.
    pub fn new(step: impl Into<String>, program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if is_ours(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        Self { step: step.into(), command, limit: None }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it in this folder.
    pub fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Stops it when it takes longer than this.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The command line, with the variables that were set, as one would type it in a shell.
    pub fn line(&self) -> String {
        let vars = self.command.get_envs().filter(|(name, _)| *name != COLOR);
        let vars = vars.filter_map(|(name, value)| {
            Some(format!("{}={}", name.to_string_lossy(), quote(value?)))
        });
        let program = std::iter::once(self.command.get_program());
        let words = program.chain(self.command.get_args()).map(quote);
        vars.chain(words).collect::<Vec<_>>().join(" ")
    }

    fn start(&self) -> impl FnOnce(std::io::Error) -> CommandError + use<> {
        let (step, line) = (self.step.clone(), self.line());
        move |source| CommandError::Start { step, line, source }
    }

    fn failed(&self, status: ExitStatus, tail: &str) -> CommandError {
        let (step, line) = (self.step.clone(), self.line());
        CommandError::Failed { step, line, status, tail: last_lines(tail) }
    }
}

fn is_ours(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|p| name.starts_with(p))
        || ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"].contains(&name)
}

fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines[from..].iter().map(|line| format!("\n  | {line}")).collect()
}

/// Runs a program that is done at once and returns what it printed.
///
/// # Errors
/// It cannot be started, or ends with a status that is not 0.
pub fn capture(mut cmd: Cmd) -> Result<String, CommandError> {
    let start = cmd.start();
    let output = cmd.command.stdin(Stdio::null()).output().map_err(start)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(cmd.failed(output.status, &String::from_utf8_lossy(&output.stderr)))
    }
}

/// Runs a program with our own input and output and returns its status.
///
/// # Errors
/// It cannot be started.
pub fn passthrough(mut cmd: Cmd) -> Result<ExitStatus, CommandError> {
    let start = cmd.start();
    cmd.command.status().map_err(start)
}

/// Runs a program under a step's spinner. Its progress lines (cargo's `Compiling ...` and the
/// like) are the spinner's message; anything else (warnings, errors) is printed.
///
/// # Errors
/// It cannot be started, ends with a status that is not 0, or takes longer than its limit.
pub fn watch(cmd: Cmd, step: &Step) -> Result<(), CommandError> {
    let color = if console::colors_enabled_stderr() { "always" } else { "never" };
    watch_with(cmd.env(COLOR, color), step, judge_cargo, || {})
}

/// What becomes of a line that a watched program printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is the spinner's new message.
    Message,
    /// It is printed and stays; an error need not repeat it.
    Print,
    /// It is only kept for the error.
    Keep,
    /// It is of no use to anybody.
    Drop,
}

/// Like [`watch`], with the caller's judgement of a line, and something to do every tick.
///
/// # Errors
/// As [`watch`].
pub fn watch_with(
    mut cmd: Cmd,
    step: &Step,
    judge: impl Fn(&str) -> Seen,
    mut tick: impl FnMut(),
) -> Result<(), CommandError> {
    let start = cmd.start();
    cmd.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = cmd.command.spawn().map_err(start)?;
    let deadline = cmd.limit.map(|limit| (limit, Instant::now() + limit));

    let (sender, lines) = channel();
    for pipe in [
        child.stdout.take().map(|p| Box::new(p) as Box<dyn Read + Send>),
        child.stderr.take().map(|p| Box::new(p) as Box<dyn Read + Send>),
    ] {
        let (Some(pipe), sender) = (pipe, sender.clone()) else { continue };
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
    }
    drop(sender);

    let mut tail = Vec::new();
    loop {
        match lines.recv_timeout(TICK) {
            Ok(line) => match judge(&line) {
                Seen::Message => step.message(&line),
                Seen::Print => step.print(&line),
                Seen::Keep => tail.push(line),
                Seen::Drop => {}
            },
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        tick();
        if let Some((limit, _)) = deadline.filter(|(_, at)| Instant::now() > *at) {
            let _ = child.kill(); // it may have ended by itself just now
            let _ = child.wait();
            let tail = last_lines(&tail.join("\n"));
            return Err(CommandError::Timeout {
                step: cmd.step.clone(),
                line: cmd.line(),
                limit,
                tail,
            });
        }
    }
    let start = cmd.start();
    let status = child.wait().map_err(start)?;
    if status.success() { Ok(()) } else { Err(cmd.failed(status, &tail.join("\n"))) }
}

/// Cargo reports progress by a verb that is right-aligned to column 12; the rest is for people
/// to read. That it has finished our own step says.
fn judge_cargo(line: &str) -> Seen {
    let line = console::strip_ansi_codes(line);
    let verb = line.trim_start().split(' ').next().unwrap_or_default();
    let indent = line.len() - line.trim_start().len();
    if indent + verb.len() != 12 || !verb.chars().all(|c| c.is_ascii_alphabetic()) {
        Seen::Print
    } else if verb == "Finished" {
        Seen::Drop
    } else {
        Seen::Message
    }
}

/// Joins paths as `PATH` does.
pub fn join_paths(paths: &[std::path::PathBuf]) -> OsString {
    std::env::join_paths(paths).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_lines_are_told_from_diagnostics() {
        for line in ["   Compiling core v0.0.0 (x)", " Downloading crates ..."] {
            assert_eq!(judge_cargo(line), Seen::Message, "{line}");
        }
        assert_eq!(judge_cargo("\u{1b}[1m\u{1b}[32m    Finished\u{1b}[0m `release`"), Seen::Drop);
        for line in ["warning: unused variable", "  --> src/main.rs:1:2", "   |", ""] {
            assert_eq!(judge_cargo(line), Seen::Print, "{line}");
        }
    }

    #[test]
    fn a_line_can_be_typed() {
        let cmd = Cmd::new("s", "prog").args(["a b", "", "it's", "-x=1"]).env("V", "1 2");
        assert_eq!(cmd.line(), r"V='1 2' prog 'a b' '' 'it'\''s' -x=1");
    }

    #[test]
    fn a_failure_says_step_line_status_and_tail() {
        let cmd = Cmd::new("mill", "sh").args(["-c", "echo grist >&2; exit 3"]);
        let text = capture(cmd).unwrap_err().to_string();
        for part in ["mill:", "sh -c", "exit status: 3", "\n  | grist"] {
            assert!(text.contains(part), "{part} not in {text}");
        }
    }

    #[test]
    fn a_program_that_hangs_is_stopped() {
        let began = Instant::now();
        let cmd = Cmd::new("nap", "sleep").arg("60").limit(Duration::from_millis(200));
        let error = watch(cmd, &Step::new("nap")).unwrap_err();
        assert!(matches!(error, CommandError::Timeout { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_program_that_is_not_there() {
        let error = capture(Cmd::new("x", "no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("on PATH?"), "{error}");
    }

    #[test]
    fn our_own_package_is_not_passed_on() {
        assert!(is_ours("CARGO_PKG_NAME") && is_ours("CARGO_MANIFEST_DIR"));
        assert!(!is_ours("CARGO_TARGET_DIR") && !is_ours("CARGO_HOME") && !is_ours("CARGO"));
    }
}
