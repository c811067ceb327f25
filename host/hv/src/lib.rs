//! Apple's Hypervisor.framework for arm64, on machines that are not Apple silicon.
//!
//! The crate defines the `hv_*` functions (and `os_release`) that `applevisor-sys` 1.0 declares,
//! by Apple's C ABI, and `mach_absolute_time` with `mach_timebase_info`, which the timer's contract
//! refers to. A program written against `applevisor` links with it by one line:
//!
//! ```
//! use anyvisor_hv as _;
//! ```
//!
//! On macOS the crate is empty, and the same program runs on Apple's framework. `examples/` has
//! three such programs, and `lifecycle`, which the benchmarks time. For C, the crate `anyvisor-framework` makes libraries of this one, and
//! `include/` has the headers.
//!
//! ```text
//!   applevisor, applevisor-sys, a C program
//!      |  hv_vm_create, hv_vcpu_run, ...
//!      v
//!   extern "C" shims      vm  memory  vm_config  vcpu  vcpu_config  registers
//!      |                  interrupts  timer  debug  gic  sme  object  clock
//!      |  Result<_, HvError>, made an hv_return_t in `answer`
//!      v
//!   engine()  ----------> anyvisor_vm::{Engine, Vm, Vcpu}
//! ```
//!
//! # The shape of a call
//!
//! A shim does three things: it gives its pointers to `pointer` (null, alignment), it calls
//! safe code that returns a `Result`, and it lets `answer` log a refusal and turn it into
//! Apple's number. No panic crosses into C: `answer` catches it.
//!
//! # What the caller promises
//!
//! What can be checked is checked: vCPU numbers, threads, object handles, enumerations,
//! alignment, ranges, whether mapped host memory exists. What cannot be checked, and is the
//! safety contract of every `unsafe` function here: a pointer that is neither null nor misaligned
//! points to memory of the type that the header names, and host memory mapped into the guest
//! stays readable and writable until it is unmapped or the VM is destroyed.
//!
//! # Why a call was refused
//!
//! `ANYVISOR_LOG=warn` (or `debug`, to see also what is not supported) writes a line for each
//! refused call to standard error: the function, the argument, its value, the rule and the code. A
//! program with a logger of its own (crate `log`) gets these lines there instead. See [`notice`].
//!
//! # Which processor a guest sees
//!
//! `ANYVISOR_CPU=m1` (the default) or `m2`; `ANYVISOR_PMU=1` adds performance monitors, which
//! Apple's framework never shows. See [`engine`].
//!
//! # Differences from Apple's framework
//!
//! - The functions of SME answer `HV_UNSUPPORTED`; so do a VM with EL2, and the GIC's registers
//!   that exist with EL2 only.
//! - `hv_vcpu_set_simd_fp_reg` has two symbols, one for an integer as `applevisor-sys` passes it on
//!   stable Rust, and one for the vector of C: see [`registers`]. Who finds the function by name
//!   (`dlsym`) gets the former.
//! - `hv_vm_deallocate` refuses memory that is still mapped into the guest with `HV_BUSY`: here it
//!   is this process that would run into the hole.
//! - Enumerations are taken as 32-bit integers, which is what the binding declares. Where the
//!   header has 16 or 64 bits (`hv_sys_reg_t`, most of the GIC's, `hv_allocate_flags_t`), the low
//!   bits count.
//! - The host is a Unix system: [`memory`] is built on `mmap`.

#![cfg(not(target_os = "macos"))]
#![allow(non_camel_case_types)] // the header's names
#![allow(clippy::missing_safety_doc)] // one contract for all: "What the caller promises" above

pub mod abi;
pub mod clock;
pub mod debug;
pub mod gic;
pub mod interrupts;
pub mod memory;
pub mod object;
pub mod registers;
pub mod sme;
pub mod timer;
pub mod vcpu;
pub mod vcpu_config;
pub mod vm;
pub mod vm_config;

mod answer;
pub mod engine;
pub mod notice;
mod pointer;
mod slack;
mod stopwatch;
