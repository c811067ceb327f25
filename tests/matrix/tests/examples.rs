//! The examples for fleets: they are YAML, and the commands in them are ones that this program
//! takes, for partitions that together are the whole.

use anyvisor_matrix::cli::{Cli, Command};
use anyvisor_monitor::partition::Partition;
use clap::Parser;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// The documents of a file.
fn documents(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(examples().join(name)).expect("the example is there");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    assert!(documents.iter().all(Value::is_object), "{documents:?}");
    documents
}

/// What a command line of the program means.
fn parse(words: &[&str]) -> Command {
    Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{words:?}: {error}")).command
}

/// That these are all parts of one division, each once.
fn make_a_whole(parts: &[Partition]) {
    let n = parts.len() as u64;
    let mut numbers: Vec<_> = parts.iter().map(Partition::numbers).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=n).map(|i| (i, n)).collect::<Vec<_>>());
    assert!(parts.iter().all(|part| part.goes_with(&parts[0])));
}

/// What a container's shell command starts: a program that prints its arguments, a line each, and
/// says that a case failed. Behind them the command's own exit status.
#[cfg(unix)]
fn starts(container: &Value, index: u64) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("examples-{index}"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join("anyvisor-matrix");
    let text = "#!/bin/sh\nprintf '%s\\n' anyvisor-matrix \"$@\"\nexit 1\n";
    std::fs::write(&program, text).expect("a script");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("its mode");
    let command = container["command"].as_array().expect("a command");
    let command: Vec<&str> = command.iter().filter_map(Value::as_str).collect();
    let path = std::env::var("PATH").expect("a PATH");
    let output = std::process::Command::new(command[0])
        .args(&command[1..])
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("JOB_COMPLETION_INDEX", index.to_string())
        .envs(container["env"].as_array().into_iter().flatten().map(|variable| {
            let word = |key: &str| variable[key].as_str().expect("a text").to_owned();
            (word("name"), word("value"))
        }))
        .output()
        .expect("the shell starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let status = output.status.code().expect("an exit status").to_string();
    text.lines().map(str::to_owned).chain([status]).collect()
}

#[cfg(unix)]
#[test]
fn the_pods_of_the_kubernetes_job_run_all_partitions_once() {
    let documents = documents("kubernetes-suite.yaml");
    let job = documents.iter().find(|document| document["kind"] == "Job").expect("a Job");
    assert_eq!(job["spec"]["completionMode"], "Indexed");
    let pods = job["spec"]["completions"].as_u64().expect("a number");
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let mut parts = Vec::new();
    for index in 0..pods {
        let words = starts(container, index);
        let (status, words) = words.split_last().expect("words");
        assert_eq!(status, "0", "a failed case does not make the pod run again");
        let Command::Run(args) = parse(&words.iter().map(String::as_str).collect::<Vec<_>>())
        else {
            panic!("{words:?}")
        };
        parts.push(args.partition);
        assert_eq!(args.out, Some(format!("/results/{index}").into()));
    }
    assert_eq!(parts.len(), 4);
    make_a_whole(&parts);
    let claim = documents.iter().find(|d| d["kind"] == "PersistentVolumeClaim").expect("a claim");
    let volume = &job["spec"]["template"]["spec"]["volumes"][0];
    assert_eq!(volume["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"]);
    assert_eq!(container["volumeMounts"][0]["name"], volume["name"]);
}

#[cfg(unix)]
#[test]
fn the_kubernetes_report_merges_what_the_pods_left() {
    let [job] = &documents("kubernetes-report.yaml")[..] else { panic!("one Job") };
    let words = starts(&job["spec"]["template"]["spec"]["containers"][0], 99);
    let (status, words) = words.split_last().expect("words");
    assert_eq!(status, "1", "a failed case fails the report");
    let command = parse(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(matches!(command, Command::Report(_)), "{command:?}");
    assert!(words.iter().any(|word| word == "/results/*/results.jsonl"), "{words:?}");
}

#[test]
fn the_ci_matrix_runs_all_partitions_once_and_merges_them() {
    let [workflow] = &documents("github-actions.yml")[..] else { panic!("one document") };
    let jobs = &workflow["jobs"];
    let commands = |job: &str| -> Vec<String> {
        let steps = jobs[job]["steps"].as_array().expect("steps");
        steps.iter().filter_map(|step| Some(step["run"].as_str()?.to_owned())).collect()
    };
    let strategy = &jobs["suite"]["strategy"];
    let [run] = &commands("suite")[..] else { panic!("one command") };
    let numbers = strategy["matrix"]["partition"].as_array().expect("partitions");
    let parts = numbers.iter().map(|number| {
        let line = run.replace("${{ matrix.partition }}", &number.to_string());
        let (line, status) = line.split_once(" || ").expect("what becomes of the exit status");
        assert_eq!(status, "test $? -eq 1");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..3], ["cargo", "xtask", "matrix"]);
        // As `cargo xtask matrix` passes them on.
        let words = [&["anyvisor-matrix", "run", "KERNEL"], &words[3..]].concat();
        let Command::Run(args) = parse(&words) else { panic!("{words:?}") };
        assert_eq!(args.out, Some(format!("results/{number}").into()));
        args.partition
    });
    make_a_whole(&parts.collect::<Vec<_>>());
    assert_eq!(strategy["fail-fast"], false);
    assert_eq!(jobs["report"]["needs"], "suite");
    let [report] = &commands("report")[..] else { panic!("one command") };
    let words: Vec<&str> = report.split_whitespace().collect();
    assert_eq!(words[..3], ["cargo", "xtask", "report"]);
    let words = [&["anyvisor-matrix", "report"], &words[3..]].concat();
    assert!(matches!(parse(&words), Command::Report(_)));
    assert!(words.contains(&"results/*/results.jsonl"));
}
