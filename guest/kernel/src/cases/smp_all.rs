//! All the CPUs that there are, at once: locks, barriers, and the order of their memory accesses.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use anyvisor_abi::case::Needs;

use crate::machine::MOST_CPUS;
use crate::smp::{self, Line, Meeting, tell, wait_for, wait_until};
use crate::timer::VIRTUAL;
use crate::{case, check_eq};

static MEETING: Meeting = Meeting::new();
static DONE: [Line; MOST_CPUS] = [const { Line::new() }; MOST_CPUS];

/// All CPUs run `body` with their number.
fn everybody(body: smp::Body) {
    MEETING.clear();
    DONE.iter().for_each(Line::clear);
    let started = smp::start_all(body, None);
    body(smp::this_cpu() as u64);
    started.join();
}

case! {
    /// Nobody leaves a barrier before all have come, round after round.
    "smp.barrier": "all CPUs meet 100 times, and each sees what the others did before";
    reference: "DDI 0487: B2.3 Memory ordering: Load-Acquire, Store-Release; WFE, SEV";
    needs: Needs::PSCI.vcpus(4);
    fn barrier() {
        const ROUNDS: u64 = 100;
        extern "C" fn body(cpu: u64) {
            let all = smp::cpu_count();
            for round in 0..ROUNDS {
                DONE[cpu as usize].0.store(round + 1, Ordering::Relaxed);
                check_eq!(MEETING.meet(all as u64), 2 * round, "the meeting's number");
                for (other, done) in DONE.iter().enumerate().take(all) {
                    let done = done.0.load(Ordering::Relaxed);
                    check_eq!(done, round + 1, "CPU {} after round {}", other, round);
                }
                MEETING.meet(all as u64); // so that nobody is a round ahead while others look
            }
        }
        everybody(body);
    }
}

/// A ticket lock.
struct Lock {
    next: Line,
    served: Line,
}

static LOCK: Lock = Lock { next: Line::new(), served: Line::new() };

impl Lock {
    fn with(&self, body: impl FnOnce()) {
        let ticket = self.next.0.fetch_add(1, Ordering::Relaxed);
        wait_until(|| self.served.get() == ticket);
        body();
        tell(&self.served, ticket + 1);
    }
}

case! {
    /// What only one CPU does at a time needs no atomics: a lock orders it all.
    "smp.lock": "all CPUs add to one counter by plain loads and stores under a ticket lock: nothing is lost";
    reference: "DDI 0487: Load-Acquire, Store-Release; LDADD or LDXR, STXR";
    needs: Needs::PSCI.vcpus(4);
    fn lock() {
        const ROUNDS: u64 = 200;
        static SUM: Line = Line::new();
        extern "C" fn body(_: u64) {
            for _ in 0..ROUNDS {
                LOCK.with(|| {
                    let sum = SUM.0.load(Ordering::Relaxed);
                    SUM.0.store(sum + 1, Ordering::Relaxed);
                });
            }
        }
        for line in [&LOCK.next, &LOCK.served, &SUM] {
            line.clear();
        }
        everybody(body);
        check_eq!(SUM.get(), ROUNDS * smp::cpu_count() as u64, "the sum");
    }
}

case! {
    /// Store buffering: each of two CPUs stores to its own place and loads the other's. With a DMB
    /// between, at least one sees the other's store.
    "smp.store_buffering": "STR, DMB ISH, LDR on two CPUs crosswise: never do both read the old value";
    reference: "DDI 0487: B2.3 Memory ordering: Data Memory Barrier; the litmus test SB+dmbs";
    needs: Needs::PSCI.vcpus(2);
    fn store_buffering() {
        const ROUNDS: u64 = 1000;
        static PLACES: [Line; 2] = [const { Line::new() }; 2];
        static SEEN: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
        extern "C" fn body(me: u64) {
            let me = me as usize;
            for round in 1..=ROUNDS {
                MEETING.meet(2);
                let seen: u64;
                // SAFETY: stores to one line and loads from another, both atomics.
                unsafe {
                    asm!(
                        "str {round}, [{mine}]",
                        "dmb ish",
                        "ldr {seen}, [{other}]",
                        round = in(reg) round,
                        mine = in(reg) PLACES[me].0.as_ptr(),
                        other = in(reg) PLACES[1 - me].0.as_ptr(),
                        seen = out(reg) seen,
                        options(nostack),
                    );
                }
                SEEN[me].store(seen, Ordering::Relaxed);
                MEETING.meet(2);
                if me == 0 {
                    let seen = [0, 1].map(|n: usize| SEEN[n].load(Ordering::Relaxed));
                    assert!(seen.contains(&round), "round {round}: both read {seen:?}");
                }
            }
        }
        MEETING.clear();
        PLACES.iter().for_each(Line::clear);
        let started = smp::start(body, 1);
        body(0);
        started.join();
    }
}

case! {
    /// There is one system counter: what one CPU reads, another that is told of it does not read
    /// less.
    "smp.one_counter": "CNTVCT_EL0 never runs backwards from CPU to CPU, around all of them";
    reference: "DDI 0487: The Generic Timer: a uniform view of system time; CNTVCT_EL0";
    needs: Needs::PSCI.vcpus(2);
    fn one_counter() {
        const ROUNDS: u64 = 100;
        static TURN: Line = Line::new();
        static LAST: Line = Line::new();
        extern "C" fn body(cpu: u64) {
            let all = smp::cpu_count() as u64;
            for round in 0..ROUNDS {
                wait_for(&TURN, round * all + cpu);
                let (last, now) = (LAST.0.load(Ordering::Relaxed), (VIRTUAL.counter)());
                assert!(now >= last, "CPU {cpu} reads {now}, the one before it read {last}");
                LAST.0.store(now, Ordering::Relaxed);
                tell(&TURN, round * all + cpu + 1);
            }
        }
        TURN.clear();
        LAST.clear();
        everybody(body);
    }
}
