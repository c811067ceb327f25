//! What a terminal can show: its width, colours if it has any, and no text that acts on it.

use console::{Style, Term};
use std::io::Write;

/// Where there is no terminal.
const WIDTH: usize = 100;
/// Longer lines do not read well.
const WIDEST: usize = 120;
/// Narrower ones hold no instruction.
const NARROWEST: usize = 60;

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Columns.
    pub width: usize,
    /// Whether it has colours.
    pub colours: bool,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A name, a heading.
    Strong,
    /// What matters less.
    Faint,
    /// Code of the guest.
    Code,
    /// The hypervisor's side.
    Host,
    /// Passed.
    Good,
    /// Failed, or both sides disagree.
    Bad,
    /// Emphasis in prose.
    Emphasis,
}

impl Terminal {
    /// The standard output, whatever it is.
    pub fn stdout() -> Self {
        let term = Term::stdout();
        let width = match term.size_checked() {
            Some((_, columns)) => usize::from(columns).clamp(NARROWEST, WIDEST),
            None => WIDTH,
        };
        Self { width, colours: console::colors_enabled() }
    }

    /// A file, or a pipe.
    pub fn plain() -> Self {
        Self { width: WIDTH, colours: false }
    }

    /// A text in its role's colour.
    pub fn show(&self, role: Role, text: &str) -> String {
        if !self.colours || text.is_empty() {
            return text.to_string();
        }
        let style = Style::new().force_styling(true);
        let style = match role {
            Role::Strong => style.bold(),
            Role::Faint => style.dim(),
            Role::Code => style.cyan(),
            Role::Host => style.magenta(),
            Role::Good => style.green(),
            Role::Bad => style.red().bold(),
            Role::Emphasis => style.italic(),
        };
        style.apply_to(text).to_string()
    }

    /// A heading on a line of its own, with a blank line before it and behind it.
    pub fn heading(&self, text: &str) -> String {
        format!("\n{}\n\n", self.show(Role::Strong, text))
    }
}

/// A text in which nothing acts on a terminal: control characters, and what turns the direction of
/// writing (UAX #9), are shown as U+FFFD. For what a guest, or a file, says.
pub fn plain(text: &str) -> String {
    let acts = |c: char| {
        c.is_control() && c != '\t'
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if acts(c) { '\u{fffd}' } else { c }).collect()
}

/// Prints; a reader that went away (`| head`) is no error.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Breaks a text at blanks into lines of at most `width` characters; a longer word has a line of
/// its own.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        let long = console::measure_text_width(line) + 1 + console::measure_text_width(word);
        if line.is_empty() {
            line.push_str(word);
        } else if long <= width {
            *line = format!("{line} {word}");
        } else {
            lines.push(word.to_string());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals() {
        let plain = Terminal::plain();
        assert_eq!(plain.show(Role::Bad, "x"), "x");
        let coloured = Terminal { colours: true, ..plain };
        assert!(coloured.show(Role::Bad, "x").contains("\x1b["));
    }

    #[test]
    fn what_a_guest_prints_does_not_act() {
        assert_eq!(plain("a\x1b[31mb\u{202e}c\r"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}");
    }

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("longer-than-that x", 5), ["longer-than-that", "x"]);
        assert_eq!(wrap("", 5), [""]);
    }
}
