//! The event register: what SEV, SEVL and WFE do, alone and between CPUs.
//!
//! WFE may come back for no reason. So nothing here fails because it came back; what fails is a WFE
//! that does not: the case then never ends, and whoever runs it says so.
//!
//! ```text
//!   SEV (any CPU), SEVL (own), ERET, monitor cleared --> register = 1
//!   WFE:   register 1 --> 0, go on
//!          register 0 --> wait for one of these, or an interrupt that
//!                         is not masked
//! ```
//!
//! The register is one bit of the vCPU that no instruction can read. A hypervisor that traps WFE
//! (HCR_EL2.TWE) does so to give its core to another vCPU for a while; the waiter must be able to
//! run again soon, for the SEV that it waits for does not exit.

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
    /// An event of one's own is remembered until a WFE takes it. SEVL sets the event register of
    /// this CPU, SEV that of all, this one included. The next WFE finds it set, clears it, and
    /// completes at once.
    ///
    /// The case does SEVL, WFE, SEV, WFE a thousand times. If one event is forgotten the case
    /// hangs.
    ///
    /// ```text
    ///   sevl   register 1      wfe   register 0, goes on
    ///   sev    register 1      wfe   register 0, goes on
    /// ```
    ///
    /// Spin loops on Arm begin with SEVL so that the first WFE falls through and the condition is
    /// looked at. A hypervisor that traps WFE unconditionally and blocks the vCPU "until an event"
    /// stops such a loop before its first look; hardware's trap (TWE) comes only if the WFE would
    /// wait. An emulator that makes WFE a plain sleep hangs at the first contended lock of a guest,
    /// or ends each of them by a timeout and is slow.
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
    /// An exception return sets the event register. A handler may have changed what the interrupted
    /// code waits for, so the WFE behind it must look again and not wait.
    ///
    /// The case empties the event register, then executes SVC with a WFE directly behind: the
    /// handler's ERET is the event. A hundred times.
    ///
    /// ```text
    ///   svc --> handler --> eret: register = 1
    ///   wfe     completes at once
    /// ```
    ///
    /// Without it there is a race: code looks at a flag, is interrupted by a handler that sets it,
    /// returns, and waits. A hypervisor's own ERET into the guest sets it too, so after each exit
    /// the next WFE of the guest falls through; that is allowed. An emulator that writes ERET as
    /// "restore PC and PSTATE" leaves out two lines of the manual's AArch64.ExceptionReturn: the
    /// event, and the exclusive monitor's clearing.
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
    /// SEV reaches a CPU that does not wait yet. It sets the event register, and that CPU's next
    /// WFE completes: nothing depends on who was first.
    ///
    /// The case empties its register and asks the other CPU for an SEV; when the other says that it
    /// is done, this one executes WFE. 200 times.
    ///
    /// ```text
    ///   CPU 0   sevl; wfe ("0")   "go" ....... told ... wfe: at once
    ///   CPU 1                     sev --> register of CPU 0 = 1
    /// ```
    ///
    /// The register is what makes WFE safe to use: look, then wait, with an SEV between the two
    /// kept. A hypervisor or emulator that implements SEV as "wake all threads that are waiting"
    /// loses it when nobody is. Its users see a lock that hangs now and then, only with several
    /// vCPUs and only when the holder was quick. The state has to be kept with the vCPU, over exits
    /// and when it moves to another core.
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
    /// One SEV sets the event register of every PE in the system, and all that wait in WFE go on.
    ///
    /// The case has all other CPUs wait for a flag by a loop of load-acquire and WFE. 100 times it
    /// waits for all to have come, sets the flag, and sends one SEV.
    ///
    /// ```text
    ///   CPU 0   stlr flag; dsb; sev ---+--> CPU 1: wfe completes
    ///                                  +--> CPU 2: wfe completes
    ///                                  +--> CPU n: wfe completes
    /// ```
    ///
    /// An unlock in the old style is made of this: it wakes everybody, and one gets the lock. A
    /// hypervisor in which a blocked WFE is one queue must wake all of the queue, not the first.
    /// Vice versa a vCPU that is not blocked but on its way there has to find the register set.
    /// Where vCPUs outnumber cores, waking sixty-four to have sixty-three wait again is slow, but
    /// it is what the guest has asked for.
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
    /// A CPU whose load-exclusive marked an address gets an event when another CPU writes there:
    /// the global monitor goes from exclusive to open. So a plain store wakes a waiter, and no SEV
    /// is needed. Linux's `smp_cond_load_relaxed` and its spin locks send none.
    ///
    /// The case has the other CPU wait by LDAXR, compare, WFE. This one only stores, 200 times, and
    /// waits for the answer.
    ///
    /// ```text
    ///   CPU 1   ldaxr flag (mark) --> not yet --> wfe ....... completes
    ///   CPU 0                              str flag: mark cleared = event
    /// ```
    ///
    /// A hypervisor on hardware has it for free, unless it traps WFE and blocks the vCPU: it cannot
    /// see that store, so it may only yield for a moment and run the vCPU again. An emulator has to
    /// watch the marked address, or, cheaper, let WFE end after a while. One that waits for SEV
    /// alone hangs on Linux's first contended lock.
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
    /// An interrupt that is not masked by PSTATE is a wake-up event for WFE. It is taken, and its
    /// ERET is an event, so that the loop goes on. (A masked one need not end WFE, which is a
    /// difference from WFI.)
    ///
    /// The case has the other CPU wait in a WFE loop with interrupts on; its handler counts. This
    /// CPU sends an SGI 100 times and waits each time until the loop has seen the count.
    ///
    /// ```text
    ///   CPU 1   wfe ... IRQ --> handler: count + 1 --> eret --> loop looks
    ///   CPU 0        SGI                                        answer
    /// ```
    ///
    /// A vCPU blocked in WFE needs a second reason to be woken beside events. If the hypervisor
    /// treats WFE as WFI, a masked interrupt wakes it, which is harmless; if it waits for events
    /// only, an interrupt comes as late as the next SEV. Linux waits for locks with interrupts on
    /// where it can: the tick and all IPIs to that CPU would stand still while it spins.
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
