//! Register loops, loads and stores, and two workloads in Rust.

use super::kernels::*;
use super::space::Space;
use super::{Report, Setting, time, workload};

/// Runs a loop of `kernels.S` that needs nothing but registers.
fn loop_of(name: &'static str, n: u64, insns: u64, body: impl FnOnce(u64) -> u64) {
    let (ticks, check) = time(|| body(n));
    Report { name, insns: n * insns, ticks, check, ..Report::NOTHING }.print();
}

/// Mixed arithmetic.
pub fn alu(setting: &Setting) {
    loop_of("alu", setting.times(40_000_000), 20, |n| bench_alu(n));
}

/// Flags and branches on them: how many instructions depends on the data.
pub fn flags(setting: &Setting) {
    loop_of("flags", setting.times(20_000_000), 0, |n| bench_flags(n));
}

/// BL and RET.
pub fn call(setting: &Setting) {
    loop_of("call", setting.times(10_000_000), 15, |n| bench_call(n));
}

/// BR to one of eight places at random.
pub fn ind(setting: &Setting) {
    loop_of("ind", setting.times(10_000_000), 12, |n| bench_ind(n));
}

/// Loads and stores in one page.
pub fn ldst(setting: &Setting) {
    let mut space = Space::new(setting);
    let buffer = space.pages(1);
    // SAFETY: memory of our own, mapped for as long as `space` lives.
    loop_of("ldst", setting.times(10_000_000), 16, |n| unsafe { bench_ldst(n, buffer) });
}

/// A mix of lists, matrices, a scanner and a checksum.
pub fn core(setting: &Setting) {
    loop_of("core", setting.times(20_000), 0, |n| u64::from(workload::mix(n as u32)));
}

/// CRC-32 by table, a byte at a time, over 64 KiB.
pub fn crc32(setting: &Setting) {
    const SIZE: u64 = 64 << 10;
    let mut space = Space::new(setting);
    let buffer = space.pages(SIZE >> 12);
    // SAFETY: memory of our own, mapped for as long as `space` lives.
    let bytes = unsafe { core::slice::from_raw_parts_mut(buffer as *mut u8, SIZE as usize) };
    bytes.fill(0);
    let rounds = setting.times(200);
    let (ticks, check) = time(|| u64::from(workload::crc32(bytes, rounds)));
    Report { name: "crc32", bytes: rounds * SIZE, ticks, check, ..Report::NOTHING }.print();
}
