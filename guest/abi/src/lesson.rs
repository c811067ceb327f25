//! Lessons: what stands above a case in the kernel's source, as a part of its ELF file.
//!
//! The section [`SECTION`] is not loaded; it takes no address and no byte of the flat Image. It
//! holds one record after another, in the order of the names:
//!
//! ```text
//!   NAME \0 TEXT \0     NAME \0 TEXT \0     ...
//!   |       |
//!   |       +-- Markdown, as the lines of the doc comment are: each with its line feed, and with
//!   |           the blank that stands between `///` and the word ([`lines`] takes it off)
//!   +---------- `group.name`, as in the case's record (see [`crate::case`])
//! ```

use crate::case::NAME_SIZE;

/// The section that holds the lessons.
pub const SECTION: &str = ".lessons";

/// The bytes of a text, for a static that is nothing but them; `N` must be the text's length.
pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let text = text.as_bytes();
    assert!(text.len() == N, "the text has another length");
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = text[i];
        i += 1;
    }
    out
}

/// A lesson as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LessonView<'a> {
    /// The case's name.
    pub name: &'a str,
    /// The doc comment, see [`lines`].
    pub text: &'a str,
}

/// Why a section does not hold lessons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LessonError {
    /// The section ends inside record `index`: its name or its text has no zero byte behind it.
    Cut {
        /// Which record.
        index: usize,
    },
    /// The name or the text of record `index` is not UTF-8.
    Text {
        /// Which record.
        index: usize,
    },
    /// The name of record `index` fits no case record: it is empty, or too long.
    Name {
        /// Which record.
        index: usize,
        /// Its length in bytes.
        size: usize,
    },
    /// The text of record `index` is blank.
    Blank {
        /// Which record.
        index: usize,
    },
}

impl core::fmt::Display for LessonError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Cut { index } => write!(f, "the section ends inside lesson {index}"),
            Self::Text { index } => write!(f, "lesson {index} is not UTF-8"),
            Self::Name { index, size } => {
                write!(f, "the name of lesson {index} has {size} bytes, not 1 to {NAME_SIZE}")
            }
            Self::Blank { index } => write!(f, "lesson {index} is blank"),
        }
    }
}

impl core::error::Error for LessonError {}

/// Reads the records of a `.lessons` section.
///
/// # Errors
/// A record that is cut, not UTF-8, without a fitting name or without a text, by its index.
pub fn parse(section: &[u8]) -> Result<impl Iterator<Item = LessonView<'_>>, LessonError> {
    for lesson in records(section) {
        lesson?;
    }
    Ok(records(section).filter_map(Result::ok))
}

/// The records, up to the first that is no good.
fn records(section: &[u8]) -> impl Iterator<Item = Result<LessonView<'_>, LessonError>> {
    let mut rest = section;
    let mut index = 0;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = record(index, &mut rest);
        if record.is_err() {
            rest = &[];
        }
        index += 1;
        Some(record)
    })
}

fn record<'a>(index: usize, rest: &mut &'a [u8]) -> Result<LessonView<'a>, LessonError> {
    let mut field = || {
        let end = rest.iter().position(|&b| b == 0).ok_or(LessonError::Cut { index })?;
        let (field, behind) = rest.split_at(end);
        *rest = &behind[1..];
        core::str::from_utf8(field).map_err(|_| LessonError::Text { index })
    };
    let (name, text) = (field()?, field()?);
    if !(1..=NAME_SIZE).contains(&name.len()) {
        return Err(LessonError::Name { index, size: name.len() });
    }
    if text.trim().is_empty() {
        return Err(LessonError::Blank { index });
    }
    Ok(LessonView { name, text })
}

/// The lines of a doc comment without the margin that all of them have, which is how rustdoc reads
/// it: what is indented deeper stays so.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let written = |line: &&str| !line.trim().is_empty();
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let margin = text.lines().filter(written).map(indent).min().unwrap_or(0);
    text.lines().map(move |line| line.get(margin..).unwrap_or("").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_in_their_order() {
        let section = b"a.b\0 One.\n\0c.d\0 Two,\n lines.\n\0";
        let mut lessons = parse(section).unwrap();
        assert_eq!(lessons.next(), Some(LessonView { name: "a.b", text: " One.\n" }));
        assert_eq!(lessons.next(), Some(LessonView { name: "c.d", text: " Two,\n lines.\n" }));
        assert_eq!(lessons.next(), None);
        assert_eq!(parse(b"").unwrap().next(), None);
    }

    #[test]
    fn what_is_malformed_is_refused_by_its_index() {
        let long = [&[b'a'; NAME_SIZE + 1], b"\0text\0".as_slice()].concat();
        for (section, error) in [
            (b"a".as_slice(), LessonError::Cut { index: 0 }),
            (b"a\0", LessonError::Cut { index: 0 }),
            (b"a\0text", LessonError::Cut { index: 0 }),
            (b"a\0text\0b", LessonError::Cut { index: 1 }),
            (b"a\0text\0b\0text", LessonError::Cut { index: 1 }),
            (b"\xff\0text\0", LessonError::Text { index: 0 }),
            (b"a\0text\0b\0\xc3\0", LessonError::Text { index: 1 }),
            (b"\0text\0", LessonError::Name { index: 0, size: 0 }),
            (&long, LessonError::Name { index: 0, size: NAME_SIZE + 1 }),
            (b"a\0\0", LessonError::Blank { index: 0 }),
            (b"a\0text\0b\0 \n\n\0", LessonError::Blank { index: 1 }),
        ] {
            assert_eq!(parse(section).map(drop), Err(error), "{section:?}");
        }
    }

    #[test]
    fn the_margin_of_a_comment_goes_and_deeper_indents_stay() {
        let mut all = lines(" One.\n\n     picture --->\n - item  \n");
        for line in ["One.", "", "    picture --->", "- item"] {
            assert_eq!(all.next(), Some(line));
        }
        assert_eq!(all.next(), None);
        assert_eq!(lines("none\n at all\n").next(), Some("none"));
    }

    #[test]
    fn a_static_is_nothing_but_its_text() {
        const TEXT: &str = "a.b\0 text\n\0";
        assert_eq!(bytes::<{ TEXT.len() }>(TEXT), *b"a.b\0 text\n\0");
    }
}
