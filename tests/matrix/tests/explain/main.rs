//! `explain` on the kernel itself: its lessons, the exits that cases must make and the lines of
//! source that they come from, and these lines against another program's.
//!
//! ```text
//! ANYVISOR_KERNEL      the kernel's ELF file
//! ANYVISOR_ADDR2LINE   binutils' addr2line for AArch64
//! ```
//!
//! What is not there is one ignored test that says why. The monitor is this program, started with
//! the monitor's arguments.

#![forbid(unsafe_code)]

mod lines;

use anyvisor_matrix::explain::terminal::Terminal;
use anyvisor_matrix::explain::{ExplainError, Explanation, Request, explain};
use anyvisor_monitor::image::cases;
use anyvisor_monitor::suite::Verdict;
use anyvisor_monitor::timeline::Event;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `explain` gives the monitor: `run KERNEL --case NAME ...`.
fn is_monitor() -> bool {
    let mut words = std::env::args().skip(1);
    words.next().as_deref() == Some("run") && words.nth(1).as_deref() == Some("--case")
}

fn main() -> ExitCode {
    if is_monitor() {
        return anyvisor_monitor::program::main();
    }
    let trials = match std::env::var_os("ANYVISOR_KERNEL") {
        Some(kernel) => trials(Path::new(&kernel)),
        None => missing("kernel", "ANYVISOR_KERNEL is not set; cargo xtask test sets it".into()),
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A test that cannot be: ignored, with the reason.
fn missing(name: &str, reason: String) -> Vec<Trial> {
    vec![Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason)))]
}

/// Why a test failed.
type Result<T = ()> = std::result::Result<T, Failed>;

fn trials(kernel: &Path) -> Vec<Trial> {
    let test = |name: &str, body: fn(&Path) -> Result| {
        let kernel = kernel.to_path_buf();
        Trial::test(name, move || body(&kernel))
    };
    let mut trials = vec![
        test("every_case_has_a_lesson", every_case_has_a_lesson),
        test("what_there_was_no_room_for_is_said", what_there_was_no_room_for_is_said),
        test("no_path_of_the_builder_is_shown", no_path_of_the_builder_is_shown),
        test(
            "a_case_that_stays_in_the_guest_is_said_to",
            a_case_that_stays_in_the_guest_is_said_to,
        ),
        test(
            "a_name_that_fits_none_or_several_is_refused",
            a_name_that_fits_none_or_several_is_refused,
        ),
        test("a_monitor_that_does_nothing_is_one_line", a_monitor_that_does_nothing_is_one_line),
    ];
    for story in STORIES {
        let kernel = kernel.to_path_buf();
        trials.push(Trial::test(format!("exits::{}", story.case), move || story.check(&kernel)));
    }
    trials.extend(lines::trials(kernel));
    trials
}

/// The folder of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn request<'a>(kernel: &'a Path, case: &'a str, monitor: &'a Path) -> Request<'a> {
    Request { kernel, case, monitor, bug: None, events: 1000, more: &[] }
}

/// Explains a case, with this program as the monitor.
fn explained(kernel: &Path, case: &str, events: u32) -> Result<Explanation> {
    let monitor = std::env::current_exe()?;
    let request = Request { events, ..request(kernel, case, &monitor) };
    let explanation = explain(&request, &workspace())?;
    if explanation.outcome.verdict != Verdict::Passed {
        return Err(format!("{case}: {:?}", explanation.outcome.reasons).into());
    }
    Ok(explanation)
}

/// Exits that a case must make, in this order: the kind, a piece of the source line (of the case, or
/// of what the case's file has for it), a piece of what the monitor says.
struct Story {
    case: &'static str,
    exits: &'static [(&'static str, &'static str, &'static str)],
}

const STORIES: [Story; 7] = [
    Story {
        case: "stage2.readonly_write",
        exits: &[
            ("hypercall", "services::protect(ipa", "PROTECT"),
            ("hypercall", "services::expect_exit(", "EXPECT_EXIT"),
            ("data-abort", "str x7, [x1]", "permission fault"),
            ("hypercall", "services::exit_record()", "EXIT_RECORD"),
        ],
    },
    Story {
        case: "stage2.noexec_fetch", // the instruction was written by the case: only its caller is known
        exits: &[
            ("hypercall", "services::protect(ipa", "PROTECT"),
            ("hypercall", "services::expect_exit(instruction_abort(", "EXPECT_EXIT"),
            ("instruction-abort", "", "permission fault"),
            ("hypercall", "services::exit_record()", "EXIT_RECORD"),
        ],
    },
    Story {
        case: "stage2.mmio_el0",
        exits: &[
            ("hypercall", "services::expect_exit(", "EXPECT_EXIT"),
            ("data-abort", "load(El::El0, va + 0x900)", "reads"),
            ("data-abort", "store(El::El0, va + 0x908, 9)", "scratch+0x908 := 0x9"),
            ("data-abort", "load(El::El1, device + 0x908)", "scratch+0x908 reads 0x9"),
        ],
    },
    Story {
        case: "virq.pulse",
        exits: &[
            ("hypercall", "inject(LINE_IRQ, LEVEL_PULSE, 0)", "INJECT"),
            ("inject", "", "IRQ line high for one entry"),
            ("hypercall", "host_time()", "HOST_TIME"),
            ("hypercall", "inject(LINE_FIQ, LEVEL_PULSE, 0)", "INJECT"),
            ("inject", "", "FIQ line high for one entry"),
        ],
    },
    Story {
        case: "gic_spi.injected",
        exits: &[
            ("hypercall", "inject_spi(spi.intid, LEVEL_PULSE, 0)", "INJECT_SPI"),
            ("inject", "", "high and low again"),
            ("hypercall", "inject_spi(spi.intid, LEVEL_HIGH, 0)", "INJECT_SPI"),
            ("hypercall", "inject_spi(spi.intid, LEVEL_LOW, 0)", "INJECT_SPI"),
        ],
    },
    Story {
        case: "psci.each_cpu",
        exits: &[
            ("power", "", "on: PC"),
            ("hypercall", "smp::start_on(cpu", "CPU_ON"),
            ("power", "", "on: PC"),
            ("hypercall", "", "CPU_OFF"),
            ("power", "", "off: switched off"),
            ("power", "", "the guest switched the machine off"),
        ],
    },
    Story {
        case: "psci.system_reset",
        exits: &[
            ("console", "", "resets the machine"),
            ("power", "", "the guest asked for a reset"),
        ],
    },
];

impl Story {
    fn check(&self, kernel: &Path) -> Result {
        let explanation = explained(kernel, self.case, 1000)?;
        let mut events = explanation.outcome.events.iter();
        for (kind, text, said) in self.exits {
            let fits = |event: &&Event| {
                let line = event.place().map_or("", |place| &place.text);
                event.kind == *kind
                    && line.contains(text)
                    && (event.what.contains(said) || event.answer.contains(said))
            };
            if !events.any(|event| fits(&event)) {
                let shown = explanation.run_text(&Terminal::plain(), true);
                let what = format!("no {kind} at {text:?} with {said:?} (behind those before it)");
                return Err(format!("{what}:\n{shown}").into());
            }
        }
        let folder = workspace();
        explanation.outcome.events.iter().try_for_each(|event| of_the_file(event, &folder))
    }
}

/// The text of each line of the kernel's is what stands in the file.
fn of_the_file(event: &Event, workspace: &Path) -> Result {
    for place in event.source.iter().filter(|place| place.file.starts_with("guest/")) {
        let file = std::fs::read_to_string(workspace.join(&place.file))?;
        let line = file.lines().nth(place.line as usize - 1).unwrap_or("(no such line)");
        if line.trim() != place.text {
            return Err(format!("{place:?} is {line:?}").into());
        }
    }
    Ok(())
}

fn every_case_has_a_lesson(kernel: &Path) -> Result {
    let all = cases(&std::fs::read(kernel)?)?;
    match all.iter().find(|case| case.lesson.trim().is_empty()) {
        Some(case) => Err(format!("{} has no lesson", case.name).into()),
        None => Ok(()),
    }
}

fn what_there_was_no_room_for_is_said(kernel: &Path) -> Result {
    let whole = explained(kernel, "stage2.mmio_store", 1000)?.outcome.events;
    let cut = explained(kernel, "stage2.mmio_store", 6)?;
    let kept = &cut.outcome.events;
    let gap = kept.iter().find(|event| event.kind == "dropped").ok_or("no gap is told")?;
    let all = gap.before as usize + kept.len() - 1;
    if (kept.len(), all) != (7, whole.len()) {
        return Err(
            format!("{} kept, {} dropped, of {}", kept.len(), gap.before, whole.len()).into()
        );
    }
    let text = cut.run_text(&Terminal::plain(), false);
    let said = format!("{} events are left out", gap.before);
    if text.contains(&said) { Ok(()) } else { Err(format!("{said:?} is not in\n{text}").into()) }
}

fn no_path_of_the_builder_is_shown(kernel: &Path) -> Result {
    for case in ["stage2.mmio_el0", "gic_spi.wakes", "exception.svc_el1"] {
        let explanation = explained(kernel, case, 1000)?;
        let mut seen = false;
        for place in explanation.outcome.events.iter().flat_map(|event| &event.source) {
            seen |= place.file.starts_with("guest/kernel/src/");
            if place.file.starts_with('/') || place.file.contains("..") {
                return Err(format!("{case}: {place:?}").into());
            }
        }
        if !seen {
            return Err(format!("{case}: no line of the kernel's").into());
        }
    }
    Ok(())
}

fn a_case_that_stays_in_the_guest_is_said_to(kernel: &Path) -> Result {
    let text = explained(kernel, "exception.svc_el1", 1000)?.text(&Terminal::plain(), false);
    let parts = ["exception.svc_el1", "reference", "needs", "made no exit of its own", "passed"];
    match parts.iter().find(|part| !text.contains(**part)) {
        Some(part) => Err(format!("{part:?} is not in\n{text}").into()),
        None => Ok(()),
    }
}

fn a_name_that_fits_none_or_several_is_refused(kernel: &Path) -> Result {
    let monitor = std::env::current_exe()?;
    let refused = |case| explain(&request(kernel, case, &monitor), &workspace()).map(drop);
    match refused("exception.svc") {
        Err(ExplainError::NoSuchCase(error)) if error.to_string().contains("svc_el1") => {}
        other => return Err(format!("{other:?}").into()),
    }
    match refused("exception.*") {
        Err(error @ ExplainError::Several { .. }) if error.to_string().ends_with(", ...") => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn a_monitor_that_does_nothing_is_one_line(kernel: &Path) -> Result {
    for (monitor, wanted) in [
        (Path::new("/nowhere/monitor"), "/nowhere/monitor cannot be started"),
        (&std::env::current_exe()?, "without an outcome"), // an option that it does not have
    ] {
        let bad = ["--no-such-option".to_string()];
        let request = Request { more: &bad, ..request(kernel, "exception.brk", monitor) };
        let error = explain(&request, &workspace()).map(drop).err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        if !error.contains(wanted) || error.contains('\n') {
            return Err(format!("{error:?} does not say {wanted:?} in one line").into());
        }
    }
    Ok(())
}
