//! Shared interrupts: which CPU gets one, and what a line does that stays high.

use core::sync::atomic::{AtomicU64, Ordering};

use anyvisor_abi::case::Needs;
use anyvisor_abi::service::{LEVEL_HIGH, LEVEL_LOW, LEVEL_PULSE};
use anyvisor_arch::gic::gicd;
use anyvisor_arch::gic::icc::ctlr;
use anyvisor_arch::pstate::Vector;

use super::gic::{check_quiet, check_state, end, spi, take, wait_for_irq};
use super::gic_takers::{OVER, READY, TAKEN, all_taken, clear};
use crate::console::{is_transmit_interrupt_raised, let_transmit_interrupt_out};
use crate::gic::cpu_interface::{self as icc, NONE};
use crate::gic::interrupt::{Group, Interrupt, State, Trigger};
use crate::gic::{self, DEFAULT_PRIORITY, FREE_SPIS};
use crate::interrupt::unmasked;
use crate::machine;
use crate::services::{host_time, inject_spi};
use crate::smp::{self, Work, sleep_until, tell, wait_until};
use crate::{case, check_eq, println, skip};

/// The INTID of the last interrupt that another CPU took.
static INTID: AtomicU64 = AtomicU64::new(0);

fn count(cpu: usize, _: Vector) {
    let intid = icc::iar1();
    if intid == NONE {
        return; // somebody else took it, or it was moved away: that is allowed
    }
    INTID.store(intid, Ordering::Relaxed);
    icc::set_eoir1(intid);
    TAKEN[cpu].add(1);
}

/// Takes interrupts until it is over.
extern "C" fn take_them(_: u64) {
    READY.add(1);
    unmasked(|| wait_until(|| OVER.get() == 1));
}

/// Whether an SPI can be routed to any CPU.
fn distributes() -> bool {
    u64::from(gic::distributor().read(gicd::TYPER)) & gicd::typer::NO_1N == 0
}

/// All other CPUs, ready to take interrupts.
fn others() -> smp::Started {
    clear();
    let started = smp::start_all(take_them, Some(count));
    wait_until(|| READY.get() == smp::cpu_count() as u64 - 1);
    started
}

case! {
    /// GICD_IROUTER names the one CPU that gets an SPI.
    "gic_spi.routed": "an SPI goes to the CPU that IROUTER names, to each in turn, and to no other";
    reference: "IHI 0069: GICD_IROUTER<n>, affinity routing";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(2);
    fn routed() {
        let started = others();
        let spi = spi(0, DEFAULT_PRIORITY);
        for (n, cpu) in (1..).zip(smp::others()) {
            spi.route(smp::affinity(cpu));
            spi.set_pending();
            wait_until(|| TAKEN[cpu].get() == 1);
            check_eq!(all_taken(), n, "taken by all");
            check_eq!(INTID.load(Ordering::Relaxed), spi.intid.into(), "INTID");
            check_quiet();
        }
        spi.route(smp::own_affinity());
        spi.set_pending();
        take(spi);
        end(spi);
        tell(&OVER, 1);
        started.join();
        check_eq!(all_taken(), smp::cpu_count() as u64 - 1, "taken by others");
    }
}

case! {
    /// A pending SPI whose route changes goes to the new CPU. This one leaves it alone until then.
    "gic_spi.rerouted": "a pending SPI that is routed to another CPU is taken there, not here";
    reference: "IHI 0069: GICD_IROUTER<n>: a change affects a pending interrupt";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(2);
    fn rerouted() {
        let started = others();
        let spi = spi(0, DEFAULT_PRIORITY);
        for (n, cpu) in (1..).zip(smp::others()) {
            spi.route(smp::own_affinity());
            spi.set_pending();
            wait_for_irq();
            spi.route(smp::affinity(cpu));
            wait_until(|| all_taken() == n);
            check_eq!(TAKEN[cpu].get(), 1, "taken by CPU {}", cpu);
            check_quiet();
        }
        tell(&OVER, 1);
        started.join();
    }
}

case! {
    /// With Interrupt_Routing_Mode any one CPU gets it: which one is not said, but one.
    "gic_spi.one_of_n": "an SPI for any CPU is taken once, by one of them, each time";
    reference: "IHI 0069: GICD_IROUTER<n>.Interrupt_Routing_Mode; 1 of N SPI interrupts";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(2);
    fn one_of_n() {
        const TIMES: u64 = 20;
        if !distributes() {
            skip!("GICD_TYPER.No1N: this GIC does not distribute");
        }
        let started = others();
        let spi = spi(0, DEFAULT_PRIORITY);
        spi.route_to_any();
        let mut here = 0;
        for n in 1..=TIMES {
            spi.set_pending();
            smp::spin_until(|| {
                if icc::signalled() != 0 && icc::iar1() == u64::from(spi.intid) {
                    end(spi);
                    here += 1;
                }
                all_taken() + here == n
            });
            smp::spin_until(|| spi.state() == State::INACTIVE);
        }
        tell(&OVER, 1);
        started.join();
        check_quiet();
        check_eq!(all_taken() + here, TIMES, "taken by all");
    }
}

case! {
    /// The CPU that is off left its groups enabled, and of those that might get the SPI it is the
    /// first; the one that asks for it has Group 1 disabled.
    "gic_spi.one_of_n_off": "an SPI for any CPU is not given to one that is off, but to one that is on";
    reference: "IHI 0069: 1 of N SPI interrupts; power management; DEN 0022: CPU_OFF";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(3);
    fn one_of_n_off() {
        if !distributes() {
            skip!("GICD_TYPER.No1N: this GIC does not distribute");
        }
        extern "C" fn come_and_go(_: u64) {
            READY.add(1);
        }
        clear();
        let mut others = smp::others();
        let (Some(off), Some(on)) = (others.next(), others.next()) else { panic!("three CPUs") };
        smp::start_on(off, Work { body: come_and_go, argument: 0, interrupt: None }).join();
        let work = Work { body: take_them, argument: 0, interrupt: Some(count) };
        let started = smp::start_on(on, work);
        wait_until(|| READY.get() == 2);
        icc::set_igrpen1(0);
        let spi = spi(0, DEFAULT_PRIORITY);
        spi.route_to_any();
        spi.set_pending();
        wait_until(|| TAKEN[on].get() == 1);
        icc::set_igrpen1(1);
        tell(&OVER, 1);
        started.join();
        check_quiet();
        check_eq!(all_taken(), 1, "taken by all");
    }
}

case! {
    /// Only the CPU that acknowledged it drops its priority, but any may deactivate an SPI.
    "gic_spi.deactivated_elsewhere": "EOImode 1: an SPI that one CPU acknowledged is deactivated by another's DIR";
    reference: "IHI 0069: ICC_DIR_EL1: an SPI may be deactivated by another PE";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(2);
    fn deactivated_elsewhere() {
        extern "C" fn body(intid: u64) {
            icc::set_ctlr(ctlr::EOI_MODE);
            wait_until(|| READY.get() == 1);
            icc::set_dir(intid);
            tell(&READY, 2);
        }
        clear();
        let spi = spi(0, DEFAULT_PRIORITY);
        icc::set_ctlr(ctlr::EOI_MODE);
        let started = smp::start(body, spi.intid.into());
        spi.set_pending();
        take(spi);
        end(spi);
        check_state(spi, State::ACTIVE);
        spi.set_pending();
        check_quiet();
        tell(&READY, 1);
        wait_until(|| READY.get() == 2);
        take(spi);
        end(spi);
        icc::set_dir(spi.intid.into());
        check_state(spi, State::INACTIVE);
        started.join();
    }
}

case! {
    /// Another CPU's interrupt does not care what this one is doing.
    "gic_spi.parallel": "each CPU handles its own SPI while all others are active";
    reference: "IHI 0069: a CPU interface for each PE";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(2);
    fn parallel() {
        extern "C" fn body(cpu: u64) {
            let spi = Interrupt::new(FREE_SPIS.start + cpu as u32);
            smp::spin_until(|| icc::signalled() != 0);
            check_eq!(icc::iar1(), spi.intid.into(), "ICC_IAR1_EL1 of CPU {}", cpu);
            READY.add(1);
            // The highest priority is running here, and nowhere else.
            wait_until(|| OVER.get() == 1);
            check_eq!(icc::rpr(), 0, "ICC_RPR_EL1 of CPU {}", cpu);
            icc::set_eoir1(spi.intid.into());
        }
        clear();
        let all = FREE_SPIS.len().min(smp::cpu_count());
        let own = smp::this_cpu();
        let spis: [Interrupt; 8] = core::array::from_fn(|n| spi(n as u32, 0));
        let mut started = [const { None }; 8];
        for cpu in (0..all).filter(|&cpu| cpu != own) {
            let work = Work { body, argument: cpu as u64, interrupt: None };
            started[cpu] = Some(smp::start_on(cpu, work));
            spis[cpu].route(smp::affinity(cpu));
            spis[cpu].set_pending();
        }
        spis[own].set_pending();
        take(spis[own]);
        wait_until(|| READY.get() == all as u64 - 1);
        for spi in &spis[..all] {
            check_state(*spi, State::ACTIVE);
        }
        tell(&OVER, 1);
        end(spis[own]);
        started.into_iter().flatten().for_each(smp::Started::join);
        for spi in spis {
            check_state(spi, State::INACTIVE);
        }
    }
}

case! {
    /// Software may pend a level-sensitive interrupt too: it is pending though its line is low,
    /// until it is acknowledged.
    "gic_spi.level_by_hand": "ISPENDR pends a level-sensitive SPI with its line low; IAR takes the pending state off";
    reference: "IHI 0069: GICD_ISPENDR<n>: level-sensitive interrupts";
    needs: Needs::GIC;
    fn level_by_hand() {
        let spi = spi(0, DEFAULT_PRIORITY);
        spi.set_trigger(Trigger::Level);
        check_state(spi, State::INACTIVE);
        spi.set_pending();
        check_state(spi, State::PENDING);
        take(spi);
        check_state(spi, State::ACTIVE);
        end(spi);
        check_state(spi, State::INACTIVE);
        check_quiet();
        spi.set_pending();
        wait_for_irq();
        spi.clear_pending();
        check_quiet();
        check_state(spi, State::INACTIVE);
    }
}

/// The console's interrupt, its line low, and what it takes to be raised behind its mask.
fn console() -> Interrupt {
    let Some(console) = machine::get().pl011() else {
        skip!("the console is no PL011: there is no line to raise at will");
    };
    let Some(intid) = console.interrupt else {
        skip!("the FDT gives the console no interrupt");
    };
    let_transmit_interrupt_out(false);
    println!("# this line raises the console's transmit interrupt");
    if !is_transmit_interrupt_raised() {
        skip!("UARTRIS.TXRIS is 0 after a transmission");
    }
    let interrupt = Interrupt::new(intid).prepare(Group::One, DEFAULT_PRIORITY);
    interrupt.disable();
    gic::settle();
    interrupt.set_trigger(Trigger::Level);
    interrupt.clear_pending();
    interrupt.enable();
    interrupt
}

case! {
    /// A device's line is a level: pending as long as it is high, whatever software clears, and
    /// gone when it is low.
    "gic_spi.level": "the console's line, high, is pending against ICPENDR; low, it is withdrawn";
    reference: "IHI 0069: level-sensitive interrupts; GICD_ICPENDR<n>; DDI 0183: UARTIMSC";
    needs: Needs::GIC;
    fn level() {
        let console = console();
        check_state(console, State::INACTIVE);
        let_transmit_interrupt_out(true);
        wait_for_irq();
        console.clear_pending();
        check_state(console, State::PENDING);
        wait_for_irq();
        let_transmit_interrupt_out(false);
        check_quiet();
        check_eq!(icc::iar1(), NONE, "ICC_IAR1_EL1 with the line low");
        check_state(console, State::INACTIVE);
    }
}

case! {
    /// A handler that does not silence its device is called again.
    "gic_spi.level_stays": "a line that stays high is active and pending, and comes again after EOIR";
    reference: "IHI 0069: interrupt handling state machine: level-sensitive interrupts";
    needs: Needs::GIC;
    fn level_stays() {
        let console = console();
        let_transmit_interrupt_out(true);
        for _ in 0..3 {
            take(console);
            check_state(console, State::ACTIVE_AND_PENDING);
            check_quiet();
            end(console);
            check_state(console, State::PENDING);
        }
        take(console);
        let_transmit_interrupt_out(false);
        check_state(console, State::ACTIVE);
        end(console);
        check_state(console, State::INACTIVE);
        check_quiet();
    }
}

case! {
    /// The same line seen as an edge: going high is remembered, staying high is nothing.
    "gic_spi.edge": "as an edge the console's line is taken once, though it stays high; the next edge again";
    reference: "IHI 0069: edge-triggered interrupts; GICD_ICFGR<n>";
    needs: Needs::GIC;
    fn edge() {
        let console = console();
        console.disable();
        gic::settle();
        console.set_trigger(Trigger::Edge);
        console.clear_pending();
        console.enable();
        for _ in 0..3 {
            let_transmit_interrupt_out(true);
            take(console);
            check_state(console, State::ACTIVE);
            end(console);
            check_quiet();
            let_transmit_interrupt_out(false);
            check_quiet();
        }
        let_transmit_interrupt_out(true);
        let_transmit_interrupt_out(false); // it was there, and is remembered
        take(console);
        end(console);
        check_quiet();
    }
}

case! {
    /// The monitor's own lines: all SPIs that no device has can be driven.
    "gic_spi.injected": "an SPI that the monitor drives is pending while its line is high; a pulse is an edge";
    reference: "IHI 0069: shared peripheral interrupts; hv_gic_set_spi";
    needs: Needs::GIC.and(Needs::SERVICES);
    fn injected() {
        let spi = spi(0, DEFAULT_PRIORITY);
        inject_spi(spi.intid, LEVEL_PULSE, 0);
        take(spi);
        end(spi);
        check_quiet();
        spi.disable();
        gic::settle();
        spi.set_trigger(Trigger::Level);
        spi.enable();
        inject_spi(spi.intid, LEVEL_HIGH, 0);
        take(spi);
        check_state(spi, State::ACTIVE_AND_PENDING);
        inject_spi(spi.intid, LEVEL_LOW, 0);
        check_state(spi, State::ACTIVE);
        end(spi);
        check_quiet();
        inject_spi(spi.intid, LEVEL_HIGH, 0);
        wait_for_irq();
        inject_spi(spi.intid, LEVEL_LOW, 0);
        check_quiet();
    }
}

case! {
    /// A line that goes high later ends a WFI that waits for it, masked or not.
    "gic_spi.wakes": "WFI with PSTATE.I set wakes when an SPI becomes pending 3 ms later, not before";
    reference: "DDI 0487: WFI wake-up events; IHI 0069: ICC_PMR_EL1";
    needs: Needs::GIC.and(Needs::SERVICES);
    fn wakes() {
        const DELAY: u64 = 3_000_000;
        let spi = spi(0, DEFAULT_PRIORITY);
        let start = host_time();
        inject_spi(spi.intid, LEVEL_PULSE, DELAY);
        sleep_until(|| icc::signalled() != 0);
        let waited = host_time() - start;
        assert!(waited >= DELAY, "the SPI was there after {waited} ns");
        take(spi);
        end(spi);
    }
}
