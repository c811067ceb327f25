//! Which bug this process has.

use crate::table::Bug;
use std::fmt;

/// Why a bug cannot be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChooseError {
    /// There is no bug of this name.
    Unknown {
        /// What was asked for.
        name: String,
        /// Names like it.
        near: Vec<&'static str>,
    },
    /// The program was built without the bugs.
    NotBuilt,
}

impl fmt::Display for ChooseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, near } if near.is_empty() => {
                write!(f, "there is no seeded bug {name:?}: `anyvisor bugs` lists them")
            }
            Self::Unknown { name, near } => {
                write!(f, "there is no seeded bug {name:?}; near it: {}", near.join(", "))
            }
            Self::NotBuilt => f.write_str(
                "this build has no seeded bugs: build it with \
                 `cargo build --profile seeded -p anyvisor-monitor --features seeded`",
            ),
        }
    }
}

impl std::error::Error for ChooseError {}

#[cfg(feature = "seeded")]
mod seeded {
    use super::{Bug, ChooseError};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// [`Bug::number`], or 0. Written before the guest's first instruction and not after it, so
    /// that no order is asked for.
    static CHOSEN: AtomicUsize = AtomicUsize::new(0);

    /// Whether this process has this bug.
    #[inline(always)]
    pub fn is(bug: Bug) -> bool {
        CHOSEN.load(Ordering::Relaxed) == bug.number()
    }

    /// Gives this process a bug. To be called before a guest runs.
    ///
    /// # Errors
    /// There is no such bug.
    pub fn choose(name: &str) -> Result<Bug, ChooseError> {
        let bug = Bug::from_name(name)?;
        CHOSEN.store(bug.number(), Ordering::Relaxed);
        Ok(bug)
    }

    /// The bug that this process has.
    pub fn chosen() -> Option<Bug> {
        let number = CHOSEN.load(Ordering::Relaxed);
        number.checked_sub(1).and_then(|index| Bug::ALL.get(index).copied())
    }
}

#[cfg(not(feature = "seeded"))]
mod seeded {
    use super::{Bug, ChooseError};

    /// Whether this process has this bug: it has none.
    #[inline(always)]
    pub const fn is(_: Bug) -> bool {
        false
    }

    /// Gives this process a bug, if it was built for that.
    ///
    /// # Errors
    /// It was not; or there is no such bug.
    pub fn choose(name: &str) -> Result<Bug, ChooseError> {
        Bug::from_name(name)?;
        Err(ChooseError::NotBuilt)
    }

    /// The bug that this process has.
    pub const fn chosen() -> Option<Bug> {
        None
    }
}

pub use seeded::{choose, chosen, is};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_bug_is_refused_with_names_like_it() {
        let error = choose("far-not-sett").unwrap_err();
        assert!(error.to_string().contains("near it: far-not-set"), "{error}");
        let error = choose("zzzzzzzzzzzzzzzzzzzzzzzzzzzz").unwrap_err();
        assert!(error.to_string().contains("anyvisor bugs"), "{error}");
    }

    #[cfg(not(feature = "seeded"))]
    #[test]
    fn an_ordinary_build_has_no_bug() {
        const { assert!(!is(Bug::FarNotSet)) };
        assert_eq!(choose("far-not-set"), Err(ChooseError::NotBuilt));
        assert_eq!(chosen(), None);
    }

    #[cfg(feature = "seeded")]
    #[test]
    fn a_process_has_the_bug_that_it_was_given_and_no_other() {
        assert_eq!(choose("far-not-set"), Ok(Bug::FarNotSet));
        let has: Vec<Bug> = Bug::ALL.iter().copied().filter(|&bug| is(bug)).collect();
        assert_eq!(has, [Bug::FarNotSet]);
        assert_eq!(chosen(), Some(Bug::FarNotSet));
    }
}
