//! All about one case: what it teaches, and how it went on each hypervisor.

use super::{address, badge, figures, lesson, timeline};
use crate::record::{CaseRun, Hypervisor, Lesson};
use crate::report::merge::{Case, Report};
use crate::report::status::Status;
use crate::report::text::{clipped, line, time, visible};
use maud::{Markup, html};

/// Of a console or an autopsy the page shows no more bytes; the records have all.
const MOST: usize = 16 << 10;

/// The panel of a case.
pub fn panel(report: &Report, case: &Case) -> Markup {
    html! {
        article.case id=(address(&case.name, None)) data-case=(case.name) tabindex="-1" {
            h2 { (line(&case.name)) }
            @if let Some(lesson) = &case.lesson { (teaching(lesson)) }
            (figures::plots(report, case))
            @for (column, hypervisor) in report.hypervisors.iter().enumerate() {
                @if let Some(run) = &case.runs[column] { (on(hypervisor, case, column, run)) }
            }
        }
    }
}

fn teaching(lesson: &Lesson) -> Markup {
    html! {
        p.claim { (line(&lesson.claim)) }
        dl {
            dt { "Manual" } dd { (line(&lesson.reference)) }
            dt { "Needs" }
            dd {
                @if lesson.needs.is_empty() { "nothing in particular" }
                @for need in &lesson.needs { code { (line(need)) } " " }
            }
        }
        @if !lesson.text.trim().is_empty() { div.lesson { (lesson::render(&lesson.text)) } }
    }
}

fn on(hypervisor: &Hypervisor, case: &Case, column: usize, run: &CaseRun) -> Markup {
    let status = case.status(column);
    let quiet = status == Status::Passed && run.events.is_empty();
    html! {
        section.on id=(address(&case.name, Some(&hypervisor.id))) data-hypervisor=(hypervisor.id)
            tabindex="-1" {
            h3 { (badge(status)) " " (line(&hypervisor.id)) }
            p.time {
                (time(run.time_ns as f64))
                @if run.attempts > 1 { ", " (run.attempts) " tries" }
            }
            @if let Some(known) = &run.known { p.known { "Known difference: " (line(known)) } }
            @if !run.reasons.is_empty() {
                ul.reasons { @for reason in &run.reasons { li { (line(reason)) } } }
            }
            @if !run.events.is_empty() { (timeline::timeline(&run.events)) }
            (fold("Console", "console", &run.console, !quiet))
            (fold("Registers and last exits", "autopsy", &run.autopsy, true))
        }
    }
}

/// Text as it was printed. What is of interest is open.
fn fold(title: &str, class: &str, text: &str, open: bool) -> Markup {
    html! {
        @if !text.is_empty() {
            details.(class) open[open] {
                summary { (title) }
                pre tabindex="0" { (visible(&clipped(text, MOST))) }
            }
        }
    }
}
