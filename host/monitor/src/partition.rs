//! `--partition`: one machine's part of a run that several machines share.
//!
//! ```text
//!   cases    a b c d e f g        2/3, count:2/3   b e         by place: as even as can be
//!                                 hash:2/3         a d f       by name: a new case moves no other
//! ```
//!
//! Written as cargo-nextest writes them; that the parts are disjoint and complete is what counts,
//! and the hash is our own.

use std::str::FromStr;

/// One of several parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Which, from 1.
    part: u64,
    /// Of how many.
    of: u64,
    by_name: bool,
}

/// A text that names no partition.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionError {
    /// Not of the form.
    #[error("{0:?} is no partition: write I/N, count:I/N or hash:I/N, as in 1/4")]
    Form(String),
    /// The part is not one of them.
    #[error("{0:?}: the parts are numbered from 1 to {1}")]
    Number(String, u64),
}

impl Partition {
    /// Everything, in one part.
    pub const WHOLE: Self = Self { part: 1, of: 1, by_name: false };

    /// Which part it is, from 1, and of how many.
    pub fn numbers(&self) -> (u64, u64) {
        (self.part, self.of)
    }

    /// Whether both are parts of the same division.
    pub fn goes_with(&self, other: &Self) -> bool {
        (self.of, self.by_name) == (other.of, other.by_name)
    }

    /// Whether the case `name`, which is the `place`th of those chosen (from 0), is of this part.
    pub fn has(&self, place: usize, name: &str) -> bool {
        let dealt = if self.by_name { hash(name) } else { place as u64 };
        dealt % self.of == self.part - 1
    }

    /// Those of this part, in their order.
    pub fn of<T>(&self, all: Vec<T>, name: impl Fn(&T) -> &str) -> Vec<T> {
        let all = all.into_iter().enumerate();
        all.filter(|(place, one)| self.has(*place, name(one))).map(|(_, one)| one).collect()
    }
}

impl FromStr for Partition {
    type Err = PartitionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (by_name, numbers) = match text.split_once(':') {
            Some(("hash", numbers)) => (true, numbers),
            Some(("count", numbers)) => (false, numbers),
            Some(_) => return Err(PartitionError::Form(text.into())),
            None => (false, text),
        };
        let digits = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
        let numbers = numbers.split_once('/').filter(|(part, of)| digits(part) && digits(of));
        let numbers = numbers.and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((part, of)) if (1..=of).contains(&part) => Ok(Self { part, of, by_name }),
            Some((_, of)) if of > 0 => Err(PartitionError::Number(text.into(), of)),
            _ => Err(PartitionError::Form(text.into())),
        }
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { part, of, by_name } = self;
        write!(f, "{}{part}/{of}", if *by_name { "hash:" } else { "" })
    }
}

/// FNV-1a of 64 bits, the upper half folded in: its low bits alone are poor.
fn hash(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        (0..200).map(|n| format!("group_{}.case_{n}", n % 7)).collect()
    }

    #[test]
    fn parts_are_disjoint_and_complete() {
        for way in ["", "count:", "hash:"] {
            for of in [1, 2, 3, 7, 250] {
                let part = |i| format!("{way}{i}/{of}").parse::<Partition>().unwrap();
                let mut seen: Vec<String> =
                    (1..=of).flat_map(|i| part(i).of(names(), |name| name)).collect();
                seen.sort();
                let mut all = names();
                all.sort();
                assert_eq!(seen, all, "{way}.../{of}");
            }
        }
    }

    #[test]
    fn by_count_parts_differ_by_one_case_at_most_and_by_name_a_case_stays_where_it_is() {
        let part = |text: &str| text.parse::<Partition>().unwrap();
        assert_eq!(part("2/3").of(vec!["a", "b", "c", "d", "e"], |name| name), ["b", "e"]);
        let before = part("hash:1/4").of(names(), |name| name);
        assert!((20..=80).contains(&before.len()), "{}", before.len());
        let without_first = part("hash:1/4").of(names().split_off(1), |name| name);
        assert!(without_first.iter().all(|name| before.contains(name)));
    }

    #[test]
    fn a_partition_is_written_as_it_is_read_and_anything_else_is_refused() {
        for text in ["1/1", "3/7", "hash:2/2"] {
            assert_eq!(text.parse::<Partition>().unwrap().to_string(), text);
        }
        assert_eq!("count:2/3".parse::<Partition>().unwrap().to_string(), "2/3");
        for text in ["0/3", "4/3"] {
            assert_eq!(text.parse::<Partition>(), Err(PartitionError::Number(text.into(), 3)));
        }
        for text in [
            "",
            "1",
            "/",
            "1/",
            "/2",
            "1/0",
            "0/0",
            "-1/2",
            "+1/2",
            "1/2/3",
            "slice:1/2",
            "1/99999999999999999999",
        ] {
            assert_eq!(text.parse::<Partition>(), Err(PartitionError::Form(text.into())), "{text}");
        }
    }
}
