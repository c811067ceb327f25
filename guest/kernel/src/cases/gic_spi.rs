//! Shared interrupts: which CPU gets one, and what a line does that stays high.
//!
//! ```text
//!   device line --> GICD: pending --> IROUTER --> one CPU's interface
//!                   edge: remembered     affinity, or any (1 of N)
//!                   level: the line itself
//! ```
//!
//! The hypervisor is at both ends: its device models drive the lines (an irqfd, `hv_gic_set_spi`),
//! and its distributor chooses the vCPU. The state of an SPI is shared, so a change by one vCPU has
//! to reach another that may have it in a list register.

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
    /// GICD_IROUTER names the one CPU that gets an SPI. No other sees it, and it need not be the
    /// one that made it pending.
    ///
    /// The case routes an SPI to each other CPU in turn, makes it pending from here, and wants it
    /// taken there with the right INTID, once, and not signalled here; at the end it routes it to
    /// itself.
    ///
    /// ```text
    ///   IROUTER = Aff of n   ISPENDR (from CPU 0) --> CPU n: IRQ
    ///                                                 CPU 0: nothing
    /// ```
    ///
    /// A hypervisor that delivers to the vCPU whose exit it is handling, or always to vCPU 0, works
    /// with one CPU and seems to work with several, since Linux routes to CPU 0 unless told
    /// otherwise. It fails when irqbalance moves a queue's interrupt, or when CPU 0 goes offline.
    /// The lookup is by affinity; a route to a vCPU that is off keeps the interrupt pending, and it
    /// is taken when the vCPU comes.
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
    /// A change of IROUTER applies to a pending interrupt as well: it goes to the new CPU, and is
    /// no longer signalled to the old one.
    ///
    /// The case makes an SPI pending for itself, masked, sees the signal, routes it elsewhere, and
    /// wants it taken there once, and nothing signalled here.
    ///
    /// ```text
    ///   IROUTER = CPU 0: pending --> IRQ at CPU 0 (not taken: masked)
    ///   IROUTER = CPU n:             IRQ at CPU n, taken
    /// ```
    ///
    /// A hypervisor has put the interrupt into vCPU 0's list register by then. It has to take it
    /// back from there, which may need a kick, and give it to the other, and between the two
    /// moments nobody or both could have it: both is the failure to avoid. CPU hotplug in Linux
    /// does exactly this with interrupts masked; one that is left behind at a CPU that is going off
    /// is a device that never answers again.
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
    /// With Interrupt_Routing_Mode = 1 any one CPU may get an SPI: which one is up to the GIC, but
    /// it is one. GICD_TYPER.No1N says that a GIC cannot do it, and then the case skips.
    ///
    /// The case makes such an SPI pending 20 times with all CPUs ready, and counts: each time it is
    /// taken once, here or elsewhere.
    ///
    /// ```text
    ///   IRM = 1 --> GIC chooses among the CPUs whose group is enabled
    ///               taken by exactly one
    /// ```
    ///
    /// A hypervisor may choose at once and stay with its choice, which wastes nothing but the idea;
    /// it must not signal all and see who comes first unless the others then read 1023. Two vCPUs
    /// that both acknowledge it run the handler twice, at the same time, although the kernel holds
    /// interrupts to be serialized per INTID. One that chooses a vCPU that cannot take it has lost
    /// it: see `gic_spi.one_of_n_off`.
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
    /// An SPI for any CPU must go to one that can take it: one that is on, awake in the GIC's
    /// sense, and has its group enabled.
    ///
    /// The case has one CPU come, enable its groups, and go off again. Another waits, ready. The
    /// CPU that runs the case disables Group 1 for itself and makes the SPI pending. It must be
    /// taken by the one that waits, and once.
    ///
    /// ```text
    ///   CPU 0   on, Group 1 disabled       no
    ///   CPU 1   off, left Group 1 enabled  no
    ///   CPU 2   on, enabled                yes
    /// ```
    ///
    /// CPU_OFF in a hypervisor stops a vCPU's thread; the model of its GIC is something else, and
    /// its enables are still as the guest left them. A choice that looks at the model only picks
    /// the vCPU that is off, and the interrupt waits until somebody starts it. Hardware has the
    /// same trap: firmware must put the redistributor to sleep (GICR_WAKER) on the way down. Reset
    /// of a vCPU should reset its CPU interface, too.
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
    /// Acknowledgement and priority drop belong to a CPU interface: only the CPU that took an
    /// interrupt drops its priority. Deactivation of an SPI belongs to the distributor: with
    /// EOImode 1 any CPU may do it by ICC_DIR_EL1.
    ///
    /// The case takes an SPI and drops its priority, so that it is active and nothing is running,
    /// makes it pending again, which is held back, and has another CPU write DIR. Then it is
    /// signalled here and taken.
    ///
    /// ```text
    ///   CPU 0   IAR, EOIR: active      pending again, held back
    ///   CPU 1                DIR n --> not active
    ///   CPU 0                          IRQ, IAR
    /// ```
    ///
    /// In a hypervisor the active state may be in CPU 0's list register when CPU 1 traps with DIR,
    /// or, if DIR does not trap, the hardware finds nothing in CPU 1's list and drops the write
    /// silently. A hypervisor traps DIR (ICH_HCR_EL2.TDIR) for that reason. If the write is lost,
    /// the interrupt stays active and its device is dead; threaded handlers that end on another CPU
    /// do this all day.
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
    /// Each PE has a CPU interface of its own: what is active or running at one does not hold back
    /// another.
    ///
    /// The case gives each CPU (up to eight) an SPI of the highest priority, 0. Each takes its own,
    /// and all are active at the same time; on every CPU the running priority is 0, and none kept
    /// another from being signalled. Then all end.
    ///
    /// ```text
    ///   CPU 0   SPI 40 active, RPR 0
    ///   CPU 1   SPI 41 active, RPR 0      at the same time
    ///   CPU n   SPI 40+n active, RPR 0
    /// ```
    ///
    /// A model that was made for one CPU and got a second later has some variable left that is
    /// shared: the running priority, the active bits, "the current interrupt". Then the second
    /// CPU's interrupt waits for the first one's end. It is no hang but a serialization, and shows
    /// as a network throughput that does not rise with the number of queues.
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
    /// GICD_ISPENDR makes a level-sensitive interrupt pending too, with its line low. The state is
    /// latched by the write: acknowledging takes it off, and so does ICPENDR.
    ///
    /// The case makes an SPI level-sensitive, sets it pending by hand, takes it, and wants active
    /// only, then inactive; sets it again, and clears it by ICPENDR.
    ///
    /// ```text
    ///   pending = line  OR  latch (ISPENDR)
    ///             low       1 --> IAR --> 0      active
    /// ```
    ///
    /// So for a level two things are to be kept, the line and the latch, and the pending bit that
    /// is read is their OR. A hypervisor with a single bit mixes them: either ISPENDR does nothing
    /// for levels, or the latch stays after IAR and the interrupt comes for ever. Restoring a saved
    /// GIC is made of such writes: with a latch taken for the line, the restored guest is
    /// interrupted for ever.
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
    /// A device's line is a level: the interrupt is pending as long as it is high, whatever
    /// software clears, and gone as soon as it is low, if it was not acknowledged before.
    ///
    /// The case uses the console: its transmit interrupt, let out by UARTIMSC, raises the line.
    /// ICPENDR must not clear it; the mask set again lowers the line, and the signal must go and
    /// IAR give 1023.
    ///
    /// ```text
    ///   UARTRIS.TX & UARTIMSC.TX --> line --> pending --> IRQ
    ///   ICPENDR   no effect while high      line low --> withdrawn
    /// ```
    ///
    /// The device model runs in the hypervisor, so the line's fall happens inside an MMIO exit of
    /// the guest, and must take back an interrupt that is perhaps in a list register of another
    /// vCPU. If it is not taken back, the guest gets it after it has served the device, finds
    /// nothing to do, and Linux counts a spurious interrupt: 99,900 of 100,000 of them and it turns
    /// the line off.
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
    /// A handler that does not silence its device is called again: with the line high the interrupt
    /// is active and pending after IAR, and pending again after EOIR.
    ///
    /// The case takes the console's interrupt three times without lowering the line, each time
    /// active and pending inside; the fourth time it lowers the line inside: active only, then
    /// inactive.
    ///
    /// ```text
    ///   line  --------------------------------|______
    ///         IAR  EOIR IAR  EOIR IAR  EOIR IAR   EOIR
    ///         AP   P    AP   P    AP   P    A     -
    /// ```
    ///
    /// At EOIR somebody has to look at the line again. With list registers the guest's EOIR does
    /// not exit by itself; for level interrupts the hypervisor asks for it (the EOI bit in ICH_LR,
    /// a maintenance interrupt) or looks at each exit. If nobody looks, a device with two reasons
    /// in one interrupt is served for the first one only, and a disk request waits for a timeout of
    /// thirty seconds.
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
    /// The same line taken as an edge: the rise is remembered, and staying high is nothing. The
    /// next interrupt needs a fall and another rise.
    ///
    /// The case configures the console's SPI as an edge and lets the line go up, takes it once
    /// although it stays high, lowers and raises it, three times; then raises and lowers it before
    /// it is taken: it must still come, once.
    ///
    /// ```text
    ///   line     __|-----|___|-----|___|-|______
    ///   pending  __|-IAR_____|-IAR_____|-------IAR
    /// ```
    ///
    /// What is "remembered" is the rise, in the distributor. A hypervisor that computes pending
    /// from the line, for all interrupts, loses the short pulse, and repeats the long one. Which of
    /// both behaviours is right depends on ICFGR, so the device model should report the level and
    /// let the GIC decide. PCI legacy interrupts on a board that declares them as edges in its FDT
    /// are the classic source of lost ones.
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
    /// The monitor can drive any SPI that no device has, as a device would. A pulse is a rise and a
    /// fall: as an edge, one interrupt. As a level the SPI is pending while the line is high,
    /// active and pending if it is taken meanwhile, and withdrawn when it falls.
    ///
    /// The case sends a pulse to an edge, takes it; then makes it a level, raises, takes, lowers
    /// inside, ends; raises and lowers without taking: nothing is left.
    ///
    /// ```text
    ///   hv_gic_set_spi(n, true)  --> line high --> pending
    ///   hv_gic_set_spi(n, false) --> line low  --> not pending (level)
    /// ```
    ///
    /// This is the path of every emulated device: from a thread of the VMM, not of the vCPU, at any
    /// moment. The change of state and the kick of the target must be one step for the guest. A VMM
    /// that pulses a line that the guest takes as a level, as one would for an MSI, delivers only
    /// if the vCPU happens to look in between.
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
    /// An SPI that becomes pending later ends a WFI that waits for it, with PSTATE.I set too: it is
    /// pending and signalled, and that is the wake-up event.
    ///
    /// The case has the monitor pulse an SPI after 3 ms, sleeps by WFI until it is signalled, and
    /// wants that not less than 3 ms have gone by; then takes it.
    ///
    /// ```text
    ///   CPU   wfi (I = 1) ................ signalled, IAR
    ///   VMM              3 ms ---> pulse: SPI pending --> wake vCPU
    /// ```
    ///
    /// The thread that raises the line finds the target by IROUTER, sees that it sleeps, and wakes
    /// it: here, and not in the vCPU's own loop, lies the decision. A hypervisor that wakes on any
    /// pending interrupt must put the vCPU back to sleep if PMR, the priority or an enable holds it
    /// back, or it spins; one that wakes on none but "takeable" ones never wakes an idle Linux,
    /// which masks interrupts around its WFI.
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
