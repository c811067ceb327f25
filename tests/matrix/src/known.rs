//! Known differences: what a hypervisor gets wrong against the manual, in one file, by hypervisor,
//! version, case and the very words in which the case fails.
//!
//! A known difference is still a failure of that hypervisor: it is shown as one, with its
//! explanation, and does not fail the run. One that does not come any more is stale, and named.

use anyvisor_abi::glob;
use anyvisor_monitor::suite::Verdict;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The file that stands in the source.
const OURS: &str = include_str!("../known.toml");

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    #[serde(default, rename = "difference")]
    differences: Vec<Difference>,
}

/// One difference.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Whose: a pattern of ids.
    pub hypervisor: String,
    /// Of which versions: see [`Versions`].
    pub version: Versions,
    /// In which cases: a pattern.
    pub case: String,
    /// What a reason of the failure says: a pattern. Each reason must fit.
    pub text: String,
    /// What is wrong, and why we are sure of it.
    pub why: String,
    /// Where the manual says so.
    pub reference: String,
}

/// Versions: a range of the first number with dots in the line that the program prints, as in
/// `>=7.2, <9.0`; or a pattern that the whole line fits, as in `*` or `*-rc?*`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Versions {
    /// All of these hold.
    Range(Vec<(Comparison, Vec<u64>)>),
    /// The line fits.
    Pattern(String),
}

/// How a version is to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `=`: also a longer one that begins like it.
    Equal,
}

/// What is wrong with a file of differences.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// It cannot be read.
    #[error("{}: {error}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// It is not what it must be.
    #[error("{place}: {error}")]
    Form {
        /// Which, or what of it.
        place: String,
        /// The parser's reason, one line.
        error: String,
    },
}

impl Known {
    /// The differences that stand in the source.
    ///
    /// # Errors
    /// The file has a mistake (a test sees to it that it has none).
    pub fn ours() -> Result<Self, KnownError> {
        Self::parse(OURS, "tests/matrix/known.toml")
    }

    /// Those of another file.
    ///
    /// # Errors
    /// It cannot be read, or is not what it must be.
    pub fn read(path: &Path) -> Result<Self, KnownError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| KnownError::Read { path: path.into(), error })?;
        Self::parse(&text, &path.display().to_string())
    }

    fn parse(text: &str, place: &str) -> Result<Self, KnownError> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].lines().count().max(1));
            let error = error.message().replace('\n', " ");
            KnownError::Form { place: format!("{place}: line {line}"), error }
        })
    }

    /// The difference that explains a failure, if each of its reasons is explained by it.
    pub fn explain(
        &self,
        hypervisor: &str,
        version: &str,
        case: &str,
        reasons: &[String],
    ) -> Option<&Difference> {
        let fits = |difference: &&Difference| {
            difference.is_about(hypervisor, version, case)
                && !reasons.is_empty()
                && reasons.iter().all(|reason| glob::matches(&difference.text, reason))
        };
        self.differences.iter().find(fits)
    }

    /// The differences that should have come here and did not: the case has passed.
    pub fn stale(
        &self,
        hypervisor: &str,
        version: &str,
        case: &str,
        verdict: Verdict,
    ) -> Option<&Difference> {
        let about = |difference: &&Difference| difference.is_about(hypervisor, version, case);
        self.differences.iter().find(about).filter(|_| verdict == Verdict::Passed)
    }
}

impl Difference {
    fn is_about(&self, hypervisor: &str, version: &str, case: &str) -> bool {
        glob::matches(&self.hypervisor, hypervisor)
            && self.version.has(version)
            && glob::matches(&self.case, case)
    }

    /// The explanation, with the reference.
    pub fn explanation(&self) -> String {
        format!(
            "{} ({})",
            self.why.split_whitespace().collect::<Vec<_>>().join(" "),
            self.reference
        )
    }
}

impl Versions {
    /// Whether a program that says `line` of its version is meant. A range never has a program
    /// that says no number.
    pub fn has(&self, line: &str) -> bool {
        match self {
            Self::Pattern(pattern) => glob::matches(pattern, line),
            Self::Range(bounds) => number_in(line).is_some_and(|version| {
                bounds.iter().all(|(comparison, bound)| comparison.holds(&version, bound))
            }),
        }
    }
}

impl Comparison {
    /// Missing parts are zeros: 9 is 9.0.0.
    fn holds(self, version: &[u64], bound: &[u64]) -> bool {
        let length = version.len().max(bound.len());
        let padded = |parts: &[u64]| -> Vec<u64> {
            parts.iter().copied().chain(std::iter::repeat(0)).take(length).collect()
        };
        let (left, right) = (padded(version), padded(bound));
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Equal => left[..bound.len()] == *bound,
        }
    }
}

impl TryFrom<String> for Versions {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with(['<', '>', '=']) {
            return Ok(Self::Pattern(text));
        }
        let bound = |part: &str| {
            let part = part.trim();
            let signs = [
                ("<=", Comparison::LessOrEqual),
                (">=", Comparison::GreaterOrEqual),
                ("<", Comparison::Less),
                (">", Comparison::Greater),
                ("=", Comparison::Equal),
            ];
            let sign =
                signs.iter().find_map(|(sign, c)| Some((*c, part.strip_prefix(sign)?.trim())));
            let (comparison, number) =
                sign.ok_or_else(|| format!("{part:?} compares with nothing"))?;
            let parts: Option<Vec<u64>> = number.split('.').map(|part| part.parse().ok()).collect();
            let parts =
                parts.ok_or_else(|| format!("{number:?} is no version: write it as 7.2.1"))?;
            Ok::<_, String>((comparison, parts))
        };
        text.split(',').map(bound).collect::<Result<_, _>>().map(Self::Range)
    }
}

/// The first number with a dot in it: `QEMU emulator version 7.2.22 (Debian ...)`.
fn number_in(line: &str) -> Option<Vec<u64>> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    line.split(|c| !is_part(c)).find_map(|word| {
        let word = word.trim_matches('.');
        let parts: Vec<u64> = word.split('.').map_while(|part| part.parse().ok()).collect();
        (word.contains('.') && parts.len() > 1).then_some(parts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_file_is_well_formed_and_says_why_with_a_reference() {
        let known = Known::ours().unwrap();
        assert!(!known.differences.is_empty());
        for difference in &known.differences {
            let Difference { hypervisor, case, text, why, reference, .. } = difference;
            assert!(why.len() > 60 && reference.len() > 10, "{case}: {why:?}, {reference:?}");
            assert!(
                text.bytes().filter(u8::is_ascii_alphanumeric).count() > 10,
                "{case}: {text:?}"
            );
            assert!(case.contains('.') && !hypervisor.starts_with('*'), "{case}, {hypervisor}");
        }
    }

    #[test]
    fn only_the_failure_that_is_described_is_known() {
        let known = Known::parse(
            "[[difference]]\nhypervisor = \"qemu-*\"\nversion = \"<9.0\"\ncase = \"a.b\"\n\
             text = \"x is*\"\nwhy = \"because\"\nreference = \"DDI 0487\"\n",
            "test",
        )
        .unwrap();
        let line = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)";
        let explained = |hypervisor, version, case, reasons: &[&str]| {
            let reasons: Vec<String> = reasons.iter().map(|r| r.to_string()).collect();
            known.explain(hypervisor, version, case, &reasons).map(Difference::explanation)
        };
        let because = Some("because (DDI 0487)".to_string());
        assert_eq!(explained("qemu-tcg-max", line, "a.b", &["x is 1"]), because);
        assert_eq!(explained("qemu-tcg-max", line, "a.b", &["x is 1", "y is 2"]), None);
        assert_eq!(explained("qemu-tcg-max", line, "a.b", &[]), None);
        assert_eq!(explained("qemu-tcg-max", line, "a.c", &["x is 1"]), None);
        assert_eq!(explained("crosvm", line, "a.b", &["x is 1"]), None);
        assert_eq!(explained("qemu-kvm", "QEMU emulator version 9.0.1", "a.b", &["x is 1"]), None);
        let stale = |verdict| known.stale("qemu-kvm", line, "a.b", verdict).is_some();
        assert!(stale(Verdict::Passed) && !stale(Verdict::Failed) && !stale(Verdict::Skipped));
    }

    #[test]
    fn versions_are_ranges_of_the_number_or_patterns_of_the_line() {
        let has =
            |versions: &str, line| Versions::try_from(versions.to_string()).unwrap().has(line);
        let line = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)";
        for (versions, wanted) in [
            (">=7.2, <9.0", true),
            ("<7.2", false),
            ("=7.2", true),
            ("=7.2.2", false),
            (">7.2.22", false),
            ("<=7.2.22", true),
            ("<10", true),
            ("*", true),
            ("*Debian*", true),
            ("*Fedora*", false),
        ] {
            assert_eq!(has(versions, line), wanted, "{versions}");
        }
        assert!(!has("<9.0", "a development build"));
        assert!(has("=1.7", "Firecracker v1.7.0"));
        for text in ["<", ">=x", "<9, 10", "=7..2"] {
            assert!(Versions::try_from(text.to_string()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mistake_in_the_file_is_one_line_that_says_where() {
        let start = "[[difference]]\nhypervisor = \"a\"\nversion = \"*\"\ncase = \"a.b\"\n";
        for (rest, part) in [
            ("", "missing field"),
            ("text = 1\n", "line 5"),
            ("text = \"a\"\nwhy = \"b\"\nreference = \"c\"\nextra = 1\n", "unknown field"),
            ("text = \"a\nwhy", "line 6"),
        ] {
            let error = Known::parse(&format!("{start}{rest}"), "k.toml").unwrap_err().to_string();
            assert!(error.starts_with("k.toml: line ") && error.contains(part), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
