//! Interrupts against somebody else: EL0 that is interrupted, another CPU that takes back what is
//! being acknowledged.

use core::sync::atomic::{AtomicU64, Ordering};

use anyvisor_abi::case::Needs;
use anyvisor_arch::pstate::{self, DAIF, Mode, Vector, vector_offset};

use super::gic::{check_quiet, check_state, spi};
use super::virq::only_one;
use crate::gic::cpu_interface::{self as icc, NONE};
use crate::gic::interrupt::{Group, Interrupt, State};
use crate::gic::{self, DEFAULT_PRIORITY};
use crate::interrupt::{self, unmasked};
use crate::smp::{self, Line};
use crate::timer::{VIRTUAL, frequency};
use crate::user::{self, User};
use crate::{case, check_eq, figure, user_code};

case! {
    /// An interrupt that comes while EL0 runs: taken to EL1 by the vector of "a lower level", with
    /// EL0's PC and PSTATE saved, its registers untouched, and back again by ERET.
    ///
    /// ```text
    ///   EL1  ISPENDR, ERET --+                      +--> vector 0x480: IAR, EOIR, ELR + 4, ERET
    ///   EL0                  +--> b . (pending, so  |                                   |
    ///                             taken before or --+           svc #0 <----------------+
    ///                             at the loop)
    /// ```
    ///
    /// PSTATE.I of EL0 is what masks it, and EL0 cannot change that. A hypervisor that injects by
    /// writing ELR_EL1, SPSR_EL1 and PC itself (no vGIC, no HCR_EL2.VI) has to choose among four
    /// vectors by the vCPU's PSTATE: 0x280 for all is right until there is a user.
    "gic.taken_from_el0": "an SPI pending at ERET to EL0 is taken by vector 0x480 with EL0's PC, PSTATE and registers";
    reference: "DDI 0487: exception vectors, from a lower level using AArch64; PSTATE.I; IHI 0069";
    needs: Needs::GIC;
    fn taken_from_el0() {
        for round in 0..20_u32 {
            let intid = if round.is_multiple_of(2) { spi(0, DEFAULT_PRIORITY) } else {
                Interrupt::new(8).prepare(Group::One, DEFAULT_PRIORITY)
            };
            interrupt::listen(|frame| {
                icc::set_eoir1(icc::iar1());
                frame.elr += 4; // out of the loop
            });
            let start = user_code!(user_spins);
            let mut user = User::at(start);
            for (n, x) in user.x.iter_mut().enumerate() {
                *x = 0x1111_0000_0000_0000 + n as u64;
            }
            user.pstate = DAIF & !(pstate::I | pstate::F) | Mode::El0t.bits();
            intid.set_pending();
            let trap = user::run(&mut user);
            let taken = only_one();
            check_eq!(taken.entry.offset(), vector_offset(Mode::El0t, Vector::Irq), "vector");
            check_eq!(taken.elr, start, "ELR_EL1");
            check_eq!(taken.spsr & (pstate::MODE | DAIF), user.pstate & (pstate::MODE | DAIF), "SPSR_EL1");
            check_eq!(trap.elr, start + 8, "ELR_EL1 of EL0's SVC");
            for (n, x) in trap.x.into_iter().enumerate() {
                check_eq!(x, 0x1111_0000_0000_0000 + n as u64, "X{} of EL0", n);
            }
            check_state(intid, State::INACTIVE);
        }
    }
}

/// The SPI that is given and taken back.
static TARGET: AtomicU64 = AtomicU64::new(0);
static GIVEN: Line = Line::new();
static OVER: Line = Line::new();
static TAKEN: AtomicU64 = AtomicU64::new(0);
static SPURIOUS: AtomicU64 = AtomicU64::new(0);

/// Ticks in so many microseconds, one at least.
fn microseconds(n: u64) -> u64 {
    (frequency() * n / 1_000_000).max(1)
}

case! {
    /// Another CPU makes an SPI pending and takes it back at once, while this CPU is being told of
    /// it. It may find it or find nothing: nothing is INTID 1023, with no state and no priority left
    /// behind.
    ///
    /// ```text
    ///   CPU 1    ISPENDR ......... ICPENDR
    ///   CPU 0        IRQ signalled ... vector ... IAR -> the SPI, or 1023 if it was too late
    /// ```
    ///
    /// The window is small on hardware and large in a VM: the signal is an injected interrupt or a
    /// list register that was filled before the entry, the withdrawal is an exit of another vCPU.
    /// If the hypervisor leaves the list register as it is, the guest takes an interrupt that it
    /// has cancelled; if it empties it and leaves HCR_EL2.VI set, the guest takes interrupts that
    /// are none, for ever. Acknowledging 1023 must not push an active priority, and must not be
    /// ended.
    "gic.withdrawn_race": "an SPI taken back by another CPU 300 times while it is acknowledged: taken, or 1023, and nothing is left";
    reference: "IHI 0069: special INTIDs: 1023; GICD_ICPENDR<n>; ICC_IAR1_EL1";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(2);
    fn withdrawn_race() {
        const ROUNDS: u64 = 300;
        fn handler(_: &mut crate::exception::TrapFrame) {
            match icc::iar1() {
                NONE => SPURIOUS.fetch_add(1, Ordering::Relaxed),
                intid => {
                    check_eq!(intid, TARGET.load(Ordering::Relaxed), "ICC_IAR1_EL1");
                    icc::set_eoir1(intid);
                    TAKEN.fetch_add(1, Ordering::Relaxed)
                }
            };
            check_eq!(icc::rpr(), icc::IDLE, "ICC_RPR_EL1 in the handler, after the end");
        }
        extern "C" fn body(_: u64) {
            let spi = Interrupt::new(TARGET.load(Ordering::Relaxed) as u32);
            for round in 0..ROUNDS {
                spi.set_pending();
                // Every other time it gets the chance to be taken.
                let end = (VIRTUAL.counter)() + microseconds(round % 16 * 4);
                let patient = round.is_multiple_of(2);
                while (VIRTUAL.counter)() < end && (patient || !spi.is_active()) {}
                spi.clear_pending();
                GIVEN.add(1);
            }
            OVER.add(1);
        }
        let spi = spi(0, 0x40);
        TARGET.store(spi.intid.into(), Ordering::Relaxed);
        for line in [&GIVEN, &OVER] {
            line.clear();
        }
        for count in [&TAKEN, &SPURIOUS] {
            count.store(0, Ordering::Relaxed);
        }
        interrupt::listen(handler);
        let started = smp::start(body, 0);
        unmasked(|| smp::spin_until(|| OVER.get() == 1));
        started.join();
        gic::settle();
        let (taken, spurious) = (TAKEN.load(Ordering::Relaxed), SPURIOUS.load(Ordering::Relaxed));
        assert!(taken <= ROUNDS, "{ROUNDS} were given, {taken} taken");
        figure!("taken", taken, "times");
        figure!("spurious", spurious, "times");
        check_state(spi, State::INACTIVE);
        check_eq!(icc::rpr(), icc::IDLE, "ICC_RPR_EL1");
        check_quiet();
        // The line still works.
        spi.set_pending();
        super::gic::take(spi);
        super::gic::end(spi);
    }
}
