//! Names by pattern: `*` is any text, `?` any one character, all else itself.

/// Whether all of `name` fits `pattern`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where to go on when the text after the last star does not fit: let the star eat one more.
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, n + 1));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    p = after_star;
                    n = from;
                    retry = Some((after_star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::matches;

    #[test]
    fn plain_names_fit_only_themselves() {
        assert!(matches("exception.svc_el1", "exception.svc_el1"));
        assert!(!matches("exception.svc_el1", "exception.svc_el10"));
        assert!(!matches("exception.svc_el1", "exception.svc_el"));
        assert!(matches("", ""));
        assert!(!matches("", "x"));
    }

    #[test]
    fn stars_and_question_marks() {
        assert!(matches("*", ""));
        assert!(matches("*", "mmu.tbi"));
        assert!(matches("mmu.*", "mmu.tbi"));
        assert!(!matches("mmu.*", "timer.mmu.x"));
        assert!(matches("*.svc_el?", "exception.svc_el0"));
        assert!(!matches("*.svc_el?", "exception.svc_el"));
        assert!(matches("*a*b", "xaxxabxb"));
        assert!(!matches("*a*b", "xaxxabxbc"));
        assert!(matches("**", "x"));
    }

    #[test]
    fn many_stars_do_not_explode() {
        let name = "a".repeat(2000);
        assert!(!matches(&("*a".repeat(200) + "b"), &name));
    }
}
