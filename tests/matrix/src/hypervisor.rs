//! Hypervisors: what there is to run the suite on, as data.
//!
//! ```text
//!   Row (table.rs)  --- is its host this one? is its program here? --->  Hypervisor
//!   --command       -------------------------------------------------->  (its command line, with
//!                                                                         places to fill)
//! ```
//!
//! A command line is text, as one would type it. In its words `{image}` is the kernel's Image,
//! `{elf}` its ELF file, `{append}` the boot arguments, `{config}` a file written for this boot.

mod table;
mod template;

use crate::record;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub use table::{Host, ROWS, Row};
pub use template::{Places, Template, TemplateError};

/// How long a program may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(20);

/// One configuration of a hypervisor that is here.
#[derive(Clone, Debug)]
pub struct Hypervisor {
    /// Short and unique: `qemu-tcg-max`.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it says of its version, one line.
    pub version: String,
    /// vCPUs of its machine.
    pub vcpus: u8,
    /// How it is started.
    pub way: Way,
}

/// How cases are run.
#[derive(Clone, Debug)]
pub enum Way {
    /// The monitor, on whatever serves `hv_*` here: it reports by itself, in JSON.
    Monitor(PathBuf),
    /// A program that boots the kernel and prints its console.
    Boots(Boots),
}

/// A program that boots the kernel.
#[derive(Clone, Debug)]
pub struct Boots {
    /// Its command line.
    pub template: Template,
    /// A file that it reads: text with the same places, filled as JSON strings are.
    pub config: Option<&'static str>,
    /// Boot arguments in front of those that choose cases.
    pub append: &'static str,
    /// Lines of its own on the console: patterns.
    pub chatter: Vec<String>,
    /// Its exit statuses when a guest switched the machine off, or reset it.
    pub statuses: Vec<i32>,
}

impl Hypervisor {
    /// As the record of a run has it.
    pub fn record(&self) -> record::Hypervisor {
        let command = match &self.way {
            Way::Monitor(program) => vec![program.to_string_lossy().into_owned(), "run".into()],
            Way::Boots(boots) => boots.template.words(),
        };
        record::Hypervisor {
            id: self.id.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            command,
            vcpus: self.vcpus,
        }
    }
}

/// A row of the table, and what of it is here: or why not.
#[derive(Debug)]
pub struct Found {
    /// The row's id.
    pub id: String,
    /// The row's name.
    pub name: String,
    /// The hypervisor, or the reason.
    pub hypervisor: Result<Hypervisor, String>,
}

/// Looks for each row of the table. Programs are looked for on `PATH`, and in the environment
/// variable of the row.
pub fn find(monitor: Option<&Path>) -> Vec<Found> {
    let found = |row: &Row| Found {
        id: row.id.into(),
        name: row.name.into(),
        hypervisor: look(row, monitor),
    };
    ROWS.iter().map(found).collect()
}

/// Looks for one row.
///
/// # Errors
/// Why it is not here.
pub fn look(row: &Row, monitor: Option<&Path>) -> Result<Hypervisor, String> {
    row.host.is_here()?;
    let (program, way) = if row.is_monitor() {
        let monitor = monitor.ok_or("no monitor: --monitor says where it is")?;
        (monitor.to_path_buf(), Way::Monitor(monitor.to_path_buf()))
    } else {
        let program = locate(row)?;
        let template = Template::of_row(&program, row.arguments);
        let boots = Boots {
            template,
            config: row.config,
            append: row.append,
            chatter: row.chatter.iter().map(|pattern| (*pattern).to_string()).collect(),
            statuses: row.statuses.to_vec(),
        };
        (program, Way::Boots(boots))
    };
    Ok(Hypervisor {
        id: row.id.into(),
        name: row.name.into(),
        version: version(&program, row.version)?,
        vcpus: row.vcpus,
        way,
    })
}

/// The program of a row: where its environment variable says, or on `PATH`.
fn locate(row: &Row) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os(row.variable) {
        return Ok(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = |name: &&str| {
        std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
    };
    row.programs.iter().find_map(on_path).ok_or_else(|| {
        let names = row.programs.join(" or ");
        match std::env::var(format!("{}_MISSING", row.variable)) {
            Ok(reason) => format!("no {names}: {reason}"),
            Err(_) => format!("no {names} on PATH, and {} is not set", row.variable),
        }
    })
}

/// The first line that a program says of its version. One that does not start is not here.
fn version(program: &Path, arguments: &[&str]) -> Result<String, String> {
    use crate::process::Process;
    use std::time::Instant;
    let shown = program.display();
    let mut command = Command::new(program);
    command.args(arguments);
    let mut process = Process::start(command).map_err(|error| format!("{shown}: {error}"))?;
    let deadline = Instant::now() + VERSION_LIMIT;
    let mut said = Vec::new();
    while let Ok(piece) = process.output().recv_timeout(deadline - Instant::now().min(deadline)) {
        const ENOUGH: usize = 64 << 10;
        if said.len() < ENOUGH {
            said.extend_from_slice(&piece);
        }
        process.hear_errors();
    }
    let status = process.ends_before(deadline);
    process.kill();
    let status = status.ok_or_else(|| format!("{shown} {} does not end", arguments.join(" ")))?;
    let words = process.last_words();
    let said = String::from_utf8_lossy(&said).into_owned();
    let line = said.lines().chain(words.lines()).map(str::trim).find(|line| !line.is_empty());
    match line {
        Some(line) if status.success() => Ok(line.chars().filter(|c| !c.is_control()).collect()),
        _ => {
            let line = line.unwrap_or("it says nothing");
            Err(format!("{shown} {} ended with {status}: {line}", arguments.join(" ")))
        }
    }
}
