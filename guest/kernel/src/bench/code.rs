//! Code that was not executed before: much of it once, or a little of it changed again and again.

use core::arch::asm;

use super::kernels::bench_selfmod;
use super::space::{Code, Space};
use super::{Report, Setting, time};
use crate::access::RET;

/// Straight-line code, run three times: decoding or translating it is most of the first.
pub fn cold(setting: &Setting) {
    const LARGEST: u64 = 8_000_000;
    let insns = setting.times(1_000_000).min(LARGEST);
    let mut space = Space::new(setting);
    let data = space.pages(1);
    let code = space.code(insns * 4);
    generate(&code, insns);
    for name in ["cold_1st", "cold_2nd", "cold_3rd"] {
        let (ticks, _) = time(|| {
            // SAFETY: the code was just generated; it uses X1 to X8, the flags, and the first
            // 2 KiB at X0.
            unsafe {
                asm!(
                    "blr {code}", code = in(reg) code.fetched, inout("x0") data => _,
                    out("x1") _, out("x2") _, out("x3") _, out("x4") _, out("x5") _, out("x6") _,
                    out("x7") _, out("x8") _, out("x30") _,
                );
            }
            0
        });
        Report { name, insns, ticks, ..Report::NOTHING }.print();
    }
}

/// Writes `insns` instructions, the last a RET, eight kinds in turn with registers at random.
fn generate(code: &Code, insns: u64) {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64; // xorshift64
    for i in 0..insns {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let word = if i + 1 == insns { RET } else { instruction(i % 8, random) };
        // SAFETY: memory of our own, at its own address.
        unsafe { ((code.written + i * 4) as *mut u32).write_volatile(word) };
    }
    const LINE: usize = 16; // the smallest line that CTR_EL0 can tell of: 4 words
    let lines = || (0..insns * 4).step_by(LINE);
    for at in lines() {
        // SAFETY: cleans the data cache by address, of mapped memory.
        unsafe { asm!("dc cvau, {}", in(reg) code.written + at, options(nostack)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack)) };
    for at in lines() {
        // SAFETY: invalidates the instruction cache by address, of mapped memory.
        unsafe { asm!("ic ivau, {}", in(reg) code.fetched + at, options(nostack)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack)) };
}

/// One of eight instructions on X1 to X8, and memory at X0.
fn instruction(kind: u64, random: u64) -> u32 {
    let register = |shift: u32| 1 + (random >> shift) as u32 % 8;
    let (rd, rn, rm) = (register(0), register(8) << 5, register(16) << 16);
    let offset = ((random >> 24) as u32 % 256) << 10; // in doublewords
    let condition = ((random >> 32) as u32 % 14) << 12; // not AL, NV
    match kind {
        0 => 0x8b00_0000 | rm | rn | rd,             // ADD Xd, Xn, Xm
        1 => 0xca00_0000 | rm | rn | rd,             // EOR Xd, Xn, Xm
        2 => 0xf940_0000 | offset | rd,              // LDR Xd, [X0, #offset]
        3 => 0xeb00_001f | rm | rn,                  // CMP Xn, Xm
        4 => 0x9a80_0000 | rm | condition | rn | rd, // CSEL Xd, Xn, Xm, condition
        5 => 0xf900_0000 | offset | rd,              // STR Xd, [X0, #offset]
        6 => 0xd351_a000 | rn | rd,                  // UBFM Xd, Xn, #17, #40
        _ => 0xb400_0020 | rd,                       // CBZ Xd, the next instruction
    }
}

/// An instruction that is changed before each call, as a dynamic linker or compiler does.
pub fn selfmod(setting: &Setting) {
    let n = setting.times(30_000);
    let mut space = Space::new(setting);
    let code = space.code(8);
    // SAFETY: code memory of our own; the routine puts two instructions there.
    let (ticks, check) = time(|| unsafe { bench_selfmod(n, code.written, code.fetched) });
    let insns = n * 15;
    Report { name: "selfmod", events: n, insns, ticks, check, ..Report::NOTHING }.print();
}
