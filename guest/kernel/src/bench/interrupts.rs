//! How long interrupts take: an SGI to another CPU and back, and a timer's after its deadline. Each
//! while the CPU runs, and from WFI.

use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::asm;
use anyvisor_arch::pstate::Vector;

use super::{Report, Setting, time};

use crate::exception::TrapFrame;
use crate::gic::cpu_interface as icc;
use crate::gic::interrupt::{Group, Interrupt};
use crate::gic::{self, DEFAULT_PRIORITY};
use crate::interrupt::{self, unmasked};
use crate::smp::{self, Line, Work, wait_until};
use crate::timer::{self, VIRTUAL};
use crate::{machine, println};

const SGI: u32 = 1;
static READY: Line = Line::new();
static OVER: Line = Line::new();
/// Whether the other CPU sleeps between its interrupts.
static SLEEPS: Line = Line::new();
/// The affinity of the CPU that began.
static BACK: Line = Line::new();

/// Whether there is what `name` needs; says so if not.
fn is_possible(name: &str, cpus: usize) -> bool {
    let (gic, enough) = (gic::is_v3(), smp::cpu_count() >= cpus);
    if !gic {
        println!("# {name}: left out, there is no GIC");
    } else if !enough {
        println!("# {name}: left out, there are fewer than {cpus} CPUs");
    }
    gic && enough
}

/// Acknowledges the interrupt that was taken and ends it.
fn serve() {
    icc::set_eoir1(icc::iar1());
}

/// Takes an interrupt that is pending, with the mask as it was before and after.
fn let_in() {
    unmasked(|| {});
}

/// SGIs there and back, both CPUs awake.
pub fn ipi(setting: &Setting) {
    round_trips("ipi", setting.times(20_000), false);
}

/// SGIs there and back, each CPU woken from WFI.
pub fn ipi_wfi(setting: &Setting) {
    round_trips("ipi_wfi", setting.times(5_000), true);
}

fn round_trips(name: &'static str, rounds: u64, sleep: bool) {
    if !is_possible(name, 2) {
        return;
    }
    fn answer(_: usize, _: Vector) {
        serve();
        icc::set_sgi1r(icc::sgi(SGI, BACK.get()));
    }
    extern "C" fn body(_: u64) {
        Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
        READY.add(1);
        if SLEEPS.get() == 0 {
            unmasked(|| while OVER.get() == 0 {});
        }
        while OVER.get() == 0 {
            asm::wfi(); // masked: what comes before it ends it, too
            let_in();
        }
    }
    Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
    for (line, value) in
        [(&READY, 0), (&OVER, 0), (&SLEEPS, sleep.into()), (&BACK, smp::own_affinity())]
    {
        line.0.store(value, Ordering::SeqCst);
    }
    let other = smp::other();
    let started = smp::start_on(other, Work { body, argument: 0, interrupt: Some(answer) });
    wait_until(|| READY.get() == 1);
    let there = icc::sgi(SGI, smp::affinity(other));
    interrupt::listen(|_| serve());
    let (ticks, count) = time(|| {
        for round in 0..rounds as usize {
            icc::set_sgi1r(there);
            if sleep {
                while interrupt::count() == round {
                    asm::wfi();
                    let_in();
                }
            } else {
                unmasked(|| while interrupt::count() == round {});
            }
        }
        interrupt::count() as u64
    });
    assert!(count == rounds, "{count} answers to {rounds} SGIs");
    OVER.add(1);
    icc::set_sgi1r(there); // whose answer nobody waits for
    started.join();
    // The last answer: nothing of it is left for the next benchmark.
    Interrupt::new(SGI).clear_pending();
    interrupt::forget();
    Report { name, events: rounds, ticks, ..Report::NOTHING }.print();
}

/// Samples that are kept at most.
const MOST: usize = 4096;
/// The virtual counter when the handler began.
static BEGAN: AtomicU64 = AtomicU64::new(0);

/// The virtual timer's interrupt after its deadline, while this CPU runs.
pub fn timer_spin(setting: &Setting) {
    latency(["timer_spin_median", "timer_spin_p99"], setting, false);
}

/// The same while it sleeps in WFI.
pub fn timer_wfi(setting: &Setting) {
    latency(["timer_wfi_median", "timer_wfi_p99"], setting, true);
}

fn latency(names: [&'static str; 2], setting: &Setting, sleep: bool) {
    if !is_possible(names[0], 1) {
        return;
    }
    fn handler(_: &mut TrapFrame) {
        BEGAN.store((VIRTUAL.counter)(), Ordering::Relaxed);
        let intid = icc::iar1();
        VIRTUAL.stop();
        let ppi = Interrupt::new((VIRTUAL.intid)(machine::get()));
        while ppi.is_pending() {} // the output is low when this is over
        icc::set_eoir1(intid);
    }
    let count = (setting.times(2_000) as usize).min(MOST);
    Interrupt::new((VIRTUAL.intid)(machine::get())).prepare(Group::One, DEFAULT_PRIORITY);
    let microsecond = (timer::frequency() / 1_000_000).max(1);
    let mut samples = [0; MOST];
    for (n, sample) in samples.iter_mut().enumerate().take(count) {
        interrupt::listen(handler);
        // 200 to 455 us ahead: far enough to fall asleep, and not always in the same step.
        let deadline = (VIRTUAL.counter)() + microsecond * (200 + n as u64 * 97 % 256);
        VIRTUAL.start(deadline);
        if sleep {
            while interrupt::count() == 0 {
                asm::wfi();
                let_in();
            }
        } else {
            unmasked(|| while interrupt::count() == 0 {});
        }
        *sample = BEGAN.load(Ordering::Relaxed).saturating_sub(deadline);
    }
    interrupt::forget();
    let samples = &mut samples[..count];
    samples.sort_unstable();
    let at = |percent: usize| samples[(count - 1) * percent / 100];
    for (name, ticks) in names.into_iter().zip([at(50), at(99)]) {
        Report { name, events: 1, ticks, ..Report::NOTHING }.print();
    }
}
