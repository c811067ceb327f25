//! What came of it: tests, cases and differences, counted while the tests run in parallel.

use crate::setting::Setting;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// The counters.
pub struct Tally {
    began: Instant,
    seed: u64,
    tests: AtomicU64,
    cases: AtomicU64,
    different: AtomicU64,
}

impl Tally {
    /// Nothing yet.
    pub fn new(setting: &Setting) -> Self {
        let zero = || AtomicU64::new(0);
        let (tests, cases, different) = (zero(), zero(), zero());
        Self { began: Instant::now(), seed: setting.seed, tests, cases, different }
    }

    /// Adds a test.
    pub fn add(&self, cases: u64, different: u64) {
        self.tests.fetch_add(1, Relaxed);
        self.cases.fetch_add(cases, Relaxed);
        self.different.fetch_add(different, Relaxed);
    }

    /// Whether anything was added.
    pub fn is_empty(&self) -> bool {
        self.tests.load(Relaxed) == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tests, cases) = (self.tests.load(Relaxed), self.cases.load(Relaxed));
        let (different, seed) = (self.different.load(Relaxed), self.seed);
        let seconds = self.began.elapsed().as_secs_f64();
        write!(
            f,
            "{tests} rows and topics, {cases} cases, {different} differ; seed {seed}, {seconds:.0} s"
        )
    }
}
