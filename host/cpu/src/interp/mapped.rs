//! Short programs at EL1 with the MMU on: unaligned and atomic accesses, also of two vCPUs at once,
//! and what depends on the page: UAO, branch targets.
//!
//! ```text
//!   VA  0x4000_0000   the RAM, 64 KiB      Normal
//!       0x8000_0000   the same             Device
//!       0xc000_0000   the same             Normal, guarded
//!     0x1_0000_0000   the same             Normal, EL0's
//!     0x1_4000_0000   the same             Normal, read-only
//! ```

use super::*;
use crate::model::{Model, Processor};
use crate::state::Pstate;
use anyvisor_arch::descriptor::{AF, AP_EL0, AP_READ_ONLY, ATTR_INDX, GP, VALID};
use anyvisor_arch::esr::Esr;
use anyvisor_arch::pstate::{BTYPE, DIT, Mode, SSBS, UAO};
use anyvisor_arch::sysreg::SysReg;
use anyvisor_arch::{sctlr, tcr};
use anyvisor_vm::Perms;
use std::sync::atomic::Ordering;

const CODE: u64 = 0x4000_0000;
const DATA: u64 = CODE + 0x2000;
const VECTORS: u64 = CODE + 0x1000;
const TABLE: u64 = CODE + 0x8000;
const DEVICE: u64 = 0x4000_0000;
const GUARDED: u64 = 0x8000_0000;
const USERS: u64 = 0xc000_0000;
const READ_ONLY: u64 = 0x1_0000_0000;

const HVC_0: u32 = 0xd400_0002;
const HVC_1: u32 = 0xd400_0022;
const BRK: u32 = 0xd420_0000;
const NOP: u32 = 0xd503_201f;

/// ESR_EL1 of a data abort at EL1: an alignment fault, a permission fault at level 1.
const ALIGNMENT: u64 = 0x9600_0021;
const PERMISSION: u64 = 0x9600_000d;
const TRANSLATION: u64 = 0x9600_0005;
const WRITE: u64 = 1 << 6;

/// The memory that vCPUs share.
struct Ram {
    memory: GuestMemory,
    _host: Vec<u8>,
}

impl Ram {
    fn new(code: &[u32]) -> Self {
        let host = vec![0u8; 0x1_4000];
        let base = (host.as_ptr() as usize).next_multiple_of(0x4000);
        let memory = GuestMemory::new(36, 0x4000);
        memory.map(base, CODE, 0x1_0000, Perms::all()).unwrap();
        let ram = Self { memory, _host: host };
        let block = CODE | VALID | AF;
        let blocks =
            [block, block | ATTR_INDX.put(1), block | GP, block | AP_EL0, block | AP_READ_ONLY];
        for (i, block) in (1..).zip(blocks) {
            ram.put(TABLE + 8 * i, block);
        }
        ram.put(VECTORS + 0x200, HVC_1.into());
        let words: Vec<u32> = code.iter().copied().chain([HVC_0, HVC_0]).collect();
        for (i, pair) in (0..).zip(words.as_chunks().0) {
            let [low, high] = pair.map(u64::from);
            ram.put(CODE + 8 * i, high << 32 | low);
        }
        ram
    }

    fn put(&self, at: u64, value: u64) {
        let map = self.memory.enter();
        let page = map.lookup(at).unwrap().0.get(&map).unwrap();
        page.store_u64(at as usize, value, Ordering::Relaxed);
    }

    fn get(&self, at: u64) -> u64 {
        let map = self.memory.enter();
        let page = map.lookup(at).unwrap().0.get(&map).unwrap();
        page.load_unaligned(at as usize, 8, Ordering::Relaxed)
    }

    /// Runs to an HVC: `None` if the program came to its end, else the ESR_EL1 and FAR_EL1 of the
    /// exception that it took.
    fn run(&self, cpu: &mut Cpu) -> Option<(u64, u64)> {
        let (mut tlb, mut code) = (Tlb::default(), CodeCache::default());
        cpu.regime_changed();
        let exit = run(cpu, &mut tlb, &mut code, &self.memory, &Attention::default(), &|| 0).exit();
        let Exit::Exception(exit) = exit else { panic!("{exit:?}") };
        match Esr(exit.syndrome).imm16() {
            0 => None,
            _ => Some((cpu.get(SysReg::ESR_EL1), cpu.get(SysReg::FAR_EL1))),
        }
    }
}

fn cpu(model: Model) -> Cpu {
    let mut cpu = Cpu::of(Processor { model, ..Processor::default() }, 36, 0);
    cpu.set(SysReg::TCR_EL1, tcr::T0SZ.put(25) | tcr::IPS.put(1));
    cpu.set(SysReg::MAIR_EL1, 0x00ff);
    cpu.set(SysReg::TTBR0_EL1, TABLE);
    cpu.set(SysReg::SCTLR_EL1, sctlr::RES1 | sctlr::M | sctlr::C);
    cpu.set(SysReg::CPACR_EL1, 3 << 20);
    cpu.set(SysReg::VBAR_EL1, VECTORS);
    cpu.pstate = Pstate(Mode::El1h.bits() | pstate::DAIF);
    cpu.pc = CODE;
    cpu
}

/// Runs one instruction with X0 at `address` and `control` more in SCTLR_EL1.
fn one(word: u32, address: u64, control: u64) -> Option<(u64, u64)> {
    let mut cpu = cpu(Model::M1);
    let old = cpu.get(SysReg::SCTLR_EL1);
    cpu.set(SysReg::SCTLR_EL1, old | control);
    cpu.x[0] = address;
    Ram::new(&[word]).run(&mut cpu)
}

const LDXR: u32 = 0xc85f_7c01;
const LDXP: u32 = 0xc87f_0801;
const LDXP_W: u32 = 0x887f_0801;
const LDADD: u32 = 0xf821_0002;
const CAS: u32 = 0xc8a1_7c02;
const CASP: u32 = 0x4822_7c04;
const CASP_W: u32 = 0x0822_7c04;
const LDAR: u32 = 0xc8df_fc01;
const STLR: u32 = 0xc89f_fc01;
const LDAPR: u32 = 0xf8bf_c001;
const LDAPUR_1: u32 = 0xd940_1001;
const STLUR_1: u32 = 0xd900_1001;
const LDR: u32 = 0xf940_0001;
const STR: u32 = 0xf900_0001;
const STTR: u32 = 0xf800_0801;
const LDR_Q: u32 = 0x3dc0_0001;
const LD1_8B: u32 = 0x0c40_7001;
const LD1_2D: u32 = 0x4c40_7c01;

#[test]
fn inside_16_aligned_bytes_nothing_needs_to_be_aligned() {
    for word in [LDXR, LDXP_W, LDADD, CAS, CASP_W, LDAR, STLR, LDAPR, LDAPUR_1, STLUR_1] {
        for at in [1, 3, 7] {
            assert_eq!(one(word, DATA + at, 0), None, "{word:#x} at {at}");
        }
    }
}

#[test]
fn across_16_bytes_atomics_fault_and_ordered_accesses_if_the_guest_wants() {
    let at = DATA + 9;
    for word in [LDXR, LDXP_W, LDADD, CAS, CASP_W] {
        assert_eq!(one(word, at, sctlr::N_AA), Some((ALIGNMENT, at)), "{word:#x}");
    }
    // 16 bytes lie inside 16 aligned bytes only if they are aligned.
    for word in [LDXP, CASP] {
        assert_eq!(one(word, DATA + 8, sctlr::N_AA), Some((ALIGNMENT, DATA + 8)), "{word:#x}");
    }
    for (word, access) in [(LDAR, 0), (LDAPR, 0), (STLR, WRITE)] {
        assert_eq!(one(word, at, 0), Some((ALIGNMENT | access, at)), "{word:#x}");
        assert_eq!(one(word, at, sctlr::N_AA), None, "{word:#x}");
    }
    for (word, access) in [(LDAPUR_1, 0), (STLUR_1, WRITE)] {
        assert_eq!(one(word, at, 0), Some((ALIGNMENT | access, at + 1)), "{word:#x}");
        assert_eq!(one(word, at, sctlr::N_AA), None, "{word:#x}");
    }
}

#[test]
fn alignment_is_that_of_the_element_where_it_is_checked() {
    for control in [0, sctlr::A] {
        let faults = |at: u64| (control == sctlr::A).then_some((ALIGNMENT, at));
        for word in [LDXR, LDADD, LDAR, LDR] {
            assert_eq!(one(word, DATA + 1, control), faults(DATA + 1), "{word:#x}");
        }
        assert_eq!(one(LDR_Q, DATA + 8, control), faults(DATA + 8));
        assert_eq!(one(LD1_2D, DATA + 4, control), faults(DATA + 4));
        assert_eq!(one(LD1_2D, DATA + 8, control), None);
        assert_eq!(one(LD1_8B, DATA + 1, control), None);
    }
}

#[test]
fn device_memory_wants_alignment_always() {
    for word in [LDXR, LDADD, LDAR, LDR, LDR_Q, LD1_2D] {
        let at = DATA + DEVICE + 4;
        assert_eq!(one(word, at, 0), Some((ALIGNMENT, at)), "{word:#x}");
        assert_eq!(one(word, DATA + DEVICE, 0), None, "{word:#x}");
    }
    assert_eq!(one(LD1_8B, DATA + DEVICE + 1, 0), None);
}

#[test]
fn an_atomic_abort_is_a_writes_only_if_a_read_would_do() {
    let at = DATA + READ_ONLY;
    for word in [LDADD, CAS] {
        assert_eq!(one(word, at, 0), Some((PERMISSION | WRITE, at)), "{word:#x}");
        assert_eq!(one(word, 0, 0), Some((TRANSLATION, 0)), "{word:#x}");
    }
    assert_eq!(one(STR, 0, 0), Some((TRANSLATION | WRITE, 0)));
}

/// Each of two vCPUs counts up: a doubleword and, inside 16 aligned bytes, a misaligned halfword
/// by LDADD; a misaligned doubleword by CAS; a pair by LDXP and STXP.
#[test]
fn updates_of_two_vcpus_are_never_lost() {
    const ROUNDS: u64 = 20_000;
    let branch = |back: u32| 0x5400_0001 | (back.wrapping_neg() & 0x7_ffff) << 5;
    let code = [
        0xf8e1_0002, // ldaddal x1, x2, [x0]
        0x7821_0062, // ldaddh w1, w2, [x3]
        0xf940_00c5, // ldr x5, [x6]
        0x9100_04a7, // add x7, x5, #1
        0xaa05_03e8, // mov x8, x5
        0xc8e8_fcc7, // casal x8, x7, [x6]
        0xeb05_011f, // cmp x8, x5
        branch(5),   // b.ne: to the ldr
        0xc87f_3125, // ldxp x5, x12, [x9]
        0x9100_04a5, // add x5, x5, #1
        0x9100_058c, // add x12, x12, #1
        0xc82a_3125, // stxp w10, x5, x12, [x9]
        0x7100_015f, // cmp w10, #0
        branch(5),   // b.ne: to the ldxp
        0xf100_0484, // subs x4, x4, #1
        branch(15),  // b.ne: to the start
    ];
    let ram = Ram::new(&code);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut cpu = cpu(Model::M1);
                (cpu.x[0], cpu.x[1], cpu.x[3]) = (DATA, 1, DATA + 0x1b);
                (cpu.x[4], cpu.x[6], cpu.x[9]) = (ROUNDS, DATA + 0x23, DATA + 0x40);
                assert_eq!(ram.run(&mut cpu), None);
            });
        }
    });
    assert_eq!(ram.get(DATA), 2 * ROUNDS);
    assert_eq!(ram.get(DATA + 0x1b) & 0xffff, (2 * ROUNDS) & 0xffff);
    assert_eq!(ram.get(DATA + 0x23), 2 * ROUNDS);
    assert_eq!([ram.get(DATA + 0x40), ram.get(DATA + 0x48)], [2 * ROUNDS; 2]);
}

/// The words of a pair are compared, and not what stands above them in the registers.
#[test]
fn a_pair_of_words_is_compared_wherever_it_stands() {
    const OLD: u64 = 0x2222_2222_1111_1111;
    const NEW: u64 = 0x4444_4444_3333_3333;
    for at in [DATA, DATA + 4, DATA + 8] {
        let ram = Ram::new(&[CASP_W]);
        ram.put(DATA, OLD << 32);
        ram.put(DATA + 8, OLD >> 32);
        let old = ram.get(at);
        let mut cpu = cpu(Model::M1);
        let above = 0xdead_beef << 32;
        (cpu.x[0], cpu.x[2], cpu.x[3]) = (at, above | old & 0xffff_ffff, above | old >> 32);
        (cpu.x[4], cpu.x[5]) = (above | NEW & 0xffff_ffff, above | NEW >> 32);
        assert_eq!(ram.run(&mut cpu), None);
        assert_eq!(ram.get(at), NEW, "{at:#x}");
        assert_eq!((cpu.x[2], cpu.x[3]), (old & 0xffff_ffff, old >> 32), "{at:#x}");
    }
}

#[test]
fn uao_makes_unprivileged_accesses_privileged() {
    for (uao, at, result) in [
        (0, DATA, Some((PERMISSION | WRITE, DATA))),
        (UAO, DATA, None),
        (0, DATA + USERS, None),
        (UAO, DATA + USERS, None),
    ] {
        let mut cpu = cpu(Model::M1);
        cpu.pstate.0 |= uao;
        cpu.x[0] = at;
        assert_eq!(Ram::new(&[STTR]).run(&mut cpu), result, "{uao:#x} {at:#x}");
    }
}

#[test]
fn an_exception_changes_pstate_as_the_manual_says() {
    for dssbs in [0, sctlr::DSSBS] {
        let mut cpu = cpu(Model::M1);
        let control = cpu.get(SysReg::SCTLR_EL1);
        cpu.set(SysReg::SCTLR_EL1, control | dssbs);
        cpu.pstate.0 |= UAO | DIT;
        assert_eq!(Ram::new(&[BRK]).run(&mut cpu).map(|(esr, _)| esr), Some(0xf200_0000));
        let wanted = DIT | if dssbs != 0 { SSBS } else { 0 };
        assert_eq!(cpu.pstate.0 & (UAO | DIT | SSBS), wanted);
        assert_eq!(cpu.get(SysReg::SPSR_EL1) & (UAO | DIT | SSBS), UAO | DIT);
    }
}

const BR_X0: u32 = 0xd61f_0000;
const BLR_X0: u32 = 0xd63f_0000;
const BR_X16: u32 = 0xd61f_0200;
const BTI: u32 = 0xd503_241f;
const BTI_C: u32 = 0xd503_245f;
const BTI_J: u32 = 0xd503_249f;
const BTI_JC: u32 = 0xd503_24df;
const PACIASP: u32 = 0xd503_233f;

/// Branches from the guarded or the other view of the code to `pad`, two instructions on, in the
/// guarded one: the BTYPE of the exception, if there was one.
fn branch_to(model: Model, branch: u32, pad: u32, from: u64, control: u64) -> Option<u64> {
    let mut cpu = cpu(model);
    let old = cpu.get(SysReg::SCTLR_EL1);
    cpu.set(SysReg::SCTLR_EL1, old | control);
    cpu.pc = CODE + from;
    (cpu.x[0], cpu.x[16]) = (CODE + GUARDED + 8, CODE + GUARDED + 8);
    let (esr, _) = Ram::new(&[branch, NOP, pad]).run(&mut cpu)?;
    assert_eq!(cpu.get(SysReg::ELR_EL1), CODE + GUARDED + 8);
    assert_eq!(cpu.pstate.0 & BTYPE, 0);
    let kind = (cpu.get(SysReg::SPSR_EL1) & BTYPE) >> 10;
    match pad {
        BRK => assert_eq!(esr, 0xf200_0000),
        _ => assert_eq!(esr, 0x3600_0000 | kind, "EC 0x0d and BTYPE"),
    }
    Some(kind)
}

#[test]
fn indirect_branches_into_guarded_pages_need_landing_pads() {
    let guarded = |branch, pad, control| branch_to(Model::M2, branch, pad, GUARDED, control);
    for (branch, kind) in [(BR_X0, 0b11), (BLR_X0, 0b10), (BR_X16, 0b01)] {
        assert_eq!(guarded(branch, NOP, 0), Some(kind));
        assert_eq!(guarded(branch, BTI, 0), Some(kind));
        assert_eq!(guarded(branch, BTI_JC, 0), None);
        assert_eq!(guarded(branch, BTI_C, 0), (kind == 0b11).then_some(kind));
        assert_eq!(guarded(branch, BTI_J, 0), (kind == 0b10).then_some(kind));
        assert_eq!(guarded(branch, PACIASP, 0), None);
        let strict = guarded(branch, PACIASP, sctlr::BT1);
        assert_eq!(strict, (kind == 0b11).then_some(kind));
        // It is reached, and its SPSR says how.
        assert_eq!(guarded(branch, BRK, 0), Some(kind));
    }
}

#[test]
fn branches_into_other_pages_or_without_bti_do_not() {
    assert_eq!(branch_to(Model::M1, BR_X0, NOP, GUARDED, 0), None);
    // From a page that is not guarded BR is like a call.
    assert_eq!(branch_to(Model::M2, BR_X0, NOP, 0, 0), Some(0b01));
    assert_eq!(branch_to(Model::M2, BR_X0, BTI_C, 0, 0), None);
    let mut cpu = cpu(Model::M2);
    cpu.pc = CODE + GUARDED;
    cpu.x[0] = CODE + 8;
    assert_eq!(Ram::new(&[BR_X0, NOP, NOP]).run(&mut cpu), None);
    assert_eq!(cpu.pstate.0 & BTYPE, 0);
}

const PACIA_X1_X2: u32 = 0xdac1_0041;
const AUTIA_X1_X2: u32 = 0xdac1_1041;

#[test]
fn pointers_are_signed_if_the_key_is_enabled() {
    let sign = |control: u64, code: &[u32]| {
        let mut cpu = cpu(Model::M1);
        let old = cpu.get(SysReg::SCTLR_EL1);
        cpu.set(SysReg::SCTLR_EL1, old | control);
        cpu.set(SysReg::APIAKEYHI_EL1, 0x84be_85ce_9804_e94b);
        cpu.set(SysReg::APIAKEYLO_EL1, 0xec28_02d4_e0a4_88e9);
        (cpu.x[1], cpu.x[2]) = (DATA, 7);
        assert_eq!(Ram::new(code).run(&mut cpu), None);
        cpu.x[1]
    };
    let signed = sign(sctlr::EN_IA, &[PACIA_X1_X2]);
    assert_ne!(signed, DATA);
    assert_eq!((signed ^ DATA) & ((1 << 55) | ((1 << 39) - 1)), 0, "the code is in its place");
    assert_eq!(sign(sctlr::EN_IA, &[PACIA_X1_X2, AUTIA_X1_X2]), DATA);
    assert_eq!(sign(sctlr::EN_IB, &[PACIA_X1_X2]), DATA);
}
