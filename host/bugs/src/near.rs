//! Names that somebody may have meant.

/// At most so many are offered.
const MOST: usize = 4;

/// Of `names`, those with a part in common, or few letters away; the nearest first.
pub fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let parts: Vec<&str> = wanted.split(['-', '_', ' ']).filter(|part| part.len() > 2).collect();
    let mut found: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let away = distance(wanted.as_bytes(), name.as_bytes());
            let shared = name.split('-').any(|part| parts.contains(&part));
            (shared || away <= 1 + wanted.len() / 3).then_some((away, name))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// How many letters have to be put in, taken out or changed.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_letters() {
        assert_eq!(distance(b"far", b"far"), 0);
        assert_eq!(distance(b"far", b"fare"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }

    #[test]
    fn parts_in_common_are_near_and_nothing_is_near_to_rubbish() {
        let names = ["far-not-set", "tlbi-not-broadcast", "smc-advanced"];
        assert_eq!(near("tlbi", names.into_iter()), ["tlbi-not-broadcast"]);
        assert_eq!(near("far-not-sat", names.into_iter())[0], "far-not-set");
        assert!(near("qqqqqqqqqqqqqqqqq", names.into_iter()).is_empty());
    }
}
