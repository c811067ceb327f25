//! Everything at once: exits at full rate while interrupts arrive, storms of one kind on all CPUs.
//! Nothing is timed here; what counts is that nothing is lost, nothing comes twice, and no register
//! changes under the feet of the code.

mod exceptions;
mod storms;

use anyvisor_abi::case::Needs;
use anyvisor_abi::smccc as id;
use anyvisor_arch::gic::{bank, gicd, gicr};
use anyvisor_arch::pstate::Vector;
use core::arch::global_asm;

use crate::gic::cpu_interface as icc;
use crate::gic::frame::Frame;
use crate::gic::interrupt::{Group, Interrupt};
use crate::gic::{self, DEFAULT_PRIORITY, FREE_SPIS};
use crate::hypercall::call32;
use crate::interrupt::{self, unmasked};
use crate::machine::{self, Conduit, MOST_CPUS};
use crate::smp::{self, Line, Meeting, spin_until, wait_until};
use crate::timer::{VIRTUAL, frequency};
use crate::{case, check_eq, figure};

/// The SGI that CPUs send each other.
const SGI: u32 = 9;

/// SGIs and timer interrupts that each CPU took.
static SGIS: [Line; MOST_CPUS] = [const { Line::new() }; MOST_CPUS];
static TICKS: [Line; MOST_CPUS] = [const { Line::new() }; MOST_CPUS];
static MEETING: Meeting = Meeting::new();
static OVER: Line = Line::new();

unsafe extern "C" {
    fn exits_by_hvc(register: u64) -> Changed;
    fn exits_by_smc(register: u64) -> Changed;
}

/// What one round changed that it must not: bits that differ, all registers together.
#[repr(C)]
struct Changed {
    /// Of X4 to X17.
    low: u64,
    /// Of X18 to X30, NZCV and SP.
    high: u64,
}

/// The timer's period: short, but longer than its handler takes anywhere.
fn period() -> u64 {
    frequency() / 5000
}

/// Takes a tick or an SGI, on whichever CPU.
fn take(cpu: usize, _: Vector) {
    let intid = icc::iar1();
    if intid == u64::from(SGI) {
        SGIS[cpu].add(1);
    } else if intid == u64::from((VIRTUAL.intid)(machine::get())) {
        TICKS[cpu].add(1);
        VIRTUAL.start((VIRTUAL.counter)() + period());
        let ppi = Interrupt::new(intid as u32);
        spin_until(|| !ppi.is_pending() || VIRTUAL.is_met());
    } else {
        assert!(intid == icc::NONE, "CPU {cpu}: INTID {intid} is nobody's");
        return;
    }
    icc::set_eoir1(intid);
}

/// Rounds of a call, a device access and system registers, registers checked in each; SGIs to the
/// next CPU all the time, each sent when the one before was taken.
extern "C" fn exits(cpu: u64) {
    const ROUNDS: u64 = 500;
    let all = smp::cpu_count();
    let next = (cpu as usize + 1) % all;
    Interrupt::new(SGI).prepare(Group::One, DEFAULT_PRIORITY);
    gic::enable((VIRTUAL.intid)(machine::get()), true);
    let make = match machine::get().psci {
        Some(Conduit::Smc) => exits_by_smc,
        _ => exits_by_hvc,
    };
    // SMCCC 1.0 lets a call use X4 to X17.
    let strict = call32(id::PSCI_FEATURES, id::SMCCC_VERSION) >= 0;
    let register = machine::get().gic.map_or(0, |gic| gic.distributor.start + gicd::TYPER);
    MEETING.meet(all as u64);
    VIRTUAL.start((VIRTUAL.counter)() + period());
    let mut sent = 0;
    unmasked(|| {
        for round in 0..ROUNDS {
            // SAFETY: the routine keeps AAPCS64; PSCI_VERSION and the register only answer.
            let Changed { low, high } = unsafe { make(register) };
            check_eq!(high, 0, "bits of X18 to X30, NZCV or SP that changed in round {}", round);
            assert!(
                !strict || low == 0,
                "bits of X4 to X17 that changed in round {round}: {low:#x}"
            );
            if SGIS[next].get() == sent {
                icc::set_sgi1r(icc::sgi(SGI, smp::affinity(next)));
                sent += 1;
            }
            if round % 16 == 0 {
                wait_until(|| SGIS[next].get() == sent); // so that there are some, however slow
            }
        }
        wait_until(|| SGIS[next].get() == sent && TICKS[cpu as usize].get() > 0);
        // Whoever is done goes on taking what the others send.
        OVER.add(1);
        wait_until(|| OVER.get() == smp::cpu_count() as u64);
    });
    VIRTUAL.stop();
    check_eq!(SGIS[next].get(), sent, "SGIs that CPU {} took", next);
}

fn clear() {
    SGIS.iter().chain(&TICKS).for_each(Line::clear);
    MEETING.clear();
    OVER.clear();
}

/// Runs `body` on all CPUs, whose interrupts `handler` takes.
fn everybody(body: smp::Body, handler: smp::Handler) {
    let started = smp::start_all(body, Some(handler));
    body(smp::this_cpu() as u64);
    started.join();
}

case! {
    /// Calls, device accesses and system registers as fast as they go, on every CPU, while each has a
    /// timer that ticks and a neighbour that sends it SGIs.
    ///
    /// ```text
    ///   CPU n   HVC | LDR GICD_TYPER | MRS ICC_RPR, CNTPCT | check X4..X30, NZCV, SP | HVC ...
    ///              ^         ^                ^                          ^
    ///              timer's PPI, SGI of CPU n - 1: before, between, in the middle of an exit
    /// ```
    ///
    /// Each exit is a moment at which an interrupt may become pending: before the hypervisor reads
    /// the exit, while it serves it, when it is about to enter again. Nobody tests that window by
    /// hand. What goes wrong there: an interrupt injected over a PC that was not advanced yet (the
    /// HVC is executed twice, or the handler returns behind the access that was not served), the
    /// result of a load written to the register of the handler that was entered first, a kick that
    /// came between the last look at "pending" and the entry, and is lost.
    ///
    /// SGIs are counted one by one (each is sent when the one before was taken), ticks need only
    /// come; X4 to X30 hold a pattern that is checked after each round.
    "stress.exits": "500 rounds of HVC, MMIO and MRS on one CPU or all, under ticks and SGIs: no register changes, no SGI is lost";
    reference: "DEN 0028: preserved registers; IHI 0069: SGIs; DDI 0487: exception entry and return";
    needs: Needs::GIC.and(Needs::PSCI);
    fn exits_alone() {
        check_exits();
    }
}

case! {
    /// The same with four CPUs at least, each of which sends its SGIs to the next one.
    ///
    /// ```text
    ///   CPU 0 --SGI--> CPU 1 --SGI--> CPU 2 --SGI--> CPU 3 --SGI--> CPU 0      each in the middle of
    ///   exits          exits          exits          exits                     an exit of its own
    /// ```
    ///
    /// Alone (`stress.exits`) a vCPU sends SGIs to itself, within an exit of its own, and nobody has
    /// to be kicked. Here the sender's thread changes the target's pending state while the target's
    /// thread serves another exit: that is where locks, memory order and "is it in guest mode?" of
    /// the hypervisor are needed.
    "stress.exits_all": "500 rounds of HVC, MMIO and MRS on 4 CPUs at once, each sending SGIs to the next: nothing changes, none is lost";
    reference: "DEN 0028: preserved registers; IHI 0069: SGIs; DDI 0487: exception entry and return";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(4);
    fn exits_all() {
        check_exits();
    }
}

fn check_exits() {
    clear();
    interrupt::listen(|frame| take(smp::this_cpu(), frame.entry.kind()));
    everybody(exits, take);
    figure!("ticks", TICKS.iter().map(Line::get).sum::<u64>(), "interrupts");
    figure!("sgis", SGIS.iter().map(Line::get).sum::<u64>(), "interrupts");
}

case! {
    /// All CPUs write to the same device at the same time, each to bytes of its own within shared
    /// words: no write is lost, none reaches another's byte.
    ///
    /// ```text
    ///   GICD_IPRIORITYR   | CPU 3 | CPU 2 | CPU 1 | CPU 0 |     STRB, LDRB, LDR of the whole word
    ///   GICD_ISENABLER    bit n of one word is CPU n's: set by ISENABLER, cleared by ICENABLER
    ///   GICR of each CPU  its own frame, at the same time
    /// ```
    ///
    /// Every access is an exit, and the exits of several vCPUs run in several threads of the
    /// hypervisor. A device model without a lock, or with one around the read and one around the
    /// write of a read-modify-write, loses a neighbour's bit. That is also why the architecture has
    /// set and clear registers: EL1 needs no lock for them.
    "stress.mmio": "300 rounds of byte and bit writes by all CPUs to shared words of GICD and to each GICR: none is lost";
    reference: "IHI 0069: GICD_IPRIORITYR<n> byte accesses, GICD_ISENABLER<n>, GICD_ICENABLER<n>";
    needs: Needs::GIC.and(Needs::PSCI).vcpus(4);
    fn mmio() {
        const ROUNDS: u64 = 300;
        extern "C" fn body(cpu: u64) {
            let all = smp::cpu_count();
            let (gicd, own) = (gic::distributor(), gic::redistributor(cpu as usize));
            let spis = u64::from(FREE_SPIS.end - FREE_SPIS.start);
            // Where there are more CPUs than free SPIs the rest has its redistributor only.
            let spi = (cpu < spis).then(|| Interrupt::new(FREE_SPIS.start + cpu as u32));
            MEETING.meet(all as u64);
            for round in 0..ROUNDS {
                let priority = (round * 8 + cpu * 64) & 0xf0;
                if let Some(spi) = spi {
                    spi.set_priority(priority);
                    if round % 2 == 0 { spi.enable() } else { spi.disable() }
                    check_eq!(spi.priority(), priority, "priority of SPI {}", spi.intid);
                    assert!(spi.is_enabled() == (round % 2 == 0), "enable of SPI {}", spi.intid);
                    let word = gicd.read(bank::IPRIORITYR + u64::from(spi.intid & !3));
                    check_eq!(u64::from(word >> (spi.intid % 4 * 8) & 0xff), priority, "in its word");
                }
                check_bank(own, round, priority);
            }
        }
        fn check_bank(own: Frame, round: u64, priority: u64) {
            let sgis = own.plus(gicr::SGI_BASE);
            let at = bank::IPRIORITYR + round % 16;
            sgis.write8(at, priority as u32);
            check_eq!(sgis.read8(at).into(), priority, "priority of SGI {}", round % 16);
        }
        fn nothing(cpu: usize, _: Vector) {
            panic!("CPU {cpu} took an interrupt that nobody sent");
        }
        clear();
        everybody(body, nothing);
    }
}

// Fills X2 to X30 with a pattern and NZCV with 0110, makes a call, reads the register at X0 and two
// system registers, and compares. Returns in X0 what changed of X4 to X17, in X1 of X18 to X30, of
// NZCV and of SP.
global_asm!(
    ".macro exits_by name, instruction",
    "    .global \\name",
    "\\name:",
    "    stp x29, x30, [sp, #-128]!",
    "    stp x19, x20, [sp, #16]",
    "    stp x21, x22, [sp, #32]",
    "    stp x23, x24, [sp, #48]",
    "    stp x25, x26, [sp, #64]",
    "    stp x27, x28, [sp, #80]",
    "    mov x1, sp",
    "    stp x0, x1, [sp, #96]",
    "    mov x1, #0x0101010101010101",
    "    add x2, x1, x1",
    "    .irp n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30",
    "    add x\\n, x2, x1",
    "    mov x2, x\\n",
    "    .endr",
    "    mov x0, #0x60000000",
    "    msr nzcv, x0",
    "    mov x0, {low}",
    "    movk x0, {high}, lsl #16",
    "    \\instruction",
    "    ldr x0, [sp, #96]",
    "    ldr w1, [x0]", // the device
    "    mrs x1, icc_rpr_el1",
    "    mrs x1, cntvct_el0",
    "    mrs x1, nzcv",
    "    mov x0, #0x60000000",
    "    eor x1, x1, x0",
    "    mov x0, #0",
    "    mov x2, #0x0303030303030303",
    "    .irp n, 4,5,6,7,8,9,10,11,12,13,14,15,16,17",
    "    mov x3, #0x0101010101010101",
    "    add x2, x2, x3",
    "    eor x3, x2, x\\n",
    "    orr x0, x0, x3",
    "    .endr",
    "    .irp n, 18,19,20,21,22,23,24,25,26,27,28,29,30",
    "    mov x3, #0x0101010101010101",
    "    add x2, x2, x3",
    "    eor x3, x2, x\\n",
    "    orr x1, x1, x3",
    "    .endr",
    "    ldr x2, [sp, #104]",
    "    mov x3, sp",
    "    eor x2, x2, x3",
    "    orr x1, x1, x2",
    "    ldp x19, x20, [sp, #16]",
    "    ldp x21, x22, [sp, #32]",
    "    ldp x23, x24, [sp, #48]",
    "    ldp x25, x26, [sp, #64]",
    "    ldp x27, x28, [sp, #80]",
    "    ldp x29, x30, [sp], #128",
    "    ret",
    ".endm",
    ".pushsection .text.exits_by, \"ax\"",
    "exits_by exits_by_hvc, \"hvc #0\"",
    "exits_by exits_by_smc, \".inst 0xd4000003\"",
    ".popsection",
    low = const id::PSCI_VERSION & 0xffff,
    high = const id::PSCI_VERSION >> 16,
);
