//! Branches and exception generation (DDI 0487 C4.1: "Branches, Exception Generating and System
//! instructions", without the system ones).

use super::operand::{CONDITIONS, reg, target};
use super::pattern::signed;
use super::rows;
use crate::emit::{Call, Indirect, Size};

rows! {
    /// B.cond.
    BranchCond "01010100iiiiiiiiiiiiiiiiiii0cccc" { imm19 = i, cond = c }
        [ends]
        text |i, pc| {
            format!("b.{}\t{}", CONDITIONS[i.cond as usize], target(pc, signed(i.imm19, 19) * 4))
        }
        execute |i, e| {
            e.branch_cond(i.cond, signed(i.imm19, 19) * 4);
            Ok(())
        }

    /// B, BL.
    Branch "o00101iiiiiiiiiiiiiiiiiiiiiiiiii" { link = o, imm26 = i }
        [ends]
        text |i, pc| {
            format!("{}\t{}", ["b", "bl"][i.link as usize], target(pc, signed(i.imm26, 26) * 4))
        }
        execute |i, e| {
            let pc = e.pc();
            if i.link == 1 {
                let four = e.imm(4);
                let next = e.add(Size::X, pc, four);
                e.set_reg(Size::X, 30, next);
            }
            let offset = e.imm((signed(i.imm26, 26) * 4) as u64);
            let to = e.add(Size::X, pc, offset);
            e.branch(to);
            Ok(())
        }

    /// CBZ, CBNZ.
    CompareBranch "z011010oiiiiiiiiiiiiiiiiiiittttt" { sf = z, nonzero = o, imm19 = i, rt = t }
        [ends]
        text |i, pc| {
            let name = ["cbz", "cbnz"][i.nonzero as usize];
            format!("{name}\t{}, {}", reg(Size::sf(i.sf), i.rt), target(pc, signed(i.imm19, 19) * 4))
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let a = e.reg(size, i.rt);
            e.branch_zero(size, a, i.nonzero == 0, signed(i.imm19, 19) * 4);
            Ok(())
        }

    /// TBZ, TBNZ.
    TestBranch "h011011obbbbbiiiiiiiiiiiiiittttt"
        { b5 = h, nonzero = o, b40 = b, imm14 = i, rt = t }
        [ends]
        text |i, pc| {
            let name = ["tbz", "tbnz"][i.nonzero as usize];
            let (rt, bit) = (reg(Size::sf(i.b5), i.rt), i.b5 << 5 | i.b40);
            format!("{name}\t{rt}, #{bit}, {}", target(pc, signed(i.imm14, 14) * 4))
        }
        execute |i, e| {
            let a = e.reg(Size::X, i.rt);
            e.branch_bit(a, i.b5 << 5 | i.b40, i.nonzero == 1, signed(i.imm14, 14) * 4);
            Ok(())
        }

    /// BR, BLR.
    BranchRegister "1101011000o11111000000nnnnn00000" { link = o, rn = n }
        [ends]
        text |i, pc| { format!("{}\t{}", ["br", "blr"][i.link as usize], reg(Size::X, i.rn)) }
        execute |i, e| {
            let to = e.reg(Size::X, i.rn);
            if i.link == 1 {
                let pc = e.pc();
                let four = e.imm(4);
                let next = e.add(Size::X, pc, four);
                e.set_reg(Size::X, 30, next);
            }
            e.branch_indirect(to, if i.link == 1 { Indirect::Call } else { Indirect::Jump(i.rn) });
            Ok(())
        }

    /// RET.
    Ret "1101011001011111000000nnnnn00000" { rn = n }
        [ends]
        text |i, pc| {
            if i.rn == 30 { "ret".into() } else { format!("ret\t{}", reg(Size::X, i.rn)) }
        }
        execute |i, e| {
            let to = e.reg(Size::X, i.rn);
            e.branch_indirect(to, Indirect::Return);
            Ok(())
        }

    /// ERET.
    Eret "11010110100111110000001111100000" {}
        [ends]
        text |i, pc| { "eret".into() }
        execute |i, e| { e.call(Call::Eret) }

    /// SVC.
    Svc "11010100000iiiiiiiiiiiiiiii00001" { imm16 = i }
        [ends]
        text |i, pc| { format!("svc\t#{:#x}", i.imm16) }
        execute |i, e| { e.call(Call::Svc(i.imm16)) }

    /// HVC.
    Hvc "11010100000iiiiiiiiiiiiiiii00010" { imm16 = i }
        [ends]
        text |i, pc| { format!("hvc\t#{:#x}", i.imm16) }
        execute |i, e| { e.call(Call::Hvc(i.imm16)) }

    /// SMC.
    Smc "11010100000iiiiiiiiiiiiiiii00011" { imm16 = i }
        [ends]
        text |i, pc| { format!("smc\t#{:#x}", i.imm16) }
        execute |i, e| { e.call(Call::Smc(i.imm16)) }

    /// BRK.
    Brk "11010100001iiiiiiiiiiiiiiii00000" { imm16 = i }
        [ends]
        text |i, pc| { format!("brk\t#{:#x}", i.imm16) }
        execute |i, e| { e.call(Call::Brk(i.imm16)) }
}
