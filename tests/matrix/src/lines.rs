//! A console's bytes as lines, however they are cut on their way, and in bounded memory.

/// A line of a test kernel is far shorter.
const LONGEST: usize = 4096;

/// What a console printed up to a newline, without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Text.
    Text(String),
    /// No text: not UTF-8, or control characters. What it is like, for people.
    Rubbish(String),
    /// Longer than any line is; its beginning.
    Endless(String),
}

/// Cuts bytes into lines.
#[derive(Debug)]
pub struct Lines {
    /// What came behind the last newline, up to one byte more than the longest line.
    rest: Vec<u8>,
    longest: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self::up_to(LONGEST)
    }
}

impl Lines {
    /// Lines that may be this long.
    pub fn up_to(longest: usize) -> Self {
        Self { rest: Vec::new(), longest }
    }

    /// The lines that `bytes` complete.
    pub fn cut(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = (self.longest + 1).saturating_sub(self.rest.len()).min(text.len());
            self.rest.extend_from_slice(&text[..room]);
            if ends {
                lines.push(line(&self.rest, self.longest));
                self.rest.clear();
            }
        }
        lines
    }

    /// What is there of a line that has no end yet.
    pub fn unfinished(&self) -> Option<String> {
        (!self.rest.is_empty()).then(|| shown(&self.rest))
    }
}

fn line(bytes: &[u8], longest: usize) -> Line {
    if bytes.len() > longest {
        return Line::Endless(shown(bytes));
    }
    let end = bytes.iter().rposition(|&byte| byte != b'\r').map_or(0, |last| last + 1);
    match std::str::from_utf8(&bytes[..end]) {
        Ok(text) if !text.contains(|c: char| c.is_control() && c != '\t') => {
            Line::Text(text.into())
        }
        _ => Line::Rubbish(shown(bytes)),
    }
}

/// The first bytes, everything that is not printable escaped.
fn shown(bytes: &[u8]) -> String {
    const FIRST: usize = 80;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(FIRST)]).escape_debug().to_string();
    if bytes.len() > FIRST { text + "..." } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Line {
        Line::Text(line.into())
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_come() {
        let bytes = b"KTAP version 1\r\n1..2\n\nok 1 a.b\r\r\nok 2";
        let mut whole = Lines::default();
        let wanted = [text("KTAP version 1"), text("1..2"), text(""), text("ok 1 a.b")];
        assert_eq!(whole.cut(bytes), wanted);
        assert_eq!(whole.unfinished().unwrap(), "ok 2");
        let mut single = Lines::default();
        let lines: Vec<Line> = bytes.iter().flat_map(|byte| single.cut(&[*byte])).collect();
        assert_eq!(lines, wanted);
        assert_eq!(single.unfinished(), whole.unfinished());
    }

    #[test]
    fn what_is_no_text_is_told_from_text() {
        for bytes in [&b"ok 1 a\0b\n"[..], b"\x1b[2Jok\n", b"\xff\xfe\n", b"o\x08k\n", b"a\rb\n"] {
            let lines = Lines::default().cut(bytes);
            assert!(matches!(&lines[..], [Line::Rubbish(_)]), "{bytes:?}: {lines:?}");
        }
        assert_eq!(Lines::default().cut("# é\tx\n".as_bytes()), [text("# é\tx")]);
    }

    #[test]
    fn a_line_without_end_fills_no_memory() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            assert_eq!(lines.cut(&[b'x'; 1000]), []);
        }
        assert!(lines.rest.len() <= LONGEST + 1);
        let cut = lines.cut(b"\nok\n");
        assert!(matches!(&cut[..], [Line::Endless(_), Line::Text(ok)] if ok == "ok"), "{cut:?}");
    }
}
