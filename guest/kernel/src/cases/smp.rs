//! Two CPUs: switching one on and off, and what both see of one memory.
//!
//! For hardware a second vCPU is a second PE, and what the two see of memory is between them: the
//! hypervisor gives both the same stage-2 tables and stays out of the way. What it does own is
//! PSCI, by which the other is started (see group psci), and the scheduling: any vCPU may stand
//! still at any instruction for as long as it likes, and everything here must hold all the same. An
//! emulator that runs vCPUs on threads of its host must map the guest's memory model onto the
//! host's.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ID_AA64ISAR0_EL1, MPIDR_EL1, TTBR1_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_abi::smccc::{ALREADY_ON, INVALID_PARAMETERS, ON_PENDING};
use anyvisor_arch::descriptor::Granule;
use anyvisor_arch::id::isar0;
use tock_registers::interfaces::{Readable, Writeable};

use crate::access::{El, store};
use crate::mmu::DATA;
use crate::mmu::table::page;
use crate::mmu::window::Window;
use crate::smp::{
    self, Line, affinity_info, cpu_on, other_affinity, own_affinity, tell, wait_for, wait_until,
};
use crate::{case, check_eq, skip};

/// AFFINITY_INFO.
const ON: i64 = 0;
const OFF: i64 = 1;

/// Rounds of each CPU: many enough that both are at it at the same time.
const ROUNDS: u64 = 20_000;

static COUNT: Line = Line::new();
static FLAG: Line = Line::new();
static REPLY: Line = Line::new();

fn clear() {
    for line in [&COUNT, &FLAG, &REPLY] {
        line.clear();
    }
}

case! {
    /// CPU_ON starts a CPU at its entry with the context in X0 and an affinity of its own in
    /// MPIDR_EL1; CPU_OFF ends it, and it can be switched on again. While it is on, CPU_ON answers
    /// ALREADY_ON (or ON_PENDING, right at the start), and AFFINITY_INFO says ON.
    ///
    /// The case does that twice with different contexts: OFF, start, its MPIDR_EL1, ON, refused,
    /// end, the context, OFF.
    ///
    /// ```text
    ///   CPU 0  CPU_ON(1, entry, ctx) ......... AFFINITY_INFO: ON
    ///   CPU 1     entry: x0 = ctx, work, CPU_OFF
    ///   CPU 0                                  AFFINITY_INFO: OFF
    /// ```
    ///
    /// A context cut to 32 bits shows here; kernels that pass a pointer in it, as this one does,
    /// start with half of it. The hard part is the end: CPU_OFF must not be visible as OFF before
    /// the vCPU has really left the guest, or the next CPU_ON resets registers of a thread that
    /// still runs. A hypervisor that never says OFF makes Linux wait and print that the CPU "may
    /// not have shut down cleanly".
    "smp.cpu_on_off": "CPU_ON runs a second CPU with its own affinity, CPU_OFF ends it, and again";
    reference: "DEN 0022: CPU_ON, CPU_OFF, AFFINITY_INFO";
    needs: Needs::PSCI.vcpus(2);
    fn cpu_on_off() {
        extern "C" fn body(argument: u64) {
            tell(&FLAG, MPIDR_EL1.get());
            wait_for(&REPLY, 1);
            tell(&COUNT, argument);
        }
        let other = other_affinity();
        for argument in [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210] {
            clear();
            check_eq!(affinity_info(other) as u64, OFF as u64, "AFFINITY_INFO before");
            let second = smp::start(body, argument);
            wait_until(|| FLAG.get() != 0);
            let seen = FLAG.0.load(Ordering::Acquire);
            check_eq!(seen & 0xff_00ff_ffff, other, "the second CPU's MPIDR_EL1 affinity");
            check_eq!(affinity_info(other) as u64, ON as u64, "AFFINITY_INFO of a running CPU");
            let again = cpu_on(other, body as *const () as u64, 0);
            assert!(
                [ALREADY_ON, ON_PENDING].contains(&again),
                "CPU_ON of a running CPU answers {again}"
            );
            tell(&REPLY, 1);
            second.join();
            check_eq!(COUNT.0.load(Ordering::Acquire), argument, "the context in X0");
            check_eq!(affinity_info(other) as u64, OFF as u64, "AFFINITY_INFO after");
        }
    }
}

case! {
    /// An affinity that no CPU has is INVALID_PARAMETERS, for CPU_ON as for AFFINITY_INFO. It is
    /// neither "off", which would be an invitation to switch it on, nor "not supported", which is
    /// said of functions.
    ///
    /// The case asks with an affinity of 0xff, 0xfe, 0xfd, 0xfc in its four fields, which neither
    /// of its CPUs has.
    ///
    /// ```text
    ///   AFFINITY_INFO(0xff_00fe_fdfc)   -2      not 1 (OFF)
    ///   CPU_ON(0xff_00fe_fdfc, ...)     -2
    /// ```
    ///
    /// All four fields count: one who compares only Aff0, or folds the affinity into a small
    /// number, finds some vCPU. A guest that probes for CPUs, as boot loaders and small kernels
    /// without an FDT do, counts upwards until it is refused; if it is not refused, it waits for
    /// CPUs that never come. In a table of vCPUs the index computed from a guest's argument must be
    /// checked before it is used.
    "smp.cpu_on_unknown": "CPU_ON and AFFINITY_INFO of a CPU that is not there: INVALID_PARAMETERS";
    reference: "DEN 0022: CPU_ON, AFFINITY_INFO: target_affinity";
    needs: Needs::PSCI.vcpus(2);
    fn cpu_on_unknown() {
        const NOBODY: u64 = 0xff_00fe_fdfc;
        assert!(own_affinity() != NOBODY && other_affinity() != NOBODY);
        check_eq!(cpu_on(NOBODY, 0, 0) as u64, INVALID_PARAMETERS as u64, "CPU_ON");
        check_eq!(affinity_info(NOBODY) as u64, INVALID_PARAMETERS as u64, "AFFINITY_INFO");
    }
}

/// One is added with a load-exclusive and a store-exclusive.
fn add_exclusively(counter: &AtomicU64) {
    // SAFETY: the loop adds one to the counter and touches nothing else.
    unsafe {
        asm!(
            "1: ldxr {value}, [{at}]",
            "add {value}, {value}, #1",
            "stxr {status:w}, {value}, [{at}]",
            "cbnz {status:w}, 1b",
            at = in(reg) counter.as_ptr(),
            value = out(reg) _,
            status = out(reg) _,
            options(nostack),
        );
    }
}

/// Two neighbours are moved with LDXP and STXP: the second counts what the first does.
fn add_pair_exclusively(pair: *mut u64) {
    // SAFETY: the pair is 16-byte aligned; the loop changes it and nothing else.
    unsafe {
        asm!(
            "1: ldaxp {low}, {high}, [{at}]",
            "add {low}, {low}, #1",
            "sub {high}, {high}, #1",
            "stlxp {status:w}, {low}, {high}, [{at}]",
            "cbnz {status:w}, 1b",
            at = in(reg) pair,
            low = out(reg) _,
            high = out(reg) _,
            status = out(reg) _,
            options(nostack),
        );
    }
}

/// Both CPUs run `body` as often as it loops, started together.
fn together(body: smp::Body) {
    clear();
    let second = smp::start(body, 1);
    body(0);
    second.join();
}

/// Says that this CPU is there, and waits for the other.
fn meet() {
    FLAG.add(1);
    wait_for(&FLAG, 2);
}

case! {
    /// A store-exclusive succeeds only if nobody has written to the marked location since the
    /// load-exclusive, on whichever CPU. So of two CPUs that add one at a time, no addition is
    /// lost.
    ///
    /// The case has both CPUs add 20,000 times to one counter by LDXR, ADD, STXR in a loop, started
    /// together, and wants the sum.
    ///
    /// ```text
    ///   CPU 0   ldxr 5 ......... stxr 6   fails: somebody wrote
    ///   CPU 1        ldxr 5  stxr 6       succeeds
    /// ```
    ///
    /// Hardware's global monitor does it. A hypervisor has to keep memory cacheable at stage 2 for
    /// it to work, and clears the local monitor with each ERET to the guest, so an exit between the
    /// pair only makes it try again. An emulator that implements STXR as "compare the old value,
    /// then store" in two steps loses additions; with a single compare-and-swap it is right here
    /// and still lets a change there and back (ABA) pass unseen, which the manual's monitor would
    /// not.
    "smp.exclusives": "two CPUs add to one counter by LDXR and STXR: nothing is lost";
    reference: "DDI 0487: B2.12 Synchronization and semaphores; LDXR, STXR";
    needs: Needs::PSCI.vcpus(2);
    fn exclusives() {
        extern "C" fn body(_: u64) {
            meet();
            for _ in 0..ROUNDS {
                add_exclusively(&COUNT.0);
            }
        }
        together(body);
        check_eq!(COUNT.0.load(Ordering::SeqCst), 2 * ROUNDS, "the counter");
    }
}

case! {
    /// LDXP and STXP, here with acquire and release as LDAXP and STLXP, work on two neighbouring
    /// doublewords. If the store succeeds both were written as one 128-bit access, and the pair
    /// that was read before it was one as well. It is how 128-bit atomics are made without
    /// FEAT_LSE.
    ///
    /// The case has two CPUs each take from the second doubleword what they add to the first,
    /// 20,000 times. In the end the first is 40,000 and the second minus that.
    ///
    /// ```text
    ///   ldaxp lo, hi   +1, -1   stlxp   both or none, 16-byte aligned
    /// ```
    ///
    /// An emulator on a host with a 16-byte compare-and-swap can use that; on one without, it needs
    /// a lock that every other access to these 16 bytes respects too. Two 8-byte operations, each
    /// atomic, are the mistake: another CPU gets in between, and one half of the pair is of another
    /// age. Linux's SLUB allocator keeps its free list and a counter in such a pair: a torn one is
    /// a corrupted heap.
    "smp.exclusive_pairs": "two CPUs move ones between two doublewords by LDAXP and STLXP";
    reference: "DDI 0487: LDAXP, STLXP: 128-bit single-copy atomicity of a successful pair";
    needs: Needs::PSCI.vcpus(2);
    fn exclusive_pairs() {
        #[repr(C, align(16))]
        struct Pair([AtomicU64; 2]);
        static PAIR: Pair = Pair([const { AtomicU64::new(0) }; 2]);
        extern "C" fn body(_: u64) {
            meet();
            for _ in 0..ROUNDS {
                add_pair_exclusively(PAIR.0[0].as_ptr());
            }
        }
        PAIR.0[0].store(0, Ordering::SeqCst);
        PAIR.0[1].store(0, Ordering::SeqCst);
        together(body);
        check_eq!(PAIR.0[0].load(Ordering::SeqCst), 2 * ROUNDS, "the first");
        check_eq!(PAIR.0[1].load(Ordering::SeqCst), (2 * ROUNDS).wrapping_neg(), "the second");
    }
}

case! {
    /// FEAT_LSE makes read-modify-write one instruction: LDADD adds, CAS compares and swaps, SWP
    /// swaps. Each is one atomic access, in whatever order CPUs execute them.
    /// ID_AA64ISAR0_EL1.Atomic says whether they are there; else the case skips.
    ///
    /// The case has two CPUs add to one counter in three ways, by LDADD, by a loop of CAS, and by
    /// putting ones into a bag that either may empty by SWPAL and carry to the counter. In the end
    /// the bag is empty and the counter has all.
    ///
    /// ```text
    ///   CPU 0, CPU 1   ldadd 1 --> counter
    ///                  cas n, n+1 --> counter
    ///                  ldadd 1 --> bag;  swpal 0 <--> bag --> counter
    /// ```
    ///
    /// If one of them is a load followed by a store, a count is missing after a few thousand
    /// rounds, and only if both CPUs run at once; on one host core the emulator looks right. Linux
    /// uses LSE for every lock and reference count when the ID register claims it. On Device memory
    /// they may fault, and as MMIO have no syndrome (ISV = 0).
    "smp.atomics": "two CPUs add to one counter by LDADD, CAS and SWP: nothing is lost";
    reference: "DDI 0487: LDADD, CAS, SWP; ID_AA64ISAR0_EL1.Atomic";
    needs: Needs::PSCI.vcpus(2);
    fn atomics() {
        extern "C" fn body(_: u64) {
            meet();
            for _ in 0..ROUNDS {
                // SAFETY: LDADD adds to the counter; the loop of CAS adds to it as well; SWP
                // takes what the third counter holds and LDADD brings it to the first.
                unsafe {
                    asm!(
                        ".arch_extension lse",
                        "ldadd {one}, {seen}, [{at}]",
                        "1: ldr {seen}, [{at}]",
                        "add {next}, {seen}, #1",
                        "mov {taken}, {seen}",
                        "cas {taken}, {next}, [{at}]",
                        "cmp {taken}, {seen}",
                        "b.ne 1b",
                        "ldadd {one}, {seen}, [{bag}]",
                        "swpal xzr, {taken}, [{bag}]",
                        "ldadd {taken}, {seen}, [{at}]",
                        at = in(reg) COUNT.0.as_ptr(),
                        bag = in(reg) REPLY.0.as_ptr(),
                        one = in(reg) 1_u64,
                        seen = out(reg) _,
                        next = out(reg) _,
                        taken = out(reg) _,
                        options(nostack),
                    );
                }
            }
        }
        if isar0::ATOMIC.get(ID_AA64ISAR0_EL1.get()) < 2 {
            skip!("ID_AA64ISAR0_EL1.Atomic says no FEAT_LSE");
        }
        together(body);
        // What one CPU puts into the bag the other may take out; in the end it is empty.
        check_eq!(REPLY.0.load(Ordering::SeqCst), 0, "the bag");
        check_eq!(COUNT.0.load(Ordering::SeqCst), 6 * ROUNDS, "the counter");
    }
}

case! {
    /// What was written before a store-release is seen by whoever sees that store by a
    /// load-acquire. So a message that is written by plain stores and announced by STLR is complete
    /// for the reader whose LDAR sees the announcement.
    ///
    /// The case passes 2,000 messages: a word written plainly, a flag by STLR; the other CPU
    /// answers in the same way. The reply must be three times the message, never that of an earlier
    /// round.
    ///
    /// ```text
    ///   CPU 0   str message            CPU 1   ldar flag  (sees it)
    ///           stlr flag    ------->          ldr message: the new one
    /// ```
    ///
    /// On a host with a stronger order, such as x86, plain loads and stores would do; an emulator
    /// there passes by luck unless it reorders them itself, for example by keeping a guest value in
    /// a host register over the LDAR. On a weaker host, or in a hypervisor that moves data between
    /// guest and device threads, the barriers must be there. A broken one shows as a virtio ring
    /// with descriptors of yesterday.
    "smp.acquire_release": "a message written before STLR is there for the CPU whose LDAR sees it";
    reference: "DDI 0487: B2.3 Memory ordering: Load-Acquire, Store-Release";
    needs: Needs::PSCI.vcpus(2);
    fn acquire_release() {
        const ROUNDS: u64 = 2000;
        extern "C" fn body(_: u64) {
            for round in 1..=ROUNDS {
                wait_for(&FLAG, round);
                let message = COUNT.0.load(Ordering::Relaxed);
                REPLY.0.store(message.wrapping_mul(3), Ordering::Relaxed);
                tell(&FLAG, round | 1 << 63);
            }
        }
        clear();
        let second = smp::start(body, 0);
        for round in 1..=ROUNDS {
            COUNT.0.store(round * round, Ordering::Relaxed);
            tell(&FLAG, round);
            wait_for(&FLAG, round | 1 << 63);
            let reply = REPLY.0.load(Ordering::Relaxed);
            check_eq!(reply, round * round * 3, "the reply of round {}", round);
        }
        second.join();
    }
}

case! {
    /// TLBI of the inner shareable kind (IS) takes a translation from every CPU in the domain.
    /// After the DSB that follows it is complete: no CPU uses the old one. The page is changed by
    /// break-before-make, as the manual wants.
    ///
    /// The case lets one CPU read at an address whenever it is told, while the other changes the
    /// page below it 200 times between two pages of different contents.
    ///
    /// ```text
    ///   CPU 0   desc = 0, tlbi vaae1is, dsb, desc = other page, "go"
    ///              |  broadcast
    ///   CPU 1      +--> old entry gone             reads: other page
    /// ```
    ///
    /// Hardware broadcasts by itself. KVM sets HCR_EL2.FB so that even local TLBI reaches all
    /// cores, since a vCPU moves between them. An emulator must stop or signal all vCPU threads,
    /// and the DSB must wait for them: without the wait, a page freed by one CPU is still written
    /// by another. That is corruption under memory pressure, once a week.
    "smp.tlbi_broadcast": "TLBI VAAE1IS, DSB on one CPU: the other reads the new page at once";
    reference: "DDI 0487: TLBI VAAE1IS; ordering and completion of TLB maintenance; break-before-make";
    needs: Needs::PSCI.vcpus(2);
    fn tlbi_broadcast() {
        const CHANGES: u64 = 200;
        const VA: u64 = 0x7000;
        /// Reads the word at the window's page whenever it is asked to.
        extern "C" fn body(root: u64) {
            TTBR1_EL1.set(root);
            barrier::isb(barrier::SY);
            let va = COUNT.0.load(Ordering::Acquire);
            for round in 1..=CHANGES {
                wait_for(&FLAG, round);
                let value: u64;
                // SAFETY: the page is mapped whenever the other CPU asks.
                unsafe { asm!("ldr {}, [{}]", out(reg) value, in(reg) va, options(nostack)) };
                REPLY.0.store(value, Ordering::Relaxed);
                tell(&FLAG, round | 1 << 63);
            }
        }
        clear();
        let mut window = Window::open(Granule::K4, 39);
        let pages = [1, 2].map(|value| {
            let pa = window.tables.take(Granule::K4.size());
            store(El::El1, pa, value).value();
            pa
        });
        let va = window.base() + VA;
        tell(&COUNT, va);
        let second = smp::start(body, window.tables.root());
        for round in 1..=CHANGES {
            // An empty descriptor, no CPU has the old one any more, and then the new one.
            window.tables.set(va, 3, 0);
            // SAFETY: what is forgotten is read again from the tables.
            unsafe {
                asm!(
                    "dsb ish",
                    "tlbi vaae1is, {}",
                    "dsb ish",
                    "isb",
                    in(reg) page(va),
                    options(nostack)
                );
            }
            let which = (round % 2) as usize;
            window.tables.map(va, pages[which], 3, DATA);
            tell(&FLAG, round);
            wait_for(&FLAG, round | 1 << 63);
            let seen = REPLY.0.load(Ordering::Relaxed);
            check_eq!(seen, which as u64 + 1, "what the other CPU reads after change {}", round);
        }
        second.join();
    }
}
