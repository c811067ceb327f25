//! Atomic memory operations (DDI 0487 C4.1: "Atomic memory operations", "Compare and swap",
//! "Compare and swap pair", "LDAPR/STLR (unscaled immediate)"): FEAT_LSE, FEAT_LRCPC, FEAT_LRCPC2.
//!
//! LDADD and kin read, compute and write as one. The names that store only (STADD, ...) are those
//! with the zero register as destination. What aborts in between has changed nothing.

use super::loads_stores::{Op, register_size, single, transfer};
use super::operand::{offset_address, reg, reg_sp};
use super::pattern::signed;
use super::rows;
use crate::emit::{Access, Atomic, Emit, Size};

/// What opc says.
const OPERATIONS: [Atomic; 8] = [
    Atomic::Add,
    Atomic::Clear,
    Atomic::Xor,
    Atomic::Set,
    Atomic::SignedMax,
    Atomic::SignedMin,
    Atomic::UnsignedMax,
    Atomic::UnsignedMin,
];

/// What the three rows of single values have in common.
struct Operands {
    size: u32,
    acquire: u32,
    release: u32,
    rs: u32,
    rn: u32,
    rt: u32,
}

impl Operands {
    /// The suffixes of order and size: none, `a`, `l`, `al`, and then `b` or `h`.
    fn suffix(&self) -> String {
        let order = [["", "l"], ["a", "al"]][self.acquire as usize][self.release as usize];
        format!("{order}{}", ["b", "h", "", ""][self.size as usize])
    }

    /// `name\trs, rt, [base]`.
    fn text(&self, stem: &str) -> String {
        let size = Size::sf((self.size == 3) as u32);
        let (rs, rt, base) = (reg(size, self.rs), reg(size, self.rt), reg_sp(Size::X, self.rn));
        format!("{stem}{}\t{rs}, {rt}, [{base}]", self.suffix())
    }

    /// The access of `1 << size` bytes. Its syndrome is invalid: it is more than one load or store.
    #[inline(always)]
    fn access(&self) -> Access {
        let access = Access::opaque(1 << self.size);
        if self.acquire | self.release == 1 { access.ordered() } else { access }
    }

    #[inline(always)]
    fn execute<E: Emit>(&self, e: &mut E, operation: Atomic) -> Result<(), E::Stop> {
        let addr = e.base(self.rn)?;
        let value = e.reg(Size::X, self.rs);
        let old = e.atomic(operation, self.access(), addr, value)?;
        e.set_reg(Size::X, self.rt, old);
        Ok(())
    }
}

/// The [`Operands`] of a row.
macro_rules! operands {
    ($i:ident) => {
        Operands {
            size: $i.size,
            acquire: $i.acquire,
            release: $i.release,
            rs: $i.rs,
            rn: $i.rn,
            rt: $i.rt,
        }
    };
}

/// What size and opc mean for LDAPUR and STLUR. `None`: unallocated.
#[inline(always)]
fn unscaled(size: u32, opc: u32) -> Option<Op> {
    match (size, opc) {
        (3, 2) => None,
        _ => super::loads_stores::op(size, opc),
    }
}

rows! {
    /// LDADD, LDCLR, LDEOR, LDSET, LDSMAX, LDSMIN, LDUMAX, LDUMIN.
    AtomicMemory "ss111000ar1uuuuu0ooo00nnnnnttttt"
        { opc = o, size = s, acquire = a, release = r, rs = u, rn = n, rt = t }
        text |i, pc| {
            let stems = ["add", "clr", "eor", "set", "smax", "smin", "umax", "umin"];
            operands!(i).text(&format!("ld{}", stems[i.opc as usize]))
        }
        execute |i, e| { operands!(i).execute(e, OPERATIONS[i.opc as usize]) }

    /// SWP.
    Swap "ss111000ar1uuuuu100000nnnnnttttt"
        { size = s, acquire = a, release = r, rs = u, rn = n, rt = t }
        text |i, pc| { operands!(i).text("swp") }
        execute |i, e| { operands!(i).execute(e, Atomic::Swap) }

    /// CAS. Rt2 is 11111.
    CompareSwap "ss0010001a1uuuuur11111nnnnnttttt"
        { size = s, acquire = a, release = r, rs = u, rn = n, rt = t }
        text |i, pc| { operands!(i).text("cas") }
        execute |i, e| {
            let access = operands!(i).access();
            let addr = e.base(i.rn)?;
            let (expected, new) = (e.reg(Size::X, i.rs), e.reg(Size::X, i.rt));
            let zero = e.imm(0);
            let (old, _) = e.compare_and_swap(access, false, addr, (expected, zero), (new, zero))?;
            e.set_reg(Size::X, i.rs, old);
            Ok(())
        }

    /// CASP: pairs of registers, the first of each even.
    CompareSwapPair "0z0010000a1uuuuur11111nnnnnttttt"
        { sf = z, acquire = a, release = r, rs = u, rn = n, rt = t }
        unless |i| (i.rs | i.rt) & 1 == 1,
        text |i, pc| {
            let order = [["", "l"], ["a", "al"]][i.acquire as usize][i.release as usize];
            let reg = |n| reg(Size::sf(i.sf), n);
            let (s0, s1, t0, t1) = (reg(i.rs), reg(i.rs + 1), reg(i.rt), reg(i.rt + 1));
            format!("casp{order}\t{s0}, {s1}, {t0}, {t1}, [{}]", reg_sp(Size::X, i.rn))
        }
        execute |i, e| {
            let access = Access::opaque(4 << i.sf);
            let access = if i.acquire | i.release == 1 { access.ordered() } else { access };
            let addr = e.base(i.rn)?;
            let expected = (e.reg(Size::X, i.rs), e.reg(Size::X, i.rs + 1));
            let new = (e.reg(Size::X, i.rt), e.reg(Size::X, i.rt + 1));
            let (low, high) = e.compare_and_swap(access, true, addr, expected, new)?;
            e.set_reg(Size::X, i.rs, low);
            e.set_reg(Size::X, i.rs + 1, high);
            Ok(())
        }

    /// LDAPR. Rs is 11111.
    LoadAcquireRcpc "ss11100010111111110000nnnnnttttt" { size = s, rn = n, rt = t }
        text |i, pc| {
            let suffix = ["b", "h", "", ""][i.size as usize];
            let rt = reg(Size::sf((i.size == 3) as u32), i.rt);
            format!("ldapr{suffix}\t{rt}, [{}]", reg_sp(Size::X, i.rn))
        }
        execute |i, e| {
            let addr = e.base(i.rn)?;
            transfer(e, single(i.size, Op::Load, i.rt).ordered(), Op::Load, i.rt, addr)
        }

    /// LDAPUR, STLUR and kin.
    LoadStoreRcpcImm9 "ss011001oo0iiiiiiiii00nnnnnttttt"
        { size = s, opc = o, imm9 = i, rn = n, rt = t }
        unless |i| unscaled(i.size, i.opc).is_none(),
        text |i, pc| {
            let op = unscaled(i.size, i.opc).unwrap_or(Op::Load);
            let name = match (op, i.size) {
                (Op::Store, size) => format!("stlur{}", ["b", "h", "", ""][size as usize]),
                (Op::LoadSigned(_), size) => format!("ldapurs{}", ["b", "h", "w", ""][size as usize]),
                (_, size) => format!("ldapur{}", ["b", "h", "", ""][size as usize]),
            };
            let rt = reg(register_size(i.size, op), i.rt);
            format!("{name}\t{rt}, {}", offset_address(i.rn, signed(i.imm9, 9)))
        }
        execute |i, e| {
            let op = unscaled(i.size, i.opc).unwrap_or(Op::Load);
            let base = e.base(i.rn)?;
            let offset = e.imm(signed(i.imm9, 9) as u64);
            let addr = e.add(Size::X, base, offset);
            transfer(e, single(i.size, op, i.rt).ordered(), op, i.rt, addr)
        }
}
