//! Who hears of each result as it comes: the progress bar, and the file.

use crate::crew::Audience;
use crate::known::Known;
use crate::record::{CaseRun, Hypervisor, Record};
use crate::results::{Results, WriteError};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The bar is drawn on the standard error, and only if that is a terminal.
pub struct Told {
    bar: ProgressBar,
    state: Mutex<State>,
}

struct State {
    results: Option<Results>,
    runs: Vec<CaseRun>,
    begun: HashSet<(String, String)>,
    error: Option<WriteError>,
}

impl Told {
    /// Somebody who expects this many results.
    pub fn new(results: Option<Results>, total: usize, rows: usize) -> Self {
        let bar = ProgressBar::new(total as u64);
        if let Ok(look) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}")
        {
            bar.set_style(look);
        }
        let runs = Vec::with_capacity(total);
        let begun = HashSet::with_capacity(rows);
        Self { bar, state: Mutex::new(State { results, runs, begun, error: None }) }
    }

    /// The file, all results, and what could not be written.
    pub fn end(self) -> (Option<Results>, Vec<CaseRun>, Option<WriteError>) {
        self.bar.finish_and_clear();
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (state.results, state.runs, state.error)
    }
}

impl Audience for Told {
    fn running(&self, hypervisor: &str, case: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is run again is no progress.
        if state.begun.insert((hypervisor.into(), case.into())) {
            self.bar.inc(1);
        }
        self.bar.set_message(format!("{hypervisor}: {case}"));
    }

    fn done(&self, run: &CaseRun) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        if let (Some(results), None) = (&mut state.results, &state.error) {
            state.error = results.write(&Record::Case(Box::new(run.clone()))).err();
        }
        state.runs.push(run.clone());
    }
}

/// Known differences that did not come: case, hypervisor, explanation.
pub fn stale(
    known: &Known,
    hypervisors: &[Hypervisor],
    runs: &[CaseRun],
) -> Vec<(String, String, String)> {
    let stale = runs.iter().filter_map(|run| {
        let hypervisor = hypervisors.iter().find(|one| one.id == run.hypervisor)?;
        let version = &hypervisor.version;
        let difference = known.stale(&run.hypervisor, version, &run.case, run.verdict)?;
        Some((run.case.clone(), run.hypervisor.clone(), difference.explanation()))
    });
    stale.collect()
}
