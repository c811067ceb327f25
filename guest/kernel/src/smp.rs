//! The other CPUs: switched on by PSCI, given one function to run, switched off again.
//!
//! ```text
//!   the first CPU                               another CPU
//!   start_on(cpu, Work)
//!     mailbox, cleaned to memory
//!     CPU_ON(entry, mailbox) ----------------> boot.S: secondary_start, MMU off
//!                                              the mailbox's tables, MMU on
//!                                              secondary_main: its part of the GIC,
//!                                              body(argument)
//!   join()                                     state = DONE
//!     waits for the state, then for <--------- CPU_OFF
//!     AFFINITY_INFO to say OFF
//! ```
//!
//! CPUs are numbered by their place in the FDT. The rest of the kernel knows of one CPU. So a body
//! keeps to atomics, to registers and to what it was given: it does not print, take locks or provoke
//! exceptions. It may panic (its message comes out of the first CPU's wait), and it may take
//! interrupts if its [`Work`] has a handler for them. An exception ends in the mailbox and fails
//! the case.
//!
//! A case that fails leaves others at work. They wait by [`wait_until`] and [`sleep_until`] only, and
//! there they notice that they are not wanted any more and go ([`stop_all`]).

mod rendezvous;

use core::arch::asm;
use core::cell::UnsafeCell;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{MAIR_EL1, MPIDR_EL1, SCTLR_EL1, TCR_EL1, TTBR0_EL1};
use anyvisor_abi::smccc::{PSCI_AFFINITY_INFO_64, PSCI_CPU_OFF, PSCI_CPU_ON_64, SUCCESS};
use anyvisor_arch::esr::Esr;
use anyvisor_arch::pstate::Vector;
use tock_registers::interfaces::Readable;

use crate::cell::OneCpu;
use crate::machine::MOST_CPUS;
use crate::recovery::Reason;
use crate::{gic, hypercall, image, machine, timer};

pub use rendezvous::{Line, Meeting, sleep_until, spin_until, tell, wait_for, wait_until};

/// The affinity fields of MPIDR_EL1, which name a CPU.
const AFFINITY: u64 = 0xff_00ff_ffff;
/// AFFINITY_INFO: the CPU is off.
const OFF: u64 = 1;
/// How long another CPU may take, for a hypervisor that emulates it all on one host CPU. Only a
/// case that fails waits that long.
const PATIENCE_S: u64 = 20;

/// [`Mailbox::state`]: it was never started, or is off again.
const IDLE: u64 = 0;
/// The body is not done.
const RUNNING: u64 = 1;
/// The body returned.
const DONE: u64 = 2;
/// It took an exception.
pub const FAULTED: u64 = 3;
/// It panicked.
const PANICKED: u64 = 4;

/// What a CPU starts from, and what comes back. `boot.S` reads it with the MMU off.
#[repr(C, align(64))]
pub struct Mailbox {
    /// Translation, as on this CPU; a pair each for LDP.
    pub ttbr0: u64,
    tcr: u64,
    /// MAIR_EL1, and the vectors.
    pub mair: u64,
    vbar: u64,
    /// SCTLR_EL1, and the stack.
    pub sctlr: u64,
    sp: u64,
    body: Option<Body>,
    argument: u64,
    interrupt: Option<Handler>,
    /// IDLE to PANICKED.
    pub state: AtomicU64,
    /// ESR_EL1 and ELR_EL1 of an exception.
    pub fault: [u64; 2],
    /// CurrentEL, DAIF, SCTLR_EL1 and SPSel at its first instruction.
    pub initial: [u64; 4],
}

/// What another CPU runs.
pub type Body = extern "C" fn(argument: u64);
/// What it does when it takes an interrupt, all interrupts masked: by IRQ or by FIQ.
pub type Handler = fn(cpu: usize, vector: Vector);

/// What another CPU is given to do.
#[derive(Clone, Copy)]
pub struct Work {
    /// Runs with interrupts masked, unless it unmasks them.
    pub body: Body,
    /// Its argument.
    pub argument: u64,
    /// Whom interrupts are for. Without one they fail the case.
    pub interrupt: Option<Handler>,
}

struct Shared(UnsafeCell<Mailbox>);

// SAFETY: the first CPU writes a mailbox before it switches its owner on, and from then on until
// that is off again both touch `state` only, which is atomic; `fault` and `initial` are written
// before the state that says so.
unsafe impl Sync for Shared {}

static MAILBOXES: [Shared; MOST_CPUS] = [const {
    Shared(UnsafeCell::new(Mailbox {
        ttbr0: 0,
        tcr: 0,
        mair: 0,
        vbar: 0,
        sctlr: 0,
        sp: 0,
        body: None,
        argument: 0,
        interrupt: None,
        state: AtomicU64::new(IDLE),
        fault: [0; 2],
        initial: [0; 4],
    }))
}; MOST_CPUS];

/// The message of the CPU whose state is PANICKED; whoever sets the flag first writes it.
static MESSAGE: OneCpu<Reason> = OneCpu::new(Reason::EMPTY);
static MESSAGE_TAKEN: AtomicBool = AtomicBool::new(false);
/// Whoever waits shall go instead.
static STOPPED: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    fn secondary_start();
    static secondary_vectors: u8;
}

/// The affinity of this CPU.
pub fn own_affinity() -> u64 {
    MPIDR_EL1.get() & AFFINITY
}

/// The number of this CPU.
pub fn this_cpu() -> usize {
    let own = own_affinity();
    machine::get().cpus().iter().position(|&affinity| affinity == own).unwrap_or(0)
}

/// How many CPUs there are.
pub fn cpu_count() -> usize {
    machine::get().cpu_count
}

/// The numbers of all CPUs but this one.
pub fn others() -> impl Iterator<Item = usize> {
    let own = this_cpu();
    (0..cpu_count()).filter(move |&cpu| cpu != own)
}

/// The number of a CPU other than this one.
///
/// # Panics
/// If there is none: a case that calls this says that it needs two.
pub fn other() -> usize {
    others().next().expect("the FDT names a second CPU")
}

/// The affinity of a CPU.
pub fn affinity(cpu: usize) -> u64 {
    machine::get().cpus()[cpu]
}

/// The affinity of [`other`].
pub fn other_affinity() -> u64 {
    affinity(other())
}

/// PSCI's CPU_ON: its result.
pub fn cpu_on(affinity: u64, entry: u64, context: u64) -> i64 {
    hypercall::call(PSCI_CPU_ON_64, &[affinity, entry, context])[0].cast_signed()
}

/// PSCI's AFFINITY_INFO of one CPU: 0 on, 1 off, 2 on its way, or an error.
pub fn affinity_info(affinity: u64) -> i64 {
    hypercall::call(PSCI_AFFINITY_INFO_64, &[affinity, 0])[0].cast_signed()
}

/// CPUs at work.
#[must_use = "a CPU that nobody joins is still on when the next case begins"]
pub struct Started {
    /// A bit each, by number.
    cpus: u64,
}

/// Switches [`other`] on, to run `body(argument)`.
#[track_caller]
pub fn start(body: Body, argument: u64) -> Started {
    start_on(other(), Work { body, argument, interrupt: None })
}

/// Switches all others on, to run `body` with their number as its argument.
#[track_caller]
pub fn start_all(body: Body, interrupt: Option<Handler>) -> Started {
    let cpus = others().fold(0, |cpus, cpu| {
        let work = Work { body, argument: cpu as u64, interrupt };
        cpus | start_on(cpu, work).cpus
    });
    Started { cpus }
}

/// Switches all others on, to run `body(argument)`.
#[track_caller]
pub fn start_all_with(body: Body, argument: u64) -> Started {
    let work = Work { body, argument, interrupt: None };
    Started { cpus: others().fold(0, |cpus, cpu| cpus | start_on(cpu, work).cpus) }
}

/// Switches a CPU on, to do this.
#[track_caller]
pub fn start_on(cpu: usize, work: Work) -> Started {
    start_by(PSCI_CPU_ON_64, cpu, work)
}

/// Switches a CPU on by one of the two functions that do it.
#[track_caller]
pub fn start_by(cpu_on: u32, cpu: usize, work: Work) -> Started {
    let stacks = image::secondary_stacks();
    let stack_bytes = (stacks.end - stacks.start) / MOST_CPUS as u64;
    let mailbox = MAILBOXES[cpu].0.get();
    let affinity = affinity(cpu);
    let info = affinity_info(affinity);
    assert!(
        info == OFF.cast_signed(),
        "AFFINITY_INFO of {affinity:#x} is {info} before it is started"
    );
    // SAFETY: the CPU is off, as AFFINITY_INFO has just said: nobody else touches its mailbox.
    unsafe {
        mailbox.write(Mailbox {
            ttbr0: TTBR0_EL1.get(),
            tcr: TCR_EL1.get(),
            mair: MAIR_EL1.get(),
            vbar: (&raw const secondary_vectors) as u64,
            sctlr: SCTLR_EL1.get(),
            sp: stacks.start + (cpu as u64 + 1) * stack_bytes,
            body: Some(work.body),
            argument: work.argument,
            interrupt: work.interrupt,
            state: AtomicU64::new(RUNNING),
            fault: [0; 2],
            initial: [0; 4],
        });
    }
    // It reads the mailbox with its MMU off, which goes around the data cache.
    for line in (0..size_of::<Mailbox>()).step_by(16) {
        let at = mailbox as usize + line;
        // SAFETY: cleaning a line of our own memory changes no value.
        unsafe { asm!("dc civac, {at}", at = in(reg) at) };
    }
    barrier::dsb(barrier::SY);
    let arguments = [affinity, secondary_start as *const () as u64, mailbox as u64];
    let result = hypercall::call(cpu_on, &arguments)[0] as u32 as i32;
    if i64::from(result) != SUCCESS {
        state(cpu).store(IDLE, Ordering::Relaxed);
        panic!("CPU_ON of {affinity:#x} answers {result}");
    }
    Started { cpus: 1 << cpu }
}

impl Started {
    /// Waits until the bodies have returned and the CPUs are off.
    #[track_caller]
    pub fn join(self) {
        let patience = Patience::new();
        for cpu in (0..MOST_CPUS).filter(|cpu| self.cpus >> cpu & 1 == 1) {
            while state(cpu).load(Ordering::Acquire) == RUNNING {
                patience.check("another CPU does not end");
                core::hint::spin_loop();
            }
            check_others();
            while affinity_info(affinity(cpu)) != OFF.cast_signed() {
                patience.check("another CPU does not switch itself off");
            }
            state(cpu).store(IDLE, Ordering::Relaxed);
        }
    }
}

/// What a CPU found at its first instruction: CurrentEL, DAIF, SCTLR_EL1 and SPSel. Of one that was
/// joined.
pub fn initial_state(cpu: usize) -> [u64; 4] {
    // SAFETY: it was written before the state that said that the body is done.
    unsafe { (*MAILBOXES[cpu].0.get()).initial }
}

/// How long the first CPU waits for others.
struct Patience {
    start: u64,
}

impl Patience {
    fn new() -> Self {
        Self { start: (timer::VIRTUAL.counter)() }
    }

    fn is_over(&self) -> bool {
        (timer::VIRTUAL.counter)().wrapping_sub(self.start) >= PATIENCE_S * timer::frequency()
    }

    #[track_caller]
    fn check(&self, complaint: &str) {
        assert!(!self.is_over(), "{complaint}, in {PATIENCE_S} s");
    }
}

/// Whether this is one of the others, and not the first CPU.
pub fn is_secondary() -> bool {
    state(this_cpu()).load(Ordering::Relaxed) != IDLE
}

/// ESR_EL1 and ELR_EL1 of the exception of a CPU whose state is FAULTED.
fn fault(cpu: usize) -> [u64; 2] {
    // SAFETY: it was written before the state, and nobody writes it again.
    unsafe { (*MAILBOXES[cpu].0.get()).fault }
}

/// Fails the case if another CPU has failed.
#[track_caller]
fn check_others() {
    for cpu in 0..cpu_count() {
        match state(cpu).load(Ordering::Acquire) {
            FAULTED => {
                let [esr, elr] = fault(cpu);
                panic!("CPU {cpu} took {} at {elr:#x}", Esr(esr));
            }
            PANICKED => panic!("CPU {cpu}: {}", MESSAGE.get().text()),
            _ => {}
        }
    }
}

/// Ends the work of all other CPUs, for a case that was abandoned. Those that do not wait (see
/// [`wait_until`]) stay on, and the next case that wants them fails.
pub fn stop_all() {
    let busy = |cpu: &usize| state(*cpu).load(Ordering::Relaxed) != IDLE;
    if (0..cpu_count()).any(|cpu| busy(&cpu)) {
        STOPPED.store(true, Ordering::SeqCst);
        let patience = Patience::new();
        for cpu in (0..cpu_count()).filter(busy) {
            while affinity_info(affinity(cpu)) != OFF.cast_signed() && !patience.is_over() {
                barrier::dsb(barrier::ISHST);
                aarch64_cpu::asm::sev();
                gic::wake(cpu);
            }
            state(cpu).store(IDLE, Ordering::Relaxed);
        }
        STOPPED.store(false, Ordering::SeqCst);
    }
    MESSAGE_TAKEN.store(false, Ordering::Relaxed);
}

/// Notes why another CPU's body ends, for the first CPU to say, and switches it off.
pub fn fail(why: core::fmt::Arguments<'_>) -> ! {
    if !MESSAGE_TAKEN.swap(true, Ordering::AcqRel) {
        let mut line = Reason::EMPTY;
        let _ = line.write_fmt(why); // cut at its end, never fails
        MESSAGE.set(line);
    }
    leave(PANICKED)
}

/// Switches this CPU, which is not the first, off.
fn leave(last: u64) -> ! {
    state(this_cpu()).store(last, Ordering::Release);
    barrier::dsb(barrier::ISHST);
    aarch64_cpu::asm::sev();
    hypercall::call32(PSCI_CPU_OFF, 0);
    loop {
        aarch64_cpu::asm::wfe();
    }
}

fn state(cpu: usize) -> &'static AtomicU64 {
    // SAFETY: the mailbox is static, and its state is only ever reached as an atomic once its
    // CPU is on.
    unsafe { &(*MAILBOXES[cpu].0.get()).state }
}

/// Called by `boot.S` on another CPU, MMU on, on its stack.
#[unsafe(no_mangle)]
extern "C" fn secondary_main(mailbox: &Mailbox) -> ! {
    if gic::is_present() {
        gic::reset_this_cpu();
    }
    if let Some(body) = mailbox.body {
        body(mailbox.argument);
    }
    leave(DONE)
}

/// Called by `boot.S` when another CPU takes an interrupt, on its stack, all interrupts masked.
#[unsafe(no_mangle)]
extern "C" fn secondary_interrupt(mailbox: &Mailbox, fiq: u64) {
    let vector = if fiq == 0 { Vector::Irq } else { Vector::Fiq };
    match mailbox.interrupt {
        Some(handler) => handler(this_cpu(), vector),
        None => fail(format_args!("nobody announced an interrupt ({vector:?})")),
    }
}
