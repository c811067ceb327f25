//! Random cases of a row: the word by the row's picture, the state by chance, and then whatever
//! the row needs for its cases to be worth running: addresses that exist, branches that land.

use crate::case::{BRK, Case, State};
use crate::exempt;
use crate::machine::{
    CODE, END, END_BYTES, MIDDLE, MIDDLE_BYTES, PAGE, SLOT_BYTES, WINDOW, WINDOW_WORDS, slot,
    window_address,
};
use crate::memory::{Access, Kind, Misaligned};
use crate::random::Random;
use anyvisor_arch::pstate::NZCV;
use anyvisor_arch::sysreg::{Encoding, SysReg};
use anyvisor_cpu::a64::{Field, Row};

/// Rd or Rt: these fields stand in the same place in every row that has them.
pub const RD: Field = Field::new("000000000000000000000000000ddddd", "d");
/// Rn.
pub const RN: Field = Field::new("0000000000000000000000nnnnn00000", "n");
/// Rm or Rs.
pub const RM: Field = Field::new("00000000000mmmmm0000000000000000", "m");
/// Rt2.
pub const RT2: Field = Field::new("00000000000000000ttttt0000000000", "t");
const SIZE: Field = Field::new("ss000000000000000000000000000000", "s");
/// Widths of the offsets, in words, of branches and literal loads.
pub const IMM14: u32 = 14;
/// Of B.cond, CBZ and literal loads.
pub const IMM19: u32 = 19;
/// Of B and BL.
pub const IMM26: u32 = 26;
/// L, of exclusives.
const LOAD: u32 = 1 << 22;
/// FPCR.AHP, DN, FZ, RMode and FZ16.
const FPCR: u32 = 0b1_1111 << 22 | FZ16;
const FZ16: u32 = 1 << 19;
/// FPSR.QC, IDC, IXC, UFC, OFC, DZC and IOC.
const FPSR: u32 = 1 << 27 | 1 << 7 | 0b1_1111;
/// The signs of two doubles.
const SIGNS: u128 = 1 << 127 | 1 << 63;
/// DC ZVA, X0.
pub const DC_ZVA: u32 = 0xd50b_7420;
const CLREX: u32 = 0xd503_3f5f;

/// A random word of a row.
pub fn word(random: &mut Random, row: Row) -> u32 {
    let pattern = row.pattern();
    loop {
        let mut free = random.bits() as u32;
        match row.name() {
            // Half of them registers that EL0 may access, a quarter registers that there are.
            "Mrs" | "MsrReg" => {
                let register = match random.below(4) {
                    0 => None,
                    1 => Some(random.pick(SysReg::ALL)),
                    _ => Some(random.pick(&registers_of_el0(row))),
                };
                if let Some(register) = register {
                    free = free & 0x1f | u32::from(register.encoding().0) << 5;
                }
            }
            "Sys" if random.one_in(2) => {
                free = free & 0x1f | random.pick(&exempt::CACHE_OPERATIONS) << 5;
            }
            _ => {}
        }
        let word = pattern.value | free & !pattern.mask;
        if !exempt::word(row, word) {
            return word;
        }
    }
}

/// The registers that EL0 may read (MRS) or write (MSR), and that can be compared.
fn registers_of_el0(row: Row) -> Vec<SysReg> {
    let allowed = |register: &SysReg| {
        let row_of = register.row();
        let lowest = if row.name() == "Mrs" { row_of.read } else { row_of.write };
        lowest.allows(0) && !exempt::system_register(register.encoding())
    };
    SysReg::ALL.iter().copied().filter(allowed).collect()
}

/// A random state with PC at `pc`.
pub fn state(random: &mut Random, pc: u64) -> State {
    let mut x = std::array::from_fn(|_| random.value());
    // Equal and opposite values are what comparisons turn on.
    for _ in 0..random.below(4) {
        let (from, to) = (random.below(31) as usize, random.below(31) as usize);
        x[to] = if random.one_in(2) { x[from] } else { x[from].wrapping_neg() };
    }
    let mut v = std::array::from_fn(|_| random.vector());
    for _ in 0..random.below(4) {
        let (from, to) = (random.below(32) as usize, random.below(32) as usize);
        // The same, or with other signs.
        v[to] = v[from] ^ random.pick(&[0, 0, SIGNS, SIGNS << 32, 1 << 15]);
    }
    State {
        x,
        sp: random.value() & !15,
        pc,
        nzcv: random.bits() & NZCV,
        v,
        fpcr: if random.one_in(2) { 0 } else { random.bits() as u32 & FPCR },
        fpsr: if random.one_in(2) { 0 } else { random.bits() as u32 & FPSR },
        window: std::array::from_fn::<_, WINDOW_WORDS, _>(|_| random.bits()),
    }
}

/// A random case of `row` for slot `index`.
pub fn case(random: &mut Random, row: Row, index: usize) -> Case {
    let mut state = state(random, slot(index));
    let mut word = word(random, row);
    match row.name() {
        "BranchCond" | "CompareBranch" => land(random, &mut word, state.pc, 5, IMM19),
        "TestBranch" => land(random, &mut word, state.pc, 5, IMM14),
        "Branch" => land(random, &mut word, state.pc, 0, IMM26),
        "BranchRegister" | "Ret" => {
            let target = landing(random);
            state.set_x(RN.of(word), target);
        }
        _ if Kind::of(word) == Some(Kind::Literal) && !random.one_in(4) => {
            let target = CODE + 4 * random.below(PAGE / 4 - 1);
            put_offset(&mut word, target.wrapping_sub(state.pc), 5, IMM19);
        }
        "Sys" => {
            let address = inside(random, 1);
            state.set_x(RD.of(word), address);
        }
        // Bits 31:28 of FPSR and 21:16 of FPCR but FZ16 are AArch32's, RES0 in a processor without
        // it (DDI 0487 C5.2.7, C5.2.8): the oracle has it.
        "MsrReg" => {
            let value = state.x(RD.of(word)) & !(0xf << 28 | 0b11_0111 << 16);
            let register = SysReg::from_encoding(Encoding::of_instruction(word));
            if matches!(register, Some(SysReg::FPCR | SysReg::FPSR)) {
                state.set_x(RD.of(word), value);
            }
        }
        _ if matches!(Kind::of(word), Some(Kind::Exclusive | Kind::ExclusivePair)) => {
            return exclusive(random, row, word, state);
        }
        _ => match Access::of(word, &state) {
            Some(access) => {
                aim(random, &mut state, RN.of(word), access);
                expect(random, &mut state, word, access);
            }
            // What is no address may be misaligned.
            None if Kind::of(word).is_none() && random.one_in(4) => {
                state.sp |= random.below(16);
            }
            None => {}
        },
    }
    Case::new(&[word], state)
}

/// Makes the base register such that the access goes to the window.
fn aim(random: &mut Random, state: &mut State, base: u32, access: Access) {
    let mut address = match random.below(16) {
        // Nothing there: bit 55 says which half of the address space it is.
        0 => random.pick(&[0, 8, 1 << 46, 1 << 55, !0 << 48, 0x8000_0000_0000]),
        // At the end, or over it.
        1 | 2 => END + END_BYTES - random.below(2 * access.bytes + 8),
        _ => inside(random, access.bytes),
    };
    let last = address % 16 + access.bytes;
    let aligned = match access.misaligned {
        Misaligned::Done => random.one_in(2),
        Misaligned::FaultsAcross => last <= 16,
        Misaligned::Unchecked => true,
    };
    if aligned {
        address &= !(access.alignment - 1);
    }
    // The top byte is a tag.
    if random.one_in(8) {
        address |= random.bits() & 0xff << 56;
    }
    let mut value = address.wrapping_sub(access.offset as u64);
    if base == 31 {
        value &= !15;
    }
    state.set_base(base, value);
}

/// Makes memory hold what a compare-and-swap expects, half of the time.
fn expect(random: &mut Random, state: &mut State, word: u32, access: Access) {
    let kind = Kind::of(word);
    if !matches!(kind, Some(Kind::Cas | Kind::CasPair)) || random.one_in(2) {
        return;
    }
    let (rs, half) = (RM.of(word), access.bytes / 2);
    let value = match kind {
        Some(Kind::CasPair) => {
            let mask = u64::MAX >> (64 - 8 * half);
            let [low, high] = [state.x(rs), state.x(rs | 1)].map(|x| u128::from(x & mask));
            high << (8 * half) | low
        }
        _ => state.x(rs).into(),
    };
    let address = state.base(RN.of(word)).wrapping_add_signed(access.offset) << 8 >> 8;
    for (i, byte) in value.to_le_bytes().into_iter().take(access.bytes as usize).enumerate() {
        let at = (0..WINDOW_WORDS).find(|w| window_address(*w) == (address + i as u64) & !7);
        let Some(at) = at else { continue };
        let shift = 8 * ((address + i as u64) & 7);
        state.window[at] = state.window[at] & !(0xff << shift) | u64::from(byte) << shift;
    }
}

/// An address in the middle of the window, at which `bytes` bytes are compared. A base that is
/// aligned down to 16 stays inside.
fn inside(random: &mut Random, bytes: u64) -> u64 {
    MIDDLE + 16 + random.below(MIDDLE_BYTES - 16 - bytes + 1)
}

/// An exclusive load and the store that belongs to it, or one of them alone.
fn exclusive(random: &mut Random, row: Row, first: u32, mut state: State) -> Case {
    let (size, base) = (SIZE.of(first), RN.of(first));
    let pair = Kind::of(first) == Some(Kind::ExclusivePair);
    let alignment = if pair { 8 << (size & 1) } else { 1 << size };
    let access =
        Access { offset: 0, bytes: alignment, alignment, misaligned: Misaligned::FaultsAcross };
    let mut words = Vec::from([first]);
    if first & LOAD != 0 {
        // Not if the load changes the base: the oracle would let the store fail without a look at
        // where it goes. (The manual's pseudocode checks the address first.)
        let changes_base = RD.of(first) == base || pair && RT2.of(first) == base;
        if !(changes_base && base != 31 || random.one_in(4)) {
            words.extend(random.one_in(8).then_some(CLREX));
            let second = loop {
                let word = word(random, row) & !LOAD;
                let same = SIZE.of(word) == size && RN.of(word) == base;
                if same && !exempt::word(row, word) {
                    break word;
                }
            };
            words.push(second);
        }
        aim(random, &mut state, base, access);
    } else {
        // It fails; so the oracle would not look at the address either.
        let address = inside(random, alignment) & !(alignment.max(16) - 1);
        state.set_base(base, address);
    }
    Case::new(&words, state)
}

/// DC ZVA, somewhere in the window or over its end, or where nothing is.
pub fn zero_block(random: &mut Random, index: usize) -> Case {
    let mut state = state(random, slot(index));
    // That CPU has no FP16.
    state.fpcr &= !FZ16;
    let register = random.below(31) as u32;
    let tag = if random.one_in(4) { random.bits() & 0xff << 56 } else { 0 };
    let address = match random.below(8) {
        0 => state.x(register),
        1 => END + END_BYTES - 64 + random.below(128),
        _ => inside(random, 1) | tag,
    };
    state.set_x(register, address);
    Case::new(&[DC_ZVA | register], state)
}

/// Alternately an exclusive load and an exclusive store of the same place: between the two the
/// hypervisor or the kernel has been at work, so that the store must fail.
pub fn interrupted(random: &mut Random, index: usize) -> Case {
    let mut state = state(random, slot(index));
    state.window = [0; WINDOW_WORDS];
    let (size, base, load) =
        ((index as u32 / 2) << 30, random.below(29) as u32, index.is_multiple_of(2));
    state.set_base(base, MIDDLE);
    // LDXR Xt, [Xn]; STXR W29, Xt, [Xn].
    let word = if load { 0x085f_7c00 } else { 0x081d_7c00 };
    Case::new(&[word | size | base << 5 | random.below(29) as u32], state)
}

/// Makes a direct branch go to a BRK, or far away: never to another case, nor to itself.
pub fn land(random: &mut Random, word: &mut u32, pc: u64, lsb: u32, bits: u32) {
    if random.one_in(4) {
        let offset = ((*word >> lsb) << (32 - bits)) as i32 >> (32 - bits);
        let target = pc.wrapping_add_signed(4 * i64::from(offset));
        if !(CODE..CODE + PAGE).contains(&target) {
            return;
        }
    }
    put_offset(word, breakpoint(random).wrapping_sub(pc), lsb, bits);
}

/// Writes an offset in bytes into its field.
pub fn put_offset(word: &mut u32, offset: u64, lsb: u32, bits: u32) {
    let mask = ((1 << bits) - 1) << lsb;
    *word = *word & !mask | ((offset >> 2) as u32) << lsb & mask;
}

/// The address of the BRK behind some case.
fn breakpoint(random: &mut Random) -> u64 {
    CODE + SLOT_BYTES * (1 + random.below(PAGE / SLOT_BYTES)) - 4
}

/// Where an indirect branch may go: to a BRK, tagged or not; misaligned; to what is no code.
fn landing(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => breakpoint(random) | random.bits() & 0xff << 56,
        1 => breakpoint(random) | (1 + random.below(3)),
        // Aligned: the oracle fetches before it looks at the alignment. (The manual's priorities
        // have the PC alignment fault before the instruction abort.)
        2 => random.pick(&[0, 4, WINDOW, 1 << 46, !3, 1 << 55, !0 << 48]),
        _ => breakpoint(random),
    }
}

/// A word that no row has: half of them rows with a fixed bit or two flipped.
pub fn unallocated(random: &mut Random) -> u32 {
    let rows: Vec<Row> = Row::all().collect();
    loop {
        let mut word = random.bits() as u32;
        if random.one_in(2) {
            let pattern = random.pick(&rows).pattern();
            word = pattern.value | word & !pattern.mask;
            for _ in 0..1 + random.below(2) {
                word ^= 1 << random.below(32);
            }
        }
        if Row::of(word).is_unallocated() && word != BRK && exempt::foreign(word).is_none() {
            return word;
        }
    }
}
