//! Random instructions in random states, on our CPU and on QEMU's: every register, the flags, a
//! window of memory and the way it ended must be the same. One test a row of the A64 table, one
//! for words that have no row, and others for what takes several.
//!
//! ```text
//!   generate  a row's word, a state for it       exempt    what cannot be compared, and why
//!   sequence  several words                      case      what goes in and what comes out
//!   subject   our CPU: a VM, EL0, an MMU         oracle    qemu-aarch64 -cpu max
//!   machine   addresses, the same for both       executor  the program that runs in it
//! ```
//!
//! `ANYVISOR_QEMU_USER` names QEMU's program (or it is found on PATH), `ANYVISOR_DIFF_SEED` the
//! sequence of cases, `ANYVISOR_DIFF_CASES` how many there are of each row. QEMU's TCG shares
//! no code with our CPU, but it is no authority: where they differ, the manual decides.

#![forbid(unsafe_code)]

mod case;
mod executor;
mod exempt;
mod generate;
mod machine;
mod oracle;
mod random;
mod sequence;
mod subject;

use crate::case::{BRK, Case, Difference, End, Outcome};
use crate::machine::{BATCH, SLOT_WORDS, slot};
use crate::random::Random;
use anyvisor_cpu::a64::Row;
use libtest_mimic::{Arguments, Failed, Trial};
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Cases of a row if nobody says otherwise.
const CASES: u64 = 4096;
/// Differences that are shown in full.
const SHOWN: usize = 3;

/// What a test needs to know.
struct Setting {
    qemu: PathBuf,
    executor: PathBuf,
    seed: u64,
    cases: u64,
}

/// What a test is about.
#[derive(Clone, Copy)]
enum Topic {
    Row(Row),
    Unallocated,
    Sequence,
    Interrupted,
    ZeroBlock,
}

impl Topic {
    fn name(self) -> &'static str {
        match self {
            Self::Row(row) => row.name(),
            Self::Unallocated => "Unallocated",
            Self::Sequence => "Sequence",
            Self::Interrupted => "Interrupted",
            Self::ZeroBlock => "ZeroBlock",
        }
    }

    /// A random case for slot `index`.
    fn case(self, random: &mut Random, index: usize) -> Case {
        match self {
            Self::Row(row) => generate::case(random, row, index),
            Self::Unallocated => {
                let word = generate::unallocated(random);
                Case::new(&[word], generate::state(random, slot(index)))
            }
            Self::Sequence => sequence::case(random, index),
            Self::Interrupted => generate::interrupted(random, index),
            Self::ZeroBlock => generate::zero_block(random, index),
        }
    }

    /// The CPU that the oracle is.
    fn cpu(self) -> &'static str {
        match self {
            Self::ZeroBlock => oracle::CPU_OF_SMALL_BLOCKS,
            _ => oracle::CPU,
        }
    }

    /// How many of `cases` must complete for them to be worth their name.
    fn least_completed(self, cases: u64) -> u64 {
        match self {
            Self::Unallocated => 0,
            Self::Row(row) if exempt::NEVER_AT_EL0.contains(&row.name()) => 0,
            _ => cases / 16,
        }
    }
}

fn main() {
    let arguments = Arguments::from_args();
    let trials = match oracle::find() {
        Ok(qemu) => all(qemu),
        Err(reason) => vec![ignored("diff", &reason)],
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Not there if nothing was to be run.
    let _ = std::fs::remove_file(executor_path());
    conclusion.exit();
}

/// Every row's test, and that of the words without one.
fn all(qemu: PathBuf) -> Vec<Trial> {
    let setting = match setting(qemu) {
        Ok(setting) => Arc::new(setting),
        Err(error) => return vec![Trial::test("diff::setting", move || Err(error))],
    };
    let trial = |topic: Topic| {
        let setting = setting.clone();
        Trial::test(format!("diff::{}", topic.name()), move || compare(&setting, topic))
    };
    let row = |row: Row| match exempt::ROWS.iter().find(|(name, _)| *name == row.name()) {
        Some((name, reason)) => ignored(&format!("diff::{name}"), reason),
        None => trial(Topic::Row(row)),
    };
    let others = [Topic::Unallocated, Topic::Sequence, Topic::Interrupted, Topic::ZeroBlock];
    Row::all().map(row).chain(others.map(trial)).collect()
}

fn ignored(name: &str, reason: &str) -> Trial {
    Trial::test(format!("{name} ({reason})"), || Ok(())).with_ignored_flag(true)
}

fn setting(qemu: PathBuf) -> Result<Setting, Failed> {
    let executor = executor_path();
    write_program(&executor)
        .map_err(|error| format!("cannot write {}: {error}", executor.display()))?;
    let seed = number("ANYVISOR_DIFF_SEED")?.unwrap_or_default();
    let cases = number("ANYVISOR_DIFF_CASES")?.unwrap_or(CASES);
    Ok(Setting { qemu, executor, seed, cases })
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

/// A number from the environment.
fn number(name: &str) -> Result<Option<u64>, Failed> {
    match std::env::var(name) {
        Err(_) => Ok(None),
        Ok(text) => match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(format!("{name}={text:?} is not a decimal number").into()),
        },
    }
}

/// Runs a topic's cases on both CPUs, a batch at a time.
fn compare(setting: &Setting, topic: Topic) -> Result<(), Failed> {
    let mut random = Random::new(setting.seed, topic.name());
    let mut ours = subject::Subject::new()?;
    let mut theirs = oracle::Oracle::start(&setting.qemu, topic.cpu(), &setting.executor)?;
    let (mut wrong, mut report, mut completed) = (0, String::new(), 0);
    for first in (0..setting.cases).step_by(BATCH) {
        let count = (setting.cases - first).min(BATCH as u64) as usize;
        let cases: Vec<Case> = (0..count).map(|i| topic.case(&mut random, i)).collect();
        let mut code: Vec<u32> = cases.iter().flat_map(|case| case.code).collect();
        code.resize(BATCH * SLOT_WORDS, BRK);
        theirs.ask(&cases, &code)?;
        ours.load(&code);
        let outcomes: Result<Vec<Outcome>, _> = cases.iter().map(|case| ours.run(case)).collect();
        for ((case, mut ours), mut theirs) in cases.iter().zip(outcomes?).zip(theirs.answer(count)?)
        {
            exempt::level(case, &mut ours, &mut theirs);
            completed += u64::from(ours.end == End::Breakpoint);
            if ours != theirs {
                wrong += 1;
                if wrong <= SHOWN {
                    let difference = Difference { case, ours: &ours, theirs: &theirs };
                    let _ = write!(report, "\n{difference}");
                }
            }
        }
    }
    let (seed, cases) = (setting.seed, setting.cases);
    if wrong > 0 {
        return Err(format!(
            "{wrong} of {cases} cases differ (ANYVISOR_DIFF_SEED={seed} \
             ANYVISOR_DIFF_CASES={cases}):\n{report}"
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
