//! The interpreter and the evaluator of recorded blocks agree.
//!
//! ```text
//!   random words --+--> interpreter: decoded blocks, functions made for the selector fields
//!                  |                                     \
//!                  |                                      equal? registers, flags, V, system
//!                  |                                     /       registers, memory, how it ended
//!                  +--> recorder -> evaluator: its own definitions of all that computes,
//!                       the interpreter again for memory, system and functions of vectors
//! ```
//!
//! What is tested so: that the record holds all that a row says, in its order, with each operand
//! in its place; that the interpreter computes what the plain definitions do; that both stop at
//! the same instruction with the same state. What is not: that rows say what the manual says, and
//! what both sides share. That is the outside oracle's (`tests/diff`).
//!
//! `ANYVISOR_SEED` chooses other blocks; a failure prints its own.

use super::*;
use crate::a64::Row;
use crate::ir::{Block, Listing, Machine, evaluate, record};
use crate::model::Model;
use crate::state::Pstate;
use anyvisor_arch::descriptor::{AF, AP_EL0, Granule, SH_INNER, VALID};
use anyvisor_arch::pstate::Mode;
use anyvisor_arch::sysreg::{Encoding, SysReg};
use anyvisor_arch::{mair, sctlr, tcr};
use anyvisor_vm::Perms;
use std::collections::HashSet;
use std::sync::atomic::Ordering;

/// How many blocks.
const BLOCKS: u64 = 12_000;
/// Another seed than the usual.
const SEED: &str = "ANYVISOR_SEED";

/// Where RAM is for EL1 (and in IPA), and the same RAM for EL0.
const RAM: u64 = 0x4000_0000;
const RAM_EL0: u64 = 0x8000_0000;
const RAM_SIZE: u64 = 0x4000;
/// The table of level 1, the code, and what loads and stores go to.
const CODE: u64 = 0x1000;
const DATA: u64 = 0x2000;
const DATA_SIZE: u64 = 0x2000;
/// CPACR_EL1.FPEN: nothing traps.
const FPEN: u64 = 3 << 20;
/// SYS: DC ZVA, DC CVAC, DC CIVAC, IC IVAU, IC IALLU, TLBI VMALLE1, TLBI VAE1, AT S1E1R.
const OPERATIONS: [(u16, u16, u16, u16); 8] = [
    (3, 7, 4, 1),
    (3, 7, 10, 1),
    (3, 7, 14, 1),
    (3, 7, 5, 1),
    (0, 7, 5, 0),
    (0, 8, 7, 0),
    (0, 8, 7, 1),
    (0, 7, 8, 0),
];
/// Rows whose instructions never complete: they are exceptions.
const NEVER_COMPLETE: [&str; 4] = ["Svc", "Smc", "Brk", "Udf"];
/// The longest of the blocks.
const MOST_WORDS: u64 = 24;

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// Any number, but often one at which something changes.
    fn value(&mut self) -> u64 {
        let sign = if self.below(2) == 0 { 0 } else { u64::MAX };
        match self.below(6) {
            0 => self.below(80) ^ sign,
            1 => 1 << self.below(64) ^ sign,
            2 => u64::MAX >> self.below(64) ^ sign,
            3 => [1u64 << 63, 1 << 31][self.below(2) as usize].wrapping_sub(self.below(3)),
            _ => self.bits(),
        }
    }
}

/// The interpreter as the evaluator's machine.
impl Machine for Interp<'_> {
    fn begin(&mut self, pc: u64) {
        self.cpu.pc = pc;
        self.next = pc.wrapping_add(4);
    }
}

/// RAM and a vCPU.
struct Side {
    memory: GuestMemory,
    _host: Vec<u8>,
    cpu: Cpu,
    tlb: Tlb,
    code: CodeCache,
}

/// What can be seen after a block.
#[derive(PartialEq)]
struct Outcome {
    /// Where it went, or why it stopped.
    end: Result<u64, String>,
    x: [u64; 32],
    sp: [u64; 2],
    pc: u64,
    pstate: Pstate,
    v: [u128; 32],
    sys: Vec<u64>,
    exclusive: String,
    event: bool,
    attend: bool,
    stale: Stale,
    ram: Vec<u64>,
}

impl Outcome {
    /// Everything, each with its name.
    fn lines(&self) -> Vec<String> {
        let Self { end, x, sp, pc, pstate, v, sys, exclusive, event, attend, stale, ram } = self;
        let mut lines = vec![
            format!("end {end:x?}"),
            format!("pc {pc:#x}, PSTATE {:#x}, SP_EL0 {:#x}, SP_EL1 {:#x}", pstate.0, sp[0], sp[1]),
            format!("event {event}, attend {attend}, stale {stale:?}, {exclusive}"),
        ];
        lines.extend(x.iter().enumerate().map(|(n, x)| format!("x{n} {x:#x}")));
        lines.extend(v.iter().enumerate().map(|(n, v)| format!("v{n} {v:#x}")));
        lines.extend(sys.iter().zip(SysReg::ALL).map(|(v, reg)| format!("{} {v:#x}", reg.name())));
        let word = |(i, word)| format!("memory at {:#x}: {word:#x}", RAM as usize + 8 * i);
        lines.extend(ram.iter().enumerate().map(word));
        lines
    }
}

impl Side {
    fn new() -> Self {
        let host = vec![0u8; RAM_SIZE as usize + 0x4000];
        let base = (host.as_ptr() as usize).next_multiple_of(0x4000);
        let memory = GuestMemory::new(36, 0x4000);
        memory.map(base, RAM, RAM_SIZE, Perms::all()).unwrap();
        let (cpu, tlb, code) = (Cpu::new(36, 0), Tlb::default(), CodeCache::default());
        Self { memory, _host: host, cpu, tlb, code }
    }

    /// Puts a block and a random state there: the same for the same `random`.
    fn prepare(&mut self, words: &[u32], random: &mut Random) {
        let map = self.memory.enter();
        let page = |offset: u64| map.lookup(RAM + offset).unwrap().0.get(&map).unwrap();
        for offset in (0..RAM_SIZE).step_by(8) {
            let value = if offset < DATA { 0 } else { random.bits() };
            page(offset).store_u64((RAM + offset) as usize, value, Ordering::Relaxed);
        }
        // Two blocks of 1 GiB with the same RAM behind them: EL1's and EL0's.
        let attributes = VALID | AF | SH_INNER;
        let table = page(0);
        table.store_u64((RAM + 8) as usize, RAM | attributes, Ordering::Relaxed);
        table.store_u64((RAM + 16) as usize, RAM | attributes | AP_EL0, Ordering::Relaxed);
        for (i, word) in words.iter().enumerate() {
            let at = RAM + CODE + 4 * i as u64;
            page(CODE).store_u32(at as usize, *word, Ordering::Relaxed);
        }
        drop(map);

        let mut cpu = Cpu::new(36, 0);
        let control = sctlr::RESET | sctlr::M | sctlr::C | sctlr::I;
        let choices = sctlr::SA | sctlr::SA0 | sctlr::A | sctlr::UCI | sctlr::UCT | sctlr::DZE;
        cpu.set(SysReg::SCTLR_EL1, control | random.bits() & random.bits() & choices);
        cpu.set(SysReg::TCR_EL1, tcr::T0SZ.put(25) | tcr::tg0(Granule::K4) | tcr::EPD1 | tcr::TBI0);
        cpu.set(SysReg::MAIR_EL1, mair::of(&[mair::NORMAL_WB]));
        cpu.set(SysReg::TTBR0_EL1, RAM);
        cpu.set(SysReg::FPCR, random.bits() & 0x07f7_0000);
        if random.below(8) != 0 {
            cpu.set(SysReg::CPACR_EL1, FPEN);
        }
        let el0 = random.below(2) == 0;
        let ram = if el0 { RAM_EL0 } else { RAM };
        let mode = if el0 { Mode::El0t } else { Mode::El1h };
        cpu.pstate = Pstate(mode.bits() | random.bits() & (pstate::NZCV | pstate::DAIF));
        for n in 0..31 {
            cpu.x[n] = match random.below(3) {
                0 => random.value(),
                // An address for loads and stores: in the middle, at the end, or with a tag.
                _ => match random.below(8) {
                    0 => ram + RAM_SIZE - random.below(32),
                    1 => (ram + DATA + random.below(DATA_SIZE)) | random.bits() << 56,
                    2 => ram + DATA + random.below(DATA_SIZE),
                    _ => ram + DATA + random.below(DATA_SIZE) / 16 * 16,
                },
            };
        }
        for sp in &mut cpu.sp {
            *sp = ram + DATA + random.below(DATA_SIZE) / 16 * 16 + random.below(9) / 8;
        }
        for v in &mut cpu.v {
            *v = u128::from(random.value()) << 64 | u128::from(random.value());
        }
        cpu.pc = ram + CODE;
        cpu.processor.model = if random.below(2) == 0 { Model::M1 } else { Model::M2 };
        cpu.irq = random.below(4) == 0;
        cpu.event = random.below(2) == 0;
        cpu.regime_changed();
        self.cpu = cpu;
        self.tlb.flush_all();
        self.code.new_epoch(Stale::Words);
    }

    /// Runs what is at PC by `run`, and looks at everything.
    fn run(
        &mut self,
        run: impl FnOnce(&mut Interp<'_>, &mut CodeCache) -> Result<(), Stopped>,
    ) -> Outcome {
        let map = self.memory.enter();
        let now = || 0x1234_5678;
        let mut interp = Interp::new(&mut self.cpu, &mut self.tlb, &map, &now);
        interp.left = 1000;
        interp.stale = Stale::Nothing;
        let end = match run(&mut interp, &mut self.code) {
            Ok(()) => Ok(interp.next),
            Err(Stopped) => Err(format!("{:x?}", interp.stop)),
        };
        let (attend, stale) = (interp.left <= 0, interp.stale);
        drop(interp);
        let cpu = &self.cpu;
        let word = |offset: u64| {
            let page = map.lookup(RAM + offset).unwrap().0.get(&map).unwrap();
            page.load_u64((RAM + offset) as usize, Ordering::Relaxed)
        };
        Outcome {
            end,
            x: cpu.x,
            sp: cpu.sp,
            pc: cpu.pc,
            pstate: cpu.pstate,
            v: cpu.v,
            sys: cpu.sys.to_vec(),
            exclusive: format!("{:x?}", cpu.exclusive),
            event: cpu.event,
            attend,
            stale,
            ram: (0..RAM_SIZE).step_by(8).map(word).collect(),
        }
    }
}

/// A random word of a random row; once in a while any word at all.
fn word(random: &mut Random, rows: &[Row]) -> u32 {
    if random.below(64) == 0 {
        return random.bits() as u32;
    }
    let row = rows[random.below(rows.len() as u64) as usize];
    let pattern = row.pattern();
    let mut word = 0;
    // Few tries more, so that rows with many reserved values have their turn as well.
    for _ in 0..8 {
        let mut free = random.bits() as u32;
        // Random numbers are seldom those of a system register.
        let encoding = match row.name() {
            "Mrs" | "MsrReg" => SysReg::ALL[random.below(SysReg::COUNT as u64) as usize].encoding(),
            "Sys" => {
                let (op1, crn, crm, op2) = OPERATIONS[random.below(8) as usize];
                Encoding::new(1, op1, crn, crm, op2)
            }
            _ => Encoding(0),
        };
        if encoding != Encoding(0) && random.below(8) != 0 {
            free = free & 0x1f | u32::from(encoding.0) << 5;
        }
        if row.name().starts_with("LoadLiteral") && random.below(4) != 0 {
            // In front of the end of RAM.
            free = free & !(0x7_ffff << 5) | (random.below((RAM_SIZE - CODE) / 4) as u32) << 5;
        }
        word = pattern.value | free & !pattern.mask;
        if Row::of(word) == row {
            break;
        }
    }
    word
}

/// A block: rows that do not end one, and at last perhaps one that does.
fn words(random: &mut Random, inner: &[Row], last: &[Row]) -> Vec<u32> {
    let most = 1 + random.below(MOST_WORDS);
    let count = random.below(most);
    let mut words: Vec<_> = (0..count).map(|_| word(random, inner)).collect();
    words.push(word(random, last));
    words
}

#[test]
fn interpreter_and_evaluator_agree_on_random_blocks() {
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let (last, inner): (Vec<_>, Vec<_>) = Row::all().partition(|row| row.ends_block());
    let (mut interpreted, mut evaluated) = (Side::new(), Side::new());
    let (mut whole, mut stopped) = (0, 0);
    let mut completed = HashSet::new();
    for number in 0..BLOCKS {
        // Each block has a seed of its own.
        let mut random = Random(seed << 32 ^ number);
        let words = words(&mut random, &inner, &last);
        interpreted.prepare(&words, &mut random.clone());
        evaluated.prepare(&words, &mut random);

        let expected = interpreted.run(|interp, code| {
            let pc = interp.cpu.pc;
            let ops = code.block(interp, pc)?;
            interp.run_block::<false>(pc, ops)
        });
        let pc = evaluated.cpu.pc;
        let mut block = Block::default();
        let actual = evaluated.run(|interp, code| {
            // The same fetch, so that the TLBs hold the same; and the same words.
            let ops = code.block(interp, pc)?;
            block = record(ops.iter().map(|op| op.word));
            assert_eq!(block.words.len(), ops.len(), "both end a block at the same row");
            evaluate(&block, pc, interp)
        });

        if actual != expected {
            panic!(
                "block {number} of seed {seed} ({SEED}={seed} runs it again)\n{}\n{}",
                Listing { block: &block, pc },
                difference(&expected, &actual),
            );
        }
        let done = match expected.end {
            Ok(_) => block.words.len(),
            Err(_) => (expected.pc.wrapping_sub(pc) / 4) as usize,
        };
        completed.extend(block.words[..done].iter().map(|word| Row::of(*word)));
        match expected.end {
            Ok(_) => whole += 1,
            Err(_) => stopped += 1,
        }
    }
    // A test in which nothing runs to its end, or nothing stops, shows little.
    assert!(whole > BLOCKS / 20 && stopped > BLOCKS / 20, "{whole} whole, {stopped} stopped");
    let missed = |row: &Row| !completed.contains(row) && !NEVER_COMPLETE.contains(&row.name());
    let missed: Vec<_> = Row::all().filter(missed).map(Row::name).collect();
    assert!(missed.is_empty(), "rows of which no instruction was completed: {missed:?}");
}

/// The lines in which two outcomes differ.
fn difference(interpreter: &Outcome, evaluator: &Outcome) -> String {
    let (a, b) = (interpreter.lines(), evaluator.lines());
    let differs = a.iter().zip(&b).filter(|(a, b)| a != b);
    let line = |(a, b): (&String, &String)| format!("interpreter: {a}\n  evaluator: {b}");
    differs.take(20).map(line).collect::<Vec<_>>().join("\n")
}
