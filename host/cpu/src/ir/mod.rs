//! The small intermediate representation: what instructions mean, written down instead of done.
//!
//! ```text
//!   words --Row::of--> rows --execute--> Recorder (record.rs) --> Block: a list of Steps
//!                                                                   |
//!                 print.rs: a listing   <---------------------------+
//!                 evaluate.rs: replays it onto any client of Emit <-+
//! ```
//!
//! It is the ground that a compiler stands on: a compiler walks a block's steps once, and need
//! know nothing of instructions.
//!
//! # Which operations there are, and why no more
//!
//! One for each method of [`Emit`](crate::emit::Emit) that does something; `operations.rs` is the
//! list. The semantics are written once, in rows, and the vocabulary of rows is the only place
//! where a meaning is given a name. An operation of our own beside it would be a second place for
//! meaning, with nobody to say that the two agree. And none is broken up into smaller ones,
//! because what is lost by that has to be found again by whoever compiles: that four flags are
//! those of one subtraction, that two loads are one pair and need one look at the TLB, that
//! a value is compared and swapped as one.
//!
//! Constants are operands and no operations. The address of the block is not known when it is
//! recorded (a decoded block is a function of its words), so there are two kinds of them: numbers,
//! and addresses relative to the block.
//!
//! # What a compiler may rely on, and what it is expected to do
//!
//! * **Values**: each is made once, before it is used, in the same block. Numbers count up from 0,
//!   so a table by number holds all that is known of them. The recorder drops nothing: an operation
//!   that leaves a value, cannot stop and touches no flags is dead if nothing takes the value.
//! * **Registers** are read and written by operations, not forwarded: what a register holds at an
//!   instruction's end is part of its meaning, and a stop needs it. To a compiler that pins guest
//!   registers to host registers such a read is a name and a write a move; one that does not keeps
//!   the last value of each in the walk. SP is one register for a whole block, and the exception
//!   level, the FP trap and address translation are the same in all of it, because whatever changes
//!   them ends a block. So one [`Op::FpEnabled`] and one [`Op::Base`] of an unchanged SP are enough.
//! * **Stops** are precise: [`Step::index`] says at which instruction. All that can stop
//!   ([`Op::may_stop`]) comes before the first register write of its instruction, so a stop needs
//!   the writes of the instructions before it and has nothing to undo. What is kept in host
//!   registers is stored on the way out, in code beside the block.
//! * **Flags**: whoever sets flags sets all four, so the flags of [`Op::Adds`] are dead if another
//!   setter follows with no reader ([`Op::Select`], [`Op::BranchCond`], [`Op::AddWithCarry`],
//!   [`Op::Adcs`], [`Op::CompareIf`], [`Op::Nzcv`], [`Op::Mrs`] of NZCV) between, but for the way
//!   out of a stop, which can make them anew. They are never values here: they stay in the host's
//!   flags between the setter and its readers. [`Op::SetNzcv`] is for flags that no arithmetic of
//!   the host makes.
//! * **Loads and stores** carry size, ordering, privilege and the syndrome in their
//!   [`Access`], and the address as an operand: a base register, or its sum with a constant. Accesses
//!   with the same base and near constants can share one look at the TLB. A hit is done in line; all
//!   else is a call, with [`Step::index`] to say where it was.
//! * **Helpers**: [`Op::Vector`] is a pure function by name and pointer, of whole registers, FPCR
//!   and FPSR: called, or made in line where the name is known. [`Op::Mrs`], [`Op::Msr`],
//!   [`Op::Sys`], [`Op::System`], [`Op::PointerCode`], atomics and exclusives are calls with the
//!   state stored.
//! * **The end**: at most one branch, the last operation of the last instruction. Without one,
//!   control goes to the next instruction; with a conditional one there are two ways on, both at
//!   known addresses, to be chained. [`Op::BranchIndirect`] says whether it is a call, a jump or a
//!   return. After [`Op::System`] the machine says where it goes.
//!
//! Left out: anything that improves a block. It is a record, and what it is good for is that it is
//! exact.

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
