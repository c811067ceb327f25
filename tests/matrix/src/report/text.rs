//! Text of foreign origin, made fit to be shown: a guest's console may hold anything.

/// Text of several lines in which nothing acts: control characters become their pictures
/// (U+2400), and what turns the direction of writing becomes its number. Tabs and ends of lines
/// stay.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\t' => shown.push(c),
            '\0'..='\x1f' => shown.extend(char::from_u32(0x2400 + u32::from(c))),
            '\x7f' => shown.push('\u{2421}'),
            // UAX #9: Unicode's explicit directional formatting characters and marks.
            '\u{80}'..='\u{9f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
            _ => shown.push(c),
        }
    }
    shown
}

/// The same for one line.
pub fn line(text: &str) -> String {
    visible(text).replace('\n', "\u{240a}").replace('\t', " ")
}

/// At most `most` bytes of a text: its beginning and its end, and between them how much is left
/// out.
pub fn clipped(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut head = most / 2;
    let mut tail = text.len() - most / 2;
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    let left_out = tail - head;
    format!("{}\n[{left_out} bytes are left out here]\n{}", &text[..head], &text[tail..])
}

/// A time, in the unit in which it reads best, with three digits.
pub fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "us"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    format!("{} {unit}", number(value))
}

/// A number with at least three digits, and no more after the point than these take.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v == 0.0 || v.fract() == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        v => (2.0 - v.log10().floor()).min(12.0) as usize,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_shown_text_acts() {
        assert_eq!(visible("a\r\nb\tc"), "a\nb\tc");
        assert_eq!(visible("\x1b[2J\0\x7f\r"), "\u{241b}[2J\u{2400}\u{2421}\u{240d}");
        assert_eq!(visible("\u{202e}x\u{9b}"), "<U+202E>x<U+009B>");
        assert_eq!(line("a\r\nb"), "a\u{240a}b");
    }

    #[test]
    fn clipping_keeps_both_ends_and_whole_characters() {
        assert_eq!(clipped("short", 10), "short");
        let text = format!("begin{}end", "ü".repeat(1000));
        let short = clipped(&text, 21);
        assert!(short.starts_with("begin") && short.ends_with("end"), "{short}");
        assert!(short.contains(" bytes are left out"), "{short}");
        assert!(short.len() < 80, "{short}");
    }

    #[test]
    fn numbers_with_their_digits() {
        let shown = [0.0, 1234.6, 12.345, 1.5, 3.0, 0.012_34].map(number);
        assert_eq!(shown, ["0", "1235", "12.3", "1.50", "3", "0.0123"]);
        assert_eq!([999.0, 1500.0, 2.5e6, 3e9].map(time), ["999 ns", "1.50 us", "2.50 ms", "3 s"]);
    }
}
