//! Decoded blocks: found by the PC, made once, believed only as long as nothing has changed.
//!
//! ```text
//!   PC, regime --jump cache--> block                       the fast path
//!       |
//!       +--translate--> IPA --index--> block, compared with memory word by word
//!                                        |  not equal, or not there
//!                                        +--decode--> block
//! ```
//!
//! A block knows nothing of where it stands or who runs it: it is a function of its words. What
//! can be stale is only the way to it. So everything that may change code or its translation
//! starts a new *epoch*, in which the jump cache is forgotten:
//!
//! ```text
//!   TLBI where code is, SCTLR, TCR    each PC is translated again before its next use; where it
//!                                     leads to the same place, the same block stands there
//!   IC, a new map, a new entry        and each block is compared with memory as well
//! ```
//!
//! That makes self-modifying code exact after the architected sequence, and code written by the
//! hypervisor between two runs is seen as well.

use super::{Interp, Stopped};
use crate::a64::{Instruction, Row, Visitor, pattern};
use crate::mmu::{self, Abort, PackedAbort, Place, Stale, Use, Want};
use anyvisor_arch::esr::{Esr, ExceptionClass, InstructionAbort};
use anyvisor_arch::pstate;
use anyvisor_vm::Page;
use anyvisor_vm::memory::PAGE_SIZE;
use rustc_hash::FxHashMap;
use std::sync::atomic::Ordering;

/// One decoded instruction.
#[derive(Clone, Copy)]
pub struct Op {
    pub run: Run,
    pub word: u32,
}

/// A row's `execute` for the interpreter.
type Run = for<'a> fn(&mut Interp<'a>, u32) -> Result<(), Stopped>;

/// The function for a word of a row: one of several, made for the row's selector fields (width,
/// operation, addressing mode) as constants, so that a run decides nothing that the word says.
struct Function(u32);

/// The meaning of a word whose selector fields are those of number `K`.
fn run<I: Instruction, const K: u32>(interp: &mut Interp<'_>, word: u32) -> Result<(), Stopped> {
    let word = word & !I::SELECT | const { pattern::deposit(K, I::SELECT) };
    I::fields(word).execute(interp)
}

/// The functions of a row, in the order of their numbers.
macro_rules! functions {
    ($($k:literal)*) => { const { &[$(run::<I, $k> as Run),*] } };
}

impl Visitor for Function {
    type Out = Run;
    fn row<I: Instruction>(self) -> Run {
        let functions: &[Run] = match const { I::SELECT.count_ones() } {
            0 => functions!(0),
            1 => functions!(0 1),
            2 => functions!(0 1 2 3),
            3 => functions!(0 1 2 3 4 5 6 7),
            4 => functions!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
            _ => functions!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
                16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31),
        };
        functions[pattern::extract(self.0, I::SELECT) as usize]
    }
}

/// The most instructions in a block.
const MOST_OPS: usize = 64;
/// How many instructions are kept before all are thrown away: 8 MiB.
const MOST_KEPT: usize = 1 << 19;
/// Entries of the jump cache; a power of two.
const JUMPS: usize = 4096;

/// Where a block's instructions stand in [`CodeCache::ops`].
#[derive(Clone, Copy, Default)]
struct Block {
    start: u32,
    len: u16,
    /// Reached through a guarded page (FEAT_BTI): no matter of the words, so only jumps know it.
    guarded: bool,
}

/// "At this PC, in this regime, in this epoch: that block."
#[derive(Clone, Copy, Default)]
struct Jump {
    pc: u64,
    /// [`crate::mmu::Regime::code`] above [`CodeCache::epoch`].
    key: u64,
    ipa: u64,
    block: Block,
}

// A slot is found by a shift.
const _: () = assert!(size_of::<Jump>() == 32);

/// Where the jump cache has a PC.
#[inline(always)]
fn slot(pc: u64) -> usize {
    (pc >> 2) as usize % JUMPS
}

/// A vCPU's decoded code.
pub struct CodeCache {
    ops: Vec<Op>,
    by_ipa: FxHashMap<u64, Block>,
    jumps: Box<[Jump; JUMPS]>,
    /// The upper half counts changes of code, the lower one those of the way to it; never 0.
    epoch: u32,
}

/// The bits of an epoch that count changes of code.
const WORDS: u32 = 0xffff_0000;

impl Default for CodeCache {
    fn default() -> Self {
        Self {
            ops: Vec::new(),
            by_ipa: FxHashMap::default(),
            jumps: Box::new([Jump::default(); JUMPS]),
            epoch: 1,
        }
    }
}

impl CodeCache {
    /// What is `stale` is not believed any more without a look. (When the lower count is full it
    /// runs over into the upper one, which costs no more than a look too many.)
    pub fn new_epoch(&mut self, stale: Stale) {
        self.epoch = match stale {
            Stale::Nothing => return,
            Stale::Translations => self.epoch.wrapping_add(1),
            Stale::Words => (self.epoch | !WORDS).wrapping_add(1),
        };
        if self.epoch == 0 {
            self.jumps.fill(Jump::default());
            self.epoch = 1;
        }
    }

    /// The block at `pc`.
    #[inline(always)]
    pub fn block(&mut self, interp: &mut Interp<'_>, pc: u64) -> Result<&[Op], Stopped> {
        let key = u64::from(interp.cpu.regime.code) << 32 | u64::from(self.epoch);
        let jump = &self.jumps[slot(pc)];
        let block =
            if jump.pc == pc && jump.key == key { jump.block } else { self.find(interp, pc, key)? };
        let ops = &self.ops[block.start as usize..][..block.len as usize];
        interp.guarded = block.guarded;
        if interp.cpu.pstate.any(pstate::BTYPE) {
            interp.land(ops[0].word)?;
        }
        Ok(ops)
    }

    /// Finds or makes the block at `pc`, with the exceptions of a fetch in the manual's order:
    /// PC alignment, instruction abort, illegal execution state. It is kept under `key`; nothing
    /// is while PSTATE.IL is set.
    #[inline(never)]
    fn find(&mut self, interp: &mut Interp<'_>, pc: u64, key: u64) -> Result<Block, Stopped> {
        if pc & 3 != 0 {
            return Err(interp.raise_here(ExceptionClass::PcAlignment, Some(pc)));
        }
        let Fetched { ipa, page, guarded } = interp.fetch(pc)?;
        if interp.cpu.pstate.any(pstate::IL) {
            return Err(interp.raise_here(ExceptionClass::IllegalState, None));
        }
        interp.tlb.fetched(pc);
        // What stood there in an earlier epoch.
        let jump = self.jumps[slot(pc)];
        let known = jump.pc == pc && jump.key >> 32 == key >> 32 && jump.ipa == ipa;
        let block = if known && (jump.key ^ key) as u32 & WORDS == 0 {
            jump.block
        } else {
            self.compared(ipa, page, known.then_some(jump.block))
        };
        let block = Block { guarded, ..block };
        self.jumps[slot(pc)] = Jump { pc, key, ipa, block };
        Ok(block)
    }

    /// The block of the words at `ipa`: `known` or one that stood there before, if they are the
    /// same, else a new one.
    fn compared(&mut self, ipa: u64, page: Page<'_>, known: Option<Block>) -> Block {
        if let Some(block) = known.or_else(|| self.by_ipa.get(&ipa).copied()) {
            let ops = &self.ops[block.start as usize..][..block.len as usize];
            if page.words_equal(ipa as usize, ops.iter().map(|op| op.word)) {
                return block;
            }
        }
        self.decode(ipa, page)
    }

    fn decode(&mut self, ipa: u64, page: Page<'_>) -> Block {
        if self.ops.len() + MOST_OPS > MOST_KEPT {
            self.ops.clear();
            self.by_ipa.clear();
            self.jumps.fill(Jump::default());
        }
        let start = self.ops.len();
        let end = (ipa as usize | (PAGE_SIZE - 1)) + 1;
        for at in (ipa as usize..end).step_by(4).take(MOST_OPS) {
            let word = page.load_u32(at, Ordering::Acquire);
            let row = Row::of(word);
            self.ops.push(Op { run: row.visit(Function(word)), word });
            if row.ends_with(word) {
                break;
            }
        }
        let len = (self.ops.len() - start) as u16;
        let block = Block { start: start as u32, len, guarded: false };
        self.by_ipa.insert(ipa, block);
        block
    }
}

/// Where an instruction is.
#[derive(Clone, Copy)]
pub(super) struct Fetched<'a> {
    /// Its guest physical address.
    ipa: u64,
    page: Page<'a>,
    /// It is in a guarded page (FEAT_BTI).
    guarded: bool,
}

impl<'a> Interp<'a> {
    /// Finds the instruction at `pc`.
    pub(super) fn fetch(&mut self, pc: u64) -> Result<Fetched<'a>, Stopped> {
        let need = self.cpu.regime.fetch;
        if let Some(fetched) = self.fetch_known(pc, need) {
            return Ok(fetched);
        }
        // With TBID an address may be one of data alone: the whole walk knows.
        if self.cpu.regime.tags_alike
            && mmu::refill(self.cpu, self.tlb, self.map, pc, need).is_ok()
            && let Some(fetched) = self.fetch_known(pc, need)
        {
            return Ok(fetched);
        }
        let access = Use { want: Want::Fetch, need, aligned: true };
        match mmu::translate(self.cpu, self.tlb, self.map, pc, access) {
            Ok(Place { ipa, page, guarded, .. }) => Ok(Fetched { ipa, page, guarded }),
            Err(abort) => Err(self.instruction_abort(abort, pc)),
        }
    }

    /// The same, if the TLB knows.
    #[inline(always)]
    fn fetch_known(&self, pc: u64, need: u16) -> Option<Fetched<'a>> {
        let entry = self.tlb.lookup(&self.cpu.regime, pc, need)?;
        let page = entry.host.get(self.map)?;
        Some(Fetched { ipa: entry.ipa | pc & 0xfff, page, guarded: entry.guarded })
    }

    #[cold]
    fn instruction_abort(&mut self, abort: PackedAbort, pc: u64) -> Stopped {
        match abort.unpack() {
            Abort::Stage1(status) => {
                let class = match self.cpu.pstate.el() {
                    0 => ExceptionClass::InstructionAbortLower,
                    _ => ExceptionClass::InstructionAbortSame,
                };
                let mut exception = self.cpu.here(class, Some(pc));
                exception.syndrome = Esr::new(class, InstructionAbort::new(status).iss());
                self.raise(exception)
            }
            Abort::Update { status, ipa } => {
                let abort = Abort::Stage2 { status, ipa, on_walk: true };
                self.instruction_abort(abort.into(), pc)
            }
            Abort::Stage2 { status, ipa, on_walk } => {
                let iss = InstructionAbort { on_walk, ..InstructionAbort::new(status) }.iss();
                let class = ExceptionClass::InstructionAbortLower;
                self.exit(Esr::new(class, iss).0, pc, ipa)
            }
        }
    }
}
