//! What the environment says: which tests, how many cases, of which sequence.
//!
//! ```text
//! ANYVISOR_DIFF_SEED    the sequence of random numbers (0)
//! ANYVISOR_DIFF_CASES   cases of each row (28672); what weighs more than a row has more
//! ANYVISOR_DIFF_TOTAL   instead: cases of all topics together
//! ANYVISOR_DIFF_ROWS    only tests whose names match this, with * and ?
//! ```

use libtest_mimic::Failed;
use std::env;

/// Cases of a row if nobody says otherwise.
const CASES: u64 = 28_672;

/// How many cases.
#[derive(Clone, Copy)]
pub enum Amount {
    /// Of each test, exactly: what replays a failure.
    Each(u64),
    /// Of a row.
    Row(u64),
    /// Of all tests together, at least.
    Total(u64),
}

/// What the environment says.
pub struct Setting {
    /// The sequence.
    pub seed: u64,
    /// How many cases.
    pub amount: Amount,
    /// A pattern of names.
    pub rows: String,
}

impl Setting {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is not a number.
    pub fn read() -> Result<Self, Failed> {
        let amount = match (number("ANYVISOR_DIFF_CASES")?, number("ANYVISOR_DIFF_TOTAL")?) {
            (Some(cases), _) => Amount::Each(cases),
            (None, Some(total)) => Amount::Total(total),
            (None, None) => Amount::Row(CASES),
        };
        Ok(Self {
            seed: number("ANYVISOR_DIFF_SEED")?.unwrap_or_default(),
            amount,
            rows: env::var("ANYVISOR_DIFF_ROWS").unwrap_or_else(|_| "*".to_owned()),
        })
    }

    /// Whether a test is wanted.
    pub fn wants(&self, name: &str) -> bool {
        matches(self.rows.as_bytes(), name.as_bytes())
    }

    /// The cases of a test that weighs `weight` of `weights` in all.
    pub fn cases(&self, weight: u64, weights: u64) -> u64 {
        match self.amount {
            Amount::Each(cases) => cases,
            Amount::Row(cases) => cases * weight,
            Amount::Total(total) => (total * weight).div_ceil(weights),
        }
    }
}

/// A number from the environment.
fn number(name: &str) -> Result<Option<u64>, Failed> {
    match env::var(name) {
        Err(_) => Ok(None),
        Ok(text) => match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(format!("{name}={text:?} is not a decimal number").into()),
        },
    }
}

/// Whether `name` matches a pattern with `*` (anything) and `?` (any one character).
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            matches(rest, name) || !name.is_empty() && matches(pattern, &name[1..])
        }
        ([b'?', rest @ ..], [_, after @ ..]) => matches(rest, after),
        ([a, rest @ ..], [b, after @ ..]) => a == b && matches(rest, after),
        _ => false,
    }
}
