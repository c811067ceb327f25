//! The programs of `examples/`, run as their users run them: each in a process of its own.
//!
//! Cargo builds the examples before it runs the tests of a package; who asks for this test alone
//! (`--test examples`) asks for `--examples` too.
#![cfg(not(target_os = "macos"))]

use std::process::{Command, Output};

/// Runs an example with some environment, and no other setting of ours.
fn run(name: &str, environment: &[(&str, &str)]) -> Output {
    let test = std::env::current_exe().expect("this program has a path");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("it is in deps/");
    let mut command = Command::new(folder.join("examples").join(name));
    for name in ["ANYVISOR_CPU", "ANYVISOR_PMU", "ANYVISOR_LOG"] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn lines(output: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(output).lines().map(str::to_owned).collect()
}

/// What an example says when all is well.
fn said(name: &str) -> Vec<String> {
    let output = run(name, &[]);
    let errors = lines(&output.stderr);
    assert!(output.status.success(), "{name}: {} {errors:?}", output.status);
    assert_eq!(errors, [""; 0], "{name}");
    lines(&output.stdout)
}

#[test]
fn a_first_guest_multiplies() {
    assert_eq!(said("first_guest"), ["EXCEPTION, syndrome 0x5a000000", "x0 = 42"]);
}

#[test]
fn a_timer_interrupts_its_guest() {
    let expected = [1, 2, 3].map(|n| format!("tick {n}; the timer is masked: true"));
    assert_eq!(said("timer"), expected);
}

#[test]
fn dirty_pages_are_those_that_were_written() {
    let all = "written: [0, 1, 2, 3, 4, 5, 6, 7]";
    assert_eq!(said("dirty_pages"), ["written: [1, 4, 7]", "written: [2, 6]", all]);
}

/// What this crate writes to standard error in a program without a logger that is refused its VM.
fn told(level: &[(&str, &str)]) -> Vec<String> {
    let environment = [&[("ANYVISOR_CPU", "m9")], level].concat();
    let output = run("first_guest", &environment);
    assert!(!output.status.success(), "there is a processor m9");
    let mut errors = lines(&output.stderr);
    let own = errors.pop().expect("main returns an error");
    assert!(own.contains("invalid argument"), "{own}");
    errors
}

#[test]
fn a_rust_program_is_told_what_was_refused_if_it_asks() {
    assert_eq!(told(&[]), [""; 0]);
    assert_eq!(told(&[("ANYVISOR_LOG", "off")]), [""; 0]);
    let why = "anyvisor: WARN hv_vm_create: ANYVISOR_CPU is \"m9\", which is none of: m1, m2 \
               (HV_BAD_ARGUMENT)";
    assert_eq!(told(&[("ANYVISOR_LOG", "warn")]), [why]);
}
