//! The kernel on the boards of other hypervisors: all cases in one boot each. Everything stands
//! elsewhere there, so an address that the kernel did not take from the FDT is a hole, and what it
//! prints to a UART of the wrong kind is lost.

use crate::engine::{ONE_VM, kernel};
use crate::missing;
use anyvisor_abi::case::Needs;
use anyvisor_monitor::boards::Model;
use anyvisor_monitor::console::Console;
use anyvisor_monitor::image::{CaseInfo, Image};
use anyvisor_monitor::ktap::{self, Said};
use anyvisor_monitor::machine::{Config, Machine};
use anyvisor_monitor::ram::RamRange;
use anyvisor_monitor::run::Stop;
use libtest_mimic::{Failed, Trial};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

const MEMORY: u64 = 128 << 20;
/// Of all cases together.
const TIMEOUT: Duration = Duration::from_secs(300);
const VCPUS: u8 = 4;

/// One test a board.
pub fn trials() -> Vec<Trial> {
    let (file, cases) = match kernel() {
        Ok(found) => found,
        Err(reason) => return missing("board", reason),
    };
    let cases = Arc::new(cases);
    let others = Model::ALL.iter().filter(|model| **model != Model::Virt);
    others
        .map(|&model| {
            let (file, cases) = (file.clone(), cases.clone());
            Trial::test(format!("board::{}", model.name()), move || run(&file, &cases, model))
        })
        .collect()
}

fn run(file: &[u8], cases: &[CaseInfo], model: Model) -> Result<(), Failed> {
    let _turn = ONE_VM.lock().unwrap_or_else(PoisonError::into_inner);
    let ram = RamRange::on(model, MEMORY);
    let image = Image::elf(file, ram)?;
    let config = Config {
        image: &image,
        vcpus: VCPUS,
        gic: true,
        ram,
        bootargs: "",
        seal: true,
        timeout: Some(TIMEOUT),
        trace: false,
        events: None,
        qos: &[],
    };
    let mut machine = Machine::new(&config, Console::capture())?;
    let stop = machine.run();
    let report = ktap::parse(&machine.console());
    if stop != Stop::Off || !report.problems.is_empty() || report.bail.is_some() {
        let (problems, bail) = (&report.problems, &report.bail);
        let what = format!("{stop}; {problems:?} {bail:?}\n{}", machine.autopsy());
        return Err(what.into());
    }
    let together = cases.iter().filter(|case| !case.needs.contains(Needs::ENDS_VM));
    let wrong: Vec<String> = together
        .filter_map(|case| match report.result(&case.name).map(|line| &line.said) {
            None => Some(format!("{}: no result", case.name)),
            Some(Said::NotOk(reason)) => Some(format!("{}: {reason}", case.name)),
            Some(Said::Skip(reason)) if !may_skip(case, reason) => {
                Some(format!("{}: skipped, which it must not be here: {reason}", case.name))
            }
            Some(Said::Ok | Said::Skip(_)) => None,
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// A board lacks what its hypervisor has not: vector lines beside the GIC, a GICv2, the MSI frame, a
/// PL011. Whatever reads an ID register first lacks it on `virt` too, where each case is judged
/// by itself (`engine`).
fn may_skip(case: &CaseInfo, reason: &str) -> bool {
    let absent = case.needs.contains(Needs::LINES) || case.needs.contains(Needs::GICV2);
    match reason.strip_prefix("needs ") {
        Some(_) => absent || case.needs.vcpu_count() > VCPUS,
        None => true,
    }
}
