//! The same kernel under QEMU, which is another hypervisor: it knows nothing of the monitor's
//! services, so the cases that need them skip by themselves, and all others have to pass.
//!
//! One boot runs all cases. A case that ends the VM gets a boot of its own.

use crate::engine::kernel;
use crate::{missing, place};
use anyvisor_abi::case::Needs;
use anyvisor_monitor::image::CaseInfo;
use anyvisor_monitor::ktap::{self, CaseLine, GuestReport, Said};
use libtest_mimic::{Completion, Failed, Trial};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// A Cortex-A72 would have no 16 KiB granule and no PAN: `max` has all that the cases look at.
const MACHINE: [&str; 15] = [
    "-M",
    "virt,gic-version=3",
    "-cpu",
    "max",
    "-smp",
    "4",
    "-m",
    "256",
    "-nographic",
    "-nic",
    "none",
    "-no-reboot",
    "-monitor",
    "none",
    "-kernel",
];
/// Generous: a boot takes seconds on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// One test a case.
pub fn trials() -> Vec<Trial> {
    let found = place("ANYVISOR_QEMU")
        .map_err(|unset| std::env::var("ANYVISOR_QEMU_MISSING").unwrap_or(unset));
    let found = found.and_then(|qemu| Ok((qemu, place("ANYVISOR_KERNEL_IMAGE")?, kernel()?.1)));
    let (qemu, image, cases) = match found {
        Ok(found) => found,
        Err(reason) => return missing("qemu", reason),
    };
    let boot = move |arguments: &str| boot(&qemu, &image, arguments);
    let all = {
        let boot = boot.clone();
        Arc::new(LazyLock::new(move || boot("")))
    };
    let trial = |case: CaseInfo| {
        let (all, boot) = (all.clone(), boot.clone());
        Trial::ignorable_test(format!("qemu::{}", case.name), move || {
            if case.needs.contains(Needs::ENDS_VM) {
                verdict(&case, &boot(&format!("case={}", case.name)))
            } else {
                verdict(&case, &all)
            }
        })
    };
    let mut trials: Vec<Trial> = cases.into_iter().map(trial).collect();
    trials.push(Trial::test("qemu::report_is_well_formed", move || match &**all {
        Ok(report) if report.problems.is_empty() && report.bail.is_none() => Ok(()),
        Ok(report) => Err(format!("{:?} {:?}", report.problems, report.bail).into()),
        Err(error) => Err(error.into()),
    }));
    trials
}

fn verdict(case: &CaseInfo, report: &Result<GuestReport, String>) -> Result<Completion, Failed> {
    let report = report.as_ref()?;
    let Some(CaseLine { said, diagnostics, .. }) = report.result(&case.name) else {
        return Err(format!("no result line; {:?} {:?}", report.bail, report.problems).into());
    };
    match said {
        Said::Ok => Ok(Completion::Completed),
        // This machine has all but the services.
        Said::Skip(reason)
            if reason.starts_with("needs ") && !case.needs.contains(Needs::SERVICES) =>
        {
            Err(format!("skipped, which it must not be here: {reason}").into())
        }
        Said::Skip(reason) => Ok(Completion::ignored_with(reason)),
        Said::NotOk(reason) => Err(format!("{reason}\n{}", diagnostics.join("\n")).into()),
    }
}

/// Boots the kernel and returns its report, when it has switched the machine off.
fn boot(qemu: &str, image: &str, arguments: &str) -> Result<GuestReport, String> {
    let mut child = Command::new(qemu)
        .args(MACHINE)
        .arg(image)
        .args(["-append", arguments])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| format!("{qemu}: {error}"))?;
    let mut output = child.stdout.take().ok_or("QEMU has no standard output")?;
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        output.read_to_end(&mut text).map(|_| text)
    });
    let deadline = Instant::now() + TIMEOUT;
    let ended = loop {
        match child.try_wait().map_err(|error| format!("{qemu}: {error}"))? {
            Some(status) => break Some(status),
            None if Instant::now() >= deadline => break None,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    if ended.is_none() {
        // It may end by itself just now; either way its output ends and it is collected.
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = match reader.join() {
        Ok(text) => text.map_err(|error| format!("{qemu}: {error}"))?,
        Err(_) => return Err(format!("{qemu}: its output could not be read")),
    };
    let text = String::from_utf8_lossy(&text);
    match ended {
        Some(status) if status.success() => Ok(ktap::parse(&text)),
        Some(status) => Err(format!("{qemu} ended with {status}\n{text}")),
        None => Err(format!("{qemu} did not end in {} s\n{text}", TIMEOUT.as_secs())),
    }
}
