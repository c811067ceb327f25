//! Loads and stores of one or two SIMD&FP registers (DDI 0487 C4.1: "Loads and Stores", V = 1).
//! Structures are in `structures.rs`.
//!
//! No syndrome of theirs is valid (ISV = 0 for loads and stores of SIMD&FP registers). LDP of a
//! register twice, CONSTRAINED UNPREDICTABLE: the second value stays.

use super::data_register::extend_reg;
use super::operand::{EXTENDS, offset_address, reg, reg_sp, target};
use super::pattern::signed;
use super::rows;
use crate::emit::{Access, Emit, Size};

/// The register as it is loaded: B, H, S, D or Q of `1 << scale` bytes.
fn scalar(scale: u32, n: u32) -> String {
    format!("{}{n}", ['b', 'h', 's', 'd', 'q'][scale as usize])
}

/// The logarithm of the size from size and opc<1>. `None`: unallocated.
#[inline(always)]
fn scale(size: u32, opc: u32) -> Option<u32> {
    match (size, opc >> 1) {
        (size, 0) => Some(size),
        (0, _) => Some(4),
        _ => None,
    }
}

/// Loads or stores Vt; `opc`<0> is L.
#[inline(always)]
fn transfer<E: Emit>(e: &mut E, scale: u32, opc: u32, rt: u32, addr: E::V) -> Result<(), E::Stop> {
    let access = Access::opaque(1 << scale);
    if opc & 1 == 1 {
        let value = e.load_q(access, addr)?;
        e.set_v(rt, value);
    } else {
        let value = e.v(rt);
        e.store_q(access, addr, value)?;
    }
    Ok(())
}

/// `str` or `ldr` with `stem` in place of `r`.
fn text(size: u32, opc: u32, stem: &str, rt: u32, address: &str) -> String {
    let name = ["st", "ld"][opc as usize & 1];
    format!("{name}{stem}\t{}, {address}", scalar(scale(size, opc).unwrap_or(0), rt))
}

rows! {
    /// LDR (literal, SIMD&FP): S, D or Q.
    LoadLiteralSimd "oo011100iiiiiiiiiiiiiiiiiiittttt" { opc = o, imm19 = i, rt = t }
        unless |i| i.opc == 3,
        text |i, pc| {
            format!("ldr\t{}, {}", scalar(2 + i.opc, i.rt), target(pc, signed(i.imm19, 19) * 4))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let pc = e.pc();
            let offset = e.imm((signed(i.imm19, 19) * 4) as u64);
            let addr = e.add(Size::X, pc, offset);
            transfer(e, 2 + i.opc, 1, i.rt, addr)
        }

    /// LDR, STR (SIMD&FP): unscaled (LDUR), post-indexed, pre-indexed.
    LoadStoreSimdImm9 "ss111100oo0iiiiiiiiimmnnnnnttttt"
        { size = s, opc = o, imm9 = i, index = m, rn = n, rt = t }
        unless |i| i.index == 2 || scale(i.size, i.opc).is_none(),
        text |i, pc| {
            let (base, imm) = (reg_sp(Size::X, i.rn), signed(i.imm9, 9));
            match i.index {
                1 => text(i.size, i.opc, "r", i.rt, &format!("[{base}], #{imm}")),
                3 => text(i.size, i.opc, "r", i.rt, &format!("[{base}, #{imm}]!")),
                _ => text(i.size, i.opc, "ur", i.rt, &offset_address(i.rn, imm)),
            }
        }
        execute |i, e| {
            e.fp_enabled()?;
            let base = e.base(i.rn)?;
            let offset = e.imm(signed(i.imm9, 9) as u64);
            let moved = e.add(Size::X, base, offset);
            let addr = if i.index == 1 { base } else { moved };
            transfer(e, scale(i.size, i.opc).unwrap_or(0), i.opc, i.rt, addr)?;
            if i.index & 1 == 1 {
                e.set_reg_sp(Size::X, i.rn, moved);
            }
            Ok(())
        }

    /// LDR, STR (register offset, SIMD&FP).
    LoadStoreSimdRegister "ss111100oo1mmmmmxxxS10nnnnnttttt"
        { size = s, opc = o, rm = m, extend = x, scaled = S, rn = n, rt = t }
        unless |i| i.extend & 2 == 0 || scale(i.size, i.opc).is_none(),
        text |i, pc| {
            let index = reg(Size::sf(i.extend & 1), i.rm);
            let extend = if i.extend == 3 { "lsl" } else { EXTENDS[i.extend as usize] };
            let how = match (i.extend, i.scaled) {
                (3, 0) => String::new(),
                (_, 0) => format!(", {extend}"),
                _ => format!(", {extend} #{}", scale(i.size, i.opc).unwrap_or(0)),
            };
            let address = format!("[{}, {index}{how}]", reg_sp(Size::X, i.rn));
            text(i.size, i.opc, "r", i.rt, &address)
        }
        execute |i, e| {
            e.fp_enabled()?;
            let scale = scale(i.size, i.opc).unwrap_or(0);
            let base = e.base(i.rn)?;
            let offset = extend_reg(e, Size::X, i.rm, i.extend, i.scaled * scale);
            let addr = e.add(Size::X, base, offset);
            transfer(e, scale, i.opc, i.rt, addr)
        }

    /// LDR, STR (unsigned immediate, SIMD&FP).
    LoadStoreSimdUnsigned "ss111101ooiiiiiiiiiiiinnnnnttttt"
        { size = s, opc = o, imm12 = i, rn = n, rt = t }
        unless |i| scale(i.size, i.opc).is_none(),
        text |i, pc| {
            let offset = i64::from(i.imm12) << scale(i.size, i.opc).unwrap_or(0);
            text(i.size, i.opc, "r", i.rt, &offset_address(i.rn, offset))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let scale = scale(i.size, i.opc).unwrap_or(0);
            let base = e.base(i.rn)?;
            let offset = e.imm(u64::from(i.imm12) << scale);
            let addr = e.add(Size::X, base, offset);
            transfer(e, scale, i.opc, i.rt, addr)
        }

    /// LDP, STP, LDNP, STNP (SIMD&FP): S, D or Q. Mode as in LoadStorePair.
    LoadStoreSimdPair "oo10110mmLiiiiiiiTTTTTnnnnnttttt"
        { opc = o, index = m, load = L, imm7 = i, rt2 = T, rn = n, rt = t }
        unless |i| i.opc == 3,
        text |i, pc| {
            let scale = 2 + i.opc;
            let imm = signed(i.imm7, 7) << scale;
            let name = match (i.load, i.index) {
                (0, 0) => "stnp",
                (_, 0) => "ldnp",
                (0, _) => "stp",
                _ => "ldp",
            };
            let base = reg_sp(Size::X, i.rn);
            let address = match i.index {
                1 => format!("[{base}], #{imm}"),
                3 => format!("[{base}, #{imm}]!"),
                _ => offset_address(i.rn, imm),
            };
            format!("{name}\t{}, {}, {address}", scalar(scale, i.rt), scalar(scale, i.rt2))
        }
        execute |i, e| {
            e.fp_enabled()?;
            let scale = 2 + i.opc;
            let access = Access::opaque(1 << scale);
            let base = e.base(i.rn)?;
            let offset = e.imm((signed(i.imm7, 7) << scale) as u64);
            let moved = e.add(Size::X, base, offset);
            let addr = if i.index == 1 { base } else { moved };
            let step = e.imm(1 << scale);
            let second = e.add(Size::X, addr, step);
            if i.load == 1 {
                let (a, b) = (e.load_q(access, addr)?, e.load_q(access, second)?);
                e.set_v(i.rt, a);
                e.set_v(i.rt2, b);
            } else {
                let (a, b) = (e.v(i.rt), e.v(i.rt2));
                e.store_q(access, addr, a)?;
                e.store_q(access, second, b)?;
            }
            if i.index & 1 == 1 {
                e.set_reg_sp(Size::X, i.rn, moved);
            }
            Ok(())
        }
}
