//! Putting the parts together: one grid, case by hypervisor.
//!
//! ```text
//!   part 1/3 of software ---+
//!   part 2/3 of software ---+--> software: 1, 2 are there, 3 is missing
//!   part 1/1 of qemu     ------> qemu: whole
//! ```
//!
//! Nothing is ever lost on the way: of a case that two parts tell, the worse one counts, and both
//! are named.

use super::problem::{Place, Problem};
use super::read::Part;
use super::status::Status;
use crate::record::{CaseRun, Hypervisor, Lesson};
use anyvisor_monitor::partition::Partition;
use std::collections::{BTreeMap, HashMap};

/// A fleet has fewer machines: a file that names more partitions is wrong.
const MACHINES: u64 = 100_000;

/// A run of the suite, whole.
#[derive(Debug, Default)]
pub struct Report {
    /// The columns, in the order in which the files name them.
    pub hypervisors: Vec<Hypervisor>,
    /// The rows, by name: so each group's stand together.
    pub cases: Vec<Case>,
    /// What did not fit.
    pub problems: Vec<Problem>,
    /// What it was made of.
    pub parts: Vec<Part>,
}

/// A row.
#[derive(Debug)]
pub struct Case {
    /// `group.name`.
    pub name: String,
    /// What it teaches, if a file has it.
    pub lesson: Option<Lesson>,
    /// How it went on each hypervisor, in the order of the columns.
    pub runs: Vec<Option<CaseRun>>,
}

impl Case {
    /// The part of the name before the first dot.
    pub fn group(&self) -> &str {
        self.name.split('.').next().unwrap_or(&self.name)
    }

    /// How it went on the hypervisor of that column.
    pub fn status(&self, column: usize) -> Status {
        Status::of(self.runs[column].as_ref())
    }
}

impl Report {
    /// How many cases of a column went so.
    pub fn count(&self, column: usize, status: Status) -> usize {
        self.cases.iter().filter(|case| case.status(column) == status).count()
    }

    /// Whether a case failed on a hypervisor, and not as is known.
    pub fn has_failed(&self) -> bool {
        (0..self.hypervisors.len()).any(|column| self.count(column, Status::Failed) > 0)
    }

    /// Whether all that was planned is there, once.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Puts the parts together; `problems` are those found while reading them.
pub fn merge(parts: Vec<Part>, mut problems: Vec<Problem>) -> Report {
    let (hypervisors, lessons) =
        (hypervisors(&parts, &mut problems), lessons(&parts, &mut problems));
    counts(&parts, &mut problems);
    partitions(&parts, &hypervisors, &mut problems);
    let column: HashMap<_, _> =
        hypervisors.iter().enumerate().map(|(i, h)| (h.id.clone(), i)).collect();
    let mut rows: BTreeMap<&str, Vec<Option<(&Place, &CaseRun)>>> = BTreeMap::new();
    let mut twice: BTreeMap<[&str; 3], Vec<String>> = BTreeMap::new();
    for (at, run) in parts.iter().flat_map(|part| &part.cases) {
        let row = rows.entry(&run.case).or_insert_with(|| vec![None; hypervisors.len()]);
        let cell = &mut row[column[&run.hypervisor]];
        let Some((before, old)) = *cell else {
            *cell = Some((at, run));
            continue;
        };
        let [was, is] = [old, run].map(|run| Status::of(Some(run)));
        if was == is {
            let key = [run.hypervisor.as_str(), &before.file, &at.file];
            twice.entry(key).or_default().push(run.case.clone());
        } else {
            problems.push(Problem::Disagree {
                hypervisor: run.hypervisor.clone(),
                case: run.case.clone(),
                a: before.clone(),
                says_a: was.word().into(),
                b: at.clone(),
                says_b: is.word().into(),
            });
        }
        if is < was {
            *cell = Some((at, run));
        }
    }
    problems.extend(twice.into_iter().map(|([hypervisor, a, b], cases)| Problem::Twice {
        hypervisor: hypervisor.into(),
        a: a.into(),
        b: b.into(),
        cases,
    }));
    let row = |(name, runs): (&str, Vec<Option<(&Place, &CaseRun)>>)| Case {
        name: name.to_owned(),
        lesson: lessons.get(name).cloned(),
        runs: runs.into_iter().map(|cell| cell.map(|(_, run)| run.clone())).collect(),
    };
    let cases = rows.into_iter().map(row).collect();
    Report { hypervisors, cases, problems, parts }
}

/// The columns. A case of a hypervisor that no record describes gets one as well.
fn hypervisors(parts: &[Part], problems: &mut Vec<Problem>) -> Vec<Hypervisor> {
    let mut all: Vec<Hypervisor> = Vec::new();
    for (at, new) in parts.iter().flat_map(|part| &part.hypervisors) {
        let Some(old) = all.iter().find(|old| old.id == new.id) else {
            all.push(new.clone());
            continue;
        };
        // The command may differ by what the machines call their folders.
        let what = [
            ("version", &old.version, &new.version),
            ("name", &old.name, &new.name),
            ("vCPUs", &old.vcpus.to_string(), &new.vcpus.to_string()),
        ];
        let what = what.iter().filter(|(_, old, new)| old != new);
        let what: Vec<_> = what.map(|(k, old, new)| format!("{k} `{old}`, now `{new}`")).collect();
        if !what.is_empty() {
            let (id, what) = (new.id.clone(), what.join(", "));
            problems.push(Problem::OtherHypervisor { at: at.clone(), id, what });
        }
    }
    for (at, run) in parts.iter().flat_map(|part| &part.cases) {
        if all.iter().any(|old| old.id == run.hypervisor) {
            continue;
        }
        problems.push(Problem::Unknown { at: at.clone(), id: run.hypervisor.clone() });
        all.push(Hypervisor {
            id: run.hypervisor.clone(),
            name: run.hypervisor.clone(),
            version: "not known".into(),
            command: Vec::new(),
            vcpus: 0,
        });
    }
    all
}

fn lessons(parts: &[Part], problems: &mut Vec<Problem>) -> HashMap<String, Lesson> {
    let mut all: HashMap<String, Lesson> = HashMap::new();
    let mut differing = Vec::new();
    for (at, new) in parts.iter().flat_map(|part| &part.lessons) {
        let old = all.entry(new.case.clone()).or_insert_with(|| new.clone());
        // A file tells of its first only: another kernel differs in many.
        if old != new && !differing.contains(&&at.file) {
            differing.push(&at.file);
            let (at, case) = (at.clone(), new.case.clone());
            problems.push(Problem::OtherKernel { at, case });
        }
    }
    all
}

/// Each part has as many cases as its end says.
fn counts(parts: &[Part], problems: &mut Vec<Problem>) {
    for part in parts {
        if let Some((at, end)) = &part.end
            && end.cases != part.cases.len()
        {
            let (planned, found) = (end.cases, part.cases.len());
            problems.push(Problem::Count { at: at.clone(), planned, found });
        }
    }
}

/// Each hypervisor's partitions are there.
fn partitions(parts: &[Part], hypervisors: &[Hypervisor], problems: &mut Vec<Problem>) {
    let mut of: BTreeMap<&str, Vec<(&Part, Partition)>> = BTreeMap::new();
    for part in parts {
        let Some((at, end)) = &part.end else { continue };
        let partition = end.partition.parse().ok();
        let Some(partition) = partition.filter(|p: &Partition| p.numbers().1 <= MACHINES) else {
            let (at, text) = (at.clone(), end.partition.clone());
            problems.push(Problem::Partition { at, text });
            continue;
        };
        for (_, hypervisor) in &part.hypervisors {
            of.entry(&hypervisor.id).or_default().push((part, partition));
        }
    }
    for id in hypervisors.iter().map(|hypervisor| hypervisor.id.as_str()) {
        let Some(all) = of.get(id) else { continue };
        let (_, first) = all[0];
        if !all.iter().all(|(_, other)| first.goes_with(other)) {
            let ways = all.iter().map(|(part, way)| format!("{}: {way}", part.file)).collect();
            problems.push(Problem::Mixed { hypervisor: id.into(), ways });
            continue;
        }
        let (_, of) = first.numbers();
        let there = |i: &u64| all.iter().any(|(_, other)| other.numbers().0 == *i);
        let missing: Vec<u64> = (1..=of).filter(|i| !there(i)).collect();
        if !missing.is_empty() {
            problems.push(Problem::Missing { hypervisor: id.into(), missing, of });
        }
    }
}
