//! Things that happen later, or elsewhere: what the machine's own thread waits for.
//!
//! ```text
//!   a vCPU's thread, the input's                 the machine's thread (Machine::run)
//!   ----------------------------                 -----------------------------------
//!   set(deadline, event)    -- bell -----------> next(): sleeps until the earliest deadline
//!   send(event)             -- bell -----------> Due(event): a line, a message, a vCPU's notice
//!   stop(why)               -- bell -----------> Stop: the first one counts
//! ```
//!
//! Two alarms are set again and again by what a guest does, and are one each: the clock's match
//! and the console's flush.

use crate::processors::Notice;
use crate::run::Stop;
use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What happens at a deadline.
#[derive(Clone, Debug)]
pub enum Event {
    /// The guest had its time.
    Timeout,
    /// Something for one vCPU.
    Notice(u8, Notice),
    /// The line of an SPI.
    Spi {
        /// Which one.
        intid: u32,
        /// LEVEL_LOW, ...
        level: u64,
    },
    /// A message.
    Message {
        /// Its INTID.
        intid: u32,
    },
    /// Bytes for the console came in.
    Input {
        /// The bytes.
        bytes: Vec<u8>,
        /// Told when the guest has taken the last of them.
        taken: SyncSender<()>,
    },
    /// The clock may have reached its match.
    Clock,
    /// The console's last line has waited long enough for its end.
    Flush,
}

impl Event {
    /// Whether the guest's past made it: a reset forgets it.
    fn is_the_guests(&self) -> bool {
        !matches!(self, Self::Timeout | Self::Input { .. })
    }
}

/// What [`Alarm::next`] waited for.
#[derive(Debug)]
pub enum Next {
    /// A deadline was reached.
    Due(Event),
    /// The machine stops.
    Stop(Stop),
}

/// Events that a guest may have waiting: each costs memory of ours.
const MOST_EVENTS: usize = 4096;

#[derive(Default)]
struct State {
    /// In the order of deadlines; of equal ones, in the order in which they were set.
    later: VecDeque<(Instant, Event)>,
    clock: Option<Instant>,
    flush: Option<Instant>,
    stop: Option<Stop>,
    end: bool,
}

impl State {
    /// Whether it is now the first: then there is something earlier to wait for.
    fn insert(&mut self, deadline: Instant, event: Event) -> bool {
        let place = self.later.partition_point(|(other, _)| *other <= deadline);
        self.later.insert(place, (deadline, event));
        place == 0
    }

    /// The earliest deadline.
    fn earliest(&self) -> Option<Instant> {
        let first = self.later.front().map(|(deadline, _)| *deadline);
        [first, self.clock, self.flush].into_iter().flatten().min()
    }

    /// What is due by now, one at a time.
    fn take(&mut self, now: Instant) -> Option<Event> {
        if self.clock.take_if(|deadline| *deadline <= now).is_some() {
            return Some(Event::Clock);
        }
        if self.flush.take_if(|deadline| *deadline <= now).is_some() {
            return Some(Event::Flush);
        }
        self.later.pop_front_if(|(deadline, _)| *deadline <= now).map(|(_, event)| event)
    }
}

/// The alarm of a machine.
#[derive(Default)]
pub struct Alarm(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Rung when there is something earlier to wait for.
    bell: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alarm {
    /// Lets `event` happen at `deadline`; false if too many wait already.
    pub fn set(&self, deadline: Instant, event: Event) -> bool {
        let mut state = self.0.lock();
        if state.later.len() >= MOST_EVENTS {
            return false;
        }
        if state.insert(deadline, event) {
            self.0.bell.notify_one();
        }
        true
    }

    /// When [`Event::Clock`] is to come; it replaces what was set before.
    pub fn set_clock(&self, deadline: Option<Instant>) {
        self.0.lock().clock = deadline;
        self.0.bell.notify_one();
    }

    /// When [`Event::Flush`] is to come.
    pub fn set_flush(&self, deadline: Instant) {
        self.0.lock().flush = Some(deadline);
        self.0.bell.notify_one();
    }

    /// Stops the machine, unless something else has already.
    pub fn stop(&self, stop: Stop) {
        self.0.lock().stop.get_or_insert(stop);
        self.0.bell.notify_one();
    }

    /// A way for a thread that knows nothing of the machine to make things happen.
    pub fn remote(&self) -> Remote {
        Remote(self.0.clone())
    }

    /// Waits for what comes next.
    pub fn next(&self) -> Next {
        let mut state = self.0.lock();
        loop {
            if let Some(stop) = state.stop.take() {
                return Next::Stop(stop);
            }
            let now = Instant::now();
            if let Some(event) = state.take(now) {
                // Under the lock: no other stop gets in between, and is obeyed instead.
                if matches!(event, Event::Timeout) {
                    return Next::Stop(Stop::Timeout);
                }
                return Next::Due(event);
            }
            state = match state.earliest() {
                None => self.0.bell.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let rung = self.0.bell.wait_timeout(state, deadline - now);
                    rung.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Forgets what the guest has set, and why it stopped.
    pub fn reset(&self) {
        let mut state = self.0.lock();
        state.later.retain(|(_, event)| !event.is_the_guests());
        state.clock = None;
        state.flush = None;
        state.stop = None;
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.lock().end = true;
    }
}

/// Makes things happen from another thread, for as long as there is a machine to see them.
#[derive(Clone)]
pub struct Remote(Arc<Shared>);

impl Remote {
    /// Lets `event` happen now; false if the machine is gone.
    pub fn send(&self, event: Event) -> bool {
        let mut state = self.0.lock();
        if state.end {
            return false;
        }
        if state.insert(Instant::now(), event) {
            self.0.bell.notify_one();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn intid(next: Next) -> u32 {
        match next {
            Next::Due(Event::Message { intid }) => intid,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn events_come_in_the_order_of_their_deadlines() {
        let alarm = Alarm::default();
        let now = Instant::now();
        for (intid, nanoseconds) in [(2, 20), (0, 0), (3, 20), (1, 10)] {
            assert!(alarm.set(now + Duration::from_nanos(nanoseconds), Event::Message { intid }));
        }
        assert_eq!([0; 4].map(|_| intid(alarm.next())), [0, 1, 2, 3]);
    }

    #[test]
    fn the_first_stop_counts_and_comes_before_everything_else() {
        let alarm = Alarm::default();
        alarm.set(Instant::now(), Event::Message { intid: 1 });
        alarm.stop(Stop::Off);
        alarm.stop(Stop::Reset);
        assert!(matches!(alarm.next(), Next::Stop(Stop::Off)));
        assert_eq!(intid(alarm.next()), 1);
    }

    #[test]
    fn a_reset_forgets_what_the_guest_has_set_and_nothing_else() {
        let alarm = Alarm::default();
        let now = Instant::now();
        alarm.set(now, Event::Message { intid: 1 });
        alarm.set(now, Event::Timeout);
        alarm.set_clock(Some(now));
        alarm.set_flush(now);
        alarm.stop(Stop::Reset);
        alarm.reset();
        assert!(matches!(alarm.next(), Next::Stop(Stop::Timeout)));
    }

    #[test]
    fn a_guest_has_no_more_than_so_many_waiting() {
        let alarm = Alarm::default();
        let now = Instant::now();
        let event = || Event::Message { intid: 0 };
        assert!((0..MOST_EVENTS).all(|_| alarm.set(now, event())));
        assert!(!alarm.set(now, event()));
        assert!(alarm.remote().send(event()), "what comes from outside always has room");
    }

    #[test]
    fn a_remote_of_a_machine_that_is_gone_sends_nothing() {
        let alarm = Alarm::default();
        let remote = alarm.remote();
        assert!(remote.send(Event::Flush));
        drop(alarm);
        assert!(!remote.send(Event::Flush));
    }
}
