//! What happened in a case, as a drawing: a lane a vCPU, time to the right.
//!
//! ```text
//!   vCPU 0  --|-||-----<>----|---------o|--     |  an exit, as long as the monitor had it
//!   vCPU 1  ------|------------||----------     <> what the monitor did by itself
//!           0        200 us        400 us       o  lines on the console
//! ```
//!
//! Each mark says what it is (a title, which a pointer shows and a screen reader reads), and leads
//! to its row in the list below the drawing, where everything stands in words.

use crate::report::text::{line, time};
use anyvisor_monitor::timeline::Event;
use maud::{Markup, html};

/// The first and the last so many are drawn and listed; the records have all.
const MOST: usize = 200;
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const LANE: f64 = 30.0;
const AXIS: f64 = 26.0;

/// The drawing and the list.
pub fn timeline(events: &[Event]) -> Markup {
    let left_out = events.len().saturating_sub(2 * MOST);
    let drawn = || {
        let (head, tail) = if left_out > 0 { (MOST, MOST) } else { (events.len(), 0) };
        let head = events[..head].iter().enumerate();
        head.chain(events.iter().enumerate().skip(events.len() - tail))
    };
    let mut vcpus: Vec<u32> = drawn().map(|(_, event)| event.vcpu).collect();
    vcpus.sort_unstable();
    vcpus.dedup();
    let begin = drawn().map(|(_, e)| e.time_ns).min().unwrap_or(0) as f64;
    let end = drawn().map(|(_, e)| e.time_ns).max().unwrap_or(0) as f64;
    let span = (end - begin).max(1.0);
    let x = |ns: f64| LEFT + (ns - begin) / span * (WIDTH - LEFT - RIGHT);
    let lane = |vcpu| vcpus.iter().position(|&v| v == vcpu).unwrap_or(0) as f64 * LANE;
    let bottom = LANE * vcpus.len() as f64;
    html! {
        figure.timeline {
            figcaption { "Exits and events, by vCPU" @if left_out > 0 {
                ": the first and the last " (MOST) "; " (left_out) " between them are left out" } }
            div.scroll tabindex="0" role="region" aria-label="Timeline" {
                svg viewBox=(format!("0 0 {WIDTH} {}", bottom + AXIS)) role="group"
                    aria-label="Exits and events by vCPU over time" {
                    @for vcpu in &vcpus {
                        @let middle = lane(*vcpu) + LANE / 2.0;
                        text.label x="0" y=(middle + 4.0) { "vCPU " (vcpu) }
                        line.lane x1=(LEFT) x2=(WIDTH - RIGHT) y1=(middle) y2=(middle) {}
                    }
                    @for tick in ticks(begin, end) {
                        @let at = format!("{:.1}", x(tick));
                        line.tick x1=(at) x2=(at) y1="0" y2=(bottom + 4.0) {}
                        text.tick x=(at) y=(bottom + 20.0) { (time(tick)) }
                    }
                    @for (i, event) in drawn() {
                        (mark(i, event, x(event.time_ns as f64), lane(event.vcpu) + LANE / 2.0))
                    }
                }
            }
            details.events {
                summary { (super::plural(events.len(), "event")) " in words" }
                div.scroll tabindex="0" role="region" aria-label="Events" { table {
                    thead { tr {
                        @for head in ["Time", "vCPU", "Kind", "PC", "What", "Answer"] { th scope="col" { (head) } }
                    } }
                    tbody { @for (i, event) in drawn() { (row(i, event)) } }
                } }
            }
        }
    }
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

fn mark(i: usize, event: &Event, x: f64, middle: f64) -> Markup {
    let class = class(event);
    html! {
        g.mark.(class) data-event=(i) {
            title {
                (time(event.time_ns as f64)) ": " (line(&event.kind)) ": " (line(&event.what))
                @if !event.answer.is_empty() { " -> " (line(&event.answer)) }
                @if event.before > 0 { " (after " (event.before) " more of its kind)" }
            }
            @match class {
                "inject" => path d=(format!("M{x:.1} {:.0}l6 7l-6 7l-6 -7z", middle - 7.0)) {},
                "console" => circle cx=(format!("{x:.1}")) cy=(middle) r="4" {},
                "power" => path d=(format!("M{x:.1} {:.0}l6 12h-12z", middle - 7.0)) {},
                _ => rect x=(format!("{:.1}", x - 1.0)) y=(middle - 9.0) width="2" height="18" {},
            }
        }
    }
}

fn row(i: usize, event: &Event) -> Markup {
    html! {
        tr data-event=(i) {
            td { (time(event.time_ns as f64)) }
            td { (event.vcpu) }
            td { (line(&event.kind)) @if event.before > 0 { " (+" (event.before) ")" } }
            td { @if let Some(pc) = event.pc { code { (format!("{pc:#x}")) } } }
            td { (line(&event.what)) }
            td { (line(&event.answer)) }
        }
    }
}

/// Round times, at most ten of them.
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
        assert_eq!(ticks(0.0, 1000.0), (0..=10).map(|i| f64::from(i) * 100.0).collect::<Vec<_>>());
        assert_eq!(
            ticks(1130.0, 1180.0),
            [
                1130.0, 1135.0, 1140.0, 1145.0, 1150.0, 1155.0, 1160.0, 1165.0, 1170.0, 1175.0,
                1180.0
            ]
        );
        for span in [0.0, 1.0, 7.0, 123.0, 9.9e9] {
            let n = ticks(5.0, 5.0 + span).len();
            assert!((1..=11).contains(&n), "{span}: {n}");
        }
    }
}
