//! Contention: all CPUs at one word, by each kind of atomic access, and as the locks that are made of
//! them.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::ID_AA64ISAR0_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::id::isar0;
use tock_registers::interfaces::Readable;

use crate::smp::{self, Line, Meeting};
use crate::{case, check_eq, skip};

static MEETING: Meeting = Meeting::new();
static WORD: Line = Line::new();

/// All CPUs run `body` with their number, from the same moment on.
fn everybody(body: smp::Body) {
    MEETING.clear();
    let started = smp::start_all(body, None);
    body(smp::this_cpu() as u64);
    started.join();
}

fn meet() {
    MEETING.meet(smp::cpu_count() as u64);
}

fn needs_lse() {
    if isar0::ATOMIC.get(ID_AA64ISAR0_EL1.get()) < 2 {
        skip!("ID_AA64ISAR0_EL1.Atomic says no FEAT_LSE");
    }
}

/// Plain memory that a lock guards.
struct Guarded(UnsafeCell<[u64; 4]>);

// SAFETY: it is reached between taking and releasing the lock only.
unsafe impl Sync for Guarded {}

static GUARDED: Guarded = Guarded(UnsafeCell::new([0; 4]));

/// Changes four words so that a change that is seen in part, or lost, shows.
fn change() {
    // SAFETY: the caller holds the lock.
    let words = unsafe { &mut *GUARDED.0.get() };
    let [a, b, c, d] = *words;
    assert!(b == 2 * a && c == 3 * a && d == a ^ 0x5555, "half a change is seen: {words:?}");
    let a = a + 1;
    *words = [a, 2 * a, 3 * a, a ^ 0x5555];
}

/// Takes the lock by `take`, releases it by STLR, again and again on every CPU.
fn check_lock(body: smp::Body, rounds: u64) {
    WORD.clear();
    // SAFETY: nobody else runs yet.
    unsafe { GUARDED.0.get().write([0, 0, 0, 0x5555]) };
    everybody(body);
    // SAFETY: nobody else runs any more.
    let [count, ..] = unsafe { GUARDED.0.get().read() };
    check_eq!(count, rounds * smp::cpu_count() as u64, "changes under the lock");
}

fn release() {
    WORD.0.store(0, Ordering::Release);
}

case! {
    /// A lock of LDAXR and STXR, released by STLR: the one that every Armv8.0 kernel is built on.
    ///
    /// ```text
    ///   1: LDAXR w, [lock]     acquire: what is behind stays behind
    ///      CBNZ  w, 1b         taken: look again
    ///      STXR  s, one        fails if anybody wrote since, or if the monitor was lost
    ///      CBNZ  s, 1b
    ///      ... plain loads and stores of four words ...
    ///      STLR  zero          release: what is before stays before
    /// ```
    ///
    /// EL1 alone does this. The hypervisor is in it because an exit between LDAXR and STXR must clear
    /// the exclusive monitor: another vCPU may have run on this CPU, and left its own there. The
    /// ERET of the entry does it in hardware. A software engine has to remember it, and to let STXR
    /// fail if the *value* is the same again but was written in between (compare-and-swap of the old
    /// value is not the same: A, B, A).
    "smp.exclusive_lock": "all CPUs change four plain words under a lock of LDAXR, STXR and STLR 300 times: nothing lost, nothing half done";
    reference: "DDI 0487: B2.12 Load-Exclusive, Store-Exclusive; B2.3 Load-Acquire, Store-Release";
    needs: Needs::PSCI.vcpus(4);
    fn exclusive_lock() {
        const ROUNDS: u64 = 300;
        extern "C" fn body(_: u64) {
            meet();
            for _ in 0..ROUNDS {
                // SAFETY: the loop sets the lock once it is zero, and touches nothing else.
                unsafe {
                    asm!(
                        "1: ldaxr {seen}, [{at}]",
                        "cbz {seen}, 2f",
                        "yield",
                        "b 1b",
                        "2: stxr {failed:w}, {one}, [{at}]",
                        "cbnz {failed:w}, 1b",
                        at = in(reg) WORD.0.as_ptr(),
                        one = in(reg) 1_u64,
                        seen = out(reg) _,
                        failed = out(reg) _,
                        options(nostack),
                    );
                }
                change();
                release();
            }
        }
        check_lock(body, ROUNDS);
    }
}

case! {
    /// The same lock by CASA and by SWPA: one instruction that reads and writes, with acquire.
    ///
    /// ```text
    ///   CASA  expected = 0, new = 1      takes it if it was free; reads what was there
    ///   SWPA  new = 1                    takes it if it was free; writes a one in any case
    /// ```
    ///
    /// FEAT_LSE does in one access what the exclusives do in two, so nothing can come between, and no
    /// monitor can be lost to an exit: kernels use it for that. An emulator that makes it of a load
    /// and a store has to lock; one that makes it of the host's atomics has to keep the acquire even
    /// where the comparison fails.
    "smp.lse_lock": "all CPUs change four plain words under a lock of CASA or SWPA 300 times: nothing lost, nothing half done";
    reference: "DDI 0487: CASA, SWPA; B2.3 Acquire semantics of atomic instructions; ID_AA64ISAR0_EL1.Atomic";
    needs: Needs::PSCI.vcpus(4);
    fn lse_lock() {
        const ROUNDS: u64 = 300;
        extern "C" fn body(cpu: u64) {
            meet();
            for round in 0..ROUNDS {
                let by_swap = (round + cpu) % 2;
                // SAFETY: the loop sets the lock once it is zero, and touches nothing else.
                unsafe {
                    asm!(
                        ".arch_extension lse",
                        "1: mov {seen}, #0",
                        "cbnz {by_swap}, 2f",
                        "casa {seen}, {one}, [{at}]",
                        "b 3f",
                        "2: swpa {one}, {seen}, [{at}]",
                        "3: cbz {seen}, 4f",
                        "yield",
                        "b 1b",
                        "4:",
                        at = in(reg) WORD.0.as_ptr(),
                        one = in(reg) 1_u64,
                        by_swap = in(reg) by_swap,
                        seen = out(reg) _,
                        options(nostack),
                    );
                }
                change();
                release();
            }
        }
        needs_lse();
        check_lock(body, ROUNDS);
    }
}

#[repr(C, align(16))]
struct Pair([AtomicU64; 2]);

static PAIR: Pair = Pair([const { AtomicU64::new(0) }; 2]);

case! {
    /// CASP compares and swaps 16 bytes as one. All CPUs raise both halves of a pair together; a
    /// pair whose halves do not belong together is never seen by a CASP, and no raise is lost.
    ///
    /// ```text
    ///   low, high = what was seen last
    ///   CASPAL  (low, high) -> (low + 1, high + 3)     returns what is there
    ///   same as expected: done; else again with what is there: always high = 3 * low
    /// ```
    ///
    /// Lock-free queues with a version beside the pointer live on it. Software that emulates it as
    /// two accesses of 8 bytes shows halves of two generations, and only under contention; x86 hosts
    /// need CMPXCHG16B, which a compiler does not use for a 128-bit atomic unless it is told to.
    /// CASP reads both halves also when the comparison fails, and takes an even register pair: with
    /// an odd one it is UNDEFINED.
    "smp.casp": "all CPUs raise a pair of doublewords by CASPAL 400 times: no half of another generation, none lost";
    reference: "DDI 0487: CASP, CASPAL: 128-bit single-copy atomicity; ID_AA64ISAR0_EL1.Atomic";
    needs: Needs::PSCI.vcpus(4);
    fn casp() {
        const ROUNDS: u64 = 400;
        extern "C" fn body(_: u64) {
            meet();
            let (mut low, mut high) = (0_u64, 0_u64);
            for _ in 0..ROUNDS {
                loop {
                    let (was_low, was_high): (u64, u64);
                    // SAFETY: one access of the pair, which is aligned.
                    unsafe {
                        asm!(
                            ".arch_extension lse",
                            "caspal x4, x5, x6, x7, [{at}]",
                            at = in(reg) PAIR.0[0].as_ptr(),
                            inout("x4") low => was_low,
                            inout("x5") high => was_high,
                            in("x6") low + 1,
                            in("x7") high + 3,
                            options(nostack),
                        );
                    }
                    assert!(was_high == 3 * was_low, "halves of two generations: {was_low}, {was_high}");
                    let done = (was_low, was_high) == (low, high);
                    (low, high) = (was_low, was_high);
                    if done {
                        break;
                    }
                }
            }
        }
        needs_lse();
        PAIR.0.iter().for_each(|half| half.store(0, Ordering::SeqCst));
        everybody(body);
        let total = ROUNDS * smp::cpu_count() as u64;
        let [low, high] = [0, 1].map(|n: usize| PAIR.0[n].load(Ordering::SeqCst));
        check_eq!(low, total, "the lower half");
        check_eq!(high, 3 * total, "the upper half");
    }
}

case! {
    /// Every arithmetic of FEAT_LSE at once, by sizes: what all CPUs have added, set, cleared and
    /// toggled is there in the end, and no byte beside it has changed.
    ///
    /// ```text
    ///   one line      | LDADDB | guard | LDSETH   | guard | LDCLR W   | guard | LDEOR, LDUMAX |
    ///   by each CPU      + 1             its bit    ...      its bit              its bit
    /// ```
    ///
    /// A byte's atomic in the middle of a word is where an emulator that works on words must mask
    /// rightly, and where one that uses the host's byte access must not touch its neighbours. LDCLR
    /// takes bits away that are set in its operand (AND NOT): a mapping to the host's AND is wrong by
    /// a complement, and right for an operand of all ones.
    "smp.lse_sizes": "LDADDB, LDSETH, LDCLR W, LDEOR X, LDUMAX, LDSMIN of all CPUs at once: each result, and no neighbour changed";
    reference: "DDI 0487: LDADD, LDSET, LDCLR, LDEOR, LDUMAX, LDSMIN and their B and H forms";
    needs: Needs::PSCI.vcpus(4);
    fn lse_sizes() {
        const ROUNDS: u64 = 101; // odd: what is toggled stays toggled
        static PLACES: [Line; 6] = [const { Line::new() }; 6];
        extern "C" fn body(cpu: u64) {
            let at = [0, 1, 2, 3, 4, 5].map(|n: usize| PLACES[n].0.as_ptr());
            meet();
            for round in 0..ROUNDS {
                // SAFETY: atomics inside the places, which are doublewords.
                unsafe {
                    asm!(
                        ".arch_extension lse",
                        "add {t}, {a0}, #1",
                        "ldaddb {one:w}, {old:w}, [{t}]",
                        "add {t}, {a1}, #2",
                        "ldseth {bit:w}, {old:w}, [{t}]",
                        "add {t}, {a2}, #4",
                        "ldclr {bit:w}, {old:w}, [{t}]",
                        "ldeoral {bit}, {old}, [{a3}]",
                        "ldumaxa {unsigned}, {old}, [{a4}]",
                        "ldsminl {signed}, {old}, [{a5}]",
                        a0 = in(reg) at[0], a1 = in(reg) at[1], a2 = in(reg) at[2],
                        a3 = in(reg) at[3], a4 = in(reg) at[4], a5 = in(reg) at[5],
                        one = in(reg) 1_u64,
                        bit = in(reg) 1_u64 << (cpu % 16),
                        unsigned = in(reg) (1_u64 << 63) + cpu * 1000 + round,
                        signed = in(reg) 0_u64.wrapping_sub(cpu * 1000 + round),
                        t = out(reg) _,
                        old = out(reg) _,
                        options(nostack),
                    );
                }
            }
            meet();
        }
        needs_lse();
        let all = smp::cpu_count() as u64;
        if all > 16 {
            skip!("there are 16 bits in a halfword, and {all} CPUs");
        }
        PLACES.iter().for_each(Line::clear);
        const GUARD: u64 = 0xa5a5_a5a5_a5a5_a5a5;
        let ones = (1 << all) - 1;
        PLACES[0].0.store(GUARD & !0xff00, Ordering::SeqCst);
        PLACES[1].0.store(GUARD & !0xffff_0000, Ordering::SeqCst);
        PLACES[2].0.store(GUARD | 0xffff_ffff << 32, Ordering::SeqCst);
        everybody(body);
        let seen = |n: usize| PLACES[n].get();
        let last = (all - 1) * 1000 + ROUNDS - 1;
        check_eq!(seen(0), GUARD & !0xff00 | ((ROUNDS * all) & 0xff) << 8, "LDADDB");
        check_eq!(seen(1), GUARD & !0xffff_0000 | ones << 16, "LDSETH");
        check_eq!(seen(2), (GUARD | 0xffff_ffff << 32) & !(ones << 32), "LDCLR");
        check_eq!(seen(3), ones, "LDEORAL");
        check_eq!(seen(4), (1 << 63) + last, "LDUMAXA");
        check_eq!(seen(5), 0_u64.wrapping_sub(last), "LDSMINL");
    }
}
