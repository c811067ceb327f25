//! The tests: a kernel's cases, a way of booting, and what the runner must make of it.

use crate::kernel::Folder;
use anyvisor_abi::case::Needs;
use anyvisor_matrix::record::{CaseRun, Record};
use anyvisor_monitor::suite::Verdict;
use libtest_mimic::{Failed, Trial};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Where cargo says the runner is. (When it runs the test: a build that only checks types has none.)
const RUNNER: &str = "CARGO_BIN_EXE_anyvisor-matrix";
/// Seconds for a case where none shall hang.
const PATIENT: &str = "300";
/// Seconds for a case where one does. A case that does not hang has nothing to do.
const SHORT: &str = "8";

type Test = fn(&str) -> Result<(), Failed>;

/// All tests.
pub fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 15] = [
        ("a_case_that_ends_the_process_fails_and_the_others_run", dies),
        ("a_line_that_is_cut_is_no_result", cut),
        ("a_case_that_hangs_fails_and_its_whole_process_group_ends", hangs),
        ("a_case_that_prints_now_and_then_for_ever_is_stopped", drips),
        ("a_case_that_floods_the_console_is_stopped", floods),
        ("results_that_are_wrong_lost_or_twice_fail_their_cases", wrong),
        ("what_is_no_ktap_fails_the_case_that_ran", rubbish),
        ("a_case_that_ends_the_machine_has_a_boot_of_its_own", ends_vm),
        ("a_failed_case_is_run_again_and_one_that_passes_then_is_flaky", retries),
        ("a_machine_that_never_starts_fails_all_cases", absent),
        ("a_plan_that_is_not_the_tables_fails_all_cases", plan),
        ("what_goes_wrong_after_the_last_case_fails_that", status),
        ("words_of_the_hypervisors_own_do_not_count", noisy),
        ("partitions_run_each_case_once", partitions),
        ("ctrl_c_ends_the_process_group_and_keeps_what_was_done", interrupted),
    ];
    let trial = |(name, test): (&'static str, Test)| Trial::test(name, move || test(name));
    tests.into_iter().map(trial).collect()
}

/// The cases, of which those whose names begin with "off" or "reset" end the machine.
fn folder(name: &str, cases: &[&str]) -> Result<Folder, Failed> {
    let needs = |case: &str| {
        let what = case.rsplit('.').next().unwrap_or_default();
        let ends = what.starts_with("off") || what == "reset";
        if ends { Needs::ENDS_VM } else { Needs::NONE }
    };
    let cases: Vec<(&str, Needs)> = cases.iter().map(|case| (*case, needs(case))).collect();
    Ok(Folder::new(name, &cases)?)
}

fn runner(folder: &Folder, way: &str, arguments: &[&str]) -> Command {
    let own = std::env::current_exe().unwrap_or_default();
    let mut command = Command::new(std::env::var_os(RUNNER).unwrap_or_default());
    command.arg("run").arg(folder.kernel()).args(["--name", "fake", "--jobs", "1"]);
    command.arg("--out").arg(folder.path().join("out"));
    command.args(["--command", &format!("'{}' fake {way} {{elf}} {{append}}", own.display())]);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What a run left.
struct Ran {
    output: Output,
    records: Vec<Record>,
}

impl Ran {
    fn new(folder: &Folder, way: &str, arguments: &[&str]) -> Result<Self, Failed> {
        let output = runner(folder, way, arguments).output()?;
        let records = records(folder)?;
        Ok(Self { output, records })
    }

    fn cases(&self) -> impl Iterator<Item = &CaseRun> {
        self.records.iter().filter_map(|record| match record {
            Record::Case(run) => Some(&**run),
            _ => None,
        })
    }

    /// Each case must have gone so: `name`, and a part of "passed", "skipped: reason" or
    /// "failed: reasons". And the exit status must be that.
    fn expect(&self, wanted: &[(&str, &str)], status: i32) -> Result<(), Failed> {
        let told = |run: &CaseRun| match run.verdict {
            Verdict::Passed => "passed".to_string(),
            Verdict::Skipped => format!("skipped: {}", run.reasons.join("; ")),
            Verdict::Failed => format!("failed: {}", run.reasons.join("; ")),
        };
        let told: Vec<(&str, String)> = self.cases().map(|run| (&*run.case, told(run))).collect();
        let as_wanted = told.len() == wanted.len()
            && told.iter().zip(wanted).all(|((case, told), (name, part))| {
                case == name
                    && told.starts_with(part.split(": ").next().unwrap_or_default())
                    && told.contains(part)
            });
        if as_wanted && self.output.status.code() == Some(status) {
            return Ok(());
        }
        let stderr = String::from_utf8_lossy(&self.output.stderr);
        Err(format!("{told:#?}\nwanted {wanted:#?}\n{}\n{stderr}", self.output.status).into())
    }
}

fn records(folder: &Folder) -> Result<Vec<Record>, Failed> {
    let file = std::fs::read_to_string(folder.path().join("out/results.jsonl"))?;
    Ok(file.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn boots(folder: &Folder) -> Result<Vec<String>, Failed> {
    let file = std::fs::read_to_string(folder.path().join("boots"))?;
    Ok(file.lines().map(String::from).collect())
}

fn dies(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.first", "b.dies", "c.second", "d.goes_off", "e.last"])?;
    let ran = Ran::new(&folder, "plain", &["--timeout", PATIENT])?;
    let wanted = [
        ("a.first", "passed"),
        ("b.dies", "failed: the hypervisor ended with signal: 6"),
        ("c.second", "passed"),
        ("d.goes_off", "failed: the machine went off while the case ran"),
        ("e.last", "passed"),
    ];
    ran.expect(&wanted, 1)?;
    let boots = boots(&folder)?;
    if boots != ["", "after=b.dies", "case=e.last"] {
        return Err(format!("{boots:?}").into());
    }
    for file in ["junit.xml", "report.html"] {
        std::fs::metadata(folder.path().join("out").join(file))?;
    }
    Ok(())
}

fn cut(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.first", "b.cut", "c.last"])?;
    let ran = Ran::new(&folder, "plain", &["--timeout", PATIENT])?;
    let wanted = "failed: the console ends in the middle of a line: \"ok 2 b.c\"";
    ran.expect(&[("a.first", "passed"), ("b.cut", wanted), ("c.last", "passed")], 1)
}

fn hangs(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.first", "b.hangs_with_child", "c.last"])?;
    let ran = Ran::new(&folder, "plain", &["--timeout", SHORT])?;
    let hung = ("b.hangs_with_child", "failed: no result in 8 s");
    ran.expect(&[("a.first", "passed"), hung, ("c.last", "passed")], 1)?;
    wait_for_end(std::fs::read_to_string(folder.path().join("child"))?.trim())
}

/// Waits for a process to be gone: whoever inherited it collects it in its own time.
fn wait_for_end(pid: &str) -> Result<(), Failed> {
    let exists = || {
        let mut probe = Command::new("kill");
        probe.args(["-0", pid]).stderr(Stdio::null()).status().map(|status| status.success())
    };
    for _ in 0..6000 {
        if !exists()? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(format!("process {pid} is still there").into())
}

fn drips(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.drips", "b.last"])?;
    let ran = Ran::new(&folder, "plain", &["--timeout", SHORT])?;
    ran.expect(&[("a.drips", "failed: no result in 8 s"), ("b.last", "passed")], 1)
}

fn floods(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.floods", "b.floods_a_line", "c.last"])?;
    let ran = Ran::new(&folder, "plain", &["--timeout", PATIENT, "--flood", "100"])?;
    let flood = "failed: it flooded the console: more than 102400 bytes";
    ran.expect(&[("a.floods", flood), ("b.floods_a_line", flood), ("c.last", "passed")], 1)
}

fn wrong(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.number", "b.name", "c.lost", "d.twice", "e.last", "f.lost"])?;
    let ran = Ran::new(&folder, "plain", &["--timeout", PATIENT])?;
    let wanted = [
        ("a.number", "failed: \"ok 8 a.number\" instead of the result 1 of a.number"),
        ("b.name", "failed: \"ok 2 x.y\" instead of the result 2 of b.name"),
        ("c.lost", "failed: no result: the report goes on with \"ok 4 d.twice\""),
        ("d.twice", "failed: a second result: \"ok 4 d.twice\""),
        ("e.last", "passed"),
        ("f.lost", "failed: the machine went off while the case ran"),
    ];
    ran.expect(&wanted, 1)
}

fn rubbish(name: &str) -> Result<(), Failed> {
    let cases = ["a.rubbish", "b.words", "c.bails", "d.fails", "e.skips", "f.measures"];
    let folder = folder(name, &cases)?;
    let ran = Ran::new(&folder, "plain", &["--timeout", PATIENT])?;
    let wanted = [
        ("a.rubbish", "failed: no text: \"\\0\\u{7}\u{fffd}\""),
        ("b.words", "failed: neither a result nor a diagnostic: \"Segmentation fault\""),
        ("c.bails", "failed: the guest gave up: no vectors"),
        ("d.fails", "failed: x is 1, expected 2"),
        ("e.skips", "skipped: needs el2"),
        ("f.measures", "passed"),
    ];
    ran.expect(&wanted, 1)?;
    let figures = ran.cases().flat_map(|run| &run.figures);
    let figures: Vec<_> = figures.map(|figure| (&*figure.name, figure.value)).collect();
    if figures == [("latency", 12.5)] { Ok(()) } else { Err(format!("{figures:?}").into()) }
}

fn ends_vm(name: &str) -> Result<(), Failed> {
    let cases = ["a.off", "b.first", "c.off_hangs", "d.off_returns", "e.off_restarts", "f.reset"];
    let folder = folder(name, &cases)?;
    let ran = Ran::new(&folder, "plain", &["--timeout", SHORT])?;
    let wanted = [
        ("a.off", "passed"),
        ("b.first", "passed"),
        ("c.off_hangs", "failed: after its result: the machine did not end in 8 s"),
        ("d.off_returns", "failed: it returned"),
        ("e.off_restarts", "failed: after its result: the machine started again"),
        ("f.reset", "passed"),
    ];
    ran.expect(&wanted, 1)?;
    let boots = boots(&folder)?;
    let wanted = cases.map(|case| format!("case={case}"));
    let all = boots.len() == cases.len() && wanted.iter().all(|boot| boots.contains(boot));
    if all { Ok(()) } else { Err(format!("{boots:?}").into()) }
}

fn retries(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.first", "b.flaky", "c.fails", "d.last", "e.lost", "f.end"])?;
    let ran = Ran::new(&folder, "plain", &["--timeout", PATIENT, "--retries", "2"])?;
    let wanted = [
        ("a.first", "passed"),
        ("b.flaky", "passed"),
        ("c.fails", "failed: x is 1, expected 2"),
        ("d.last", "passed"),
        ("e.lost", "failed: the machine went off"),
        ("f.end", "passed"),
    ];
    ran.expect(&wanted, 1)?;
    let attempts: Vec<u32> = ran.cases().map(|run| run.attempts).collect();
    let boots = boots(&folder)?;
    // 0110 10: the flaky one and those that fail; then only these.
    let wanted = ["", "only=68", "only=28"];
    let flaky = String::from_utf8_lossy(&ran.output.stdout).contains("passed at attempt 2");
    if attempts == [1, 2, 3, 1, 3, 1] && boots == wanted && flaky {
        return Ok(());
    }
    Err(format!("{attempts:?} {boots:?} {flaky}").into())
}

fn absent(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.first", "b.off", "c.last"])?;
    let ran = Ran::new(&folder, "absent", &["--timeout", PATIENT])?;
    let why = "failed: the kernel did not start: the console has no line \"KTAP version 1\"";
    ran.expect(&[("a.first", why), ("b.off", why), ("c.last", why)], 1)?;
    if boots(&folder)?.len() != 2 {
        return Err(format!("{:?}", boots(&folder)?).into());
    }
    let silent = Ran::new(&folder, "silent", &["--timeout", "1", "--case", "a.first"])?;
    let why = "failed: the kernel did not start: the kernel did not start in 1 s";
    silent.expect(&[("a.first", why)], 1)
}

fn plan(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.first", "b.last"])?;
    let ran = Ran::new(&folder, "plan", &["--timeout", PATIENT])?;
    let why = "failed: the kernel did not start: the plan is 1..3, but the kernel's table has 2";
    ran.expect(&[("a.first", why), ("b.last", why)], 1)
}

fn status(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.first", "b.last"])?;
    let ran = Ran::new(&folder, "status", &["--timeout", PATIENT])?;
    let why = "failed: after its result: the hypervisor ended with exit status: 3";
    ran.expect(&[("a.first", "passed"), ("b.last", why)], 1)?;
    let meant = Ran::new(&folder, "status", &["--timeout", PATIENT, "--statuses", "0,3"])?;
    meant.expect(&[("a.first", "passed"), ("b.last", "passed")], 0)?;
    let lingers = Ran::new(&folder, "lingers", &["--timeout", SHORT])?;
    let why = "failed: after its result: the machine did not end in 8 s";
    lingers.expect(&[("a.first", "passed"), ("b.last", why)], 1)
}

fn noisy(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.first", "b.last"])?;
    let arguments = ["--timeout", PATIENT, "--chatter", "[vmm] *"];
    let ran = Ran::new(&folder, "noisy", &arguments)?;
    ran.expect(&[("a.first", "passed"), ("b.last", "passed")], 0)
}

fn partitions(name: &str) -> Result<(), Failed> {
    let cases = ["a.one", "a.two", "b.one", "b.three", "b.two", "c.one", "d.off"];
    let folder = folder(name, &cases)?;
    for way in ["", "hash:"] {
        let mut seen = Vec::new();
        for part in 1..=3 {
            let partition = format!("{way}{part}/3");
            let ran =
                Ran::new(&folder, "plain", &["--timeout", PATIENT, "--partition", &partition])?;
            let end = ran.records.iter().find_map(|record| match record {
                Record::End(end) => Some((end.partition.clone(), end.cases)),
                _ => None,
            });
            let count = ran.cases().count();
            if end != Some((partition, count)) || ran.output.status.code() != Some(0) {
                let stderr = String::from_utf8_lossy(&ran.output.stderr);
                let status = ran.output.status;
                return Err(format!("{end:?}, {count} cases, {status}: {stderr}").into());
            }
            seen.extend(ran.cases().map(|run| run.case.clone()));
        }
        seen.sort();
        if seen != cases {
            return Err(format!("{way}: {seen:?}").into());
        }
    }
    Ok(())
}

fn interrupted(name: &str) -> Result<(), Failed> {
    let folder = folder(name, &["a.first", "b.hangs_with_child", "c.last"])?;
    let mut runner = runner(&folder, "plain", &["--timeout", PATIENT])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let child = folder.path().join("child");
    while !child.is_file() {
        if let Some(status) = runner.try_wait()? {
            return Err(format!("it ended by itself: {status}").into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Command::new("kill").args(["-INT", &runner.id().to_string()]).status()?;
    let output = runner.wait_with_output()?;
    let records = records(&folder)?;
    let ended = records.iter().any(|record| matches!(record, Record::End(_)));
    let ran = Ran { output, records };
    ran.expect(&[("a.first", "passed")], 130)?;
    if ended {
        return Err("the file of a run that was interrupted must not look whole".into());
    }
    wait_for_end(std::fs::read_to_string(child)?.trim())
}
