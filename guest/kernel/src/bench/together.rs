//! All CPUs at once.

use super::{Report, Setting, time};
use crate::println;
use crate::smp::{self, Line, Meeting};

static MEETING: Meeting = Meeting::new();
static ROUNDS: Line = Line::new();
/// How many rounds all CPUs together have gone through.
static DONE: Line = Line::new();

/// All CPUs meet again and again.
pub fn barrier(setting: &Setting) {
    extern "C" fn body(_: u64) {
        let all = smp::cpu_count() as u64;
        for _ in 0..ROUNDS.get() {
            MEETING.meet(all);
            DONE.0.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        }
    }
    let (rounds, all) = (setting.times(1_000), smp::cpu_count() as u64);
    println!("# barrier: {all} CPUs");
    MEETING.clear();
    DONE.clear();
    ROUNDS.clear();
    ROUNDS.add(rounds);
    let (ticks, _) = time(|| {
        let started = smp::start_all(body, None);
        body(0);
        started.join();
        0
    });
    let done = DONE.get();
    assert!(done == rounds * all, "{done} rounds of {all} CPUs, not {rounds} each");
    Report { name: "barrier", events: rounds, ticks, check: rounds, ..Report::NOTHING }.print();
}
