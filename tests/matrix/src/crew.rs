//! Who runs what: the hypervisors' cases as units of work, and threads that take them.
//!
//! ```text
//!   hypervisors x cases  ->  units  ->  threads  ->  attempts: once, and again what failed
//!                                                        |
//!                                                        v   judged: is it known?
//!                                                     records
//! ```

use crate::boot::{BootError, Limits};
use crate::choice::Table;
use crate::explain::Sources;
use crate::hypervisor::{Hypervisor, Way};
use crate::known::Known;
use crate::monitor::Monitor;
use crate::process::Interrupt;
use crate::record::CaseRun;
use crate::session::Session;
use anyvisor_monitor::suite::{Outcome, Verdict};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Events that are kept of a case, where the hypervisor tells: a report holds those of all cases.
const EVENTS: u32 = 200;

/// A run.
#[derive(Debug)]
pub struct Crew<'a> {
    /// Whom to run the cases on.
    pub hypervisors: &'a [Hypervisor],
    /// The kernel's table.
    pub table: Table<'a>,
    /// The kernel's ELF file.
    pub elf: &'a Path,
    /// The kernel's Image.
    pub image: &'a Path,
    /// What a boot and a case may take.
    pub limits: Limits,
    /// What is known to differ.
    pub known: &'a Known,
    /// How often a failed case is run again.
    pub retries: u32,
    /// Boots at once.
    pub jobs: usize,
    /// Ends all of it.
    pub interrupt: &'a Interrupt,
}

/// Who is told how the run goes on. From any of its threads.
pub trait Audience: Sync {
    /// A case starts on a hypervisor, or has just been run there.
    fn running(&self, hypervisor: &str, case: &str);
    /// A case is done with.
    fn done(&self, run: &CaseRun);
}

/// Cases for one hypervisor, as places in the table.
struct Unit<'a> {
    hypervisor: &'a Hypervisor,
    places: Vec<usize>,
}

impl Crew<'_> {
    /// Runs the cases at `wanted` on each hypervisor.
    ///
    /// # Errors
    /// A program that does not start, or a signal. What was done until then was told.
    pub fn run(&self, wanted: &[usize], audience: &dyn Audience) -> Result<(), BootError> {
        let units = Mutex::new(self.units(wanted));
        let error = Mutex::new(None);
        // A function, so that nobody holds the lock while he works.
        let next = || lock(&units).pop_front();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    while let Some(unit) = next() {
                        if let Err(why) = self.work(&unit, audience) {
                            lock(&units).clear();
                            lock(&error).get_or_insert(why);
                        }
                    }
                });
            }
        });
        error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// A unit a hypervisor; more if that would leave threads without work.
    fn units(&self, wanted: &[usize]) -> VecDeque<Unit<'_>> {
        let shares = self.jobs.div_ceil(self.hypervisors.len().max(1));
        let units = self.hypervisors.iter().flat_map(|hypervisor| {
            // The monitor has processes of its own.
            let shares = if matches!(hypervisor.way, Way::Monitor(_)) { 1 } else { shares };
            let size = wanted.len().div_ceil(shares).max(1);
            wanted.chunks(size).map(move |places| Unit { hypervisor, places: places.to_vec() })
        });
        units.collect()
    }

    /// One unit, with all its attempts.
    fn work(&self, unit: &Unit<'_>, audience: &dyn Audience) -> Result<(), BootError> {
        let mut settled: BTreeMap<usize, CaseRun> = BTreeMap::new();
        let mut places = unit.places.clone();
        let mut error = None;
        for attempt in 1..=self.retries + 1 {
            let (runs, why) = self.attempt(unit.hypervisor, &places, attempt, audience);
            settled.extend(runs);
            let failed = |place: &usize| settled.get(place).is_some_and(is_failure);
            places.retain(failed);
            error = why;
            if places.is_empty() || error.is_some() {
                break;
            }
        }
        for run in settled.values() {
            audience.done(run);
        }
        error.map_or(Ok(()), Err)
    }

    fn attempt(
        &self,
        hypervisor: &Hypervisor,
        places: &[usize],
        attempt: u32,
        audience: &dyn Audience,
    ) -> (Vec<(usize, CaseRun)>, Option<BootError>) {
        let mut progress =
            |place: usize| audience.running(&hypervisor.id, &self.table.0[place].name);
        let (outcomes, error) = match &hypervisor.way {
            Way::Monitor(program) => {
                let monitor = Monitor {
                    program,
                    table: self.table,
                    elf: self.elf,
                    jobs: std::thread::available_parallelism().map_or(1, usize::from),
                    events: EVENTS,
                    timeout: self.limits.case,
                    interrupt: self.interrupt,
                };
                let (mut outcomes, error) = monitor.run(places, &mut progress);
                self.find_lines(&mut outcomes);
                (outcomes, error)
            }
            Way::Boots(boots) => {
                let session = Session {
                    id: &hypervisor.id,
                    boots,
                    table: self.table,
                    elf: self.elf,
                    image: self.image,
                    limits: self.limits,
                    interrupt: self.interrupt,
                };
                let (heard, error) = session.run(places, &mut progress);
                let outcome = |place: usize, heard: crate::listen::Heard| Outcome {
                    verdict: heard.verdict,
                    reasons: heard.reasons,
                    console: heard.console,
                    figures: heard.figures,
                    ..Outcome::lost(&self.table.0[place], String::new(), heard.time)
                };
                (
                    heard
                        .into_iter()
                        .map(|(place, heard)| (place, outcome(place, heard)))
                        .collect(),
                    error,
                )
            }
        };
        let run = |(place, outcome): (usize, Outcome)| {
            let Outcome { name, verdict, reasons, .. } = &outcome;
            let known = self.known.explain(&hypervisor.id, &hypervisor.version, name, reasons);
            let known = known.filter(|_| *verdict == Verdict::Failed);
            let run = CaseRun {
                hypervisor: hypervisor.id.clone(),
                known: known.map(|difference| difference.explanation()),
                case: outcome.name,
                verdict: outcome.verdict,
                reasons: outcome.reasons,
                attempts: attempt,
                time_ns: outcome.time_ns,
                console: outcome.console,
                autopsy: outcome.autopsy,
                figures: outcome.figures,
                events: outcome.events,
            };
            (place, run)
        };
        (outcomes.into_iter().map(run).collect(), error)
    }
}

impl Crew<'_> {
    /// Gives the events their source lines: one each, for a report of all cases. They are a help
    /// and no result: a kernel without debug information has none.
    fn find_lines(&self, outcomes: &mut [(usize, Outcome)]) {
        let Ok(file) = std::fs::read(self.elf) else { return };
        let Ok(sources) = Sources::read(&file, Path::new(".")) else { return };
        for event in outcomes.iter_mut().flat_map(|(_, outcome)| &mut outcome.events) {
            sources.fill([&mut *event]);
            event.source = event.place().cloned().into_iter().collect();
            event.callers.clear();
        }
    }
}

/// Whether a case failed, and nobody knows why.
pub fn is_failure(run: &CaseRun) -> bool {
    run.verdict == Verdict::Failed && run.known.is_none()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
