//! Loads and stores of general registers (DDI 0487 C4.1: "Loads and Stores").
//!
//! Where the manual says CONSTRAINED UNPREDICTABLE, one of its allowed behaviours is chosen:
//! * write-back with the base among the transferred registers: a load writes the base last, so
//!   the loaded value is lost to the new base address; a store stores the old value;
//! * LDP or LDXP of a register twice: the second value stays;
//! * STXR with the status register among the others: the old values are stored.

use super::data_register::extend_reg;
use super::operand::{EXTENDS, offset_address, prefetch, reg, reg_sp, target};
use super::pattern::signed;
use super::rows;
use crate::emit::{Access, Emit, Size};

/// What size and opc mean for one register, the same in all addressing modes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Store,
    Load,
    /// Sign-extending, to this size.
    LoadSigned(Size),
    Prefetch,
}

/// Decodes size and opc. `None`: unallocated.
#[inline(always)]
pub(super) fn op(size: u32, opc: u32) -> Option<Op> {
    Some(match (size, opc) {
        (_, 0) => Op::Store,
        (_, 1) => Op::Load,
        (3, 2) => Op::Prefetch,
        (_, 2) => Op::LoadSigned(Size::X),
        (0 | 1, _) => Op::LoadSigned(Size::W),
        _ => return None,
    })
}

/// The register's size as the syndrome's SF and the assembly text see it.
pub(super) fn register_size(size: u32, op: Op) -> Size {
    match op {
        Op::LoadSigned(to) => to,
        _ => Size::sf((size == 3) as u32),
    }
}

/// Loads or stores Rt.
#[inline(always)]
pub(super) fn transfer<E: Emit>(
    e: &mut E,
    access: Access,
    op: Op,
    rt: u32,
    addr: E::V,
) -> Result<(), E::Stop> {
    match op {
        Op::Store => {
            let value = e.reg(Size::X, rt);
            e.store(access, addr, value)?;
        }
        Op::Load => {
            let value = e.load(access, addr)?;
            e.set_reg(Size::X, rt, value);
        }
        Op::LoadSigned(to) => {
            let value = e.load(access, addr)?;
            let value = e.sign_extend(to, value, 8 * access.bytes);
            e.set_reg(to, rt, value);
        }
        Op::Prefetch => {}
    }
    Ok(())
}

/// The access of one register, with its syndrome.
#[inline(always)]
pub(super) fn single(size: u32, op: Op, rt: u32) -> Access {
    let signed = matches!(op, Op::LoadSigned(_));
    Access::single(1 << size, rt, signed, register_size(size, op))
}

/// `ldr` with its suffixes.
fn name(size: u32, op: Op, stem: &str) -> String {
    let suffix = ["b", "h", "", ""][size as usize];
    match op {
        Op::Store => format!("st{stem}{suffix}"),
        Op::Load => format!("ld{stem}{suffix}"),
        Op::LoadSigned(_) => format!("ld{stem}s{}", ["b", "h", "w", ""][size as usize]),
        Op::Prefetch => format!("prf{}m", stem.trim_end_matches('r')),
    }
}

/// `name\trt, address`.
fn text(size: u32, op: Op, stem: &str, rt: u32, address: &str) -> String {
    let rt = match op {
        Op::Prefetch => prefetch(rt),
        _ => reg(register_size(size, op), rt),
    };
    format!("{}\t{rt}, {address}", name(size, op, stem))
}

rows! {
    /// LDR, LDRSW, PRFM (literal).
    LoadLiteral "oo011000iiiiiiiiiiiiiiiiiiittttt" { opc = o, imm19 = i, rt = t }
        text |i, pc| {
            let to = target(pc, signed(i.imm19, 19) * 4);
            match i.opc {
                0 => format!("ldr\t{}, {to}", reg(Size::W, i.rt)),
                1 => format!("ldr\t{}, {to}", reg(Size::X, i.rt)),
                2 => format!("ldrsw\t{}, {to}", reg(Size::X, i.rt)),
                _ => format!("prfm\t{}, {to}", prefetch(i.rt)),
            }
        }
        execute |i, e| {
            let (size, op) = match i.opc {
                0 => (2, Op::Load),
                1 => (3, Op::Load),
                2 => (2, Op::LoadSigned(Size::X)),
                _ => return Ok(()),
            };
            let pc = e.pc();
            let offset = e.imm((signed(i.imm19, 19) * 4) as u64);
            let addr = e.add(Size::X, pc, offset);
            transfer(e, single(size, op, i.rt), op, i.rt, addr)
        }

    /// LDR, STR and kin: unscaled (LDUR), post-indexed, unprivileged (LDTR), pre-indexed.
    LoadStoreImm9 "ss111000oo0iiiiiiiiimmnnnnnttttt"
        { size = s, opc = o, imm9 = i, mode = m, rn = n, rt = t }
        unless |i| match op(i.size, i.opc) {
            None => true,
            Some(Op::Prefetch) => i.mode != 0,
            Some(_) => false,
        },
        text |i, pc| {
            let op = op(i.size, i.opc).unwrap_or(Op::Load);
            let (base, imm) = (reg_sp(Size::X, i.rn), signed(i.imm9, 9));
            let address = match i.mode {
                1 => format!("[{base}], #{imm}"),
                3 => format!("[{base}, #{imm}]!"),
                _ => offset_address(i.rn, imm),
            };
            text(i.size, op, ["ur", "r", "tr", "r"][i.mode as usize], i.rt, &address)
        }
        execute |i, e| {
            let op = op(i.size, i.opc).unwrap_or(Op::Prefetch);
            if op == Op::Prefetch {
                return Ok(());
            }
            let writeback = i.mode & 1 == 1;
            let mut access = single(i.size, op, i.rt);
            if writeback {
                access.iss = 0;
            }
            if i.mode == 2 {
                access = access.unprivileged();
            }
            let base = e.base(i.rn)?;
            let offset = e.imm(signed(i.imm9, 9) as u64);
            let moved = e.add(Size::X, base, offset);
            let addr = if i.mode == 1 { base } else { moved };
            transfer(e, access, op, i.rt, addr)?;
            if writeback {
                e.set_reg_sp(Size::X, i.rn, moved);
            }
            Ok(())
        }

    /// LDR, STR and kin, PRFM (register offset).
    LoadStoreRegister "ss111000oo1mmmmmxxxS10nnnnnttttt"
        { size = s, opc = o, rm = m, option = x, s = S, rn = n, rt = t }
        unless |i| op(i.size, i.opc).is_none() || i.option & 2 == 0,
        text |i, pc| {
            let op = op(i.size, i.opc).unwrap_or(Op::Load);
            let index = reg(Size::sf(i.option & 1), i.rm);
            let extend = if i.option == 3 { "lsl" } else { EXTENDS[i.option as usize] };
            let how = match (i.option, i.s) {
                (3, 0) => String::new(),
                (_, 0) => format!(", {extend}"),
                _ => format!(", {extend} #{}", i.size),
            };
            text(i.size, op, "r", i.rt, &format!("[{}, {index}{how}]", reg_sp(Size::X, i.rn)))
        }
        execute |i, e| {
            let op = op(i.size, i.opc).unwrap_or(Op::Prefetch);
            if op == Op::Prefetch {
                return Ok(());
            }
            let base = e.base(i.rn)?;
            let offset = extend_reg(e, Size::X, i.rm, i.option, i.s * i.size);
            let addr = e.add(Size::X, base, offset);
            transfer(e, single(i.size, op, i.rt), op, i.rt, addr)
        }

    /// LDR, STR and kin, PRFM (unsigned immediate).
    LoadStoreUnsigned "ss111001ooiiiiiiiiiiiinnnnnttttt"
        { size = s, opc = o, imm12 = i, rn = n, rt = t }
        unless |i| op(i.size, i.opc).is_none(),
        text |i, pc| {
            let op = op(i.size, i.opc).unwrap_or(Op::Load);
            let address = offset_address(i.rn, i64::from(i.imm12) << i.size);
            text(i.size, op, "r", i.rt, &address)
        }
        execute |i, e| {
            let op = op(i.size, i.opc).unwrap_or(Op::Prefetch);
            if op == Op::Prefetch {
                return Ok(());
            }
            let base = e.base(i.rn)?;
            let offset = e.imm(u64::from(i.imm12) << i.size);
            let addr = e.add(Size::X, base, offset);
            transfer(e, single(i.size, op, i.rt), op, i.rt, addr)
        }

    /// LDP, STP, LDPSW, LDNP, STNP: mode is no-allocate, post-indexed, offset, pre-indexed.
    LoadStorePair "oo10100mmLiiiiiiiTTTTTnnnnnttttt"
        { opc = o, mode = m, load = L, imm7 = i, rt2 = T, rn = n, rt = t }
        unless |i| i.opc == 3 || (i.opc == 1 && (i.load == 0 || i.mode == 0)),
        text |i, pc| {
            let size = Size::sf((i.opc != 0) as u32);
            let imm = signed(i.imm7, 7) << (2 + (i.opc >> 1));
            let name = match (i.opc, i.load, i.mode) {
                (1, _, _) => "ldpsw",
                (_, 0, 0) => "stnp",
                (_, 1, 0) => "ldnp",
                (_, 0, _) => "stp",
                _ => "ldp",
            };
            let base = reg_sp(Size::X, i.rn);
            let address = match i.mode {
                1 => format!("[{base}], #{imm}"),
                3 => format!("[{base}, #{imm}]!"),
                _ => offset_address(i.rn, imm),
            };
            format!("{name}\t{}, {}, {address}", reg(size, i.rt), reg(size, i.rt2))
        }
        execute |i, e| {
            let scale = 2 + (i.opc >> 1);
            let access = Access::opaque(1 << scale);
            let base = e.base(i.rn)?;
            let offset = e.imm((signed(i.imm7, 7) << scale) as u64);
            let moved = e.add(Size::X, base, offset);
            let addr = if i.mode == 1 { base } else { moved };
            if i.load == 1 {
                let (mut a, mut b) = e.load_pair(access, addr)?;
                if i.opc == 1 {
                    a = e.sign_extend(Size::X, a, 32);
                    b = e.sign_extend(Size::X, b, 32);
                }
                e.set_reg(Size::X, i.rt, a);
                e.set_reg(Size::X, i.rt2, b);
            } else {
                let values = (e.reg(Size::X, i.rt), e.reg(Size::X, i.rt2));
                e.store_pair(access, addr, values)?;
            }
            if i.mode & 1 == 1 {
                e.set_reg_sp(Size::X, i.rn, moved);
            }
            Ok(())
        }

    /// LDXR, LDAXR, STXR, STLXR and their byte and halfword forms. Rt2 is (1)(1)(1)(1)(1).
    Exclusive "ss0010000L0uuuuua-----nnnnnttttt"
        { size = s, load = L, rs = u, ordered = a, rn = n, rt = t }
        text |i, pc| {
            let a = if i.ordered == 0 { "" } else if i.load == 1 { "a" } else { "l" };
            let suffix = ["b", "h", "", ""][i.size as usize];
            let (rt, base) = (reg(Size::sf((i.size == 3) as u32), i.rt), reg_sp(Size::X, i.rn));
            match i.load {
                1 => format!("ld{a}xr{suffix}\t{rt}, [{base}]"),
                _ => format!("st{a}xr{suffix}\t{}, {rt}, [{base}]", reg(Size::W, i.rs)),
            }
        }
        execute |i, e| {
            let mut access = Access::opaque(1 << i.size);
            access.ordered = i.ordered == 1;
            let addr = e.base(i.rn)?;
            if i.load == 1 {
                let (value, _) = e.load_exclusive(access, false, addr)?;
                e.set_reg(Size::X, i.rt, value);
            } else {
                let value = e.reg(Size::X, i.rt);
                let status = e.store_exclusive(access, false, addr, (value, value))?;
                e.set_reg(Size::W, i.rs, status);
            }
            Ok(())
        }

    /// LDXP, LDAXP, STXP, STLXP.
    ExclusivePair "1s0010000L1uuuuuaTTTTTnnnnnttttt"
        { size = s, load = L, rs = u, ordered = a, rt2 = T, rn = n, rt = t }
        text |i, pc| {
            let a = if i.ordered == 0 { "" } else if i.load == 1 { "a" } else { "l" };
            let size = Size::sf(i.size);
            let (rt, rt2, base) = (reg(size, i.rt), reg(size, i.rt2), reg_sp(Size::X, i.rn));
            match i.load {
                1 => format!("ld{a}xp\t{rt}, {rt2}, [{base}]"),
                _ => format!("st{a}xp\t{}, {rt}, {rt2}, [{base}]", reg(Size::W, i.rs)),
            }
        }
        execute |i, e| {
            let mut access = Access::opaque(4 << i.size);
            access.ordered = i.ordered == 1;
            let addr = e.base(i.rn)?;
            if i.load == 1 {
                let (a, b) = e.load_exclusive(access, true, addr)?;
                e.set_reg(Size::X, i.rt, a);
                e.set_reg(Size::X, i.rt2, b);
            } else {
                let values = (e.reg(Size::X, i.rt), e.reg(Size::X, i.rt2));
                let status = e.store_exclusive(access, true, addr, values)?;
                e.set_reg(Size::W, i.rs, status);
            }
            Ok(())
        }

    /// LDAR, STLR and their byte and halfword forms. (o0 = 0 is FEAT_LOR's, absent.)
    LoadStoreOrdered "ss0010001L0-----1-----nnnnnttttt" { size = s, load = L, rn = n, rt = t }
        text |i, pc| {
            let name = ["stlr", "ldar"][i.load as usize];
            let suffix = ["b", "h", "", ""][i.size as usize];
            let rt = reg(Size::sf((i.size == 3) as u32), i.rt);
            format!("{name}{suffix}\t{rt}, [{}]", reg_sp(Size::X, i.rn))
        }
        execute |i, e| {
            let op = if i.load == 1 { Op::Load } else { Op::Store };
            let addr = e.base(i.rn)?;
            transfer(e, single(i.size, op, i.rt).ordered(), op, i.rt, addr)
        }
}
