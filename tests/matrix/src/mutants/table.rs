//! What is printed of the bugs: a table by area, or JSON lines.

use super::watch::{Finding, How};
use super::{Fate, Format, Mutant};
use anyvisor_bugs::Bug;
use serde::Serialize;
use std::io::{Stdout, Write};
use std::time::Duration;

/// So many names of cases are shown of a bug that more have found.
const SHOWN: usize = 3;

/// Names of cases, with how if it was not by a result, and how many more there are.
pub fn names(found: &[Finding]) -> String {
    let shown = found.iter().take(SHOWN).map(|finding| {
        let machine = finding.machine.map(|flags| format!(" {flags}")).unwrap_or_default();
        match &finding.how {
            How::Failed { .. } => format!("{}{machine}", finding.case),
            how => format!("{}{machine} ({how})", finding.case),
        }
    });
    let more = if found.len() > SHOWN { ", ..." } else { "" };
    shown.collect::<Vec<_>>().join(", ") + more
}

/// Prints bugs as they are done.
pub struct Report<W> {
    out: W,
    format: Format,
    area: &'static str,
    width: usize,
}

#[derive(Serialize)]
struct Sum {
    total: usize,
    caught: usize,
    unseen: usize,
    survived: usize,
    seen: usize,
    time_ns: u64,
}

impl Report<Stdout> {
    /// A report on the standard output.
    pub fn new(format: Format, cases: usize, bugs: &[Bug]) -> std::io::Result<Self> {
        let mut report = Self::to(std::io::stdout(), format, bugs);
        if format == Format::Pretty {
            let text = format!("without a bug all of {cases} cases pass; {} bugs", bugs.len());
            writeln!(report.out, "{text}")?;
        }
        Ok(report)
    }
}

impl<W: Write> Report<W> {
    /// A report somewhere.
    pub fn to(out: W, format: Format, bugs: &[Bug]) -> Self {
        let width = bugs.iter().map(|bug| bug.row().name.len()).max().unwrap_or(0);
        Self { out, format, area: "", width }
    }

    /// One bug.
    pub fn mutant(&mut self, mutant: &Mutant) -> std::io::Result<()> {
        if self.format == Format::Json {
            return writeln!(self.out, "{}", serde_json::to_string(mutant)?);
        }
        if mutant.area != self.area {
            self.area = mutant.area;
            writeln!(self.out, "{}", mutant.area)?;
        }
        let (width, cases) = (self.width, &mutant.cases);
        let count = format!("{}{}", cases.len(), if mutant.complete { "" } else { "+" });
        let what = match mutant.fate {
            Fate::Caught => format!("{count:>4}  {}", names(cases)),
            Fate::Unseen => format!("   -  cannot be seen: {}", mutant.unseen.unwrap_or_default()),
            Fate::Survived => "   0  SURVIVED: no case fails".into(),
            Fate::Seen => {
                format!("{count:>4}  SEEN, though said to be invisible: {}", names(cases))
            }
        };
        writeln!(self.out, "  {:width$} {what}", mutant.bug)?;
        self.out.flush()
    }

    /// The sum.
    pub fn end(&mut self, all: &[Mutant], time: Duration) -> std::io::Result<()> {
        let count = |fate| all.iter().filter(|mutant| mutant.fate == fate).count();
        let sum = Sum {
            total: all.len(),
            caught: count(Fate::Caught),
            unseen: count(Fate::Unseen),
            survived: count(Fate::Survived),
            seen: count(Fate::Seen),
            time_ns: time.as_nanos() as u64,
        };
        if self.format == Format::Json {
            return writeln!(self.out, "{}", serde_json::to_string(&sum)?);
        }
        let Sum { total, caught, unseen, survived, seen, .. } = sum;
        let seconds = time.as_secs_f64();
        let visible = total - unseen;
        writeln!(
            self.out,
            "{caught} of {visible} bugs caught, {unseen} more that no guest can see, in {seconds:.1} s"
        )?;
        if survived > 0 {
            writeln!(
                self.out,
                "{survived} survived: the suite lacks a case, or the table of bugs a reason why no guest can see it"
            )?;
        }
        if seen > 0 {
            writeln!(self.out, "{seen} seen: the table's reason why no guest could is wrong")?;
        }
        if all.iter().any(|mutant| !mutant.complete) {
            writeln!(
                self.out,
                "+: the run was stopped when so many cases had failed (--stop-after)"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(case: &str, how: How) -> Finding {
        Finding { case: case.into(), how, machine: None }
    }

    fn mutant(fate: Fate, cases: Vec<Finding>, complete: bool) -> Mutant {
        let (bug, area) = ("far-not-set", "exceptions");
        Mutant { bug, area, fate, unseen: Some("a reason"), cases, complete, time_ns: 5 }
    }

    fn printed(mutants: &[Mutant]) -> String {
        let text = Vec::new();
        let mut report = Report::to(text, Format::Pretty, &[Bug::FarNotSet]);
        mutants.iter().for_each(|mutant| report.mutant(mutant).unwrap());
        report.end(mutants, Duration::from_millis(1500)).unwrap();
        String::from_utf8(report.out).unwrap()
    }

    #[test]
    fn a_bug_is_shown_with_the_cases_that_found_it() {
        let failed = How::Failed { reasons: vec!["x".into()] };
        let cases = vec![
            finding("a.b", failed.clone()),
            finding("a.c", How::TimedOut),
            finding("a.d", failed.clone()),
            finding("a.e", failed),
        ];
        let text = printed(&[mutant(Fate::Caught, cases, false)]);
        assert_eq!(
            text,
            "exceptions\n  far-not-set   4+  a.b, a.c (did not end), a.d, ...\n\
             1 of 1 bugs caught, 0 more that no guest can see, in 1.5 s\n\
             +: the run was stopped when so many cases had failed (--stop-after)\n"
        );
    }

    #[test]
    fn survivors_and_wrong_reasons_are_named() {
        let text = printed(&[
            mutant(Fate::Survived, vec![], true),
            mutant(Fate::Unseen, vec![], true),
            mutant(Fate::Seen, vec![finding("a.b", How::Hung)], true),
        ]);
        assert!(text.contains("far-not-set    0  SURVIVED: no case fails\n"), "{text}");
        assert!(text.contains("cannot be seen: a reason\n"), "{text}");
        assert!(
            text.contains("SEEN, though said to be invisible: a.b (hung the engine)"),
            "{text}"
        );
        assert!(text.contains("\n0 of 2 bugs caught, 1 more that no guest can see"), "{text}");
        assert!(text.contains("\n1 survived: ") && text.contains("\n1 seen: "), "{text}");
    }
}
