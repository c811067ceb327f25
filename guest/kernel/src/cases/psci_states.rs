//! PSCI's functions one by one, and a CPU's states as others see them.

use core::arch::{asm, naked_asm};
use core::cell::UnsafeCell;

use aarch64_cpu::asm::barrier;
use anyvisor_abi::case::Needs;
use anyvisor_abi::smccc::{self as id, INVALID_PARAMETERS, NOT_SUPPORTED};

use crate::hypercall::{call, call32};
use crate::machine::{self, Conduit};
use crate::smp::{self, Line, affinity_info, cpu_on, tell, wait_for};
use crate::{case, check_eq, image, runner, skip};

const ON: i64 = 0;
const OFF: i64 = 1;
const PENDING: i64 = 2;

/// The result as the function's width has it.
fn answer(function: u32, arguments: &[u64]) -> i64 {
    let x0 = call(function, arguments)[0];
    if id::is_64_bit(function) { x0.cast_signed() } else { i64::from(x0 as u32 as i32) }
}

fn features(function: u32) -> i64 {
    i64::from(call32(id::PSCI_FEATURES, function))
}

/// A function of PSCI: its number, whether it has a 64-bit form, and arguments that no
/// implementation takes (none: it takes no argument, or must not be called here).
struct Function {
    name: &'static str,
    number: u32,
    wide: bool,
    refused: Option<[u64; 3]>,
}

const fn function(
    name: &'static str,
    number: u32,
    wide: bool,
    refused: Option<[u64; 3]>,
) -> Function {
    Function { name, number, wide, refused }
}

/// DEN 0022's table of functions, to version 1.3. The arguments that are to be refused: affinities
/// that no CPU has, reserved bits of power_state, levels that there are not.
const FUNCTIONS: [Function; 22] = [
    function("PSCI_VERSION", 0x00, false, None),
    function("CPU_SUSPEND", 0x01, true, Some([1 << 31, 0, 0])),
    function("CPU_OFF", 0x02, false, None),
    function("CPU_ON", 0x03, true, Some([0xff_ffff, 0, 0])),
    function("AFFINITY_INFO", 0x04, true, Some([0xff_ffff, 0, 0])),
    function("MIGRATE", 0x05, true, Some([0xff_ffff, 0, 0])),
    function("MIGRATE_INFO_TYPE", 0x06, false, None),
    function("MIGRATE_INFO_UP_CPU", 0x07, true, None),
    function("SYSTEM_OFF", 0x08, false, None),
    function("SYSTEM_RESET", 0x09, false, None),
    function("PSCI_FEATURES", 0x0a, false, Some([0x8400_00ff, 0, 0])),
    function("CPU_FREEZE", 0x0b, false, None),
    function("CPU_DEFAULT_SUSPEND", 0x0c, true, None),
    function("NODE_HW_STATE", 0x0d, true, Some([0xff_ffff, 9, 0])),
    function("SYSTEM_SUSPEND", 0x0e, true, None),
    function("PSCI_SET_SUSPEND_MODE", 0x0f, false, Some([7, 0, 0])),
    function("PSCI_STAT_RESIDENCY", 0x10, true, None),
    function("PSCI_STAT_COUNT", 0x11, true, None),
    function("SYSTEM_RESET2", 0x12, true, Some([0x7fff_ffff, 0, 0])),
    function("MEM_PROTECT", 0x13, false, None),
    function("MEM_PROTECT_CHECK_RANGE", 0x14, true, Some([u64::MAX, 2, 0])),
    function("SYSTEM_OFF2", 0x15, true, Some([0x7fff_ffff, 0, 0])),
];

case! {
    /// PSCI_FEATURES and the functions agree: what is said not to be there answers NOT_SUPPORTED
    /// when it is called, what is said to be there does not. All of PSCI 1.3's table, both widths.
    ///
    /// ```text
    ///   FEATURES(f) = -1    f(...) = -1
    ///   FEATURES(f) >= 0    f(arguments that cannot be right) = an error that is not -1
    ///   no 64-bit form      FEATURES(f | 1 << 30) = -1, f | 1 << 30 = -1
    /// ```
    ///
    /// Which functions are there is the implementation's choice beyond a handful; that it does not
    /// lie is not. A kernel asks once at boot and calls much later: SYSTEM_RESET2 that was promised
    /// and is not there is a machine that hangs at reboot. Hypervisors have the list twice (a match
    /// for FEATURES, a match for the calls), and add a function to one of them.
    "psci.table": "each function of PSCI 1.3, 32 and 64 bits: PSCI_FEATURES says -1 if and only if the call does";
    reference: "DEN 0022: PSCI_FEATURES; function identifiers; return error codes";
    needs: Needs::PSCI;
    fn table() {
        if call32(id::PSCI_VERSION, 0) < 0x1_0000 {
            skip!("PSCI_VERSION is below 1.0: there is no PSCI_FEATURES");
        }
        for one in FUNCTIONS {
            for wide in [false, true] {
                let number = id::PSCI_VERSION | u32::from(wide) << 30 | one.number;
                let claimed = features(number);
                if wide && !one.wide {
                    assert!(claimed == NOT_SUPPORTED, "{} has no 64-bit form, FEATURES says {claimed}", one.name);
                    // That number is nobody's. (Not called where a wrong dispatcher would end us.)
                    if !["CPU_OFF", "SYSTEM_OFF", "SYSTEM_RESET", "CPU_FREEZE"].contains(&one.name) {
                        let seen = answer(number, &[]);
                        assert!(seen == NOT_SUPPORTED, "{number:#x} is no function and answers {seen}");
                    }
                    continue;
                }
                let Some(arguments) = one.refused else { continue };
                let seen = answer(number, &arguments);
                if claimed == NOT_SUPPORTED {
                    assert!(seen == NOT_SUPPORTED, "{} is not there by FEATURES, and answers {seen}", one.name);
                } else if one.name == "PSCI_FEATURES" {
                    assert!(seen == NOT_SUPPORTED, "PSCI_FEATURES of an unknown function: {seen}");
                } else {
                    assert!(
                        seen < 0 && seen != NOT_SUPPORTED,
                        "{} ({number:#x}) is there by FEATURES ({claimed}), and of wrong arguments says {seen}",
                        one.name
                    );
                }
            }
        }
    }
}

case! {
    /// The two functions that PSCI 1.1 added to protect memory, and those with a reset's type: all
    /// optional, and then both or none.
    ///
    /// ```text
    ///   MEM_PROTECT (13)  with  MEM_PROTECT_CHECK_RANGE (14)
    ///   SYSTEM_RESET2 (12), SYSTEM_OFF2 (15): vendor types have bit 31; types that nobody defined
    ///                                         are INVALID_PARAMETERS, and the machine goes on
    /// ```
    ///
    /// A reset of an unknown type that resets all the same loses what the guest wanted to keep: a
    /// warm reset is asked for because memory holds a crash dump.
    "psci.optional": "MEM_PROTECT comes with CHECK_RANGE; SYSTEM_RESET2 and SYSTEM_OFF2 refuse types that nobody has";
    reference: "DEN 0022: MEM_PROTECT, MEM_PROTECT_CHECK_RANGE, SYSTEM_RESET2, SYSTEM_OFF2";
    needs: Needs::PSCI;
    fn optional() {
        const MEM_PROTECT: u32 = 0x8400_0013;
        let protect = features(MEM_PROTECT);
        for check in [0x8400_0014, 0xc400_0014] {
            let seen = features(check);
            assert!(
                (protect < 0) == (seen < 0),
                "MEM_PROTECT is {protect} by FEATURES, MEM_PROTECT_CHECK_RANGE {seen}"
            );
        }
        if protect >= 0 {
            let before = answer(MEM_PROTECT, &[0]);
            assert!((0..=1).contains(&before), "MEM_PROTECT returns the state before: {before}");
            let again = answer(MEM_PROTECT, &[0]);
            assert!(again == 0, "MEM_PROTECT was switched off, and was {again}");
        } else {
            let seen = answer(MEM_PROTECT, &[0]);
            assert!(seen == NOT_SUPPORTED, "MEM_PROTECT is not there by FEATURES and answers {seen}");
        }
        for reset in [0x8400_0012_u32, 0xc400_0012, 0x8400_0015, 0xc400_0015] {
            let wanted = if features(reset) < 0 { NOT_SUPPORTED } else { INVALID_PARAMETERS };
            for kind in [0x10, 0x7fff_ffff] {
                let seen = answer(reset, &[kind, 0]);
                assert!(seen == wanted, "{reset:#x} of type {kind:#x} answers {seen}, expected {wanted}");
            }
        }
    }
}

case! {
    /// AFFINITY_INFO above level 0 asks for a whole cluster: on if any of its CPUs is. From PSCI 1.0
    /// on a hypervisor need not know levels above 0, and then says INVALID_PARAMETERS.
    ///
    /// ```text
    ///   level 0   this CPU                     ON
    ///   level 1   all with its Aff3.Aff2.Aff1  ON (this one is), or INVALID_PARAMETERS
    ///   level 2, 3                             likewise
    /// ```
    ///
    /// Any other answer is a lie: OFF for a cluster that holds the caller. A hypervisor that ignores
    /// the level compares the whole affinity and finds nobody, or the wrong one.
    "psci.affinity_levels": "AFFINITY_INFO of this CPU's levels 1 to 3: ON or INVALID_PARAMETERS, the lower fields ignored";
    reference: "DEN 0022: AFFINITY_INFO: lowest_affinity_level";
    needs: Needs::PSCI;
    fn affinity_levels() {
        let own = smp::own_affinity();
        for function in [id::PSCI_AFFINITY_INFO_64, id::PSCI_AFFINITY_INFO_32] {
            if function == id::PSCI_AFFINITY_INFO_32 && own >> 32 != 0 {
                continue;
            }
            let seen = answer(function, &[own, 0]);
            assert!(seen == ON, "AFFINITY_INFO of this CPU answers {seen}");
            for level in 1..4 {
                let seen = answer(function, &[own, level]);
                assert!(
                    [ON, INVALID_PARAMETERS].contains(&seen),
                    "AFFINITY_INFO of level {level} answers {seen}"
                );
                // At a level that is known, fields below it do not matter.
                if seen == ON {
                    let other = answer(function, &[own ^ 0xe, level]);
                    assert!(other == ON, "AFFINITY_INFO of level {level}, another Aff0: {other}");
                }
            }
        }
    }
}

static FLAG: Line = Line::new();

case! {
    /// A CPU's states as the one that switched it on sees them. CPU_ON's SUCCESS means that it is on
    /// its way; from then on it is never OFF, until it has switched itself off; once ON it does not
    /// go back to ON_PENDING.
    ///
    /// ```text
    ///   AFFINITY_INFO   OFF --CPU_ON--> ON_PENDING ----> ON --CPU_OFF--> OFF
    ///                    1                  2             0                1
    ///                                   may be too short to be seen
    /// ```
    ///
    /// The thread of the new vCPU starts some time after the call has returned. A hypervisor whose
    /// AFFINITY_INFO asks "does the thread run?" says OFF in between; a kernel that polls for the
    /// CPU's death (hotplug) then believes it dead and starts it again. The other way round: ON
    /// until the thread has ended, though CPU_OFF was called, or OFF before the last instruction of
    /// the vCPU was executed, so that its stack is reused while it is still pushed to.
    "psci.state_sequence": "AFFINITY_INFO from CPU_ON to CPU_OFF, 40 times: never OFF in between, never ON_PENDING after ON";
    reference: "DEN 0022: AFFINITY_INFO: ON, OFF, ON_PENDING; CPU_ON";
    needs: Needs::PSCI.vcpus(2);
    fn state_sequence() {
        extern "C" fn body(_: u64) {
            wait_for(&FLAG, 1);
        }
        let affinity = smp::other_affinity();
        for round in 0..40 {
            FLAG.clear();
            let started = smp::start(body, 0);
            let mut before = PENDING;
            for look in 0..50 {
                let seen = affinity_info(affinity);
                assert!(
                    seen == ON || seen == PENDING && before == PENDING,
                    "round {round}, look {look}: AFFINITY_INFO says {seen}, before it was {before}"
                );
                before = seen;
            }
            tell(&FLAG, 1);
            // From here on it may go, and what has gone does not come back.
            let mut gone = false;
            smp::spin_until(|| {
                let seen = affinity_info(affinity);
                assert!([ON, OFF].contains(&seen) || before == PENDING, "AFFINITY_INFO says {seen}");
                gone = seen == OFF;
                gone
            });
            for _ in 0..5 {
                let seen = affinity_info(affinity);
                assert!(seen == OFF, "AFFINITY_INFO says {seen} of a CPU that was off");
            }
            started.join();
        }
    }
}

/// What a CPU finds at its entry: X0, CurrentEL, DAIF, SPSel, SCTLR_EL1, MPIDR_EL1; then a one.
#[repr(C, align(64))]
struct Found(UnsafeCell<[u64; 8]>);

// SAFETY: the CPU that was switched on writes it, and the one that did so reads it after the other
// is off again.
unsafe impl Sync for Found {}

static FOUND: Found = Found(UnsafeCell::new([0; 8]));

/// Writes what it found to `FOUND`, MMU off, and goes.
#[unsafe(naked)]
extern "C" fn look_and_leave() {
    naked_asm!(
        "adrp x1, {found}",
        "add x1, x1, :lo12:{found}",
        "mrs x2, currentel",
        "mrs x3, daif",
        "mrs x4, spsel",
        "mrs x5, sctlr_el1",
        "mrs x6, mpidr_el1",
        "stp x0, x2, [x1]",
        "stp x3, x4, [x1, #16]",
        "stp x5, x6, [x1, #32]",
        "dmb sy",
        "mov x2, #1",
        "str x2, [x1, #48]",
        "dmb sy",
        "mov x0, {low}",
        "movk x0, {high}, lsl #16",
        "hvc #0",
        "b .",
        found = sym FOUND,
        low = const id::PSCI_CPU_OFF & 0xffff,
        high = const id::PSCI_CPU_OFF >> 16,
    )
}

/// Takes the line of `FOUND` out of the caches, so that what is written around them is seen.
fn forget_found() {
    // SAFETY: the line is ours, and holds what is to be seen in memory.
    unsafe { asm!("dc civac, {at}", at = in(reg) FOUND.0.get()) };
    barrier::dsb(barrier::SY);
}

/// What was found, once it is there.
fn found() -> Option<[u64; 6]> {
    forget_found();
    // SAFETY: the one that writes it does so before the mark, and the mark is read first.
    let mark = unsafe { FOUND.0.get().cast::<u64>().add(6).read_volatile() };
    barrier::dmb(barrier::SY);
    // SAFETY: as above.
    let [x0, level, daif, sp_sel, sctlr, mpidr, ..] = unsafe { FOUND.0.get().read_volatile() };
    (mark == 1).then_some([x0, level, daif, sp_sel, sctlr, mpidr])
}

case! {
    /// The CPU starts at the entry with the context in X0, all 64 bits of it, whatever the context
    /// is; with its own affinity, and in the state that the specification fixes.
    ///
    /// ```text
    ///   CPU_ON(target, entry, context)      first instruction of the target:
    ///                                       PC = entry   X0 = context   EL1h   DAIF = 1111
    ///                                       SCTLR_EL1.M = C = 0   MPIDR_EL1 = target
    /// ```
    ///
    /// Kernels pass a physical address there, so the upper bits are zero and a hypervisor that
    /// passes 32 bits, or sign-extends them, is not found out until somebody has RAM above 4 GiB.
    /// The second start is where stale state shows: SCTLR_EL1 with the MMU on, as the vCPU left it,
    /// PSTATE with interrupts open, a pending interrupt of its former life.
    "psci.context": "X0 is the context, 64 bits, at the first instruction, with MPIDR, EL1h, DAIF and MMU as they should, 8 times";
    reference: "DEN 0022: CPU_ON: context_id; initial core configuration";
    needs: Needs::PSCI.vcpus(2);
    fn context() {
        if machine::get().psci != Some(Conduit::Hvc) {
            skip!("the CPU switches itself off by HVC");
        }
        let target = smp::other_affinity();
        let contexts =
            [0, 1, u64::MAX, 0x0123_4567_89ab_cdef, 1 << 63, 0xffff_ffff, 1 << 32, 0x8000_0000];
        for context in contexts {
            // SAFETY: the other CPU is off.
            unsafe { FOUND.0.get().write_volatile([0; 8]) };
            forget_found();
            let result = cpu_on(target, look_and_leave as *const () as u64, context);
            assert!(result == id::SUCCESS, "CPU_ON answers {result}");
            let mut seen = None;
            smp::spin_until(|| {
                seen = found();
                seen.is_some()
            });
            smp::spin_until(|| affinity_info(target) == OFF);
            let [x0, level, daif, sp_sel, sctlr, mpidr] = seen.expect("it was waited for");
            check_eq!(x0, context, "X0");
            check_eq!(level, 1 << 2, "CurrentEL");
            check_eq!(daif, 0b1111 << 6, "DAIF");
            check_eq!(sp_sel, 1, "SPSel");
            check_eq!(sctlr & 0b101, 0, "SCTLR_EL1.M and C");
            check_eq!(mpidr & 0xff_00ff_ffff, target, "MPIDR_EL1's affinity");
        }
    }
}

/// Waits, MMU off, until the doubleword at X0 is not zero, and goes.
#[unsafe(naked)]
extern "C" fn hold_and_leave() {
    naked_asm!(
        "1: ldr x1, [x0]",
        "cbz x1, 1b",
        "mov x0, {low}",
        "movk x0, {high}, lsl #16",
        "hvc #0",
        "b .",
        low = const id::PSCI_CPU_OFF & 0xffff,
        high = const id::PSCI_CPU_OFF >> 16,
    )
}

case! {
    /// A second CPU_ON right behind the first one, before the CPU can have started: it is on its way,
    /// and the answer is ON_PENDING, or ALREADY_ON if it was quick. SUCCESS would start it twice.
    ///
    /// ```text
    ///   CPU 0   CPU_ON(1) = SUCCESS   CPU_ON(1) = ?   CPU_ON(1) = ?   ... let it go
    ///   CPU 1   off ................. on its way ............ on ............ off
    /// ```
    ///
    /// What CPU_ON does ends in another thread, so the state has to change where the call is served,
    /// under a lock, and not where the new vCPU begins to run. A hypervisor that checks "is it
    /// running?" and leaves the rest to the vCPU's thread says SUCCESS as often as it is asked; the
    /// last context wins, or the CPU is restarted in the middle of its first instructions.
    "psci.on_twice": "CPU_ON of a CPU that is on its way is ON_PENDING or ALREADY_ON, never SUCCESS, 30 times";
    reference: "DEN 0022: CPU_ON: ON_PENDING, ALREADY_ON";
    needs: Needs::PSCI.vcpus(2);
    fn on_twice() {
        if machine::get().psci != Some(Conduit::Hvc) {
            skip!("the CPU switches itself off by HVC");
        }
        let target = smp::other_affinity();
        let entry = hold_and_leave as *const () as u64;
        let flag = FOUND.0.get().cast::<u64>();
        let hold = |value: u64| {
            // SAFETY: the other CPU reads it only, around the caches; so it is brought to memory.
            unsafe { flag.write_volatile(value) };
            forget_found();
        };
        for round in 0..30 {
            hold(0);
            let first = cpu_on(target, entry, flag as u64);
            let again = [0; 3].map(|_| cpu_on(target, entry, flag as u64));
            hold(1); // before anything fails: it must not stay on
            assert!(first == id::SUCCESS, "round {round}: CPU_ON answers {first}");
            smp::spin_until(|| affinity_info(target) == OFF);
            for answer in again {
                assert!(
                    [id::ON_PENDING, id::ALREADY_ON].contains(&answer),
                    "round {round}: CPU_ON of a CPU that is on its way answers {answer}"
                );
            }
        }
    }
}

case! {
    /// The last CPU switches itself off. There is nobody left who could switch one on, and no
    /// interrupt wakes a CPU that is off: the machine has ended, and its hypervisor should say so
    /// instead of waiting for ever.
    ///
    /// ```text
    ///   CPU 0 alone --CPU_OFF--> no CPU is on      KVM: the VM's threads sleep; ours: the run ends
    /// ```
    ///
    /// The specification forbids CPU_OFF to return SUCCESS, and allows DENIED only for a Trusted OS.
    /// So the one thing that must not happen is that the guest goes on.
    "psci.cpu_off_last": "CPU_OFF of the only CPU that is on does not return: the machine ends";
    reference: "DEN 0022: CPU_OFF";
    needs: Needs::PSCI.and(Needs::SERVICES).and(Needs::ENDS_VM);
    fn cpu_off_last() {
        runner::passes_by_ending();
        let answer = call32(id::PSCI_CPU_OFF, 0);
        panic!("CPU_OFF of the last CPU returned {answer}");
    }
}

case! {
    /// CPU_ON of a CPU that is on answers ALREADY_ON whatever else is wrong with the call, and does
    /// not disturb it: neither its PC nor its registers.
    ///
    /// ```text
    ///   CPU 1   counts, and counts ...        CPU 0   CPU_ON(1, entry, context) x 100
    ///                                                 ALREADY_ON, always; the count goes on
    /// ```
    ///
    /// A hypervisor that writes PC and X0 of the target first and checks its state afterwards (or
    /// checks without a lock, see `psci.race`) sends a running CPU to a new entry.
    "psci.already_on": "CPU_ON of a running CPU is ALREADY_ON 100 times, and that CPU counts on undisturbed";
    reference: "DEN 0022: CPU_ON: ALREADY_ON";
    needs: Needs::PSCI.vcpus(2);
    fn already_on() {
        static COUNT: Line = Line::new();
        extern "C" fn body(argument: u64) {
            let mut own = 0;
            while FLAG.get() == 0 {
                own += 1;
                COUNT.0.store(own, core::sync::atomic::Ordering::Relaxed);
            }
            check_eq!(argument, 0x5a5a, "the argument");
            check_eq!(COUNT.get(), own, "the count");
        }
        FLAG.clear();
        COUNT.clear();
        let started = smp::start(body, 0x5a5a);
        smp::spin_until(|| COUNT.get() > 0);
        for _ in 0..100 {
            let result = cpu_on(smp::other_affinity(), image::text().start, 0);
            assert!(result == id::ALREADY_ON, "CPU_ON of a running CPU answers {result}");
        }
        let before = COUNT.get();
        smp::spin_until(|| COUNT.get() > before);
        tell(&FLAG, 1);
        started.join();
    }
}
