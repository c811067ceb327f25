//! Data processing, immediate (DDI 0487 C4.1: "Data Processing -- Immediate").

use super::operand::{reg, reg_sp};
use super::pattern::signed;
use super::rows;
use crate::emit::Size;

/// The mask that N, immr and imms encode (the manual's `DecodeBitMasks`, `wmask`).
///
/// ```text
///   len = HighestSetBit(N : NOT(imms))      element size 2^len
///   S = imms, R = immr                      both modulo the element size
///   element = Ones(S + 1) rotated right by R, repeated to 64 bits
/// ```
/// 0 if the value is reserved: no mask that can be encoded is 0.
const fn decode_bit_masks(n: u32, immr: u32, imms: u32) -> u64 {
    let Some(len) = (n << 6 | (!imms & 0x3f)).checked_ilog2() else { return 0 };
    let levels = (1 << len) - 1;
    if len == 0 || imms & levels == levels {
        return 0;
    }
    let (s, r, esize) = (imms & levels, immr & levels, 1u32 << len);
    let ones = u64::MAX >> (63 - s);
    let mut out = match r {
        0 => ones,
        _ => (ones >> r | ones << (esize - r)) & u64::MAX >> (64 - esize),
    };
    let mut at = esize;
    while at < 64 {
        out |= out << at;
        at *= 2;
    }
    out
}

/// Every bit mask, by N:immr:imms: an instruction looks its mask up each time it runs.
static BIT_MASKS: [u64; 1 << 13] = {
    let mut table = [0; 1 << 13];
    let mut i = 0;
    while i < table.len() {
        table[i] = decode_bit_masks(i as u32 >> 12, i as u32 >> 6 & 63, i as u32 & 63);
        i += 1;
    }
    table
};

impl LogicalImm {
    fn mask(&self) -> u64 {
        BIT_MASKS[(self.n << 12 | self.immr << 6 | self.imms) as usize] & Size::sf(self.sf).mask()
    }
}

rows! {
    /// ADR, ADRP.
    Adr "pll10000hhhhhhhhhhhhhhhhhhhddddd" { page = p, immlo = l, immhi = h, rd = d }
        text |i, pc| {
            let imm = signed(i.immhi << 2 | i.immlo, 21);
            let (name, target) = match i.page {
                0 => ("adr", pc.wrapping_add_signed(imm)),
                _ => ("adrp", (pc & !0xfff).wrapping_add_signed(imm << 12)),
            };
            format!("{name}\t{}, {target:#x}", reg(Size::X, i.rd))
        }
        execute |i, e| {
            let imm = signed(i.immhi << 2 | i.immlo, 21);
            let mut base = e.pc();
            let mut offset = imm;
            if i.page == 1 {
                let mask = e.imm(!0xfff);
                base = e.and(base, mask);
                offset = imm << 12;
            }
            let offset = e.imm(offset as u64);
            let result = e.add(Size::X, base, offset);
            e.set_reg(Size::X, i.rd, result);
            Ok(())
        }

    /// ADD, ADDS, SUB, SUBS (immediate).
    AddSubImm "zoS100010hiiiiiiiiiiiinnnnnddddd"
        { sf = z, op = o, s = S, sh = h, imm12 = i, rn = n, rd = d }
        text |i, pc| {
            let size = Size::sf(i.sf);
            let name = ["add", "sub"][i.op as usize];
            let (s, rd) = match i.s {
                0 => ("", reg_sp(size, i.rd)),
                _ => ("s", reg(size, i.rd)),
            };
            let sh = if i.sh == 1 { ", lsl #12" } else { "" };
            format!("{name}{s}\t{rd}, {}, #{:#x}{sh}", reg_sp(size, i.rn), i.imm12)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let a = e.reg_sp(size, i.rn);
            let b = e.imm(u64::from(i.imm12) << (12 * i.sh));
            match (i.s, i.op) {
                (0, 0) => { let r = e.add(size, a, b); e.set_reg_sp(size, i.rd, r); }
                (0, _) => { let r = e.sub(size, a, b); e.set_reg_sp(size, i.rd, r); }
                (_, 0) => { let r = e.adds(size, a, b); e.set_reg(size, i.rd, r); }
                (_, _) => { let r = e.subs(size, a, b); e.set_reg(size, i.rd, r); }
            }
            Ok(())
        }

    /// AND, ORR, EOR, ANDS (immediate).
    LogicalImm "zoo100100Nrrrrrrssssssnnnnnddddd"
        { sf = z, opc = o, n = N, immr = r, imms = s, rn = n, rd = d }
        unless |i| i.mask() == 0 || (i.sf == 0 && i.n == 1),
        text |i, pc| {
            let size = Size::sf(i.sf);
            let name = ["and", "orr", "eor", "ands"][i.opc as usize];
            let rd = if i.opc == 3 { reg(size, i.rd) } else { reg_sp(size, i.rd) };
            format!("{name}\t{rd}, {}, #{:#x}", reg(size, i.rn), i.mask())
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let a = e.reg(size, i.rn);
            let b = e.imm(i.mask());
            match i.opc {
                0 => { let r = e.and(a, b); e.set_reg_sp(size, i.rd, r); }
                1 => { let r = e.or(a, b); e.set_reg_sp(size, i.rd, r); }
                2 => { let r = e.xor(a, b); e.set_reg_sp(size, i.rd, r); }
                _ => { let r = e.ands(size, a, b); e.set_reg(size, i.rd, r); }
            }
            Ok(())
        }

    /// MOVN, MOVZ, MOVK.
    MoveWide "zoo100101hhiiiiiiiiiiiiiiiiddddd" { sf = z, opc = o, hw = h, imm16 = i, rd = d }
        unless |i| i.opc == 1 || (i.sf == 0 && i.hw >= 2),
        text |i, pc| {
            let name = ["movn", "", "movz", "movk"][i.opc as usize];
            let lsl = if i.hw == 0 { String::new() } else { format!(", lsl #{}", 16 * i.hw) };
            format!("{name}\t{}, #{:#x}{lsl}", reg(Size::sf(i.sf), i.rd), i.imm16)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let imm = u64::from(i.imm16) << (16 * i.hw);
            let result = match i.opc {
                0 => e.imm(!imm & size.mask()),
                2 => e.imm(imm),
                _ => {
                    let old = e.reg(size, i.rd);
                    let hole = e.imm(!(0xffff << (16 * i.hw)));
                    let kept = e.and(old, hole);
                    let imm = e.imm(imm);
                    e.or(kept, imm)
                }
            };
            e.set_reg(size, i.rd, result);
            Ok(())
        }

    /// SBFM, BFM, UBFM.
    Bitfield "zoo100110Nrrrrrrssssssnnnnnddddd"
        { sf = z, opc = o, n = N, immr = r, imms = s, rn = n, rd = d }
        unless |i| i.opc == 3 || i.n != i.sf || (i.sf == 0 && (i.immr >= 32 || i.imms >= 32)),
        text |i, pc| {
            let size = Size::sf(i.sf);
            let name = ["sbfm", "bfm", "ubfm", ""][i.opc as usize];
            format!("{name}\t{}, {}, #{}, #{}", reg(size, i.rd), reg(size, i.rn), i.immr, i.imms)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let src = e.reg(size, i.rn);
            // imms >= immr: bits imms..immr move down to 0. Otherwise: bits imms..0 move up.
            let (width, down, up) = match i.imms.checked_sub(i.immr) {
                Some(n) => (n + 1, i.immr, 0),
                None => (i.imms + 1, 0, size.bits() - i.immr),
            };
            let by = e.imm(down.into());
            let moved = e.lsr(size, src, by);
            let field = match i.opc {
                0 => e.sign_extend(size, moved, width),
                _ => e.zero_extend(moved, width),
            };
            let by = e.imm(up.into());
            let mut result = e.lsl(size, field, by);
            if i.opc == 1 {
                let old = e.reg(size, i.rd);
                let hole = e.imm(!(u64::MAX >> (64 - width) << up));
                let kept = e.and(old, hole);
                result = e.or(kept, result);
            }
            e.set_reg(size, i.rd, result);
            Ok(())
        }

    /// EXTR.
    Extract "z00100111N0mmmmmssssssnnnnnddddd" { sf = z, n = N, rm = m, imms = s, rn = n, rd = d }
        unless |i| i.n != i.sf || (i.sf == 0 && i.imms >= 32),
        text |i, pc| {
            let size = Size::sf(i.sf);
            format!("extr\t{}, {}, {}, #{}", reg(size, i.rd), reg(size, i.rn), reg(size, i.rm), i.imms)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let low = e.reg(size, i.rm);
            let result = if i.imms == 0 {
                low
            } else {
                let high = e.reg(size, i.rn);
                let lsb = e.imm(i.imms.into());
                let low = e.lsr(size, low, lsb);
                let up = e.imm(u64::from(size.bits() - i.imms));
                let high = e.lsl(size, high, up);
                e.or(high, low)
            };
            e.set_reg(size, i.rd, result);
            Ok(())
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_masks_are_those_of_the_manual() {
        assert_eq!(decode_bit_masks(1, 0, 0), 1);
        assert_eq!(decode_bit_masks(0, 0, 0b111100), 0x5555_5555_5555_5555);
        assert_eq!(decode_bit_masks(0, 8, 0b000111), 0xff00_0000_ff00_0000);
        assert_eq!(decode_bit_masks(1, 1, 0b111110), 0xbfff_ffff_ffff_ffff);
        for (n, imms) in [(1, 63), (0, 0b111111), (0, 0b111110), (0, 0b111101)] {
            assert_eq!(decode_bit_masks(n, 0, imms), 0, "{n} {imms:#b}");
        }
    }
}
