//! Pointer authentication (DDI 0487 C4.1: "Data-processing (1 source)" and "(2 source)", "Loads
//! and Stores", "Unconditional branch (register)"; FEAT_PAuth). Its hints are in `system.rs`.
//!
//! A modifier of a register's value may be SP. The forms with Z in their names have the modifier 0.

use super::operand::{reg, reg_sp};
use super::pattern::signed;
use super::rows;
use crate::emit::{Access, Call, Emit, Indirect, Key, Pointer, Size};

/// The keys as the instructions number them.
pub(super) const KEYS: [Key; 4] = [Key::IA, Key::IB, Key::DA, Key::DB];

/// The target of a branch: Xn authenticated with SP, a register or 0.
#[inline(always)]
fn authenticated<E: Emit>(e: &mut E, key: u32, rn: u32, modifier: E::V) -> E::V {
    let target = e.reg(Size::X, rn);
    e.pointer(Pointer::Authenticate(KEYS[key as usize]), target, modifier)
}

rows! {
    /// PACIA, PACIB, PACDA, PACDB, AUTIA, AUTIB, AUTDA, AUTDB and their Z forms.
    PointerCode "110110101100000100zaffnnnnnddddd"
        { zero = z, authenticate = a, key = f, rn = n, rd = d }
        unless |i| i.zero == 1 && i.rn != 31,
        text |i, pc| {
            let (name, key) = (["pac", "aut"][i.authenticate as usize], i.key as usize);
            let rd = reg(Size::X, i.rd);
            match i.zero {
                0 => {
                    let key = ["ia", "ib", "da", "db"][key];
                    format!("{name}{key}\t{rd}, {}", reg_sp(Size::X, i.rn))
                }
                _ => format!("{name}{}\t{rd}", ["iza", "izb", "dza", "dzb"][key]),
            }
        }
        execute |i, e| {
            let key = KEYS[i.key as usize];
            let what = match i.authenticate {
                0 => Pointer::Add(key),
                _ => Pointer::Authenticate(key),
            };
            let value = e.reg(Size::X, i.rd);
            let modifier = if i.zero == 1 { e.imm(0) } else { e.reg_sp(Size::X, i.rn) };
            let result = e.pointer(what, value, modifier);
            e.set_reg(Size::X, i.rd, result);
            Ok(())
        }

    /// XPACI, XPACD.
    PointerStrip "110110101100000101000f11111ddddd" { data = f, rd = d }
        text |i, pc| {
            format!("{}\t{}", ["xpaci", "xpacd"][i.data as usize], reg(Size::X, i.rd))
        }
        execute |i, e| {
            let value = e.reg(Size::X, i.rd);
            let nothing = e.imm(0);
            let result = e.pointer(Pointer::Strip { data: i.data == 1 }, value, nothing);
            e.set_reg(Size::X, i.rd, result);
            Ok(())
        }

    /// PACGA.
    PointerGeneric "10011010110mmmmm001100nnnnnddddd" { rm = m, rn = n, rd = d }
        text |i, pc| {
            let (rd, rn) = (reg(Size::X, i.rd), reg(Size::X, i.rn));
            format!("pacga\t{rd}, {rn}, {}", reg_sp(Size::X, i.rm))
        }
        execute |i, e| {
            let value = e.reg(Size::X, i.rn);
            let modifier = e.reg_sp(Size::X, i.rm);
            let result = e.pointer(Pointer::Generic, value, modifier);
            e.set_reg(Size::X, i.rd, result);
            Ok(())
        }

    /// LDRAA, LDRAB: the base authenticated as data, with the modifier 0. The offset is
    /// `SignExtend(S:imm9) << 3`. Write-back to the loaded register, CONSTRAINED UNPREDICTABLE:
    /// as in `loads_stores.rs`.
    LoadAuthenticated "11111000fS1iiiiiiiiiw1nnnnnttttt"
        { key = f, sign = S, imm9 = i, writeback = w, rn = n, rt = t }
        text |i, pc| {
            let (name, base) = (["ldraa", "ldrab"][i.key as usize], reg_sp(Size::X, i.rn));
            let offset = match i.offset() {
                0 => String::new(),
                offset => format!(", #{offset}"),
            };
            let back = if i.writeback == 1 { "!" } else { "" };
            format!("{name}\t{}, [{base}{offset}]{back}", reg(Size::X, i.rt))
        }
        execute |i, e| {
            let mut access = Access::single(8, i.rt, false, Size::X);
            if i.writeback == 1 {
                access.iss = 0;
            }
            let base = e.base(i.rn)?;
            let nothing = e.imm(0);
            let key = KEYS[2 + i.key as usize];
            let base = e.pointer(Pointer::Authenticate(key), base, nothing);
            let offset = e.imm(i.offset() as u64);
            let addr = e.add(Size::X, base, offset);
            let value = e.load(access, addr)?;
            e.set_reg(Size::X, i.rt, value);
            if i.writeback == 1 {
                e.set_reg_sp(Size::X, i.rn, addr);
            }
            Ok(())
        }

    /// BRAA, BRAB, BLRAA, BLRAB, and with the modifier 0 BRAAZ and kin.
    BranchAuthenticated "1101011z00o1111100001fnnnnnmmmmm"
        { modified = z, link = o, key = f, rn = n, rm = m }
        unless |i| i.modified == 0 && i.rm != 31,
        [ends]
        text |i, pc| {
            let name = ["br", "blr"][i.link as usize];
            let (key, rn) = (["aa", "ab"][i.key as usize], reg(Size::X, i.rn));
            match i.modified {
                0 => format!("{name}{key}z\t{rn}"),
                _ => format!("{name}{key}\t{rn}, {}", reg_sp(Size::X, i.rm)),
            }
        }
        execute |i, e| {
            let modifier = if i.modified == 1 { e.reg_sp(Size::X, i.rm) } else { e.imm(0) };
            let to = authenticated(e, i.key, i.rn, modifier);
            if i.link == 1 {
                let pc = e.pc();
                let four = e.imm(4);
                let next = e.add(Size::X, pc, four);
                e.set_reg(Size::X, 30, next);
            }
            e.branch_indirect(to, if i.link == 1 { Indirect::Call } else { Indirect::Jump(i.rn) });
            Ok(())
        }

    /// RETAA, RETAB.
    RetAuthenticated "110101100101111100001f1111111111" { key = f }
        [ends]
        text |i, pc| { ["retaa", "retab"][i.key as usize].into() }
        execute |i, e| {
            let modifier = e.reg_sp(Size::X, 31);
            let to = authenticated(e, i.key, 30, modifier);
            e.branch_indirect(to, Indirect::Return);
            Ok(())
        }

    /// ERETAA, ERETAB.
    EretAuthenticated "110101101001111100001f1111111111" { key = f }
        [ends]
        text |i, pc| { ["eretaa", "eretab"][i.key as usize].into() }
        execute |i, e| { e.call(Call::EretAuthenticated(KEYS[i.key as usize])) }
}

impl LoadAuthenticated {
    fn offset(&self) -> i64 {
        signed(self.sign << 9 | self.imm9, 10) * 8
    }
}
