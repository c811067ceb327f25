//! Runs recorded blocks: each operation is said again, to a client of [`Emit`] that does it.
//!
//! [`replay`] knows no operation's meaning, only how operands and results hang together, so it
//! serves any client: a machine, a compiler, or a second recorder, which must then hold the same
//! block. [`evaluate`] puts [`Definitions`] before the machine, which have meanings of their own
//! for all that is arithmetic, flags and decisions; the machine is left with memory, system
//! registers, calls and the named functions of vectors, which are shared by design.

use super::operations::operations;
use super::{Block, Definitions, Op, Out, Q, Step, V};
use crate::emit::{Emit, Size};

/// A client that goes from instruction to instruction.
pub trait Machine: Emit {
    /// The instruction at `pc` begins: that is where it stops, if it stops.
    fn begin(&mut self, pc: u64);
}

/// Runs `block`, which stands at `pc`, on `machine`. What computes is defined here and not there.
///
/// # Errors
/// Why the machine stopped, at the instruction that it was told of last.
pub fn evaluate<M>(block: &Block, pc: u64, machine: &mut M) -> Result<(), M::Stop>
where
    M: Machine<V = u64, Q = u128>,
{
    replay(block, pc, &mut Definitions(machine))
}

/// Says a block's operations to `client`, as if the block stood at `pc`.
///
/// # Errors
/// Why the client stopped.
pub fn replay<M: Machine>(block: &Block, pc: u64, client: &mut M) -> Result<(), M::Stop> {
    let mut values = Values { v: Vec::new(), q: Vec::new() };
    let mut steps = block.steps.iter().peekable();
    for index in 0..block.words.len() as u32 {
        client.begin(pc.wrapping_add(4 * u64::from(index)));
        while let Some(step) = steps.next_if(|step| step.index == index) {
            values.step(step, client)?;
        }
    }
    Ok(())
}

/// The client's values so far, by their numbers.
struct Values<E: Emit> {
    v: Vec<E::V>,
    q: Vec<E::Q>,
}

impl<E: Emit> Values<E> {
    /// An operand of instruction `index`.
    fn v(&self, e: &mut E, index: u32, operand: V) -> E::V {
        match operand {
            V::Of(n) => self.v[n as usize],
            V::Imm(value) => e.imm(value),
            V::Pc(offset) => {
                let pc = e.pc();
                let from_here = e.imm(offset.wrapping_sub(4 * i64::from(index)) as u64);
                e.add(Size::X, pc, from_here)
            }
        }
    }

    fn q(&self, e: &mut E, operand: Q) -> E::Q {
        match operand {
            Q::Of(n) => self.q[n as usize],
            Q::Imm(value) => e.q_imm(value),
        }
    }
}

/// Makes `Values::step`.
macro_rules! step {
    ($($half:ident { $(
        $(#[$doc:meta])* $name:ident $method:ident($($arg:ident: $of:tt),*) -> $out:tt $($stops:ident)?;
    )* })*) => {
        impl<E: Emit> Values<E> {
            /// Says one operation, and keeps its results.
            fn step(&mut self, step: &Step, e: &mut E) -> Result<(), E::Stop> {
                let index = step.index;
                match &step.op {
                    $($( Op::$name { $($arg),* } => {
                        $( let $arg = step!(@operand $of, self, e, index, *$arg); )*
                        let result = step!(@result e.$method($($arg),*), $($stops)?);
                        step!(@keep $out, self, step.out, result);
                    } )*)*
                    Op::Vector { function, shape, operands } => {
                        let all: Vec<_> =
                            operands.0.iter().map(|operand| self.q(e, *operand)).collect();
                        let result = e.vector(*function, *shape, &all);
                        step!(@keep Q, self, step.out, result);
                    }
                }
                Ok(())
            }
        }
    };
    (@operand V, $self:ident, $e:ident, $index:ident, $arg:expr) => { $self.v($e, $index, $arg) };
    (@operand Q, $self:ident, $e:ident, $index:ident, $arg:expr) => { $self.q($e, $arg) };
    (@operand (V, V), $self:ident, $e:ident, $index:ident, $arg:expr) => {
        ($self.v($e, $index, $arg.0), $self.v($e, $index, $arg.1))
    };
    (@operand $other:tt, $self:ident, $e:ident, $index:ident, $arg:expr) => { $arg };
    (@result $call:expr, stops) => { $call? };
    (@result $call:expr,) => { $call };
    (@keep V, $self:ident, $out:expr, $result:ident) => {
        debug_assert_eq!($out, Out::V($self.v.len() as u32), "numbers are given in order");
        $self.v.push($result);
    };
    (@keep (V, V), $self:ident, $out:expr, $result:ident) => {
        debug_assert!(matches!($out, Out::Pair(n, _) if n as usize == $self.v.len()));
        $self.v.extend([$result.0, $result.1]);
    };
    (@keep Q, $self:ident, $out:expr, $result:ident) => {
        debug_assert_eq!($out, Out::Q($self.q.len() as u32), "numbers are given in order");
        $self.q.push($result);
    };
    (@keep (), $self:ident, $out:expr, $result:ident) => {
        let () = $result;
    };
}
operations!(step);
