//! The report: which cases agree with what is expected, and what the others saw.
//!
//! Plain Markdown: a person reads it, and can put it into a mail or an issue as it is.

use std::fmt;
use std::time::Duration;

/// How much of what a case printed is told.
const LINES: usize = 12;

/// A case of the test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    /// Where its expectation comes from: `header`, `observed` or `ours`.
    pub source: String,
    /// It does what the framework's documentation forbids; a Mac is not asked to pass it.
    pub forbidden: bool,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Agrees,
    /// Something else was seen than expected.
    Disagrees {
        seen: String,
    },
    /// The process ended in the middle of it.
    Crashed {
        how: String,
        seen: String,
    },
    /// It did not end.
    Hung {
        after: Duration,
        seen: String,
    },
}

/// A case and how it ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub case: Case,
    pub end: End,
}

/// All of them, and the machine that they ran on.
#[derive(Debug)]
pub struct Report {
    pub facts: Vec<(&'static str, String)>,
    pub outcomes: Vec<Outcome>,
}

/// The cases in what the test program lists (`[source] name: test`), all and the ignored ones.
pub fn cases(all: &str, ignored: &str) -> Vec<Case> {
    let parse = |line: &str| {
        let (source, name) = line.strip_prefix('[')?.strip_suffix(": test")?.split_once("] ")?;
        Some(Case { name: name.to_owned(), source: source.to_owned(), forbidden: false })
    };
    let ignored: Vec<_> = ignored.lines().filter_map(parse).collect();
    let mark = |case: Case| Case { forbidden: ignored.contains(&case), ..case };
    all.lines().filter_map(parse).map(mark).collect()
}

/// Whether the test program says that it ran one case: a name that it does not know is no
/// failure to it.
pub fn passed_one(out: &str) -> bool {
    out.lines().any(|line| line.starts_with("test result: ok. 1 passed; 0 failed;"))
}

/// What a case said, out of its program's output: the panic's own words, or else the message
/// among the runner's failures, or else the end of what there is.
pub fn what_was_seen(out: &str, err: &str) -> String {
    let panic = err.find("panicked at ").map(|at| &err[at..]);
    let failures = || out.split_once("---- ").map(|(_, rest)| rest);
    let message = failures().map(|rest| rest.split("\nfailures:").next().unwrap_or(rest));
    let text = panic.or(message).unwrap_or(if err.trim().is_empty() { out } else { err });
    let noise = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: run with");
    let lines: Vec<_> = text.lines().filter(noise).collect();
    let (told, left) = lines.split_at(lines.len().min(LINES));
    let mut seen = told.join("\n");
    if !left.is_empty() {
        seen += &format!("\n({} more lines)", left.len());
    }
    seen
}

impl End {
    /// In a word, and in what was seen.
    fn words(&self) -> (String, &str) {
        match self {
            Self::Agrees => ("agrees".into(), ""),
            Self::Disagrees { seen } => ("disagrees".into(), seen),
            Self::Crashed { how, seen } => (format!("crashed: {how}"), seen),
            Self::Hung { after, seen } => (format!("hung: stopped after {after:?}"), seen),
        }
    }
}

impl Outcome {
    fn disagrees(&self) -> bool {
        self.end != End::Agrees && !self.case.forbidden
    }
}

impl Report {
    /// Whether a case that must pass did not.
    pub fn disagrees(&self) -> bool {
        self.outcomes.iter().any(Outcome::disagrees)
    }

    /// How many agree.
    pub fn summary(&self) -> String {
        let count = |which: &dyn Fn(&Outcome) -> bool| {
            self.outcomes.iter().filter(|outcome| which(outcome)).count()
        };
        let agree = |outcome: &Outcome| outcome.end == End::Agrees;
        format!(
            "{} cases: {} agree, {} disagree; of those that the documentation forbids {} pass, \
             {} do not",
            self.outcomes.len(),
            count(&|o| agree(o) && !o.case.forbidden),
            count(&Outcome::disagrees),
            count(&|o| agree(o) && o.case.forbidden),
            count(&|o| !agree(o) && o.case.forbidden),
        )
    }

    /// The disagreements, for a terminal: one line each.
    pub fn disagreements(&self) -> String {
        let disagree = self.outcomes.iter().filter(|outcome| outcome.disagrees());
        let line = |outcome: &Outcome| {
            let (end, _) = outcome.end.words();
            format!("  {} [{}] {end}\n", outcome.case.name, outcome.case.source)
        };
        disagree.map(line).collect()
    }

    fn section(
        &self,
        f: &mut fmt::Formatter<'_>,
        title: &str,
        which: impl Fn(&Outcome) -> bool,
    ) -> fmt::Result {
        writeln!(f, "\n## {title}")?;
        let mut none = true;
        for Outcome { case, end } in self.outcomes.iter().filter(|outcome| which(outcome)) {
            none = false;
            let (end, seen) = end.words();
            writeln!(f, "\n### {}\n\n- expected by: {}\n- {end}\n", case.name, case.source)?;
            // Indented by four: no output can end it.
            seen.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        if none { writeln!(f, "\nNone.") } else { Ok(()) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# The contract of Hypervisor.framework's API, case by case\n")?;
        for (name, fact) in &self.facts {
            writeln!(f, "- {name}: {fact}")?;
        }
        writeln!(f, "- {}", self.summary())?;
        writeln!(
            f,
            "\nA case is named by what it claims. Its expectation is that of Apple's headers or \
             the Arm ARM (header),\nof a public program that relies on it (observed), or nobody's \
             but ours (ours). In what a case says\n`left` is what was seen, `right` what was \
             expected."
        )?;
        self.section(f, "Disagreements", Outcome::disagrees)?;
        self.section(f, "Not passed, but forbidden by the documentation", |outcome| {
            outcome.case.forbidden && outcome.end != End::Agrees
        })?;
        writeln!(f, "\n## All cases\n")?;
        for Outcome { case, end } in &self.outcomes {
            let forbidden = if case.forbidden { " (forbidden)" } else { "" };
            writeln!(f, "- {} [{}]{forbidden}: {}", case.name, case.source, end.words().0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, source: &str, forbidden: bool, end: End) -> Outcome {
        Outcome { case: Case { name: name.into(), source: source.into(), forbidden }, end }
    }

    fn report() -> Report {
        let seen = "panicked at x.rs:1:2:\n  left: 5\n right: 4".to_owned();
        Report {
            facts: vec![("machine", "Mac14,2".into()), ("macOS", "15.1 (24B83)".into())],
            outcomes: vec![
                outcome("exits.hvc_0", "observed", false, End::Agrees),
                outcome("timer.mask", "ours", false, End::Disagrees { seen }),
                outcome(
                    "pointers.get_reg",
                    "ours",
                    true,
                    End::Crashed { how: "signal: 11".into(), seen: String::new() },
                ),
                outcome(
                    "running.loop",
                    "header",
                    false,
                    End::Hung { after: Duration::from_secs(120), seen: "running 1 test".into() },
                ),
            ],
        }
    }

    #[test]
    fn the_list_tells_source_and_what_a_mac_is_not_asked() {
        let all = "[header] a.one: test\n[ours] b.two: test\n\n2 tests, 0 benchmarks\n";
        let cases = cases(all, "[ours] b.two: test\n");
        let told: Vec<_> =
            cases.iter().map(|c| (c.name.as_str(), c.source.as_str(), c.forbidden)).collect();
        assert_eq!(told, [("a.one", "header", false), ("b.two", "ours", true)]);
    }

    #[test]
    fn a_program_that_ran_nothing_has_not_passed() {
        let result = |n| format!("running {n} test\n\ntest result: ok. {n} passed; 0 failed; 3\n");
        assert!(passed_one(&result(1)));
        assert!(!passed_one(&result(0)));
    }

    #[test]
    fn the_panic_is_what_was_seen() {
        let err = "warning: x\nthread '<unnamed>' panicked at a.rs:7:9:\nassertion failed\n  \
                   left: 1\n right: 2\nnote: run with `RUST_BACKTRACE=1`\n";
        let seen = what_was_seen("running 1 test", err);
        assert_eq!(seen, "panicked at a.rs:7:9:\nassertion failed\n  left: 1\n right: 2");
        let out =
            "test x\n\nfailures:\n\n---- a.b ----\nthe case left a VM\n\n\nfailures:\n    a.b\n";
        assert_eq!(what_was_seen(out, ""), "a.b ----\nthe case left a VM");
        let long: String = (0..40).map(|n| format!("line {n}\n")).collect();
        assert!(what_was_seen("", &long).ends_with("line 11\n(28 more lines)"));
    }

    #[test]
    fn only_what_must_pass_disagrees() {
        let report = report();
        assert!(report.disagrees());
        assert_eq!(
            report.summary(),
            "4 cases: 1 agree, 2 disagree; of those that the documentation forbids 0 pass, 1 do not"
        );
        let expected = "  timer.mask [ours] disagrees\n  running.loop [header] hung: stopped after \
                        120s\n";
        assert_eq!(report.disagreements(), expected);
    }

    #[test]
    fn the_file_tells_machine_source_and_what_was_seen() {
        let text = report().to_string();
        for part in [
            "- machine: Mac14,2\n- macOS: 15.1 (24B83)\n",
            "## Disagreements\n\n### timer.mask\n\n- expected by: ours\n- disagrees\n\n    \
             panicked at x.rs:1:2:\n      left: 5\n     right: 4\n",
            "### running.loop\n\n- expected by: header\n- hung: stopped after 120s\n\n    running",
            "documentation\n\n### pointers.get_reg\n\n- expected by: ours\n- crashed: signal: 11\n",
            "- exits.hvc_0 [observed]: agrees\n",
            "- pointers.get_reg [ours] (forbidden): crashed: signal: 11\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        let fine = Report { facts: Vec::new(), outcomes: Vec::new() }.to_string();
        assert!(fine.contains("## Disagreements\n\nNone.\n"), "{fine}");
    }
}
