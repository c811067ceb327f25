//! A lesson on a terminal: its Markdown as text. Paragraphs and lists are wrapped, code blocks
//! (the pictures) stay as they are.

use super::terminal::{Role, Terminal, plain, wrap};
use crate::record::Lesson;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// Columns before a picture.
const INDENT: usize = 4;

/// Name, claim, lesson, reference, needs.
pub fn text(lesson: &Lesson, terminal: &Terminal) -> String {
    let mut out = format!("{}\n", terminal.show(Role::Strong, &plain(&lesson.case)));
    for line in wrap(&plain(&lesson.claim), terminal.width - 2) {
        out += &format!("  {line}\n");
    }
    out += "\n";
    out += &markdown(&lesson.text, terminal);
    let needs = if lesson.needs.is_empty() { "nothing".into() } else { lesson.needs.join(", ") };
    for (name, value) in [("reference", &*plain(&lesson.reference)), ("needs", &needs)] {
        let mut lines = wrap(value, terminal.width - 11).into_iter();
        let first = lines.next().unwrap_or_default();
        out += &format!("{}{first}\n", terminal.show(Role::Faint, &format!("{name:11}")));
        lines.for_each(|line| out += &format!("{:11}{line}\n", ""));
    }
    out
}

/// Markdown as lines of text, with a blank line behind each block.
fn markdown(source: &str, terminal: &Terminal) -> String {
    let mut page = Page { out: String::new(), block: String::new(), terminal, lists: Vec::new() };
    let mut code = false;
    let mut role = None;
    for event in Parser::new(source) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => {
                page.end_block();
                code = true;
            }
            Event::End(TagEnd::CodeBlock) => {
                code = false;
                page.out += "\n";
            }
            Event::Text(text) if code => page.picture(&text),
            Event::Text(text) => page.word(&text, role),
            Event::Code(text) => page.word(&text, Some(Role::Code)),
            // HTML means nothing on a terminal: it is shown as it was written.
            Event::Html(text) | Event::InlineHtml(text) => page.word(&text, role),
            Event::SoftBreak | Event::HardBreak => page.block.push(' '),
            Event::Rule => page.word("---", None),
            Event::Start(Tag::Emphasis) => role = Some(Role::Emphasis),
            Event::Start(Tag::Strong | Tag::Heading { .. }) => {
                role = Some(Role::Strong);
            }
            Event::End(TagEnd::Emphasis | TagEnd::Strong) => role = None,
            Event::End(TagEnd::Heading(_)) => {
                role = None;
                page.end_block();
                page.out += "\n";
            }
            Event::Start(Tag::List(first)) => {
                page.end_block();
                page.lists.push(first);
            }
            Event::End(TagEnd::List(_)) => {
                page.end_block();
                page.lists.pop();
                if page.lists.is_empty() {
                    page.out += "\n";
                }
            }
            Event::End(TagEnd::Item) => page.end_item(),
            Event::End(TagEnd::Paragraph) => {
                page.end_block();
                if page.lists.is_empty() {
                    page.out += "\n";
                }
            }
            _ => {}
        }
    }
    page.end_block();
    page.out
}

struct Page<'a> {
    out: String,
    /// The words of the block that is being read.
    block: String,
    terminal: &'a Terminal,
    /// The lists it stands in: the next item's number, if they are numbered.
    lists: Vec<Option<u64>>,
}

impl Page<'_> {
    fn word(&mut self, text: &str, role: Option<Role>) {
        let text = plain(&text.replace('\n', " "));
        let terminal = self.terminal;
        // Word by word, so that a break of the line does not fall into a colour.
        let styled = text.split(' ').map(|word| match role {
            Some(role) => terminal.show(role, word),
            None => word.to_string(),
        });
        self.block += &styled.collect::<Vec<_>>().join(" ");
    }

    fn picture(&mut self, text: &str) {
        for line in text.lines() {
            self.out += format!("{:INDENT$}{}", "", plain(line)).trim_end();
            self.out.push('\n');
        }
    }

    /// An item's words, if no paragraph has ended them yet.
    fn end_item(&mut self) {
        self.end_block();
        if let Some(Some(number)) = self.lists.last_mut() {
            *number += 1;
        }
    }

    fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        if block.trim().is_empty() {
            return;
        }
        let mark = match self.lists.last() {
            None => String::new(),
            Some(None) => "* ".into(),
            Some(Some(number)) => format!("{number}. "),
        };
        let outer = 2 * self.lists.len().saturating_sub(1);
        let indent = outer + mark.len();
        let lines = wrap(&block, self.terminal.width.saturating_sub(indent));
        for (i, line) in lines.into_iter().enumerate() {
            let before =
                if i == 0 { format!("{:outer$}{mark}", "") } else { format!("{:indent$}", "") };
            self.out += &format!("{before}{line}\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Terminal = Terminal { width: 24, colours: false };

    #[test]
    fn prose_is_wrapped_and_pictures_are_kept() {
        let source = "A `BRK` is *not* wrapped in a\npicture:\n\n```text\n  EL0 ---- svc ----> EL1   (long enough)\n      <--- eret ----\n```\n\nEnd.";
        assert_eq!(
            markdown(source, &NARROW),
            "A BRK is not wrapped in\na picture:\n\n\
             \x20     EL0 ---- svc ----> EL1   (long enough)\n          <--- eret ----\n\nEnd.\n\n"
        );
    }

    #[test]
    fn lists_have_their_marks_and_hang() {
        let source = "- one that is longer than a line\n- two\n\n1. first\n2. second\n";
        assert_eq!(
            markdown(source, &NARROW),
            "* one that is longer\n  than a line\n* two\n\n1. first\n2. second\n\n"
        );
    }

    #[test]
    fn all_that_is_known_of_a_case_is_there() {
        let lesson = Lesson {
            case: "a.b".into(),
            claim: "It holds".into(),
            reference: "DDI 0487".into(),
            needs: vec!["services".into(), "gic".into()],
            text: "Why.".into(),
        };
        let text = text(&lesson, &Terminal::plain());
        assert_eq!(
            text,
            "a.b\n  It holds\n\nWhy.\n\nreference  DDI 0487\nneeds      services, gic\n"
        );
    }
}
