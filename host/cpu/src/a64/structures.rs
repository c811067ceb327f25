//! Loads and stores of SIMD structures: LD1 to LD4, ST1 to ST4, LD1R to LD4R (DDI 0487 C4.1:
//! "Advanced SIMD load/store multiple structures" and "single structure", with their post-indexed
//! forms).
//!
//! ```text
//!   LD3 { V0.4S, V1.4S, V2.4S }
//!
//!   memory   a0 b0 c0 a1 | b1 c1 a2 b2 | c2 a3 b3 c3       three parts of a register's size
//!   V0       a0 a1 a2 a3
//!   V1       b0 b1 b2 b3
//!   V2       c0 c1 c2 c3
//! ```
//!
//! Memory is accessed in parts of a register's size, or element by element for a single structure.
//! What has to be aligned, where alignment is checked, and what is single-copy atomic is an
//! element (`Mem[address, ebytes, AccType_VEC]` in the pseudocode). A store whose later part
//! aborts may have stored its earlier parts.

use super::operand::{reg, reg_sp};
use super::rows;
use crate::emit::{Access, Emit, Size};
use crate::vector::{Shape, function, structure};

/// Registers of a list, and elements of a structure, of a multiple-structures opcode. `None`:
/// unallocated.
#[inline(always)]
fn list(opcode: u32) -> Option<(u32, u32)> {
    Some(match opcode {
        0b0000 => (4, 4),
        0b0010 => (4, 1),
        0b0100 => (3, 3),
        0b0110 => (3, 1),
        0b0111 => (1, 1),
        0b1000 => (2, 2),
        0b1010 => (2, 1),
        _ => return None,
    })
}

/// What a single structure's opcode, S and size say.
#[derive(Clone, Copy)]
enum Single {
    /// One lane: the logarithm of its bytes, and its number.
    Lane(u32, u32),
    /// LD1R and kin: all lanes.
    Replicate(u32),
}

/// Decodes them. `None`: unallocated.
#[inline(always)]
fn single(q: u32, load: u32, opcode: u32, s: u32, size: u32) -> Option<Single> {
    let number = q << 3 | s << 2 | size;
    Some(match (opcode >> 1, size) {
        (0, _) => Single::Lane(0, number),
        (1, 0 | 2) => Single::Lane(1, number >> 1),
        (2, 0) => Single::Lane(2, number >> 2),
        (2, 1) if s == 0 => Single::Lane(3, number >> 3),
        (3, _) if load == 1 && s == 0 => Single::Replicate(size),
        _ => return None,
    })
}

/// `{v0.4s, v1.4s}`, and `{v0.4s-v2.4s}` for three or four that do not wrap around.
fn registers(first: u32, count: u32, arrangement: &str) -> String {
    let name = |i| format!("v{}.{arrangement}", (first + i) % 32);
    if count > 2 && first + count <= 32 {
        return format!("{{{}-{}}}", name(0), name(count - 1));
    }
    format!("{{{}}}", (0..count).map(name).collect::<Vec<_>>().join(", "))
}

/// `16b` and kin.
fn arrangement(size: u32, q: u32) -> &'static str {
    [["8b", "16b"], ["4h", "8h"], ["2s", "4s"], ["1d", "2d"]][size as usize][q as usize]
}

/// `[x0]`, `[x0], #32` or `[x0], x1`.
fn address(rn: u32, post: u32, rm: u32, bytes: u32) -> String {
    let base = reg_sp(Size::X, rn);
    match (post, rm) {
        (0, _) => format!("[{base}]"),
        (_, 31) => format!("[{base}], #{bytes}"),
        _ => format!("[{base}], {}", reg(Size::X, rm)),
    }
}

/// The base moved by Xm, or by `bytes` if that is 31; for the post-indexed forms.
#[inline(always)]
fn write_back<E: Emit>(e: &mut E, rn: u32, rm: u32, base: E::V, bytes: u32) {
    let by = if rm == 31 { e.imm(bytes.into()) } else { e.reg(Size::X, rm) };
    let moved = e.add(Size::X, base, by);
    e.set_reg_sp(Size::X, rn, moved);
}

rows! {
    /// LD1 to LD4, ST1 to ST4 (multiple structures).
    LoadStoreStructures "0q001100pL0mmmmmoooossnnnnnttttt"
        { q = q, post = p, load = L, rm = m, opcode = o, esize = s, rn = n, rt = t }
        unless |i| match list(i.opcode) {
            Some((_, elements)) => {
                i.post == 0 && i.rm != 0 || elements > 1 && i.esize == 3 && i.q == 0
            }
            None => true,
        },
        text |i, pc| {
            let (count, elements) = list(i.opcode).unwrap_or((1, 1));
            let list = registers(i.rt, count, arrangement(i.esize, i.q));
            let to = address(i.rn, i.post, i.rm, count * (8 << i.q));
            format!("{}{elements}\t{list}, {to}", ["st", "ld"][i.load as usize])
        }
        execute |i, e| {
            e.fp_enabled()?;
            let (count, elements) = list(i.opcode).unwrap_or((1, 1));
            let shape = Shape::vector(i.esize, i.q);
            let part = 8 << i.q;
            let access = Access::opaque(part).elements(i.esize);
            let base = e.base(i.rn)?;
            let mut parts = [e.q_imm(0); 4];
            let parts = &mut parts[..count as usize];
            if i.load == 1 {
                for (k, value) in (0..).zip(parts.iter_mut()) {
                    let offset = e.imm(k * u64::from(part));
                    let addr = e.add(Size::X, base, offset);
                    *value = e.load_q(access, addr)?;
                }
                for k in 0..count {
                    let value = match elements {
                        1 => parts[k as usize],
                        _ => e.vector(function!(structure::deinterleave), shape.with(k), parts),
                    };
                    e.set_v((i.rt + k) % 32, value);
                }
            } else {
                for (k, value) in (0..).zip(parts.iter_mut()) {
                    *value = e.v((i.rt + k) % 32);
                }
                for k in 0..count {
                    let value = match elements {
                        1 => parts[k as usize],
                        _ => e.vector(function!(structure::interleave), shape.with(k), parts),
                    };
                    let offset = e.imm((k * part).into());
                    let addr = e.add(Size::X, base, offset);
                    e.store_q(access, addr, value)?;
                }
            }
            if i.post == 1 {
                write_back(e, i.rn, i.rm, base, count * part);
            }
            Ok(())
        }

    /// LD1 to LD4, ST1 to ST4 (single structure), LD1R to LD4R.
    LoadStoreStructure "0q001101pLrmmmmmoooSssnnnnnttttt"
        { q = q, post = p, load = L, r = r, rm = m, opcode = o, upper = S, esize = s, rn = n, rt = t }
        unless |i| {
            i.post == 0 && i.rm != 0 || single(i.q, i.load, i.opcode, i.upper, i.esize).is_none()
        },
        text |i, pc| {
            let what = single(i.q, i.load, i.opcode, i.upper, i.esize);
            let count = ((i.opcode & 1) << 1 | i.r) + 1;
            let name = format!("{}{count}", ["st", "ld"][i.load as usize]);
            let to = |size: u32| address(i.rn, i.post, i.rm, count << size);
            match what.unwrap_or(Single::Replicate(0)) {
                Single::Lane(size, lane) => {
                    let letter = ["b", "h", "s", "d"][size as usize];
                    let list = registers(i.rt, count, letter);
                    format!("{name}\t{list}[{lane}], {}", to(size))
                }
                Single::Replicate(size) => {
                    let list = registers(i.rt, count, arrangement(size, i.q));
                    format!("{name}r\t{list}, {}", to(size))
                }
            }
        }
        execute |i, e| {
            e.fp_enabled()?;
            let what = single(i.q, i.load, i.opcode, i.upper, i.esize);
            let what = what.unwrap_or(Single::Replicate(0));
            let count = ((i.opcode & 1) << 1 | i.r) + 1;
            let (Single::Lane(size, _) | Single::Replicate(size)) = what;
            let access = Access::opaque(1 << size);
            let base = e.base(i.rn)?;
            let mut elements = [e.q_imm(0); 4];
            for (k, element) in (0..count).zip(elements.iter_mut()) {
                let offset = e.imm((k << size).into());
                let addr = e.add(Size::X, base, offset);
                let register = e.v((i.rt + k) % 32);
                *element = match what {
                    Single::Lane(_, lane) if i.load == 0 => {
                        let shape = Shape::scalar(size).with(lane);
                        let value = e.vector(function!(structure::take_lane), shape, &[register]);
                        e.store_q(access, addr, value)?;
                        value
                    }
                    Single::Lane(_, lane) => {
                        let value = e.load_q(access, addr)?;
                        let shape = Shape::vector(size, 1).with(lane);
                        let operands = [register, value];
                        e.vector(function!(structure::replace_lane), shape, &operands)
                    }
                    Single::Replicate(_) => {
                        let value = e.load_q(access, addr)?;
                        let shape = Shape::vector(size, i.q);
                        e.vector(function!(structure::replicate_lane), shape, &[value])
                    }
                };
            }
            if i.load == 1 {
                for (k, element) in (0..count).zip(elements) {
                    e.set_v((i.rt + k) % 32, element);
                }
            }
            if i.post == 1 {
                write_back(e, i.rn, i.rm, base, count << size);
            }
            Ok(())
        }
}
