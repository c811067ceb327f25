//! Vector registers as operands: how they are spelled, read and written.

use crate::emit::Emit;
use crate::vector::{Function, Shape, function, permute};

/// The letters of the sizes: byte, halfword, word, doubleword, quadword.
const LETTERS: [&str; 5] = ["b", "h", "s", "d", "q"];

/// `d1`: the scalar of `1 << size` bytes.
pub fn scalar(size: u32, n: u32) -> String {
    format!("{}{n}", LETTERS[size as usize])
}

/// `v1.4s`: all lanes of `1 << size` bytes in the lower half, or in all of the register.
pub fn vector(size: u32, q: u32, n: u32) -> String {
    format!("v{n}.{}{}", (8 << q) >> size, LETTERS[size as usize])
}

/// `v1.s[2]`: one lane of `1 << size` bytes.
pub fn element(size: u32, n: u32, index: u32) -> String {
    format!("v{n}.{}[{index}]", LETTERS[size as usize])
}

/// One lane of a register, as the operand that all lanes of another are combined with.
#[derive(Clone, Copy)]
pub struct Element {
    /// Bytes of the lane, as a power of two.
    pub size: u32,
    pub register: u32,
    pub index: u32,
}

impl Element {
    /// From the fields of the classes "x indexed element", by the size of the lane; `lm` is L:M.
    ///
    /// ```text
    ///              index    register
    ///   half       H:L:M    V0 to V15: Rm
    ///   single     H:L      M:Rm
    ///   double     H        M:Rm
    /// ```
    #[inline(always)]
    pub const fn of(size: u32, lm: u32, rm: u32, h: u32) -> Self {
        let (register, index) = match size {
            1 => (rm, h << 2 | lm),
            2 => ((lm & 1) << 4 | rm, h << 1 | lm >> 1),
            _ => ((lm & 1) << 4 | rm, h),
        };
        Self { size, register, index }
    }

    /// `v1.s[2]`.
    pub fn text(self) -> String {
        element(self.size, self.register, self.index)
    }

    /// It in all lanes of a register.
    #[inline(always)]
    pub fn read<E: Emit>(self, e: &mut E) -> E::Q {
        let register = e.v(self.register);
        let shape = Shape::vector(self.size, 1).with(self.index);
        e.vector(function!(permute::dup), shape, &[register])
    }
}

/// `name\tv1.4s, v2.4s`: all of the same arrangement.
pub fn same<const N: usize>(name: &str, size: u32, q: u32, registers: [u32; N]) -> String {
    format!("{name}\t{}", registers.map(|n| vector(size, q, n)).join(", "))
}

/// `name\td1, d2`: scalars of the same size.
pub fn same_scalar<const N: usize>(name: &str, size: u32, registers: [u32; N]) -> String {
    format!("{name}\t{}", registers.map(|n| scalar(size, n)).join(", "))
}

/// `name` or `name2`, for instructions whose narrow operands are in the lower or the upper half.
pub fn with_2(name: &str, q: u32) -> String {
    format!("{name}{}", ["", "2"][q as usize])
}

/// `name2\tv1.16b, v2.8h`: to lanes of half the size.
pub fn narrowing_text(name: &str, size: u32, q: u32, [d, n]: [u32; 2]) -> String {
    format!("{}\t{}, {}", with_2(name, q), vector(size, q, d), vector(size + 1, 1, n))
}

/// Whether a vector of this size has no lanes in this half register: 1D is reserved where the
/// other arrangements of a row are vectors.
#[inline(always)]
pub const fn no_vector(size: u32, q: u32) -> bool {
    size == 3 && q == 0
}

/// Vd = function(Vn).
#[inline(always)]
pub fn unary<E: Emit>(
    e: &mut E,
    function: Function,
    shape: Shape,
    d: u32,
    n: u32,
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let a = e.v(n);
    let result = e.vector(function, shape, &[a]);
    e.set_v(d, result);
    Ok(())
}

/// Vd = function(Vn, Vm).
#[inline(always)]
pub fn binary<E: Emit>(
    e: &mut E,
    function: Function,
    shape: Shape,
    d: u32,
    n: u32,
    m: u32,
) -> Result<(), E::Stop> {
    e.fp_enabled()?;
    let (a, b) = (e.v(n), e.v(m));
    let result = e.vector(function, shape, &[a, b]);
    e.set_v(d, result);
    Ok(())
}

/// The manual's `Vpart[n, part]`, 64 bits wide: the lower or the upper half of Vn, as the lower
/// half of the value.
#[inline(always)]
pub fn part<E: Emit>(e: &mut E, n: u32, upper: u32) -> E::Q {
    let value = e.v(n);
    if upper == 0 {
        return value;
    }
    let half = e.q_half(value, true);
    let zero = e.imm(0);
    e.q_of(half, zero)
}

/// The manual's assignment to `Vpart[d, part]`, 64 bits wide: to the lower half with zeros above,
/// or to the upper half alone.
#[inline(always)]
pub fn set_part<E: Emit>(e: &mut E, d: u32, upper: u32, value: E::Q) {
    if upper == 0 {
        return e.set_v(d, value);
    }
    let old = e.v(d);
    let (low, high) = (e.q_half(old, false), e.q_half(value, false));
    let both = e.q_of(low, high);
    e.set_v(d, both);
}
