//! The protocols of this crate, in every order of steps: see [`crate::sync`].
//!
//! A lost wake-up is a thread that parks for ever, which the checker calls a deadlock; a guest
//! page touched after `unmap` has returned is an access that nothing orders before the owner's
//! next, which it calls a race.

use crate::sync::{AtomicBool, yield_now};
use crate::{Attention, GuestMemory, Perms};
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const GRANULE: u64 = 0x4000;
const HOST: usize = 0x10_0000;

/// A sleeper hears a ring that comes before, in, or after its decision to sleep.
#[test]
fn no_ring_is_lost() {
    loom::model(|| {
        let bell = Arc::new(Attention::default());
        let ringer = thread::spawn({
            let bell = bell.clone();
            move || bell.ring(Attention::INTERRUPT)
        });
        bell.sleep(Attention::INTERRUPT, None);
        assert_eq!(bell.take(u32::MAX), Attention::INTERRUPT);
        ringer.join().unwrap();
        assert_eq!(bell.pending(), 0, "a mark of the sleep is left");
    });
}

/// A ring for something else neither wakes for good nor hides the one that counts; and what the
/// ringer wrote before is seen by who takes the reason.
#[test]
fn a_ring_carries_what_was_written_before() {
    loom::model(|| {
        let bell = Arc::new(Attention::default());
        let line = Arc::new(AtomicBool::new(false));
        let other = thread::spawn({
            let bell = bell.clone();
            move || bell.ring(Attention::MAP)
        });
        let ringer = thread::spawn({
            let (bell, line) = (bell.clone(), line.clone());
            move || {
                line.store(true, Ordering::Relaxed);
                bell.ring(Attention::INTERRUPT);
            }
        });
        bell.sleep(Attention::INTERRUPT, None);
        assert_eq!(bell.take(Attention::INTERRUPT), Attention::INTERRUPT);
        assert!(line.load(Ordering::Relaxed), "woken, but the line is not up");
        ringer.join().unwrap();
        other.join().unwrap();
        assert_eq!(bell.pending(), Attention::MAP);
    });
}

/// A cancel that comes between two looks is kept for the next.
#[test]
fn a_cancel_is_taken_once() {
    loom::model(|| {
        let bell = Arc::new(Attention::default());
        let canceler = thread::spawn({
            let bell = bell.clone();
            move || bell.ring(Attention::CANCEL)
        });
        let first = bell.take(Attention::CANCEL);
        canceler.join().unwrap();
        let second = bell.take(Attention::CANCEL);
        assert_eq!(first + second, Attention::CANCEL);
    });
}

/// A guest that uses a page while it is mapped, and an owner who frees it after `unmap`.
#[test]
fn nobody_touches_a_page_after_unmap() {
    loom::model(|| {
        let memory = Arc::new(GuestMemory::new(36, GRANULE));
        let page = Arc::new(UnsafeCell::new(()));
        memory.map(HOST, 0, GRANULE, Perms::all()).unwrap();
        let bell = Arc::new(Attention::default());
        memory.attend(&bell);
        let owner = thread::spawn({
            let (memory, page) = (memory.clone(), page.clone());
            move || {
                memory.unmap(0, GRANULE).unwrap();
                page.with_mut(|_| ());
            }
        });
        // Two entries into the guest; in each, blocks until the bell rings.
        for _ in 0..2 {
            let map = memory.enter();
            if map.lookup(0).is_some() {
                page.with(|_| ());
                if bell.pending() & Attention::MAP == 0 {
                    page.with(|_| ());
                }
            }
        }
        owner.join().unwrap();
        assert!(memory.enter().lookup(0).is_none());
    });
}

/// A guest that never leaves by itself, and two owners: each one's bell gets it out.
#[test]
fn no_bell_is_silenced_by_another_s() {
    loom::model(|| {
        let memory = Arc::new(GuestMemory::new(36, GRANULE));
        memory.map(HOST, 0, 2 * GRANULE, Perms::all()).unwrap();
        let bell = Arc::new(Attention::default());
        memory.attend(&bell);
        let owners = [0, GRANULE].map(|ipa| {
            let memory = memory.clone();
            thread::spawn(move || memory.unmap(ipa, GRANULE).unwrap())
        });
        loop {
            let map = memory.enter();
            if map.lookup(0).is_none() && map.lookup(GRANULE).is_none() {
                break;
            }
            while bell.pending() & Attention::MAP == 0 {
                yield_now();
            }
            drop(map);
            yield_now(); // the checker's lock may let a reader in again before a writer
        }
        owners.into_iter().for_each(|owner| owner.join().unwrap());
        assert_eq!(bell.pending(), 0);
    });
}
