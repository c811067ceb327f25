//! Random cases at EL1 and EL0.

use super::image::{self, MAIR, TCR, TCR_OF_CASES};
use super::interrupts;
use super::layout::{DATA, RAM, SLOT, SLOT_EL0, TABLES, virt};
use super::record::{Case, POKES};
use crate::case::BRK;
use crate::exempt::foreign;
use crate::random::Random;
use anyvisor_arch::pstate::{DAIF, Mode, NZCV, PAN, UAO};
use anyvisor_arch::sctlr;
use anyvisor_arch::sysreg::SysReg;
use anyvisor_cpu::a64::Row;

/// What a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// What sticks in a system register.
    Register,
    /// AT and accesses by random tables and controls.
    Translation,
    /// Pointer authentication with known keys.
    Keys,
    /// Words at EL0, and the syndromes of what they are refused.
    Syndrome,
    /// Accesses to the GIC.
    Interrupts,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Register, Self::Translation, Self::Keys, Self::Syndrome, Self::Interrupts];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "SystemRegister",
            Self::Translation => "SystemTranslation",
            Self::Keys => "SystemKeys",
            Self::Syndrome => "SystemSyndrome",
            Self::Interrupts => "SystemInterrupts",
        }
    }

    /// A random case.
    pub fn case(self, random: &mut Random) -> Case {
        match self {
            Self::Register => register(random),
            Self::Translation => translation(random),
            Self::Keys => keys(random),
            Self::Syndrome => syndrome(random),
            Self::Interrupts => interrupts::case(random),
        }
    }

    /// Whether both machines have a GICv3. Where none is accessed, the oracle keeps its own.
    pub fn gic(self) -> bool {
        self == Self::Interrupts
    }
}

/// A case at EL1h that touches nothing.
pub(super) fn quiet(random: &mut Random, words: &[u32]) -> Case {
    // A poke that says nothing goes to the end of the data.
    let nowhere = virt(DATA + 0x1_0000);
    Case {
        code: Case::code(words),
        x: std::array::from_fn(|_| random.value()),
        spsr: DAIF | Mode::El1h.bits() | random.bits() & NZCV,
        start: virt(SLOT),
        sctlr: image::control(),
        tcr: TCR | 1 << 7 | 25,
        ttbr0: 0,
        mair: MAIR,
        pokes: [(nowhere, 0); POKES],
    }
}

/// MSR of a register, or MRS with bit 21.
pub(super) fn access(register: SysReg, rt: u32, read: bool) -> u32 {
    0xd510_0000 | u32::from(register.encoding().0) << 5 & 0x000f_ffe0 | rt | u32::from(read) << 21
}

const ISB: u32 = 0xd503_3fdf;

/// A value into a register and out again; then what was there before.
fn register(random: &mut Random) -> Case {
    let register = loop {
        let register = random.pick(SysReg::ALL);
        if super::exempt::register(register).is_none() {
            break register;
        }
    };
    let words = [
        access(register, 3, true),
        access(register, 1, false),
        ISB,
        access(register, 2, true),
        access(register, 3, false),
        ISB,
        // MOVZ X3, #0: what was there before is not the question.
        0xd280_0003,
    ];
    let mut case = quiet(random, &words);
    // Registers that the executor needs as they are keep the rest of their bits.
    let (mask, keep) = super::exempt::writable(register);
    case.x[1] = random.value() & mask | keep;
    case
}

/// Bits of a descriptor that may be random: AttrIndx, NS, AP, SH, AF, nG, DBM, contiguous, PXN,
/// UXN, and those that software may use.
const LEAF: u64 = 0xffc | 1 << 51 | 1 << 52 | 0b11 << 53 | 0xf << 55;
/// NSTable, APTable, UXNTable, PXNTable.
const TABLE: u64 = 0x1f << 59;

/// A walk through random tables to a place in the data, looked at by AT, then walked by a load
/// or a store.
fn translation(random: &mut Random) -> Case {
    // Granule: its TG0, log2 of it, index bits of a level.
    let (tg0, page, bits) = random.pick(&[(0u64, 12u32, 9u32), (2, 14, 11), (1, 16, 13)]);
    let size = 16 + random.below(24) as u32;
    let va_bits = 64 - size;
    // The level of which the first index is taken.
    let levels = (va_bits - page).div_ceil(bits);
    let first = 4 - levels;
    let place = DATA + 8 * random.below(0x1000);
    let deepest_block = match page {
        12 => 1,
        _ => 2,
    };
    let leaf_level =
        if random.one_in(2) { 3 } else { first.max(deepest_block) + random.below(2) as u32 }.min(3);
    let below = |level: u32| page + bits * (3 - level);
    let leaf_bits = below(leaf_level);
    let mask = (1u64 << leaf_bits) - 1;
    let mut address = (random.bits() & ((1 << va_bits) - 1)) & !mask | place & mask;
    let mut pokes = [(virt(DATA + 0x1_0000), 0); POKES];
    let index = |address: u64, level: u32| {
        let top = if level == first { va_bits } else { below(level) + bits };
        (address & ((1 << top) - 1)) >> below(level)
    };
    let table = |level: u32| TABLES + 0x1_0000 * u64::from(level - first);
    let mut count = 0;
    for level in first..=leaf_level {
        let kind = if level == leaf_level && level < 3 { 0b01 } else { 0b11 };
        // Invalid; reserved in level 3, a block elsewhere, and so not without a block's address.
        let invalid = if level == 3 { &[0, 1, 2][..] } else { &[0, 2] };
        let kind = if random.one_in(24) { random.pick(invalid) } else { kind };
        let entry = if level == leaf_level {
            let attributes = random.bits() & LEAF;
            let af = if random.one_in(4) { 0 } else { 1 << 10 };
            place & !mask | attributes & !(0b111 << 2) | random.below(3) << 2 | af | kind
        } else {
            let limits = if random.one_in(2) { random.bits() & TABLE } else { 0 };
            table(level + 1) | limits | kind
        };
        pokes[count] = (virt(table(level) + 8 * index(address, level)), entry);
        count += 1;
    }
    pokes[count] = (virt(place), random.bits());
    let tbi = random.one_in(2);
    if random.one_in(16) {
        address |= random.bits() & !((1 << va_bits) - 1) & !(1 << 55);
    } else if tbi {
        address |= random.bits() & 0xff << 56;
    }
    // AT S1E1R, S1E1W, S1E0R, S1E0W, S1E1RP, S1E1WP, X0.
    let at = random.pick(&[
        0xd508_7800u32,
        0xd508_7820,
        0xd508_7840,
        0xd508_7860,
        0xd508_7900,
        0xd508_7920,
    ]);
    // LDR, STR, LDTR, STTR X1, [X0].
    let touch = random.pick(&[0xf940_0001u32, 0xf900_0001, 0xf840_0801, 0xf800_0801]);
    let mut case = quiet(random, &[at, ISB, touch]);
    case.x[0] = address;
    case.pokes = pokes;
    case.spsr |= random.bits() & (PAN | UAO);
    let control = random.bits() & TCR_OF_CASES & !(0x3f | 1 << 7 | 0b11 << 14 | 1 << 37);
    let unwalked = if random.one_in(32) { 1 << 7 } else { 0 };
    case.tcr = TCR | control | u64::from(size) | tg0 << 14 | unwalked | u64::from(tbi) << 37;
    case.ttbr0 = TABLES | random.bits() & 0xffff << 48 | random.below(2);
    case.mair = MAIR | 0xff << 8 | 0x44 << 16;
    case
}

/// Keys, then a row that computes with them.
fn keys(random: &mut Random) -> Case {
    const KEYS: [SysReg; 10] = [
        SysReg::APIAKEYLO_EL1,
        SysReg::APIAKEYHI_EL1,
        SysReg::APIBKEYLO_EL1,
        SysReg::APIBKEYHI_EL1,
        SysReg::APDAKEYLO_EL1,
        SysReg::APDAKEYHI_EL1,
        SysReg::APDBKEYLO_EL1,
        SysReg::APDBKEYHI_EL1,
        SysReg::APGAKEYLO_EL1,
        SysReg::APGAKEYHI_EL1,
    ];
    let mut words: Vec<u32> =
        KEYS.iter().zip(18..).map(|(key, register)| access(*key, register, false)).collect();
    words.push(ISB);
    let rows: Vec<Row> = Row::all().filter(|row| row.name().starts_with("Pointer")).collect();
    let hints = [0xd503_211fu32, 0xd503_215f, 0xd503_219f, 0xd503_21df, 0xd503_231f, 0xd503_237f];
    let word = match random.below(4) {
        0 => random.pick(&hints),
        _ => loop {
            let row = random.pick(&rows);
            let pattern = row.pattern();
            let word = pattern.value | random.bits() as u32 & !pattern.mask;
            // The modifier may be SP, which is the executor's.
            if !Row::of(word).is_unallocated() && word >> 5 & 31 != 31 {
                break word;
            }
        },
    };
    words.push(word);
    // What was added is checked again.
    if word & 0xffff_f000 == 0xdac1_0000 && word & 31 != word >> 5 & 31 && random.one_in(2) {
        words.push(word | 1 << 12);
    }
    let mut case = quiet(random, &words);
    for x in &mut case.x {
        // Pointers of either half, tagged or not.
        if random.one_in(2) {
            *x = ((*x << 16) as i64 >> 16) as u64;
        }
        // DDI 0487, pseudocode AddPAC: bit 55 or bit 63, by TBI0 and TBI1, says which half a
        // pointer belongs to. The oracle mixes them up where they differ.
        *x = *x & !(1 << 63) | (*x >> 55 & 1) << 63;
    }
    let enabled = sctlr::EN_IA | sctlr::EN_IB | sctlr::EN_DA | sctlr::EN_DB;
    case.sctlr |= if random.one_in(4) { random.bits() & enabled } else { enabled };
    let tags = random.bits() & (0b11 << 37 | 0b11 << 51);
    case.tcr = TCR | 1 << 7 | tags | (16 + random.below(24));
    case
}

/// A word of any row at EL0.
fn syndrome(random: &mut Random) -> Case {
    let rows: Vec<Row> = Row::all().collect();
    let word = loop {
        let row = match random.below(3) {
            0 => random.pick(&rows),
            _ => {
                let system = ["Sys", "Mrs", "MsrReg", "MsrImm", "Svc", "Brk", "Hvc", "Smc", "Hint"];
                let name = random.pick(&system);
                match rows.iter().find(|row| row.name() == name) {
                    Some(row) => *row,
                    None => continue,
                }
            }
        };
        let pattern = row.pattern();
        let mut word = pattern.value | random.bits() as u32 & !pattern.mask;
        if matches!(row.name(), "Mrs" | "MsrReg") && !random.one_in(4) {
            let register = u32::from(random.pick(SysReg::ALL).encoding().0);
            word = pattern.value | register << 5 & !pattern.mask | word & 31;
        }
        if foreign(word).is_none() && !super::exempt::word(word) && word != BRK {
            break word;
        }
    };
    let mut case = quiet(random, &[word]);
    case.start = virt(SLOT_EL0);
    case.spsr = DAIF | Mode::El0t.bits() | random.bits() & NZCV;
    // The oracle's XPACI does nothing while no key is enabled; the manual's does (DDI 0487,
    // pseudocode Strip).
    case.sctlr |= sctlr::EN_IA;
    let controls = sctlr::UMA
        | sctlr::UCI
        | sctlr::UCT
        | sctlr::DZE
        | sctlr::SA0
        | sctlr::N_TWI
        | sctlr::N_TWE;
    case.sctlr |= random.bits() & controls & !sctlr::N_TWI & !sctlr::N_TWE;
    for x in &mut case.x {
        // Not into RAM.
        if (*x & !(0xff << 56)).wrapping_sub(RAM) < 1 << 30 {
            *x = 0;
        }
    }
    case
}
