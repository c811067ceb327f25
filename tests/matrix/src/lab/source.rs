//! The line of a bug, as the source has it today: it is looked for, so no table can go stale.

use anyvisor_bugs::Bug;
use std::path::Path;

/// So many lines are shown before the bug's own and behind it.
const AROUND: usize = 4;

/// Why there is no line to show.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is not in it.
    #[error("does not hold {0}: another version of the source?")]
    Absent(String),
}

/// The number of the bug's line, from 1, and the lines around it, of which its own is marked.
///
/// # Errors
/// There is no such file below `root`, or the bug is not in it.
pub fn excerpt(root: &Path, bug: Bug) -> Result<(usize, String), SourceError> {
    let text = std::fs::read_to_string(root.join(bug.row().file))?;
    around(&text, &bug.marker()).ok_or_else(|| SourceError::Absent(bug.marker()))
}

fn around(text: &str, marker: &str) -> Option<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_word = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
    let holds =
        |line: &&str| line.match_indices(marker).any(|(at, _)| is_word(&line[at + marker.len()..]));
    let own = lines.iter().position(holds)?;
    let shown = own.saturating_sub(AROUND)..lines.len().min(own + AROUND + 1);
    let numbered = shown.map(|at| {
        let mark = if at == own { '>' } else { ' ' };
        format!("  {mark}{:5}  {}\n", at + 1, lines[at])
    });
    Some((own + 1, numbered.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_is_found_in_the_source() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for &bug in Bug::ALL {
            let (line, text) = excerpt(&root, bug).unwrap();
            let own = text.lines().find(|line| line.starts_with("  >")).unwrap();
            assert!(own.contains(&bug.marker()) && own.contains(&line.to_string()), "{own}");
        }
        assert!(excerpt(Path::new("nowhere"), Bug::FarNotSet).is_err());
    }

    #[test]
    fn a_name_that_begins_another_one_is_not_it() {
        let text = "a\nis(Bug::FarOff)\nis(Bug::Far)\n";
        assert_eq!(around(text, "Bug::Far").unwrap().0, 3);
        assert_eq!(around(text, "Bug::Fa"), None);
    }
}
