//! Calls to the hypervisor: SMCCC, PSCI, and the monitor's own services' front door.
//!
//! HVC is the one door that is meant to be opened. It is a synchronous exception to EL2 (EC 0x16)
//! with ELR_EL2 behind the instruction, so PC needs no correction. An SMC that HCR_EL2.TSC traps is
//! another matter (EC 0x17): it was trapped before it was done, ELR_EL2 is at the SMC, and the
//! hypervisor adds 4.
//!
//! ```text
//!   EL1   x0 = function, x1.. = arguments;  hvc #0
//!           |                                  ^
//!   EL2     v  EC 0x16: who owns x0[29:24]? ---+  x0 = result
//!              0 Arm   4 standard secure (PSCI)   6 vendor hypervisor
//!              nobody: x0 = -1 (NOT_SUPPORTED)
//! ```
//!
//! The function's number says what it is: bit 31 fast call, bit 30 64-bit, bits 29:24 the owner,
//! 15:0 the function.

use core::arch::{asm, global_asm};

use aarch64_cpu::registers::MPIDR_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_abi::{service, smccc as id};
use anyvisor_arch::esr::Esr;
use tock_registers::interfaces::Readable;

use crate::machine::{self, Conduit};
use crate::user::{self, User};
use crate::{case, check_eq, gic, hypercall, runner, user_code};

const NOT_SUPPORTED: i32 = id::NOT_SUPPORTED as i32;

case! {
    /// SMCCC_VERSION (0x8000_0000) tells which version of the calling convention is kept. It exists
    /// from version 1.1 on; before, nobody answers, and a hypervisor of that time might do
    /// anything. So its discovery goes by PSCI: PSCI_FEATURES with SMCCC_VERSION as its argument
    /// says whether it may be called (DEN 0028, discovery).
    ///
    /// The case asks both. If PSCI_FEATURES says no, the call itself must answer NOT_SUPPORTED; if
    /// yes, at least 1.1 (0x1_0001). Our monitor must say 1.2.
    ///
    /// ```text
    ///   PSCI_FEATURES(SMCCC_VERSION)  -1 --> convention 1.0
    ///                                 >= 0 --> SMCCC_VERSION --> 1.1 ...
    /// ```
    ///
    /// Linux does just this at boot and then decides how to call: with 1.1 and later it trusts the
    /// hypervisor to keep X4 to X17, and asks for workarounds of speculation faults by
    /// ARCH_FEATURES. A hypervisor that claims 1.1 and clobbers a register corrupts the kernel at
    /// every such call.
    "hypercall.smccc_version": "SMCCC_VERSION is at least 1.1 where PSCI_FEATURES says it exists";
    reference: "DEN 0028: SMCCC_VERSION, discovery; DEN 0022: PSCI_FEATURES";
    needs: Needs::PSCI;
    fn smccc_version() {
        let version = hypercall::call32(id::SMCCC_VERSION, 0);
        if hypercall::call32(id::PSCI_FEATURES, id::SMCCC_VERSION) == NOT_SUPPORTED {
            assert!(!hypercall::has_services(), "the monitor has SMCCC_VERSION, and must say so");
            assert!(version == NOT_SUPPORTED, "SMCCC_VERSION is not there, but answers {version:#x}");
        } else {
            assert!(version >= 0x1_0001, "SMCCC_VERSION is {version:#x}");
        }
        if hypercall::has_services() {
            check_eq!(version as u64, id::SMCCC_VERSION_1_2, "SMCCC_VERSION of the monitor");
        }
    }
}

case! {
    /// PSCI_VERSION has the major version in bits 31:16 and the minor in 15:0. It is the first call
    /// that an operating system makes to a PSCI that claims to be 0.2 or later, and what it may
    /// call afterwards depends on it.
    ///
    /// The case wants 0.2 or later, and no negative number, which would be an error. Our monitor
    /// must say 1.1.
    ///
    /// ```text
    ///   hvc  x0 = 0x8400_0000  -->  w0 = 0x0001_0001
    ///                                    major minor
    /// ```
    ///
    /// Linux refuses to bring up any other CPU if the FDT says `arm,psci-0.2` and this call fails.
    /// A hypervisor that has the halves the wrong way round makes 0.1 of version 1.0, or 2.0 of
    /// 0.2: the guest does not use PSCI at all, or calls functions that are not there. (Of 1.1
    /// nobody notices.) The result is 32 bits; bits 63:32 of X0 are not to be relied on by the
    /// caller, who reads W0.
    "hypercall.psci_version": "PSCI_VERSION is 0.2 or later";
    reference: "DEN 0022: PSCI_VERSION";
    needs: Needs::PSCI;
    fn psci_version() {
        let version = hypercall::call32(id::PSCI_VERSION, 0);
        assert!((0x0002..0x8_0000).contains(&version), "PSCI_VERSION is {version:#x}");
        if hypercall::has_services() {
            check_eq!(version as u64, id::PSCI_VERSION_1_1, "PSCI_VERSION of the monitor");
        }
    }
}

case! {
    /// PSCI_FEATURES (from 1.0 on) tells what is there: 0 or a word of flags for a function that is
    /// implemented, NOT_SUPPORTED (-1) for one that is not. For functions that PSCI 1.0 makes
    /// mandatory it must not say no.
    ///
    /// The case asks for VERSION, CPU_SUSPEND, CPU_OFF, CPU_ON, AFFINITY_INFO, SYSTEM_OFF,
    /// SYSTEM_RESET and FEATURES itself, and then for three identifiers that nobody has given to
    /// anything.
    ///
    /// ```text
    ///   w1 = 0xc400_0003 (CPU_ON)    w0 >= 0
    ///   w1 = 0x8400_00ff (nothing)   w0 = -1
    /// ```
    ///
    /// A table of functions that is apart from the switch that serves them drifts from it:
    /// something is claimed and then answers -1, or works and is denied. Linux asks for
    /// CPU_SUSPEND's flags to know the format of power states, and for SYSTEM_SUSPEND, which
    /// decides whether the guest can be suspended at all. "Yes" to everything is worse than "no":
    /// the kernel uses what it was promised.
    "hypercall.psci_features": "PSCI_FEATURES knows the mandatory functions, and not an unknown one";
    reference: "DEN 0022: PSCI_FEATURES; table of mandatory functions";
    needs: Needs::PSCI;
    fn psci_features() {
        let mandatory = [
            id::PSCI_VERSION,
            id::PSCI_CPU_SUSPEND_64,
            id::PSCI_CPU_OFF,
            id::PSCI_CPU_ON_64,
            id::PSCI_AFFINITY_INFO_64,
            id::PSCI_SYSTEM_OFF,
            id::PSCI_SYSTEM_RESET,
            id::PSCI_FEATURES,
        ];
        for function in mandatory {
            let answer = hypercall::call32(id::PSCI_FEATURES, function);
            assert!(answer >= 0, "PSCI_FEATURES of {function:#x} is {answer}");
        }
        for unknown in [0x8400_00ff, 0xc400_00ff, 0x8600_0000] {
            let answer = hypercall::call32(id::PSCI_FEATURES, unknown);
            assert!(answer == NOT_SUPPORTED, "PSCI_FEATURES of {unknown:#x} is {answer}");
        }
    }
}

/// The affinity fields of MPIDR_EL1, which name a CPU to PSCI.
fn affinity() -> u64 {
    MPIDR_EL1.get() & 0xff_00ff_ffff
}

case! {
    /// A CPU that executes this case is on, and AFFINITY_INFO must say so (0); CPU_ON of it is
    /// refused with ALREADY_ON (-4). MIGRATE_INFO_TYPE must be 2 (no Trusted OS, or one that need
    /// not be migrated) or not supported.
    ///
    /// The case asks for its own affinity, taken from MPIDR_EL1. AFFINITY_INFO has a level as its
    /// second argument; levels above 0 need not be supported since PSCI 1.0, and our monitor
    /// answers INVALID_PARAMETERS there.
    ///
    /// ```text
    ///   x1 = MPIDR_EL1 & 0xff_00ff_ffff
    ///   AFFINITY_INFO(x1, 0) = 0        CPU_ON(x1, entry, 0) = -4
    /// ```
    ///
    /// A hypervisor finds the vCPU by affinity and not by its number: they differ as soon as there
    /// is more than one cluster. If CPU_ON of a running vCPU is carried out, its registers are
    /// reset under its feet. That is why the state must be looked at and changed in one step.
    "hypercall.psci_cpu": "AFFINITY_INFO of this CPU is ON, CPU_ON of it ALREADY_ON";
    reference: "DEN 0022: AFFINITY_INFO, CPU_ON";
    needs: Needs::PSCI;
    fn psci_cpu() {
        const ON: u64 = 0;
        let info = hypercall::call(id::PSCI_AFFINITY_INFO_64, &[affinity(), 0])[0];
        check_eq!(info, ON, "AFFINITY_INFO");
        if hypercall::has_services() {
            // Levels above 0 need not be supported from PSCI 1.0 on: the monitor does not.
            let info = hypercall::call(id::PSCI_AFFINITY_INFO_64, &[affinity(), 1])[0];
            check_eq!(info, id::INVALID_PARAMETERS as u64, "AFFINITY_INFO of level 1");
        }
        let text = crate::image::text().start;
        let answer = hypercall::call(id::PSCI_CPU_ON_64, &[affinity(), text, 0])[0].cast_signed();
        assert!(answer == id::ALREADY_ON, "CPU_ON of this CPU is {answer}");
        let kind = i64::from(hypercall::call32(id::PSCI_MIGRATE_INFO_TYPE, 0));
        assert!(
            [id::TOS_NOT_PRESENT_MP, id::NOT_SUPPORTED].contains(&kind),
            "MIGRATE_INFO_TYPE is {kind}"
        );
    }
}

unsafe extern "C" {
    /// Makes the call with a pattern in X1 to X30, and stores X0 to X30 behind it.
    pub fn registers_over_hvc(function: u64, dump: *mut [u64; 31]);
    /// The same by SMC.
    pub fn registers_over_smc(function: u64, dump: *mut [u64; 31]);
}

/// What register `n` holds before the call.
pub const fn pattern(n: usize) -> u64 {
    0x0101_0101_0101_0101 * n as u64
}

case! {
    /// A function identifier that nobody has must answer NOT_SUPPORTED, -1, in X0 (W0 for a 32-bit
    /// call), and must leave the other registers alone. Under SMCCC 1.1 and later X4 to X17 are
    /// kept, and X18 to X30 always; X1 to X3 may hold rubbish. Under 1.0, X4 to X17 are scratch.
    ///
    /// The case fills X1 to X30 with a pattern, makes eight such calls, 32-bit and 64-bit, of
    /// several owners, and compares. From which register on it does so depends on whether
    /// SMCCC_VERSION is there.
    ///
    /// ```text
    ///   before   x0 = 0xc600_fff0   x4 ..... x30 = pattern
    ///   after    x0 = -1            x4 ..... x30 = pattern
    /// ```
    ///
    /// Guests probe: KVM's, Hyper-V's and others' services are looked for by calls that most
    /// hypervisors do not know. One that injects UNDEFINED, stops the VM, or returns 0 ("success")
    /// breaks the probing of tomorrow's Linux. A forgotten register is a bug in the guest's
    /// compiler-made code, far away.
    "hypercall.unknown": "an unknown function returns -1 and preserves X4 to X30";
    reference: "DEN 0028: unknown function identifier; register use in HVC and SMC calls";
    needs: Needs::PSCI;
    fn unknown() {
        // Owners: Arm, SiP, standard secure, standard hypervisor, vendor hypervisor, trusted OS.
        let functions: [u32; 8] = [
            0x8000_1234, 0xc000_1234, 0x8200_0777, 0x8400_0f00, 0xc400_0f00, 0x8500_0100,
            0xc600_fff0, 0xbf00_0001,
        ];
        let call = match machine::get().psci {
            Some(Conduit::Smc) => registers_over_smc,
            _ => registers_over_hvc,
        };
        // SMCCC_VERSION is there from 1.1 on, which keeps X4 to X17; before, they are scratch.
        let answer = hypercall::call32(id::PSCI_FEATURES, id::SMCCC_VERSION);
        let first_kept = if answer == NOT_SUPPORTED { 18 } else { 4 };
        for function in functions {
            let mut dump = [0; 31];
            // SAFETY: the routine keeps AAPCS64 and writes the dump; the call does nothing.
            unsafe { call(u64::from(function), &mut dump) };
            let answer = dump[0] as u32 as i32;
            assert!(answer == NOT_SUPPORTED, "{function:#x} answers {answer:#x}");
            for (n, x) in dump.into_iter().enumerate().skip(first_kept) {
                check_eq!(x, pattern(n), "X{} after {:#x}", n, function);
            }
        }
    }
}

case! {
    /// HVC and SMC do not exist at EL0: they are UNDEFINED there, EC 0 at EL1, and the hypervisor
    /// does not hear of them. A user cannot talk past its kernel.
    ///
    /// The case executes both at EL0 with SYSTEM_OFF in X0. It wants the exception with ELR_EL1 at
    /// the instruction; and the VM has to be still there.
    ///
    /// ```text
    ///   EL0   hvc #0 --+
    ///   EL1            +--> EC 0, ELR at it --> SIGILL
    ///   EL2   not reached
    /// ```
    ///
    /// On hardware this comes for free. Emulators of HVC, and hypervisors without EL2 that catch
    /// the instruction by other means, have to ask for the level first. If they do not, any process
    /// of the guest can switch its machine off, start CPUs at an address of its choice with EL1's
    /// rights, or ask for whatever the paravirtual services offer. With HCR_EL2.TSC, too, an SMC
    /// from EL0 is UNDEFINED and not a trap to EL2.
    "hypercall.not_from_el0": "HVC and SMC at EL0 are UNDEFINED: EC 0 at EL1, no call";
    reference: "DDI 0487: HVC, SMC; AArch64.CheckForSMCUndefOrTrap";
    needs: Needs::NONE;
    fn not_from_el0() {
        for start in [user_code!(user_hvc), user_code!(user_smc)] {
            let trap = user::run(&mut User::at(start).with(0, u64::from(id::PSCI_SYSTEM_OFF)));
            check_eq!(trap.esr.0, Esr::unknown().0, "ESR_EL1");
            check_eq!(trap.elr, start, "ELR_EL1");
        }
    }
}

case! {
    /// Each owner of a range of functions has general queries: Call UID (0xff01) says by a UUID in
    /// W0 to W3 whose services they are, Revision (0xff03) which version (DEN 0028, general service
    /// queries). The vendor-specific hypervisor range, owner 6, is used by KVM, by Hyper-V and by
    /// our monitor; the UID tells them apart.
    ///
    /// The case calls both of owner 6 and compares with the monitor's UUID and revision.
    ///
    /// ```text
    ///   0x8600_ff01 --> w0 w1 w2 w3 = 16 bytes of the UUID, lowest first
    ///   0x8600_ff03 --> w0 major, w1 minor
    /// ```
    ///
    /// This kernel decides by these four words whether the monitor's services exist, and skips
    /// cases if they do not; Linux does likewise with KVM's, for its PTP clock. The byte order
    /// within the words is where hypervisors slip. Who answers with somebody else's UID is called
    /// with that one's functions, whose arguments mean something else.
    "hypercall.vendor_uid": "Call UID of the vendor hypervisor owner is the monitor's; revision 1.1";
    reference: "DEN 0028: general service queries (Call UID, Revision)";
    needs: Needs::SERVICES;
    fn vendor_uid() {
        let answer = hypercall::call(service::CALL_UID, &[]);
        for (n, word) in service::UID.into_iter().enumerate() {
            check_eq!(answer[n], u64::from(word), "word {} of the UID", n);
        }
        let revision = hypercall::call(service::CALL_REVISION, &[]);
        check_eq!(revision[0], u64::from(service::REVISION.0), "major revision");
        check_eq!(revision[1], u64::from(service::REVISION.1), "minor revision");
    }
}

case! {
    /// HVC has a 16-bit immediate, which reaches EL2 in the ISS of EC 0x16. SMCCC calls use 0;
    /// other values are left to hypervisor vendors. Anyvisor's contract is that dispatch is on X0
    /// alone and any immediate makes the same call.
    ///
    /// The case asks for the host's time by `HVC #0`, by `HVC #0x1234` and again by the first. The
    /// second must succeed, and its answer lie between the others.
    ///
    /// ```text
    ///   ESR_EL2 = EC 0x16, imm16      not looked at
    ///   X0      = function            decides
    /// ```
    ///
    /// KVM serves the call whatever the immediate is; Xen and Jailhouse use immediates of their own
    /// to tell their calls from SMCCC's. A guest that wants to run everywhere uses 0. For a
    /// hypervisor the point is to choose and to stay with it: if the immediate is looked at in one
    /// path and not in another, a call's meaning depends on which of them it took.
    "hypercall.immediate_ignored": "HVC #0 and HVC #0x1234 make the same call";
    reference: "DEN 0028: HVC immediate; Anyvisor's contract";
    needs: Needs::SERVICES;
    fn immediate_ignored() {
        let (mut x0, x1): (u64, u64);
        x0 = u64::from(service::HOST_TIME);
        let before = crate::services::host_time();
        // SAFETY: the service only reads a clock; X2 to X17 may change under SMCCC 1.0.
        unsafe {
            asm!("hvc #0x1234", inout("x0") x0, out("x1") x1, out("x2") _, out("x3") _,
                out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _,
                out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _,
                out("x15") _, out("x16") _, out("x17") _, options(nostack));
        }
        let after = crate::services::host_time();
        check_eq!(x0, 0, "X0");
        assert!((before..=after).contains(&x1), "{x1} is not between {before} and {after}");
    }
}

case! {
    /// A call that is refused must change nothing and say why: an unknown service is NOT_SUPPORTED
    /// (-1), bad arguments are INVALID_PARAMETERS (-2). The rule is Anyvisor's contract, and every
    /// hypervisor's own: arguments of a hypercall are an allegation until checked.
    ///
    /// The case calls an unknown service; PROTECT with an address that is not aligned, with a size
    /// that is not, beyond RAM, and with a sum that wraps around 2^64; and interrupt services with
    /// a line, level or INTID that cannot be. It also calls the one that this machine (with a GIC,
    /// or without) does not have.
    ///
    /// ```text
    ///   start = 2^64 - 0x4000, size = 0x8000    end = 0x4000: looks small
    /// ```
    ///
    /// The sum that wraps is the classic: `start + size <= end of RAM` holds. A hypervisor that
    /// believes it changes the permissions of somebody else's memory, or panics in an addition that
    /// is checked. Both are holes that a guest can use, the second to take its host down.
    "hypercall.service_refuses": "services refuse: unknown -1, unaligned or outside RAM -2";
    reference: "Anyvisor's contract: anyvisor_abi::service";
    needs: Needs::SERVICES;
    fn service_refuses() {
        let ram = machine::get().ram;
        let answer = |function, arguments: &[u64]| hypercall::call(function, arguments)[0].cast_signed();
        let unknown = answer(0xc600_0fff, &[]);
        assert!(unknown == id::NOT_SUPPORTED, "an unknown service answers {unknown}");
        let bad: [(u32, &[u64]); 4] = [
            (service::PROTECT, &[ram.start + 0x1000, 0x4000, 3]),
            (service::PROTECT, &[ram.start, 0x1000, 3]),
            (service::PROTECT, &[ram.end(), 0x4000, 3]),
            (service::PROTECT, &[!0x3fff, 0x8000, 3]),
        ];
        // The lines are a GIC's outputs where there is one, and SPIs only where there is one.
        let lines = if gic::is_present() {
            [(service::INJECT_SPI, [31, service::LEVEL_HIGH, 0]), (service::INJECT_SPI, [40, 9, 0])]
        } else {
            [(service::INJECT, [7, service::LEVEL_HIGH, 0]), (service::INJECT, [0, 9, 0])]
        };
        let lines = lines.iter().map(|(function, arguments)| (*function, &arguments[..]));
        for (function, arguments) in bad.into_iter().chain(lines) {
            let refused = answer(function, arguments);
            assert!(
                refused == id::INVALID_PARAMETERS,
                "{function:#x} of {arguments:#x?} answers {refused}"
            );
        }
        let absent = if gic::is_present() { service::INJECT } else { service::INJECT_SPI };
        let answer = answer(absent, &[0, service::LEVEL_LOW, 0]);
        assert!(answer == id::NOT_SUPPORTED, "{absent:#x} of another machine answers {answer}");
    }
}

case! {
    /// SYSTEM_OFF (0x8400_0008) ends the machine and does not return. The case reports its result
    /// before the call, for nothing can be reported after; if the call does return, it panics, and
    /// the later "not ok" for the same number is what counts.
    ///
    /// ```text
    ///   ok 1 hypercall.system_off
    ///   hvc SYSTEM_OFF --> EL2: stop all vCPUs, end the VM
    ///   (never here)
    /// ```
    ///
    /// The caller's vCPU must not be entered again, the others must stop, and output that the guest
    /// has written to its console has to be out before the process ends: the line above is such
    /// output. A hypervisor that returns from the call, if only while it is shutting down, runs the
    /// guest behind a point where it expects nothing: Linux's init then exits, and the guest panics
    /// while it shuts down. One that kills itself at once cuts the guest's last line.
    "hypercall.system_off": "SYSTEM_OFF ends the VM and does not return";
    reference: "DEN 0022: SYSTEM_OFF";
    needs: Needs::PSCI.and(Needs::ENDS_VM);
    fn system_off() {
        runner::passes_by_ending();
        let answer = hypercall::call32(id::PSCI_SYSTEM_OFF, 0);
        panic!("SYSTEM_OFF returned {answer}");
    }
}

global_asm!(
    ".pushsection .user.text, \"ax\"",
    "user_hvc: hvc #0",
    "user_smc: .inst 0xd4000003", // SMC #0, which the assembler wants an extension for
    ".global user_hvc, user_smc",
    ".popsection",
    // Loads X1 to X30 with a pattern, makes the call, stores X0 to X30.
    ".macro registers_over_call name, instruction",
    "    .global \\name",
    "\\name:",
    "    stp x29, x30, [sp, #-112]!",
    "    stp x19, x20, [sp, #16]",
    "    stp x21, x22, [sp, #32]",
    "    stp x23, x24, [sp, #48]",
    "    stp x25, x26, [sp, #64]",
    "    stp x27, x28, [sp, #80]",
    "    str x1, [sp, #96]",
    "    mov x1, #0x0101010101010101",
    "    add x2, x1, x1",
    "    .irp n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30",
    "    add x\\n, x2, x1",
    "    mov x2, x\\n",
    "    .endr",
    "    \\instruction",
    "    sub sp, sp, #16", // room for the two registers that the dump needs
    "    stp x0, x1, [sp]",
    "    ldr x0, [sp, #112]",
    "    stp x2, x3, [x0, #16]",
    "    stp x4, x5, [x0, #32]",
    "    stp x6, x7, [x0, #48]",
    "    stp x8, x9, [x0, #64]",
    "    stp x10, x11, [x0, #80]",
    "    stp x12, x13, [x0, #96]",
    "    stp x14, x15, [x0, #112]",
    "    stp x16, x17, [x0, #128]",
    "    stp x18, x19, [x0, #144]",
    "    stp x20, x21, [x0, #160]",
    "    stp x22, x23, [x0, #176]",
    "    stp x24, x25, [x0, #192]",
    "    stp x26, x27, [x0, #208]",
    "    stp x28, x29, [x0, #224]",
    "    str x30, [x0, #240]",
    "    ldp x2, x3, [sp], #16",
    "    stp x2, x3, [x0]",
    "    ldp x19, x20, [sp, #16]",
    "    ldp x21, x22, [sp, #32]",
    "    ldp x23, x24, [sp, #48]",
    "    ldp x25, x26, [sp, #64]",
    "    ldp x27, x28, [sp, #80]",
    "    ldp x29, x30, [sp], #112",
    "    ret",
    ".endm",
    ".pushsection .text.registers_over_call, \"ax\"",
    "registers_over_call registers_over_hvc, \"hvc #0\"",
    "registers_over_call registers_over_smc, \".inst 0xd4000003\"",
    ".popsection",
);
