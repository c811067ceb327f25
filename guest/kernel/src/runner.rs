//! Runs the cases that the boot arguments choose, and reports them as KTAP version 1
//! (Documentation/dev-tools/ktap.rst):
//!
//! ```text
//! KTAP version 1
//! 1..3
//! ok 1 exception.svc_el1
//! # figure latency 1200 ns
//! # ESR is 0x92000046, expected 0x96000046
//! not ok 2 exception.data_abort # ESR is 0x92000046, expected 0x96000046
//! ok 3 virq.irq_unmasked # SKIP needs services
//! ```
//!
//! Boot arguments that choose (all of them together, in the order of the table):
//!
//! ```text
//! case=GLOB    those whose names fit
//! after=NAME   those behind NAME: where a run goes on that a case brought down
//! only=HEX     those whose bit is 1; the first digit's highest bit is the table's first case
//! ```

use core::slice;

use aarch64_cpu::registers::{CNTKCTL_EL1, CPACR_EL1, DAIF};
use anyvisor_abi::case::{CaseRecord, Needs};
use anyvisor_abi::glob;
use tock_registers::interfaces::Writeable;

use crate::cell::OneCpu;
use crate::machine::{self, Machine};
use crate::recovery::{self, Outcome};
use crate::{console, gic, hypercall, image, interrupt, mmu, println, services, smp, timer, trap};

/// The number and name of the running case.
static RUNNING: OneCpu<Option<(usize, &'static CaseRecord)>> = OneCpu::new(None);

/// Runs the cases.
pub fn run(machine: Machine) {
    if let Some(who) = machine::memory().intruder {
        println!("KTAP version 1");
        println!("Bail out! {who} overlaps the kernel: its header's image_size says what it takes");
        return;
    }
    let choice = Choice::of(machine.arguments);
    let chosen = || (0..).zip(records()).filter(|(place, record)| choice.has(*place, record));
    let chosen = || chosen().map(|(_, record)| record);
    let count = chosen().count();
    println!("KTAP version 1");
    println!("1..{count}");
    if count == 0 {
        console::diagnose(format_args!("no case fits {choice}"));
    }
    let mut failed = 0;
    for (number, record) in (1..).zip(chosen()) {
        if let Some(lacking) = Missing::of(record.needs()) {
            println!("ok {number} {} # SKIP needs {lacking}", record.name());
            continue;
        }
        RUNNING.set(Some((number, record)));
        let (outcome, reason) = recovery::guarded(record.body());
        RUNNING.set(None);
        put_in_order();
        match outcome {
            Outcome::Passed => println!("ok {number} {}", record.name()),
            Outcome::Skipped => println!("ok {number} {} # SKIP {}", record.name(), reason.text()),
            Outcome::Failed => {
                failed += 1;
                println!("not ok {number} {} # {}", record.name(), reason.text());
            }
        }
    }
    if failed > 0 {
        console::diagnose(format_args!("{failed} failed"));
    }
}

/// Reports the running case as passed, for one whose last act ends the VM. If it goes on all
/// the same it must panic: the later `not ok` for the same number is what counts.
pub fn passes_by_ending() {
    if let Some((number, record)) = RUNNING.get() {
        println!("ok {number} {}", record.name());
    }
}

/// The same for a case whose last act resets the machine: on a hypervisor that starts it again
/// the next thing on the console is the next start's, and whoever reads it must know.
pub fn passes_by_reset() {
    console::diagnose(format_args!("resets the machine"));
    passes_by_ending();
}

/// The records of the link section.
fn records() -> &'static [CaseRecord] {
    let section = image::cases();
    let count = (section.end - section.start) as usize / size_of::<CaseRecord>();
    // SAFETY: the linker script puts whole records there, one after another, and nothing else;
    // they are relocated and read-only.
    unsafe { slice::from_raw_parts(section.start as *const CaseRecord, count) }
}

/// Which cases the boot arguments choose.
struct Choice<'a> {
    pattern: &'a str,
    /// The place of `after=`; past the table if there is no such case.
    after: Option<usize>,
    only: Option<&'a str>,
}

impl<'a> Choice<'a> {
    fn of(arguments: &'a str) -> Self {
        let place = |name| records().iter().position(|record| record.name() == name);
        Self {
            pattern: argument(arguments, "case").unwrap_or("*"),
            after: argument(arguments, "after").map(|name| place(name).unwrap_or(usize::MAX)),
            only: argument(arguments, "only"),
        }
    }

    /// A case that ends the VM would take the others with it: only its own name chooses it.
    fn has(&self, place: usize, record: &CaseRecord) -> bool {
        let fits = if record.needs().contains(Needs::ENDS_VM) {
            self.pattern == record.name()
        } else {
            glob::matches(self.pattern, record.name())
        };
        fits && self.after.is_none_or(|after| place > after)
            && self.only.is_none_or(|digits| bit(digits, place))
    }
}

impl core::fmt::Display for Choice<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "case={}", self.pattern)?;
        match self.after {
            Some(usize::MAX) => write!(f, " after=, which names none")?,
            Some(place) => write!(f, " after={}", records()[place].name())?,
            None => {}
        }
        self.only.map_or(Ok(()), |digits| write!(f, " only={digits}"))
    }
}

/// Bit `place` of a number in hexadecimal, the first digit's highest bit being the first.
fn bit(digits: &str, place: usize) -> bool {
    let digit = digits.as_bytes().get(place / 4).and_then(|&digit| char::from(digit).to_digit(16));
    digit.is_some_and(|digit| digit >> (3 - place % 4) & 1 != 0)
}

/// What this machine has of what cases may need. EL2 it never has: we run at EL1.
fn offered() -> Needs {
    let has = |yes: bool, needs: Needs| if yes { needs } else { Needs::NONE };
    let (gic, services) = (gic::is_present(), hypercall::has_services());
    Needs::ENDS_VM
        .and(has(services, Needs::SERVICES))
        .and(has(hypercall::has_psci(), Needs::PSCI))
        .and(has(gic::is_v3(), Needs::GIC))
        .and(has(gic::is_v2(), Needs::GICV2))
        .and(has(gic, Needs::ANY_GIC))
        .and(has(services && !gic, Needs::LINES))
        .and(has(gic || services, Needs::TIMER_IRQ))
}

/// Needs that this machine does not meet.
struct Missing {
    flags: u32,
    vcpus: u8,
}

impl Missing {
    fn of(needs: Needs) -> Option<Self> {
        const FLAGS: u32 = 0x00ff_ffff;
        let missing = Self { flags: needs.0 & !offered().0 & FLAGS, vcpus: needs.vcpu_count() };
        (missing.flags != 0 || missing.lacks_vcpus()).then_some(missing)
    }
}

impl Missing {
    fn lacks_vcpus(&self) -> bool {
        usize::from(self.vcpus) > machine::get().cpu_count
    }
}

impl core::fmt::Display for Missing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut separator = "";
        for (_, name) in Needs::NAMES.iter().filter(|(flag, _)| self.flags & flag.0 != 0) {
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
        if self.lacks_vcpus() { write!(f, "{separator}{} vCPUs", self.vcpus) } else { Ok(()) }
    }
}

/// `value` of the first word `name=value`.
fn argument<'a>(arguments: &'a str, name: &str) -> Option<&'a str> {
    arguments.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// Puts back what a case may have changed, above all one that failed half-way.
fn put_in_order() {
    DAIF.set(0b1111 << 6); // D, A, I, F masked
    trap::disarm();
    interrupt::forget();
    timer::VIRTUAL.stop();
    let _ = trap::try_catch(trap::After::Skip, || timer::PHYSICAL.stop()); // may be trapped
    smp::stop_all();
    console::let_transmit_interrupt_out(false);
    gic::reset();
    if hypercall::has_services() {
        services::reset();
    }
    CPACR_EL1.set(0); // FP and SIMD trap
    CNTKCTL_EL1.set(0); // the timers are not EL0's
    mmu::reset();
}
