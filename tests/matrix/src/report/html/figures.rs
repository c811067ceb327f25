//! What a case measured, side by side: a plot a figure, a bar a hypervisor.
//!
//! Bars begin at 0. Where one is more than [`FAR`] times another, and all are above 0, the axis
//! is logarithmic, says so, and dots stand for bars: a bar's length would mean nothing there.

use crate::report::merge::{Case, Report};
use crate::report::text::{line, number};
use anyvisor_monitor::timeline::Figure;
use maud::{Markup, html};

const FAR: f64 = 50.0;
/// Of the drawing, in its own units.
const WIDTH: f64 = 640.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 110.0;
const ROW: f64 = 24.0;

/// The plots of a case, by the names of what was measured.
pub fn plots(report: &Report, case: &Case) -> Markup {
    let mut names: Vec<(&str, &str)> = Vec::new();
    for figure in case.runs.iter().flatten().flat_map(|run| &run.figures) {
        let name = (figure.name.as_str(), figure.unit.as_str());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    html! {
        @if !names.is_empty() {
            section.figures {
                h3 { "Figures" }
                @for (name, unit) in names {
                    @let of = |figure: &&Figure| figure.name == name && figure.unit == unit;
                    @let values = report.hypervisors.iter().zip(&case.runs).filter_map(|(h, run)| {
                        Some((h.id.as_str(), run.as_ref()?.figures.iter().rfind(of)?.value))
                    });
                    (plot(name, unit, &values.collect::<Vec<_>>()))
                }
            }
        }
    }
}

fn plot(name: &str, unit: &str, values: &[(&str, f64)]) -> Markup {
    let all = || values.iter().map(|(_, value)| *value);
    let (least, most) =
        (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let logarithmic = least > 0.0 && most / least > FAR;
    let (from, to) = if logarithmic {
        (least.log10().floor(), most.log10().ceil())
    } else {
        (least.min(0.0), most.max(0.0))
    };
    let span = if to > from { to - from } else { 1.0 };
    let x = |value: f64| {
        let value = if logarithmic { value.log10() } else { value };
        LEFT + (value - from) / span * (WIDTH - LEFT - RIGHT)
    };
    let zero = if logarithmic { LEFT } else { x(0.0) };
    let height = ROW * values.len() as f64;
    html! {
        figure data-figure=(name) {
            figcaption {
                (line(name)) ", " (line(unit)) @if logarithmic { " (logarithmic)" }
            }
            svg.plot viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                aria-label=(format!("{} by hypervisor", line(name))) {
                line.axis x1=(coordinate(zero)) x2=(coordinate(zero)) y1="0" y2=(height) {}
                @for (i, (id, value)) in values.iter().enumerate() {
                    @let middle = ROW * (i as f64 + 0.5);
                    @let (a, b) = (zero.min(x(*value)), zero.max(x(*value)));
                    g data-hypervisor=(id) data-value=(value) {
                        text.label x=(LEFT - 8.0) y=(middle + 4.0) { (short(&line(id))) }
                        @if logarithmic {
                            circle.bar cx=(coordinate(x(*value))) cy=(middle) r="5" {}
                        } @else {
                            rect.bar x=(coordinate(a)) y=(middle - 7.0) height="14"
                                width=(coordinate((b - a).max(1.0))) {}
                        }
                        text.value x=(coordinate(b + 8.0)) y=(middle + 4.0) {
                            (number(*value)) " " (line(unit))
                        }
                    }
                }
            }
        }
    }
}

/// A name that fits beside its bar.
fn short(name: &str) -> String {
    const MOST: usize = 22;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

/// A tenth of a unit is finer than a screen.
fn coordinate(value: f64) -> String {
    format!("{value:.1}")
}
