//! The recorder: a client of [`Emit`] that writes down what rows say.

use super::operations::operations;
use super::{Block, Op, Operands, Out, Q, Step, V};
use crate::a64::{Instruction, Row, Visitor};
use crate::emit::{Access, Atomic, Barrier, Call, Emit, Indirect, Pointer, PstateField, Size};
use crate::model::Feature;
use crate::vector::{Function, Shape};
use anyvisor_arch::sysreg::Encoding;
use std::convert::Infallible;

/// Records the first instructions of `words`, up to one whose row ends a block.
pub fn record(words: impl IntoIterator<Item = u32>) -> Block {
    let mut recorder = Recorder::default();
    for word in words {
        if recorder.instruction(word) {
            break;
        }
    }
    recorder.block
}

/// Records instructions one after the other.
#[derive(Default)]
pub struct Recorder {
    pub(super) block: Block,
    /// Which instruction of the block it is at.
    pub(super) at: u32,
}

impl Visitor for (&mut Recorder, u32) {
    type Out = bool;

    fn row<I: Instruction>(self) -> bool {
        let (recorder, word) = self;
        let fields = I::fields(word);
        let Ok(()) = fields.execute(recorder);
        fields.ends()
    }
}

impl Recorder {
    /// Adds an instruction; whether the block ends with it.
    pub fn instruction(&mut self, word: u32) -> bool {
        self.at = self.block.words.len() as u32;
        self.block.words.push(word);
        Row::of(word).visit((self, word))
    }

    /// What has been recorded.
    pub fn finish(self) -> Block {
        self.block
    }

    /// Adds an operation, and gives its result a number; unless its result is known.
    fn push<R: Outcome>(&mut self, op: Op) -> R {
        if let Some(known) = fold(&op).and_then(R::known) {
            return known;
        }
        let (result, out) = R::fresh(&mut self.block);
        self.block.steps.push(Step { index: self.at, op, out });
        result
    }
}

/// The results of operations that are known without running them: an address so and so far from
/// the program counter, which is what branches and literal loads are made of. No more than that:
/// whoever compiles will look at operands anyway.
fn fold(op: &Op) -> Option<V> {
    match *op {
        Op::Add { size: Size::X, a: V::Pc(offset), b: V::Imm(more) } => {
            Some(V::Pc(offset.wrapping_add_unsigned(more)))
        }
        _ => None,
    }
}

/// What an operation may leave.
trait Outcome: Sized {
    /// The next numbers.
    fn fresh(block: &mut Block) -> (Self, Out);

    /// A result that needs no number.
    fn known(_: V) -> Option<Self> {
        None
    }
}

impl Outcome for () {
    fn fresh(_: &mut Block) -> (Self, Out) {
        ((), Out::Nothing)
    }
}

impl Outcome for V {
    fn fresh(block: &mut Block) -> (Self, Out) {
        let n = block.values;
        block.values += 1;
        (Self::Of(n), Out::V(n))
    }

    fn known(value: V) -> Option<Self> {
        Some(value)
    }
}

impl Outcome for (V, V) {
    fn fresh(block: &mut Block) -> (Self, Out) {
        let n = block.values;
        block.values += 2;
        ((V::Of(n), V::Of(n + 1)), Out::Pair(n, n + 1))
    }
}

impl Outcome for Q {
    fn fresh(block: &mut Block) -> (Self, Out) {
        let n = block.vectors;
        block.vectors += 1;
        (Self::Of(n), Out::Q(n))
    }
}

/// The methods that record an operation and do nothing else: all of them.
macro_rules! methods {
    ($($half:ident { $(
        $(#[$doc:meta])* $name:ident $method:ident($($arg:ident: $of:tt),*) -> $out:tt $($stops:ident)?;
    )* })*) => { $($(
        fn $method(&mut self, $($arg: $of),*) -> methods!(@result $out $($stops)?) {
            let result = self.push(Op::$name { $($arg),* });
            methods!(@ok result $($stops)?)
        }
    )*)* };
    (@result $out:tt stops) => { Result<$out, Infallible> };
    (@result $out:tt) => { $out };
    (@ok $result:ident stops) => { Ok($result) };
    (@ok $result:ident) => { $result };
}

impl Emit for Recorder {
    type V = V;
    type Q = Q;
    /// Nothing stops a recording.
    type Stop = Infallible;

    fn imm(&mut self, value: u64) -> V {
        V::Imm(value)
    }

    fn pc(&mut self) -> V {
        V::Pc(4 * i64::from(self.at))
    }

    fn q_imm(&mut self, value: u128) -> Q {
        Q::Imm(value)
    }

    fn vector(&mut self, function: Function, shape: Shape, operands: &[Q]) -> Q {
        self.push(Op::Vector { function, shape, operands: Operands(operands.into()) })
    }

    operations!(methods);
}
