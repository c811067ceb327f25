//! PSCI between CPUs: who can be switched on, what it finds, who goes.

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
    /// A CPU starts in a state that does not depend on what it was before.
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
    /// Every CPU that the FDT names can be switched on, alone and all together, and again.
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
    /// The 32-bit calls do the same with 32-bit arguments.
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
    /// What names no CPU is refused: another affinity in each field, and bits that are in none.
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
    /// A CPU cannot start where there is nothing to execute. The CPU stays off.
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
    /// Two that switch a third one on at the same time: one does, the other is told.
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
    /// A standby state is left when an interrupt comes, masked or not, and the call returns.
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
    /// What no format of power_state defines is refused.
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
    /// What PSCI_FEATURES says of a function agrees with the function.
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
    /// There is no Trusted OS to be moved.
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
    /// Others at work do not keep the machine from ending.
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
    /// Nor from beginning anew. Whoever runs this case takes that for the end.
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
