//! One page that needs nothing but itself: no network, no font, no script from elsewhere.
//!
//! ```text
//!   header    what ran, sums          problems, filters (with a script only)
//!   table     case x hypervisor       each cell leads to ...
//!   panel     ... the case: claim, lesson, and for each hypervisor reasons, console, autopsy,
//!             exits on a timeline; figures as plots across hypervisors
//! ```
//!
//! Everything is in the page as it is written; the script only hides what is not asked for. So
//! without it the page is a long one, and its links still lead to the right places: a link's
//! address is the name of its place, `#case=NAME&at=HYPERVISOR`, and the script reads the same
//! address as the state of filters and panel.
//!
//! What the page shows is foreign: a guest's console, a hypervisor's version. Three fences: text
//! only gets in through `maud`, which escapes it; [`visible`](super::text::visible) takes what
//! would act in it; and a Content-Security-Policy names the page's one script and one style by
//! their hashes, and allows nothing else, above all no network.

mod figures;
mod lesson;
mod panel;
mod table;
mod timeline;

use super::merge::Report;
use super::status::Status;
use super::text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page.
pub fn write(report: &Report) -> String {
    page(report).into_string()
}

fn page(report: &Report) -> Markup {
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        source(STYLE),
        source(SCRIPT)
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="referrer" content="no-referrer";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Anyvisor: " (title(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#matrix" { "To the table" }
                (shapes())
                header { h1 { "Anyvisor" } p { (title(report)) } }
                main {
                    div #overview {
                        (problems(report))
                        (hypervisors(report))
                        (filters(report))
                        (table::table(report))
                    }
                    div #panel {
                        @for case in &report.cases { (panel::panel(report, case)) }
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// What a Content-Security-Policy calls an inline script or style (CSP Level 3, hash-source).
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// The address of a case's place, or of what a hypervisor made of it. Names are letters, digits
/// and a few signs; of a foreign one anything else is escaped as addresses have it.
fn address(case: &str, hypervisor: Option<&str>) -> String {
    let plain = |text: &str| -> String {
        let byte = |b: u8| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(b).into(),
            b => format!("%{b:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    let at = hypervisor.map(|id| format!("&at={}", plain(id))).unwrap_or_default();
    format!("case={}{at}", plain(case))
}

/// `5 cases` and the like.
fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn title(report: &Report) -> String {
    let (cases, columns) = (report.cases.len(), report.hypervisors.len());
    let failed: usize = (0..columns).map(|column| report.count(column, Status::Failed)).sum();
    format!(
        "{} on {}, {}",
        plural(cases, "case"),
        plural(columns, "hypervisor"),
        if failed == 0 { "none failed".into() } else { format!("{failed} failed") }
    )
}

/// Each status is a shape as well as a colour.
fn shapes() -> Markup {
    let path = |status| match status {
        Status::Passed => "M3 8.5l3.2 3.5L13 4.5",
        Status::Failed => "M4 4l8 8M12 4l-8 8",
        Status::Skipped => "M4 8h8",
        Status::Known => "M2.5 6.5q2.75-3 5.5 0t5.5 0M2.5 10.5q2.75-3 5.5 0t5.5 0",
        Status::Flaky => "M12.5 8a4.5 4.5 0 1 1-1.6-3.4M11.5 1.5v3.4H8.1",
        Status::Stale => "M8 2.5v7M8 12.5v.6",
        Status::Missing => "M8 8v.1",
    };
    html! {
        svg.defs aria-hidden="true" {
            @for status in Status::ALL {
                symbol id=(format!("shape-{}", status.word())) viewBox="0 0 16 16" {
                    path d=(path(status)) {}
                }
            }
        }
    }
}

/// The shape of a status.
fn shape(status: Status) -> Markup {
    html! { svg.shape aria-hidden="true" { use href=(format!("#shape-{}", status.word())) {} } }
}

/// A status as shape, colour and word.
fn badge(status: Status) -> Markup {
    html! { span class=(format!("badge {}", status.word())) { (shape(status)) (status.name()) } }
}

fn problems(report: &Report) -> Markup {
    html! {
        @if !report.problems.is_empty() {
            section #problems aria-labelledby="problems-title" {
                h2 #problems-title { "Not to be relied on" }
                p { "The records of this run do not fit together:" }
                ul { @for problem in &report.problems { li { (text::line(&problem.to_string())) } } }
            }
        }
    }
}

fn hypervisors(report: &Report) -> Markup {
    html! {
        details #hypervisors {
            summary { "Hypervisors: versions and commands" }
            dl {
                @for hypervisor in &report.hypervisors {
                    dt { (text::line(&hypervisor.id)) }
                    dd {
                        (text::line(&hypervisor.name)) ", "
                        (plural(hypervisor.vcpus.into(), "vCPU")) br;
                        (text::line(&hypervisor.version)) br;
                        code { (text::line(&hypervisor.command.join(" "))) }
                    }
                }
            }
        }
    }
}

/// They are of no use without the script, which shows them.
fn filters(report: &Report) -> Markup {
    let mut groups: Vec<_> = report.cases.iter().map(|case| case.group()).collect();
    groups.dedup();
    let used =
        |status: &Status| (0..report.hypervisors.len()).any(|i| report.count(i, *status) > 0);
    html! {
        form #filters hidden {
            label { "Text " input #text type="search" name="text" autocomplete="off"; }
            label {
                "Group "
                select #group name="group" {
                    option value="" { "all" }
                    @for group in groups { option value=(group) { (text::line(group)) } }
                }
            }
            fieldset {
                legend { "Verdicts" }
                @for status in Status::ALL.into_iter().rev().filter(used) {
                    label { input type="checkbox" name="verdict" value=(status.word()); (badge(status)) }
                }
                label title="Cases that went differently on different hypervisors" {
                    input type="checkbox" name="verdict" value="differs"; "hypervisors differ"
                }
            }
            fieldset {
                legend { "Hypervisors" }
                @for hypervisor in &report.hypervisors {
                    label {
                        input type="checkbox" name="hypervisor" value=(hypervisor.id);
                        (text::line(&hypervisor.id))
                    }
                }
            }
            button type="reset" { "Show all" }
            output #shown aria-live="polite" {}
        }
    }
}
