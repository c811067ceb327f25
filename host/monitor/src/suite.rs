//! Running cases: each in a VM of its own, each judged from both sides.

use crate::console::Console;
use crate::image::{CaseInfo, Image};
use crate::ktap::{self, GuestReport, Said};
use crate::machine::{Config, Machine, SetupError};
use crate::ram::RamRange;
use crate::record::Counts;
use crate::run::Stop;
use crate::timeline::{Event, Figure};
use anyvisor_abi::case::Needs;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Both sides agree with the claim.
    Passed,
    /// One of them does not.
    Failed,
    /// The machine lacks what the case needs.
    Skipped,
}

/// The outcome of one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// `group.name`.
    pub name: String,
    /// What it claims.
    pub claim: String,
    /// Where the manual says so.
    pub reference: String,
    /// How it went.
    pub verdict: Verdict,
    /// Why it failed or was skipped.
    pub reasons: Vec<String>,
    /// What the guest printed.
    pub console: String,
    /// Registers and the last exits, of a case that failed.
    pub autopsy: String,
    /// The exits.
    pub exits: Counts,
    /// What the guest measured.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// Exits and events, if they were asked for.
    #[serde(default)]
    pub events: Vec<Event>,
    /// From making the VM to the guest's end, in nanoseconds.
    pub time_ns: u64,
    /// How often it was run; all else is of the last time.
    #[serde(default = "once")]
    pub attempts: u32,
}

fn once() -> u32 {
    1
}

impl Outcome {
    /// The outcome of a case whose monitor is not there to say it.
    pub fn lost(case: &CaseInfo, reason: String, time: Duration) -> Self {
        Self {
            name: case.name.clone(),
            claim: case.claim.clone(),
            reference: case.reference.clone(),
            verdict: Verdict::Failed,
            reasons: vec![reason],
            console: String::new(),
            autopsy: String::new(),
            exits: Counts::default(),
            figures: Vec::new(),
            events: Vec::new(),
            time_ns: time.as_nanos() as u64,
            attempts: 1,
        }
    }

    /// Whether it passed, but not the first time.
    pub fn is_flaky(&self) -> bool {
        self.verdict == Verdict::Passed && self.attempts > 1
    }

    /// From making the VM to the guest's end.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.time_ns)
    }

    /// The part of the name before the first dot.
    pub fn group(&self) -> &str {
        self.name.split('.').next().unwrap_or(&self.name)
    }
}

/// What all cases of a run have in common.
#[derive(Debug)]
pub struct Suite<'a> {
    /// The kernel.
    pub image: &'a Image<'a>,
    /// Its RAM.
    pub ram: RamRange,
    /// How long a case may take.
    pub timeout: Duration,
    /// Whether the machines have a GIC; `None`: each as its case needs.
    pub gic: Option<bool>,
    /// Print a line for each exit.
    pub trace: bool,
    /// Keep so many events of each case, if any.
    pub events: Option<usize>,
}

impl Suite<'_> {
    /// Runs one case in a fresh VM.
    ///
    /// # Errors
    /// There is no VM to be had.
    pub fn run(&self, case: &CaseInfo) -> Result<Outcome, SetupError> {
        let start = Instant::now();
        let bootargs = format!("case={}", case.name);
        let config = Config {
            image: self.image,
            vcpus: case.needs.vcpu_count(),
            gic: self.gic.unwrap_or(!case.needs.contains(Needs::LINES)),
            ram: self.ram,
            bootargs: &bootargs,
            seal: true,
            timeout: Some(self.timeout),
            trace: self.trace,
            events: self.events,
            qos: &[],
        };
        let mut machine = Machine::new(&config, Console::capture())?;
        let stop = machine.run();
        let time_ns = start.elapsed().as_nanos() as u64;
        let console = machine.console();
        let (mut complaints, mut exits) = (Vec::new(), Counts::default());
        for report in machine.reports(false) {
            complaints.extend(report.complaints);
            exits.add(&report.exits);
        }
        let report = ktap::parse(&console);
        let (verdict, reasons) = judge(case, &stop, &report, complaints);
        let failed = verdict == Verdict::Failed;
        Ok(Outcome {
            name: case.name.clone(),
            claim: case.claim.clone(),
            reference: case.reference.clone(),
            verdict,
            reasons,
            console,
            autopsy: if failed { machine.autopsy() } else { String::new() },
            exits,
            figures: report.result(&case.name).map_or_else(Vec::new, |line| line.figures.clone()),
            events: machine.events(),
            time_ns,
            attempts: 1,
        })
    }
}

/// What the guest said, what the monitor saw, and how the machine ended, taken together.
fn judge(
    case: &CaseInfo,
    stop: &Stop,
    report: &GuestReport,
    complaints: Vec<String>,
) -> (Verdict, Vec<String>) {
    let result = report.result(&case.name);
    let mut reasons = Vec::new();
    match stop {
        Stop::Off => {}
        Stop::Reset | Stop::CpuOff if case.needs.contains(Needs::ENDS_VM) => {}
        other => reasons.push(other.to_string()),
    }
    match (result.map(|line| &line.said), &report.bail) {
        (_, Some(reason)) => reasons.push(format!("the guest gave up: {reason}")),
        (Some(Said::NotOk(reason)), _) => reasons.push(reason.clone()),
        (Some(Said::Ok | Said::Skip(_)), _) => {}
        // A machine that stopped by itself says more than that there is no result.
        (None, _) if !reasons.is_empty() => {}
        (None, _) => reasons.push("the guest ended without a result".into()),
    }
    reasons.extend(complaints);
    // Of a report that others may have to read; next to a real reason it would be noise.
    if reasons.is_empty() {
        reasons.extend(report.problems.iter().map(|p| format!("the report is not KTAP: {p}")));
    }
    match result.map(|line| &line.said) {
        _ if !reasons.is_empty() => (Verdict::Failed, reasons),
        Some(Said::Skip(reason)) => (Verdict::Skipped, vec![reason.clone()]),
        _ => (Verdict::Passed, reasons),
    }
}

/// The sum of a run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases that were skipped.
    pub skipped: usize,
    /// All exits.
    pub exits: Counts,
    /// Wall-clock time of the whole run.
    pub time: Duration,
}

impl Summary {
    /// Counts one outcome.
    pub fn add(&mut self, outcome: &Outcome) {
        match outcome.verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed => self.failed += 1,
            Verdict::Skipped => self.skipped += 1,
        }
        self.exits.add(&outcome.exits);
    }

    /// All cases.
    pub fn total(&self) -> usize {
        self.passed + self.failed + self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(needs: Needs, stop: Stop, lines: &str, complaints: &[&str]) -> (Verdict, String) {
        let case = CaseInfo {
            name: "a.b".into(),
            claim: String::new(),
            reference: String::new(),
            needs,
            lesson: String::new(),
        };
        let console = format!("KTAP version 1\n1..1\n{lines}");
        let complaints = complaints.iter().map(|c| (*c).to_string()).collect();
        let (verdict, reasons) = judge(&case, &stop, &ktap::parse(&console), complaints);
        (verdict, reasons.join("; "))
    }

    #[test]
    fn a_case_passes_when_the_guest_says_so_and_nobody_objects() {
        let none = Needs::NONE;
        let ok = "ok 1 a.b\n";
        assert_eq!(judged(none, Stop::Off, ok, &[]).0, Verdict::Passed);
        assert_eq!(
            judged(none, Stop::Off, ok, &["no exit"]),
            (Verdict::Failed, "no exit".to_string())
        );
        assert_eq!(judged(none, Stop::Timeout, ok, &[]).0, Verdict::Failed);
        assert_eq!(judged(none, Stop::Reset, ok, &[]).0, Verdict::Failed);
        assert_eq!(judged(Needs::ENDS_VM, Stop::Reset, ok, &[]).0, Verdict::Passed);
        assert_eq!(judged(Needs::ENDS_VM, Stop::Timeout, ok, &[]).0, Verdict::Failed);
    }

    #[test]
    fn a_case_fails_with_the_reasons_of_both_sides() {
        let none = Needs::NONE;
        let (verdict, reasons) =
            judged(none, Stop::Off, "not ok 1 a.b # x is 1\n", &["FAR differs"]);
        assert_eq!(verdict, Verdict::Failed);
        assert_eq!(reasons, "x is 1; FAR differs");
        let (_, reasons) = judged(none, Stop::Off, "", &[]);
        assert_eq!(reasons, "the guest ended without a result");
        let (_, reasons) = judged(none, Stop::Unhandled("a write".into()), "", &[]);
        assert_eq!(reasons, "a write");
        let (_, reasons) = judged(none, Stop::Off, "hello\nok 1 a.b\n", &[]);
        assert_eq!(reasons, "the report is not KTAP: neither a result nor a diagnostic: \"hello\"");
        let (_, reasons) = judged(none, Stop::Off, "Bail out! no vectors\n", &[]);
        assert_eq!(reasons, "the guest gave up: no vectors");
    }

    #[test]
    fn a_skipped_case_says_why_and_a_complaint_weighs_more() {
        let line = "ok 1 a.b # SKIP needs gic\n";
        let skipped = judged(Needs::GIC, Stop::Off, line, &[]);
        assert_eq!(skipped, (Verdict::Skipped, "needs gic".to_string()));
        assert_eq!(judged(Needs::GIC, Stop::Off, line, &["unmet"]).0, Verdict::Failed);
    }
}
