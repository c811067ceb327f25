//! The DSB protocol in every order of steps: see `anyvisor_vm::sync`.
//!
//! What a translation leads to is a cell. A vCPU reads it as long as it has not been told to
//! drop the translation; the one that told, and whose DSB is done, writes it. If nothing orders
//! the two, the checker calls it a race.

use super::*;
use loom::cell::UnsafeCell;
use loom::thread::{Builder, spawn};

/// For the thread that makes the TLBs, in words: one is made on the stack before it is boxed.
const STACK: usize = 1 << 17;

/// All orders of steps of `work` and the threads that it starts.
fn model(work: impl Fn() + Clone + Send + Sync + 'static) {
    loom::model(move || {
        let thread = Builder::new().stack_size(STACK).spawn(work.clone()).unwrap();
        thread.join().unwrap();
    });
}

/// What stands in for guest memory behind a translation.
type Cell = Arc<UnsafeCell<()>>;

/// A vCPU with a TLB that holds the translation, as it runs guest code.
struct Guest {
    tlb: Tlb,
    bell: Arc<Attention>,
    holds: bool,
}

impl Guest {
    fn new(domain: &Arc<Domain>) -> Self {
        let bell = Arc::new(Attention::default());
        Self { tlb: Tlb::of(domain.join(&bell)), bell, holds: true }
    }

    fn member(&mut self) -> &mut Member {
        self.tlb.member.as_mut().unwrap()
    }

    fn hear(&mut self) {
        if self.tlb.take_broadcasts() != Stale::Nothing {
            self.holds = false;
        }
    }

    /// Comes in, runs two blocks, goes.
    fn run(&mut self, cell: &Cell) {
        if self.member().enter() {
            self.hear();
        }
        for _ in 0..2 {
            if self.holds {
                cell.with(|_| ());
            }
            if self.bell.pending() & Attention::BROADCAST != 0 {
                self.hear();
            }
        }
        self.member().leave();
    }

    /// TLBI ...IS (or IC), DSB; then what the translation led to is somebody else's.
    fn invalidate(&mut self, what: Invalidation) {
        self.member().enter();
        self.member().broadcast(what);
        if self.member().owes() && self.tlb.wait_for_others() != Stale::Nothing {
            self.holds = false;
        }
        self.member().leave();
    }
}

fn invalidation_reaches(what: Invalidation) {
    model(move || {
        let domain = Arc::new(Domain::default());
        let cell = Cell::default();
        let mut other = Guest::new(&domain);
        let mut this = Guest::new(&domain);
        let runner = spawn({
            let cell = cell.clone();
            move || {
                other.run(&cell);
                other
            }
        });
        this.invalidate(what);
        cell.with_mut(|_| ());
        drop(runner.join().unwrap());
    });
}

/// After DSB no vCPU uses a translation that it was told to drop.
#[test]
fn a_translation_is_gone_when_dsb_is_done() {
    invalidation_reaches(Invalidation::All);
}

/// The same for decoded code.
#[test]
fn code_is_gone_when_dsb_is_done() {
    invalidation_reaches(Invalidation::Code);
}

/// Two that wait for each other do what the other one asks for, and go on.
#[test]
fn two_that_wait_for_each_other_both_go_on() {
    model(|| {
        let domain = Arc::new(Domain::default());
        let [mut one, mut other] = [(); 2].map(|()| Guest::new(&domain));
        let thread = spawn(move || {
            other.invalidate(Invalidation::All);
            other
        });
        one.invalidate(Invalidation::All);
        let mut other = thread.join().unwrap();
        other.hear();
        one.hear();
        assert!(!one.holds && !other.holds, "one of them was never told");
    });
}

/// A vCPU that goes while another waits for it does not keep that one waiting.
#[test]
fn one_that_leaves_for_good_is_not_waited_for() {
    model(|| {
        let domain = Arc::new(Domain::default());
        let mut this = Guest::new(&domain);
        let mut other = Guest::new(&domain);
        let thread = spawn(move || {
            other.member().enter();
            drop(other);
        });
        this.invalidate(Invalidation::All);
        thread.join().unwrap();
    });
}
