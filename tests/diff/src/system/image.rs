//! The program that both machines run at EL1: made here, so that no cross compiler is needed.
//!
//! ```text
//!   boot   the executor's half of the address space, TTBR1, and on to it
//!   wait   HVC (a call of PSCI for QEMU, an exit for us) until the mailbox holds a number
//!   next   code to its slot, memory, TTBR0 and TCR and SCTLR, registers --> ERET
//!   vector what the exception has left --> record; SCTLR as it was; next
//! ```
//!
//! A case ends with its first exception, which is a BRK at the latest. SP_EL1 is the address of
//! the record; no case may change it.

use super::layout::{CODE, MAILBOX, RECORDS, SLOT, SLOT_DATA, TTBR1_TABLE, VECTORS, virt};
use anyvisor_arch::{mair, sctlr};

/// TCR_EL1 as far as it is the executor's: 39 bits, 4 KiB, in the upper half.
pub const TCR: u64 = 25 << 16 | 0b10 << 30 | 1 << 32;
/// What cases may set in it: T0SZ, EPD0, cacheability, TG0, AS, TBI, HA, HD, HPD0, TBID.
pub const TCR_OF_CASES: u64 = 0xffbf | 1 << 36 | 0b11 << 37 | 0b11 << 39 | 1 << 41 | 0b11 << 51;
/// CPACR_EL1.FPEN.
const CPACR: u64 = 0b11 << 20;
/// Attribute 0 is Normal memory: what the executor's descriptors say.
pub const MAIR: u64 = mair::NORMAL_WB as u64;

/// SCTLR_EL1 while a case does not say otherwise: MMU and caches on.
pub fn control() -> u64 {
    sctlr::RESET | sctlr::M | sctlr::C | sctlr::I
}

/// Where `wait` and what the vectors branch to are, from the start.
const WAIT: u64 = 0x54;
const COMMON: u64 = 0x168;

#[rustfmt::skip]
const WORDS: [u32; 144] = [
    0x5800_1200, // ldr x0, TTBR1
    0xd518_2020, // msr ttbr1_el1, x0
    0xd518_2000, // msr ttbr0_el1, x0
    0xd503_201f, // nop
    0x5800_11c0, // ldr x0, MAIR
    0xd518_a200, // msr mair_el1, x0
    0x5800_11c0, // ldr x0, TCR
    0xd518_2040, // msr tcr_el1, x0
    0x5800_11c0, // ldr x0, VBAR
    0xd518_c000, // msr vbar_el1, x0
    0x5800_11c0, // ldr x0, CPACR
    0xd518_1040, // msr cpacr_el1, x0
    0xd503_3fdf, // isb
    0xd508_871f, // sys #0, C8, C7, #0
    0xd503_3b9f, // dsb ish
    0xd503_3fdf, // isb
    0x5800_1140, // ldr x0, SCTLR
    0xd518_1000, // msr sctlr_el1, x0
    0xd503_3fdf, // isb
    0x5800_1120, // ldr x0, WAIT
    0xd61f_0000, // br x0
    // wait:
    0xd2b0_8000, // movz x0, #0x8400, lsl #16
    0xd400_0002, // hvc #0x0
    0x5800_10e1, // ldr x1, MAILBOX
    0xf940_0022, // ldr x2, [x1]
    0xb4ff_ff82, // cbz x2, wait
    0xf900_0422, // str x2, [x1, #8]
    0x5800_10a0, // ldr x0, RECORDS
    0x9100_001f, // add sp, x0, #0x0
    // next:
    0x5800_10a1, // ldr x1, SLOT_DATA
    0xa940_0fe2, // ldp x2, x3, [sp]
    0xa900_0c22, // stp x2, x3, [x1]
    0xa941_0fe2, // ldp x2, x3, [sp, #16]
    0xa901_0c22, // stp x2, x3, [x1, #16]
    0xa942_0fe2, // ldp x2, x3, [sp, #32]
    0xa902_0c22, // stp x2, x3, [x1, #32]
    0xa943_0fe2, // ldp x2, x3, [sp, #48]
    0xa903_0c22, // stp x2, x3, [x1, #48]
    0xa959_0fe2, // ldp x2, x3, [sp, #400]
    0xf900_0043, // str x3, [x2]
    0xa95a_0fe2, // ldp x2, x3, [sp, #416]
    0xf900_0043, // str x3, [x2]
    0xa95b_0fe2, // ldp x2, x3, [sp, #432]
    0xf900_0043, // str x3, [x2]
    0xa95c_0fe2, // ldp x2, x3, [sp, #448]
    0xf900_0043, // str x3, [x2]
    0xa95d_0fe2, // ldp x2, x3, [sp, #464]
    0xf900_0043, // str x3, [x2]
    0xa95e_0fe2, // ldp x2, x3, [sp, #480]
    0xf900_0043, // str x3, [x2]
    0x5800_0e44, // ldr x4, SLOT
    0xd50b_7b24, // sys #3, C7, C11, #1, x4
    0xd503_3b9f, // dsb ish
    0xd508_751f, // sys #0, C7, C5, #0
    0xd503_3b9f, // dsb ish
    0xd503_3fdf, // isb
    0xa953_87e0, // ldp x0, x1, [sp, #312]
    0xd518_4000, // msr spsr_el1, x0
    0xd518_4021, // msr elr_el1, x1
    0xa954_87e0, // ldp x0, x1, [sp, #328]
    0xd518_2041, // msr tcr_el1, x1
    0xa955_8fe2, // ldp x2, x3, [sp, #344]
    0xd518_2002, // msr ttbr0_el1, x2
    0xd518_a203, // msr mair_el1, x3
    0xd518_741f, // msr par_el1, xzr
    0xd518_601f, // msr far_el1, xzr
    0xd518_521f, // msr esr_el1, xzr
    0xd503_3fdf, // isb
    0xd508_871f, // sys #0, C8, C7, #0
    0xd503_3b9f, // dsb ish
    0xd503_3fdf, // isb
    0xd518_1000, // msr sctlr_el1, x0
    0xd503_3fdf, // isb
    0xa944_07e0, // ldp x0, x1, [sp, #64]
    0xa945_0fe2, // ldp x2, x3, [sp, #80]
    0xa946_17e4, // ldp x4, x5, [sp, #96]
    0xa947_1fe6, // ldp x6, x7, [sp, #112]
    0xa948_27e8, // ldp x8, x9, [sp, #128]
    0xa949_2fea, // ldp x10, x11, [sp, #144]
    0xa94a_37ec, // ldp x12, x13, [sp, #160]
    0xa94b_3fee, // ldp x14, x15, [sp, #176]
    0xa94c_47f0, // ldp x16, x17, [sp, #192]
    0xa94d_4ff2, // ldp x18, x19, [sp, #208]
    0xa94e_57f4, // ldp x20, x21, [sp, #224]
    0xa94f_5ff6, // ldp x22, x23, [sp, #240]
    0xa950_67f8, // ldp x24, x25, [sp, #256]
    0xa951_6ffa, // ldp x26, x27, [sp, #272]
    0xa952_77fc, // ldp x28, x29, [sp, #288]
    0xf940_9bfe, // ldr x30, [sp, #304]
    0xd69f_03e0, // eret
    // common:
    0xa905_0fe2, // stp x2, x3, [sp, #80]
    0xa906_17e4, // stp x4, x5, [sp, #96]
    0xa907_1fe6, // stp x6, x7, [sp, #112]
    0xa908_27e8, // stp x8, x9, [sp, #128]
    0xa909_2fea, // stp x10, x11, [sp, #144]
    0xa90a_37ec, // stp x12, x13, [sp, #160]
    0xa90b_3fee, // stp x14, x15, [sp, #176]
    0xa90c_47f0, // stp x16, x17, [sp, #192]
    0xa90d_4ff2, // stp x18, x19, [sp, #208]
    0xa90e_57f4, // stp x20, x21, [sp, #224]
    0xa90f_5ff6, // stp x22, x23, [sp, #240]
    0xa910_67f8, // stp x24, x25, [sp, #256]
    0xa911_6ffa, // stp x26, x27, [sp, #272]
    0xa912_77fc, // stp x28, x29, [sp, #288]
    0xf900_9bfe, // str x30, [sp, #304]
    0xd538_4001, // mrs x1, spsr_el1
    0xd538_4022, // mrs x2, elr_el1
    0xa913_8be1, // stp x1, x2, [sp, #312]
    0xd538_5201, // mrs x1, esr_el1
    0xd538_6002, // mrs x2, far_el1
    0xa914_8be1, // stp x1, x2, [sp, #328]
    0xd538_7401, // mrs x1, par_el1
    0xa915_83e1, // stp x1, x0, [sp, #344]
    0x5800_0521, // ldr x1, SCTLR
    0xd518_1001, // msr sctlr_el1, x1
    0xd503_3fdf, // isb
    0xf940_cbe2, // ldr x2, [sp, #400]
    0xf940_0043, // ldr x3, [x2]
    0xf900_cfe3, // str x3, [sp, #408]
    0xf940_d3e2, // ldr x2, [sp, #416]
    0xf940_0043, // ldr x3, [x2]
    0xf900_d7e3, // str x3, [sp, #424]
    0xf940_dbe2, // ldr x2, [sp, #432]
    0xf940_0043, // ldr x3, [x2]
    0xf900_dfe3, // str x3, [sp, #440]
    0xf940_e3e2, // ldr x2, [sp, #448]
    0xf940_0043, // ldr x3, [x2]
    0xf900_e7e3, // str x3, [sp, #456]
    0xf940_ebe2, // ldr x2, [sp, #464]
    0xf940_0043, // ldr x3, [x2]
    0xf900_efe3, // str x3, [sp, #472]
    0xf940_f3e2, // ldr x2, [sp, #480]
    0xf940_0043, // ldr x3, [x2]
    0xf900_f7e3, // str x3, [sp, #488]
    0x5800_0301, // ldr x1, MAILBOX
    0xf940_0422, // ldr x2, [x1, #8]
    0xd100_0442, // sub x2, x2, #0x1
    0xf900_0422, // str x2, [x1, #8]
    0xb400_0062, // cbz x2, done
    0x9108_03ff, // add sp, sp, #0x200
    0x17ff_ff91, // b next
    // done:
    0xd503_3bbf, // dmb ish
    0xf900_003f, // str xzr, [x1]
    0x17ff_ff86, // b wait
];

/// The words with their literals and the vectors, to be put at the start of the code.
pub fn words() -> Vec<u32> {
    let literals = [
        TTBR1_TABLE,
        MAIR,
        TCR | 25,
        virt(VECTORS),
        CPACR,
        control(),
        virt(CODE) + WAIT,
        virt(MAILBOX),
        virt(RECORDS),
        virt(SLOT_DATA),
        virt(SLOT),
    ];
    let mut words = WORDS.to_vec();
    words.extend(literals.iter().flat_map(|l| [*l as u32, (*l >> 32) as u32]));
    words.resize(((VECTORS - CODE) / 4) as usize, 0);
    for vector in 0..16u32 {
        let at = 4 * (words.len() as u64 + 2);
        // stp x0, x1, [sp, #64]; mov x0, #vector; b common
        let back = (COMMON.wrapping_sub(at) >> 2) as u32 & 0x3ff_ffff;
        words.extend([0xa904_07e0, 0xd280_0000 | vector << 5, 0x1400_0000 | back]);
        words.resize(words.len().next_multiple_of(32), 0);
    }
    words
}
