//! System instructions (DDI 0487 C4.1: "System instructions" of the branch group, C5).

use super::operand::{barrier, reg};
use super::rows;
use crate::emit::{Barrier, Call, Emit, Pointer, PstateField, Size};
use crate::sysreg;
use anyvisor_arch::sysreg::{Encoding, SysReg};

/// The name of a system register, or its generic spelling.
pub(crate) fn register(encoding: Encoding) -> String {
    match SysReg::from_encoding(encoding) {
        Some(reg) => reg.name().to_lowercase(),
        None => encoding.to_string().to_lowercase(),
    }
}

/// `hint #0x19`.
fn hint(crm: u32, op2: u32) -> String {
    format!("hint\t#{:#x}", crm << 3 | op2)
}

/// CFINV (0), XAFLAG (1), AXFLAG (2): flags of one kind of comparison as another has them.
fn change_flags<E: Emit>(e: &mut E, which: u32) {
    let (old, bit) = (e.nzcv(), e.imm(1));
    // Each flag in bit 0; what is above it is dropped at the end.
    let mut flag = |lsb| {
        let lsb = e.imm(lsb);
        let value = e.lsr(Size::X, old, lsb);
        e.and(value, bit)
    };
    let (z, c, v) = (flag(30), flag(29), flag(28));
    let zero = e.imm(0);
    let (not_z, not_c, not_v) = (e.xor(z, bit), e.xor(c, bit), e.xor(v, bit));
    let new = match which {
        0 => {
            let carry = e.imm(1 << 29);
            let new = e.xor(old, carry);
            return e.set_nzcv(new);
        }
        1 => [e.and(not_c, not_z), e.and(z, c), e.or(c, z), e.and(not_c, z)],
        _ => [zero, e.or(z, v), e.and(c, not_v), zero],
    };
    let mut nzcv = zero;
    for (flag, lsb) in new.into_iter().zip([31, 30, 29, 28]) {
        let lsb = e.imm(lsb);
        let flag = e.lsl(Size::X, flag, lsb);
        nzcv = e.or(nzcv, flag);
    }
    e.set_nzcv(nzcv);
}

rows! {
    /// HINT #0 to #7: NOP, YIELD, WFE, WFI, SEV, SEVL, DGH (not there: a NOP), XPACLRI.
    Hint "110101010000001100100000ooo11111" { op2 = o }
        [ends]
        text |i, pc| {
            match i.op2 {
                n @ 0..=5 => ["nop", "yield", "wfe", "wfi", "sev", "sevl"][n as usize].into(),
                n => hint(0, n),
            }
        }
        execute |i, e| {
            match i.op2 {
                2 => e.call(Call::Wfe),
                3 => e.call(Call::Wfi),
                n @ (4 | 5) => {
                    e.send_event(n == 5);
                    Ok(())
                }
                7 => {
                    let (link, nothing) = (e.reg(Size::X, 30), e.imm(0));
                    let result = e.pointer(Pointer::Strip { data: false }, link, nothing);
                    e.set_reg(Size::X, 30, result);
                    Ok(())
                }
                _ => Ok(()),
            }
        }

    /// HINT #8 to #15 and #24 to #31: PACIA1716 and kin, X17 with X16; PACIAZ, PACIASP and kin,
    /// X30 with 0 or SP. The odd ones of the first eight have no name.
    HintPointer "1101010100000011001000m1afs11111"
        { link = m, authenticate = a, key = f, sp = s }
        text |i, pc| { hint(i.link << 1 | 1, i.authenticate << 2 | i.key << 1 | i.sp) }
        execute |i, e| {
            let key = super::pauth::KEYS[i.key as usize];
            let what = match i.authenticate {
                0 => Pointer::Add(key),
                _ => Pointer::Authenticate(key),
            };
            let (register, modifier) = match (i.link, i.sp) {
                (0, 0) => (17, e.reg(Size::X, 16)),
                (0, _) => return Ok(()),
                (_, 0) => (30, e.imm(0)),
                _ => (30, e.reg_sp(Size::X, 31)),
            };
            let value = e.reg(Size::X, register);
            let result = e.pointer(what, value, modifier);
            e.set_reg(Size::X, register, result);
            Ok(())
        }

    /// HINT #16 to #23: ESB; PSB, TSB, CSDB and others, which have nothing to wait for: there is no
    /// profiling, no trace, no speculation.
    HintBarrier "110101010000001100100010ooo11111" { op = o }
        [ends]
        text |i, pc| { hint(2, i.op) }
        execute |i, e| {
            if i.op == 0 {
                e.barrier(Barrier::Esb);
            }
            Ok(())
        }

    /// HINT #32 to #63. The even ones to #38 are BTI: what they allow is looked at before they are
    /// executed, see `interp/landing.rs`.
    HintTarget "1101010100000011001001mmooo11111" { crm = m, op = o }
        text |i, pc| { hint(4 | i.crm, i.op) }
        execute |i, e| { Ok(()) }

    /// HINT #64 to #127: nothing yet.
    HintReserved "110101010000001100101mmmooo11111" { crm = m, op = o }
        text |i, pc| { hint(8 | i.crm, i.op) }
        execute |i, e| { Ok(()) }

    /// SB: nothing is speculated past it, or anywhere.
    SpeculationBarrier "11010101000000110011000011111111" {}
        text |i, pc| { "sb".into() }
        execute |i, e| { Ok(()) }

    /// CLREX.
    Clrex "11010101000000110011mmmm01011111" { crm = m }
        text |i, pc| { if i.crm == 15 { "clrex".into() } else { format!("clrex\t#{:#x}", i.crm) } }
        execute |i, e| {
            e.clear_exclusive();
            Ok(())
        }

    /// DSB; with CRm 0 or 4 its names are SSBB and PSSBB.
    Dsb "11010101000000110011mmmm10011111" { crm = m }
        text |i, pc| { format!("dsb\t{}", barrier(i.crm)) }
        execute |i, e| {
            e.barrier(Barrier::Dsb(i.crm));
            Ok(())
        }

    /// DMB.
    Dmb "11010101000000110011mmmm10111111" { crm = m }
        text |i, pc| { format!("dmb\t{}", barrier(i.crm)) }
        execute |i, e| {
            e.barrier(Barrier::Dmb(i.crm));
            Ok(())
        }

    /// ISB. It ends a block: what follows may mean something else now.
    Isb "11010101000000110011mmmm11011111" { crm = m }
        [ends]
        text |i, pc| { if i.crm == 15 { "isb".into() } else { format!("isb\t#{:#x}", i.crm) } }
        execute |i, e| {
            e.barrier(Barrier::Isb);
            Ok(())
        }

    /// The manual's class PSTATE: MSR (immediate) of SPSel, DAIFSet, DAIFClr, PAN, UAO, SSBS and
    /// DIT; CFINV, XAFLAG, AXFLAG. Other fields belong to other features.
    MsrImm "1101010100000ooo0100mmmmppp11111" { op1 = o, crm = m, op2 = p }
        unless |i| match (i.op1, i.op2) {
            (0, 0..=2) => i.crm != 0,
            (0, 3..=5) | (3, 1 | 2 | 6 | 7) => false,
            _ => true,
        },
        [ends]
        text |i, pc| {
            let name = match (i.op1, i.op2) {
                (0, flags @ 0..=2) => return ["cfinv", "xaflag", "axflag"][flags as usize].into(),
                (0, 3) => "uao",
                (0, 4) => "pan",
                (0, _) => "spsel",
                (_, 1) => "ssbs",
                (_, 2) => "dit",
                (_, 6) => "daifset",
                _ => "daifclr",
            };
            // One bit, and its upper ones are not there to be named.
            let one_bit = !matches!((i.op1, i.op2), (3, 6 | 7));
            if one_bit && i.crm > 1 {
                return format!("msr\ts0_{}_c4_c{}_{}, xzr", i.op1, i.crm, i.op2);
            }
            format!("msr\t{name}, #{:#x}", i.crm)
        }
        execute |i, e| {
            let field = match (i.op1, i.op2) {
                (0, flags @ 0..=2) => {
                    change_flags(e, flags);
                    return Ok(());
                }
                (0, 3) => PstateField::Uao,
                (0, 4) => PstateField::Pan,
                (0, _) => PstateField::SpSel,
                (_, 1) => PstateField::Ssbs,
                (_, 2) => PstateField::Dit,
                (_, 6) => PstateField::DaifSet,
                _ => PstateField::DaifClr,
            };
            e.msr_imm(field, i.crm)
        }

    /// SYS: cache, TLB and address translation operations. The field is op1:CRn:CRm:op2.
    Sys "1101010100001eeeeeeeeeeeeeerrrrr" { sys = e, rt = r }
        [ends]
        text |i, pc| {
            let e = i.encoding();
            let rt = if i.rt == 31 { String::new() } else { format!(", {}", reg(Size::X, i.rt)) };
            format!("sys\t#{}, C{}, C{}, #{}{rt}", e.op1(), e.crn(), e.crm(), e.op2())
        }
        execute |i, e| {
            let value = e.reg(Size::X, i.rt);
            e.sys(i.encoding(), i.rt, value)
        }

    /// MSR (register). It ends a block, unless it only stores: what follows may mean something
    /// else now.
    MsrReg "110101010001eeeeeeeeeeeeeeerrrrr" { sys = e, rt = r }
        [ends unless |i| sysreg::only_stores(i.encoding())]
        text |i, pc| { format!("msr\t{}, {}", register(i.encoding()), reg(Size::X, i.rt)) }
        execute |i, e| {
            let value = e.reg(Size::X, i.rt);
            e.msr(i.encoding(), i.rt, value)
        }

    /// MRS.
    Mrs "110101010011eeeeeeeeeeeeeeerrrrr" { sys = e, rt = r }
        text |i, pc| { format!("mrs\t{}, {}", reg(Size::X, i.rt), register(i.encoding())) }
        execute |i, e| {
            let value = e.mrs(i.encoding(), i.rt)?;
            e.set_reg(Size::X, i.rt, value);
            Ok(())
        }
}

impl Sys {
    /// op0 is 1.
    fn encoding(&self) -> Encoding {
        Encoding(1 << 14 | self.sys as u16)
    }
}

impl MsrReg {
    /// op0 is 2 or 3: its lower bit is the field's highest.
    fn encoding(&self) -> Encoding {
        Encoding(1 << 15 | self.sys as u16)
    }
}

impl Mrs {
    /// As of [`MsrReg`].
    fn encoding(&self) -> Encoding {
        Encoding(1 << 15 | self.sys as u16)
    }
}
