//! JUnit XML, as CI's servers read it: a suite a hypervisor, a case a case.
//!
//! A known difference is skipped, with its explanation: it must not redden a build for ever. A
//! case that passed at a later try has the earlier ones as `flakyFailure`. What is wrong with the
//! records themselves is a suite of its own, `records`, whose cases are errors.
//!
//! XML 1.0 has no place for most control characters, not even escaped. quick-junit drops them, and
//! ANSI escapes as wholes.

use super::merge::{Case, Report};
use super::status::Status;
use super::text::clipped;
use crate::record::{CaseRun, Hypervisor};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestRerun, TestSuite};
use std::time::Duration;

/// What a console may take there; the page and the records have more.
const MOST: usize = 64 << 10;

/// The document.
pub fn write(report: &Report) -> String {
    let mut document = quick_junit::Report::new("anyvisor");
    let mut all = Duration::ZERO;
    for (column, hypervisor) in report.hypervisors.iter().enumerate() {
        let suite = suite(report, column, hypervisor);
        all = all.saturating_add(suite.time.unwrap_or_default());
        document.add_test_suite(suite);
    }
    document.set_time(all);
    if !report.problems.is_empty() {
        let mut suite = TestSuite::new("records");
        for (i, problem) in report.problems.iter().enumerate() {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(problem.to_string());
            suite.add_test_case(TestCase::new(format!("problem {}", i + 1), status));
        }
        document.add_test_suite(suite);
    }
    match document.to_string() {
        Ok(text) => text,
        // It is written into memory.
        Err(error) => unreachable!("JUnit XML into a string: {error}"),
    }
}

fn suite(report: &Report, column: usize, hypervisor: &Hypervisor) -> TestSuite {
    let mut suite = TestSuite::new(hypervisor.id.as_str());
    suite.add_property(("name", hypervisor.name.as_str()));
    suite.add_property(("version", hypervisor.version.as_str()));
    suite.add_property(("command", hypervisor.command.join(" ").as_str()));
    suite.add_property(("vcpus", hypervisor.vcpus.to_string().as_str()));
    let mut total = 0u64;
    for case in &report.cases {
        if let Some(run) = &case.runs[column] {
            total = total.saturating_add(run.time_ns);
            suite.add_test_case(test_case(case, run));
        }
    }
    suite.set_time(Duration::from_nanos(total));
    suite
}

fn test_case(case: &Case, run: &CaseRun) -> TestCase {
    let reasons = run.reasons.join("\n");
    let first = run.reasons.first().map_or("no reason was given", String::as_str);
    let earlier = (1..run.attempts.min(1000)).map(|i| {
        let mut rerun = TestRerun::new(NonSuccessKind::Failure);
        rerun.set_message(format!("try {i} failed"));
        rerun
    });
    let status = match Status::of(Some(run)) {
        Status::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(first).set_description(clipped(
                &[reasons.as_str(), run.autopsy.as_str()].join("\n\n"),
                MOST,
            ));
            status.add_reruns(earlier);
            status
        }
        Status::Known => {
            let known = run.known.as_deref().unwrap_or_default();
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("known difference: {known}")).set_description(reasons);
            status
        }
        Status::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(first);
            status
        }
        Status::Flaky | Status::Stale | Status::Passed | Status::Missing => {
            let mut status = TestCaseStatus::success();
            status.add_reruns(earlier);
            status
        }
    };
    let name = case.name.split_once('.').map_or(case.name.as_str(), |(_, name)| name);
    let mut test = TestCase::new(name, status);
    test.set_classname(case.group()).set_time(Duration::from_nanos(run.time_ns));
    for figure in &run.figures {
        let value = format!("{} {}", figure.value, figure.unit);
        test.add_property((figure.name.as_str(), value.as_str()));
    }
    if Status::of(Some(run)) == Status::Stale {
        let known = run.known.as_deref().unwrap_or_default();
        test.add_property(("stale known difference", known));
    }
    if !run.console.is_empty() {
        test.set_system_out(clipped(&run.console.replace("\r\n", "\n"), MOST));
    }
    test
}
