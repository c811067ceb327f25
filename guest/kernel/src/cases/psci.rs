//! PSCI between CPUs: who can be switched on, what it finds, who goes.
//!
//! The hypervisor is the firmware here: it owns the list of vCPUs, their state, and the moment at
//! which one begins. PSCI names CPUs by affinity. The states, as AFFINITY_INFO shows them:
//!
//! ```text
//!              CPU_ON                first entry
//!   OFF (1) ------------> ON_PENDING (2) ------------> ON (0)
//!      ^                                                  |
//!      +------------------- CPU_OFF ----------------------+
//! ```

use core::sync::atomic::Ordering;

use anyvisor_abi::case::Needs;
use anyvisor_abi::smccc::{
    self as id, ALREADY_ON, INVALID_ADDRESS, INVALID_PARAMETERS, ON_PENDING,
};
use anyvisor_arch::pstate::DAIF;
use anyvisor_arch::sctlr;

use super::gic::{end, take};
use super::timer::milliseconds;
use crate::gic::interrupt::{Group, Interrupt};
use crate::gic::{self, DEFAULT_PRIORITY, cpu_interface as icc};
use crate::hypercall::{call, call32, has_services};
use crate::machine::{self, Conduit};
use crate::smp::{self, Line, Meeting, Work, affinity_info, cpu_on, tell, wait_for, wait_until};
use crate::timer::VIRTUAL;
use crate::{case, check_eq, image, runner, skip};

const ON: i64 = 0;
const OFF: i64 = 1;

static FLAG: Line = Line::new();
static COUNT: Line = Line::new();
static MEETING: Meeting = Meeting::new();

#[track_caller]
fn check_answer(seen: i64, wanted: i64, what: &str) {
    assert!(seen == wanted, "{what} answers {seen}, expected {wanted}");
}

fn nothing() -> Work {
    extern "C" fn body(_: u64) {}
    Work { body, argument: 0, interrupt: None }
}

case! {
    /// CPU_ON promises a CPU in a known state (DEN 0022, initial core configuration): at the entry
    /// point, the context in X0, at the caller's exception level, MMU and data cache off, D, A, I
    /// and F masked, on SP_ELx. It does not depend on what the CPU was before.
    ///
    /// The case switches another CPU on twice and looks at what its first instructions read:
    /// CurrentEL, DAIF, SCTLR_EL1.M and C, SPSel. The second time the CPU comes out of a life with
    /// its MMU on.
    ///
    /// ```text
    ///   CPU_ON --> reset all of the vCPU --> PC = entry, X0 = context
    ///              SCTLR.M = C = 0, PSTATE = EL1h, DAIF = 1111
    /// ```
    ///
    /// A hypervisor that only sets PC and X0 passes the first time and fails the second: with
    /// SCTLR_EL1.M left over the entry's address, a physical one, is translated by old tables.
    /// Linux takes CPUs offline and online again, and the CPU then dies in its first instruction,
    /// without a message. Timers and debug registers are part of the reset as well.
    "psci.initial_state": "a CPU that is switched on starts at our level, MMU and D-cache off, DAIF masked, on SP_ELx";
    reference: "DEN 0022: CPU_ON: initial core configuration";
    needs: Needs::PSCI.vcpus(2);
    fn initial_state() {
        for _ in 0..2 {
            smp::start_on(smp::other(), nothing()).join();
            let [level, daif, sctlr, sp_sel] = smp::initial_state(smp::other());
            if machine::get().psci == Some(Conduit::Hvc) {
                check_eq!(level >> 2, 1, "CurrentEL");
                check_eq!(sctlr & (sctlr::M | sctlr::C), 0, "SCTLR_EL1.M and C");
            }
            check_eq!(daif, DAIF, "DAIF");
            check_eq!(sp_sel, 1, "SPSel");
        }
    }
}

case! {
    /// Every CPU that the FDT names can be switched on, alone and with all others, off again, and
    /// on again. Each must have the affinity in MPIDR_EL1 by which it was called.
    ///
    /// The case does it twice: each CPU alone, with AFFINITY_INFO OFF before and after, then all at
    /// once; while they wait AFFINITY_INFO must say ON for every one, the caller included.
    ///
    /// ```text
    ///   cpu 1: on, off   cpu 2: on, off   ...   then all on, all off
    /// ```
    ///
    /// The FDT, MPIDR_EL1 and the hypervisor's table say the same thing in three places, and this
    /// finds out whether they agree; Linux prints "failed to boot" for each that does not. Where
    /// affinities have several levels (16 to a cluster, say), a formula that is right for the first
    /// 16 can be wrong for the 17th. Switching all on at once finds a state that is shared where it
    /// should be each vCPU's own, such as one mailbox for entry and context.
    "psci.each_cpu": "each CPU of the FDT goes on and off, alone and all at once, twice";
    reference: "DEN 0022: CPU_ON, CPU_OFF, AFFINITY_INFO";
    needs: Needs::PSCI.vcpus(2);
    fn each_cpu() {
        extern "C" fn body(cpu: u64) {
            check_eq!(smp::own_affinity(), smp::affinity(cpu as usize), "MPIDR_EL1 of CPU {}", cpu);
            COUNT.add(1);
            wait_for(&FLAG, 1);
        }
        for _ in 0..2 {
            COUNT.clear();
            FLAG.clear();
            for cpu in smp::others() {
                check_answer(affinity_info(smp::affinity(cpu)), OFF, "AFFINITY_INFO before");
                smp::start_on(cpu, nothing()).join();
                check_answer(affinity_info(smp::affinity(cpu)), OFF, "AFFINITY_INFO between");
            }
            let started = smp::start_all(body, None);
            wait_for(&COUNT, smp::cpu_count() as u64 - 1);
            for cpu in 0..smp::cpu_count() {
                check_answer(affinity_info(smp::affinity(cpu)), ON, "AFFINITY_INFO of a CPU at work");
            }
            tell(&FLAG, 1);
            started.join();
        }
    }
}

case! {
    /// CPU_ON, AFFINITY_INFO and CPU_SUSPEND have two identifiers: with bit 30 the arguments are 64
    /// bits (SMC64), without it 32 (SMC32). Both do the same. Under the 32-bit form only the lower
    /// half of X1 to X3 is an argument, and the result is W0.
    ///
    /// The case switches a CPU on by the 32-bit CPU_ON, asks for its state by the 32-bit
    /// AFFINITY_INFO before and during, tries to switch it on again, and skips if an address or
    /// affinity does not fit.
    ///
    /// ```text
    ///   0xc400_0003  x1 affinity  x2 entry  x3 context   result x0
    ///   0x8400_0003  w1           w2        w3           result w0
    /// ```
    ///
    /// An AArch64 kernel uses the 64-bit forms; firmware and small boot loaders often use the
    /// others. A hypervisor that dispatches on the lower 16 bits alone serves both and must still
    /// cut the arguments; one that knows only 64-bit identifiers answers -1 here. The error code
    /// has to be a negative 32-bit number.
    "psci.calls_32": "CPU_ON and AFFINITY_INFO by their 32-bit identifiers do the same";
    reference: "DEN 0022: CPU_ON, AFFINITY_INFO: SMC32 function identifiers";
    needs: Needs::PSCI.vcpus(2);
    fn calls_32() {
        if image::whole().end >> 32 != 0 || smp::other_affinity() >> 32 != 0 {
            skip!("an address or affinity does not fit into 32 bits");
        }
        extern "C" fn body(argument: u64) {
            tell(&FLAG, argument);
            wait_for(&COUNT, 1);
        }
        FLAG.clear();
        COUNT.clear();
        let other = smp::other();
        let work = Work { body, argument: 0x0123_4567_89ab_cdef, interrupt: None };
        let info = |affinity: u64| {
            i64::from(call(id::PSCI_AFFINITY_INFO_32, &[affinity, 0])[0] as u32 as i32)
        };
        check_answer(info(smp::affinity(other)), OFF, "AFFINITY_INFO before");
        let started = smp::start_by(id::PSCI_CPU_ON_32, other, work);
        wait_for(&FLAG, work.argument);
        check_answer(info(smp::affinity(other)), ON, "AFFINITY_INFO of a CPU at work");
        let again = call(id::PSCI_CPU_ON_32, &[smp::affinity(other), image::text().start, 0]);
        let again = i64::from(again[0] as u32 as i32);
        assert!([ALREADY_ON, ON_PENDING].contains(&again), "CPU_ON of it answers {again}");
        tell(&COUNT, 1);
        started.join();
    }
}

case! {
    /// An affinity that names no CPU is refused with INVALID_PARAMETERS (-2), by CPU_ON and by
    /// AFFINITY_INFO. That includes bits outside the four affinity fields: bits 31:24 and 63:40
    /// must be zero in `target_cpu`.
    ///
    /// The case tries a value that no CPU has in each field, the affinity behind the last one, and
    /// its own affinity with one stray bit in five places. AFFINITY_INFO of level 4 is refused too,
    /// since there are four levels, 0 to 3.
    ///
    /// ```text
    ///   63:40   39:32   31:24   23:16   15:8   7:0
    ///   0       Aff3    0       Aff2    Aff1   Aff0
    /// ```
    ///
    /// A hypervisor that masks the argument before it compares, or uses Aff0 as an index, starts a
    /// CPU that was not asked for, or reads past its table with a number that the guest chose. QEMU
    /// 7.2 looks at level 0 only and accepts level 4. MPIDR_EL1's own bits 31 and 30 (RES1 and U)
    /// must be cut off by the caller.
    "psci.cpu_on_refused": "CPU_ON and AFFINITY_INFO of affinities that no CPU has: INVALID_PARAMETERS";
    reference: "DEN 0022: CPU_ON, AFFINITY_INFO: target_affinity";
    needs: Needs::PSCI;
    fn cpu_on_refused() {
        let entry = image::text().start;
        let last = smp::affinity(smp::cpu_count() - 1);
        for affinity in [0xff, 0xff00, 0xff_0000, 0xff << 32, last + 1] {
            check_answer(cpu_on(affinity, entry, 0), INVALID_PARAMETERS, "CPU_ON");
            check_answer(affinity_info(affinity), INVALID_PARAMETERS, "AFFINITY_INFO");
        }
        for affinity in [1 << 24, 1 << 30, 1 << 31, 1 << 40, 1 << 63] {
            let affinity = affinity | smp::own_affinity();
            check_answer(affinity_info(affinity), INVALID_PARAMETERS, "AFFINITY_INFO");
            check_answer(cpu_on(affinity, entry, 0), INVALID_PARAMETERS, "CPU_ON");
        }
        // Of affinity levels there are four.
        let level_4 = call(id::PSCI_AFFINITY_INFO_64, &[smp::own_affinity(), 4])[0].cast_signed();
        check_answer(level_4, INVALID_PARAMETERS, "AFFINITY_INFO of level 4");
    }
}

case! {
    /// CPU_ON may answer INVALID_ADDRESS (-9) if the entry point cannot be one. Our monitor
    /// promises to: a device's page, an address where there is nothing, one beyond the address
    /// space, one that is no multiple of 4. The CPU stays OFF.
    ///
    /// The case tries six such entries, wants -9 and OFF after each, and then starts the CPU
    /// properly.
    ///
    /// ```text
    ///   CPU_ON(cpu, 0x0900_0000)  UART     -9, still OFF
    ///   CPU_ON(cpu, text + 2)              -9, still OFF
    ///   CPU_ON(cpu, secondary)             0
    /// ```
    ///
    /// The check has to come before the state is changed: a hypervisor that marks the vCPU as
    /// pending first, and finds the address bad later, has a CPU that can never be started again.
    /// Without a check the vCPU starts where there is nothing, and all that follows is an
    /// instruction abort at its first fetch, with no vectors set: it loops in exceptions for ever,
    /// at full load.
    "psci.bad_entry": "CPU_ON at a device, at nothing, or at no instruction's address: INVALID_ADDRESS";
    reference: "DEN 0022: CPU_ON: INVALID_ADDRESS";
    needs: Needs::PSCI.and(Needs::SERVICES).vcpus(2);
    fn bad_entry() {
        let device = machine::get().console.map_or(0, |device| device.registers.start);
        let text = image::text().start;
        for entry in [device, 0, 1 << 60, u64::MAX - 3, text + 2, text + 1] {
            check_answer(cpu_on(smp::other_affinity(), entry, 0), INVALID_ADDRESS, "CPU_ON");
            check_answer(affinity_info(smp::other_affinity()), OFF, "AFFINITY_INFO after it");
        }
        smp::start_on(smp::other(), nothing()).join();
    }
}

case! {
    /// Two CPUs that switch a third one on at the same time: one does, the other is told ALREADY_ON
    /// or ON_PENDING. Both may succeed only if the third has gone off again in between.
    ///
    /// The case has two CPUs call CPU_ON together, twenty times, of a third whose program is
    /// CPU_OFF. Each call must answer one of the three, at least one must succeed, and in the end
    /// the third is OFF.
    ///
    /// ```text
    ///   CPU 0   CPU_ON(2) --+-- one: SUCCESS
    ///   CPU 1   CPU_ON(2) --+-- other: ALREADY_ON or ON_PENDING
    ///   CPU 2       starts, CPU_OFF
    /// ```
    ///
    /// The state of a vCPU has to be tested and set in one step, under a lock or by
    /// compare-and-swap; and CPU_OFF must leave the state so that the next CPU_ON is not lost. Two
    /// threads that both see OFF both write the entry and context, and the CPU starts with one's PC
    /// and the other's X0. Linux serializes its calls; firmware, and hostile guests, do not.
    "psci.race": "of two CPUs that switch a third one on at once, one succeeds, the other is refused";
    reference: "DEN 0022: CPU_ON: ALREADY_ON, ON_PENDING";
    needs: Needs::PSCI.vcpus(3);
    fn race() {
        const ROUNDS: u64 = 20;
        static TARGET: Line = Line::new();
        /// Where the third starts: it goes at once.
        #[unsafe(naked)]
        extern "C" fn off_at_once() {
            core::arch::naked_asm!(
                "mov x0, {low}",
                "movk x0, {high}, lsl #16",
                "hvc #0",
                "b .",
                low = const id::PSCI_CPU_OFF & 0xffff,
                high = const id::PSCI_CPU_OFF >> 16,
            )
        }
        fn try_it() {
            let answer = cpu_on(TARGET.get(), off_at_once as *const () as u64, 0);
            match answer {
                id::SUCCESS => {
                    COUNT.add(1);
                }
                // It may be off again by the time of the second call, which then succeeds.
                ALREADY_ON | ON_PENDING => {}
                _ => panic!("CPU_ON answers {answer}"),
            }
        }
        extern "C" fn body(_: u64) {
            for _ in 0..ROUNDS {
                MEETING.meet(2);
                try_it();
                MEETING.meet(2);
            }
        }
        if machine::get().psci != Some(Conduit::Hvc) {
            skip!("the third CPU switches itself off by HVC");
        }
        let mut others = smp::others();
        let (Some(second), Some(third)) = (others.next(), others.next()) else {
            panic!("this case needs three CPUs");
        };
        MEETING.clear();
        TARGET.0.store(smp::affinity(third), Ordering::SeqCst);
        let started = smp::start_on(second, Work { body, ..nothing() });
        for _ in 0..ROUNDS {
            COUNT.clear();
            MEETING.meet(2);
            try_it();
            MEETING.meet(2);
            let successes = COUNT.get();
            assert!((1..=2).contains(&successes), "{successes} of 2 calls succeed");
            smp::spin_until(|| affinity_info(smp::affinity(third)) == OFF);
        }
        started.join();
    }
}

case! {
    /// CPU_SUSPEND with StateType 0 asks for a standby state: the CPU keeps its context and the
    /// call returns when a wake-up event comes, an interrupt masked or not. A hypervisor may treat
    /// it as WFI, and it may return at once; it returns SUCCESS.
    ///
    /// The case arms the virtual timer 2 ms ahead with its PPI enabled and PSTATE.I set, and calls
    /// CPU_SUSPEND, in both forms, until the interrupt is signalled. Each call must return SUCCESS,
    /// and the interrupt must not come before its deadline.
    ///
    /// ```text
    ///   EL1   CPU_SUSPEND --> EL2: sleep until an interrupt is pending
    ///         returns 0   <-- timer PPI 27 (masked by PSTATE.I: not taken)
    /// ```
    ///
    /// If the hypervisor waits for an interrupt that could be taken, and not for one that is
    /// pending, the vCPU sleeps for ever: Linux calls with interrupts masked. If it forgets that
    /// the timer must wake the thread, the same. If it takes the call for a powerdown, it restarts
    /// the CPU at an entry point that was never given.
    "psci.suspend_standby": "CPU_SUSPEND to a standby state returns SUCCESS, with the timer's interrupt at the latest";
    reference: "DEN 0022: CPU_SUSPEND: power_state.StateType 0, standby";
    needs: Needs::PSCI.and(Needs::ANY_GIC);
    fn suspend_standby() {
        let ppi = Interrupt::new((VIRTUAL.intid)(machine::get()));
        ppi.prepare(Group::One, DEFAULT_PRIORITY);
        for function in [id::PSCI_CPU_SUSPEND_64, id::PSCI_CPU_SUSPEND_32] {
            let deadline = (VIRTUAL.counter)() + milliseconds(2);
            VIRTUAL.start(deadline);
            while icc::signalled() == 0 {
                let answer = i64::from(call(function, &[0, 0, 0])[0] as u32 as i32);
                check_answer(answer, id::SUCCESS, "CPU_SUSPEND");
            }
            assert!((VIRTUAL.counter)() >= deadline, "the interrupt came before its deadline");
            take(ppi);
            VIRTUAL.stop();
            smp::spin_until(|| !ppi.is_pending());
            end(ppi);
        }
    }
}

case! {
    /// `power_state` of CPU_SUSPEND has two formats, and bit 31 is reserved in both. A value that
    /// no format defines is refused with INVALID_PARAMETERS (-2), at once.
    ///
    /// The case sets bit 31. Where there is a GIC it first makes an SGI pending, so that a
    /// hypervisor that sleeps all the same comes back and fails instead of hanging.
    ///
    /// ```text
    ///   original   31:26 0   25:24 level   23:17 0   16 type   15:0 id
    ///   extended   31 0      30 type       29:28 0   27:0 id
    /// ```
    ///
    /// A hypervisor that treats every CPU_SUSPEND as WFI is nearly right, and this is where it is
    /// not: the refusal tells a guest that its FDT names a state that does not exist. Linux takes
    /// its states from the FDT and believes the answer. One that accepts everything is asked for a
    /// state in which context is lost, returns as from a standby, and the guest's idle code takes a
    /// path that was not tested by anybody.
    "psci.suspend_refused": "CPU_SUSPEND with a reserved bit of power_state set: INVALID_PARAMETERS";
    reference: "DEN 0022: CPU_SUSPEND: power_state, bit 31 is reserved in both formats";
    needs: Needs::PSCI;
    fn suspend_refused() {
        if gic::is_present() {
            // So that a call that sleeps all the same comes back.
            Interrupt::new(1).prepare(Group::One, DEFAULT_PRIORITY).set_pending();
        }
        let answer = i64::from(call(id::PSCI_CPU_SUSPEND_64, &[1 << 31, 0, 0])[0] as u32 as i32);
        check_answer(answer, INVALID_PARAMETERS, "CPU_SUSPEND");
    }
}

case! {
    /// What PSCI_FEATURES says of a function has to agree with the function. Each call that has a
    /// 32-bit and a 64-bit form has both or none. CPU_SUSPEND's flags know two bits: bit 0
    /// OS-initiated mode, bit 1 the extended format of `power_state`. CPU_OFF, SYSTEM_OFF and
    /// SYSTEM_RESET have no flags: 0.
    ///
    /// The case compares the answers for four pairs, wants CPU_SUSPEND's within 0 to 3 and those of
    /// the last three 0.
    ///
    /// ```text
    ///   FEATURES(0x8400_0001) == FEATURES(0xc400_0001)   CPU_SUSPEND
    ///   FEATURES(0x8400_0003) == FEATURES(0xc400_0003)   CPU_ON
    /// ```
    ///
    /// A flag that is set by mistake changes how the guest talks: with bit 1, Linux writes power
    /// states in the extended format, where the type is bit 30 and not 16; a hypervisor that reads
    /// the original format then takes a powerdown for a standby, and the CPU returns where the
    /// kernel thought that it would start again.
    "psci.features": "PSCI_FEATURES has both forms of each function or none; flags of CPU_SUSPEND are known";
    reference: "DEN 0022: PSCI_FEATURES: return values";
    needs: Needs::PSCI;
    fn features() {
        let features = |function: u32| i64::from(call32(id::PSCI_FEATURES, function));
        for (narrow, wide) in [
            (id::PSCI_CPU_SUSPEND_32, id::PSCI_CPU_SUSPEND_64),
            (id::PSCI_CPU_ON_32, id::PSCI_CPU_ON_64),
            (id::PSCI_AFFINITY_INFO_32, id::PSCI_AFFINITY_INFO_64),
            (id::PSCI_MIGRATE_32, id::PSCI_MIGRATE_64),
        ] {
            check_answer(features(narrow), features(wide), "PSCI_FEATURES of the 32-bit form");
        }
        let suspend = features(id::PSCI_CPU_SUSPEND_64);
        assert!((0..=3).contains(&suspend), "flags of CPU_SUSPEND: {suspend:#x}");
        for function in [id::PSCI_CPU_OFF, id::PSCI_SYSTEM_OFF, id::PSCI_SYSTEM_RESET] {
            check_answer(features(function), 0, "PSCI_FEATURES of a function without flags");
        }
    }
}

case! {
    /// MIGRATE moves a Trusted OS that can run on one CPU only. A virtual machine has none:
    /// MIGRATE_INFO_TYPE is 2, or NOT_SUPPORTED, and then MIGRATE and MIGRATE_INFO_UP_CPU have
    /// nothing to do and are NOT_SUPPORTED.
    ///
    /// The case reads MIGRATE_INFO_TYPE, skips if it names a Trusted OS, and wants -1 of the two
    /// others in both widths. Our monitor's PSCI_FEATURES must deny them as well.
    ///
    /// ```text
    ///   MIGRATE_INFO_TYPE   0, 1  a Trusted OS on one CPU
    ///                       2     none, or one that need not move
    /// ```
    ///
    /// The value 0 is the trap: it reads as "nothing" and means "there is one, and it can migrate".
    /// Linux then asks on which CPU it is, takes the answer for an affinity, and will not take that
    /// CPU offline. A hypervisor that returns 0 for each unknown call ("success") so tells its
    /// guest of a Trusted OS on CPU 0, and hotplug of CPU 0 is denied.
    "psci.migrate": "without a Trusted OS that must be moved MIGRATE and MIGRATE_INFO_UP_CPU are NOT_SUPPORTED";
    reference: "DEN 0022: MIGRATE, MIGRATE_INFO_TYPE, MIGRATE_INFO_UP_CPU";
    needs: Needs::PSCI;
    fn migrate() {
        let kind = i64::from(call32(id::PSCI_MIGRATE_INFO_TYPE, 0));
        if ![id::TOS_NOT_PRESENT_MP, id::NOT_SUPPORTED].contains(&kind) {
            skip!("MIGRATE_INFO_TYPE is {kind}: there is a Trusted OS");
        }
        for function in [
            id::PSCI_MIGRATE_32,
            id::PSCI_MIGRATE_64,
            id::PSCI_MIGRATE_INFO_UP_CPU_32,
            id::PSCI_MIGRATE_INFO_UP_CPU_64,
        ] {
            let answer = i64::from(call(function, &[smp::own_affinity()])[0] as u32 as i32);
            check_answer(answer, id::NOT_SUPPORTED, "a function of migration");
            if has_services() {
                let features = i64::from(call32(id::PSCI_FEATURES, function));
                check_answer(features, id::NOT_SUPPORTED, "PSCI_FEATURES of it");
            }
        }
    }
}

case! {
    /// SYSTEM_OFF by one CPU ends the machine although the others are at work. Nothing has to be
    /// asked of them.
    ///
    /// The case has every other CPU either compute, wait in WFE or sleep in WFI, which are three
    /// different places in a hypervisor: inside the guest, and blocked in two ways. Then it reports
    /// and calls SYSTEM_OFF.
    ///
    /// ```text
    ///   CPU 0  SYSTEM_OFF ---> hypervisor --+--> CPU 1  in a loop: kick
    ///                                       +--> CPU 2  in WFE: wake
    ///                                       +--> CPU 3  in WFI: wake
    ///                                       all threads joined, end
    /// ```
    ///
    /// The thread that makes the call must not wait for others that wait for it, and the others
    /// must be got out of the guest and out of their sleep. What goes wrong is a process that hangs
    /// at the end, because a thread asleep in WFI is woken only by guest interrupts, or that runs
    /// on, because a vCPU that computes never exits by itself. Both are seen by whoever runs a
    /// thousand VMs a day.
    "psci.system_off_smp": "SYSTEM_OFF ends the VM while other CPUs run, wait and sleep";
    reference: "DEN 0022: SYSTEM_OFF";
    needs: Needs::PSCI.and(Needs::ENDS_VM).vcpus(4);
    fn system_off_smp() {
        extern "C" fn body(cpu: u64) {
            COUNT.add(1);
            match cpu % 3 {
                0 => loop {
                    core::hint::spin_loop();
                },
                1 => wait_until(|| false),
                _ => smp::sleep_until(|| false),
            }
        }
        COUNT.clear();
        let _at_work = smp::start_all(body, None);
        wait_for(&COUNT, smp::cpu_count() as u64 - 1);
        runner::passes_by_ending();
        let answer = call32(id::PSCI_SYSTEM_OFF, 0);
        panic!("SYSTEM_OFF returned {answer}");
    }
}

case! {
    /// SYSTEM_RESET begins anew: all CPUs stop, and the first one starts as at power-on, the others
    /// OFF. It does not return, whatever the other CPUs do. Whoever runs this case takes the reset
    /// for the end.
    ///
    /// The case has all other CPUs wait, reports, and calls SYSTEM_RESET.
    ///
    /// ```text
    ///   CPU 0  SYSTEM_RESET --> all vCPUs out --> devices, memory, state
    ///   CPU n  in WFE       -->                   --> CPU 0 at its entry
    /// ```
    ///
    /// A hypervisor has to reset more than PC: the interrupt controller, pending lines, timers, the
    /// virtual counter's offset, devices, and the image in memory if it is to boot from it. It has
    /// to be sure that no vCPU is still running when it does. A line left high gives the fresh
    /// kernel an interrupt from nobody ("irq 33: nobody cared"); a vCPU left running writes into
    /// the memory that is being loaded.
    "psci.system_reset": "SYSTEM_RESET does not return, whatever other CPUs do";
    reference: "DEN 0022: SYSTEM_RESET";
    needs: Needs::PSCI.and(Needs::ENDS_VM).vcpus(2);
    fn system_reset() {
        extern "C" fn body(_: u64) {
            COUNT.add(1);
            wait_until(|| false);
        }
        COUNT.clear();
        let _at_work = smp::start_all(body, None);
        wait_for(&COUNT, smp::cpu_count() as u64 - 1);
        runner::passes_by_reset();
        let answer = call32(id::PSCI_SYSTEM_RESET, 0);
        panic!("SYSTEM_RESET returned {answer}");
    }
}
