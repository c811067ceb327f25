//! Maintenance that reaches other CPUs: of translations and of instructions. The other CPU runs all
//! the time: it waits in a loop of loads.
//!
//! ```text
//!   CPU 0   change --> DSB --> TLBI ..IS / IC IVAU --> DSB --> ask
//!   CPU 1   loop: asked? --> use the address --> answer
//! ```
//!
//! So the maintenance has to reach a CPU that is executing and has no reason to exit. On hardware
//! the interconnect carries it. An emulator has to reach the other threads itself, and its DSB has
//! to wait until they have all dropped what was named.

use core::arch::asm;
use core::sync::atomic::Ordering;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{TCR_EL1, TTBR1_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, Granule, NG, UXN};
use anyvisor_arch::tcr;
use tock_registers::interfaces::Writeable;

use crate::access::{El, RET, store, write_code};
use crate::mmu::table::page;
use crate::mmu::window::Window;
use crate::mmu::{DATA, NORMAL};
use crate::smp::{self, Line, spin_until};
use crate::{case, check_eq};

static ADDRESS: Line = Line::new();
static ROUND: Line = Line::new();
static REPLY: Line = Line::new();
static VALUE: Line = Line::new();

/// Asks the other CPU for round `round` and returns what it found.
fn ask(round: u64) -> u64 {
    ROUND.0.store(round, Ordering::Release);
    spin_until(|| REPLY.get() == round);
    VALUE.0.load(Ordering::Relaxed)
}

/// Answers round after round with what `find` finds at the address, through the window.
fn answer(root: u64, rounds: u64, find: impl Fn(u64) -> u64) {
    TTBR1_EL1.set(root);
    barrier::isb(barrier::SY);
    let va = ADDRESS.get();
    for round in 1..=rounds {
        spin_until(|| ROUND.get() == round);
        VALUE.0.store(find(va), Ordering::Relaxed);
        REPLY.0.store(round, Ordering::Release);
    }
}

fn clear(va: u64) {
    ROUND.clear();
    REPLY.clear();
    ADDRESS.0.store(va, Ordering::Release);
}

/// Forgets the translation of `va` everywhere, by one of the forms that there are.
fn invalidate(form: u64, va: u64) {
    macro_rules! tlbi {
        ($operation:literal) => {
            // SAFETY: what is forgotten is read again from the tables.
            unsafe {
                asm!(
                    "dsb ish",
                    concat!("tlbi ", $operation, ", {}"),
                    "dsb ish",
                    "isb",
                    in(reg) page(va), // ASID 0, which is all that is used
                    options(nostack)
                )
            }
        };
    }
    match form {
        0 => tlbi!("vae1is"),
        1 => tlbi!("vaae1is"),
        2 => tlbi!("vale1is"),
        3 => tlbi!("vaale1is"),
        // SAFETY: as above.
        _ => unsafe {
            asm!("dsb ish", "tlbi vmalle1is", "dsb ish", "isb", options(nostack));
        },
    }
}

/// What a page of the window holds.
fn read_at(va: u64) -> u64 {
    let value: u64;
    // SAFETY: the page is mapped whenever the other CPU asks.
    unsafe { asm!("ldr {}, [{}]", out(reg) value, in(reg) va, options(nostack)) };
    value
}

case! {
    /// Each form of TLBI has an inner shareable variant: VAE1IS, VAAE1IS, VALE1IS, VAALE1IS and
    /// VMALLE1IS. All of them must reach a CPU that is running, and be complete at the DSB.
    ///
    /// The case changes a page 250 times by break-before-make, with the five forms in turn, and
    /// asks the other CPU each time what it reads: always the new page.
    ///
    /// ```text
    ///   form  by address   all ASIDs   last level only   everything
    ///         vae1is       vaae1is     vale1is, vaale1is vmalle1is
    /// ```
    ///
    /// On one CPU `mmu.tlbi_forms` has tested the decoding of the operand. Here the point is the
    /// path to the others, and an implementation may have broadcast for some forms and not for all:
    /// the last-level ones, which Linux uses for user pages, are easily left as local. The other
    /// CPU then reads the old page, which in life has been given to someone else. That each round
    /// uses another form means that a broadcast form cannot clean up behind a local one for long.
    "smp.tlbi_forms": "TLBI VAE1IS, VAAE1IS, VALE1IS, VAALE1IS, VMALLE1IS: a running CPU reads the new page";
    reference: "DDI 0487: TLBI, Inner Shareable; completion by DSB; break-before-make";
    needs: Needs::PSCI.vcpus(2);
    fn tlbi_forms() {
        const ROUNDS: u64 = 250;
        extern "C" fn body(root: u64) {
            answer(root, ROUNDS, read_at);
        }
        let mut window = Window::open(Granule::K4, 39);
        let pages = [1, 2].map(|value| {
            let pa = window.tables.take(Granule::K4.size());
            store(El::El1, pa, value).value();
            pa
        });
        let va = window.base() + 0x7000;
        clear(va);
        let started = smp::start(body, window.tables.root());
        for round in 1..=ROUNDS {
            window.tables.set(va, 3, 0);
            invalidate(round % 5, va);
            let which = (round % 2) as usize;
            window.tables.map(va, pages[which], 3, DATA);
            let seen = ask(round);
            check_eq!(seen, which as u64 + 1, "what it reads after form {}", round % 5);
        }
        started.join();
    }
}

case! {
    /// TLBI ASIDE1IS forgets an address space as a whole, by its ASID, on every CPU. The other CPU
    /// is in that address space while it happens.
    ///
    /// The case gives the window ASID 5 (TCR_EL1.A1 = 1, so TTBR1's counts), maps a non-global
    /// page, and changes it 100 times; each time it invalidates by `ASID << 48` alone, and the
    /// other CPU must read the new page.
    ///
    /// ```text
    ///   CPU 0   tlbi aside1is, 5 << 48 ; dsb
    ///   CPU 1   TTBR1 = table | 5 << 48: entries tagged 5 --> gone
    /// ```
    ///
    /// Linux calls this `flush_tlb_mm`: a process that exits or forks with threads on other CPUs.
    /// An emulator that keeps one TLB for each ASID has to find the right one on each vCPU, also
    /// the one in use at the moment, also where its pointer is cached in a register of the loop
    /// that executes. If it does not, threads of one process see different memory after `fork`:
    /// copy-on-write is lost on the other CPU.
    "smp.tlbi_asid": "TLBI ASIDE1IS of the ASID that a running CPU uses: it reads the new page";
    reference: "DDI 0487: TLBI ASIDE1IS; TTBR1_EL1.ASID with TCR_EL1.A1";
    needs: Needs::PSCI.vcpus(2);
    fn tlbi_asid() {
        const ROUNDS: u64 = 100;
        const ASID: u64 = 5;
        extern "C" fn body(root: u64) {
            answer(root, ROUNDS, read_at);
        }
        let mut window = Window::open(Granule::K4, 39);
        window.control(0, tcr::A1);
        window.switch(window.tables.root(), ASID);
        let pages = [1, 2].map(|value| {
            let pa = window.tables.take(Granule::K4.size());
            store(El::El1, pa, value).value();
            pa
        });
        let va = window.base() + 0x7000;
        clear(va);
        // The other CPU takes TCR_EL1 over as it is now.
        let started = smp::start(body, tcr::TTBR_ASID.put(ASID) | window.tables.root());
        for round in 1..=ROUNDS {
            window.tables.set(va, 3, 0);
            // SAFETY: what is forgotten is read again from the tables.
            unsafe {
                asm!(
                    "dsb ish",
                    "tlbi aside1is, {}",
                    "dsb ish",
                    "isb",
                    in(reg) ASID << 48,
                    options(nostack)
                );
            }
            let which = (round % 2) as usize;
            window.tables.map(va, pages[which], 3, DATA | NG);
            check_eq!(ask(round), which as u64 + 1, "what it reads in round {}", round);
        }
        started.join();
        TCR_EL1.set(crate::mmu::default_tcr());
    }
}

case! {
    /// IC IVAU, like DC CVAU, reaches every CPU of the inner shareable domain. After the DSB, and
    /// an ISB of its own, another CPU executes what was written. The ISB must be the other's:
    /// nobody can flush another's pipeline.
    ///
    /// The case rewrites a function 250 times with another constant and does the maintenance; the
    /// other CPU, told to, executes ISB, calls it, and answers with the constant.
    ///
    /// ```text
    ///   CPU 0   str insn; dc cvau; dsb; ic ivau; dsb; "go"
    ///   CPU 1                                    isb; blr --> new code
    /// ```
    ///
    /// An emulator's decoded or translated code is an instruction cache for each vCPU, or one for
    /// all; either way the maintenance of one must invalidate it for those that are executing. It
    /// shows in Linux's `aarch64_insn_patch_text`, in kprobes, and in every JIT with threads: one
    /// thread compiles, another calls. Stale code there is an old version of a function, with
    /// assumptions that no longer hold, or garbage if the page was reused.
    "smp.ic_broadcast": "code rewritten by DC CVAU, IC IVAU, DSB on one CPU: a running CPU executes the new one";
    reference: "DDI 0487: IC IVAU; concurrent modification and execution of instructions";
    needs: Needs::PSCI.vcpus(2);
    fn ic_broadcast() {
        const ROUNDS: u64 = 250;
        const MOVZ_W0: u32 = 0x5280_0000;
        extern "C" fn body(root: u64) {
            answer(root, ROUNDS, |va| {
                let value: u64;
                // SAFETY: a function is there whenever the other CPU asks; it changes X0 only.
                unsafe {
                    asm!("isb", "blr {}", in(reg) va, out("x0") value, out("x30") _, options(nostack));
                }
                value
            });
        }
        let mut window = Window::open(Granule::K4, 39);
        // Not at the start of its page: there caches of decoded code that go by the page have most
        // of what they drop by themselves.
        const OFFSET: u64 = 0x6a8;
        let page = window.page(0x7000, NORMAL | AF | AP_READ_ONLY | UXN);
        let (pa, va) = (page.pa + OFFSET, page.va + OFFSET);
        write_code(pa, MOVZ_W0);
        write_code(pa + 4, RET);
        clear(va);
        let started = smp::start(body, window.tables.root());
        for round in 1..=ROUNDS {
            write_code(pa, MOVZ_W0 | (round as u32) << 5);
            check_eq!(ask(round), round, "what the code returns");
        }
        started.join();
    }
}
