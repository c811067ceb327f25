//! All the CPUs that there are, at once: locks, barriers, and the order of their memory accesses.
//!
//! What two CPUs do not show, many do: a hypervisor with fewer cores than vCPUs stops a lock's
//! holder while the others wait for it, wake-ups come in bursts, and every pair must agree. Waiting
//! here is WFE in a loop behind a load-acquire, as Linux's locks do it, so an event that is lost by
//! the hypervisor is a hang.

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
    /// Nobody leaves a barrier before all have come; and behind it each sees what all the others
    /// wrote before. It is built of one counter with acquire and release, WFE for those who wait,
    /// SEV by the last one.
    ///
    /// The case has all CPUs meet 100 times. Before, each writes the number of the round to a place
    /// of its own by a plain store; behind, each reads all of them. A second meeting keeps anybody
    /// from being a round ahead.
    ///
    /// ```text
    ///   CPU 0   str round --> add --+--> all there, sev --> ldr others'
    ///   CPU 1   str round --> add --+
    ///   CPU n   str round --> add --+     (WFE until then)
    /// ```
    ///
    /// With more vCPUs than cores this is the worst that a guest can ask of a scheduler: all wait
    /// for the one that does not run. A hypervisor that traps WFE can run another vCPU meanwhile;
    /// one that lets them spin takes a time slice for each arrival. One that loses an SEV never
    /// ends: the case hangs, and whoever runs it says so.
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
    /// What only one CPU does at a time needs no atomic instruction: a lock orders it all. A ticket
    /// is drawn by an atomic add, the holder's number is published by a store-release, and who
    /// waits for it reads it by load-acquire.
    ///
    /// The case has all CPUs add 200 times each to one sum, by a plain load and store, under a
    /// ticket lock. Nothing may be lost.
    ///
    /// ```text
    ///   ticket = next++          wait: ldar served == ticket
    ///      sum = sum + 1         (plain)
    ///   stlr served = ticket + 1, sev
    /// ```
    ///
    /// It is correct only if both the atomic add and the ordering are: a lost ticket gives two CPUs
    /// the same number, and a store that becomes visible after the release loses an addition.
    /// Ticket locks are fair, which is a hypervisor's trouble: if the vCPU whose turn it is does
    /// not run, everybody waits. Guests on x86 have locks that yield to the hypervisor for that; on
    /// Arm the trap of WFE is the means.
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
    /// Each of two CPUs stores to its own place and then loads the other's. A store may wait in a
    /// buffer while the load goes ahead, so without a barrier both may read old values: the
    /// manual's memory model allows it. With DMB between, at least one must see the other's store
    /// (the litmus test SB with two barriers).
    ///
    /// The case runs it 1,000 times with DMB ISH, the CPUs meeting before and after each round, and
    /// fails if both read the old value.
    ///
    /// ```text
    ///   CPU 0   str x = 1; dmb; ldr y    r0
    ///   CPU 1   str y = 1; dmb; ldr x    r1     r0 = r1 = 0: forbidden
    /// ```
    ///
    /// This is the one reordering that even x86 does: an emulator there must turn DMB into a real
    /// fence (MFENCE or a locked operation), and must not drop it because "x86 is strongly
    /// ordered". Without it Dekker's algorithm fails, and so do the sleep and wake protocols in
    /// Linux, whose waker and sleeper each write one flag and read the other.
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
    /// The system counter is one for all PEs: if one CPU reads it and tells another, who then reads
    /// it, the second does not read less (DDI 0487, the Generic Timer, a uniform view of system
    /// time).
    ///
    /// The case passes a turn around all CPUs, 100 times. Each reads CNTVCT_EL0 behind an ISB,
    /// compares with what the one before it left, and hands on.
    ///
    /// ```text
    ///   CPU 0: 1000 --> CPU 1: 1003 --> CPU 2: 1005 --> CPU 0: 1009 ...
    /// ```
    ///
    /// The virtual counter is the physical one minus CNTVOFF_EL2, which each PE has for itself. The
    /// hypervisor must load the same offset for all vCPUs of a VM, on every core. One that takes
    /// the offset when a vCPU first runs gives each vCPU a time of its own. On arm64 Linux trusts
    /// the counter as its clock: time then runs backwards between threads, timeouts are negative,
    /// and logs are out of order.
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
