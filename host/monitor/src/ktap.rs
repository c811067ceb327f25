//! Reading a guest's report: KTAP version 1 (Documentation/dev-tools/ktap.rst of Linux).
//!
//! ```text
//! KTAP version 1
//! 1..3
//! ok 1 exception.svc_el1
//! # a diagnostic belongs to the result that follows it
//! # figure latency 1200 ns
//! not ok 2 exception.data_abort # reason
//! ok 3 virq.irq_unmasked # SKIP needs services
//! Bail out! reason
//! ```
//!
//! A diagnostic that begins with the word `figure` is a measurement: a name, a value and a unit, and
//! nothing else.
//!
//! A number may come twice: a case whose last act is to end the machine reports its success
//! before; if it comes back it reports its failure too, and the later line counts.

use crate::timeline::Figure;

/// What a guest said of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// `ok`.
    Ok,
    /// `not ok`, with the text after the `#`.
    NotOk(String),
    /// `ok ... # SKIP reason`.
    Skip(String),
}

/// A result line.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseLine {
    /// Its number in the plan, from 1.
    pub number: usize,
    /// The case's name.
    pub name: String,
    /// The result.
    pub said: Said,
    /// The diagnostics before it, without their `# `.
    pub diagnostics: Vec<String>,
    /// The figures before it.
    pub figures: Vec<Figure>,
}

/// A whole report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuestReport {
    /// The results, in order; of a number that came twice, the later one.
    pub results: Vec<CaseLine>,
    /// Diagnostics after the last result.
    pub trailing: Vec<String>,
    /// The reason of a `Bail out!`.
    pub bail: Option<String>,
    /// Where the text breaks the format. Empty for a report that is well-formed and complete.
    pub problems: Vec<String>,
}

impl GuestReport {
    /// The result of the case `name`.
    pub fn result(&self, name: &str) -> Option<&CaseLine> {
        self.results.iter().find(|line| line.name == name)
    }
}

/// Reads a report out of what a guest printed. Nothing is refused; what does not fit is a problem.
pub fn parse(text: &str) -> GuestReport {
    let mut report = GuestReport::default();
    let (mut version, mut plan) = (false, None);
    let mut figures = Vec::new();
    let lines = text.lines().map(|line| line.trim_end_matches('\r'));
    for line in lines.filter(|line| !line.trim().is_empty()) {
        if line == "KTAP version 1" {
            if version {
                report.problems.push("a second version line".into());
            }
            version = true;
        } else if !version {
            report.problems.push(format!("before the version line: {line:?}"));
        } else if let Some(reason) = line.strip_prefix("Bail out!") {
            report.bail = Some(reason.trim().into());
        } else if let Some(diagnostic) = line.strip_prefix('#') {
            let diagnostic = diagnostic.strip_prefix(' ').unwrap_or(diagnostic);
            match figure(diagnostic, &figures) {
                Some(Ok(figure)) => figures.push(figure),
                Some(Err(problem)) => report.problems.push(problem),
                None => report.trailing.push(diagnostic.into()),
            }
        } else if let Some(count) = line.strip_prefix("1..").and_then(|n| n.parse::<usize>().ok()) {
            if plan.replace(count).is_some() {
                report.problems.push("a second plan".into());
            }
        } else if let Some(mut result) = result_line(line) {
            result.figures = std::mem::take(&mut figures);
            add(&mut report, result);
        } else {
            report.problems.push(format!("neither a result nor a diagnostic: {line:?}"));
        }
    }
    match plan {
        _ if !version => report.problems.push("no line \"KTAP version 1\"".into()),
        None => report.problems.push("no plan (1..N)".into()),
        Some(n) if n != report.results.len() => {
            report.problems.push(format!("the plan is 1..{n}, results: {}", report.results.len()));
        }
        Some(_) => {}
    }
    for Figure { name, .. } in figures {
        report.problems.push(format!("no result behind the figure {name}"));
    }
    report
}

/// A figure, if the diagnostic is meant as one; two of a case have two names.
///
/// # Errors
/// What is wrong with it, as text.
pub fn figure(diagnostic: &str, before: &[Figure]) -> Option<Result<Figure, String>> {
    let (word, rest) = diagnostic.split_once(' ').unwrap_or((diagnostic, ""));
    (word == "figure").then(|| {
        let figure: Figure = rest.parse().map_err(|error| format!("{error}"))?;
        if before.iter().any(|other| other.name == figure.name) {
            return Err(format!("a second figure {}", figure.name));
        }
        Ok(figure)
    })
}

fn add(report: &mut GuestReport, mut result: CaseLine) {
    result.diagnostics = std::mem::take(&mut report.trailing);
    let expected = report.results.len() + 1;
    match report.results.last_mut() {
        Some(last) if last.number == result.number && last.name == result.name => {
            last.diagnostics.append(&mut result.diagnostics);
            last.figures.append(&mut result.figures);
            last.said = result.said;
        }
        _ => {
            if result.number != expected {
                let CaseLine { number, name, .. } = &result;
                report.problems.push(format!("{name} has number {number}, not {expected}"));
            }
            report.results.push(result);
        }
    }
}

/// `ok N name`, `not ok N name # reason`, `ok N name # SKIP reason`.
pub fn result_line(line: &str) -> Option<CaseLine> {
    let (ok, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok ")?),
    };
    let (head, comment) = match rest.split_once('#') {
        Some((head, comment)) => (head.trim(), Some(comment.trim())),
        None => (rest.trim(), None),
    };
    let (number, name) = head.split_once(' ')?;
    let said = match (ok, comment) {
        (true, Some(comment)) if comment.starts_with("SKIP") => {
            Said::Skip(comment["SKIP".len()..].trim().into())
        }
        (true, _) => Said::Ok,
        (false, reason) => Said::NotOk(reason.unwrap_or_default().into()),
    };
    let name = name.trim().to_string();
    let number = number.parse().ok()?;
    Some(CaseLine { number, name, said, diagnostics: Vec::new(), figures: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_report_is_read() {
        let report = parse(
            "KTAP version 1\n1..3\nok 1 a.b\r\n# x is 1\n# y is 2\nnot ok 2 a.c # x != y\n\
             ok 3 d.e # SKIP needs services\n# 1 failed\n",
        );
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!(report.results.len(), 3);
        assert_eq!(report.result("a.b").unwrap().said, Said::Ok);
        let failed = report.result("a.c").unwrap();
        assert_eq!(failed.said, Said::NotOk("x != y".into()));
        assert_eq!(failed.diagnostics, ["x is 1", "y is 2"]);
        assert_eq!(report.result("d.e").unwrap().said, Said::Skip("needs services".into()));
        assert_eq!(report.trailing, ["1 failed"]);
    }

    #[test]
    fn figures_belong_to_the_result_behind_them() {
        let report = parse(
            "KTAP version 1\n1..2\n# figure latency 1200 ns\n# figure drift -0.5 ppm\n# x\n\
             ok 1 a.b\n# figures are no figure\nok 2 a.c\n",
        );
        assert_eq!(report.problems, Vec::<String>::new());
        let [first, second] = &report.results[..] else { panic!("two results") };
        let figures: Vec<String> = first.figures.iter().map(Figure::to_string).collect();
        assert_eq!(figures, ["latency 1200 ns", "drift -0.5 ppm"]);
        assert_eq!(first.diagnostics, ["x"]);
        assert_eq!((second.figures.len(), second.diagnostics.len()), (0, 1));
    }

    #[test]
    fn of_a_number_that_comes_twice_the_later_line_counts() {
        let report = parse("KTAP version 1\n1..1\nok 1 off\n# came back\nnot ok 1 off # why\n");
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!(report.result("off").unwrap().said, Said::NotOk("why".into()));
    }

    #[test]
    fn what_breaks_the_format_is_named() {
        for (text, problem) in [
            ("", "no line \"KTAP version 1\""),
            ("hello\nKTAP version 1\n1..0\n", "before the version line: \"hello\""),
            ("KTAP version 1\n", "no plan"),
            ("KTAP version 1\n1..2\nok 1 a\n", "the plan is 1..2, results: 1"),
            ("KTAP version 1\n1..1\nok 2 a\n", "a has number 2, not 1"),
            ("KTAP version 1\n1..1\nok 1 a\nhm\n", "neither a result nor a diagnostic: \"hm\""),
            ("KTAP version 1\n1..0\n1..0\n", "a second plan"),
            ("KTAP version 1\n1..1\nok x a\n", "neither"),
            ("KTAP version 1\n1..1\n# figure a 1\nok 1 a\n", "a figure has a name"),
            ("KTAP version 1\n1..1\n# figure\nok 1 a\n", "a figure has a name"),
            ("KTAP version 1\n1..1\n# figure a x ns\nok 1 a\n", "a figure's value"),
            ("KTAP version 1\n1..1\nok 1 a\n# figure a 1 ns\n", "no result behind the figure a"),
            (
                "KTAP version 1\n1..1\n# figure a 1 ns\n# figure a 2 ns\nok 1 a\n",
                "a second figure a",
            ),
        ] {
            let problems = parse(text).problems;
            assert!(problems.iter().any(|p| p.contains(problem)), "{text:?}: {problems:?}");
        }
        assert_eq!(parse("KTAP version 1\n1..1\nBail out! no MMU\n").bail.unwrap(), "no MMU");
    }
}
