//! What a person sees while something takes long.
//!
//! On a terminal a step is a spinner or a bar that ends in one line with the time it took; a
//! step that had nothing to do leaves no trace. Elsewhere (a CI log) each event is a plain line.

use console::style;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// All bars of this process: a step may start another one within it.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// A step that took less than this found its work done already and needs no line.
const WORTH_A_LINE: Duration = Duration::from_millis(400);

/// One step, from its start to [`Step::done`].
pub struct Step {
    name: String,
    bar: ProgressBar,
    terminal: bool,
    started: Instant,
}

impl Step {
    /// Starts a step.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let terminal = console::Term::stderr().is_term();
        let bar = BARS.add(ProgressBar::no_length());
        bar.set_style(template("{spinner:.cyan} {prefix:.bold} {wide_msg:.dim} {elapsed:>5}"));
        bar.set_prefix(name.clone());
        if terminal {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { name, bar, terminal, started: Instant::now() }
    }

    /// Shows what the step is busy with.
    pub fn message(&self, text: &str) {
        if self.terminal {
            self.bar.set_message(console::strip_ansi_codes(text).trim().to_owned());
        } else {
            eprintln!("  {}: {}", self.name, text.trim());
        }
    }

    /// Prints a line that stays.
    pub fn print(&self, line: &str) {
        BARS.suspend(|| eprintln!("{line}"));
    }

    /// Turns the spinner into a bar over this many bytes.
    pub fn bytes(&self, total: u64) {
        self.message(&format!("{} to go", HumanBytes(total)));
        self.bar.set_length(total);
        self.bar.set_style(template(
            "{spinner:.cyan} {prefix:.bold} {bar:30.cyan/dim} {bytes}/{total_bytes} \
             {bytes_per_sec:.dim} {wide_msg:.dim} {elapsed:>5}",
        ));
    }

    /// Turns the spinner into a bar over this many things.
    pub fn count(&self, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(0);
        self.bar.set_style(template(
            "{spinner:.cyan} {prefix:.bold} {bar:30.cyan/dim} {pos}/{len} {wide_msg:.dim} \
             {elapsed:>5}",
        ));
    }

    /// Moves the bar.
    pub fn position(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Ends the step with a line that says what came of it, and how long it took.
    pub fn done(self, outcome: &str) {
        self.end(&format!("{} {} {outcome} {}", style("ok").green(), self.name, self.took()));
    }

    /// Like [`Step::done`], but says nothing when there was nothing to do.
    pub fn done_if_long(self, outcome: &str) {
        if self.started.elapsed() >= WORTH_A_LINE {
            self.done(outcome);
        } else {
            self.bar.finish_and_clear();
        }
    }

    /// Ends the step that cannot be taken here, by name and with the reason.
    pub fn skipped(self, reason: &str) {
        let reason = reason.replace('\n', "\n     ");
        self.end(&format!("{} {}: {reason}", style("skipped").yellow(), self.name));
    }

    /// Ends the step that failed; the error itself is printed by whoever gets it.
    pub fn failed(self) {
        self.end(&format!("{} {} {}", style("failed").red(), self.name, self.took()));
    }

    fn took(&self) -> impl std::fmt::Display + use<> {
        style(format!("({:.1} s)", self.started.elapsed().as_secs_f64())).dim()
    }

    fn end(&self, line: &str) {
        self.bar.finish_and_clear();
        self.print(line);
    }
}

fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
