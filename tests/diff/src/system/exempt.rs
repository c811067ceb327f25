//! What is left open, or is not the same machine; each with its reason.

use super::cases::Topic;
use super::image::TCR_OF_CASES;
use super::record::{Case, Outcome};
use crate::memory::Kind;
use anyvisor_arch::pstate;
use anyvisor_arch::sysreg::{Encoding, SysReg};
use anyvisor_cpu::a64::Row;

/// Why a register is not written and read.
pub fn register(register: SysReg) -> Option<&'static str> {
    let encoding = register.encoding();
    let place = (encoding.op0(), encoding.op1(), encoding.crn(), encoding.crm(), encoding.op2());
    Some(match place {
        (3, 0, 0, ..) => "identification: another processor",
        (3, 3, 0, 0, _) | (3, 1, 0, ..) | (3, 2, 0, ..) => "caches: another processor's",
        (3, _, 14, ..) => "time, and performance monitors",
        (3, _, 9, 12..=14, _) => "performance monitors: another count",
        (3, _, 12, 8..=12, _) | (3, 0, 4, 6, _) => "interrupt controller: another one",
        (2, ..) => "debug: another number of breakpoints, and what an external debugger sees",
        (3, 3, 13, 0, 7) | (3, 0, 13, 0, 7) => "FEAT_CSV2_2: the oracle's only",
        (3, 0, 5, 3..=5, _) => {
            "error records, of which there are none: reading as zero, or UNDEFINED"
        }
        (3, 3, 4, 4, _) => "FPCR, FPSR: not set here",
        (3, 0, 1, 0, 0) => "SCTLR_EL1: the executor runs by it",
        (3, 0, 2, 0, 1) => "TTBR1_EL1: the executor runs by it",
        (3, 4.., ..) => "of EL2 and EL3, which neither machine has",
        _ => return None,
    })
}

/// Bits of a register that may be random, and those that stay.
pub fn writable(register: SysReg) -> (u64, u64) {
    match register {
        SysReg::TCR_EL1 => (TCR_OF_CASES, super::image::TCR),
        _ => (u64::MAX, 0),
    }
}

/// Words that are not compared at EL0.
pub fn word(word: u32) -> bool {
    // A store exclusive without its load: the oracle does not look where it goes.
    let exclusive = matches!(Kind::of(word), Some(Kind::Exclusive | Kind::ExclusivePair));
    if exclusive && word & 1 << 22 == 0 {
        return true;
    }
    // SP_EL0 is not set here, and the oracle does not check its alignment.
    if Kind::of(word).is_some() && word >> 5 & 31 == 31 {
        return true;
    }
    // A direct branch ends in the executor's own code, or nowhere.
    if word & 0x7c00_0000 == 0x1400_0000 || word >> 26 & 0x1f == 0b0_1101 || word >> 24 == 0x54 {
        return true;
    }
    // Cache maintenance by address (SYS, CRn 7): the oracle does not translate, so that it does
    // not fault.
    if word >> 19 == 0xd508_0000 >> 19 && word >> 12 & 0xf == 7 {
        return true;
    }
    // The state of FP and SIMD is not set here: user mode's cases do.
    if word >> 25 & 0b111 == 0b111 {
        return true;
    }
    let encoding = Encoding::of_instruction(word);
    let system = word >> 22 == 0x354;
    system
        && encoding.op0() >= 2
        && SysReg::from_encoding(encoding).is_none_or(|r| register(r).is_some())
}

/// The bits of a register that are the same on both, where not all are. What the oracle lets
/// stick beyond them the manual has as RES0 in a processor without AArch32, FEAT_SVE, FEAT_SME,
/// FEAT_LS64 and trace registers (DDI 0487 D19.2).
fn comparable(register: SysReg) -> u64 {
    match register {
        // IMPLEMENTATION DEFINED; ACTLR_EL1.EnTSO is Apple's.
        SysReg::ACTLR_EL1 | SysReg::AFSR0_EL1 | SysReg::AFSR1_EL1 | SysReg::AMAIR_EL1 => 0,
        // PROCID; EC, IL, ISS; IDS, ISS: the rest is RES0.
        SysReg::CONTEXTIDR_EL1 | SysReg::ESR_EL1 => 0xffff_ffff,
        SysReg::DISR_EL1 => 0x81ff_ffff,
        // FPEN; TTA, ZEN and SMEN are RES0.
        SysReg::CPACR_EL1 => 0b11 << 20,
        SysReg::SPSR_EL1 => pstate::SPSR_FIELDS & !(1 << 25),
        // Bits 10:0 are RES0.
        SysReg::VBAR_EL1 => !0x7ff,
        _ => u64::MAX,
    }
}

/// A data abort for alignment, apart from its WnR.
const ALIGNMENT: u64 = 0x9200_0021;
/// ESR_EL1.EC of an instruction abort and of a PC alignment fault, from EL0.
const FETCH: u64 = 0x20;
const PC_ALIGNMENT: u64 = 0x22;
/// ESR_EL1.EC of a trapped system instruction.
const TRAPPED: u64 = 0x18;
/// PAR_EL1.F and SH.
const FAILED: u64 = 1;
const SHAREABILITY: u64 = 0b11 << 7;
/// AP\[2\] of a descriptor, and DBM.
const READ_ONLY: u64 = 1 << 7;
const DIRTY_BIT: u64 = 1 << 51;

/// Takes out what is left open, or where the oracle is wrong.
pub fn level(topic: Topic, case: &Case, ours: &mut Outcome, theirs: &mut Outcome) {
    match topic {
        Topic::Register => {
            let register = SysReg::from_encoding(Encoding::of_instruction(case.code[0]));
            let mask = register.map_or(0, comparable);
            ours.x[2] &= mask;
            theirs.x[2] &= mask;
        }
        Topic::Translation => translation(case, ours, theirs),
        Topic::Keys => {}
        Topic::Interrupts => interrupts(case, ours, theirs),
        Topic::Syndrome => syndrome(case, ours, theirs),
    }
}

/// ICC_CTLR_EL1: CBPR, EOImode, PRIbits. The others tell of what an implementation has: range
/// selectors, affinities, widths of INTIDs.
const ICC_CTLR: u64 = 0x703;

fn interrupts(case: &Case, ours: &mut Outcome, theirs: &mut Outcome) {
    for word in case.code {
        let register = SysReg::from_encoding(Encoding::of_instruction(word));
        if register == Some(SysReg::ICC_CTLR_EL1) && word >> 20 == 0xd53 {
            let rt = (word & 31) as usize;
            ours.x[rt] &= ICC_CTLR;
            theirs.x[rt] &= ICC_CTLR;
        }
    }
}

fn translation(case: &Case, ours: &mut Outcome, theirs: &mut Outcome) {
    // DDI 0487, PAR_EL1.SH: Device and Non-cacheable memory is reported as Outer Shareable. The
    // oracle reports the descriptor's; and 0b01 is reserved.
    if (ours.par | theirs.par) & FAILED == 0 {
        ours.par &= !SHAREABILITY;
        theirs.par &= !SHAREABILITY;
    }
    // The oracle's AT S1E1W, S1E0W and S1E1WP make a descriptor dirty, as a write would. Ours do
    // not: nothing is written.
    let of_write = case.code[0] & 1 << 5 != 0;
    for ((ours, theirs), (_, before)) in ours.memory.iter().zip(&mut theirs.memory).zip(case.pokes)
    {
        let made_dirty = *ours ^ *theirs == READ_ONLY && before & DIRTY_BIT != 0;
        if of_write && made_dirty && *ours & READ_ONLY != 0 {
            *theirs = *ours;
        }
    }
}

fn syndrome(case: &Case, ours: &mut Outcome, theirs: &mut Outcome) {
    // What FAR_EL1 holds after an exception that does not set it is UNKNOWN.
    theirs.far = ours.far;
    let classes = (ours.esr >> 26, theirs.esr >> 26);
    let name = Row::of(case.code[0]).name();
    // The oracle fetches before it looks at the PC's alignment; DDI 0487 D1.3.5 has the PC
    // alignment fault first.
    if classes == (PC_ALIGNMENT, FETCH) {
        theirs.esr = ours.esr;
    }
    // The oracle has op1 and op2 of MSR (immediate) in each other's place in ISS (DDI 0487,
    // ESR_ELx, ISS encoding for an exception from MSR, MRS, or System instruction).
    if name == "MsrImm" && classes == (TRAPPED, TRAPPED) {
        theirs.esr = ours.esr;
    }
    // Misaligned inside of 16 bytes (FEAT_LSE2: the oracle has none), and LDAPR, of which the
    // oracle does not check the alignment. User mode's cases look at the rest.
    let one_aligned = (ours.esr & !(1 << 6) == ALIGNMENT) != (theirs.esr & !(1 << 6) == ALIGNMENT);
    let ordered = matches!(
        Kind::of(case.code[0]),
        Some(
            Kind::Exclusive
                | Kind::ExclusivePair
                | Kind::Cas
                | Kind::CasPair
                | Kind::Atomic
                | Kind::Ordered
                | Kind::OrderedImm9
        )
    );
    if one_aligned && ordered {
        theirs.esr = ours.esr;
    }
}
