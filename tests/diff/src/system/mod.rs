//! What user mode cannot show: system registers, exceptions, translation, pointer authentication
//! with known keys. One program at EL1 runs the cases on QEMU's whole machine and on ours.
//!
//! ```text
//!   layout   the RAM of both        record   a case, in and out
//!   image    the program            machine  QEMU and ours
//!   cases    random cases           exempt   what is left open, or is not the same machine
//!   interrupts  of the GIC
//! ```

mod cases;
mod exempt;
mod image;
mod interrupts;
mod layout;
mod machine;
mod record;

pub use cases::Topic;

use crate::random::Random;
use libtest_mimic::Failed;
use machine::{Ours, Theirs};
use record::{Case, Outcome};
use std::env;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The program that is looked for on PATH.
const PROGRAM: &str = "qemu-system-aarch64";
/// All that QEMU has, but for SVE and SME; its 52-bit addresses are not ours.
const CPU: &str = "max,sve=off,sme=off,pauth-impdef=off,lpa2=off";
/// Cases of a batch.
const BATCH: usize = 64;
/// ESR_EL1 of the BRK behind a case.
const COMPLETED: u64 = 0xf200_0000;
/// Differences that are shown in full.
const SHOWN: usize = 3;

/// Finds QEMU's system mode, or says why there is none.
///
/// # Errors
/// The reason.
pub fn find() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("ANYVISOR_QEMU") {
        return Ok(path.into());
    }
    if let Ok(reason) = env::var("ANYVISOR_QEMU_MISSING") {
        return Err(reason);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
        .ok_or_else(|| format!("{PROGRAM} is not on PATH and ANYVISOR_QEMU is not set"))
}

/// Runs a topic's cases on both machines: how many, and how many differ; or how they do.
///
/// # Errors
/// A machine does not answer.
pub fn compare(qemu: &Path, topic: Topic, seed: u64, cases: u64) -> Result<(u64, String), Failed> {
    let mut random = Random::new(seed, topic.name());
    let name = format!("ram-{}-{}", std::process::id(), topic.name());
    let ram = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut theirs = Theirs::start(qemu, CPU, ram, topic.gic())?;
    let mut ours = Ours::start(topic.gic())?;
    let (mut wrong, mut report, mut replay, mut completed) = (0, String::new(), 0, 0);
    for first in (0..cases).step_by(BATCH) {
        let count = (cases - first).min(BATCH as u64) as usize;
        let batch: Vec<Case> = (0..count).map(|_| topic.case(&mut random)).collect();
        theirs.ask(&batch)?;
        let ours = ours.run(&batch)?;
        let outcomes = ours.into_iter().zip(theirs.answer(count)?);
        for (i, (case, (mut ours, mut theirs))) in batch.iter().zip(outcomes).enumerate() {
            completed += u64::from(ours.esr == COMPLETED);
            exempt::level(topic, case, &mut ours, &mut theirs);
            if ours != theirs {
                wrong += 1;
                if wrong <= SHOWN as u64 {
                    replay = first + i as u64 + 1;
                    show(&mut report, case, &ours, &theirs);
                }
            }
        }
    }
    if completed < cases / 16 {
        return Err(
            format!("only {completed} of {cases} cases completed: what do they test?").into()
        );
    }
    if wrong > 0 {
        let name = topic.name();
        report = format!(
            "{wrong} of {cases} cases differ. To see these again: \
             cargo xtask diff --rows {name} --seed {seed} --cases {replay}\n{report}"
        );
    }
    Ok((wrong, report))
}

/// Where two outcomes differ, a line each.
fn show(report: &mut String, case: &Case, ours: &Outcome, theirs: &Outcome) {
    let _ = write!(report, "\n{}", case.text());
    for ((name, a), (_, b)) in ours.parts().into_iter().zip(theirs.parts()) {
        if a != b {
            let _ = writeln!(report, "    {name:<10} ours {a:#018x}  qemu {b:#018x}");
        }
    }
    let Case { spsr, sctlr, tcr, ttbr0, mair, .. } = case;
    let _ = writeln!(
        report,
        "    before: spsr {spsr:#x}, sctlr {sctlr:#x}, tcr {tcr:#x}, ttbr0 {ttbr0:#x}, mair {mair:#x}"
    );
    for (at, value) in case.pokes {
        let _ = writeln!(report, "      [{at:#x}] {value:#018x}");
    }
    for (n, x) in case.x.iter().enumerate() {
        let _ = write!(report, "{} x{n:<2} {x:#018x}", if n % 4 == 0 { "\n     " } else { "" });
    }
    let _ = writeln!(report);
    let _ = writeln!(report, "    ended: {ours:x?}");
}
