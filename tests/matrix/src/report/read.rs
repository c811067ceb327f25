//! Reading a file of records, line by line. What is no record is named and left out; the rest
//! counts.

use super::problem::{Place, Problem};
use crate::record::{CaseRun, End, Hypervisor, Lesson, Record};
use std::io::{BufRead, Read, Result};

/// No record is longer: a console is bounded where it is read.
const LONGEST: u64 = 64 << 20;
/// How much of a foreign line is shown.
const EXCERPT: usize = 60;

/// The records up to an end record: what one machine left.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// The file.
    pub file: String,
    /// Who ran the cases.
    pub hypervisors: Vec<(Place, Hypervisor)>,
    /// What they teach.
    pub lessons: Vec<(Place, Lesson)>,
    /// How they went.
    pub cases: Vec<(Place, CaseRun)>,
    /// What was planned.
    pub end: Option<(Place, End)>,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Found {
    /// One a machine; a file that was made of several has several.
    pub parts: Vec<Part>,
    /// What does not fit.
    pub problems: Vec<Problem>,
}

/// Reads a file of records.
///
/// # Errors
/// The reader's own.
pub fn read(file: &str, mut reader: impl BufRead) -> Result<Found> {
    let mut found = Found::default();
    let fresh = || Part { file: file.to_owned(), ..Part::default() };
    let (mut part, mut line) = (fresh(), Vec::new());
    let (mut number, mut begun) = (0, false);
    loop {
        line.clear();
        number += 1;
        if reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let whole = line.ends_with(b"\n");
        let at = Place { file: file.to_owned(), line: number };
        if !whole && line.len() as u64 == LONGEST {
            skip_line(&mut reader)?;
            let why = format!("longer than {LONGEST} bytes");
            found.problems.push(Problem::Foreign { at, why, excerpt: excerpt(&line) });
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(Record::Hypervisor(record)) => part.hypervisors.push((at, record)),
            Ok(Record::Lesson(record)) => part.lessons.push((at, record)),
            Ok(Record::Case(record)) => part.cases.push((at, *record)),
            Ok(Record::End(record)) => {
                part.end = Some((at, record));
                found.parts.push(std::mem::replace(&mut part, fresh()));
                begun = false;
                continue;
            }
            Err(error) if !whole && error.is_eof() => found.problems.push(Problem::Cut(at)),
            Err(error) => {
                let (why, excerpt) = (error.to_string(), excerpt(&line));
                found.problems.push(Problem::Foreign { at, why, excerpt });
                continue; // it begins no part
            }
        }
        begun = true;
    }
    if begun {
        found.problems.push(Problem::NoEnd { file: file.to_owned(), cases: part.cases.len() });
        found.parts.push(part);
    }
    if found.parts.is_empty() {
        found.problems.push(Problem::Empty { file: file.to_owned() });
    }
    Ok(found)
}

fn skip_line(reader: &mut impl BufRead) -> Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (used, done) = match buffer.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        if done {
            return Ok(());
        }
    }
}

fn excerpt(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * EXCERPT)]);
    let text = text.trim_end();
    let short: String = text.chars().take(EXCERPT).collect();
    if short.len() < text.len() { format!("{short}...") } else { short }
}
