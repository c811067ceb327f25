//! A case: instructions and the state before them; and what comes out.

use crate::machine::{SLOT_WORDS, WINDOW_WORDS, window_address};
use std::fmt::{self, Write};

/// BRK #0: what follows the instructions under test.
pub const BRK: u32 = 0xd420_0000;

/// What an EL0 program sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// X0 to X30.
    pub x: [u64; 31],
    /// SP.
    pub sp: u64,
    /// The program counter.
    pub pc: u64,
    /// N, Z, C and V as SPSR_EL1 holds them.
    pub nzcv: u64,
    /// The part of memory that is compared.
    pub window: [u64; WINDOW_WORDS],
}

impl State {
    /// Xn; 31 is XZR.
    pub fn x(&self, n: u32) -> u64 {
        self.x.get(n as usize).copied().unwrap_or(0)
    }

    /// Writes Xn; 31 is XZR.
    pub fn set_x(&mut self, n: u32, value: u64) {
        if let Some(x) = self.x.get_mut(n as usize) {
            *x = value;
        }
    }

    /// Writes Xn; 31 is SP.
    pub fn set_base(&mut self, n: u32, value: u64) {
        match n {
            31 => self.sp = value,
            n => self.x[n as usize] = value,
        }
    }
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The instructions, filled up with BRK.
    pub code: [u32; SLOT_WORDS],
    /// The state before; PC is the first instruction's address.
    pub state: State,
}

impl Case {
    /// `words` (fewer than a slot has) in `state`.
    pub fn new(words: &[u32], state: State) -> Self {
        let mut code = [BRK; SLOT_WORDS];
        code[..words.len()].copy_from_slice(words);
        Self { code, state }
    }

    /// The instructions as text.
    pub fn text(&self) -> String {
        let words = self.code.iter().enumerate().take_while(|(i, word)| *i == 0 || **word != BRK);
        words.fold(String::new(), |mut text, (i, word)| {
            let pc = self.state.pc + 4 * i as u64;
            let _ = writeln!(text, "  {pc:#x}: {word:08x}  {}", anyvisor_cpu::text(*word, pc));
            text
        })
    }
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A BRK: the one after the instruction, or where it branched to.
    Breakpoint,
    /// UNDEFINED, or a trapped system instruction: to an EL0 program the same.
    Undefined,
    /// A data or instruction abort, with the address.
    Abort(u64),
    /// An alignment fault: of data, PC or SP.
    Misaligned,
    /// Something that no case should do: a syndrome, or a signal.
    Other(u64),
}

/// What comes out of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The state after; PC is the address of the instruction that ended it.
    pub state: State,
}

/// Where two outcomes differ, a line each: `what: before, ours, theirs`.
pub struct Difference<'a> {
    /// The case.
    pub case: &'a Case,
    /// Of the CPU under test.
    pub ours: &'a Outcome,
    /// Of the oracle.
    pub theirs: &'a Outcome,
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, ours, theirs) = (&self.case.state, &self.ours.state, &self.theirs.state);
        write!(f, "{}", self.case.text())?;
        let mut line = |what: &str, before: u64, a: u64, b: u64| {
            if a == b {
                return Ok(());
            }
            writeln!(f, "    {what:<12} was {before:#018x}  ours {a:#018x}  qemu {b:#018x}")
        };
        for n in 0..31 {
            line(&format!("x{n}"), before.x[n], ours.x[n], theirs.x[n])?;
        }
        line("sp", before.sp, ours.sp, theirs.sp)?;
        line("pc", before.pc, ours.pc, theirs.pc)?;
        line("nzcv", before.nzcv, ours.nzcv, theirs.nzcv)?;
        for i in 0..WINDOW_WORDS {
            let what = format!("[{:#x}]", window_address(i));
            line(&what, before.window[i], ours.window[i], theirs.window[i])?;
        }
        if self.ours.end != self.theirs.end {
            writeln!(f, "    ended: ours {:x?}, qemu {:x?}", self.ours.end, self.theirs.end)?;
        }
        write!(f, "    before: nzcv {:#x}, sp {:#x}", before.nzcv, before.sp)?;
        for (n, x) in before.x.iter().enumerate() {
            let gap = if n % 4 == 0 { "\n     " } else { "" };
            write!(f, "{gap} x{n:<2} {x:#018x}")?;
        }
        writeln!(f)
    }
}
