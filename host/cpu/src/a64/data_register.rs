//! Data processing, register (DDI 0487 C4.1: "Data Processing -- Register").

use super::operand::{CONDITIONS, EXTENDS, reg, reg_sp, shift};
use super::rows;
use crate::emit::{Emit, Size};

/// The manual's `ShiftReg`.
#[inline(always)]
fn shift_reg<E: Emit>(e: &mut E, size: Size, n: u32, kind: u32, amount: u32) -> E::V {
    let value = e.reg(size, n);
    if amount == 0 {
        return value;
    }
    let by = e.imm(amount.into());
    shift_value(e, size, kind, value, by)
}

#[inline(always)]
fn shift_value<E: Emit>(e: &mut E, size: Size, kind: u32, value: E::V, by: E::V) -> E::V {
    match kind {
        0 => e.lsl(size, value, by),
        1 => e.lsr(size, value, by),
        2 => e.asr(size, value, by),
        _ => e.ror(size, value, by),
    }
}

/// The manual's `ExtendReg`: also the index of a load or store with a register offset.
#[inline(always)]
pub fn extend_reg<E: Emit>(e: &mut E, size: Size, n: u32, option: u32, amount: u32) -> E::V {
    let value = e.reg(Size::X, n);
    let bits = 8 << (option & 3);
    let value = match option {
        3 | 7 => value,
        0..=3 => e.zero_extend(value, bits),
        _ => e.sign_extend(Size::X, value, bits),
    };
    let by = e.imm(amount.into());
    e.lsl(size, value, by)
}

#[inline(always)]
fn add_sub<E: Emit>(e: &mut E, size: Size, op: u32, s: u32, a: E::V, b: E::V) -> E::V {
    match (s, op) {
        (0, 0) => e.add(size, a, b),
        (0, _) => e.sub(size, a, b),
        (_, 0) => e.adds(size, a, b),
        (_, _) => e.subs(size, a, b),
    }
}

/// `name\trd, rn, rm`.
fn three(name: &str, size: Size, d: u32, n: u32, m: u32) -> String {
    format!("{name}\t{}, {}, {}", reg(size, d), reg(size, n), reg(size, m))
}

fn two(name: &str, size: Size, d: u32, n: u32) -> String {
    format!("{name}\t{}, {}", reg(size, d), reg(size, n))
}

rows! {
    /// UDIV, SDIV.
    Divide "z0011010110mmmmm00001snnnnnddddd" { sf = z, rm = m, s = s, rn = n, rd = d }
        text |i, pc| { three(["udiv", "sdiv"][i.s as usize], Size::sf(i.sf), i.rd, i.rn, i.rm) }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let (a, b) = (e.reg(size, i.rn), e.reg(size, i.rm));
            let result = e.div(size, i.s == 1, a, b);
            e.set_reg(size, i.rd, result);
            Ok(())
        }

    /// LSLV, LSRV, ASRV, RORV.
    ShiftVariable "z0011010110mmmmm0010oonnnnnddddd" { sf = z, rm = m, op2 = o, rn = n, rd = d }
        text |i, pc| {
            three(["lslv", "lsrv", "asrv", "rorv"][i.op2 as usize], Size::sf(i.sf), i.rd, i.rn, i.rm)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let (a, b) = (e.reg(size, i.rn), e.reg(size, i.rm));
            let result = shift_value(e, size, i.op2, a, b);
            e.set_reg(size, i.rd, result);
            Ok(())
        }

    /// CRC32B, CRC32H, CRC32W, CRC32X, CRC32CB, ...
    Crc32 "z0011010110mmmmm010Cssnnnnnddddd" { sf = z, rm = m, c = C, sz = s, rn = n, rd = d }
        unless |i| (i.sf == 1) != (i.sz == 3),
        text |i, pc| {
            let c = if i.c == 1 { "c" } else { "" };
            let rm = reg(Size::sf(i.sf), i.rm);
            let suffix = ["b", "h", "w", "x"][i.sz as usize];
            format!("crc32{c}{suffix}\t{}, {}, {rm}", reg(Size::W, i.rd), reg(Size::W, i.rn))
        }
        execute |i, e| {
            let (acc, data) = (e.reg(Size::W, i.rn), e.reg(Size::sf(i.sf), i.rm));
            let result = e.crc32(i.c == 1, 1 << i.sz, acc, data);
            e.set_reg(Size::W, i.rd, result);
            Ok(())
        }

    /// RBIT; REV16, REV32, REV: bytes reversed in containers of 2, 4 or 8 bytes.
    Reverse "z1011010110000000000oonnnnnddddd" { sf = z, opc = o, rn = n, rd = d }
        unless |i| i.sf == 0 && i.opc == 3,
        text |i, pc| {
            let name = match (i.opc, i.sf) {
                (0, _) => "rbit",
                (1, _) => "rev16",
                (2, 1) => "rev32",
                _ => "rev",
            };
            two(name, Size::sf(i.sf), i.rd, i.rn)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let a = e.reg(size, i.rn);
            let result = match i.opc {
                0 => e.reverse_bits(size, a),
                opc => e.reverse_bytes(size, 1 << opc, a),
            };
            e.set_reg(size, i.rd, result);
            Ok(())
        }

    /// CLZ, CLS.
    CountLeading "z10110101100000000010onnnnnddddd" { sf = z, sign = o, rn = n, rd = d }
        text |i, pc| { two(["clz", "cls"][i.sign as usize], Size::sf(i.sf), i.rd, i.rn) }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let a = e.reg(size, i.rn);
            let result = if i.sign == 0 {
                e.clz(size, a)
            } else {
                // Sign bits after the first: leading zeros of the bits that differ from their
                // neighbour. Shifted up by one, with a 1 at the end to stop the count.
                let one = e.imm(1);
                let sign = e.asr(size, a, one);
                let differs = e.xor(a, sign);
                let up = e.lsl(size, differs, one);
                let stopped = e.or(up, one);
                e.clz(size, stopped)
            };
            e.set_reg(size, i.rd, result);
            Ok(())
        }

    /// AND, BIC, ORR, ORN, EOR, EON, ANDS, BICS (shifted register).
    LogicalShifted "zoo01010ttNmmmmmiiiiiinnnnnddddd"
        { sf = z, opc = o, shift = t, n = N, rm = m, imm6 = i, rn = n, rd = d }
        unless |i| i.sf == 0 && i.imm6 >= 32,
        text |i, pc| {
            let names = [["and", "bic"], ["orr", "orn"], ["eor", "eon"], ["ands", "bics"]];
            let name = names[i.opc as usize][i.n as usize];
            three(name, Size::sf(i.sf), i.rd, i.rn, i.rm) + &shift(i.shift, i.imm6)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let a = e.reg(size, i.rn);
            let mut b = shift_reg(e, size, i.rm, i.shift, i.imm6);
            if i.n == 1 {
                b = e.not(size, b);
            }
            let result = match i.opc {
                0 => e.and(a, b),
                1 => e.or(a, b),
                2 => e.xor(a, b),
                _ => e.ands(size, a, b),
            };
            e.set_reg(size, i.rd, result);
            Ok(())
        }

    /// ADD, ADDS, SUB, SUBS (shifted register).
    AddSubShifted "zoS01011tt0mmmmmiiiiiinnnnnddddd"
        { sf = z, op = o, s = S, shift = t, rm = m, imm6 = i, rn = n, rd = d }
        unless |i| i.shift == 3 || (i.sf == 0 && i.imm6 >= 32),
        text |i, pc| {
            let name = [["add", "adds"], ["sub", "subs"]][i.op as usize][i.s as usize];
            three(name, Size::sf(i.sf), i.rd, i.rn, i.rm) + &shift(i.shift, i.imm6)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let a = e.reg(size, i.rn);
            let b = shift_reg(e, size, i.rm, i.shift, i.imm6);
            let result = add_sub(e, size, i.op, i.s, a, b);
            e.set_reg(size, i.rd, result);
            Ok(())
        }

    /// ADD, ADDS, SUB, SUBS (extended register).
    AddSubExtended "zoS01011001mmmmmxxxiiinnnnnddddd"
        { sf = z, op = o, s = S, rm = m, option = x, imm3 = i, rn = n, rd = d }
        unless |i| i.imm3 > 4,
        text |i, pc| {
            let size = Size::sf(i.sf);
            let name = [["add", "adds"], ["sub", "subs"]][i.op as usize][i.s as usize];
            let rd = if i.s == 0 { reg_sp(size, i.rd) } else { reg(size, i.rd) };
            let rm = reg(if i.option & 3 == 3 { size } else { Size::W }, i.rm);
            // With SP, the extension that changes nothing is spelled as a shift.
            let sp = i.rn == 31 || (i.rd == 31 && i.s == 0);
            let how = match (sp && i.option == 2 + i.sf, i.imm3) {
                (true, amount) => shift(0, amount),
                (false, 0) => format!(", {}", EXTENDS[i.option as usize]),
                (false, amount) => format!(", {} #{amount}", EXTENDS[i.option as usize]),
            };
            format!("{name}\t{rd}, {}, {rm}{how}", reg_sp(size, i.rn))
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let a = e.reg_sp(size, i.rn);
            let b = extend_reg(e, size, i.rm, i.option, i.imm3);
            let result = add_sub(e, size, i.op, i.s, a, b);
            match i.s {
                0 => e.set_reg_sp(size, i.rd, result),
                _ => e.set_reg(size, i.rd, result),
            }
            Ok(())
        }

    /// ADC, ADCS, SBC, SBCS.
    AddSubCarry "zoS11010000mmmmm000000nnnnnddddd" { sf = z, op = o, s = S, rm = m, rn = n, rd = d }
        text |i, pc| {
            let name = [["adc", "adcs"], ["sbc", "sbcs"]][i.op as usize][i.s as usize];
            three(name, Size::sf(i.sf), i.rd, i.rn, i.rm)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let (a, mut b) = (e.reg(size, i.rn), e.reg(size, i.rm));
            if i.op == 1 {
                b = e.not(size, b);
            }
            let result = match i.s {
                0 => e.add_with_carry(size, a, b),
                _ => e.adcs(size, a, b),
            };
            e.set_reg(size, i.rd, result);
            Ok(())
        }

    /// RMIF: the bits of Xn from `lsb` (rotated) into the flags that the mask names.
    RotateIntoFlags "10111010000iiiiii00001nnnnn0ffff" { imm6 = i, rn = n, mask = f }
        text |i, pc| { format!("rmif\t{}, #{}, #{}", reg(Size::X, i.rn), i.imm6, i.mask) }
        execute |i, e| {
            let value = e.reg(Size::X, i.rn);
            let (by, up) = (e.imm(i.imm6.into()), e.imm(28));
            let value = e.ror(Size::X, value, by);
            let value = e.lsl(Size::X, value, up);
            let (named, others) = (u64::from(i.mask) << 28, u64::from(!i.mask & 0xf) << 28);
            let (named, others) = (e.imm(named), e.imm(others));
            let new = e.and(value, named);
            let old = e.nzcv();
            let old = e.and(old, others);
            let nzcv = e.or(old, new);
            e.set_nzcv(nzcv);
            Ok(())
        }

    /// SETF8, SETF16: N and Z of a byte or halfword, and V if the next bit differs from its sign.
    EvaluateIntoFlags "00111010000000000s0010nnnnn01101" { sz = s, rn = n }
        text |i, pc| { format!("setf{}\t{}", 8 << i.sz, reg(Size::W, i.rn)) }
        execute |i, e| {
            let bits = 8 << i.sz;
            let value = e.reg(Size::W, i.rn);
            let (one, up, to_v) = (e.imm(1), e.imm(32 - bits), e.imm(29 - bits));
            let carry = e.imm(1 << 29);
            let c = e.nzcv();
            let c = e.and(c, carry);
            let high = e.lsl(Size::W, value, up);
            e.ands(Size::W, high, high);
            let nz = e.nzcv();
            let next = e.lsr(Size::W, value, one);
            let differs = e.xor(value, next);
            let differs = e.lsl(Size::X, differs, to_v);
            let overflow = e.imm(1 << 28);
            let v = e.and(differs, overflow);
            let nzcv = e.or(nz, c);
            let nzcv = e.or(nzcv, v);
            e.set_nzcv(nzcv);
            Ok(())
        }

    /// CCMN, CCMP (register).
    CondCompareReg "zo111010010mmmmmcccc00nnnnn0ffff"
        { sf = z, op = o, rm = m, cond = c, rn = n, nzcv = f }
        text |i, pc| {
            let (size, name) = (Size::sf(i.sf), ["ccmn", "ccmp"][i.op as usize]);
            let cond = CONDITIONS[i.cond as usize];
            format!("{name}\t{}, {}, #{:#x}, {cond}", reg(size, i.rn), reg(size, i.rm), i.nzcv)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let (a, b) = (e.reg(size, i.rn), e.reg(size, i.rm));
            e.compare_if(i.cond, size, i.op == 0, a, b, i.nzcv);
            Ok(())
        }

    /// CCMN, CCMP (immediate).
    CondCompareImm "zo111010010iiiiicccc10nnnnn0ffff"
        { sf = z, op = o, imm5 = i, cond = c, rn = n, nzcv = f }
        text |i, pc| {
            let (size, name) = (Size::sf(i.sf), ["ccmn", "ccmp"][i.op as usize]);
            let cond = CONDITIONS[i.cond as usize];
            format!("{name}\t{}, #{:#x}, #{:#x}, {cond}", reg(size, i.rn), i.imm5, i.nzcv)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let a = e.reg(size, i.rn);
            let b = e.imm(i.imm5.into());
            e.compare_if(i.cond, size, i.op == 0, a, b, i.nzcv);
            Ok(())
        }

    /// CSEL, CSINC, CSINV, CSNEG.
    CondSelect "zo011010100mmmmmcccc0pnnnnnddddd"
        { sf = z, op = o, rm = m, cond = c, op2 = p, rn = n, rd = d }
        text |i, pc| {
            let name = [["csel", "csinc"], ["csinv", "csneg"]][i.op as usize][i.op2 as usize];
            three(name, Size::sf(i.sf), i.rd, i.rn, i.rm) + ", " + CONDITIONS[i.cond as usize]
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let (a, mut b) = (e.reg(size, i.rn), e.reg(size, i.rm));
            if i.op == 1 {
                b = e.not(size, b);
            }
            if i.op2 == 1 {
                let one = e.imm(1);
                b = e.add(size, b, one);
            }
            let result = e.select(i.cond, a, b);
            e.set_reg(size, i.rd, result);
            Ok(())
        }

    /// MADD, MSUB.
    MultiplyAdd "z0011011000mmmmmoaaaaannnnnddddd"
        { sf = z, rm = m, o0 = o, ra = a, rn = n, rd = d }
        text |i, pc| {
            let size = Size::sf(i.sf);
            three(["madd", "msub"][i.o0 as usize], size, i.rd, i.rn, i.rm) + ", " + &reg(size, i.ra)
        }
        execute |i, e| {
            let size = Size::sf(i.sf);
            let (a, b, c) = (e.reg(size, i.rn), e.reg(size, i.rm), e.reg(size, i.ra));
            let product = e.mul(size, a, b);
            let result = match i.o0 {
                0 => e.add(size, c, product),
                _ => e.sub(size, c, product),
            };
            e.set_reg(size, i.rd, result);
            Ok(())
        }

    /// SMADDL, SMSUBL, UMADDL, UMSUBL.
    MultiplyAddLong "10011011u01mmmmmoaaaaannnnnddddd"
        { u = u, rm = m, o0 = o, ra = a, rn = n, rd = d }
        text |i, pc| {
            let name = [["smaddl", "smsubl"], ["umaddl", "umsubl"]][i.u as usize][i.o0 as usize];
            let (n, m) = (reg(Size::W, i.rn), reg(Size::W, i.rm));
            format!("{name}\t{}, {n}, {m}, {}", reg(Size::X, i.rd), reg(Size::X, i.ra))
        }
        execute |i, e| {
            let (mut a, mut b) = (e.reg(Size::W, i.rn), e.reg(Size::W, i.rm));
            if i.u == 0 {
                a = e.sign_extend(Size::X, a, 32);
                b = e.sign_extend(Size::X, b, 32);
            }
            let c = e.reg(Size::X, i.ra);
            let product = e.mul(Size::X, a, b);
            let result = match i.o0 {
                0 => e.add(Size::X, c, product),
                _ => e.sub(Size::X, c, product),
            };
            e.set_reg(Size::X, i.rd, result);
            Ok(())
        }

    /// SMULH, UMULH. Ra is (1)(1)(1)(1)(1) and ignored.
    MultiplyHigh "10011011u10mmmmm0-----nnnnnddddd" { u = u, rm = m, rn = n, rd = d }
        text |i, pc| { three(["smulh", "umulh"][i.u as usize], Size::X, i.rd, i.rn, i.rm) }
        execute |i, e| {
            let (a, b) = (e.reg(Size::X, i.rn), e.reg(Size::X, i.rm));
            let result = e.mul_high(i.u == 0, a, b);
            e.set_reg(Size::X, i.rd, result);
            Ok(())
        }
}
