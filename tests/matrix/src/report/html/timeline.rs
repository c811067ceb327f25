//! What happened in a case, as a drawing: a lane a vCPU, time to the right.
//!
//! ```text
//!   machine ---------<>--------------------     |  an exit, as wide as the monitor had it
//!   vCPU 0  --|-||-----<>----|---------o|--     <> what the monitor did by itself
//!   vCPU 1  ------|------------||------A---     o  a line on the console
//!           0        200 us        400 us       A  power, and where events are missing
//! ```
//!
//! Each mark says what it is (a title, which a pointer shows and a screen reader reads), and leads
//! to its row in the list below the drawing, where everything stands in words, with the line of
//! the guest's source. Where an exit is not what the case had announced, mark and row say so.

use crate::report::text::{line, time};
use anyvisor_monitor::timeline::Event;
use maud::{Markup, html};

/// The first and the last so many are drawn and listed; the records have all.
const MOST: usize = 200;
/// Of the drawing, in its own units.
const WIDTH: f64 = 760.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const LANE: f64 = 30.0;
const AXIS: f64 = 26.0;

/// The heads of the list.
const HEADS: [&str; 6] = ["Time", "Where", "Kind", "Guest", "What", "Answer"];

/// The drawing and the list.
pub fn timeline(events: &[Event]) -> Markup {
    let left_out = events.len().saturating_sub(2 * MOST);
    let all = || events.iter().enumerate();
    let middle = |i: usize| left_out > 0 && (MOST..MOST + left_out).contains(&i);
    let drawn = || all().filter(|(i, _)| !middle(*i));
    let mut lanes: Vec<Option<u32>> = drawn().map(|(_, event)| owner(event)).collect();
    lanes.sort_unstable();
    lanes.dedup();
    let begin = drawn().map(|(_, e)| e.time_ns).min().unwrap_or(0) as f64;
    let end = drawn().map(|(_, e)| e.time_ns.saturating_add(e.took_ns)).max().unwrap_or(0) as f64;
    let scale = (WIDTH - LEFT - RIGHT) / (end - begin).max(1.0);
    let x = |ns: f64| LEFT + (ns - begin) * scale;
    let height =
        |owner| LANE * (lanes.iter().position(|&lane| lane == owner).unwrap_or(0) as f64 + 0.5);
    let bottom = LANE * lanes.len() as f64;
    html! {
        figure.timeline {
            figcaption {
                "Exits (bars, as wide as the monitor had them), what the monitor did by itself \
                 (diamonds), the console (dots), power (triangles)"
                @if left_out > 0 {
                    ": the first and the last " (MOST) "; " (left_out) " between them are left out"
                }
            }
            div.scroll tabindex="0" role="region" aria-label="Timeline" {
                svg viewBox=(format!("0 0 {WIDTH} {}", bottom + AXIS)) role="group"
                    aria-label="Exits and events by vCPU over time" {
                    @for owner in &lanes {
                        @let y = height(*owner);
                        text.label x="0" y=(y + 4.0) { (place(*owner)) }
                        line.lane x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y) y2=(y) {}
                    }
                    @for tick in ticks(begin, end) {
                        @let at = format!("{:.1}", x(tick));
                        line.tick x1=(at) x2=(at) y1="0" y2=(bottom + 4.0) {}
                        text.tick x=(at) y=(bottom + 20.0) { (time(tick)) }
                    }
                    @for (i, event) in drawn() {
                        @let width = event.took_ns as f64 * scale;
                        (mark(i, event, x(event.time_ns as f64), width, height(owner(event))))
                    }
                }
            }
            details.events {
                summary { (super::plural(events.len(), "event")) " in words" }
                div.scroll tabindex="0" role="region" aria-label="Events" {
                    table {
                        thead { tr { @for head in HEADS { th scope="col" { (head) } } } }
                        tbody { @for (i, event) in drawn() { (row(i, event)) } }
                    }
                }
            }
        }
    }
}

/// The vCPU, or none: then it is the machine's.
fn owner(event: &Event) -> Option<u32> {
    (!event.shared).then_some(event.vcpu)
}

fn place(owner: Option<u32>) -> String {
    owner.map_or_else(|| "machine".into(), |vcpu| format!("vCPU {vcpu}"))
}

/// Which shape stands for an event.
fn class(event: &Event) -> &'static str {
    match event.kind.as_str() {
        "console" => "console",
        "inject" => "inject",
        "power" | "dropped" => "power",
        _ => "exit",
    }
}

/// In which fields an exit is not what the case had announced.
fn differs(event: &Event) -> Option<String> {
    let differs = &event.announced.as_ref()?.differs;
    (!differs.is_empty()).then(|| line(&differs.join(", ")))
}

fn mark(i: usize, event: &Event, x: f64, width: f64, y: f64) -> Markup {
    let class = class(event);
    let wrong = differs(event);
    html! {
        g class=(format!("mark {class}{}", if wrong.is_some() { " wrong" } else { "" })) data-event=(i) {
            title {
                (time(event.time_ns as f64)) ": " (line(&event.kind)) ": " (line(&event.what))
                @if !event.answer.is_empty() { " -> " (line(&event.answer)) }
                @if event.before > 0 { " (after " (event.before) " more of its kind)" }
                @if let Some(wrong) = wrong { "; not as announced: " (wrong) }
            }
            @match class {
                "inject" => path d=(format!("M{x:.1} {:.0}l6 7l-6 7l-6 -7z", y - 7.0)) {},
                "console" => circle cx=(format!("{x:.1}")) cy=(y) r="4" {},
                "power" => path d=(format!("M{x:.1} {:.0}l6 12h-12z", y - 7.0)) {},
                _ => rect x=(format!("{:.1}", x - 1.0)) y=(y - 9.0) height="18"
                    width=(format!("{:.1}", width.max(2.0))) {},
            }
        }
    }
}

fn row(i: usize, event: &Event) -> Markup {
    html! {
        tr data-event=(i) {
            td { (time(event.time_ns as f64)) }
            td { (place(owner(event))) }
            td { (line(&event.kind)) @if event.before > 0 { " (+" (event.before) ")" } }
            td {
                @if let Some(pc) = event.pc { code { (format!("{pc:#x}")) } }
                @if let Some(source) = event.place() {
                    " " span.source {
                        (line(&source.function)) ", " (line(&source.file)) ":" (source.line)
                    }
                    @if !source.text.is_empty() { code.source { (line(source.text.trim())) } }
                }
            }
            td {
                (line(&event.what))
                @if let Some(announced) = &event.announced {
                    div.announced {
                        "announced: " (line(&announced.fields))
                        @if let Some(wrong) = differs(event) { strong.failed { "; differs: " (wrong) } }
                    }
                }
            }
            td {
                (line(&event.answer))
                @if event.took_ns > 0 { div.took { "took " (time(event.took_ns as f64)) } }
            }
        }
    }
}

/// Round times, at most eleven of them.
fn ticks(begin: f64, end: f64) -> Vec<f64> {
    let span = (end - begin).max(1.0);
    let power = 10f64.powf((span / 10.0).log10().ceil());
    let step = [power / 5.0, power / 2.0, power].into_iter().find(|step| span / step <= 10.0);
    let step = step.unwrap_or(power).max(1.0);
    let first = (begin / step).ceil();
    (0..=10).map(|i| (first + f64::from(i)) * step).take_while(|tick| *tick <= end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let steps = |first: u32, step: u32| (0..=10).map(|i| f64::from(first + i * step)).collect();
        let must: [Vec<f64>; 2] = [steps(0, 100), steps(1130, 5)];
        assert_eq!([ticks(0.0, 1000.0), ticks(1130.0, 1180.0)], must);
        for span in [0.0, 1.0, 7.0, 123.0, 9.9e9] {
            let n = ticks(5.0, 5.0 + span).len();
            assert!((1..=11).contains(&n), "{span}: {n}");
        }
    }
}
