//! A recorded block as text.
//!
//! ```text
//! 0x1000  ldr x0, [x1, #8]!
//!     %0 = base x1 ?                  ?: the instruction may stop here
//!     %1 = add.x %0, 0x8              %1: a 64-bit value, %q1: a 128-bit one
//!     %2 = load.8 [%1] ?              .x .w: the width of the operation; .8: bytes
//!     set_reg.x x0, %2                @0x1008: an address
//!     set_reg_sp.x x1, %1
//! ```
//!
//! A function of vectors has its lanes behind its name, and then what the instruction says besides,
//! if that is not 0; a conversion, where it comes from and how it is rounded:
//!
//! ```text
//!     %q1 = fadd.4x32 %q0, %q0                     four lanes of 32 bits
//!     %q2 = xar.2x64.0xf %q0, %q1                  rotated by 15
//!     %q3 = fcvts.1x64.from32.fraction5.zero %q0   from 32 bits to 64, 5 of them a fraction
//! ```

use super::operations::operations;
use super::{Block, Op, Operands, Out, Q, Step, V};
use crate::a64::operand::{CONDITIONS, reg, reg_sp};
use crate::a64::system::register;
use crate::emit::{Access, Atomic, Barrier, Call, Indirect, Pointer, PstateField, Size};
use crate::model::Feature;
use crate::vector::Shape;
use crate::vector::float_convert::Conversion;
use anyvisor_arch::sysreg::Encoding;
use std::fmt::{self, Display, Formatter};

/// Prints a block as it is at an address.
pub struct Listing<'a> {
    /// What is printed.
    pub block: &'a Block,
    /// Where its first instruction stands.
    pub pc: u64,
}

impl Display for Listing<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut steps = self.block.steps.iter().peekable();
        for (index, word) in self.block.words.iter().enumerate() {
            let pc = self.pc.wrapping_add(4 * index as u64);
            writeln!(f, "{pc:#x}  {}", crate::text(*word, pc).replace('\t', " "))?;
            while let Some(step) = steps.next_if(|step| step.index as usize == index) {
                writeln!(f, "    {}", step.text(self.pc))?;
            }
        }
        Ok(())
    }
}

/// One operation: what stands after its name, and its operands.
struct Line {
    /// Where the block stands, and the instruction in it.
    block: u64,
    pc: u64,
    name: String,
    size: Option<Size>,
    operands: Vec<String>,
}

impl Step {
    /// The operation as text, in a block that stands at `block`.
    pub fn text(&self, block: u64) -> String {
        let pc = block.wrapping_add(4 * u64::from(self.index));
        let name = self.op.name().into();
        let mut line = Line { block, pc, name, size: None, operands: Vec::new() };
        line.arguments(&self.op);
        let out = match self.out {
            Out::Nothing => String::new(),
            Out::V(n) => format!("%{n} = "),
            Out::Pair(n, m) => format!("%{n}, %{m} = "),
            Out::Q(n) => format!("%q{n} = "),
        };
        let mut text = out + &line.name;
        if !line.operands.is_empty() {
            text = text + " " + &line.operands.join(", ");
        }
        if self.op.may_stop() { text + " ?" } else { text }
    }
}

impl Line {
    fn suffix(&mut self, suffix: impl Display) {
        self.name += &format!(".{suffix}");
    }

    fn operand(&mut self, operand: impl Into<String>) {
        self.operands.push(operand.into());
    }
}

/// An argument of an operation; `name` is the table's name for it.
trait Argument {
    fn show(&self, name: &str, line: &mut Line);
}

impl Argument for Size {
    fn show(&self, _: &str, line: &mut Line) {
        line.size = Some(*self);
        line.suffix(if *self == Self::W { "w" } else { "x" });
    }
}

impl Argument for V {
    fn show(&self, name: &str, line: &mut Line) {
        let text = match self {
            Self::Of(n) => format!("%{n}"),
            Self::Imm(value) => format!("{value:#x}"),
            Self::Pc(offset) => format!("@{:#x}", line.block.wrapping_add_signed(*offset)),
        };
        line.operand(if name == "addr" { format!("[{text}]") } else { text });
    }
}

impl Argument for (V, V) {
    fn show(&self, name: &str, line: &mut Line) {
        let first = line.operands.len();
        self.0.show(name, line);
        self.1.show(name, line);
        // Of two pairs each says which it is.
        if matches!(name, "expected" | "new") {
            line.operands[first].insert_str(0, &format!("{name} "));
        }
    }
}

impl Argument for Q {
    fn show(&self, _: &str, line: &mut Line) {
        line.operand(match self {
            Self::Of(n) => format!("%q{n}"),
            Self::Imm(value) => format!("{value:#x}"),
        });
    }
}

impl Argument for u32 {
    fn show(&self, name: &str, line: &mut Line) {
        let size = line.size.unwrap_or(Size::X);
        match name {
            "x" => line.operand(reg(size, *self)),
            "xsp" => line.operand(reg_sp(size, *self)),
            "vn" => line.operand(format!("v{self}")),
            "cond" => line.suffix(CONDITIONS[*self as usize & 15]),
            "bits" | "bytes" => line.suffix(self),
            // For the syndrome of a trap alone.
            "rt" => {}
            _ => line.operand(format!("{name} {self:#x}")),
        }
    }
}

impl Argument for i64 {
    fn show(&self, _: &str, line: &mut Line) {
        let target = line.pc.wrapping_add_signed(*self);
        line.operand(format!("@{target:#x}"));
    }
}

impl Argument for bool {
    fn show(&self, name: &str, line: &mut Line) {
        match (name, self) {
            (_, true) => line.suffix(name),
            ("signed", false) => line.suffix("unsigned"),
            ("zero", false) => line.suffix("nonzero"),
            ("set", false) => line.suffix("clear"),
            (_, false) => {}
        }
    }
}

impl Argument for Access {
    /// Without the syndrome.
    fn show(&self, _: &str, line: &mut Line) {
        line.suffix(self.bytes);
        if self.ordered {
            line.suffix("ordered");
        }
        if self.unprivileged {
            line.suffix("unprivileged");
        }
    }
}

impl Argument for Encoding {
    fn show(&self, _: &str, line: &mut Line) {
        line.operand(register(*self));
    }
}

/// A rounding mode by its number in an immediate.
fn rounding(number: u32) -> &'static str {
    ["even", "up", "down", "zero", "away", "", "", "fpcr"][number as usize & 7]
}

impl Argument for Shape {
    /// Of the function that the line bears the name of.
    fn show(&self, function: &str, line: &mut Line) {
        line.suffix(format!("{}x{}", self.lanes, self.bits()));
        if Conversion::is_of(function) {
            let conversion = Conversion::of(self.imm);
            line.suffix(format!("from{}", 8 << conversion.from));
            if conversion.fraction != 0 {
                line.suffix(format!("fraction{}", conversion.fraction));
            }
            line.suffix(rounding(conversion.rounding));
        } else if function == "frint" {
            line.suffix(rounding(self.imm));
        } else if self.imm != 0 {
            line.suffix(format!("{:#x}", self.imm));
        }
    }
}

/// What is shown as its name in the program is.
macro_rules! by_name {
    ($($of:ty),*) => { $(
        impl Argument for $of {
            fn show(&self, _: &str, line: &mut Line) {
                line.operand(format!("{self:?}"));
            }
        }
    )* };
}
by_name!(Atomic, Barrier, Call, Feature, Indirect, Pointer, PstateField);

/// Makes `Line::arguments`.
macro_rules! arguments {
    ($($half:ident { $(
        $(#[$doc:meta])* $name:ident $method:ident($($arg:ident: $of:tt),*) -> $out:tt $($stops:ident)?;
    )* })*) => {
        impl Line {
            /// Shows an operation's arguments, one after the other.
            fn arguments(&mut self, op: &Op) {
                match op {
                    $($( Op::$name { $($arg),* } => {
                        $( $arg.show(stringify!($arg), self); )*
                    } )*)*
                    Op::Vector { function, shape, operands: Operands(operands) } => {
                        self.name = function.name.into();
                        shape.show(function.name, self);
                        operands.iter().for_each(|operand| operand.show("operand", self));
                    }
                }
            }
        }
    };
}
operations!(arguments);
