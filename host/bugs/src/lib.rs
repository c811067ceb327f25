//! Seeded bugs: mistakes that an author of a hypervisor could well have made, each one line in the
//! engine or the monitor, of which a process has at most one.
//!
//! ```text
//!   table.rs     a row a bug: name, mistake, hint, rule, file
//!   the place    if is(Bug::FarNotSet) { ... }        in that file, and nowhere else
//!
//!   ordinary build       is() is const and says false: the compiler drops the line
//!   feature `seeded`     is() is one relaxed load; choose("far-not-set") before the guest runs
//! ```
//!
//! They measure the suite (`cargo xtask mutants`: each bug has to make a case fail) and teach
//! (`cargo xtask lab`: find the bug behind a failing case).
//!
//! Nothing here depends on anything: the table is also what programs list that were built without
//! the bugs.

#![forbid(unsafe_code)]

mod chosen;
mod near;
mod table;

pub use chosen::{ChooseError, choose, chosen, is};
pub use table::{Bug, Row};

/// Whether this build has the bugs.
pub const BUILT: bool = cfg!(feature = "seeded");

impl Bug {
    /// The bug of this name.
    ///
    /// # Errors
    /// There is none; what it may have meant.
    pub fn from_name(name: &str) -> Result<Self, ChooseError> {
        let found = Self::ALL.iter().copied().find(|bug| bug.row().name == name);
        found.ok_or_else(|| ChooseError::Unknown {
            name: name.into(),
            near: near::near(name, Self::ALL.iter().map(|bug| bug.row().name)),
        })
    }

    /// Its place in [`Bug::ALL`], from 1: what a lab is called by where its name would say too
    /// much.
    pub const fn number(self) -> usize {
        self as usize + 1
    }

    /// As the source has it: `Bug::FarNotSet`.
    pub fn marker(self) -> String {
        format!("Bug::{self:?}")
    }
}
