//! The interpreter as a client of [`Emit`]: values are `u64`, operations are done.

use super::{Interp, Stopped};
use crate::emit::{Access, Atomic, Barrier, Call, Emit, Indirect, Pointer, PstateField, Size};
use crate::model::Feature;
use crate::sysreg;
use crate::vector::{Fp, Function, Shape};
use anyvisor_arch::esr::ExceptionClass;
use anyvisor_arch::pstate::{C, N, NZCV, V, Z};
use anyvisor_arch::sysreg::{Encoding, SysReg};
use anyvisor_bugs::{Bug, is};

/// The tables of the two CRC-32 polynomials, a byte at a time, bits reflected.
static CRC: [[u32; 256]; 2] = [crc_table(0xedb8_8320), crc_table(0x82f6_3b78)];

const fn crc_table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

/// N and Z of a result.
#[inline(always)]
fn nz(size: Size, result: u64) -> u64 {
    let negative = result >> (size.bits() - 1) << 31;
    negative | if result == 0 { Z } else { 0 }
}

/// The manual's `AddWithCarry`: the sum, and N, Z, C and V.
#[inline(always)]
fn add_with_carry(size: Size, a: u64, b: u64, carry: bool) -> (u64, u64) {
    match size {
        Size::X => {
            let (sum, c1) = a.overflowing_add(b);
            let (sum, c2) = sum.overflowing_add(carry.into());
            let overflow = (a ^ sum) & (b ^ sum);
            let flags = if c1 | c2 { C } else { 0 } | overflow >> 63 << 28;
            (sum, nz(size, sum) | flags)
        }
        Size::W => {
            let wide = (a & 0xffff_ffff) + (b & 0xffff_ffff) + u64::from(carry);
            let sum = wide & 0xffff_ffff;
            let overflow = (a ^ sum) & (b ^ sum);
            let flags = (wide >> 32) << 29 | (overflow >> 31 & 1) << 28;
            (sum, nz(size, sum) | flags)
        }
    }
}

/// `AddWithCarry` of the inverse of `b` and 1, as a subtraction: which is what most hosts have, with
/// the same flags but for C, which is 1 where nothing was borrowed.
#[inline(always)]
fn subtract(size: Size, a: u64, b: u64) -> (u64, u64) {
    let (result, borrow, overflow) = match size {
        Size::X => {
            let (result, borrow) = a.overflowing_sub(b);
            (result, borrow, a.cast_signed().overflowing_sub(b.cast_signed()).1)
        }
        Size::W => {
            let (a, b) = (a as u32, b as u32);
            let (result, borrow) = a.overflowing_sub(b);
            (result.into(), borrow, a.cast_signed().overflowing_sub(b.cast_signed()).1)
        }
    };
    let flags = u64::from(!borrow) << 29 | u64::from(overflow) << 28;
    (result, nz(size, result) | flags)
}

/// The manual's `ConditionHolds`.
#[inline(always)]
pub(super) fn condition_holds(nzcv: u64, cond: u32) -> bool {
    let is = |flag| nzcv & flag != 0;
    let result = match cond >> 1 {
        0 => is(Z),
        1 => is(C),
        2 => is(N),
        3 => is(V),
        4 => is(C) && !is(Z),
        5 => is(N) == is(V),
        6 => is(N) == is(V) && !is(Z),
        _ => return true,
    };
    result != (cond & 1 == 1)
}

impl Interp<'_> {
    #[inline(always)]
    fn set_flags(&mut self, nzcv: u64) {
        self.cpu.pstate.0 = self.cpu.pstate.0 & !NZCV | nzcv;
    }

    #[inline(always)]
    fn carry(&self) -> bool {
        self.cpu.pstate.any(C)
    }

    #[inline(always)]
    fn holds(&self, cond: u32) -> bool {
        condition_holds(self.cpu.pstate.0, cond)
    }

    #[inline(always)]
    fn branch_if(&mut self, taken: bool, offset: i64) {
        if taken {
            self.next = self.cpu.pc.wrapping_add_signed(offset);
        }
    }
}

impl Emit for Interp<'_> {
    type V = u64;
    type Q = u128;
    type Stop = Stopped;

    #[inline(always)]
    fn imm(&mut self, value: u64) -> u64 {
        value
    }

    #[inline(always)]
    fn pc(&mut self) -> u64 {
        self.cpu.pc
    }

    #[inline(always)]
    fn reg(&mut self, size: Size, n: u32) -> u64 {
        self.cpu.x[n as usize & 31] & size.mask()
    }

    #[inline(always)]
    fn set_reg(&mut self, size: Size, n: u32, value: u64) {
        self.cpu.x[n as usize & 31] = value & size.mask();
        self.cpu.x[31] = 0;
    }

    #[inline(always)]
    fn reg_sp(&mut self, size: Size, n: u32) -> u64 {
        match n {
            31 => self.cpu.sp[self.cpu.pstate.sp_index()] & size.mask(),
            n => self.reg(size, n),
        }
    }

    #[inline(always)]
    fn set_reg_sp(&mut self, size: Size, n: u32, value: u64) {
        match n {
            31 => self.cpu.sp[self.cpu.pstate.sp_index()] = value & size.mask(),
            n => self.cpu.x[n as usize & 31] = value & size.mask(),
        }
    }

    #[inline(always)]
    fn base(&mut self, n: u32) -> Result<u64, Stopped> {
        let base = self.reg_sp(Size::X, n);
        if n == 31 && base & 15 != 0 && self.cpu.regime.check_sp {
            return Err(self.raise_here(ExceptionClass::SpAlignment, None));
        }
        Ok(base)
    }

    #[inline(always)]
    fn add(&mut self, size: Size, a: u64, b: u64) -> u64 {
        a.wrapping_add(b) & size.mask()
    }

    #[inline(always)]
    fn sub(&mut self, size: Size, a: u64, b: u64) -> u64 {
        a.wrapping_sub(b) & size.mask()
    }

    #[inline(always)]
    fn add_with_carry(&mut self, size: Size, a: u64, b: u64) -> u64 {
        add_with_carry(size, a, b, self.carry()).0
    }

    #[inline(always)]
    fn and(&mut self, a: u64, b: u64) -> u64 {
        a & b
    }

    #[inline(always)]
    fn or(&mut self, a: u64, b: u64) -> u64 {
        a | b
    }

    #[inline(always)]
    fn xor(&mut self, a: u64, b: u64) -> u64 {
        a ^ b
    }

    #[inline(always)]
    fn not(&mut self, size: Size, a: u64) -> u64 {
        !a & size.mask()
    }

    #[inline(always)]
    fn lsl(&mut self, size: Size, a: u64, by: u64) -> u64 {
        match size {
            Size::W => (a as u32).wrapping_shl(by as u32).into(),
            Size::X => a.wrapping_shl(by as u32),
        }
    }

    #[inline(always)]
    fn lsr(&mut self, size: Size, a: u64, by: u64) -> u64 {
        match size {
            Size::W => (a as u32).wrapping_shr(by as u32).into(),
            Size::X => a.wrapping_shr(by as u32),
        }
    }

    #[inline(always)]
    fn asr(&mut self, size: Size, a: u64, by: u64) -> u64 {
        match size {
            Size::W => ((a as i32).wrapping_shr(by as u32) as u32).into(),
            Size::X => (a as i64).wrapping_shr(by as u32) as u64,
        }
    }

    #[inline(always)]
    fn ror(&mut self, size: Size, a: u64, by: u64) -> u64 {
        match size {
            Size::W => (a as u32).rotate_right(by as u32 % 32).into(),
            Size::X => a.rotate_right(by as u32 % 64),
        }
    }

    #[inline(always)]
    fn sign_extend(&mut self, size: Size, a: u64, bits: u32) -> u64 {
        ((a << (64 - bits)) as i64 >> (64 - bits)) as u64 & size.mask()
    }

    #[inline(always)]
    fn zero_extend(&mut self, a: u64, bits: u32) -> u64 {
        a & u64::MAX >> (64 - bits)
    }

    #[inline(always)]
    fn mul(&mut self, size: Size, a: u64, b: u64) -> u64 {
        a.wrapping_mul(b) & size.mask()
    }

    #[inline(always)]
    fn mul_high(&mut self, signed: bool, a: u64, b: u64) -> u64 {
        if signed {
            ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64
        } else {
            ((u128::from(a) * u128::from(b)) >> 64) as u64
        }
    }

    #[inline(always)]
    fn div(&mut self, size: Size, signed: bool, a: u64, b: u64) -> u64 {
        match (size, signed) {
            (_, false) => a.checked_div(b).unwrap_or(0),
            (Size::X, true) if b == 0 => 0,
            (Size::X, true) => (a as i64).wrapping_div(b as i64) as u64,
            (Size::W, true) if b as u32 == 0 => 0,
            (Size::W, true) => ((a as i32).wrapping_div(b as i32) as u32).into(),
        }
    }

    #[inline(always)]
    fn clz(&mut self, size: Size, a: u64) -> u64 {
        (a.leading_zeros() - (64 - size.bits())).into()
    }

    #[inline(always)]
    fn reverse_bits(&mut self, size: Size, a: u64) -> u64 {
        a.reverse_bits() >> (64 - size.bits())
    }

    #[inline(always)]
    fn reverse_bytes(&mut self, size: Size, bytes: u32, a: u64) -> u64 {
        let pairs = (a >> 8 & 0x00ff_00ff_00ff_00ff) | (a & 0x00ff_00ff_00ff_00ff) << 8;
        match bytes {
            2 => pairs & size.mask(),
            4 => a.swap_bytes().rotate_left(32) & size.mask(),
            _ => a.swap_bytes(),
        }
    }

    fn crc32(&mut self, castagnoli: bool, bytes: u32, acc: u64, data: u64) -> u64 {
        let table = &CRC[usize::from(castagnoli)];
        let step = |crc: u32, byte: &u8| crc >> 8 ^ table[usize::from(crc as u8 ^ byte)];
        data.to_le_bytes()[..bytes as usize].iter().fold(acc as u32, step).into()
    }

    #[inline(always)]
    fn adds(&mut self, size: Size, a: u64, b: u64) -> u64 {
        let (result, flags) = add_with_carry(size, a, b, false);
        self.set_flags(flags);
        result
    }

    #[inline(always)]
    fn subs(&mut self, size: Size, a: u64, b: u64) -> u64 {
        let (result, flags) = subtract(size, a, b);
        self.set_flags(flags);
        result
    }

    #[inline(always)]
    fn adcs(&mut self, size: Size, a: u64, b: u64) -> u64 {
        let (result, flags) = add_with_carry(size, a, b, self.carry());
        self.set_flags(flags);
        result
    }

    #[inline(always)]
    fn ands(&mut self, size: Size, a: u64, b: u64) -> u64 {
        let result = a & b & size.mask();
        self.set_flags(nz(size, result));
        result
    }

    #[inline(always)]
    fn compare_if(&mut self, cond: u32, size: Size, negate: bool, a: u64, b: u64, nzcv: u32) {
        let flags = if !self.holds(cond) {
            u64::from(nzcv) << 28
        } else if negate {
            add_with_carry(size, a, b, false).1
        } else {
            subtract(size, a, b).1
        };
        self.set_flags(flags);
    }

    #[inline(always)]
    fn select(&mut self, cond: u32, a: u64, b: u64) -> u64 {
        if self.holds(cond) { a } else { b }
    }

    #[inline(always)]
    fn nzcv(&mut self) -> u64 {
        self.cpu.pstate.0 & NZCV
    }

    #[inline(always)]
    fn set_nzcv(&mut self, value: u64) {
        self.set_flags(value & NZCV);
    }

    #[inline(always)]
    fn fp_enabled(&mut self) -> Result<(), Stopped> {
        sysreg::traps::fp_access(self.cpu).map_err(|refusal| self.refused(refusal))
    }

    #[inline(always)]
    fn requires(&mut self, feature: Feature) -> Result<(), Stopped> {
        if self.cpu.processor.model.has(feature) { Ok(()) } else { Err(self.undefined()) }
    }

    #[inline(always)]
    fn q_imm(&mut self, value: u128) -> u128 {
        value
    }

    #[inline(always)]
    fn v(&mut self, n: u32) -> u128 {
        self.cpu.v[n as usize & 31]
    }

    #[inline(always)]
    fn set_v(&mut self, n: u32, value: u128) {
        self.cpu.v[n as usize & 31] = value;
    }

    #[inline(always)]
    fn q_of(&mut self, low: u64, high: u64) -> u128 {
        u128::from(high) << 64 | u128::from(low)
    }

    #[inline(always)]
    fn q_half(&mut self, value: u128, upper: bool) -> u64 {
        if upper { (value >> 64) as u64 } else { value as u64 }
    }

    #[inline(always)]
    fn vector(&mut self, function: Function, shape: Shape, operands: &[u128]) -> u128 {
        let mut fp = Fp {
            control: self.cpu.get(SysReg::FPCR) as u32,
            status: self.cpu.get(SysReg::FPSR) as u32,
        };
        let result = (function.call)(&mut fp, shape, operands);
        self.cpu.set(SysReg::FPSR, fp.status.into());
        result
    }

    #[inline(always)]
    fn load_q(&mut self, access: Access, addr: u64) -> Result<u128, Stopped> {
        self.load_vector(access, addr)
    }

    #[inline(always)]
    fn store_q(&mut self, access: Access, addr: u64, value: u128) -> Result<(), Stopped> {
        self.store_vector(access, addr, value)
    }

    fn pointer(&mut self, what: Pointer, value: u64, modifier: u64) -> u64 {
        self.authenticate_pointer(what, value, modifier)
    }

    #[inline(always)]
    fn branch(&mut self, target: u64) {
        self.next = self.cpu.regime.branch_address(target);
    }

    #[inline(always)]
    fn branch_indirect(&mut self, target: u64, how: Indirect) {
        self.next = self.cpu.regime.branch_address(target);
        self.set_branch_type(how);
    }

    #[inline(always)]
    fn branch_cond(&mut self, cond: u32, offset: i64) {
        self.branch_if(self.holds(cond), offset);
    }

    #[inline(always)]
    fn branch_zero(&mut self, size: Size, a: u64, zero: bool, offset: i64) {
        self.branch_if((a & size.mask() == 0) == zero, offset);
    }

    #[inline(always)]
    fn branch_bit(&mut self, a: u64, bit: u32, set: bool, offset: i64) {
        self.branch_if((a >> bit & 1 == 1) == set, offset);
    }

    #[inline(always)]
    fn call(&mut self, call: Call) -> Result<(), Stopped> {
        self.do_call(call)
    }

    #[inline(always)]
    fn load(&mut self, access: Access, addr: u64) -> Result<u64, Stopped> {
        self.load_one(access, addr)
    }

    #[inline(always)]
    fn store(&mut self, access: Access, addr: u64, value: u64) -> Result<(), Stopped> {
        self.store_one(access, addr, value)
    }

    #[inline(always)]
    fn load_pair(&mut self, access: Access, addr: u64) -> Result<(u64, u64), Stopped> {
        self.load_two(access, addr)
    }

    #[inline(always)]
    fn store_pair(&mut self, access: Access, addr: u64, values: (u64, u64)) -> Result<(), Stopped> {
        self.store_two(access, addr, values)
    }

    fn load_exclusive(
        &mut self,
        access: Access,
        pair: bool,
        addr: u64,
    ) -> Result<(u64, u64), Stopped> {
        self.exclusive_load(access, pair, addr)
    }

    fn store_exclusive(
        &mut self,
        access: Access,
        pair: bool,
        addr: u64,
        values: (u64, u64),
    ) -> Result<u64, Stopped> {
        self.exclusive_store(access, pair, addr, values)
    }

    fn atomic(
        &mut self,
        operation: Atomic,
        access: Access,
        addr: u64,
        value: u64,
    ) -> Result<u64, Stopped> {
        self.atomic_update(operation, access, addr, value)
    }

    fn compare_and_swap(
        &mut self,
        access: Access,
        pair: bool,
        addr: u64,
        expected: (u64, u64),
        new: (u64, u64),
    ) -> Result<(u64, u64), Stopped> {
        self.swap_if_equal(access, pair, addr, expected, new)
    }

    fn clear_exclusive(&mut self) {
        self.cpu.exclusive = None;
    }

    #[inline(always)]
    fn mrs(&mut self, encoding: Encoding, rt: u32) -> Result<u64, Stopped> {
        match sysreg::read_plain(self.cpu, encoding) {
            Some(value) => Ok(value),
            None => self.read_register(encoding, rt),
        }
    }

    #[inline(always)]
    fn msr(&mut self, encoding: Encoding, rt: u32, value: u64) -> Result<(), Stopped> {
        if sysreg::write_plain(self.cpu, encoding, value) {
            return Ok(());
        }
        self.write_register(encoding, rt, value)
    }

    fn msr_imm(&mut self, field: PstateField, imm: u32) -> Result<(), Stopped> {
        self.write_pstate_field(field, imm)
    }

    fn sys(&mut self, encoding: Encoding, rt: u32, value: u64) -> Result<(), Stopped> {
        self.system_instruction(encoding, rt, value)
    }

    fn barrier(&mut self, barrier: Barrier) {
        match barrier {
            Barrier::Dmb(_) => std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst),
            Barrier::Dsb(_) => {
                std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
                self.complete_broadcasts();
            }
            // The row ends its block; what follows is looked up anew.
            Barrier::Isb => {}
            Barrier::Esb => self.cpu.synchronize_errors(),
        }
    }

    fn send_event(&mut self, local: bool) {
        self.cpu.event = true;
        if !local
            && !is(Bug::SevLocal)
            && let Some(member) = &self.tlb.member
        {
            member.send_event();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_add_with_carry() {
        let sub = subtract;
        assert_eq!(sub(Size::X, 5, 5), (0, Z | C));
        assert_eq!(sub(Size::X, 4, 5), (u64::MAX, N));
        assert_eq!(sub(Size::X, 1 << 63, 1), (u64::MAX >> 1, C | V));
        assert_eq!(sub(Size::W, 4, 5), (0xffff_ffff, N));
        assert_eq!(sub(Size::W, 1 << 31, 1), (0x7fff_ffff, C | V));
        assert_eq!(add_with_carry(Size::W, 0xffff_ffff, 0, true), (0, Z | C));
        assert_eq!(add_with_carry(Size::X, u64::MAX, u64::MAX, true), (u64::MAX, N | C));
    }

    #[test]
    fn a_subtraction_is_an_addition_of_the_inverse() {
        let edges = [0u64, 1, 2, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32, 1 << 63];
        let values = edges.into_iter().flat_map(|edge| [edge, !edge, edge.wrapping_sub(1)]);
        for (a, b) in values.clone().flat_map(|a| values.clone().map(move |b| (a, b))) {
            for size in [Size::W, Size::X] {
                let sum = add_with_carry(size, a, !b & size.mask(), true);
                assert_eq!(subtract(size, a, b), sum, "{size:?} {a:#x} {b:#x}");
            }
        }
    }

    #[test]
    fn al_and_nv_always_hold() {
        for nzcv in (0..16u64).map(|f| f << 28) {
            assert!(condition_holds(nzcv, 14) && condition_holds(nzcv, 15));
            for cond in (0..14).step_by(2) {
                assert_ne!(condition_holds(nzcv, cond), condition_holds(nzcv, cond + 1));
            }
        }
    }
}
