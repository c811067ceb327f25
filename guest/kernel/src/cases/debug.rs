//! Self-hosted debug of EL0 by EL1: breakpoints, watchpoints, software step, and the OS Lock that
//! silences them.

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
    /// The instruction at the address is not executed; ELR_EL1 is its address.
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
    /// Disabled by its own bit, by MDSCR_EL1.MDE, by the exception level, or by the OS Lock.
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
    /// An access to a watched doubleword is not done; FAR_EL1 has its address, WnR its direction.
    /// BAS chooses bytes, LSC loads or stores.
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
    /// With MDSCR_EL1.SS and SPSR_EL1.SS an ERET executes one instruction; each further ERET the
    /// next. Without SPSR_EL1.SS the step is pending already: none is executed.
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
    /// A step over a load-exclusive says so (EX): a debugger would break the pair for ever.
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
    /// EL1 debugs itself only with MDSCR_EL1.KDE and PSTATE.D clear.
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
