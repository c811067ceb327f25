//! Self-hosted debug of EL0 by EL1: breakpoints, watchpoints, software step, and the OS Lock that
//! silences them.
//!
//! ```text
//!   MDSCR_EL1  15 MDE   13 KDE   0 SS        OSLAR_EL1 = 1: all silent
//!   DBGBVR/DBGBCR<n>  address, E, PMC (EL), BAS   --> EC 0x30, 0x31
//!   DBGWVR/DBGWCR<n>  address, E, PAC, LSC, BAS   --> EC 0x34, 0x35
//!   MDSCR.SS + SPSR.SS                            --> EC 0x32, 0x33
//! ```
//!
//! A hypervisor may debug its guest with the same registers: MDCR_EL2.TDE routes debug exceptions
//! to EL2, TDA and TDOSA trap the guest's accesses to the registers. While it does, it must keep
//! the guest's values, and give the guest the exceptions that are the guest's own.

use core::arch::{asm, global_asm};

use aarch64_cpu::asm::barrier;
use anyvisor_abi::case::Needs;
use anyvisor_arch::esr::{Esr, ExceptionClass, ISS_STEP_EX, ISS_STEP_ISV};
use anyvisor_arch::pstate::SS;

use crate::exception::TrapFrame;
use crate::trap::{After, Trap, catch};
use crate::user::{self, User};
use crate::{case, check_eq, image, user_code};

/// MDSCR_EL1: software step; monitor debug events.
const MDSCR_SS: u64 = 1;
const MDSCR_MDE: u64 = 1 << 15;
/// MDSCR_EL1.KDE: debug exceptions from EL1 itself.
const MDSCR_KDE: u64 = 1 << 13;
/// DBGBCR: enabled, in EL0 (PMC = 0b10), any of the four bytes.
const BREAKPOINT_EL0: u64 = 1 | 0b10 << 1 | 0xf << 5;
/// DBGBCR: enabled, in EL1 (PMC = 0b01).
const BREAKPOINT_EL1: u64 = 1 | 0b01 << 1 | 0xf << 5;
/// DBGWCR: enabled, EL0 (PAC = 0b10); LSC and BAS are the case's.
const WATCHPOINT_EL0: u64 = 1 | 0b10 << 1;
const LOADS: u64 = 0b01 << 3;
const STORES: u64 = 0b10 << 3;
/// The fault status code of a debug exception.
const DEBUG: u64 = 0b10_0010;
/// ISS.WnR of a watchpoint.
const WNR: u64 = 1 << 6;

macro_rules! set {
    ($register:literal, $value:expr) => {
        // SAFETY: the debug registers are the cases' own; what they provoke is announced.
        unsafe { asm!(concat!("msr ", $register, ", {}"), in(reg) $value, options(nostack)) }
    };
}

/// Unlocks, and sets MDSCR_EL1.
fn control(mdscr: u64) {
    set!("oslar_el1", 0_u64);
    set!("mdscr_el1", mdscr);
    barrier::isb(barrier::SY);
}

/// Everything off again.
fn off() {
    set!("dbgbcr0_el1", 0_u64);
    set!("dbgwcr0_el1", 0_u64);
    set!("oslar_el1", 0_u64);
    set!("mdscr_el1", 0_u64);
    barrier::isb(barrier::SY);
}

/// EL0 runs its four instructions (see the end), with debug as `prepare` set it.
fn run(prepare: impl FnOnce(u64), pstate: u64) -> (Trap, u64) {
    let start = user_code!(user_four_instructions);
    prepare(start);
    barrier::isb(barrier::SY);
    let mut user = User::at(start).with(1, image::user_data().start + 0x100);
    user.pstate |= pstate;
    let trap = user::run(&mut user);
    off();
    (trap, start)
}

case! {
    /// A breakpoint compares PC with DBGBVR. The instruction there is not executed: ELR_EL1 is its
    /// address, EC 0x30 from EL0, with the fault status of a debug exception in the ISS. It needs
    /// DBGBCR.E, the level in DBGBCR.PMC, MDSCR_EL1.MDE, and the OS Lock open.
    ///
    /// The case sets one at EL0's second instruction: the first has written 1 to X0, the second has
    /// not written 2.
    ///
    /// ```text
    ///   mov x0, #1    executed
    ///   mov x0, #2    <-- EC 0x30, ELR here, X0 = 1
    /// ```
    ///
    /// The registers are the vCPU's and must be switched; KVM does so lazily, once the guest has
    /// written one. If the host's debugger uses the hardware ones for itself, the guest's
    /// breakpoints are not armed, and gdb inside the guest runs through them. An emulator has to
    /// compare at each instruction, or split its blocks at these addresses, also those blocks that
    /// it made before the breakpoint was set.
    "debug.breakpoint": "a breakpoint at EL0's second instruction: EC 0x30, ELR at it, X0 unchanged";
    reference: "DDI 0487: Breakpoint exceptions; DBGBVR<n>_EL1, DBGBCR<n>_EL1; MDSCR_EL1.MDE";
    needs: Needs::NONE;
    fn breakpoint() {
        let (trap, start) = run(|start| {
            set!("dbgbvr0_el1", start + 4);
            set!("dbgbcr0_el1", BREAKPOINT_EL0);
            control(MDSCR_MDE);
        }, 0);
        check_eq!(trap.esr.0, Esr::new(ExceptionClass::BreakpointLower, DEBUG).0, "ESR_EL1");
        check_eq!(trap.elr, start + 4, "ELR_EL1");
        check_eq!(trap.x[0], 1, "X0: the first instruction's doing alone");
    }
}

case! {
    /// A breakpoint is silent if one of its conditions fails: DBGBCR.E = 0, PMC for another
    /// exception level, MDSCR_EL1.MDE = 0, or the OS Lock locked.
    ///
    /// The case arms it at EL0's second instruction with each of these against it, and EL0 must
    /// reach its SVC. Where OSLSR_EL1 shows that the lock does not lock, it skips after the first
    /// three; QEMU 7.2 lets a breakpoint through under the lock.
    ///
    /// ```text
    ///   E=0 | PMC=EL1 | MDE=0 | OSLK=1   --> no exception, SVC #7
    /// ```
    ///
    /// The OS Lock is there for power management: software locks, saves the debug registers, powers
    /// down, restores, unlocks, and nothing fires meanwhile. Linux unlocks it on every CPU at boot.
    /// A hypervisor that traps OSLAR_EL1 (MDCR_EL2.TDOSA) has to keep the bit, show it in
    /// OSLSR_EL1, and act on it; one that ignores the write is still usable as long as it says so
    /// there.
    "debug.breakpoint_off": "no breakpoint with E, MDE or PMC against it, nor under the OS Lock";
    reference: "DDI 0487: DBGBCR<n>_EL1.{E, PMC}; MDSCR_EL1.MDE; OSLAR_EL1";
    needs: Needs::NONE;
    fn breakpoint_off() {
        let done = Esr::immediate(ExceptionClass::Svc, 7).0;
        for (what, control_bits, mdscr) in [
            ("E = 0", BREAKPOINT_EL0 & !1, MDSCR_MDE),
            ("PMC = EL1", BREAKPOINT_EL1, MDSCR_MDE),
            ("MDE = 0", BREAKPOINT_EL0, 0),
        ] {
            let (trap, _) = run(|start| {
                set!("dbgbvr0_el1", start + 4);
                set!("dbgbcr0_el1", control_bits);
                control(mdscr);
            }, 0);
            assert!(trap.esr.0 == done, "with {what}: {}", trap.esr);
        }
        let (trap, _) = run(|start| {
            set!("dbgbvr0_el1", start + 4);
            set!("dbgbcr0_el1", BREAKPOINT_EL0);
            control(MDSCR_MDE);
            set!("oslar_el1", 1_u64);
            barrier::isb(barrier::SY);
        }, 0);
        if !os_lock_works() {
            crate::skip!("OSLSR_EL1 says that the OS Lock does not lock");
        }
        assert!(trap.esr.0 == done, "under the OS Lock: {}", trap.esr);
    }
}

/// Whether a write of 1 to OSLAR_EL1 locks: a hypervisor may keep the lock for itself.
fn os_lock_works() -> bool {
    const OSLK: u64 = 1 << 1;
    set!("oslar_el1", 1_u64);
    barrier::isb(barrier::SY);
    let state: u64;
    // SAFETY: reads the state of the lock.
    unsafe { asm!("mrs {}, oslsr_el1", out(reg) state, options(nomem, nostack)) };
    off();
    state & OSLK != 0
}

case! {
    /// A watchpoint compares data addresses with DBGWVR: BAS chooses bytes of the doubleword, LSC
    /// loads or stores, PAC the level. The access is not done. EC is 0x34 from EL0, WnR its
    /// direction, ELR_EL1 the instruction, FAR_EL1 an address of the access.
    ///
    /// The case watches stores, loads, both, and the last byte only, while EL0 stores and then
    /// loads 8 bytes; and then the neighbour, a disabled one and one for EL1, which must let all
    /// pass.
    ///
    /// ```text
    ///   str x0, [x1]   LSC = stores --> EC 0x34, WnR 1, ELR here
    ///   ldr x2, [x1]   LSC = loads  --> EC 0x34, WnR 0
    /// ```
    ///
    /// A watched byte inside a larger access must match, which needs the size of the access and not
    /// only its address. Emulators check addresses only; or check before the translation, and
    /// report a watchpoint where a fault should come. gdb's `watch` in a guest, and `perf`'s
    /// hardware breakpoints, then miss writes, which is worse than none.
    "debug.watchpoint": "a watched doubleword: EC 0x34 for the load or the store; other bytes are free";
    reference: "DDI 0487: Watchpoint exceptions; DBGWVR<n>_EL1, DBGWCR<n>_EL1.{LSC, BAS, PAC}";
    needs: Needs::NONE;
    fn watchpoint() {
        let address = image::user_data().start + 0x100;
        let done = Esr::immediate(ExceptionClass::Svc, 7).0;
        let watched = |write: u64| Esr::new(ExceptionClass::WatchpointLower, DEBUG | write).0;
        const ALL: u64 = 0xff << 5;
        for (what, bits, wanted, at) in [
            ("stores", STORES | ALL, watched(WNR), 8),
            ("loads", LOADS | ALL, watched(0), 12),
            ("loads and stores", LOADS | STORES | ALL, watched(WNR), 8),
            ("the last byte", STORES | 0x80 << 5, watched(WNR), 8),
        ] {
            let (trap, start) = run(|_| {
                set!("dbgwvr0_el1", address);
                set!("dbgwcr0_el1", WATCHPOINT_EL0 | bits);
                control(MDSCR_MDE);
            }, 0);
            // The access is one of 8 bytes: FAR_EL1 may be any address of it.
            assert!(trap.esr.0 & !(0x7fff << 10) == wanted, "{what}: {}", trap.esr);
            check_eq!(trap.far & !7, address, "FAR_EL1: {}", what);
            check_eq!(trap.elr, start + at, "ELR_EL1: {}", what);
        }
        for (what, value, bits) in [
            ("next to it", address + 8, STORES | LOADS | ALL),
            ("disabled", address, (STORES | ALL) & !1),
            ("EL1's accesses only", address, STORES | ALL),
        ] {
            let enabled = match what {
                "disabled" => 0,
                "EL1's accesses only" => 1 | 0b01 << 1,
                _ => WATCHPOINT_EL0,
            };
            let (trap, _) = run(|_| {
                set!("dbgwvr0_el1", value);
                set!("dbgwcr0_el1", enabled | bits);
                control(MDSCR_MDE);
            }, 0);
            assert!(trap.esr.0 == done, "{what}: {}", trap.esr);
        }
    }
}

case! {
    /// Software step runs one instruction. With MDSCR_EL1.SS = 1, an ERET with SPSR_EL1.SS = 1 lets
    /// one instruction execute, and EC 0x32 comes before the next, ISV = 1. With SPSR_EL1.SS = 0
    /// the step is pending at once and nothing is executed.
    ///
    /// The case steps EL0 through four instructions, tries one with SS clear, and steps onto an
    /// SVC, whose exception comes first.
    ///
    /// ```text
    ///   eret (SS=1) --> insn --> EC 0x32, ELR = next     each time
    ///   eret (SS=0) -----------> EC 0x32, ELR = same
    /// ```
    ///
    /// PSTATE.SS is cleared by executing. A hypervisor that emulates an instruction for a guest
    /// that is being stepped (an MMIO access, a trapped register) must clear SPSR_EL2.SS when it
    /// skips it; otherwise the guest executes one more, and a debugger misses a line. Stepping the
    /// guest from outside uses the same bits by MDCR_EL2.TDE, so both at once must be refused or
    /// kept apart.
    "debug.step": "software step of EL0: one instruction each, EC 0x32, ISV and EX as they should be";
    reference: "DDI 0487: Software Step exceptions; MDSCR_EL1.SS, SPSR_EL1.SS; ISS.{ISV, EX}";
    needs: Needs::NONE;
    fn step() {
        let stepped = Esr::new(ExceptionClass::StepLower, DEBUG | ISS_STEP_ISV).0;
        let start = user_code!(user_four_instructions);
        control(MDSCR_SS);
        let mut user = User::at(start).with(1, image::user_data().start + 0x100);
        for n in 1..=4 {
            user.pstate |= SS;
            let trap = user::run(&mut user);
            check_eq!(trap.esr.0, stepped, "ESR_EL1 after step {}", n);
            check_eq!(trap.elr, start + 4 * n, "ELR_EL1 after step {}", n);
        }
        user.pstate &= !SS;
        let trap = user::run(&mut user);
        let pending = Esr::new(ExceptionClass::StepLower, DEBUG).0;
        check_eq!(trap.esr.0 & !ISS_STEP_EX, pending, "ESR_EL1 of a pending step");
        check_eq!(trap.elr, start + 16, "ELR_EL1 of a pending step");
        // The fifth instruction is an SVC: the exception it takes comes first.
        user.pstate |= SS;
        let trap = user::run(&mut user);
        off();
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Svc, 7).0, "ESR_EL1 of the SVC");
    }
}

case! {
    /// A step over a load-exclusive says so: ISS.EX = 1 beside ISV = 1. The exception and its ERET
    /// clear the exclusive monitor, so that a debugger that steps through LDXR ... STXR breaks the
    /// pair each time; with EX it can know, and set a breakpoint behind the loop instead.
    ///
    /// The case steps EL0 over LDXR, and wants EC 0x32 with ISV and EX, ELR_EL1 at the next
    /// instruction.
    ///
    /// ```text
    ///   1: ldxr x0, [x1]    step: EX = 1
    ///      ...              ERET: monitor cleared
    ///      stxr w2, ...     fails, back to 1, for ever
    /// ```
    ///
    /// A PE tells it by the instruction that was stepped; an emulator has to remember that until
    /// the exception is taken, even if an interrupt comes between. If EX is missing, a debugger
    /// that relies on it hangs in each lock that it steps through. If it is always set, a debugger
    /// that trusts it looks for a loop that is not there, and runs past the user's next line.
    "debug.step_exclusive": "software step over LDXR: ISS.EX is 1";
    reference: "DDI 0487: ISS encoding for an exception from a Software Step exception: EX";
    needs: Needs::NONE;
    fn step_exclusive() {
        control(MDSCR_SS);
        let start = user_code!(user_loads_exclusively);
        let mut user = User::at(start).with(1, image::user_data().start + 0x100);
        user.pstate |= SS;
        let trap = user::run(&mut user);
        off();
        let wanted = Esr::new(ExceptionClass::StepLower, DEBUG | ISS_STEP_ISV | ISS_STEP_EX).0;
        check_eq!(trap.esr.0, wanted, "ESR_EL1");
        check_eq!(trap.elr, start + 4, "ELR_EL1");
    }
}

case! {
    /// EL1 debugs itself only if it says so twice: MDSCR_EL1.KDE = 1, and PSTATE.D = 0. As
    /// exceptions set D, a handler is not interrupted by breakpoints in its own code before it is
    /// ready.
    ///
    /// The case arms a breakpoint on a NOP of its own: with D set nothing comes, with KDE clear
    /// nothing comes, with KDE set and D clear EC 0x31 with ELR_EL1 at the NOP.
    ///
    /// ```text
    ///   KDE  D     breakpoint at EL1
    ///   1    1     silent
    ///   0    0     silent
    ///   1    0     EC 0x31
    /// ```
    ///
    /// The handler here takes the breakpoint away, or it would fire again at once. D is the mask
    /// that hypervisors forget: one that injects an exception and leaves D clear lets kgdb or
    /// kprobes of the guest fire in the middle of its entry code. An emulator that looks at MDE and
    /// not at the level of the code recurses for ever when a kernel sets a breakpoint for a process
    /// at an address that it executes itself.
    "debug.kernel": "a breakpoint at EL1 needs MDSCR_EL1.KDE and PSTATE.D = 0: EC 0x31";
    reference: "DDI 0487: AArch64.GenerateDebugExceptionsFrom; MDSCR_EL1.KDE; PSTATE.D";
    needs: Needs::NONE;
    fn kernel() {
        unsafe extern "C" {
            fn debug_two_nops();
        }
        fn handler(frame: &mut TrapFrame) {
            set!("dbgbcr0_el1", 0_u64);
            barrier::isb(barrier::SY);
            frame.x[9] = 1;
        }
        let address = debug_two_nops as *const () as u64 + 4;
        let arm = |mdscr: u64| {
            set!("dbgbvr0_el1", address);
            set!("dbgbcr0_el1", BREAKPOINT_EL1);
            control(mdscr);
        };
        // SAFETY: two NOPs and a RET; D is put back. The first two times nothing may come.
        unsafe {
            arm(MDSCR_MDE | MDSCR_KDE);
            asm!("bl debug_two_nops", out("x30") _, options(nostack));
            arm(MDSCR_MDE);
            asm!("msr daifclr, #8", "bl debug_two_nops", "msr daifset, #8", out("x30") _, options(nostack));
        }
        arm(MDSCR_MDE | MDSCR_KDE);
        // SAFETY: as above; the exception is announced.
        let trap = catch(After::Handler(handler), || unsafe {
            asm!("msr daifclr, #8", "bl debug_two_nops", "msr daifset, #8", out("x30") _, out("x9") _, options(nostack));
        });
        off();
        check_eq!(trap.esr.0, Esr::new(ExceptionClass::BreakpointSame, DEBUG).0, "ESR_EL1");
        check_eq!(trap.elr, address, "ELR_EL1");
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    ".global user_four_instructions, user_loads_exclusively",
    "user_four_instructions:",
    "    mov x0, #1",
    "    mov x0, #2",
    "    str x0, [x1]",
    "    ldr x2, [x1]",
    "    svc #7",
    "user_loads_exclusively:",
    "    ldxr x0, [x1]",
    "    svc #7",
    ".popsection",
    ".pushsection .text.debug_two_nops, \"ax\"",
    ".global debug_two_nops",
    "debug_two_nops:",
    "    nop",
    "    nop",
    "    ret",
    ".popsection",
);
