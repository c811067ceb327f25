//! Functions of vectors: what FP and SIMD instructions compute, apart from where the operands
//! come from.
//!
//! A row names a [`Function`] and hands it whole registers; the function looks at as many lanes
//! as its [`Shape`] says and leaves the rest of its result 0, as a write of a V register does.
//! The interpreter calls it; a recorder writes down its name and keeps the pointer. So every
//! client computes with the same code, and the only state that a function can touch is [`Fp`].

pub mod aes;
pub mod arithmetic;
pub mod bfloat16;
pub mod bitwise;
pub mod compare;
pub mod complex;
pub mod dot;
pub mod estimate;
pub mod float;
pub mod float_compare;
pub mod float_convert;
pub mod float_estimate;
pub mod float_vector;
mod lanes;
pub mod pairwise;
pub mod permute;
pub mod polynomial;
pub mod saturating;
pub mod sha1;
pub mod sha256;
pub mod sha3;
pub mod sha512;
pub mod shift;
pub mod structure;
pub mod width;

pub use lanes::{each, get, keep, lanes, map, map2, map3, narrow, put, sext, widen};

/// FPCR and FPSR, as a function sees them: it reads the one and accumulates into the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fp {
    /// FPCR: rounding mode, FZ, FZ16, DN, AHP.
    pub control: u32,
    /// FPSR: the cumulative exception bits and QC.
    pub status: u32,
}

/// How a register is divided, and the immediate of the instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of a lane, as a power of two: 0 (byte) to 4 (the whole quadword).
    pub size: u32,
    /// Lanes of the result: 1 for a scalar.
    pub lanes: u32,
    /// An immediate: a shift, an index, a rotation, a rounding mode. What it is, the function says.
    pub imm: u32,
}

impl Shape {
    /// A vector of lanes of `1 << size` bytes: 64 bits of them, or 128 if `q` is 1.
    #[inline(always)]
    pub const fn vector(size: u32, q: u32) -> Self {
        Self { size, lanes: (8 << q) >> size, imm: 0 }
    }

    /// A scalar of `1 << size` bytes.
    #[inline(always)]
    pub const fn scalar(size: u32) -> Self {
        Self { size, lanes: 1, imm: 0 }
    }

    /// The same with an immediate.
    #[inline(always)]
    pub const fn with(self, imm: u32) -> Self {
        Self { imm, ..self }
    }

    /// Bits of a lane.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        8 << self.size
    }
}

/// What a [`Function`] computes: from FPCR and FPSR, a shape and whole registers.
pub type Compute = fn(&mut Fp, Shape, &[u128]) -> u128;

/// A named function of vectors.
#[derive(Clone, Copy)]
pub struct Function {
    /// Its name, as the recorder prints it.
    pub name: &'static str,
    /// Its meaning.
    pub call: Compute,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Two are the same if they have the same name: a name is given once.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Names a Rust function as a [`Function`]: `function!(saturating::sqadd)` is called `sqadd`.
macro_rules! function {
    ($($path:ident)::+) => {
        $crate::vector::Function {
            name: $crate::vector::last_segment(stringify!($($path)::+)),
            call: $($path)::+,
        }
    };
}
pub(crate) use function;

/// Functions of one module, in an array: `functions!(saturating::{sqadd, uqadd})`.
macro_rules! functions {
    ($module:ident::{$($name:ident),* $(,)?}) => {
        [$($crate::vector::function!($module::$name)),*]
    };
}
pub(crate) use functions;

/// `c` of `a::b::c`.
pub const fn last_segment(path: &'static str) -> &'static str {
    let bytes = path.as_bytes();
    let mut start = bytes.len();
    while start > 0 && bytes[start - 1] != b':' && bytes[start - 1] != b' ' {
        start -= 1;
    }
    path.split_at(start).1
}
