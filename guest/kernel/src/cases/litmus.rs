//! Litmus tests: a few instructions on each of several CPUs, and an outcome that tells whether the
//! accesses were observed in order. Their names and their allowed and forbidden outcomes are those
//! of the Arm memory model (DDI 0487, B2.3 "Definition of the Arm memory model").
//!
//! ```text
//!   CPU 0        CPU 1        CPU 2 ...          PLACES: 128 pairs (x, y), a cache line each
//!     |            |            |
//!     +--- meet ---+--- meet ---+      all pairs are zero
//!     |            |            |
//!   thread 0     thread 1     thread 2           the same pair after pair; before each all wait
//!     |            |            |                for each other awake, so that they collide
//!     |            |            |
//!     +--- meet ---+--- meet ---+
//!     |
//!   looks at every pair: the registers of all threads, x and y
//! ```
//!
//! A shape (MP, SB, ...) is run in variants: plain accesses, and each means of order that the
//! manual has. Of a variant whose outcome is forbidden one sighting fails the case. One that is
//! allowed is counted and reported as a figure: zero is no fault, the manual promises nothing.

mod final_value;
mod many;
mod order;
mod rcsc;

use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use aarch64_cpu::registers::{ID_AA64ISAR0_EL1, ID_AA64ISAR1_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::id::{isar0, isar1};
use tock_registers::interfaces::Readable;

use crate::smp::{self, Line, Meeting, Work};
use crate::timer::{VIRTUAL, frequency};
use crate::{case, figure};

/// What one thread does to a pair; what it read, in its registers `a` and `b`.
pub(super) type Thread = fn(x: *mut u64, y: *mut u64) -> [u64; 2];

/// A thread in assembly: `{x}` and `{y}` are the addresses, `{a}` and `{b}` what it reads, `{t}` is
/// free, `{one}` and `{two}` are constants.
macro_rules! thread {
    ($($line:literal),+ $(,)?) => {{
        fn run(x: *mut u64, y: *mut u64) -> [u64; 2] {
            let (mut a, mut b) = (0_u64, 0_u64);
            // SAFETY: loads and stores of one pair, which are all atomics, by whoever reads them.
            unsafe {
                core::arch::asm!(
                    "// {x} {y} {a} {b} {t} {one} {two}",
                    ".arch_extension lse",
                    ".arch_extension rcpc",
                    $($line,)+
                    x = in(reg) x,
                    y = in(reg) y,
                    a = inout(reg) a,
                    b = inout(reg) b,
                    t = out(reg) _,
                    one = in(reg) 1_u64,
                    two = in(reg) 2_u64,
                    options(nostack),
                );
            }
            [a, b]
        }
        run as $crate::cases::litmus::Thread
    }};
}
use thread;

/// What the manual says of an outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be seen.
    Allowed,
    /// It is never seen.
    Forbidden,
}

/// What a variant needs beyond Armv8.0.
#[derive(Clone, Copy)]
pub(super) enum Feature {
    /// Nothing.
    Base,
    /// FEAT_LSE: SWP, LDADD, CAS.
    Lse,
    /// FEAT_LRCPC: LDAPR.
    Rcpc,
}

impl Feature {
    fn is_there(self) -> bool {
        match self {
            Self::Base => true,
            Self::Lse => isar0::ATOMIC.get(ID_AA64ISAR0_EL1.get()) >= 2,
            Self::Rcpc => isar1::LRCPC.get(ID_AA64ISAR1_EL1.get()) >= 1,
        }
    }
}

/// One way to write a shape.
pub(super) struct Variant {
    /// After the shape's name: `dmbs`.
    pub name: &'static str,
    /// The outcome in question.
    pub verdict: Verdict,
    /// Without it the variant is left out.
    pub needs: Feature,
    /// As many as the shape has.
    pub threads: &'static [Thread],
}

/// A litmus test in all its variants.
pub(super) struct Shape {
    /// As the literature has it.
    pub name: &'static str,
    /// How many CPUs it takes.
    pub threads: usize,
    /// The outcome in question.
    pub outcome: fn(&Seen) -> bool,
    /// All ways to write it.
    pub variants: &'static [Variant],
}

/// What came out of one pair.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Registers `a` and `b` of each thread.
    pub registers: [[u64; 2]; MOST_THREADS],
    /// The last value of x.
    pub x: u64,
    /// The last value of y.
    pub y: u64,
}

const MOST_THREADS: usize = 4;
/// Pairs, and how often all of them are gone through.
const PAIRS: usize = 128;
const BATCHES: u64 = 3;
/// How often a thread looks whether the others are at its pair, at the most.
const SPINS: u32 = 500;

struct Pair {
    x: Line,
    y: Line,
    /// How many threads are here.
    here: Line,
}

impl Pair {
    fn clear(&self) {
        for line in [&self.x, &self.y, &self.here] {
            line.clear();
        }
    }
}

static PLACES: [Pair; PAIRS] =
    [const { Pair { x: Line::new(), y: Line::new(), here: Line::new() } }; PAIRS];
static READ: [[[AtomicU64; 2]; PAIRS]; MOST_THREADS] =
    [const { [const { [const { AtomicU64::new(0) }; 2] }; PAIRS] }; MOST_THREADS];
static MEETING: Meeting = Meeting::new();
/// How many have come to a meeting, ever.
static ARRIVED: Line = Line::new();
/// How many were awake at the start of a batch, in all batches of a variant.
static AWAKE: Line = Line::new();
/// The shape that runs.
static SHAPE: AtomicPtr<Shape> = AtomicPtr::new(core::ptr::null_mut());

/// Runs every variant of a shape on as many CPUs as it has threads.
pub(super) fn run(shape: &'static Shape) {
    SHAPE.store(core::ptr::from_ref(shape).cast_mut(), Ordering::SeqCst);
    MEETING.clear();
    // A case that failed leaves something.
    ARRIVED.clear();
    AWAKE.clear();
    PLACES.iter().for_each(Pair::clear);
    let others = smp::others().take(shape.threads - 1);
    // Joined in the end; one that is not, because the case failed, is stopped by the runner.
    let mut started = [const { None }; MOST_THREADS];
    for (thread, cpu) in (1..).zip(others) {
        started[thread] =
            Some(smp::start_on(cpu, Work { body, argument: thread as u64, interrupt: None }));
    }
    body(0);
    for cpu in started.into_iter().flatten() {
        cpu.join();
    }
}

/// A thread of the shape, through all variants.
extern "C" fn body(thread: u64) {
    // SAFETY: `run` stored a reference that lives for ever, before this CPU was started.
    let Some(shape) = (unsafe { SHAPE.load(Ordering::SeqCst).as_ref() }) else { return };
    let all = shape.threads as u64;
    for variant in shape.variants.iter().filter(|variant| variant.needs.is_there()) {
        let mut sightings = 0_u64;
        for batch in 0..BATCHES {
            meet(all);
            wake_up(all, batch);
            for ((pair, read), n) in PLACES.iter().zip(&READ[thread as usize]).zip(batch..) {
                collide(pair, all, n * (thread + 1) % 5);
                let values = variant.threads[thread as usize](pair.x.0.as_ptr(), pair.y.0.as_ptr());
                for (slot, value) in read.iter().zip(values) {
                    slot.store(value, Ordering::Relaxed);
                }
            }
            meet(all);
            if thread == 0 {
                sightings += judge(shape, variant);
            }
        }
        if thread == 0 {
            AWAKE.clear(); // the others are at the next meeting, or on their way to it
        }
        if thread == 0 && variant.verdict == Verdict::Allowed {
            figure!(format_args!("{}.{}", shape.name, variant.name), sightings, "times");
        }
    }
}

/// A millisecond, in ticks: how long a thread waits awake. Who sleeps wakes too late to collide with
/// anybody; but there may be fewer CPUs below than vCPUs.
fn awhile() -> u64 {
    frequency() / 1000
}

/// All meet, awake if the others come soon.
fn meet(all: u64) {
    let round = ARRIVED.0.fetch_add(1, Ordering::AcqRel) / all;
    let end = (VIRTUAL.counter)() + awhile();
    while ARRIVED.get() < all * (round + 1) && (VIRTUAL.counter)() < end {}
    MEETING.meet(all);
}

/// Waits for those that slept all the same.
fn wake_up(all: u64, batch: u64) {
    AWAKE.0.fetch_add(1, Ordering::AcqRel);
    let end = (VIRTUAL.counter)() + awhile();
    while AWAKE.get() < all * (batch + 1) && (VIRTUAL.counter)() < end {}
}

/// Waits until all threads are at this pair, but not long, and then for a few instructions more, so
/// that who comes first changes.
fn collide(pair: &Pair, all: u64, delay: u64) {
    pair.here.0.fetch_add(1, Ordering::AcqRel);
    let mut spins = SPINS;
    while pair.here.get() < all && spins > 0 {
        spins -= 1;
    }
    for _ in 0..delay {
        // SAFETY: nothing.
        unsafe { core::arch::asm!("nop", options(nomem, nostack)) };
    }
}

/// Looks at every pair, makes it zero again, and counts.
fn judge(shape: &Shape, variant: &Variant) -> u64 {
    let mut sightings = 0;
    for (n, pair) in PLACES.iter().enumerate() {
        let mut seen = Seen { x: pair.x.get(), y: pair.y.get(), ..Seen::default() };
        for (registers, read) in seen.registers.iter_mut().zip(&READ).take(shape.threads) {
            *registers = [0, 1].map(|register: usize| read[n][register].load(Ordering::Relaxed));
        }
        pair.clear();
        if (shape.outcome)(&seen) {
            sightings += 1;
            assert!(
                variant.verdict == Verdict::Allowed,
                "{}+{}: the forbidden outcome was seen: {seen:?}",
                shape.name,
                variant.name
            );
        }
    }
    sightings
}

case! {
    /// Coherence: of one location all CPUs see the same sequence of values, whatever the accesses
    /// are. No barrier is needed for it, and nothing can take it away.
    ///
    /// ```text
    ///   CoRR   W x=1         | R x -> a; R x -> b     not a = 1, b = 0
    ///   CoWW   W x=1; W x=2  |                        not x = 1 in the end
    ///   CoWR   W x=1; R x -> a  | W x=2               not a = 0; not a = 2 and x = 1 in the end
    ///   CoRW   R x -> a; W x=1  | W x=2               not a = 1; not a = 2 and x = 2 in the end
    /// ```
    ///
    /// The manual makes this the first of its three axioms ("Internal visibility": po-loc together
    /// with reads-from, from-reads and coherence order has no cycle). A hypervisor takes no part as
    /// long as all vCPUs reach the same page by the same attributes. It does once it maps one page
    /// twice, or Non-cacheable for one vCPU and cacheable for another (HCR_EL2.CD, a wrong stage-2
    /// MemAttr), copies a page while a vCPU still writes to it, or keeps a copy of guest memory of
    /// its own and writes that back. An emulator breaks it by caching a value that it read.
    "litmus.coherence": "CoRR, CoWW, CoWR, CoRW by plain accesses: all CPUs agree on the values of one location";
    reference: "DDI 0487: B2.3 Internal visibility requirement; the litmus tests CoRR, CoWW, CoWR, CoRW1, CoRW2";
    needs: Needs::PSCI.vcpus(2);
    fn coherence() {
        use Feature::Base;
        use Verdict::Forbidden;
        macro_rules! shape {
            ($name:literal, $outcome:expr, $($first:literal),+; $($second:literal),+) => {
                run(const { &Shape {
                    name: $name,
                    threads: 2,
                    outcome: $outcome,
                    variants: &[Variant {
                        name: "po",
                        verdict: Forbidden,
                        needs: Base,
                        threads: &[thread!($($first),+), thread!($($second),+)],
                    }],
                } });
            };
        }
        shape!("CoRR", |s| s.registers[1] == [1, 0], "str {one}, [{x}]";
            "ldr {a}, [{x}]", "ldr {b}, [{x}]");
        shape!("CoWW", |s| s.x == 1, "str {one}, [{x}]", "str {two}, [{x}]"; "ldr {a}, [{x}]");
        shape!("CoWR", |s| s.registers[0][0] == 0 || s.registers[0][0] == 2 && s.x == 1,
            "str {one}, [{x}]", "ldr {a}, [{x}]"; "str {two}, [{x}]");
        shape!("CoRW", |s| s.registers[0][0] == 1 || s.registers[0][0] == 2 && s.x == 2,
            "ldr {a}, [{x}]", "str {one}, [{x}]"; "str {two}, [{x}]");
    }
}
