//! The small intermediate representation: what instructions mean, written down instead of done.
//!
//! ```text
//!   words --Row::of--> rows --execute--> Recorder (record.rs) --> Block: a list of Steps
//!                                                                   |
//!                 print.rs: a listing   <---------------------------+
//!                 evaluate.rs: replays it onto any client of Emit <-+
//! ```
//!
//! TODO
use crate::emit::{Access, Atomic, Barrier, Call, Indirect, Pointer, PstateField, Size};
use crate::model::Feature;
use crate::vector::{Function, Shape};
use anyvisor_arch::sysreg::Encoding;
use operations::operations;

mod definitions;
mod evaluate;
mod operations;
mod print;
mod record;
#[cfg(test)]
mod tests;

pub use definitions::Definitions;
pub use evaluate::{Machine, evaluate, replay};
pub use print::Listing;
pub use record::{Recorder, record};

/// A 64-bit operand: the result of an earlier operation, or a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V {
    /// The 64-bit result with this number: one operation of the block makes it.
    Of(u32),
    /// A number.
    Imm(u64),
    /// The address of the block's first instruction plus this. (A block does not know where it
    /// stands.)
    Pc(i64),
}

/// A 128-bit operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Q {
    /// The 128-bit result with this number.
    Of(u32),
    /// A number.
    Imm(u128),
}

/// The operands of a function of vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operands(pub Box<[Q]>);

/// Makes the enumeration of operations.
macro_rules! enumeration {
    ($($half:ident { $(
        $(#[$doc:meta])* $name:ident $method:ident($($arg:ident: $of:tt),*) -> $out:tt $($stops:ident)?;
    )* })*) => {
        /// An operation: a method of [`Emit`](crate::emit::Emit) with its arguments. What they
        /// are is said there.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // fields: the arguments of the method
        pub enum Op {
            $($( $(#[$doc])* $name { $($arg: $of),* }, )*)*
            /// A named function of vectors.
            Vector { function: Function, shape: Shape, operands: Operands },
        }

        impl Op {
            /// The name of the method of [`Emit`](crate::emit::Emit).
            pub const fn name(&self) -> &'static str {
                match self {
                    $($( Self::$name { .. } => stringify!($method), )*)*
                    Self::Vector { .. } => "vector",
                }
            }

            /// Whether the instruction may stop here: with an exception or an exit.
            pub const fn may_stop(&self) -> bool {
                match self {
                    $($( Self::$name { .. } => enumeration!(@stops $($stops)?), )*)*
                    Self::Vector { .. } => false,
                }
            }
        }
    };
    (@stops stops) => { true };
    (@stops) => { false };
}
operations!(enumeration);

/// The numbers of an operation's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// None.
    Nothing,
    /// One [`V::Of`].
    V(u32),
    /// Two of them.
    Pair(u32, u32),
    /// One [`Q::Of`].
    Q(u32),
}

/// One operation of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The number of the instruction in the block: where it stops, if it stops.
    pub index: u32,
    /// What is done.
    pub op: Op,
    /// Its results.
    pub out: Out,
}

/// The recorded meaning of instructions that stand one after the other.
///
/// Each number is given once, in order from 0, before it is used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// The instructions.
    pub words: Vec<u32>,
    /// The operations, in order.
    pub steps: Vec<Step>,
    /// How many 64-bit results there are.
    pub values: u32,
    /// How many 128-bit results there are.
    pub vectors: u32,
}
