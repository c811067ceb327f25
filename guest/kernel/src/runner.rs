//! Runs the cases that the boot arguments choose, and reports them as KTAP version 1
//! (Documentation/dev-tools/ktap.rst):
//!
//! ```text
//! KTAP version 1
//! 1..3
//! ok 1 exception.svc_el1
//! # ESR is 0x92000046, expected 0x96000046
//! not ok 2 exception.data_abort # ESR is 0x92000046, expected 0x96000046
//! ok 3 virq.irq_unmasked # SKIP needs services
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
    let pattern = argument(machine.arguments, "case").unwrap_or("*");
    let chosen = || records().iter().filter(move |record| is_chosen(record, pattern));
    let count = chosen().count();
    println!("KTAP version 1");
    println!("1..{count}");
    if count == 0 {
        console::diagnose(format_args!("no case fits case={pattern}"));
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

/// The records of the link section.
fn records() -> &'static [CaseRecord] {
    let section = image::cases();
    let count = (section.end - section.start) as usize / size_of::<CaseRecord>();
    // SAFETY: the linker script puts whole records there, one after another, and nothing else;
    // they are relocated and read-only.
    unsafe { slice::from_raw_parts(section.start as *const CaseRecord, count) }
}

/// A case that ends the VM would take the others with it: only its own name chooses it.
fn is_chosen(record: &CaseRecord, pattern: &str) -> bool {
    if record.needs().contains(Needs::ENDS_VM) {
        pattern == record.name()
    } else {
        glob::matches(pattern, record.name())
    }
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
