//! The matrix: a row a case, a column a hypervisor, a body a group.

use super::{address, shape};
use crate::report::merge::{Case, Report};
use crate::report::status::Status;
use crate::report::text::line;
use maud::{Markup, html};

/// The table.
pub fn table(report: &Report) -> Markup {
    let columns = report.hypervisors.len();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Cases by hypervisor" {
            table #matrix {
                caption { "Each case on each hypervisor" }
                thead {
                    tr {
                        th scope="col" { "Case" }
                        @for hypervisor in &report.hypervisors {
                            th scope="col" data-hypervisor=(hypervisor.id)
                                title=(line(&hypervisor.name)) { (line(&hypervisor.id)) }
                        }
                    }
                    tr.sums {
                        th scope="row" { "Sums" }
                        @for column in 0..columns {
                            td data-hypervisor=(report.hypervisors[column].id) { (sums(report, column)) }
                        }
                    }
                }
                @for group in report.cases.chunk_by(|a, b| a.group() == b.group()) {
                    tbody data-group=(group[0].group()) {
                        tr.group {
                            th scope="rowgroup" colspan=(columns + 1) { (line(group[0].group())) }
                        }
                        @for case in group { (row(report, case)) }
                    }
                }
            }
        }
        p #nothing hidden { "No case fits these filters." }
    }
}

fn sums(report: &Report, column: usize) -> Markup {
    let count = |status| report.count(column, status);
    html! {
        @for status in Status::ALL.into_iter().rev().filter(|status| count(*status) > 0) {
            span class=(format!("sum {}", status.word())) title=(status.name()) {
                (shape(status)) (count(status)) span.sr { " " (status.name()) }
            }
            " "
        }
    }
}

fn row(report: &Report, case: &Case) -> Markup {
    html! {
        tr data-case=(case.name) {
            th scope="row" {
                a href=(format!("#{}", address(&case.name, None))) { (line(&case.name)) }
                @if let Some(lesson) = &case.lesson { span.claim { (line(&lesson.claim)) } }
            }
            @for (column, hypervisor) in report.hypervisors.iter().enumerate() {
                @let status = case.status(column);
                td data-hypervisor=(hypervisor.id) data-verdict=(status.word()) {
                    @let class = format!("verdict {}", status.word());
                    @if status == Status::Missing {
                        span class=(class) { (shape(status)) span.sr { (status.name()) } }
                    } @else {
                        a class=(class) title=(status.name())
                            href=(format!("#{}", address(&case.name, Some(&hypervisor.id)))) {
                            (shape(status)) span.sr { (status.name()) }
                        }
                    }
                }
            }
        }
    }
}
