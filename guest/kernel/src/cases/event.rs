//! The event register: what SEV, SEVL and WFE do, alone and between CPUs.
//!
//! WFE may come back for no reason. So nothing here fails because it came back; what fails is a WFE
//! that does not: the case then never ends, and whoever runs it says so.

use core::arch::asm;
use core::sync::atomic::Ordering;

use aarch64_cpu::asm::barrier;
use anyvisor_abi::case::Needs;
use anyvisor_arch::pstate::Vector;

use super::gic_sgi::SGI;
use crate::gic::DEFAULT_PRIORITY;
use crate::gic::interrupt::{Group, Interrupt};
use crate::interrupt::unmasked;
use crate::smp::{self, Line, Work, spin_until, tell, wait_for, wait_until};
use crate::trap::{After, catch};
use crate::{case, check_eq, gic};

static FLAG: Line = Line::new();
static REPLY: Line = Line::new();
static COUNT: Line = Line::new();

fn clear() {
    for line in [&FLAG, &REPLY, &COUNT] {
        line.clear();
    }
}

/// Makes the event register 0: WFE takes off what was there, or what SEVL put there.
fn forget_events() {
    aarch64_cpu::asm::sevl();
    aarch64_cpu::asm::wfe();
}

/// Stores without an event.
fn put(line: &Line, value: u64) {
    line.0.store(value, Ordering::Release);
    barrier::dsb(barrier::ISH);
}

case! {
    /// An event of one's own is remembered until WFE takes it.
    "event.own": "SEVL, and SEV, let the next WFE of this CPU complete at once, every time";
    reference: "DDI 0487: WFE, SEV, SEVL; the Event Register";
    needs: Needs::NONE;
    fn own() {
        for _ in 0..1000 {
            aarch64_cpu::asm::sevl();
            aarch64_cpu::asm::wfe();
            aarch64_cpu::asm::sev();
            aarch64_cpu::asm::wfe();
        }
    }
}

case! {
    /// An exception's return is an event: a handler may have changed what the WFE waits for.
    "event.exception_return": "an exception and its ERET just before a WFE let it complete at once";
    reference: "DDI 0487: WFE wake-up events; AArch64.ExceptionReturn sets the Event Register";
    needs: Needs::NONE;
    fn exception_return() {
        for _ in 0..100 {
            forget_events();
            catch(After::Resume, || {
                // SAFETY: the SVC is announced; its handler returns behind it.
                unsafe { asm!("svc #0", "wfe", options(nostack)) }
            });
        }
    }
}

case! {
    /// SEV reaches a CPU that does not wait yet: its next WFE completes.
    "event.remembered": "SEV of another CPU before this one's WFE is remembered, 200 times";
    reference: "DDI 0487: SEV: the Event Register of all PEs in the system; WFE";
    needs: Needs::PSCI.vcpus(2);
    fn remembered() {
        const ROUNDS: u64 = 200;
        extern "C" fn body(_: u64) {
            for round in 1..=ROUNDS {
                spin_until(|| FLAG.get() == round);
                barrier::dsb(barrier::ISH);
                aarch64_cpu::asm::sev();
                barrier::dsb(barrier::ISH);
                put(&REPLY, round);
            }
        }
        clear();
        let started = smp::start(body, 0);
        for round in 1..=ROUNDS {
            forget_events();
            put(&FLAG, round);
            spin_until(|| REPLY.get() == round);
            aarch64_cpu::asm::wfe();
        }
        started.join();
    }
}

case! {
    /// And it reaches all that wait.
    "event.wakes_all": "one SEV lets the WFE of every other CPU complete, 100 times";
    reference: "DDI 0487: SEV: the Event Register of all PEs in the system";
    needs: Needs::PSCI.vcpus(2);
    fn wakes_all() {
        const ROUNDS: u64 = 100;
        extern "C" fn body(_: u64) {
            for round in 1..=ROUNDS {
                COUNT.add(1);
                wait_until(|| FLAG.get() == round);
            }
        }
        clear();
        let others = smp::cpu_count() as u64 - 1;
        let started = smp::start_all(body, None);
        for round in 1..=ROUNDS {
            wait_until(|| COUNT.get() == round * others);
            tell(&FLAG, round);
        }
        started.join();
    }
}

case! {
    /// A CPU whose load-exclusive marked an address is woken by whoever writes there: no SEV is
    /// needed, and Linux's `smp_cond_load_relaxed` sends none.
    "event.monitor": "a plain store to what another CPU marked by LDAXR lets its WFE complete, 200 times";
    reference: "DDI 0487: WFE wake-up events: clearing of the global monitor";
    needs: Needs::PSCI.vcpus(2);
    fn monitor() {
        const ROUNDS: u64 = 200;
        extern "C" fn body(_: u64) {
            for round in 1..=ROUNDS {
                loop {
                    let seen: u64;
                    // SAFETY: reads the line; WFE waits only while nobody has written to it.
                    unsafe {
                        asm!(
                            "ldaxr {seen}, [{at}]",
                            "cmp {seen}, {wanted}",
                            "b.eq 1f",
                            "wfe",
                            "1: clrex",
                            at = in(reg) FLAG.0.as_ptr(),
                            wanted = in(reg) round,
                            seen = out(reg) seen,
                            options(nostack),
                        );
                    }
                    if seen == round {
                        break;
                    }
                }
                put(&REPLY, round);
            }
        }
        clear();
        let started = smp::start(body, 0);
        for round in 1..=ROUNDS {
            put(&FLAG, round);
            spin_until(|| REPLY.get() == round);
        }
        started.join();
    }
}

case! {
    /// An interrupt that is not masked ends WFE as it ends everything, and is taken.
    "event.interrupt": "an unmasked SGI is taken by a CPU in WFE, whose loop then goes on, 100 times";
    reference: "DDI 0487: WFE wake-up events: an IRQ that is not masked";
    needs: Needs::ANY_GIC.and(Needs::PSCI).vcpus(2);
    fn interrupt() {
        const ROUNDS: u64 = 100;
        fn handler(_: usize, _: Vector) {
            let taken = gic::acknowledge().expect("an IRQ was taken");
            check_eq!(taken.intid().into(), SGI.into(), "INTID");
            gic::end(taken);
            put(&COUNT, COUNT.get() + 1);
        }
        extern "C" fn body(_: u64) {
            Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
            tell(&REPLY, u64::MAX);
            unmasked(|| {
                for round in 1..=ROUNDS {
                    wait_until(|| COUNT.get() >= round);
                    put(&REPLY, round);
                }
            });
        }
        clear();
        let cpu = smp::other();
        let work = Work { body, argument: 0, interrupt: Some(handler) };
        let started = smp::start_on(cpu, work);
        wait_for(&REPLY, u64::MAX);
        for round in 1..=ROUNDS {
            gic::send(SGI, cpu);
            spin_until(|| REPLY.get() == round);
        }
        started.join();
    }
}
