//! All cases on one hypervisor: as many boots as it takes, and each case one result.
//!
//! ```text
//!   boot 1   a b c            c hangs: it fails, and what it stood before goes on
//!   boot 2         d e f      (after=c)
//!   boot 3               g    g ends the machine: a boot of its own
//! ```
//!
//! A machine that does not even come to its first case gets a second chance; then all cases that
//! are left fail, for that reason.

use crate::boot::{Boot, BootError, Limits};
use crate::choice::Table;
use crate::hypervisor::{Boots, Places, Template};
use crate::listen::{Ended, Heard};
use crate::process::Interrupt;
use anyvisor_abi::case::Needs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Boots in a row that come to no case.
const CHANCES: u32 = 2;

/// What boots have in common.
#[derive(Debug)]
pub struct Session<'a> {
    /// The hypervisor's id, for the name of its file.
    pub id: &'a str,
    /// How it is started.
    pub boots: &'a Boots,
    /// The kernel's table.
    pub table: Table<'a>,
    /// The kernel's ELF file.
    pub elf: &'a Path,
    /// The kernel's Image.
    pub image: &'a Path,
    /// What a boot and a case may take.
    pub limits: Limits,
    /// Ends all of it.
    pub interrupt: &'a Interrupt,
}

/// Results by place in the table; and why it is incomplete, if it is.
pub type Results = (Vec<(usize, Heard)>, Option<BootError>);

impl Session<'_> {
    /// Runs the cases at `wanted`, which are places in the table, in order. `progress` is told the
    /// place of each case that starts.
    pub fn run(&self, wanted: &[usize], progress: &mut dyn FnMut(usize)) -> Results {
        let ends_vm = |place: &usize| self.table.0[*place].needs.contains(Needs::ENDS_VM);
        let (alone, together): (Vec<usize>, Vec<usize>) = wanted.iter().partition(|p| ends_vm(p));
        let mut results = Vec::with_capacity(wanted.len());
        let mut strikes = 0;
        let mut rest = &together[..];
        while !rest.is_empty() {
            let (ended, error) = self.boot(rest, progress);
            let count = ended.heard.len();
            results.extend(rest.iter().copied().zip(ended.heard));
            rest = &rest[count..];
            if let Some(error) = error {
                return (results, Some(error));
            }
            let Some(reason) = ended.no_report else {
                strikes = 0;
                continue;
            };
            strikes += 1;
            if strikes == CHANCES {
                let failure = Heard::failure(format!("the kernel did not start: {reason}"));
                let nothing_ever = rest.len() == together.len();
                let lost = rest.iter().chain(alone.iter().filter(|_| nothing_ever));
                results.extend(lost.map(|&place| (place, failure.clone())));
                if nothing_ever {
                    return (results, None);
                }
                break;
            }
        }
        for place in alone {
            let (ended, error) = self.boot(&[place], progress);
            if error.is_some() {
                results.extend(ended.heard.into_iter().map(|heard| (place, heard)));
                return (results, error);
            }
            let reason = ended.no_report.unwrap_or_default();
            let nothing = || Heard::failure(format!("the kernel did not start: {reason}"));
            results.push((place, ended.heard.into_iter().next().unwrap_or_else(nothing)));
        }
        (results, None)
    }

    fn boot(
        &self,
        wanted: &[usize],
        progress: &mut dyn FnMut(usize),
    ) -> (Ended, Option<BootError>) {
        let append = [self.boots.append, &self.table.arguments(wanted)];
        let append: Vec<&str> = append.into_iter().filter(|words| !words.is_empty()).collect();
        let append = append.join(" ");
        let config = ConfigFile::new(self.id);
        let places =
            Places { image: self.image, elf: self.elf, append: &append, config: &config.0 };
        if let Some(text) = self.boots.config
            && let Err(error) = std::fs::write(&config.0, Template::json(text, places))
        {
            let program = config.0.display().to_string();
            let error = BootError::Start { program, error };
            return (Ended { heard: Vec::new(), no_report: None }, Some(error));
        }
        let cases = self.table.cases(wanted);
        let boot = Boot {
            command: self.boots.template.command(places),
            wanted: &cases,
            chatter: &self.boots.chatter,
            statuses: &self.boots.statuses,
            limits: self.limits,
        };
        let mut progress =
            |count: usize| wanted.get(count).copied().into_iter().for_each(&mut *progress);
        progress(0);
        boot.run(self.interrupt, &mut progress)
    }
}

/// A file that is there for one boot.
struct ConfigFile(PathBuf);

impl ConfigFile {
    fn new(id: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("anyvisor-{}-{number}-{id}.json", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0); // most boots have none
    }
}
