//! Listening to a boot: which case said what, and where the report is not what it must be.
//!
//! The kernel's table says which cases a boot runs and in which order, so each line has one place
//! where it may stand. What stands elsewhere is a problem, and each problem fails a case: the one
//! that was running, or behind the last result, the last one.
//!
//! ```text
//!   (what a firmware says)      Silent     dropped
//!   KTAP version 1              Version
//!   1..3                        Running    the plan must be what was asked for
//!   ok 1 a.b                               case 1; everything before it is its console
//!   # x is 1
//!   not ok 2 a.c # x is not 2              case 2
//!   gar~#age                               a problem of case 3
//!   (nothing more)                         case 3 was running: why did the machine end?
//! ```
//!
//! This is no more than text in and verdicts out; processes and clocks are [`crate::boot`]'s.

mod heard;

use crate::lines::{Line, Lines};
use anyvisor_abi::case::Needs;
use anyvisor_abi::glob;
use anyvisor_monitor::image::CaseInfo;
use anyvisor_monitor::ktap::{self, CaseLine};
use anyvisor_monitor::suite::Verdict;
use anyvisor_monitor::timeline::Figure;
use std::time::Duration;

pub use heard::Heard;

/// What a firmware or the hypervisor prints before the report: not more than this.
const PREAMBLE: usize = 1 << 20;
/// What the kernel says right before a case resets the machine.
const RESETS: &str = "resets the machine";
/// Of a console no more than this is kept for a report.
const KEPT: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing of a report yet.
    Silent,
    /// The version line.
    Version,
    /// The plan was right.
    Running,
    /// It cannot go on: whoever runs it shall stop it.
    Over,
}

/// Who listens to one boot.
#[derive(Debug)]
pub struct Listener<'a> {
    /// The cases that this boot runs, in order.
    wanted: &'a [&'a CaseInfo],
    /// What the hypervisor itself prints there: patterns of lines that do not count.
    chatter: &'a [String],
    most_bytes: usize,
    lines: Lines,
    state: State,
    /// Of `wanted`, the first ones.
    heard: Vec<Heard>,
    /// What goes to the next result.
    console: String,
    bytes: usize,
    problems: Vec<String>,
    figures: Vec<Figure>,
    resets: bool,
    /// When the running case began.
    since: Duration,
    /// Why there is no report at all.
    unusable: Option<String>,
}

/// How a boot went.
#[derive(Debug)]
pub struct Ended {
    /// Of the wanted cases, the first ones: those that the boot came to.
    pub heard: Vec<Heard>,
    /// If it did not come to the first one: why.
    pub no_report: Option<String>,
}

impl<'a> Listener<'a> {
    /// One that expects these cases; a case may print `most_bytes`.
    pub fn new(wanted: &'a [&'a CaseInfo], chatter: &'a [String], most_bytes: usize) -> Self {
        Self {
            wanted,
            chatter,
            most_bytes,
            lines: Lines::default(),
            state: State::Silent,
            heard: Vec::new(),
            console: String::new(),
            bytes: 0,
            problems: Vec::new(),
            figures: Vec::new(),
            resets: false,
            since: Duration::ZERO,
            unusable: None,
        }
    }

    /// How many cases have a result. A boot that goes on raises it, or starts ([`Self::runs`]).
    pub fn count(&self) -> usize {
        self.heard.len()
    }

    /// Whether the kernel runs: its plan was right.
    pub fn runs(&self) -> bool {
        self.state == State::Running
    }

    /// The case that is running, or that would be the next.
    pub fn running(&self) -> Option<&'a CaseInfo> {
        self.wanted.get(self.heard.len()).copied()
    }

    /// Whether nothing that comes can be of use: the machine may be stopped.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// The console printed `bytes`, `now` after the boot.
    pub fn hear(&mut self, bytes: &[u8], now: Duration) {
        self.bytes += bytes.len();
        for line in self.lines.cut(bytes) {
            if self.state == State::Over {
                return;
            }
            self.line(line, now);
        }
        let most = if self.state == State::Running { self.most_bytes } else { PREAMBLE };
        if self.bytes > most && self.state != State::Over {
            self.complain(format!("it flooded the console: more than {most} bytes"));
            self.state = State::Over;
        }
    }

    /// The machine ended at `now`: `why`, if it should not have.
    pub fn end(mut self, why: Option<String>, now: Duration) -> Ended {
        if let Some(cut) = self.lines.unfinished().filter(|_| self.state != State::Over) {
            let text = format!("the console ends in the middle of a line: \"{cut}\"");
            // Before the report that says nothing of it.
            if self.state != State::Silent {
                self.complain(text);
            }
        }
        if matches!(self.state, State::Silent | State::Version) || self.unusable.is_some() {
            let nothing = match self.state {
                State::Silent => "the console has no line \"KTAP version 1\"",
                _ => "the report has no plan",
            };
            let reasons = [self.unusable.take(), why];
            let reasons: Vec<String> = reasons.into_iter().flatten().collect();
            let reason = if reasons.is_empty() { nothing.into() } else { reasons.join("; ") };
            return Ended { heard: Vec::new(), no_report: Some(reason) };
        }
        if self.heard.len() < self.wanted.len() {
            let stopped = self.state == State::Over;
            self.problems.extend(why.or_else(|| {
                (!stopped).then(|| "the machine went off while the case ran".to_string())
            }));
            self.result(Verdict::Failed, None, now);
        } else if let Some(why) = why {
            self.complain(why);
        }
        // What came behind the last result.
        let problems = std::mem::take(&mut self.problems);
        if let Some(last) = self.heard.last_mut() {
            last.console += &self.console;
            for problem in problems {
                last.fail(format!("after its result: {problem}"));
            }
        }
        Ended { heard: self.heard, no_report: None }
    }

    fn line(&mut self, line: Line, now: Duration) {
        let text = match line {
            Line::Text(text) => text,
            // A firmware may clear the screen or draw a picture.
            _ if self.state == State::Silent => return,
            Line::Rubbish(shown) => return self.complain(format!("no text: \"{shown}\"")),
            Line::Endless(shown) => {
                return self.complain(format!("a line without end: \"{shown}\""));
            }
        };
        match self.state {
            // The firmware's last line may have no end.
            State::Silent if text.ends_with("KTAP version 1") => {
                self.state = State::Version;
                (self.bytes, self.console) = (0, String::new());
            }
            State::Silent | State::Over => {}
            State::Version => self.plan(&text, now),
            State::Running => self.running_line(text, now),
        }
    }

    fn plan(&mut self, text: &str, now: Duration) {
        let wanted = self.wanted.len();
        match text.strip_prefix("1..").and_then(|count| count.parse::<usize>().ok()) {
            Some(count) if count == wanted => {
                self.state = State::Running;
                (self.bytes, self.since) = (0, now);
            }
            Some(count) => {
                self.unusable = Some(format!(
                    "the plan is 1..{count}, but the kernel's table has {wanted} such cases: is \
                     the Image of the same build as the ELF file?"
                ));
                self.state = State::Over;
            }
            None if self.is_chatter(text) || text.is_empty() => {}
            None => {
                self.unusable = Some(format!("no plan behind the version line: {text:?}"));
                self.state = State::Over;
            }
        }
    }

    fn running_line(&mut self, text: String, now: Duration) {
        if text.trim().is_empty() || self.is_chatter(&text) {
            return;
        }
        if self.console.len() + text.len() < KEPT {
            self.console += &text;
            self.console.push('\n');
        }
        if text == "KTAP version 1" {
            let meant = self.resets && self.heard.len() == self.wanted.len();
            if !meant {
                self.complain("the machine started again".into());
            }
            self.state = State::Over;
        } else if let Some(reason) = text.strip_prefix("Bail out!") {
            self.complain(format!("the guest gave up: {}", reason.trim()));
            self.state = State::Over;
        } else if let Some(diagnostic) = text.strip_prefix('#') {
            let diagnostic = diagnostic.strip_prefix(' ').unwrap_or(diagnostic);
            self.resets |= diagnostic == RESETS;
            match ktap::figure(diagnostic, &self.figures) {
                Some(Ok(figure)) => self.figures.push(figure),
                Some(Err(problem)) => self.complain(problem),
                None => {}
            }
        } else if let Some(line) = ktap::result_line(&text) {
            self.result_line(line, &text, now);
        } else {
            self.complain(format!("neither a result nor a diagnostic: {text:?}"));
        }
    }

    /// A result: of the running case, or else of which?
    fn result_line(&mut self, line: CaseLine, text: &str, now: Duration) {
        let place = line.number.wrapping_sub(1);
        let named = self.wanted.iter().position(|case| case.name == line.name);
        let running = self.heard.len();
        match named {
            Some(named) if named == place && place == running => {
                let verdict = heard::verdict(&line.said);
                self.result(verdict, heard::reason(line.said), now);
            }
            // A case that ends the machine says so before, and if it comes back, that it did.
            Some(named) if named == place && place + 1 == running && self.ends_vm(place) => {
                let console = std::mem::take(&mut self.console);
                self.heard[place].again(&line.said, &console);
            }
            Some(named) if named == place && place < running => {
                self.heard[place].fail(format!("a second result: {text:?}"));
            }
            Some(named) if named == place => {
                let missing = format!("no result: the report goes on with {text:?}");
                while self.heard.len() < place {
                    self.problems.push(missing.clone());
                    self.result(Verdict::Failed, None, now);
                }
                let verdict = heard::verdict(&line.said);
                self.result(verdict, heard::reason(line.said), now);
            }
            // Number and name do not belong together: the line is the running case's.
            _ => {
                let wanted = self.running().map_or("nothing more".into(), |case| {
                    format!("the result {} of {}", running + 1, case.name)
                });
                self.complain(format!("{text:?} instead of {wanted}"));
                if running < self.wanted.len() {
                    self.result(heard::verdict(&line.said), None, now);
                }
            }
        }
    }

    fn ends_vm(&self, place: usize) -> bool {
        self.wanted[place].needs.contains(Needs::ENDS_VM)
    }

    /// The running case is over. With problems it has failed, whatever it says.
    fn result(&mut self, verdict: Verdict, reason: Option<String>, now: Duration) {
        let mut heard = Heard {
            verdict,
            reasons: reason.into_iter().collect(),
            console: std::mem::take(&mut self.console),
            figures: std::mem::take(&mut self.figures),
            time: now.saturating_sub(self.since),
        };
        for problem in std::mem::take(&mut self.problems) {
            heard.fail(problem);
        }
        self.heard.push(heard);
        (self.bytes, self.since) = (0, now);
    }

    fn complain(&mut self, problem: String) {
        /// More problems than these say nothing new.
        const MOST: usize = 8;
        if self.state == State::Silent || self.state == State::Version {
            self.unusable.get_or_insert(problem);
        } else if self.problems.len() < MOST {
            self.problems.push(problem);
        }
    }

    fn is_chatter(&self, text: &str) -> bool {
        self.chatter.iter().any(|pattern| glob::matches(pattern, text))
    }
}

#[cfg(test)]
mod tests;
