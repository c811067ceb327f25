//! Exceptions to EL1, hypercalls, device accesses: leaving the straight path and coming back.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::VBAR_EL1;
use tock_registers::interfaces::{Readable, Writeable};

use super::kernels::*;
use super::space::Space;
use super::{Report, Setting, time};
use crate::machine::{Conduit, Region};
use crate::{println, user_code};

core::arch::global_asm!(include_str!("traps.S"), options(raw));

// SAFETY: the signature is that of traps.S.
unsafe extern "C" {
    /// Needs [`bench_vectors`]; `code` is what EL0 executes.
    fn bench_user(n: u64, code: u64) -> u64;
    static bench_vectors: u8;
}

/// Times `n` events of `insns` instructions each.
fn events(name: &'static str, n: u64, insns: u64, body: impl FnOnce(u64)) {
    let (ticks, _) = time(|| {
        body(n);
        0
    });
    Report { name, events: n, insns: n * insns, ticks, ..Report::NOTHING }.print();
}

/// Runs `body` with the short handlers.
fn with_short_handlers(body: impl FnOnce(u64)) -> impl FnOnce(u64) {
    |n| {
        let vectors = VBAR_EL1.get();
        VBAR_EL1.set((&raw const bench_vectors) as u64);
        barrier::isb(barrier::SY);
        body(n);
        VBAR_EL1.set(vectors);
        barrier::isb(barrier::SY);
    }
}

/// PSCI_VERSION: to the hypervisor and back.
pub fn hvc(setting: &Setting) {
    if setting.machine.psci != Some(Conduit::Hvc) {
        println!("# hvc: left out, the FDT does not say that PSCI is called by HVC");
        return;
    }
    // SAFETY: the FDT says that HVC is served.
    events("hvc", setting.times(2_000_000), 4, |n| unsafe {
        let version = bench_hvc(n) as u32;
        assert!(version.cast_signed() > 0, "PSCI_VERSION returned {version:#x}");
    });
}

/// SVC and ERET within EL1.
pub fn svc_el1(setting: &Setting) {
    // SAFETY: the short handlers return from SVC, and use X9 only.
    let body = |n| unsafe {
        bench_svc(n);
    };
    events("svc_el1", setting.times(3_000_000), 6, with_short_handlers(body));
}

/// SVC from EL0 and ERET.
pub fn svc_el0(setting: &Setting) {
    // SAFETY: the short handlers return from SVC #0, and from `bench_user` after SVC #1; EL0's
    // code uses X0 only.
    let body = |n| unsafe {
        bench_user(n, user_code!(bench_user_loop));
    };
    events("svc_el0", setting.times(3_000_000), 6, with_short_handlers(body));
}

/// A load that finds no translation, whose handler skips it.
pub fn dabort(setting: &Setting) {
    let space = Space::new(setting);
    // SAFETY: the load faults, which the short handlers expect.
    let body = |n| unsafe {
        bench_load(n, space.hole());
    };
    // The load itself is not executed.
    events("dabort", setting.times(1_000_000), 8, with_short_handlers(body));
}

/// Registers of the console that can be accessed at any time without effect.
mod uart {
    /// UARTFR: flags.
    pub const FR: u64 = 0x018;
    /// UARTICR: interrupt clear; writing 0 clears none.
    pub const ICR: u64 = 0x044;
}

/// Reads the console's flags.
pub fn mmio_uart_rd(setting: &Setting) {
    with_uart(setting, "mmio_uart_rd", |n, uart| {
        // SAFETY: a register of the console, mapped; reading it changes nothing.
        unsafe { bench_load(n, uart.start + uart::FR) };
    });
}

/// Writes a 0 to the console's interrupt clear register.
pub fn mmio_uart_wr(setting: &Setting) {
    with_uart(setting, "mmio_uart_wr", |n, uart| {
        // SAFETY: a register of the console, mapped; writing 0 changes nothing.
        unsafe { bench_store(n, uart.start + uart::ICR, 0) };
    });
}

fn with_uart(setting: &Setting, name: &'static str, body: impl FnOnce(u64, Region)) {
    match setting.machine.pl011() {
        Some(uart) => events(name, setting.times(3_000_000), 3, |n| body(n, uart.registers)),
        None => println!("# {name}: left out, the FDT names no PL011"),
    }
}
