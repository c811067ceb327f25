//! The Inner Shareable domain of a VM: how maintenance of one vCPU reaches the others.
//!
//! ```text
//!   vCPU a                                   vCPU b
//!   ------                                   ------
//!   TLBI ...IS, IC IVAU, IC IALLUIS:
//!     does it in its own TLB
//!     puts it into b's queue, rings  ----->  between two blocks, or before the first:
//!                                              takes the queue, does it, says so
//!   DSB:                                                        |
//!     until b has done it, or is outside  <---------------------+
//! ```
//!
//! A vCPU is *inside* while it may run guest instructions, which it does under the shared lock of
//! the stage-2 map. One that is outside uses no translation; it takes its queue when it comes in.
//! So DSB waits only for those who are running, and each of them gets there by itself: between
//! two blocks, or while it waits in a DSB of its own. Nobody waits while holding a lock that
//! another needs for that, and a change of the map, which waits for all of them, never waits for
//! one that waits for it.
//!
//! That b comes in and that a looks whether b is inside are ordered by two fences: either b sees
//! a's bell, or a sees b inside.
//!
//! No vCPU has to hear of a translation that a later one's table walk finds, so one that joins
//! late has missed nothing.

use super::invalidate::{Invalidation, Stale};
use super::tlb::Tlb;
use anyvisor_vm::Attention;
use anyvisor_vm::sync::{
    AtomicBool, AtomicU64, AtomicUsize, Mutex, MutexGuard, fence, spin_loop, yield_now,
};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};

/// A queue that gets longer than this becomes "everything".
const LONGEST_QUEUE: usize = 32;
/// How often a waiting vCPU looks again before it lets other threads run.
const SPINS: u32 = 64;

/// The vCPUs of a VM.
#[derive(Debug, Default)]
pub struct Domain {
    mailboxes: Mutex<Vec<Weak<Mailbox>>>,
    /// How many vCPUs there are: with one, there is nobody to tell.
    members: AtomicUsize,
}

/// What waits for a vCPU.
#[derive(Debug)]
struct Mailbox {
    bell: Arc<Attention>,
    queue: Mutex<Queue>,
    /// How much of [`Queue::posted`] is done.
    done: AtomicU64,
    /// It may be running guest instructions.
    inside: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Invalidation>,
    /// How many have ever been put in.
    posted: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mailbox {
    fn post(&self, what: Invalidation) {
        let mut queue = locked(&self.queue);
        queue.posted += 1;
        if queue.waiting.len() >= LONGEST_QUEUE {
            queue.waiting.clear();
            queue.waiting.extend([Invalidation::All, Invalidation::Code]);
        } else if queue.waiting.last() != Some(&what) {
            queue.waiting.push(what);
        }
        self.bell.ring(Attention::BROADCAST);
    }
}

/// A vCPU's place in its domain.
#[derive(Debug)]
pub struct Member {
    domain: Arc<Domain>,
    mailbox: Arc<Mailbox>,
    /// It has told others since its last DSB.
    owes: bool,
}

impl Domain {
    /// Adds a vCPU that hears `bell`.
    pub fn join(self: &Arc<Self>, bell: &Arc<Attention>) -> Member {
        let mailbox = Arc::new(Mailbox {
            bell: bell.clone(),
            queue: Mutex::default(),
            done: AtomicU64::new(0),
            inside: AtomicBool::new(false),
        });
        locked(&self.mailboxes).push(Arc::downgrade(&mailbox));
        self.members.fetch_add(1, Ordering::SeqCst);
        Member { domain: self.clone(), mailbox, owes: false }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.leave();
        let gone = Arc::as_ptr(&self.mailbox);
        locked(&self.domain.mailboxes).retain(|mailbox| mailbox.as_ptr() != gone);
        self.domain.members.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Member {
    /// From here on guest instructions may run. True: the bell has rung, and [`Member::take`] is
    /// to be called before the first of them.
    pub fn enter(&self) -> bool {
        self.mailbox.inside.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.mailbox.bell.pending() & Attention::BROADCAST != 0
    }

    /// No guest instruction runs any more, and no translation is used.
    pub fn leave(&self) {
        self.mailbox.inside.store(false, Ordering::Release);
    }

    /// Tells the other vCPUs.
    pub fn broadcast(&mut self, what: Invalidation) {
        if self.domain.members.load(Ordering::SeqCst) > 1 {
            self.others().for_each(|other| other.post(what));
            self.owes = true;
        }
    }

    /// SEV: sets the event register of the other vCPUs (DDI 0487 D1.6.1).
    pub fn send_event(&self) {
        if self.domain.members.load(Ordering::SeqCst) > 1 {
            self.others().for_each(|other| other.bell.ring(Attention::EVENT));
        }
    }

    /// Whether DSB has somebody to wait for.
    #[inline(always)]
    pub fn owes(&self) -> bool {
        self.owes
    }

    /// The other vCPUs as they are now.
    fn others(&self) -> std::vec::IntoIter<Arc<Mailbox>> {
        let mailboxes = locked(&self.domain.mailboxes);
        let others = mailboxes.iter().filter_map(Weak::upgrade);
        let others: Vec<_> = others.filter(|m| !Arc::ptr_eq(m, &self.mailbox)).collect();
        others.into_iter()
    }
}

impl Tlb {
    /// Does what other vCPUs have asked for; says what that means for code.
    pub fn take_broadcasts(&mut self) -> Stale {
        let Some(mailbox) = self.member.as_ref().map(|member| member.mailbox.clone()) else {
            return Stale::Nothing;
        };
        mailbox.bell.take(Attention::BROADCAST);
        let (waiting, posted) = {
            let mut queue = locked(&mailbox.queue);
            (std::mem::take(&mut queue.waiting), queue.posted)
        };
        let stale = waiting.into_iter().map(|what| self.invalidate(what)).max();
        mailbox.done.store(posted, Ordering::Release);
        stale.unwrap_or_default()
    }

    /// Waits until what this vCPU has told the others is done, and does meanwhile what they ask
    /// for; says what that means for code.
    #[cold]
    pub fn wait_for_others(&mut self) -> Stale {
        let Some(member) = self.member.as_mut() else { return Stale::Nothing };
        member.owes = false;
        let bell = member.mailbox.bell.clone();
        let mut stale = Stale::Nothing;
        for other in member.others() {
            let target = locked(&other.queue).posted;
            // Between the posting and this look: see the module's head.
            fence(Ordering::SeqCst);
            let mut looks = 0u32;
            while other.inside.load(Ordering::Acquire)
                && other.done.load(Ordering::Acquire) < target
            {
                if bell.pending() & Attention::BROADCAST != 0 {
                    stale = stale.max(self.take_broadcasts());
                }
                looks = looks.wrapping_add(1);
                if looks.is_multiple_of(SPINS) {
                    yield_now();
                }
                spin_loop();
            }
        }
        stale
    }
}

#[cfg(all(test, loom))]
mod models;
