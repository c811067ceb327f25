//! The guest kernel: small enough to read in an afternoon. Every promise of a virtual machine
//! that it knows of is a case under [`cases`].
//!
//! Reading order: `boot.S`; [`kernel_main`], the table of contents; `mmu.rs`; `vectors.S` with
//! `exception.rs` and `trap.rs`; `runner.rs`; then any file of `cases/`.
//!
//! One CPU, no heap, no threads; other CPUs only where a case asks for them (`smp.rs`), and what
//! they run is the case's.
//! Exceptions and interrupts nest on one stack. The kernel itself uses no floating point (the
//! target is soft-float; CPACR_EL1 keeps it trapped but in the cases that are about it). Left out:
//! SError recovery.

#![cfg(target_os = "none")]
#![no_std]

mod access;
mod bench;
mod boot;
mod case;
mod cases;
mod cell;
mod console;
mod exception;
mod gic;
mod hypercall;
mod image;
mod interrupt;
mod machine;
mod mmu;
mod panic;
mod probe;
mod recovery;
mod runner;
mod services;
mod smp;
mod timer;
mod trap;
mod user;

/// Entered by `boot.S` on the kernel's stack, relocated, vectors set, MMU off.
#[unsafe(no_mangle)]
extern "C" fn kernel_main(fdt: u64) -> ! {
    let machine = machine::init(fdt); // the FDT says what there is; no address is compiled in
    mmu::init(machine); //               our own tables, W^X; from here on caches and locks
    console::init(machine); //           from here on there is someone to talk to
    hypercall::init(machine); //         HVC or SMC; and are the monitor's services there?
    gic::init(machine); //               if there is one
    bench::run(machine, fdt); //         bench=NAME in the boot arguments: that, and nothing else
    runner::run(machine); //             the cases, as KTAP
    hypercall::system_off()
}
