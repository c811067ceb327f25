//! Benchmarks, the other thing that this kernel can be asked for: `bench=NAME[,NAME]` in the
//! boot arguments runs them instead of the cases, and `scale=PERCENT` says how much work each
//! does (100 is some seconds for all on an interpreter). One line a result:
//!
//! ```text
//! R name=svc_el1 events=3000000 bytes=0 insns=18000000 ns=391204167 check=0x0
//! DONE
//! ```
//!
//! * `events` and `bytes`: what was done, where that is the unit;
//! * `insns`: instructions executed, where it is known by construction (the loops in
//!   `kernels.S`, which no compiler touches), else 0;
//! * `ns`: by the guest's own clock, CNTVCT_EL0
//!   (of a latency: `events=1`, and the median or the 99th percentile of many);
//! * `check`: a value that depends on the work and must be the same on every machine.
//!
//! `DONE` says that all that was asked for was run. `bench=list` prints the names, one
//! `B name` a line. The bodies are the same on every
//! hypervisor: that is what makes their times comparable.

mod code;
mod compute;
mod exits;
mod interrupts;
mod kernels;
mod space;
mod system;
mod together;
mod traps;
mod workload;

use crate::machine::{Machine, Region};
use crate::{hypercall, println, timer};

/// What the benchmarks know of where and how they run.
struct Setting {
    machine: Machine,
    /// Where the FDT stands: RAM that is not free.
    fdt: Region,
    /// Percent of the work.
    scale: u64,
}

impl Setting {
    /// How often to do what is done `full` times at 100 percent.
    fn times(&self, full: u64) -> u64 {
        (full.saturating_mul(self.scale) / 100).max(1)
    }
}

/// A benchmark: its name in `bench=`, and what runs it and reports.
struct Bench {
    name: &'static str,
    run: fn(&Setting),
}

macro_rules! benches {
    ($($name:ident: $run:path,)*) => {
        const BENCHES: &[Bench] = &[$(Bench { name: stringify!($name), run: $run }),*];
    };
}

benches! {
    boot: boot,
    alu: compute::alu,
    flags: compute::flags,
    call: compute::call,
    ind: compute::ind,
    ldst: compute::ldst,
    core: compute::core,
    crc32: compute::crc32,
    hvc: traps::hvc,
    svc_el1: traps::svc_el1,
    svc_el0: traps::svc_el0,
    dabort: traps::dabort,
    mmio_uart_rd: traps::mmio_uart_rd,
    mmio_uart_wr: traps::mmio_uart_wr,
    sysreg: system::sysreg,
    ldxr: system::ldxr,
    cntvct: system::cntvct,
    tlbi_va: system::tlbi_va,
    tlbi_all16: system::tlbi_all16,
    asid16: system::asid16,
    walk16384: system::walk16384,
    cold: code::cold,
    selfmod: code::selfmod,
    exits_hvc: exits::hvc,
    exits_mmio: exits::mmio,
    exits_sysreg: exits::sysreg,
    ipi: interrupts::ipi,
    ipi_wfi: interrupts::ipi_wfi,
    timer_spin: interrupts::timer_spin,
    timer_wfi: interrupts::timer_wfi,
    barrier: together::barrier,
}

/// Runs the benchmarks that the boot arguments name and ends the VM; returns if they name none.
pub fn run(machine: Machine, fdt: u64) {
    let value = |key: &str| {
        let mut words = machine.arguments.split_ascii_whitespace();
        words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    };
    let Some(names) = value("bench") else { return };
    let scale = match value("scale").map_or(Ok(100), str::parse) {
        Ok(percent @ 1..) => percent,
        _ => refuse(format_args!("scale= takes a number of percent, 1 or more")),
    };
    let setting = Setting { machine, fdt: space::fdt_region(fdt), scale };
    let find = |name| BENCHES.iter().find(|bench| bench.name == name);
    for name in names.split(',') {
        match find(name) {
            Some(bench) => (bench.run)(&setting),
            None if name == "list" => BENCHES.iter().for_each(|bench| println!("B {}", bench.name)),
            None => refuse(format_args!("there is no benchmark {name}; bench=list names them")),
        }
    }
    println!("DONE");
    hypercall::system_off();
}

/// Says why the boot arguments make no sense, and ends the VM without DONE.
fn refuse(why: core::fmt::Arguments<'_>) -> ! {
    println!("Bail out! {why}");
    hypercall::system_off()
}

/// Nothing but a boot: what is measured is how long all of it takes, from the outside.
fn boot(_: &Setting) {
    Report { name: "boot", events: 1, ..Report::NOTHING }.print();
}

/// A result.
struct Report {
    name: &'static str,
    events: u64,
    bytes: u64,
    insns: u64,
    ticks: u64,
    check: u64,
}

impl Report {
    const NOTHING: Self = Self { name: "", events: 0, bytes: 0, insns: 0, ticks: 0, check: 0 };

    fn print(&self) {
        let Self { name, events, bytes, insns, ticks, check } = self;
        let frequency = timer::frequency();
        let ns = u128::from(*ticks) * 1_000_000_000 / u128::from(frequency.max(1));
        println!(
            "R name={name} events={events} bytes={bytes} insns={insns} ns={ns} check={check:#x}"
        );
    }
}

/// How many ticks of the virtual counter `body` takes, and what it returns.
fn time(body: impl FnOnce() -> u64) -> (u64, u64) {
    let before = (timer::VIRTUAL.counter)();
    let check = body();
    ((timer::VIRTUAL.counter)() - before, check)
}
