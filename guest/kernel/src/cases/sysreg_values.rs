//! What system registers hold: bits that keep what is written, ID registers that agree with one
//! another and with the machine, PSTATE under its register names.

use core::arch::asm;
use core::sync::atomic::Ordering;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::CPACR_EL1;
use anyvisor_abi::case::Needs;
use anyvisor_arch::field::Field;
use anyvisor_arch::id::{ctr, isar0, isar1, mmfr0, mmfr1, mmfr2, pfr0, pfr1};
use anyvisor_arch::pstate;
use anyvisor_arch::sctlr;
use anyvisor_arch::sysreg::{Encoding, SysReg};
use tock_registers::interfaces::Writeable;

use crate::access::El;
use crate::machine;
use crate::probe::{Probe, mrs, msr};
use crate::smp::{self, Line};
use crate::{case, check_eq, skip};

/// The value of a register, read at EL1.
fn value(probe: &Probe, register: SysReg) -> u64 {
    probe.read(El::El1, register.encoding()).done(register)[0]
}

/// ISB.
const ISB: u32 = 0xd503_3fdf;

/// Registers, and bits of them that keep what is written in every implementation: nothing that is
/// RES0 in one version, nothing whose value the kernel itself needs while it is tried.
const KEEP: &[(SysReg, u64)] = {
    use SysReg::*;
    const ALL: u64 = u64::MAX;
    const VA: u64 = 0x0000_ffff_ffff_ffff;
    &[
        (TPIDR_EL0, ALL),
        (TPIDRRO_EL0, ALL),
        (TPIDR_EL1, ALL),
        (CONTEXTIDR_EL1, 0xffff_ffff),
        (VBAR_EL1, VA & !0x7ff),
        (FAR_EL1, ALL),
        (ELR_EL1, ALL),
        (ESR_EL1, 0xffff_ffff),
        (SPSR_EL1, pstate::NZCV | pstate::DAIF | pstate::IL | pstate::SS | 0xf),
        (SP_EL0, ALL),
        (CNTV_CVAL_EL0, ALL),
        (CNTP_CVAL_EL0, ALL),
        (CNTKCTL_EL1, 0x3ff),
        (CPACR_EL1, 0b11 << 20),
        (NZCV, pstate::NZCV),
        (FPCR, 0b1_1111 << 22), // AHP, DN, FZ, RMode
        (FPSR, 1 << 27 | 0x9f),
        (
            SCTLR_EL1,
            sctlr::UMA | sctlr::DZE | sctlr::UCT | sctlr::N_TWI | sctlr::N_TWE | sctlr::UCI,
        ),
        (MDSCR_EL1, 1 << 15 | 1 << 13 | 1 << 12), // MDE, KDE, TDCC
        (DBGBVR0_EL1, VA & !3),
        (DBGWVR0_EL1, VA & !3),
    ]
};

case! {
    /// Twenty registers in turn: ones, zeros and two patterns are written to the bits that every
    /// implementation must keep, and read back at once; the other bits are written as they were. A
    /// system register that is plain storage (FAR_EL1, TPIDR_EL0, SP_EL0, CNTV_CVAL_EL0) keeps all
    /// 64 bits, a narrower one its fields.
    ///
    /// ```text
    ///   EL1   MRS X3, reg ; MSR reg, X0 ; MRS X1, reg ; MSR reg, X3       X1 = X0 ?
    /// ```
    ///
    /// What a bit does that is RES0 is not asked: the manual lets it be wired to 0 or be storage.
    ///
    /// The mistakes are of width. A hypervisor that keeps a trapped or saved register in 32 bits
    /// because it had 32 in AArch32 (CONTEXTIDR, ESR) loses nothing until FAR or TPIDR goes the
    /// same way; one that emulates SCTLR_EL1 from a mask of the bits it knows drops UCI or nTWE
    /// and a kernel's setting has no effect. Each such bit is a row here.
    "sysreg.bits": "what must keep a written value keeps ones, zeros and patterns, bit for bit";
    reference: "DDI 0487: the registers' field descriptions; RES0";
    needs: Needs::NONE;
    fn bits() {
        let probe = Probe::open();
        if pfr0::FP.get(value(&probe, SysReg::ID_AA64PFR0_EL1)) == pfr0::NO_FP {
            skip!("ID_AA64PFR0_EL1.FP says no floating-point");
        }
        CPACR_EL1.set(0b11 << 20);
        barrier::isb(barrier::SY);
        for &(register, mask) in KEEP {
            let encoding = register.encoding();
            let before = value(&probe, register);
            for pattern in [u64::MAX, 0, 0x5a5a_5a5a_5a5a_5a5a, 0xc33c_0ff0_a55a_9669] {
                let written = before & !mask | pattern & mask;
                let words = [mrs(3, encoding), msr(encoding, 0), mrs(1, encoding), msr(encoding, 3), ISB];
                let x = probe.run(El::El1, &words, &[written]).done(register);
                check_eq!(x[1] & mask, written & mask, "{} after {:#x} was written", register, written);
            }
        }
    }
}

case! {
    /// The ID space, S3_0_C0_C1_0 to S3_0_C0_C7_7: 56 encodings, of which a given machine has
    /// names for half. The others are reserved for features to come and must read as zero, "not
    /// there": so an old hypervisor and a new guest agree. Every MRS at EL1 goes through; every
    /// MSR is UNDEFINED; what is read stays the same.
    ///
    /// ```text
    ///   EL1  MRS X0, S3_0_C0_C7_4     ID_AA64MMFR4_EL1 in a new manual, nothing in an old one
    ///   EL2  HCR_EL2.TID3 = 1:        exit, EC 0x18 -> the hypervisor's table, or 0
    /// ```
    ///
    /// HCR_EL2.TID3 traps the reserved encodings together with the named ones, and that is where
    /// guests die: the hypervisor was written before ID_AA64ISAR2_EL1 had its name, does not find
    /// it in its table, and injects an UNDEFINED instruction. The newer Linux that reads it at
    /// boot does not survive that.
    "sysreg.id_space": "all of the ID space reads without a fault at EL1, the same each time; MSR is UNDEFINED";
    reference: "DDI 0487: op0 3, op1 0, CRn 0, CRm 1 to 7: reserved encodings read as zero";
    needs: Needs::NONE;
    fn id_space() {
        let probe = Probe::open();
        for crm in 1..8 {
            for op2 in 0..8 {
                let encoding = Encoding::new(3, 0, 0, crm, op2);
                let first = probe.read(El::El1, encoding).done(encoding)[0];
                let ended = probe.write(El::El1, encoding, !first);
                ended.undefined(format_args!("MSR of {encoding}"));
                let second = probe.read(El::El1, encoding).done(encoding)[0];
                check_eq!(second, first, "{}, read again", encoding);
            }
        }
    }
}

/// The registers of the ID group that all CPUs of this kernel must have alike.
macro_rules! id_group {
    ($($name:literal),* $(,)?) => {
        const ID_GROUP: &[&str] = &[$($name),*];

        /// Their values on this CPU.
        fn read_group() -> [u64; ID_GROUP.len()] {
            [$({
                let value: u64;
                // SAFETY: reads a register of the ID space, which never faults at EL1.
                unsafe { asm!(concat!("mrs {}, ", $name), out(reg) value, options(nomem, nostack)) };
                value
            }),*]
        }
    };
}

id_group!(
    "midr_el1",
    "s3_0_c0_c4_0",
    "s3_0_c0_c4_1",
    "s3_0_c0_c4_4",
    "s3_0_c0_c4_5",
    "s3_0_c0_c5_0",
    "s3_0_c0_c5_1",
    "s3_0_c0_c6_0",
    "s3_0_c0_c6_1",
    "s3_0_c0_c6_2",
    "s3_0_c0_c7_0",
    "s3_0_c0_c7_1",
    "s3_0_c0_c7_2",
    "s3_0_c0_c7_3",
    "ctr_el0",
    "dczid_el0",
    "cntfrq_el0",
);

static FOUND: [Line; ID_GROUP.len()] = [const { Line::new() }; ID_GROUP.len()];

case! {
    /// Each CPU reads its own ID registers, CTR_EL0, DCZID_EL0 and CNTFRQ_EL0, and the first CPU
    /// compares. An operating system reads them on the boot CPU, patches itself for what it found,
    /// and runs the same code everywhere; a program moves from CPU to CPU between two
    /// instructions.
    ///
    /// ```text
    ///   vCPU 0   ID_AA64ISAR0_EL1 = a     the kernel uses LSE
    ///   vCPU 1   ID_AA64ISAR0_EL1 = b     a != b: which code may run here?
    /// ```
    ///
    /// The registers are per PE in hardware, and a host with two kinds of cores gives two answers:
    /// it is the hypervisor that must make one out of them (KVM's and Apple's do, by trapping the
    /// group with HCR_EL2.TID3 or by restricting the VM to one kind). A hypervisor that sets them
    /// when the first vCPU is made and forgets the others, or passes the host's through, is seen
    /// here; Linux says "CPU1: Detected feature mismatch" and taints itself. MIDR_EL1 is compared
    /// as well: this suite's machines have CPUs of one kind.
    "sysreg.each_cpu": "the ID registers, CTR_EL0, DCZID_EL0 and CNTFRQ_EL0 are the same on every CPU";
    reference: "DDI 0487: ID registers; HCR_EL2.TID3; VPIDR_EL2";
    needs: Needs::PSCI.vcpus(2);
    fn each_cpu() {
        extern "C" fn body(_: u64) {
            for (line, value) in FOUND.iter().zip(read_group()) {
                line.0.store(value, Ordering::Relaxed);
            }
        }
        let own = read_group();
        for cpu in smp::others() {
            let work = smp::Work { body, argument: 0, interrupt: None };
            smp::start_on(cpu, work).join();
            for ((line, name), own) in FOUND.iter().zip(ID_GROUP).zip(own) {
                check_eq!(line.get(), own, "{} on CPU {}", name, cpu);
            }
        }
    }
}

case! {
    /// Who the CPU says it is. MPIDR_EL1 has bit 31 set and the affinity that the FDT gives this
    /// CPU in its `reg`, by which PSCI's CPU_ON and the GIC's routing name it; bits 30 to 25 and
    /// 63 to 40 beyond U and MT are zero. MIDR_EL1.Architecture is 0xf: "look at the ID
    /// registers".
    ///
    /// ```text
    ///   63    40 39  32 31 30 29   25 24 23  16 15   8 7    0
    ///   |  RES0 | Aff3 |1 |U | RES0 |MT| Aff2  | Aff1 | Aff0 |
    /// ```
    ///
    /// EL1's MPIDR_EL1 reads as VMPIDR_EL2, EL1's MIDR_EL1 as VPIDR_EL2, both of which the
    /// hypervisor must write for each vCPU and again at each switch, because their reset values
    /// are UNKNOWN. Forgotten, all vCPUs have the affinity of the host's CPU on which they run
    /// now: Linux finds no CPU node for itself, or sends its IPIs to another one. A U bit of 1 in
    /// a machine of several CPUs says "uniprocessor".
    "sysreg.identity": "MPIDR_EL1 is what the FDT says, with bit 31, and no U bit among several; MIDR_EL1.Architecture is 0xf";
    reference: "DDI 0487: MPIDR_EL1, MIDR_EL1, VMPIDR_EL2, VPIDR_EL2; the binding arm/cpus";
    needs: Needs::NONE;
    fn identity() {
        const AFFINITY: u64 = 0xff_00ff_ffff;
        const U: u64 = 1 << 30;
        const MT: u64 = 1 << 24;
        let probe = Probe::open();
        let mpidr = value(&probe, SysReg::MPIDR_EL1);
        check_eq!(mpidr >> 31 & 1, 1, "MPIDR_EL1, bit 31");
        check_eq!(mpidr & !(AFFINITY | 1 << 31 | U | MT), 0, "MPIDR_EL1's RES0 bits");
        let cpus = machine::get();
        assert!(
            cpus.cpus().contains(&(mpidr & AFFINITY)),
            "MPIDR_EL1 {mpidr:#x} is no CPU of the FDT"
        );
        if cpus.cpu_count > 1 {
            check_eq!(mpidr & U, 0, "MPIDR_EL1.U with {} CPUs", cpus.cpu_count as u64);
        }
        let midr = value(&probe, SysReg::MIDR_EL1);
        check_eq!(midr >> 32, 0, "MIDR_EL1's upper half");
        check_eq!(midr >> 16 & 0xf, 0xf, "MIDR_EL1.Architecture");
    }
}

/// A rule: with the left claim comes the right one.
struct Implies {
    rule: &'static str,
    holds: bool,
}

case! {
    /// The ID registers against one another. The manual ties features together: Advanced SIMD
    /// comes with floating point and has the same half-precision support; FEAT_SHA512 comes with
    /// SHA1 and SHA256 and with FEAT_SHA3; address authentication uses one algorithm, not two;
    /// FEAT_SVE needs FEAT_FP16 and FEAT_FCMA; what has FEAT_DPB2 has FEAT_DPB. EL0 and EL1 exist,
    /// and run AArch64. At least one granule is there.
    ///
    /// ```text
    ///   the host's value ---- the hypervisor's mask, field by field ----> the guest's value
    /// ```
    ///
    /// Each field of a masked register may look right for itself. It is the mask that makes the
    /// impossible machines: AdvSIMD set to "none" and FP left, SVE kept where FP16 was taken away,
    /// the signed fields FP and AdvSIMD (0xf is "none", 0 is "there") masked to zero, so that the
    /// guest is told that there is what was to be hidden. Linux warns about some, and chooses code
    /// by others.
    "sysreg.id_rules": "the ID registers' fields agree: FP with AdvSIMD, one algorithm of PAuth, SVE with FP16, ...";
    reference: "DDI 0487: ID_AA64PFR0_EL1, ISAR0, ISAR1, MMFR0: permitted values; FEAT_ dependencies";
    needs: Needs::NONE;
    fn id_rules() {
        const MMFR0_TGRAN16: u64 = 0;
        let probe = Probe::open();
        let [p0, p1] = [SysReg::ID_AA64PFR0_EL1, SysReg::ID_AA64PFR1_EL1].map(|r| value(&probe, r));
        let [i0, i1] = [SysReg::ID_AA64ISAR0_EL1, SysReg::ID_AA64ISAR1_EL1].map(|r| value(&probe, r));
        let [m0, m1, m2] = [SysReg::ID_AA64MMFR0_EL1, SysReg::ID_AA64MMFR1_EL1, SysReg::ID_AA64MMFR2_EL1]
            .map(|r| value(&probe, r));
        let fp = pfr0::FP.get(p0);
        let has_fp16 = fp == 1;
        let has = |field: Field, register: u64| field.get(register) != 0;
        let implies = |rule, left: bool, right: bool| Implies { rule, holds: !left || right };
        let always = |rule, holds| Implies { rule, holds };
        let rules = [
            always("AdvSIMD = FP", pfr0::ADV_SIMD.get(p0) == fp),
            always("FP is 0, 1 or 0xf", matches!(fp, 0 | 1 | 0xf)),
            always("EL0 and EL1 are there", matches!(pfr0::EL0.get(p0), 1 | 2) && matches!(pfr0::EL1.get(p0), 1 | 2)),
            always("SHA1 with SHA256", has(isar0::SHA1, i0) == has(isar0::SHA2, i0)),
            always("SHA512 with SHA3", (isar0::SHA2.get(i0) >= 2) == has(isar0::SHA3, i0)),
            always("SM3 with SM4", has(isar0::SM3, i0) == has(isar0::SM4, i0)),
            always("Atomic is not 1", isar0::ATOMIC.get(i0) != 1),
            implies("without FP no AES", fp == 0xf, !has(isar0::AES, i0)),
            implies("without FP no SVE", fp == 0xf, !has(pfr0::SVE, p0)),
            implies("FHM with FP16", has(isar0::FHM, i0), has_fp16),
            implies("SVE with FP16", has(pfr0::SVE, p0), has_fp16),
            implies("SVE with FCMA", has(pfr0::SVE, p0), has(isar1::FCMA, i1)),
            implies("SME with BF16", has(pfr1::SME, p1), has(isar1::BF16, i1)),
            implies("FlagM2 with FRINTTS", isar0::TS.get(i0) >= 2, has(isar1::FRINTTS, i1)),
            implies("PAuth with FCMA", has(isar1::APA, i1) || has(isar1::API, i1), has(isar1::FCMA, i1)),
            always("one PAuth algorithm", !(has(isar1::APA, i1) && has(isar1::API, i1))),
            always("one PACGA algorithm", !(has(isar1::GPA, i1) && has(isar1::GPI, i1))),
            implies("UAO with PAN", has(mmfr2::UAO, m2), has(mmfr1::PAN, m1)),
            implies("PAN with LSE", has(mmfr1::PAN, m1), has(isar0::ATOMIC, i0)),
            implies("E0PD with CSV3", has(mmfr2::E0PD, m2), has(pfr0::CSV3, p0)),
            always(
                "a granule is there",
                mmfr0::TGRAN4.get(m0) != 0xf
                    || mmfr0::TGRAN64.get(m0) != 0xf
                    || mmfr0::TGRAN16.get(m0) != MMFR0_TGRAN16,
            ),
            always("ASIDBits is 8 or 16 bits", matches!(mmfr0::ASID_BITS.get(m0), 0 | 2)),
        ];
        for Implies { rule, holds } in rules {
            assert!(
                holds,
                "{rule}: PFR0 {p0:#x} PFR1 {p1:#x} ISAR0 {i0:#x} ISAR1 {i1:#x} MMFR0 {m0:#x} MMFR1 {m1:#x} MMFR2 {m2:#x}"
            );
        }
        check_eq!(value(&probe, SysReg::CTR_EL0) & ctr::RES1, ctr::RES1, "CTR_EL0, bit 31");
    }
}

case! {
    /// Rt, the five bits of MRS and MSR that name the general-purpose register: each of X0 to X30
    /// gets the value of ID_AA64PFR0_EL1 and no other register changes; as Xt of 31 the value goes
    /// nowhere (XZR, not SP); MSR TPIDR_EL1, XZR writes zero.
    ///
    /// ```text
    ///   31       20 19 18 16 15 12 11  8 7  5 4   0
    ///   |1101010100|L|o0|op1|  CRn | CRm |op2| Rt |     ISS of the exit: Rt in bits 9:5
    /// ```
    ///
    /// The ID registers are those that hypervisors trap most (HCR_EL2.TID3), so this is their
    /// emulation being looked at: the value goes where ISS.Rt says, and PC moves on by 4. Written
    /// as a store into an array of 31 registers, Rt = 31 lands in whatever stands behind the array
    /// (often SP or PC); read from there, MSR of XZR stores garbage. Compilers seldom make an MRS
    /// to XZR, so no boot ever shows it.
    "sysreg.every_rt": "MRS of an ID register to each of X0 to X30 and XZR changes that register only; MSR of XZR writes 0";
    reference: "DDI 0487: MRS, MSR (register); ESR_ELx, ISS for MSR, MRS: Rt";
    needs: Needs::NONE;
    fn every_rt() {
        let probe = Probe::open();
        let pfr0 = SysReg::ID_AA64PFR0_EL1.encoding();
        let wanted = value(&probe, SysReg::ID_AA64PFR0_EL1);
        let before: [u64; 31] = core::array::from_fn(|n| 0x9e37_79b9_7f4a_7c15 * (n as u64 + 1));
        for rt in 0..32 {
            let ended = probe.run(El::El1, &[mrs(rt as u32, pfr0)], &before);
            let after = ended.done(format_args!("MRS to X{rt}"));
            for n in 0..31 {
                let expected = if n == rt { wanted } else { before[n] };
                check_eq!(after[n], expected, "X{} after MRS to X{}", n, rt);
            }
        }
        let tpidr = SysReg::TPIDR_EL1.encoding();
        for rt in [0, 15, 30, 31] {
            let words = [msr(tpidr, rt), mrs(1, tpidr)];
            let after = probe.run(El::El1, &words, &before).done("MSR of TPIDR_EL1");
            let expected = before.get(rt as usize).copied().unwrap_or(0);
            check_eq!(after[1], expected, "TPIDR_EL1 after MSR of X{}", rt);
        }
    }
}

/// MSR (immediate): op1, op2 and the immediate.
const fn msr_immediate(op1: u32, op2: u32, immediate: u32) -> u32 {
    0xd500_401f | op1 << 16 | immediate << 8 | op2 << 5
}

case! {
    /// PSTATE has no number, only names: NZCV, DAIF, SPSel, CurrentEL, PAN, UAO, DIT, SSBS. Each
    /// is written as a register and by an immediate (MSR DAIFSet, #imm; MSR PAN, #1), read back,
    /// and compared with what the next exception saves in SPSR_EL1, where all of them stand side
    /// by side.
    ///
    /// ```text
    ///   MSR DAIFClr, #15 ; MRS X1, DAIF ; SVC     X1 = 0      SPSR_EL1.DAIF = 0000
    ///   MSR PAN, #1      ; MRS X1, PAN  ; SVC     X1 = 1<<22  SPSR_EL1.PAN  = 1
    /// ```
    ///
    /// A hypervisor stays out of it as long as it runs the guest on hardware. It comes in where it
    /// makes PSTATE itself: when it injects an exception it has to build SPSR_EL1 out of all these
    /// bits, set or clear each for the handler, and the newer ones (PAN by SPAN, SSBS by DSSBS,
    /// DIT kept, UAO cleared) are forgotten first. The guest's kernel then runs a handler without
    /// the protection that it had asked for.
    "sysreg.pstate": "NZCV, DAIF, SPSel, CurrentEL, PAN, UAO, DIT, SSBS: register, immediate and SPSR_EL1 agree";
    reference: "DDI 0487: PSTATE; MSR (immediate); SPSR_EL1";
    needs: Needs::NONE;
    fn pstate_views() {
        let probe = Probe::open();
        let id = |register| value(&probe, register);
        // Name, register, MSR (immediate) with op1 and op2, where it is, whether it is claimed.
        let (m1, m2) = (id(SysReg::ID_AA64MMFR1_EL1), id(SysReg::ID_AA64MMFR2_EL1));
        let (p0, p1) = (id(SysReg::ID_AA64PFR0_EL1), id(SysReg::ID_AA64PFR1_EL1));
        let flags = [
            (SysReg::PAN, 0b000, 0b100, pstate::PAN, mmfr1::PAN.get(m1) != 0),
            (SysReg::UAO, 0b000, 0b011, pstate::UAO, mmfr2::UAO.get(m2) != 0),
            (SysReg::DIT, 0b011, 0b010, pstate::DIT, pfr0::DIT.get(p0) != 0),
            (SysReg::SSBS, 0b011, 0b001, pstate::SSBS, pfr1::SSBS.get(p1) >= 2),
        ];
        for (register, op1, op2, bit, _) in flags.into_iter().filter(|flag| flag.4) {
            let encoding = register.encoding();
            for on in [1, 0] {
                let wanted = if on == 1 { bit } else { 0 };
                let opposite = bit ^ wanted;
                for how in [msr(encoding, 0), msr_immediate(op1, op2, on)] {
                    let words = [msr(encoding, 2), how, mrs(1, encoding)];
                    let ended = probe.run(El::El1, &words, &[wanted, 0, opposite]);
                    check_eq!(ended.trap.spsr & bit, wanted, "SPSR_EL1 after {} = {}", register, on);
                    check_eq!(ended.done(register)[1], wanted, "{} after {} was written", register, on);
                }
            }
        }
        let nzcv = SysReg::NZCV.encoding();
        for flags in 0..16 {
            let wanted = flags << 28;
            let ended = probe.run(El::El1, &[msr(nzcv, 0), mrs(1, nzcv)], &[wanted]);
            check_eq!(ended.trap.spsr & pstate::NZCV, wanted, "SPSR_EL1.NZCV");
            check_eq!(ended.done("NZCV")[1], wanted, "NZCV");
        }
        let daif = SysReg::DAIF.encoding();
        // Nothing is pending: all four may be unmasked for two instructions.
        for mask in 0..16_u64 {
            let (set, clear) = (msr_immediate(3, 6, mask as u32), msr_immediate(3, 7, mask as u32));
            let ended = probe.run(El::El1, &[msr(daif, 0), set, mrs(1, daif)], &[0]);
            check_eq!(ended.trap.spsr & pstate::DAIF, mask << 6, "SPSR_EL1.DAIF after DAIFSet");
            check_eq!(ended.done("DAIFSet")[1], mask << 6, "DAIF after DAIFSet");
            let ended = probe.run(El::El1, &[msr(daif, 0), clear, mrs(1, daif)], &[pstate::DAIF]);
            check_eq!(ended.done("DAIFClr")[1], !mask << 6 & pstate::DAIF, "DAIF after DAIFClr");
        }
        let (sp_sel, current) = (SysReg::SPSel.encoding(), SysReg::CurrentEL.encoding());
        let words = [
            msr_immediate(0, 5, 0),
            mrs(1, sp_sel),
            msr_immediate(0, 5, 1),
            mrs(2, sp_sel),
            mrs(3, current),
        ];
        let x = probe.run(El::El1, &words, &[]).done("SPSel");
        check_eq!(x[1], 0, "SPSel after MSR SPSel, #0");
        check_eq!(x[2], 1, "SPSel after MSR SPSel, #1");
        check_eq!(x[3], 1 << 2, "CurrentEL");
    }
}
