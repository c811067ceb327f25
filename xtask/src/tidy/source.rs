//! Just enough of Rust's lexical structure to tell code from comments and texts.

/// The source with comments, strings and character literals blanked out, line by line as it was.
pub fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !continues_a_name(bytes, at) => raw_string_end(bytes, at).unwrap_or(at),
            b'\'' => char_end(bytes, at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    // Whole literals and comments were replaced, so what is left is whole characters.
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a line has this word, as a whole.
pub fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(part_of_name) && !line[at + word.len()..].starts_with(part_of_name)
    })
}

fn continues_a_name(bytes: &[u8], at: usize) -> bool {
    // `br"..."` is a raw byte string: the b before it is no name of its own.
    let name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match at.checked_sub(1).map(|i| bytes[i]) {
        Some(b'b') => at >= 2 && name(bytes[at - 2]),
        Some(before) => name(before),
        None => false,
    }
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |n| from + n)
}

fn comment_end(bytes: &[u8], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let hashes = bytes[from + 1..].iter().take_while(|&&b| b == b'#').count();
    let open = from + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None; // a name that starts with r, or a raw identifier
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = &bytes[open + 1..];
    let end = body.windows(close.len()).position(|window| window == close);
    Some(end.map_or(bytes.len(), |n| open + 1 + n + close.len()))
}

/// `'x'`, `'\n'`, `'\u{7f}'`; a lifetime ends where it starts.
fn char_end(bytes: &[u8], from: usize) -> usize {
    let rest = &bytes[from + 1..];
    if rest.first() == Some(&b'\\') {
        return rest.iter().skip(2).position(|&b| b == b'\'').map_or(from, |n| from + 4 + n);
    }
    let width = match rest.first() {
        Some(0xf0..) => 4,
        Some(0xe0..) => 3,
        Some(0xc0..) => 2,
        _ => 1,
    };
    if rest.get(width) == Some(&b'\'') { from + width + 2 } else { from }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_blanked() {
        let same = ["fn f<'a>(x: &'a str) {}", "let r = raw; r#type", "a / b * c", "'a: loop {}"];
        same.iter().for_each(|text| assert_eq!(code_only(text), *text));
        for (text, left) in [
            ("a // b", "a"),
            ("a /* b /* c */ d */ e", "a e"),
            ("a \"b // \\\" c\" d", "a d"),
            ("a r\"b\\\" c", "a c"),
            ("a r#\"b\" c\"# d", "a d"),
            ("a br##\"x\"# y\"## d", "a b d"),
            ("m('\"', 'x', '\\'', '\\\\', '\\u{1f}') // \"", "m( , , , , )"),
            ("'\u{e9}' x '\u{1f600}' y", "x y"),
            ("\"unclosed", ""),
        ] {
            let code = code_only(text);
            assert_eq!(code.split_whitespace().collect::<Vec<_>>().join(" "), left, "{text}");
        }
        assert_eq!(code_only("a\n/*\n*/\nb").lines().count(), 4);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("unsafe {", "unsafe") && has_word("#[unsafe(x)]", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe") && !has_word("my_unsafe", "unsafe"));
    }
}
