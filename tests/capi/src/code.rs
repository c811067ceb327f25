//! A64 encodings, from DDI 0487 part C6. Registers are numbers; 31 is XZR.

pub const NOP: u32 = 0xd503_201f;
pub const WFE: u32 = 0xd503_205f;
pub const WFI: u32 = 0xd503_207f;
pub const ISB: u32 = 0xd503_3fdf;
/// `b .`: loops forever.
pub const LOOP: u32 = 0x1400_0000;
/// `msr daifclr, #2`: IRQs on.
pub const IRQ_ON: u32 = 0xd503_42ff;
/// `msr daifclr, #1`: FIQs on.
pub const FIQ_ON: u32 = 0xd503_41ff;

pub const fn hvc(imm: u32) -> u32 {
    0xd400_0002 | imm << 5
}

pub const fn smc(imm: u32) -> u32 {
    0xd400_0003 | imm << 5
}

pub const fn brk(imm: u32) -> u32 {
    0xd420_0000 | imm << 5
}

/// A system register as instructions name it.
#[derive(Clone, Copy)]
pub struct System {
    pub op0: u32,
    pub op1: u32,
    pub crn: u32,
    pub crm: u32,
    pub op2: u32,
}

/// Short for the struct: op0, op1, CRn, CRm, op2.
pub const fn system(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> System {
    System { op0, op1, crn, crm, op2 }
}

pub const CNTVCT_EL0: System = system(3, 3, 14, 0, 2);
pub const CNTV_CTL_EL0: System = system(3, 3, 14, 3, 1);
pub const CNTV_CVAL_EL0: System = system(3, 3, 14, 3, 2);
pub const MIDR_EL1: System = system(3, 0, 0, 0, 0);
pub const MPIDR_EL1: System = system(3, 0, 0, 0, 5);
pub const PMCR_EL0: System = system(3, 3, 9, 12, 0);
pub const PMCCNTR_EL0: System = system(3, 3, 9, 13, 0);
pub const OSLAR_EL1: System = system(2, 0, 1, 0, 4);
pub const OSDLR_EL1: System = system(2, 0, 1, 3, 4);
pub const ICC_IAR1_EL1: System = system(3, 0, 12, 12, 0);
pub const ICC_SGI1R_EL1: System = system(3, 0, 12, 11, 5);
pub const MDSCR_EL1: System = system(2, 0, 0, 2, 2);
pub const DBGBVR0_EL1: System = system(2, 0, 0, 0, 4);

const fn system_access(base: u32, s: System, rt: u32) -> u32 {
    base | (s.op0 & 1) << 19 | s.op1 << 16 | s.crn << 12 | s.crm << 8 | s.op2 << 5 | rt
}

pub const fn mrs(rt: u32, register: System) -> u32 {
    system_access(0xd530_0000, register, rt)
}

pub const fn msr(register: System, rt: u32) -> u32 {
    system_access(0xd510_0000, register, rt)
}

pub const fn movz(rd: u32, imm: u32) -> u32 {
    0xd280_0000 | imm << 5 | rd
}

/// `add xd, xd, #1`
pub const fn increment(rd: u32) -> u32 {
    0x9100_0400 | rd << 5 | rd
}

/// `b` to the instruction `back` places before.
pub const fn branch_back(back: u32) -> u32 {
    0x1400_0000 | (0x0400_0000 - back)
}

pub const fn br(rn: u32) -> u32 {
    0xd61f_0000 | rn << 5
}

/// Loads and stores of `rt` at `[xn]`: the base encodings with unsigned offset 0.
pub const LDRB: u32 = 0x3940_0000;
pub const LDRH: u32 = 0x7940_0000;
pub const LDR_W: u32 = 0xb940_0000;
pub const LDR_X: u32 = 0xf940_0000;
pub const LDRSB_W: u32 = 0x39c0_0000;
pub const LDRSB_X: u32 = 0x3980_0000;
pub const LDRSH_W: u32 = 0x79c0_0000;
pub const LDRSH_X: u32 = 0x7980_0000;
pub const LDRSW: u32 = 0xb980_0000;
pub const STRB: u32 = 0x3900_0000;
pub const STRH: u32 = 0x7900_0000;
pub const STR_W: u32 = 0xb900_0000;
pub const STR_X: u32 = 0xf900_0000;

/// One of the above.
pub const fn access(base: u32, rt: u32, rn: u32) -> u32 {
    base | rn << 5 | rt
}

/// `ldp xt, xt2, [xn]`
pub const fn ldp(rt: u32, rt2: u32, rn: u32) -> u32 {
    0xa940_0000 | rt2 << 10 | rn << 5 | rt
}

/// `ldr xt, [xn], #8`
pub const fn ldr_post(rt: u32, rn: u32) -> u32 {
    0xf840_8400 | rn << 5 | rt
}
