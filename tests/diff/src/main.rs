//! Random instructions in random states, on our CPU and on QEMU's: every register, the flags, a
//! window of memory and the way it ended must be the same. One test a row of the A64 table, one
//! for words that have no row, and others for what takes several.
//!
//! ```text
//!   generate  a row's word, a state for it       exempt    what cannot be compared, and why
//!   program   several words                      case      what goes in and what comes out
//!   memory    loads and stores by their encoding
//!   subject   our CPU: a VM, EL0, an MMU         oracle    qemu-aarch64 -cpu max
//!   machine   addresses, the same for both       executor  the program that runs in it
//! ```
//!
//! `ANYVISOR_QEMU_USER` names QEMU's program (or it is found on PATH); what else the environment
//! says is in `setting`. `cargo xtask diff` sets all of it. QEMU's TCG shares no code with our
//! CPU, but it is no authority: where they differ, the manual decides.

#![forbid(unsafe_code)]

mod case;
mod executor;
mod exempt;
mod generate;
mod machine;
mod memory;
mod oracle;
mod program;
mod random;
mod setting;
mod subject;
mod system;
mod tally;
mod topic;

use crate::case::{BRK, Case, Difference, End, Outcome};
use crate::machine::{BATCH, SLOT_WORDS};
use crate::random::Random;
use crate::setting::Setting;
use crate::tally::Tally;
use crate::topic::Topic;
use libtest_mimic::{Arguments, Failed, Trial};
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Differences that are shown in full.
const SHOWN: usize = 3;

/// What a test needs to know.
struct Bench {
    qemu: PathBuf,
    executor: PathBuf,
    setting: Setting,
    tally: Tally,
}

fn main() {
    let arguments = Arguments::from_args();
    let bench = match oracle::find() {
        Ok(qemu) => bench(qemu).map(Arc::new).map_err(|failed| Trial::test("diff", || Err(failed))),
        Err(reason) => Err(ignored("diff", &reason)),
    };
    let (trials, bench) = match bench {
        Ok(bench) => (trials(&bench), Some(bench)),
        Err(trial) => (vec![trial], None),
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(bench) = bench.filter(|bench| !bench.tally.is_empty()) {
        println!("diff: {}\n", bench.tally);
    }
    // Not there if nothing was to be run.
    let _ = std::fs::remove_file(executor_path());
    conclusion.exit();
}

/// A test for each topic that is wanted.
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    let topics: Vec<Topic> =
        Topic::all().filter(|topic| bench.setting.wants(topic.name())).collect();
    let weights = topics.iter().map(|topic| topic.weight()).sum();
    let trial = |topic: Topic| {
        if let Topic::Row(row) = topic
            && let Some(reason) = exempt::row(row)
        {
            return ignored(&format!("diff::{}", row.name()), reason);
        }
        let bench = bench.clone();
        let cases = bench.setting.cases(topic.weight(), weights);
        let test = move || compare(&bench, topic, cases);
        Trial::test(format!("diff::{}", topic.name()), test)
    };
    topics.into_iter().map(trial).chain(system_trials(bench)).collect()
}

/// The tests of a whole machine.
fn system_trials(bench: &Arc<Bench>) -> Vec<Trial> {
    let topics = system::Topic::ALL.into_iter().filter(|topic| bench.setting.wants(topic.name()));
    let trial = |topic: system::Topic| match system::find() {
        Err(reason) => ignored(&format!("diff::{}", topic.name()), &reason),
        Ok(qemu) => {
            let bench = bench.clone();
            let cases = bench.setting.cases(1, 256);
            Trial::test(format!("diff::{}", topic.name()), move || {
                let (wrong, report) = system::compare(&qemu, topic, bench.setting.seed, cases)?;
                bench.tally.add(cases, wrong);
                if wrong == 0 { Ok(()) } else { Err(report.into()) }
            })
        }
    };
    topics.map(trial).collect()
}

fn ignored(name: &str, reason: &str) -> Trial {
    Trial::test(format!("{name} ({reason})"), || Ok(())).with_ignored_flag(true)
}

fn bench(qemu: PathBuf) -> Result<Bench, Failed> {
    let executor = executor_path();
    write_program(&executor)
        .map_err(|error| format!("cannot write {}: {error}", executor.display()))?;
    let setting = Setting::read()?;
    let tally = Tally::new(&setting);
    Ok(Bench { qemu, executor, setting, tally })
}

/// The executor's file: of this process, in the build folder.
fn executor_path() -> PathBuf {
    let name = format!("executor-{}.elf", std::process::id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// QEMU's user mode wants a file that may be executed.
fn write_program(path: &Path) -> io::Result<()> {
    std::fs::write(path, executor::elf())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Runs a topic's cases on both CPUs, a batch at a time.
fn compare(bench: &Bench, topic: Topic, cases: u64) -> Result<(), Failed> {
    let seed = bench.setting.seed;
    let mut random = Random::new(seed, topic.name());
    let mut ours = subject::Subject::new()?;
    let mut theirs = oracle::Oracle::start(&bench.qemu, topic.cpu(), &bench.executor)?;
    let (mut wrong, mut report, mut completed, mut replay) = (0, String::new(), 0, 0);
    for first in (0..cases).step_by(BATCH) {
        let count = (cases - first).min(BATCH as u64) as usize;
        let batch: Vec<Case> = (0..count).map(|i| topic.case(&mut random, i)).collect();
        let mut code: Vec<u32> = batch.iter().flat_map(|case| case.code).collect();
        code.resize(BATCH * SLOT_WORDS, BRK);
        theirs.ask(&batch, &code)?;
        ours.load(&code);
        let outcomes: Result<Vec<Outcome>, _> = batch.iter().map(|case| ours.run(case)).collect();
        let outcomes = outcomes?.into_iter().zip(theirs.answer(count)?);
        for (i, (case, (mut ours, mut theirs))) in batch.iter().zip(outcomes).enumerate() {
            exempt::level(case, &mut ours, &mut theirs);
            completed += u64::from(ours.end == End::Breakpoint);
            if ours != theirs {
                wrong += 1;
                if wrong <= SHOWN as u64 {
                    replay = first + i as u64 + 1;
                    let difference = Difference { case, ours: &ours, theirs: &theirs };
                    let _ = write!(report, "\n{difference}");
                }
            }
        }
    }
    bench.tally.add(cases, wrong);
    if wrong > 0 {
        let name = topic.name();
        return Err(format!(
            "{wrong} of {cases} cases differ. To see these again: \
             cargo xtask diff --rows {name} --seed {seed} --cases {replay}\n{report}"
        )
        .into());
    }
    if completed < topic.least_completed(cases) {
        return Err(
            format!("only {completed} of {cases} cases completed: what do they test?").into()
        );
    }
    Ok(())
}
