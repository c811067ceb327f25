//! A second CPU: switched on by PSCI, given one function to run, switched off again.
//!
//! ```text
//!   this CPU                                    the second CPU
//!   start(body, argument)
//!     mailbox, cleaned to memory
//!     CPU_ON(entry, mailbox) ----------------> boot.S: secondary_start, MMU off
//!                                              the mailbox's tables, MMU on
//!                                              secondary_main: body(argument)
//!   join()                                     state = DONE
//!     waits for the state, then for <--------- CPU_OFF
//!     AFFINITY_INFO to say OFF
//! ```
//!
//! The rest of the kernel knows of one CPU. So a body keeps to atomics and to what it was given:
//! it does not print, take locks, provoke exceptions or panic. An exception there ends in the
//! mailbox and fails the case.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{MAIR_EL1, MPIDR_EL1, SCTLR_EL1, TCR_EL1, TTBR0_EL1};
use anyvisor_abi::smccc::{PSCI_AFFINITY_INFO_64, PSCI_CPU_OFF, PSCI_CPU_ON_64, SUCCESS};
use anyvisor_arch::esr::Esr;
use tock_registers::interfaces::Readable;

use crate::{hypercall, machine, timer};

/// The affinity fields of MPIDR_EL1, which name a CPU.
const AFFINITY: u64 = 0xff_00ff_ffff;
/// AFFINITY_INFO: the CPU is off.
const OFF: u64 = 1;
/// How long a second CPU may take, for a hypervisor that emulates it all on one host CPU.
const PATIENCE_S: u64 = 8;

/// [`Mailbox::state`]: the body is not done.
const RUNNING: u64 = 0;
/// The body returned.
const DONE: u64 = 1;
/// It took an exception.
pub const FAULTED: u64 = 2;

/// What the second CPU starts from, and what comes back. `boot.S` reads it with the MMU off.
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
    /// RUNNING, DONE or [`FAULTED`].
    pub state: AtomicU64,
    _pad: u64,
    /// ESR_EL1 and ELR_EL1 of an exception.
    pub fault: [u64; 2],
}

/// What a second CPU runs.
pub type Body = extern "C" fn(argument: u64);

const STACK_BYTES: usize = 16 << 10;

#[repr(C, align(16))]
struct Stack(UnsafeCell<[u8; STACK_BYTES]>);

struct Shared(UnsafeCell<Mailbox>);

// SAFETY: the first CPU writes the mailbox before it switches the second on, and from then on
// until it is off again both touch `state` only, which is atomic; `fault` is written before the
// state that says so. The stack is the second CPU's.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Sync for Stack {}

static STACK: Stack = Stack(UnsafeCell::new([0; STACK_BYTES]));
static MAILBOX: Shared = Shared(UnsafeCell::new(Mailbox {
    ttbr0: 0,
    tcr: 0,
    mair: 0,
    vbar: 0,
    sctlr: 0,
    sp: 0,
    body: None,
    argument: 0,
    state: AtomicU64::new(RUNNING),
    _pad: 0,
    fault: [0; 2],
}));

unsafe extern "C" {
    fn secondary_start();
    static secondary_vectors: u8;
}

/// The affinity of this CPU.
pub fn own_affinity() -> u64 {
    MPIDR_EL1.get() & AFFINITY
}

/// The affinity of a CPU other than this one.
///
/// # Panics
/// If there is none: a case that calls this says that it needs two.
pub fn other_affinity() -> u64 {
    let own = own_affinity();
    let machine = machine::get();
    let other = machine.cpus().iter().find(|&&affinity| affinity != own);
    *other.expect("the FDT names a second CPU")
}

/// PSCI's CPU_ON: its result.
pub fn cpu_on(affinity: u64, entry: u64, context: u64) -> i64 {
    hypercall::call(PSCI_CPU_ON_64, &[affinity, entry, context])[0].cast_signed()
}

/// PSCI's AFFINITY_INFO of one CPU: 0 on, 1 off, 2 on its way, or an error.
pub fn affinity_info(affinity: u64) -> i64 {
    hypercall::call(PSCI_AFFINITY_INFO_64, &[affinity, 0])[0].cast_signed()
}

/// A second CPU at work.
pub struct Second {
    affinity: u64,
}

/// Switches a second CPU on, to run `body(argument)`.
#[track_caller]
pub fn start(body: Body, argument: u64) -> Second {
    let mailbox = MAILBOX.0.get();
    // SAFETY: the second CPU is off: nobody else touches the mailbox.
    unsafe {
        mailbox.write(Mailbox {
            ttbr0: TTBR0_EL1.get(),
            tcr: TCR_EL1.get(),
            mair: MAIR_EL1.get(),
            vbar: (&raw const secondary_vectors) as u64,
            sctlr: SCTLR_EL1.get(),
            sp: STACK.0.get() as u64 + STACK_BYTES as u64,
            body: Some(body),
            argument,
            state: AtomicU64::new(RUNNING),
            _pad: 0,
            fault: [0; 2],
        });
    }
    // It reads the mailbox with its MMU off, which goes around the data cache.
    for line in (0..size_of::<Mailbox>()).step_by(16) {
        let at = mailbox as usize + line;
        // SAFETY: cleaning a line of our own memory changes no value.
        unsafe { asm!("dc civac, {at}", at = in(reg) at) };
    }
    barrier::dsb(barrier::SY);
    let affinity = other_affinity();
    let entry = secondary_start as *const () as u64;
    let result = cpu_on(affinity, entry, mailbox as u64);
    assert!(result == SUCCESS, "CPU_ON of {affinity:#x} answers {result}");
    Second { affinity }
}

impl Second {
    /// Waits until the body has returned and the CPU is off.
    #[track_caller]
    pub fn join(self) {
        let start = (timer::VIRTUAL.counter)();
        let patience = PATIENCE_S * timer::frequency();
        let in_time = || (timer::VIRTUAL.counter)().wrapping_sub(start) < patience;
        loop {
            match state().load(Ordering::Acquire) {
                RUNNING => assert!(in_time(), "the second CPU does not end"),
                FAULTED => {
                    // SAFETY: it was written before the state, and nobody writes it again.
                    let [esr, elr] = unsafe { (*MAILBOX.0.get()).fault };
                    panic!("the second CPU took {} at {elr:#x}", Esr(esr));
                }
                _ => break,
            }
            core::hint::spin_loop();
        }
        while affinity_info(self.affinity) != OFF.cast_signed() {
            assert!(in_time(), "the second CPU does not switch itself off");
        }
    }
}

fn state() -> &'static AtomicU64 {
    // SAFETY: the mailbox is static, and its state is only ever reached as an atomic once the
    // second CPU is on.
    unsafe { &(*MAILBOX.0.get()).state }
}

/// Called by `boot.S` on the second CPU, MMU on, on its stack.
#[unsafe(no_mangle)]
extern "C" fn secondary_main(mailbox: &Mailbox) -> ! {
    if let Some(body) = mailbox.body {
        body(mailbox.argument);
    }
    mailbox.state.store(DONE, Ordering::Release);
    hypercall::call32(PSCI_CPU_OFF, 0);
    loop {
        aarch64_cpu::asm::wfe();
    }
}
