//! A lesson, from Markdown. It comes from a file, so it is fenced in: HTML in it is shown as
//! text, a link is its words with its address behind them, and a picture is what it says
//! instead of itself.

use maud::{Markup, PreEscaped};
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// The lesson as HTML.
pub fn render(markdown: &str) -> Markup {
    let markdown = crate::report::text::visible(markdown);
    let mut links: Vec<CowStr> = Vec::new();
    let events = Parser::new_ext(&markdown, Options::ENABLE_TABLES).filter_map(|event| {
        Some(match event {
            Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
            Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
            Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
            Event::Start(Tag::Link { dest_url, .. }) => {
                links.push(dest_url);
                return None;
            }
            Event::End(TagEnd::Link) => Event::Text(format!(" ({})", links.pop()?).into()),
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => return None,
            // The page has its own first headings, and no other place may have a name from here.
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                let level = under(level);
                Event::Start(Tag::Heading { level, id: None, classes, attrs })
            }
            Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(under(level))),
            other => other,
        })
    });
    let mut text = String::new();
    html::push_html(&mut text, events);
    PreEscaped(text)
}

fn under(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H4,
        HeadingLevel::H2 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_lines() {
        let shown = render("Words.\n\n```text\n  a --> b\n   \\-- c\n```\n").into_string();
        assert!(shown.contains("  a --&gt; b\n   \\-- c\n</code></pre>"), "{shown}");
    }

    #[test]
    fn nothing_in_a_lesson_acts() {
        let foreign = "<script>alert(1)</script>\n\nA <b onclick=x>word</b>, \
                       [here](javascript:alert(1)), ![alt](http://host.test/x.png)\n\n# Head\n\n\
                       ```\"><script>\nx\n```\n";
        let shown = render(foreign).into_string();
        for tag in ["<script", "<b ", "<a ", "<img", "<h1"] {
            assert!(!shown.contains(tag), "{tag} in {shown}");
        }
        assert!(shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{shown}");
        assert!(shown.contains("here (javascript:alert(1))"), "{shown}");
        assert!(shown.contains("alt") && shown.contains("<h4>Head</h4>"), "{shown}");
    }
}
