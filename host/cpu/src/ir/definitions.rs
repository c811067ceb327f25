//! What the operations mean, said a second time and plainly: numbers as mathematics has them,
//! taken modulo a power of two at the end, and flags as the manual's pseudocode finds them.
//!
//! The interpreter's definitions are made for speed. These are made to be compared with the
//! manual by eye and with the interpreter by test (`interp/agreement.rs`), so nothing here is
//! shared with it. Slowness does not matter.

use super::evaluate::Machine;
use super::operations::operations;
use crate::emit::{Access, Atomic, Barrier, Call, Emit, Indirect, Pointer, PstateField, Size};
use crate::model::Feature;
use crate::vector::{Function, Shape};
use anyvisor_arch::sysreg::Encoding;

/// A machine of which only that is used which is not defined here.
pub struct Definitions<'a, M>(pub &'a mut M);

/// 2 to the power of the size's bits.
fn modulus(size: Size) -> i128 {
    1 << size.bits()
}

/// The manual's `UInt`.
fn unsigned(size: Size, a: u64) -> i128 {
    i128::from(a) % modulus(size)
}

/// The manual's `SInt`.
fn signed(size: Size, a: u64) -> i128 {
    let value = unsigned(size, a);
    if value >= modulus(size) / 2 { value - modulus(size) } else { value }
}

/// The bits of an integer.
fn bits(size: Size, value: i128) -> u64 {
    value.rem_euclid(modulus(size)) as u64
}

/// Bit `i`.
fn bit(a: u64, i: u32) -> bool {
    a / (1 << i) % 2 == 1
}

/// A value from its bits, the lowest first.
fn from_bits(size: Size, f: impl Fn(u32) -> bool) -> u64 {
    (0..size.bits()).filter(|i| f(*i)).map(|i| 1 << i).sum()
}

/// A shift's amount.
fn amount(size: Size, by: u64) -> u32 {
    (by % u64::from(size.bits())) as u32
}

/// N, Z, C and V.
#[derive(Clone, Copy)]
struct Flags {
    n: bool,
    z: bool,
    c: bool,
    v: bool,
}

impl Flags {
    fn of(nzcv: u64) -> Self {
        Self { n: bit(nzcv, 31), z: bit(nzcv, 30), c: bit(nzcv, 29), v: bit(nzcv, 28) }
    }

    fn bits(self) -> u64 {
        let flag = |on: bool, i: u32| u64::from(on) << i;
        flag(self.n, 31) + flag(self.z, 30) + flag(self.c, 29) + flag(self.v, 28)
    }

    /// The manual's `ConditionHolds`.
    fn hold(self, cond: u32) -> bool {
        let Self { n, z, c, v } = self;
        match cond {
            0 => z,
            1 => !z,
            2 => c,
            3 => !c,
            4 => n,
            5 => !n,
            6 => v,
            7 => !v,
            8 => c && !z,
            9 => !c || z,
            10 => n == v,
            11 => n != v,
            12 => n == v && !z,
            13 => n != v || z,
            _ => true,
        }
    }
}

/// The manual's `AddWithCarry`.
fn add_with_carry(size: Size, a: u64, b: u64, carry: bool) -> (u64, Flags) {
    let unsigned_sum = unsigned(size, a) + unsigned(size, b) + i128::from(carry);
    let signed_sum = signed(size, a) + signed(size, b) + i128::from(carry);
    let result = bits(size, unsigned_sum);
    let flags = Flags {
        n: signed(size, result) < 0,
        z: result == 0,
        c: unsigned(size, result) != unsigned_sum,
        v: signed(size, result) != signed_sum,
    };
    (result, flags)
}

/// a + NOT(b) + 1.
fn subtract(size: Size, a: u64, b: u64) -> (u64, Flags) {
    add_with_carry(size, a, bits(size, -1 - unsigned(size, b)), true)
}

/// The manual's `Poly32Mod2` of a message, both with their bits reversed, bit after bit.
fn crc(polynomial: u32, accumulator: u32, data: u64, message_bits: u32) -> u32 {
    (0..message_bits).fold(accumulator, |crc, i| {
        let out = (crc % 2 == 1) != bit(data, i);
        let shifted = crc / 2;
        if out { shifted ^ polynomial.reverse_bits() } else { shifted }
    })
}

impl<M: Machine<V = u64, Q = u128>> Definitions<'_, M> {
    fn flags(&mut self) -> Flags {
        Flags::of(self.0.nzcv())
    }

    fn set_flags<T>(&mut self, (result, flags): (T, Flags)) -> T {
        self.0.set_nzcv(flags.bits());
        result
    }

    fn branch_if(&mut self, taken: bool, offset: i64) {
        if taken {
            let target = bits(Size::X, i128::from(self.0.pc()) + i128::from(offset));
            self.0.branch(target);
        }
    }
}

impl<M: Machine<V = u64, Q = u128>> Machine for Definitions<'_, M> {
    fn begin(&mut self, pc: u64) {
        self.0.begin(pc);
    }
}

/// What the machine does.
macro_rules! machine {
    (
        computed { $($computed:tt)* }
        machine { $(
            $(#[$doc:meta])* $name:ident $method:ident($($arg:ident: $of:tt),*) -> $out:tt $($stops:ident)?;
        )* }
    ) => { $(
        fn $method(&mut self, $($arg: machine!(@type $of)),*) -> machine!(@result $out $($stops)?) {
            self.0.$method($($arg),*)
        }
    )* };
    (@result $out:tt stops) => { Result<machine!(@type $out), M::Stop> };
    (@result $out:tt) => { machine!(@type $out) };
    (@type V) => { u64 };
    (@type Q) => { u128 };
    (@type (V, V)) => { (u64, u64) };
    (@type $other:tt) => { $other };
}

impl<M: Machine<V = u64, Q = u128>> Emit for Definitions<'_, M> {
    type V = u64;
    type Q = u128;
    type Stop = M::Stop;

    operations!(machine);

    fn vector(&mut self, function: Function, shape: Shape, operands: &[u128]) -> u128 {
        self.0.vector(function, shape, operands)
    }

    fn imm(&mut self, value: u64) -> u64 {
        value
    }

    fn q_imm(&mut self, value: u128) -> u128 {
        value
    }

    fn pc(&mut self) -> u64 {
        self.0.pc()
    }

    // --- registers: whole ones are the machine's; their halves and the zero register are ours ---

    fn reg(&mut self, size: Size, n: u32) -> u64 {
        let whole = if n == 31 { 0 } else { self.0.reg(Size::X, n) };
        bits(size, whole.into())
    }

    fn set_reg(&mut self, size: Size, n: u32, value: u64) {
        if n != 31 {
            self.0.set_reg(Size::X, n, bits(size, value.into()));
        }
    }

    fn reg_sp(&mut self, size: Size, n: u32) -> u64 {
        let whole = self.0.reg_sp(Size::X, n);
        bits(size, whole.into())
    }

    fn set_reg_sp(&mut self, size: Size, n: u32, value: u64) {
        self.0.set_reg_sp(Size::X, n, bits(size, value.into()));
    }

    // --- arithmetic ---

    fn add(&mut self, size: Size, a: u64, b: u64) -> u64 {
        bits(size, i128::from(a) + i128::from(b))
    }

    fn sub(&mut self, size: Size, a: u64, b: u64) -> u64 {
        bits(size, i128::from(a) - i128::from(b))
    }

    fn and(&mut self, a: u64, b: u64) -> u64 {
        from_bits(Size::X, |i| bit(a, i) && bit(b, i))
    }

    fn or(&mut self, a: u64, b: u64) -> u64 {
        from_bits(Size::X, |i| bit(a, i) || bit(b, i))
    }

    fn xor(&mut self, a: u64, b: u64) -> u64 {
        from_bits(Size::X, |i| bit(a, i) != bit(b, i))
    }

    fn not(&mut self, size: Size, a: u64) -> u64 {
        from_bits(size, |i| !bit(a, i))
    }

    fn lsl(&mut self, size: Size, a: u64, by: u64) -> u64 {
        let by = amount(size, by);
        from_bits(size, |i| i >= by && bit(a, i - by))
    }

    fn lsr(&mut self, size: Size, a: u64, by: u64) -> u64 {
        bits(size, unsigned(size, a) / (1 << amount(size, by)))
    }

    fn asr(&mut self, size: Size, a: u64, by: u64) -> u64 {
        // Rounds towards minus infinity, as an arithmetic shift does.
        bits(size, signed(size, a).div_euclid(1 << amount(size, by)))
    }

    fn ror(&mut self, size: Size, a: u64, by: u64) -> u64 {
        let by = amount(size, by);
        from_bits(size, |i| bit(a, (i + by) % size.bits()))
    }

    fn sign_extend(&mut self, size: Size, a: u64, width: u32) -> u64 {
        from_bits(size, |i| bit(a, i.min(width - 1)))
    }

    fn zero_extend(&mut self, a: u64, width: u32) -> u64 {
        from_bits(Size::X, |i| i < width && bit(a, i))
    }

    fn mul(&mut self, size: Size, a: u64, b: u64) -> u64 {
        let product = u128::from(a) * u128::from(b);
        (product % modulus(size) as u128) as u64
    }

    fn mul_high(&mut self, is_signed: bool, a: u64, b: u64) -> u64 {
        // By halves, as one does on paper. A signed operand that is negative is too large by 2^64
        // when it is read as unsigned, and the high half by the other operand.
        let split = |a: u64| (u128::from(a) >> 32, u128::from(a as u32));
        let ((a1, a0), (b1, b0)) = (split(a), split(b));
        let middle = a1 * b0 + ((a0 * b0) >> 32);
        let middle_low = a0 * b1 + u128::from(middle as u32);
        let high = a1 * b1 + (middle >> 32) + (middle_low >> 32);
        let excess = |by: u64, of: u64| if is_signed && bit(by, 63) { i128::from(of) } else { 0 };
        bits(Size::X, high as i128 - excess(a, b) - excess(b, a))
    }

    fn div(&mut self, size: Size, is_signed: bool, a: u64, b: u64) -> u64 {
        let number = if is_signed { signed } else { unsigned };
        let (a, b) = (number(size, a), number(size, b));
        // Integers are large enough for -MIN, which becomes MIN again.
        if b == 0 { 0 } else { bits(size, a / b) }
    }

    fn clz(&mut self, size: Size, a: u64) -> u64 {
        (0..size.bits()).rev().take_while(|i| !bit(a, *i)).count() as u64
    }

    fn reverse_bits(&mut self, size: Size, a: u64) -> u64 {
        from_bits(size, |i| bit(a, size.bits() - 1 - i))
    }

    fn reverse_bytes(&mut self, size: Size, bytes: u32, a: u64) -> u64 {
        let width = 8 * bytes;
        let from = |i: u32| {
            let (container, byte, bit) = (i / width, i % width / 8, i % 8);
            container * width + (bytes - 1 - byte) * 8 + bit
        };
        from_bits(size, |i| bit(a, from(i)))
    }

    fn crc32(&mut self, castagnoli: bool, bytes: u32, acc: u64, data: u64) -> u64 {
        let polynomial = if castagnoli { 0x1edc_6f41 } else { 0x04c1_1db7 };
        crc(polynomial, acc as u32, data, 8 * bytes).into()
    }

    fn q_of(&mut self, low: u64, high: u64) -> u128 {
        u128::from(low) + (u128::from(high) << 64)
    }

    fn q_half(&mut self, value: u128, upper: bool) -> u64 {
        let bytes = value.to_le_bytes();
        let half = if upper { &bytes[8..] } else { &bytes[..8] };
        half.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    // --- flags ---

    fn add_with_carry(&mut self, size: Size, a: u64, b: u64) -> u64 {
        add_with_carry(size, a, b, self.flags().c).0
    }

    fn select(&mut self, cond: u32, a: u64, b: u64) -> u64 {
        if self.flags().hold(cond) { a } else { b }
    }

    fn adds(&mut self, size: Size, a: u64, b: u64) -> u64 {
        self.set_flags(add_with_carry(size, a, b, false))
    }

    fn subs(&mut self, size: Size, a: u64, b: u64) -> u64 {
        self.set_flags(subtract(size, a, b))
    }

    fn adcs(&mut self, size: Size, a: u64, b: u64) -> u64 {
        let carry = self.flags().c;
        self.set_flags(add_with_carry(size, a, b, carry))
    }

    fn ands(&mut self, size: Size, a: u64, b: u64) -> u64 {
        let result = from_bits(size, |i| bit(a, i) && bit(b, i));
        let (n, z) = (bit(result, size.bits() - 1), result == 0);
        self.set_flags((result, Flags { n, z, c: false, v: false }))
    }

    fn compare_if(&mut self, cond: u32, size: Size, negate: bool, a: u64, b: u64, nzcv: u32) {
        let compared =
            if negate { add_with_carry(size, a, b, false) } else { subtract(size, a, b) };
        let given = Flags::of(u64::from(nzcv) << 28);
        let flags = if self.flags().hold(cond) { compared.1 } else { given };
        self.set_flags(((), flags));
    }

    // --- decisions ---

    fn branch_cond(&mut self, cond: u32, offset: i64) {
        let taken = self.flags().hold(cond);
        self.branch_if(taken, offset);
    }

    fn branch_zero(&mut self, size: Size, a: u64, zero: bool, offset: i64) {
        self.branch_if((unsigned(size, a) == 0) == zero, offset);
    }

    fn branch_bit(&mut self, a: u64, bit_number: u32, set: bool, offset: i64) {
        self.branch_if(bit(a, bit_number) == set, offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the catalogue of CRC algorithms: of "123456789", complemented before
    /// and after.
    #[test]
    fn crcs_are_those_of_everybody() {
        let whole = |polynomial| {
            b"123456789".iter().fold(!0, |sum, byte| crc(polynomial, sum, u64::from(*byte), 8))
        };
        assert_eq!(!whole(0x04c1_1db7), 0xcbf4_3926);
        assert_eq!(!whole(0x1edc_6f41), 0xe306_9283);
    }

    #[test]
    fn flags_are_those_of_add_with_carry() {
        let sub = |size, a, b| {
            let (result, flags) = subtract(size, a, b);
            (result, flags.bits() >> 28)
        };
        let (n, z, c, v) = (8, 4, 2, 1);
        assert_eq!(sub(Size::X, 5, 5), (0, z | c));
        assert_eq!(sub(Size::X, 4, 5), (u64::MAX, n));
        assert_eq!(sub(Size::X, 1 << 63, 1), (u64::MAX >> 1, c | v));
        assert_eq!(sub(Size::W, 1 << 31, 1), (0x7fff_ffff, c | v));
    }
}
