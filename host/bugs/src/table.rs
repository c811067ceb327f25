// tidy: table
//! The bugs, a row each, by area.
//!
//! A row's `mistake` is what the line does, in the words of a fault report; the `hint` does not
//! give it away; the `rule` is what the manual has instead, and where. `unseen` is the reason why
//! no guest can notice, for one that the suite does not have to catch.

/// What is said of a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// In kebab case, unique.
    pub name: &'static str,
    /// The part of a hypervisor that it belongs to.
    pub area: &'static str,
    /// What is done wrong, one line.
    pub mistake: &'static str,
    /// For who looks for it: where to look, and not what is wrong.
    pub hint: &'static str,
    /// What the manual says, with its reference.
    pub rule: &'static str,
    /// Where the line is, from the workspace's root.
    pub file: &'static str,
    /// Why no guest can see it, where that is so.
    pub unseen: Option<&'static str>,
}

macro_rules! bugs {
    ($($area:literal { $($bug:ident $name:literal $file:literal {
        mistake: $mistake:literal,
        hint: $hint:literal,
        rule: $rule:literal $(,
        unseen: $unseen:literal)? $(,)?
    })+ })+) => {
        /// A seeded bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Bug {
            $($(#[doc = $mistake] $bug,)+)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$($(Self::$bug,)+)+];

            /// What is said of it.
            pub const fn row(self) -> &'static Row {
                match self {
                    $($(Self::$bug => &Row {
                        name: $name,
                        area: $area,
                        mistake: $mistake,
                        hint: $hint,
                        rule: $rule,
                        file: $file,
                        unseen: bugs!(@unseen $($unseen)?),
                    },)+)+
                }
            }
        }
    };
    (@unseen) => { None };
    (@unseen $reason:literal) => { Some($reason) };
}

bugs! {
    "exceptions" {
        FarNotSet "far-not-set" "host/cpu/src/exception.rs" {
            mistake: "FAR_EL1 keeps its old value when an abort is taken",
            hint: "A handler of a data abort asks two registers: what happened, and where.",
            rule: "FAR_EL1 holds the faulting VA of an Instruction Abort, Data Abort, PC alignment \
                   fault or Watchpoint taken to EL1 (DDI 0487, FAR_EL1)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// The source files of the host's crates, this one left out, from the workspace's root.
    fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push(path);
            }
        }
    }

    #[test]
    fn names_are_the_variants_in_kebab_case() {
        for &bug in Bug::ALL {
            let mut kebab = String::new();
            for letter in format!("{bug:?}").chars() {
                if (letter.is_ascii_uppercase() || letter.is_ascii_digit()) && !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.push(letter.to_ascii_lowercase());
            }
            assert_eq!(bug.row().name, kebab);
        }
    }

    #[test]
    fn every_bug_stands_once_and_where_its_row_says() {
        let mut files = Vec::new();
        sources(&root().join("host"), &mut files);
        let own = root().join("host/bugs");
        let mut places: Vec<(Bug, String)> = Vec::new();
        for file in files.iter().filter(|file| !file.starts_with(&own)) {
            let text = std::fs::read_to_string(file).unwrap();
            let path = file.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            for &bug in Bug::ALL {
                let word = |at: usize| {
                    !text[at + bug.marker().len()..].starts_with(|c: char| c.is_alphanumeric())
                };
                for (at, _) in text.match_indices(&bug.marker()) {
                    if word(at) {
                        places.push((bug, path.clone()));
                    }
                }
            }
        }
        for &bug in Bug::ALL {
            let found: Vec<&str> =
                places.iter().filter(|(b, _)| *b == bug).map(|(_, path)| path.as_str()).collect();
            assert_eq!(found, [bug.row().file], "{bug:?}");
        }
    }

    #[test]
    fn rows_say_what_they_are_for() {
        for &bug in Bug::ALL {
            let row = bug.row();
            assert!(!row.mistake.contains('\n') && row.mistake.len() <= 110, "{}", row.name);
            for text in [row.mistake, row.hint, row.rule] {
                assert!(text.len() > 20, "{}: {text:?}", row.name);
            }
            let manuals = ["DDI 0487", "IHI 0069", "DEN 0022", "DEN 0028", "Hypervisor.framework"];
            assert!(manuals.iter().any(|manual| row.rule.contains(manual)), "{}", row.name);
            assert!(!row.hint.contains(row.name), "{}", row.name);
        }
    }
}
