//! What threads share, by one name for the program and for the model checker.
//!
//! With `--cfg loom` these are loom's: its atomics, locks and threads, under which a test tries
//! every order of steps and every value that a weak memory order lets a load see. The models are
//! in `models.rs` of this crate and in `mmu/domain/models.rs` of `anyvisor-cpu`;
//! `cargo xtask test --loom` runs them.
//!
//! Only what the protocols between vCPUs are made of comes from here. Reference counts, channels
//! and the counter of generations are the standard library's in both: no protocol hangs on them.

#[cfg(not(loom))]
pub use std::{
    hint::spin_loop,
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence},
    },
    thread::{Thread, current, park, park_timeout, yield_now},
};

#[cfg(loom)]
pub use loom::{
    hint::spin_loop,
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence},
    },
    thread::{Thread, current, park, yield_now},
};

/// There is no time in a model: it may always be over.
#[cfg(loom)]
pub fn park_timeout(_: std::time::Duration) {
    yield_now();
}
