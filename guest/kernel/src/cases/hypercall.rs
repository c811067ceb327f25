//! Calls to the hypervisor: SMCCC, PSCI, and the monitor's own services' front door.

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
    /// SMCCC_VERSION exists from version 1.1 on. Its discovery goes by PSCI: PSCI_FEATURES of
    /// its identifier says whether it may be called.
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
    /// PSCI_VERSION: major in the upper half, minor in the lower.
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
    /// PSCI_FEATURES tells what is there: 0 or flags for a function that is, NOT_SUPPORTED for
    /// one that is not. The mandatory functions of PSCI 1.0 must be.
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
    /// This CPU is on, and says so of itself; turning it on again is refused.
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
    /// A function that nobody has answers NOT_SUPPORTED in X0 (W0 for a 32-bit one), and leaves
    /// X4 to X30 alone: only X1 to X3 may hold rubbish, and under version 1.0 up to X17.
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
        for function in functions {
            let mut dump = [0; 31];
            // SAFETY: the routine keeps AAPCS64 and writes the dump; the call does nothing.
            unsafe { call(u64::from(function), &mut dump) };
            let answer = dump[0] as u32 as i32;
            assert!(answer == NOT_SUPPORTED, "{function:#x} answers {answer:#x}");
            for (n, x) in dump.into_iter().enumerate().skip(4) {
                check_eq!(x, pattern(n), "X{} after {:#x}", n, function);
            }
        }
    }
}

case! {
    /// HVC and SMC are not EL0's: a user cannot talk past its kernel.
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
    /// The monitor's services are found by the UID of their owner, as SMCCC says, and tell their
    /// revision.
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
    /// Dispatch is on X0 alone; the immediate of HVC is zero by the convention, and a hypervisor
    /// that does not see it (KVM) cannot look at it.
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
    /// A refused service changes nothing and says why: an unknown one is NOT_SUPPORTED, bad
    /// arguments are INVALID_PARAMETERS.
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
    /// The end. The result is reported before the call, because nothing can be after it.
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
