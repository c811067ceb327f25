//! System instructions (DDI 0487 C4.1: "System instructions" of the branch group, C5).

use super::operand::{barrier, reg};
use super::rows;
use crate::emit::{Barrier, Call, PstateField, Size};
use anyvisor_arch::sysreg::{Encoding, SysReg};

/// The name of a system register, or its generic spelling.
fn register(encoding: Encoding) -> String {
    match SysReg::from_encoding(encoding) {
        Some(reg) => reg.name().to_lowercase(),
        None => encoding.to_string().to_lowercase(),
    }
}

rows! {
    /// HINT: NOP, YIELD, WFE, WFI, SEV, SEVL, ESB, and all the others, which do nothing here.
    Hint "11010101000000110010mmmmooo11111" { crm = m, op2 = o }
        [ends]
        text |i, pc| {
            match i.crm << 3 | i.op2 {
                n @ 0..=5 => ["nop", "yield", "wfe", "wfi", "sev", "sevl"][n as usize].into(),
                n => format!("hint\t#{n:#x}"),
            }
        }
        execute |i, e| {
            match i.crm << 3 | i.op2 {
                2 => e.call(Call::Wfe),
                3 => e.call(Call::Wfi),
                n @ (4 | 5) => {
                    e.send_event(n == 5);
                    Ok(())
                }
                16 => {
                    e.barrier(Barrier::Esb);
                    Ok(())
                }
                _ => Ok(()),
            }
        }

    /// CLREX.
    Clrex "11010101000000110011mmmm01011111" { crm = m }
        text |i, pc| { if i.crm == 15 { "clrex".into() } else { format!("clrex\t#{:#x}", i.crm) } }
        execute |i, e| {
            e.clear_exclusive();
            Ok(())
        }

    /// DSB, DMB: opc is 00 or 01.
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

    /// MSR (immediate): SPSel, DAIFSet, DAIFClr, PAN. Other fields belong to later features.
    MsrImm "1101010100000ooo0100mmmmppp11111" { op1 = o, crm = m, op2 = p }
        unless |i| !matches!((i.op1, i.op2), (0, 4 | 5) | (3, 6 | 7)),
        [ends]
        text |i, pc| {
            let name = match (i.op1, i.op2) {
                (0, 4) => "pan",
                (0, _) => "spsel",
                (_, 6) => "daifset",
                _ => "daifclr",
            };
            format!("msr\t{name}, #{:#x}", i.crm)
        }
        execute |i, e| {
            let field = match (i.op1, i.op2) {
                (0, 4) => PstateField::Pan,
                (0, _) => PstateField::SpSel,
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

    /// MSR (register). It ends a block: what follows may mean something else now.
    MsrReg "110101010001eeeeeeeeeeeeeeerrrrr" { sys = e, rt = r }
        [ends]
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
