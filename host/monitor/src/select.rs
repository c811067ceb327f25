//! Which cases: names and patterns, and what was probably meant by one that fits none.

use crate::image::CaseInfo;
use anyvisor_abi::glob;

/// How many names a hint gives.
const HINTS: usize = 3;

/// A pattern that fits no case.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no case fits {pattern:?}; nearest: {}", .nearest.join(", "))]
pub struct NoSuchCase {
    /// What was asked for.
    pub pattern: String,
    /// The names that are most like it.
    pub nearest: Vec<String>,
}

/// The cases that any of the patterns fits, in the kernel's order; all of them without a pattern.
///
/// # Errors
/// A pattern that fits none.
pub fn select<'a>(
    cases: &'a [CaseInfo],
    patterns: &[String],
) -> Result<Vec<&'a CaseInfo>, NoSuchCase> {
    for pattern in patterns {
        if !cases.iter().any(|case| glob::matches(pattern, &case.name)) {
            let pattern = pattern.clone();
            return Err(NoSuchCase { nearest: nearest(cases, &pattern), pattern });
        }
    }
    let chosen = |case: &&CaseInfo| {
        patterns.is_empty() || patterns.iter().any(|p| glob::matches(p, &case.name))
    };
    Ok(cases.iter().filter(chosen).collect())
}

fn nearest(cases: &[CaseInfo], pattern: &str) -> Vec<String> {
    // A part of the full name is a better hint than a similar spelling.
    let mut scored: Vec<(bool, usize, &str)> = cases
        .iter()
        .map(|case| (!case.name.contains(pattern), distance(pattern, &case.name), &*case.name))
        .collect();
    scored.sort_unstable();
    scored.iter().take(HINTS).map(|(_, _, name)| (*name).to_string()).collect()
}

/// How many insertions, deletions and replacements of characters lead from `a` to `b`
/// (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyvisor_abi::case::Needs;

    fn cases() -> Vec<CaseInfo> {
        ["exception.svc_el1", "exception.brk", "mmu.granule_4k", "timer.virtual_fires"]
            .map(|name| CaseInfo {
                name: name.into(),
                claim: String::new(),
                reference: String::new(),
                needs: Needs::NONE,
                lesson: String::new(),
            })
            .into()
    }

    fn names(patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).into()).collect();
        select(&cases(), &patterns).unwrap().iter().map(|case| case.name.clone()).collect()
    }

    #[test]
    fn patterns_choose_cases_in_the_kernels_order() {
        assert_eq!(names(&[]).len(), 4);
        assert_eq!(
            names(&["mmu.granule_4k", "exception.*"]),
            ["exception.svc_el1", "exception.brk", "mmu.granule_4k"]
        );
    }

    #[test]
    fn a_pattern_that_fits_none_gets_the_nearest_names() {
        let error = |p: &str| select(&cases(), &[p.to_string()]).unwrap_err().nearest;
        assert_eq!(error("exception.svc_el2")[0], "exception.svc_el1");
        assert_eq!(error("granule")[0], "mmu.granule_4k");
        assert_eq!(error("").len(), 3);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
