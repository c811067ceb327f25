//! Storms: one kind of request, from all CPUs to all CPUs.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{PAR_EL1, TTBR1_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{ADDRESS, Granule, NG};
use anyvisor_arch::pstate::Vector;
use tock_registers::interfaces::{Readable, Writeable};

use super::{MEETING, OVER, clear, everybody};
use crate::access::{El, store};
use crate::gic::DEFAULT_PRIORITY;
use crate::gic::cpu_interface as icc;
use crate::gic::interrupt::{Group, Interrupt};
use crate::interrupt::{self, unmasked};
use crate::machine::MOST_CPUS;
use crate::mmu::DATA;
use crate::mmu::table::page;
use crate::mmu::window::Window;
use crate::smp::{self, Line, Work, affinity_info, wait_until};
use crate::{case, check_eq};

/// The window's first table, the table of its pages, and its first address.
static WINDOW: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];
/// The two pages that each CPU maps by turns.
static PAGES: [[AtomicU64; 2]; MOST_CPUS] = [const { [const { AtomicU64::new(0) }; 2] }; MOST_CPUS];

/// Of an ASID: one of the forms of TLBI forgets only what is.
const PAGE: u64 = DATA | NG;

/// Forgets a translation on all CPUs, in one of four ways.
fn invalidate(form: u64, va: u64) {
    macro_rules! tlbi {
        ($operation:literal) => {
            // SAFETY: what is forgotten is read again from the tables.
            unsafe {
                asm!(
                    "dsb ishst",
                    concat!("tlbi ", $operation),
                    "dsb ish",
                    "isb",
                    va = in(reg) page(va),
                    options(nostack)
                )
            }
        };
    }
    match form % 4 {
        0 => tlbi!("vaae1is, {va}"),
        1 => tlbi!("vale1is, {va}"),
        2 => tlbi!("vmalle1is // {va}"),
        _ => tlbi!("aside1is, {va}"), // VA bits and all: bits 63:48 are ASID 0
    }
}

case! {
    /// All CPUs change their own page in the same tables, and each change sends a TLBI to all: after
    /// its DSB nobody has the old translation, and nobody's own fresh one is wrong.
    ///
    /// ```text
    ///   CPU n   descriptor = 0, TLBI ..IS, DSB    AT: faults
    ///           descriptor = other page, DSB      load: the other page's word
    ///   others  the same with theirs, all at once, TLBI VMALLE1IS among them
    /// ```
    ///
    /// In hardware the TLBIs are messages between cores, and EL2 has no part unless it sets
    /// HCR_EL2.FB or traps them (TTLBIS). An emulator has to bring each TLBI to all vCPUs and to
    /// let DSB wait until they have seen it: two CPUs that wait for each other in DSB must both go
    /// on serving, or the machine stops here. A TLB that is filled by a walk that began before the
    /// TLBI and ended after it is the other classic: the old translation comes back from the dead.
    "stress.tlbi": "200 changes of each CPU's page with four forms of TLBI IS, all CPUs at once: each sees its own newest page";
    reference: "DDI 0487: TLB maintenance, completion by DSB, broadcast to the Inner Shareable domain";
    needs: Needs::PSCI.vcpus(4);
    fn tlbi() {
        const CHANGES: u64 = 200;
        extern "C" fn body(cpu: u64) {
            let [root, table, base] = [0, 1, 2].map(|n: usize| WINDOW[n].load(Ordering::Acquire));
            TTBR1_EL1.set(root);
            barrier::isb(barrier::SY);
            let va = base + cpu * Granule::K4.size();
            let descriptor = (table + 8 * cpu) as *mut u64;
            MEETING.meet(smp::cpu_count() as u64);
            for change in 1..=CHANGES {
                // SAFETY: this CPU's own descriptor in a table that nobody else's page is in.
                unsafe { descriptor.write_volatile(0) };
                invalidate(change + cpu, va);
                // SAFETY: a translation that fails is told in PAR_EL1, not by an exception.
                unsafe { asm!("at s1e1r, {}", "isb", in(reg) va, options(nostack)) };
                check_eq!(PAR_EL1.get() & 1, 1, "PAR_EL1.F of CPU {}'s page after TLBI", cpu);
                let which = (change % 2) as usize;
                let pa = PAGES[cpu as usize][which].load(Ordering::Relaxed);
                // SAFETY: as above; the descriptor was invalid, and no TLB holds that.
                unsafe { descriptor.write_volatile(pa | PAGE | 0b11) };
                barrier::dsb(barrier::ISHST);
                barrier::isb(barrier::SY);
                let value: u64;
                // SAFETY: the page is mapped, and read only here.
                unsafe { asm!("ldr {}, [{}]", out(reg) value, in(reg) va, options(nostack)) };
                check_eq!(value, 2 * cpu + which as u64, "what CPU {} reads after change {}", cpu, change);
            }
            MEETING.meet(smp::cpu_count() as u64);
        }
        let mut window = Window::open(Granule::K4, 39);
        let base = window.base();
        for cpu in 0..smp::cpu_count() as u64 {
            for (which, slot) in (0..).zip(&PAGES[cpu as usize]) {
                let pa = window.tables.take(Granule::K4.size());
                store(El::El1, pa, 2 * cpu + which).value();
                slot.store(pa, Ordering::Relaxed);
            }
            let first = PAGES[cpu as usize][0].load(Ordering::Relaxed);
            window.tables.map(base + cpu * Granule::K4.size(), first, 3, PAGE);
        }
        let table = window.tables.get(base, 2) & ADDRESS.mask() & !(Granule::K4.size() - 1);
        for (slot, value) in WINDOW.iter().zip([window.tables.root(), table, base]) {
            slot.store(value, Ordering::Release);
        }
        clear();
        everybody(body, |cpu, _| panic!("CPU {cpu} took an interrupt that nobody sent"));
    }
}

/// SGIs that a CPU took, by sender.
static FROM: [[Line; 16]; 16] = [const { [const { Line::new() }; 16] }; 16];

/// An SGI's number is its sender's.
fn take_from(cpu: usize, _: Vector) {
    let intid = icc::iar1();
    if intid == icc::NONE {
        return;
    }
    assert!((intid as usize) < smp::cpu_count(), "CPU {cpu}: INTID {intid} is nobody's");
    FROM[cpu][intid as usize].add(1);
    icc::set_eoir1(intid);
}

case! {
    /// All CPUs send an SGI to all others, and each its next one when all have taken the last. With
    /// the sender as its number every one is accounted for.
    ///
    /// ```text
    ///            to 0  to 1  to 2  to 3         n rounds: every entry but the diagonal is n,
    ///   from 0    -     n     n     n           the diagonal is 0 (IRM leaves the sender out)
    ///   from 1    n     -     n     n
    ///   ...
    /// ```
    ///
    /// An SGI is a system register write; without a vGIC in hardware it is an exit whose handler
    /// makes an interrupt pending at other vCPUs and kicks those that run. All do it to all at once:
    /// locks taken in the order "mine, then the target's" deadlock here; a pending bit that is set
    /// without an atomic operation loses one of two senders; a kick that is skipped because "it is
    /// pending already" loses the second SGI of another number.
    "stress.ipi": "every CPU sends 60 SGIs to all others, all at once, each when all have taken the last: none lost, none twice";
    reference: "IHI 0069: ICC_SGI1R_EL1.IRM; SGIs with the same INTID from several PEs; pending state";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(4);
    fn ipi() {
        const ROUNDS: u64 = 60;
        extern "C" fn body(cpu: u64) {
            let me = cpu as usize;
            for sender in 0..smp::cpu_count() as u32 {
                Interrupt::new(sender).prepare(Group::One, DEFAULT_PRIORITY);
            }
            MEETING.meet(smp::cpu_count() as u64);
            unmasked(|| {
                for round in 1..=ROUNDS {
                    icc::set_sgi1r(icc::sgi_to_others(cpu as u32));
                    wait_until(|| {
                        let taken = |other: usize| FROM[other][me].get();
                        (0..smp::cpu_count()).all(|other| other == me || taken(other) >= round)
                    });
                }
                OVER.add(1);
                wait_until(|| OVER.get() == smp::cpu_count() as u64);
            });
        }
        if smp::cpu_count() > 16 {
            crate::skip!("there are 16 SGIs, and {} CPUs", smp::cpu_count());
        }
        clear();
        FROM.iter().flatten().for_each(Line::clear);
        interrupt::listen(|frame| take_from(smp::this_cpu(), frame.entry.kind()));
        everybody(body, take_from);
        for (cpu, row) in FROM.iter().enumerate().take(smp::cpu_count()) {
            for (sender, count) in row.iter().enumerate().take(smp::cpu_count()) {
                let wanted = if sender == cpu { 0 } else { ROUNDS };
                check_eq!(count.get(), wanted, "SGIs that CPU {} took of CPU {}", cpu, sender);
            }
        }
    }
}

case! {
    /// All other CPUs on and off, again and again, all on their way at once.
    ///
    /// ```text
    ///   CPU 0   CPU_ON 1  CPU_ON 2  CPU_ON 3  wait until all ran, and are off            x 25
    ///   CPU n   entry, MMU on, adds one, CPU_OFF
    /// ```
    ///
    /// A vCPU that goes off and comes back is the same thread or a new one; either way there is a
    /// moment in which it is neither. Kernels do this once at boot, so what happens in the hundredth
    /// round is nobody's experience: threads that are not joined, a mailbox read by the vCPU's former
    /// life, an interrupt left pending from it, a start that is taken for the one before.
    "stress.psci": "all other CPUs on and off 25 times, all at once: each start runs once, with its own argument";
    reference: "DEN 0022: CPU_ON, CPU_OFF, AFFINITY_INFO";
    needs: Needs::PSCI.vcpus(4);
    fn psci() {
        const ROUNDS: u64 = 25;
        static RUNS: Line = Line::new();
        static GO: Line = Line::new();
        extern "C" fn body(round: u64) {
            RUNS.add(1);
            wait_until(|| GO.get() >= round);
        }
        RUNS.clear();
        GO.clear();
        let others = smp::cpu_count() as u64 - 1;
        let mut started = [const { None }; MOST_CPUS];
        for round in 1..=ROUNDS {
            for cpu in smp::others() {
                let work = Work { body, argument: round, interrupt: None };
                started[cpu] = Some(smp::start_on(cpu, work));
            }
            wait_until(|| RUNS.get() >= round * others);
            smp::tell(&GO, round);
            for one in started.iter_mut().filter_map(Option::take) {
                one.join();
            }
            check_eq!(RUNS.get(), round * others, "bodies run after round {}", round);
            for cpu in smp::others() {
                let info = affinity_info(smp::affinity(cpu));
                assert!(info == 1, "round {round}: AFFINITY_INFO of CPU {cpu} is {info}");
            }
        }
    }
}
