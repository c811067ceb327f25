//! The calling convention itself (SMCCC, DEN 0028): who answers, in which registers, and what stays
//! as it was.
//!
//! ```text
//!   EL1  W0 = function, X1.. = arguments --- HVC or SMC --->  EL2: X0.. = results
//!        X18 to X30, SP as they were; from version 1.1 on X4 to X17 too
//! ```

use core::arch::asm;

use anyvisor_abi::case::Needs;
use anyvisor_abi::{service, smccc as id};
use anyvisor_arch::esr::Esr;

use super::hypercall::{pattern, registers_over_hvc, registers_over_smc};
use crate::hypercall::{self, call, call32, has_services};
use crate::machine::{self, Conduit};
use crate::trap::{After, try_catch};
use crate::{case, check_eq, skip, smp};

const NOT_SUPPORTED: u64 = id::NOT_SUPPORTED as u64;

/// Makes a call with whole registers X0 to X7; returns X0 to X3, or the exception.
fn raw(conduit: Conduit, x: [u64; 8]) -> Result<[u64; 4], Esr> {
    let mut results = [0; 4];
    macro_rules! make {
        ($instruction:literal) => {
            // SAFETY: the case makes a call whose effects it knows; SMCCC says which registers it
            // may change; an exception is announced.
            unsafe {
                asm!($instruction,
                    inout("x0") x[0] => results[0], inout("x1") x[1] => results[1],
                    inout("x2") x[2] => results[2], inout("x3") x[3] => results[3],
                    inout("x4") x[4] => _, inout("x5") x[5] => _, inout("x6") x[6] => _,
                    inout("x7") x[7] => _, out("x8") _, out("x9") _, out("x10") _, out("x11") _,
                    out("x12") _, out("x13") _, out("x14") _, out("x15") _, out("x16") _,
                    out("x17") _, options(nostack))
            }
        };
    }
    let trap = try_catch(After::Skip, || match conduit {
        Conduit::Hvc => make!("hvc #0"),
        Conduit::Smc => make!(".inst 0xd4000003"),
    });
    trap.map_or(Ok(results), |trap| Err(trap.esr))
}

/// The conduit that the FDT names.
fn conduit() -> Conduit {
    machine::get().psci.unwrap_or(Conduit::Hvc)
}

/// Makes a call by the conduit that there is, which does not fault.
#[track_caller]
fn by_registers(x: [u64; 8]) -> [u64; 4] {
    match raw(conduit(), x) {
        Ok(results) => results,
        Err(esr) => panic!("the call {:#x} took {esr}", x[0]),
    }
}

/// SMCCC_VERSION, 1.0 if it cannot be asked for.
fn version() -> u64 {
    if call32(id::PSCI_FEATURES, id::SMCCC_VERSION) < 0 {
        return 0x1_0000;
    }
    u64::from(call32(id::SMCCC_VERSION, 0) as u32)
}

case! {
    /// A function that nobody has answers NOT_SUPPORTED, whoever would own it: an unknown call is no
    /// fault of the guest's and no reason to stop it.
    ///
    /// ```text
    ///   31    30     29   24 23    16 15        0
    ///   fast  64-bit owner   0        number         16 numbers x 8 owners x fast and yielding
    ///                                                x 32 and 64 bits
    /// ```
    ///
    /// This is how a kernel probes: it calls, and looks whether W0 is -1. A 64-bit caller looks at
    /// X0, so a hypervisor that stores a 32-bit -1 there (0x00000000ffffffff) has said "4294967295,
    /// a success". Yielding calls (bit 31 clear) are for a Trusted OS, and nobody's here. A hypervisor
    /// that dispatches on the low 16 bits only answers for other owners, and one that injects UNDEF
    /// for what it does not know kills the kernel that asked.
    "smccc.unknown": "numbers of every owner that nobody has, fast and yielding, 32 and 64 bits: -1 in W0 or all of X0";
    reference: "DEN 0028: Unknown Function Identifier; function identifier ranges";
    needs: Needs::PSCI;
    fn unknown() {
        // Numbers that neither a standard nor a known hypervisor has given away.
        let numbers = (0..16_u32).map(|n| 0x0b71 + n * 0x0d13);
        let owners = [0, 1, 2, 3, 4, 5, 6, 50];
        for number in numbers.filter(|&number| number < 0xff00) {
            for owner in owners {
                for kind in [0b11_u32, 0b10, 0b01, 0b00] {
                    let function = kind << 30 | owner << 24 | number;
                    let answer = call(function, &[])[0];
                    let wide = kind & 1 != 0;
                    let mask = if wide { u64::MAX } else { 0xffff_ffff };
                    check_eq!(answer & mask, NOT_SUPPORTED & mask, "the answer to {:#x}", function);
                }
            }
        }
    }
}

case! {
    /// The function's number is W0. What stands above it in X0 is nobody's.
    ///
    /// ```text
    ///   X0   [ anything ][ 84000000 ]      PSCI_VERSION, whatever the upper half holds
    /// ```
    ///
    /// A guest that was compiled to write W0 leaves zeroes above; one that got the number in a
    /// 64-bit register sign-extends it, and every fast call's number is negative as an int. A
    /// hypervisor that compares all of X0 with its table misses the second kind.
    "smccc.function_is_w0": "bits 63:32 of X0 do not matter: PSCI_VERSION, FEATURES, AFFINITY_INFO, SMCCC_VERSION";
    reference: "DEN 0028: register use in SMC and HVC calls: Function Identifier in W0";
    needs: Needs::PSCI;
    fn function_is_w0() {
        let own = smp::own_affinity();
        let calls = [
            (id::PSCI_VERSION, 0),
            (id::PSCI_FEATURES, u64::from(id::PSCI_CPU_OFF)),
            (id::PSCI_AFFINITY_INFO_64, own),
            (id::PSCI_MIGRATE_INFO_TYPE, 0),
        ];
        for (function, argument) in calls {
            let plain = by_registers([function.into(), argument, 0, 0, 0, 0, 0, 0])[0];
            for above in [0xffff_ffff_u64, 1, 0x8000_0000, 0xdead_beef] {
                let x0 = above << 32 | u64::from(function);
                let answer = by_registers([x0, argument, 0, 0, 0, 0, 0, 0])[0];
                check_eq!(answer, plain, "the answer with X0 {:#x}", x0);
            }
        }
    }
}

case! {
    /// A 32-bit function (bit 30 clear) takes its arguments in W1 to W7. What a 64-bit caller left
    /// in the upper halves is not part of them.
    ///
    /// ```text
    ///   X0  84000004 AFFINITY_INFO (32)    X1  [ rubbish ][ affinity ]   X2  [ rubbish ][ 0 ]
    /// ```
    ///
    /// The guest runs at AArch64 and writes W registers, so the upper halves are zero nearly always,
    /// until a compiler passes a negative int. A hypervisor that reads X registers for all functions
    /// sees an affinity that no CPU has.
    "smccc.arguments_are_w": "32-bit functions ignore bits 63:32 of X1 to X3: AFFINITY_INFO, PSCI_FEATURES, CPU_ON";
    reference: "DEN 0028: SMC32/HVC32: arguments in W1 to W7; DEN 0022: 32-bit functions";
    needs: Needs::PSCI;
    fn arguments_are_w() {
        let own = smp::own_affinity();
        if own >> 32 != 0 {
            skip!("this CPU's affinity does not fit into 32 bits");
        }
        let entry = crate::image::text().start;
        let calls = [
            (id::PSCI_AFFINITY_INFO_32, [own, 0, 0]),
            (id::PSCI_FEATURES, [u64::from(id::PSCI_CPU_ON_64), 0, 0]),
            (id::PSCI_FEATURES, [u64::from(id::PSCI_MIGRATE_64), 0, 0]),
            // This CPU is on, and so it is refused.
            (id::PSCI_CPU_ON_32, [own, entry & 0xffff_ffff, 0]),
        ];
        for (function, [x1, x2, x3]) in calls {
            let plain = by_registers([function.into(), x1, x2, x3, 0, 0, 0, 0])[0] as u32;
            for rubbish in [u64::MAX << 32, 1 << 32, 0xdead_beef << 32] {
                let x = [function.into(), x1 | rubbish, x2 | rubbish, x3 | rubbish, rubbish, rubbish, 0, 0];
                let answer = by_registers(x)[0] as u32;
                check_eq!(answer.into(), plain.into(), "{:#x} with {:#x} in its arguments", function, rubbish);
            }
        }
    }
}

case! {
    /// From version 1.1 on a call leaves X4 to X17 alone as well (1.0 let it use them). Compilers
    /// rely on it: an inline HVC names X0 to X3 as changed and nothing more.
    ///
    /// ```text
    ///   before   X1..X30 = a pattern each
    ///   HVC      X0 the result, X1 to X3 results or rubbish
    ///   behind   X4..X30 the pattern, SP as it was
    /// ```
    ///
    /// A hypervisor that runs in another process gives all registers back as they were unless it
    /// writes one; one that shares the CPU with its guest (an exit handler in assembly that saves
    /// what C may change, and restores most of it) loses X16 and X17, or X18.
    "smccc.registers": "each call that changes nothing, by each conduit: X4 to X30 are as they were, from SMCCC 1.1 on";
    reference: "DEN 0028: preserved registers, version 1.1 and later";
    needs: Needs::PSCI;
    fn registers() {
        let first = if version() >= 0x1_0001 { 4 } else { 18 };
        let routine = match conduit() {
            Conduit::Hvc => registers_over_hvc,
            Conduit::Smc => registers_over_smc,
        };
        let functions = [
            id::PSCI_VERSION,
            id::PSCI_FEATURES,
            id::PSCI_AFFINITY_INFO_32,
            id::PSCI_AFFINITY_INFO_64,
            id::PSCI_MIGRATE_INFO_TYPE,
            id::SMCCC_VERSION,
            id::SMCCC_ARCH_FEATURES,
            0xc400_0b71,
        ];
        for function in functions {
            let mut dump = [0; 31];
            // SAFETY: the routine keeps AAPCS64 and writes the dump; these calls change nothing.
            unsafe { routine(function.into(), &mut dump) };
            for (n, x) in dump.into_iter().enumerate().skip(first) {
                check_eq!(x, pattern(n), "X{} after {:#x}", n, function);
            }
        }
        if has_services() {
            let mut dump = [0; 31];
            // SAFETY: as above; the monitor answers SMC as it answers HVC.
            unsafe { registers_over_smc(id::PSCI_VERSION.into(), &mut dump) };
            for (n, x) in dump.into_iter().enumerate().skip(4) {
                check_eq!(x, pattern(n), "X{} after SMC", n);
            }
        }
    }
}

case! {
    /// SMCCC_ARCH_FEATURES says which functions of the architecture's owner are there; the ones
    /// that are work. The workarounds for speculation are found this way.
    ///
    /// ```text
    ///   PSCI_FEATURES(SMCCC_VERSION) >= 0      version 1.1 or later: may be called
    ///   SMCCC_ARCH_FEATURES(f)                 -1 not there; 0 there; for ARCH_WORKAROUND_2 1: not
    ///                                          needed on this PE, for 1 and 3 as well
    ///   f                                      returns, whatever it is for
    /// ```
    ///
    /// A kernel calls ARCH_WORKAROUND_1 on every switch of address space if it is told that it is
    /// there: a hypervisor that forwards the discovery to its host's firmware and not the call
    /// leaves its guest unprotected, or with an UNDEF in the context switch. One that answers 0 to
    /// any question claims functions that no document has.
    "smccc.arch_features": "SMCCC_ARCH_FEATURES knows itself and the version, not an unknown number; workarounds claimed can be called";
    reference: "DEN 0028: SMCCC_ARCH_FEATURES, SMCCC_ARCH_WORKAROUND_1, _2, _3; discovery";
    needs: Needs::PSCI;
    fn arch_features() {
        if version() < 0x1_0001 {
            skip!("PSCI_FEATURES says that there is no SMCCC_VERSION: this is SMCCC 1.0");
        }
        let features = |function: u32| call32(id::SMCCC_ARCH_FEATURES, function);
        for known in [id::SMCCC_VERSION, id::SMCCC_ARCH_FEATURES] {
            let answer = features(known);
            assert!(answer == 0, "SMCCC_ARCH_FEATURES of {known:#x} answers {answer}");
        }
        for unknown in [0x8000_0b71, 0x8000_7abc, 0xc000_0b71, 0x8100_0000, 0] {
            let answer = features(unknown);
            assert!(answer == -1, "SMCCC_ARCH_FEATURES of {unknown:#x} answers {answer}");
        }
        const WORKAROUNDS: [u32; 3] = [0x8000_8000, 0x8000_7fff, 0x8000_3fff];
        for function in WORKAROUNDS {
            let answer = features(function);
            assert!((-2..=1).contains(&answer), "SMCCC_ARCH_FEATURES of {function:#x} answers {answer}");
            if answer >= 0 {
                call32(function, 1); // it returns nothing; that it returns is the point
            } else {
                let refused = call32(function, 1);
                assert!(refused < 0, "{function:#x} is not there and answers {refused}");
            }
        }
    }
}

case! {
    /// HVC goes to EL2, SMC to EL3; a hypervisor traps its guest's SMC (HCR_EL2.TSC) since EL3 is
    /// the host's. The FDT names one of the two for PSCI. The other one does the same, or is
    /// UNDEFINED; it does not do something else, and it does not skip an instruction.
    ///
    /// ```text
    ///   HVC  a call: the exit's PC is behind the instruction
    ///   SMC  a trap: the exit's PC is at the instruction, and who answers must step over it
    ///
    ///        mov x9, #0 ; smc ; add x9, #1 ; add x9, #2      x9 = 3, not 2 (a step too many), not
    ///                                                         for ever (a step too few)
    /// ```
    ///
    /// With one dispatcher for both exits the difference is forgotten in one of them: the guest runs
    /// its SMC again and again, or loses the instruction behind its HVC.
    "smccc.conduits": "HVC and SMC: the one that the FDT names answers; the other says the same, NOT_SUPPORTED, or is UNDEFINED; PC goes on by 4";
    reference: "DEN 0028: conduits; DDI 0487: HVC, SMC, HCR_EL2.TSC, preferred exception return address";
    needs: Needs::PSCI;
    fn conduits() {
        let version = call32(id::PSCI_VERSION, 0) as u32;
        for conduit in [Conduit::Hvc, Conduit::Smc] {
            match raw(conduit, [id::PSCI_VERSION.into(), 0, 0, 0, 0, 0, 0, 0]) {
                Ok([answer, ..]) => {
                    // The other one may end where nobody knows the function: at EL2, below EL3.
                    let unknown = answer as u32 == NOT_SUPPORTED as u32;
                    if Some(conduit) == machine::get().psci || !unknown {
                        let answer = answer as u32;
                        check_eq!(answer.into(), version.into(), "PSCI_VERSION by {:?}", conduit);
                    }
                }
                Err(esr) => {
                    assert!(Some(conduit) != machine::get().psci, "{conduit:?} took {esr}");
                    assert!(!has_services(), "the monitor answers both");
                    check_eq!(esr.0, Esr::unknown().0, "ESR_EL1 of {:?}", conduit);
                    continue;
                }
            }
            macro_rules! steps {
                ($instruction:literal) => {{
                    let steps: u64;
                    // SAFETY: PSCI_VERSION changes nothing; SMCCC 1.0 lets it use X4 to X17, of
                    // which X19 and up are none.
                    unsafe {
                        asm!(
                            "mov {steps}, #0",
                            $instruction,
                            "add {steps}, {steps}, #1",
                            "add {steps}, {steps}, #2",
                            steps = out(reg) steps,
                            inout("x0") u64::from(id::PSCI_VERSION) => _,
                            out("x1") _, out("x2") _, out("x3") _, out("x4") _, out("x5") _,
                            out("x6") _, out("x7") _, out("x8") _, out("x9") _, out("x10") _,
                            out("x11") _, out("x12") _, out("x13") _, out("x14") _, out("x15") _,
                            out("x16") _, out("x17") _, options(nostack)
                        );
                    }
                    steps
                }};
            }
            let steps = match conduit {
                Conduit::Hvc => steps!("hvc #0"),
                Conduit::Smc => steps!(".inst 0xd4000003"),
            };
            check_eq!(steps, 3, "the instructions behind {:?}", conduit);
        }
    }
}

case! {
    /// The immediate of HVC and SMC is 0 by the convention, and Anyvisor's monitor does not look at
    /// it, since hypervisors below it may not tell: all make the same call.
    ///
    /// ```text
    ///   hvc #0x4b00   ESR_EL2.ISS = 4b00     seen by who has ESR_EL2; dispatch is on W0 alone
    /// ```
    ///
    /// It cannot be a second function number: KVM ignores it, Xen has one of its own (0xea1), and a
    /// hypervisor that treats #0 as its own calls and others as UNDEF breaks both.
    "smccc.immediates": "HVC and SMC with immediates 0, 1, 0x4b00, 0xea1, 0x8000 and 0xffff make the same call";
    reference: "DEN 0028: HVC and SMC immediates; anyvisor_abi::service";
    needs: Needs::SERVICES;
    fn immediates() {
        macro_rules! answers {
            ($($instruction:literal),+ $(,)?) => {
                [$({
                    let (answer, one): (u64, u64);
                    // SAFETY: Call UID only answers.
                    unsafe {
                        asm!($instruction, inout("x0") u64::from(service::CALL_UID) => answer,
                            out("x1") one, out("x2") _, out("x3") _, out("x4") _, out("x5") _,
                            out("x6") _, out("x7") _, out("x8") _, out("x9") _, out("x10") _,
                            out("x11") _, out("x12") _, out("x13") _, out("x14") _, out("x15") _,
                            out("x16") _, out("x17") _, options(nostack));
                    }
                    [answer, one]
                }),+]
            };
        }
        let all = answers!(
            "hvc #0", "hvc #1", "hvc #0x4b00", "hvc #0xea1", "hvc #0x8000", "hvc #0xffff",
            ".inst 0xd4000003 | 0 << 5", ".inst 0xd4000003 | 1 << 5", ".inst 0xd4000003 | 0x4b00 << 5",
            ".inst 0xd4000003 | 0x8000 << 5", ".inst 0xd4000003 | 0xffff << 5",
        );
        for (n, answer) in all.into_iter().enumerate() {
            for (register, word) in answer.into_iter().enumerate() {
                check_eq!(word, service::UID[register].into(), "X{} of call {}", register, n);
            }
        }
    }
}

case! {
    /// Bit 16 of a fast call is a hint from version 1.3 on: the caller has no live state in SVE
    /// registers. The callee takes it off and does the same. Before 1.3 bits 23 to 16 must be zero,
    /// and a number that has others is nobody's.
    ///
    /// ```text
    ///   31 30 29   24 23     17 16    15      0
    ///   1  w  owner   zero      hint  number
    /// ```
    ///
    /// Linux sets it once it has seen 1.3. A hypervisor that says 1.3 because it has the rest of it,
    /// and dispatches on the whole word, answers NOT_SUPPORTED to all of PSCI from then on.
    "smccc.sve_hint": "bit 16: from SMCCC 1.3 on the same answer, before it NOT_SUPPORTED or the same; bits 23:17 never";
    reference: "DEN 0028: function identifier bit 16 (version 1.3); bits 23:17 must be zero";
    needs: Needs::PSCI;
    fn sve_hint() {
        let plain = call32(id::PSCI_VERSION, 0);
        let hinted = call32(id::PSCI_VERSION | 1 << 16, 0);
        if version() >= 0x1_0003 {
            assert!(hinted == plain, "PSCI_VERSION with the hint answers {hinted:#x}, without {plain:#x}");
        } else {
            assert!([plain, -1].contains(&hinted), "PSCI_VERSION with bit 16 answers {hinted:#x}");
        }
        for bit in 17..24 {
            let function = id::PSCI_VERSION | 1 << bit;
            let answer = hypercall::call32(function, 0);
            assert!(answer == -1, "{function:#x} answers {answer:#x}");
        }
    }
}
