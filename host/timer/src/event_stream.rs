//! The event stream: WFE wake-up events from a bit of the virtual counter.

use anyvisor_arch::timer::cntkctl;
use anyvisor_bugs::{Bug, is};

/// The event stream that CNTKCTL_EL1 describes.
///
/// ```text
///   bit EVNTI of the count   __________|^^^^^^^^^^|__________|^^^^^^^^^^|____
///   events, EVNTDIR = 0                ^                     ^
///   events, EVNTDIR = 1                           ^                     ^
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventStream {
    bit: u32,
    falling: bool,
}

impl EventStream {
    /// The stream of a value of CNTKCTL_EL1; `None` with EVNTEN = 0.
    pub fn of(control: u64) -> Option<Self> {
        (control & cntkctl::EVNTEN != 0 && !is(Bug::EventStreamMissing)).then_some(Self {
            bit: cntkctl::EVNTI.get(control) as u32,
            falling: control & cntkctl::EVNTDIR != 0,
        })
    }

    /// The first count after `count` at which an event is generated (it may have wrapped).
    pub fn next(&self, count: u64) -> u64 {
        let half = 1_u64 << self.bit;
        let period = half << 1;
        let phase = if self.falling { 0 } else { half };
        let since = count.wrapping_sub(phase) & (period - 1);
        count.wrapping_add(period - since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by looking: step until the bit makes the transition.
    fn by_stepping(count: u64, bit: u32, falling: bool) -> u64 {
        let level = |n: u64| n >> bit & 1 != 0;
        let mut n = count;
        loop {
            let next = n.wrapping_add(1);
            if level(n) == falling && level(next) != falling {
                return next;
            }
            n = next;
        }
    }

    #[test]
    fn events_come_at_the_transitions_of_the_chosen_bit() {
        for bit in 0..6 {
            for falling in [false, true] {
                let dir = if falling { cntkctl::EVNTDIR } else { 0 };
                let control = cntkctl::EVNTEN | dir | cntkctl::EVNTI.put(bit);
                let stream = EventStream::of(control).expect("it is enabled");
                for count in (0..200).chain(u64::MAX - 200..=u64::MAX) {
                    let expected = by_stepping(count, bit as u32, falling);
                    assert_eq!(stream.next(count), expected, "bit {bit}, {falling}, {count}");
                }
            }
        }
    }

    #[test]
    fn no_stream_without_the_enable_bit() {
        assert_eq!(EventStream::of(!cntkctl::EVNTEN), None);
    }
}
