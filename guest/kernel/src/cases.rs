//! The cases: a file per group, or per theme where a group is large.

mod abort;
mod alignment;
mod at;
mod bti;
mod debug;
mod exception;
mod fp;
mod hypercall;
mod illegal;
mod memory;
mod mmio;
mod mmu;
mod pauth;
mod permission;
mod pmu;
mod registers;
mod smp;
mod stage2;
mod timer;
mod timer_irq;
mod tlb;
mod trapped;
mod virq;
mod wait;
