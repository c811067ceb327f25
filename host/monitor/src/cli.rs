//! The command line.

use crate::boards;
use crate::partition::Partition;
use crate::processors::MOST;
use crate::qos::Class;
use crate::report::Format;
use crate::size;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Runs guests in virtual machines and checks what they and the hypervisor say of each other.
#[derive(Debug, Parser)]
#[command(name = "anyvisor", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the cases of a test kernel, each in a virtual machine of its own
    ///
    /// The exit status is 0 if all passed (or were skipped), 1 if one failed, 2 for a command
    /// line or a file that does not fit.
    Run(Run),
    /// List the cases of a test kernel, without running anything
    List(List),
    /// Boot any kernel: an ELF file, or an Image of the Linux arm64 boot protocol
    ///
    /// Its console is the standard output and input. The exit status is 0 if it switched the
    /// machine off, 3 if it asked for a reset that it does not get, 1 if it was stopped, 2 for a
    /// command line or a file that does not fit.
    Boot(Boot),
    /// Take instruction words apart: fields, assembly text, and what the instruction does
    ///
    /// Runs nothing and needs no hypervisor.
    Explain(Explain),
    /// List the seeded bugs: mistakes of a hypervisor that a build with the feature `seeded` makes
    ///
    /// `run` and `boot` take one by its name, as --bug.
    Bugs,
}

/// What `run` takes.
#[derive(Debug, Args)]
pub struct Run {
    /// The kernel's ELF file
    pub kernel: PathBuf,
    /// Run only the cases that fit this name or pattern (* and ?); may be given again
    #[arg(long = "case", value_name = "NAME|GLOB")]
    pub cases: Vec<String>,
    /// RAM of each machine
    #[arg(long, value_name = "SIZE", default_value = "128M", value_parser = size::parse)]
    pub memory: u64,
    /// Print a line for each exit, or for each instruction (on an engine that can)
    #[arg(long, value_name = "WHAT")]
    pub trace: Option<Trace>,
    /// The board: whose addresses and habits the machines have
    #[arg(long, value_enum, default_value = "virt")]
    pub board: boards::Model,
    /// The machines' interrupt controller (default: what each case needs)
    #[arg(long, value_enum, value_name = "WHICH")]
    pub gic: Option<Gic>,
    /// Keep each case's exits and injected events, so many at most (the first and the last), in
    /// the outcomes of --format json
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1000", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub events: Option<u32>,
    /// Stop a case after this many seconds
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds, allow_negative_numbers = true)]
    pub timeout: Duration,
    /// The processor that the guest sees
    #[command(flatten)]
    pub processor: Processor,
    /// A mistake to make
    #[command(flatten)]
    pub seeded: Seeded,
    /// How the results are shown
    #[arg(long, value_enum, default_value = "pretty")]
    pub format: Format,
    /// Show what the cases measured, too (KTAP and JSON always have it)
    #[arg(long)]
    pub figures: bool,
    /// Run cases in this many processes at once
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Run only this part of the cases: I/N or count:I/N (every Nth), or hash:I/N (by name)
    #[arg(long, value_name = "I/N", default_value_t = Partition::WHOLE)]
    pub partition: Partition,
    /// Run a case that failed again, this many times at most
    ///
    /// One that passes then is flaky: it counts as passed, and is named.
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u32).range(..=100))]
    pub retries: u32,
}

/// What `list` takes.
#[derive(Debug, Args)]
pub struct List {
    /// The kernel's ELF file
    pub kernel: PathBuf,
    /// How the cases are shown
    #[arg(long, value_enum, default_value = "pretty")]
    pub format: ListFormat,
}

/// What `boot` takes.
#[derive(Debug, Args)]
pub struct Boot {
    /// The kernel
    pub kernel: PathBuf,
    /// Its command line
    #[arg(long, value_name = "BOOTARGS", default_value = "", allow_hyphen_values = true)]
    pub append: String,
    /// RAM of the machine
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = size::parse)]
    pub memory: u64,
    /// How many vCPUs the machine has; all but the first wait for PSCI to switch them on
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST)))]
    pub vcpus: u8,
    /// The board: whose addresses and habits the machine has
    #[arg(long, value_enum, default_value = "virt")]
    pub board: boards::Model,
    /// The machine's interrupt controller
    #[arg(long, value_enum, value_name = "WHICH", default_value = "v3")]
    pub gic: Gic,
    /// What a reset does that the guest asks for
    #[arg(long, value_enum, value_name = "WHAT", default_value = "restart")]
    pub on_reset: OnReset,
    /// How many times it is restarted; the next reset ends it
    #[arg(long, value_name = "N", default_value = "100")]
    pub restarts: u32,
    /// Quality of service of the vCPUs' threads: one class for all, or a list, whose last one
    /// goes for all that follow
    #[arg(long, value_enum, value_name = "CLASS", value_delimiter = ',')]
    pub qos: Vec<Class>,
    /// Print at the end how long each vCPU ran, and its exits (--qos does, too)
    #[arg(long)]
    pub summary: bool,
    /// The processor that the guest sees
    #[command(flatten)]
    pub processor: Processor,
    /// A mistake to make
    #[command(flatten)]
    pub seeded: Seeded,
    /// Print a line for each exit, or for each instruction (on an engine that can)
    #[arg(long, value_name = "WHAT")]
    pub trace: Option<Trace>,
    /// Stop it after this many seconds
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    pub timeout: Option<Duration>,
}

/// What `explain` takes.
#[derive(Debug, Args)]
pub struct Explain {
    /// The words, in hexadecimal; each stands behind the one before it
    #[arg(required = true, value_name = "WORD", value_parser = word, allow_negative_numbers = true)]
    pub words: Vec<u32>,
    /// The address of the first, in hexadecimal
    #[arg(long, value_name = "ADDR", default_value = "0", value_parser = address, allow_negative_numbers = true)]
    pub pc: u64,
}

/// What the software engine shows the guest. Apple's framework shows the host's own processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct Processor {
    /// Processor of the software engine (default: $ANYVISOR_CPU, or m1)
    #[arg(long, value_enum, value_name = "MODEL")]
    pub cpu: Option<Model>,
    /// Give the guest performance monitors, on the software engine (default: $ANYVISOR_PMU)
    #[arg(long)]
    pub pmu: bool,
}

/// A bug for the guest to find.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Seeded {
    /// Make this mistake, of those that `anyvisor bugs` lists (default: $ANYVISOR_BUG, or none)
    ///
    /// Only a build with the feature `seeded` can.
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
}

/// The processors of the software engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// Apple M1.
    M1,
    /// Apple M2: with BTI, BF16 and I8MM.
    M2,
}

impl Model {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::M1 => "m1",
            Self::M2 => "m2",
        }
    }
}

/// The interrupt controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Gic {
    /// A GICv3 with a v2m-like MSI frame, by the framework.
    V3,
    /// None: the vCPU's interrupt lines are the monitor's.
    None,
}

impl Gic {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::V3 => "v3",
            Self::None => "none",
        }
    }
}

/// What a reset does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnReset {
    /// The machine ends.
    Stop,
    /// It starts again, with new RAM and the kernel in it.
    Restart,
}

/// What is printed as it happens, on the standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Trace {
    /// Each exit: when, where, why, and what was done about it.
    Exits,
    /// Each instruction that the software engine executes.
    Instructions,
}

/// The formats of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// Text for people.
    Pretty,
    /// A JSON object a line.
    Json,
}

/// Reads a time in seconds, whole or not.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: write seconds above 0, as in 10 or 0.5");
    let number: f64 = text.parse().map_err(|_| wrong())?;
    match Duration::try_from_secs_f64(number) {
        // Longer than a century is a mistake, and could overflow a deadline.
        Ok(time) if !time.is_zero() && time.as_secs() < 100 * 365 * 86_400 => Ok(time),
        _ => Err(wrong()),
    }
}

/// Reads an instruction word.
fn word(text: &str) -> Result<u32, String> {
    let value = hexadecimal(text, "0xd503201f or d503201f")?;
    u32::try_from(value).map_err(|_| format!("{text:?} has more than 32 bits"))
}

/// Reads the address of an instruction.
fn address(text: &str) -> Result<u64, String> {
    let value = hexadecimal(text, "0x40200000 or 40200000")?;
    if value % 4 != 0 {
        return Err(format!("{text:?} is no address of an instruction: it is no multiple of 4"));
    }
    Ok(value)
}

/// Reads a hexadecimal number, with or without 0x.
fn hexadecimal(text: &str, example: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("{text:?} is no hexadecimal number: write it as in {example}"));
    }
    let significant = digits.trim_start_matches('0');
    if significant.len() > 16 {
        return Err(format!("{text:?} has more than 64 bits"));
    }
    // No digit is left of a zero.
    Ok(u64::from_str_radix(significant, 16).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn words_are_hexadecimal_numbers_of_32_bits() {
        assert_eq!(word("d503201f"), Ok(0xd503_201f));
        assert_eq!(word("0xD503201F"), Ok(0xd503_201f));
        assert_eq!(word("0"), Ok(0));
        assert_eq!(word("00000000000000000000001"), Ok(1));
        for text in ["", "0x", "-1", "+1", "nop", "d503_201f", "0x0x1", " 1"] {
            assert!(word(text).unwrap_err().contains("no hexadecimal number"), "{text}");
        }
        assert!(word("100000000").unwrap_err().contains("more than 32 bits"));
        assert!(word("1ffffffffffffffff").unwrap_err().contains("more than 64 bits"));
    }

    #[test]
    fn addresses_are_those_of_instructions() {
        assert_eq!(address("0x40200004"), Ok(0x4020_0004));
        assert_eq!(address("fffffffffffffffc"), Ok(!3));
        assert!(address("2").unwrap_err().contains("multiple of 4"));
    }

    #[test]
    fn models_are_written_as_they_are_named() {
        for &model in Model::value_variants() {
            let written = model.to_possible_value().unwrap();
            assert_eq!(written.get_name(), model.name());
        }
    }

    #[test]
    fn interrupt_controllers_are_written_as_they_are_named() {
        for &gic in Gic::value_variants() {
            let written = gic.to_possible_value().unwrap();
            assert_eq!(written.get_name(), gic.name());
        }
    }

    #[test]
    fn times_are_seconds_above_zero() {
        assert_eq!(seconds("10"), Ok(Duration::from_secs(10)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "x", "", "nan", "inf", "1e300"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
