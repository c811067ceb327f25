//! The contract of Hypervisor.framework's arm64 API, tested against whatever serves it: Apple's
//! framework on a Mac, `anyvisor-hv` elsewhere. A disagreement on a Mac is a fact to learn.
//!
//! ```text
//!   case        a test with the source of what it expects
//!   raw         the functions, declared so that null and nonsense can be passed
//!   raw_record  the exit record, behind its pointer
//!   guest       a VM with one vCPU and a few instructions in its memory
//!   code        those instructions' encodings
//!
//!   symbols     every function exists            lifecycle   VM and vCPU, made and destroyed
//!   config      VM and vCPU configurations       memory      allocate, map, unmap, protect
//!   registers   general and SIMD                 sys_regs    system registers by ID
//!   exits       what a run reports               running     changes while a guest runs
//!   interrupts  IRQ and FIQ lines                timer       the virtual timer
//!   threads     who may call what                pointers    null and misaligned pointers
//!   permissions what stage 2 refuses             dirty       which pages were written
//!   gic         the interrupt controller         sme         a machine without SME
//!   model       random sequences of calls        states      every function in every state
//!   binding     the binding's own faults
//! ```
//!
//! Each case is listed with the source of its expectation (`header`, `observed`, `ours`: see
//! [`case::Source`]). On a Mac the test program must be signed with the entitlement
//! `com.apple.security.hypervisor`; what Apple's framework might not survive is ignored there.
//!
//! # Threads, and what is undefined
//!
//! What vCPUs share is tried in every order of steps, and under every value that a weak memory
//! order allows, by `cargo xtask test --loom`: the bells, the map's lock, the DSB protocol (see
//! `anyvisor_vm::sync`). Left out: Miri and ThreadSanitizer. Both want a nightly compiler, with
//! Miri's component and with the standard library's sources; `rust-toolchain.toml` names neither.
//!
//! A process has one VM at a time, so cases run one after the other, each on a thread of its own
//! (a thread has one vCPU at most).

#![deny(unsafe_code)] // allowed in `raw` and `raw_record`: the C functions and what they give

mod binding;
mod case;
mod code;
mod config;
mod dirty;
mod exits;
mod gic;
mod guest;
mod interrupts;
mod lifecycle;
mod memory;
mod model;
mod permissions;
mod pointers;
#[allow(unsafe_code)]
mod raw;
#[allow(unsafe_code)]
mod raw_record;
mod registers;
mod running;
#[cfg(not(target_os = "macos"))]
mod sme;
mod states;
mod symbols;
mod sys_regs;
mod threads;
mod timer;

#[cfg(not(target_os = "macos"))]
use anyvisor_hv as _; // defines the functions that Apple's framework defines on a Mac

fn main() {
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads = Some(1);
    let cases = [
        symbols::cases(),
        states::cases(),
        lifecycle::cases(),
        config::cases(),
        memory::cases(),
        registers::cases(),
        sys_regs::cases(),
        exits::cases(),
        permissions::cases(),
        dirty::cases(),
        running::cases(),
        interrupts::cases(),
        timer::cases(),
        threads::cases(),
        pointers::cases(),
        gic::cases(),
        #[cfg(not(target_os = "macos"))]
        sme::cases(),
        binding::cases(),
        model::cases(),
    ];
    let trials = cases.into_iter().flatten().map(case::Case::into_trial).collect();
    libtest_mimic::run(&arguments, trials).exit();
}
