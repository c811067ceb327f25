//! The monitor's services (`anyvisor_abi::service`), typed. A case that uses one says that it
//! needs them.

use anyvisor_abi::service::*;
use anyvisor_arch::esr::Esr;

use crate::{gic, hypercall, image};

/// What the exit that is announced must look like. `None`: any.
#[derive(Clone, Copy)]
pub struct Expected {
    /// Exception class.
    pub ec: u64,
    /// ISS, and which of its bits count.
    pub iss: (u64, u64),
    /// The faulting virtual address.
    pub far: Option<u64>,
    /// The faulting IPA.
    pub ipa: Option<u64>,
    /// The instruction.
    pub pc: Option<u64>,
    /// How to go on: [`AFTER_SKIP`], [`AFTER_GRANT`], [`AFTER_HANDLE`].
    pub after: u64,
}

/// What the monitor saw of the announced exit.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// ESR_EL2.
    pub esr: Esr,
    /// FAR_EL2.
    pub far: u64,
    /// The IPA.
    pub ipa: u64,
    /// The PC at the exit.
    pub pc: u64,
    /// Whether one came, and agreed.
    pub verdict: u64,
    /// Which fields differed: bit 0 EC, 1 ISS, 2 FAR, 3 IPA, 4 PC.
    pub differs: u64,
}

fn must(function: u32, arguments: &[u64]) -> [u64; 18] {
    let result = hypercall::call(function, arguments);
    assert!(result[0] == 0, "service {function:#x} refused: {}", result[0].cast_signed());
    result
}

/// Announces the next exit.
pub fn expect_exit(e: Expected) {
    let any = |field: Option<u64>| field.unwrap_or(ANY);
    let arguments = [e.ec, e.iss.0, e.iss.1, any(e.far), any(e.ipa), any(e.pc), e.after];
    must(EXPECT_EXIT, &arguments);
}

/// What the monitor saw; clears it.
pub fn exit_record() -> Seen {
    let r = must(EXIT_RECORD, &[]);
    Seen { esr: Esr(r[1]), far: r[2], ipa: r[3], pc: r[4], verdict: r[5], differs: r[6] }
}

/// Changes the stage-2 permissions of some pages.
pub fn protect(ipa: u64, size: u64, permissions: u64) {
    must(PROTECT, &[ipa, size, permissions]);
}

/// Drives an interrupt line of this vCPU, now or after `delay` nanoseconds.
pub fn inject(line: u64, level: u64, delay: u64) {
    must(INJECT, &[line, level, delay]);
}

/// Drives an SPI's line, now or after `delay` nanoseconds.
pub fn inject_spi(intid: u32, level: u64, delay: u64) {
    must(INJECT_SPI, &[intid.into(), level, delay]);
}

/// Sends a message, now or after `delay` nanoseconds.
pub fn inject_message(intid: u32, delay: u64) {
    must(INJECT_MSI, &[intid.into(), delay]);
}

/// Unmasks the virtual timer's exit, which the hypervisor masked when it came.
pub fn unmask_virtual_timer() {
    must(VTIMER, &[VTIMER_SET_MASK, 0]);
}

/// Sets the virtual counter's offset; returns the one before.
pub fn set_virtual_offset(offset: u64) -> u64 {
    must(VTIMER, &[VTIMER_SET_OFFSET, offset])[1]
}

/// How often the virtual timer made the vCPU exit.
pub fn virtual_timer_exits() -> u64 {
    must(VTIMER, &[VTIMER_COUNT])[1]
}

/// Cancels the next entry after `delay` nanoseconds; returns how many were cancelled so far.
pub fn cancel(delay: u64) -> u64 {
    must(CANCEL, &[delay])[1]
}

/// The host's monotonic clock in nanoseconds.
pub fn host_time() -> u64 {
    must(HOST_TIME, &[])[1]
}

/// Puts back what a case that failed may have left: lines low, the virtual timer's exit on, no
/// exit announced, the arena as its segment says (RWX).
pub fn reset() {
    if !gic::is_present() {
        inject(LINE_IRQ, LEVEL_LOW, 0);
        inject(LINE_FIQ, LEVEL_LOW, 0);
        unmask_virtual_timer();
    }
    exit_record();
    let arena = image::arena();
    protect(arena.start, arena.end - arena.start, PERM_READ | PERM_WRITE | PERM_EXEC);
}
