//! A case: instructions and the state before them; and what comes out.

use crate::machine::{SLOT_WORDS, WINDOW_WORDS, window_address};
use std::collections::BTreeSet;
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
    /// V0 to V31.
    pub v: [u128; 32],
    /// FPCR.
    pub fpcr: u32,
    /// FPSR.
    pub fpsr: u32,
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

    /// Xn; 31 is SP.
    pub fn base(&self, n: u32) -> u64 {
        self.x.get(n as usize).copied().unwrap_or(self.sp)
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

impl Case {
    /// The numbers of the registers that the instructions may name.
    fn registers(&self) -> BTreeSet<u32> {
        let words = self.code.iter().filter(|word| **word != BRK);
        words.flat_map(|word| [0, 5, 10, 16].map(|lsb| word >> lsb & 31)).collect()
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
        let mut line = |what: &str, before: u128, a: u128, b: u128| {
            if a == b {
                return Ok(());
            }
            let width = if what.starts_with('v') { 34 } else { 18 };
            writeln!(
                f,
                "    {what:<12} was {before:#0width$x}  ours {a:#0width$x}  qemu {b:#0width$x}"
            )
        };
        for n in 0..31 {
            line(&format!("x{n}"), before.x[n].into(), ours.x[n].into(), theirs.x[n].into())?;
        }
        line("sp", before.sp.into(), ours.sp.into(), theirs.sp.into())?;
        line("pc", before.pc.into(), ours.pc.into(), theirs.pc.into())?;
        line("nzcv", before.nzcv.into(), ours.nzcv.into(), theirs.nzcv.into())?;
        for n in 0..32 {
            line(&format!("v{n}"), before.v[n], ours.v[n], theirs.v[n])?;
        }
        line("fpcr", before.fpcr.into(), ours.fpcr.into(), theirs.fpcr.into())?;
        line("fpsr", before.fpsr.into(), ours.fpsr.into(), theirs.fpsr.into())?;
        for i in 0..WINDOW_WORDS {
            let what = format!("[{:#x}]", window_address(i));
            let at = |state: &State| u128::from(state.window[i]);
            line(&what, at(before), at(ours), at(theirs))?;
        }
        if self.ours.end != self.theirs.end {
            writeln!(f, "    ended: ours {:x?}, qemu {:x?}", self.ours.end, self.theirs.end)?;
        }
        write!(
            f,
            "    before: nzcv {:#x}, sp {:#x}, fpcr {:#x}, fpsr {:#x}",
            before.nzcv, before.sp, before.fpcr, before.fpsr
        )?;
        for (i, n) in self.case.registers().into_iter().enumerate() {
            let gap = if i % 2 == 0 { "\n     " } else { "" };
            let (x, v) = (before.x(n), before.v[n as usize]);
            write!(f, "{gap} x{n:<2} {x:#018x} v{n:<2} {v:#034x}")?;
        }
        writeln!(f)
    }
}
