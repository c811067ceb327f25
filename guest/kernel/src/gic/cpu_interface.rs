//! This CPU's interface to the GIC: the ICC registers (IHI 0069, "CPU interface register
//! descriptions"), each access with the barrier after it that makes its effect seen.

use core::arch::asm;

use anyvisor_arch::gic::icc::{self, sgir};
use anyvisor_arch::gic::intid;

macro_rules! read_only {
    ($($(#[$doc:meta])* $read:ident = $register:literal;)*) => {
        $(
            $(#[$doc])*
            pub fn $read() -> u64 {
                let value: u64;
                // SAFETY: a register of the CPU interface; what reading IAR acknowledges is the
                // caller's to end. Not `nomem`: it stays where it is among accesses of devices.
                unsafe {
                    asm!(concat!("mrs {}, ", $register), "dsb sy", out(reg) value, options(nostack));
                }
                value
            }
        )*
    };
}

macro_rules! write_only {
    ($($(#[$doc:meta])* $write:ident = $register:literal;)*) => {
        $(
            $(#[$doc])*
            pub fn $write(value: u64) {
                // SAFETY: a register of the CPU interface; no interrupt is taken for it that the
                // caller has not unmasked.
                unsafe {
                    asm!(
                        "dsb sy", // what was written to memory comes before it
                        concat!("msr ", $register, ", {}"),
                        "isb",
                        in(reg) value,
                        options(nostack)
                    );
                }
            }
        )*
    };
}

macro_rules! registers {
    ($($(#[$doc:meta])* $read:ident, $write:ident = $register:literal;)*) => {
        read_only! { $($(#[$doc])* $read = $register;)* }
        write_only! {
            $(
                /// Writes it.
                $write = $register;
            )*
        }
    };
}

registers! {
    /// The lowest priority that is masked.
    pmr, set_pmr = "icc_pmr_el1";
    /// Binary point of Group 0.
    bpr0, set_bpr0 = "icc_bpr0_el1";
    /// Binary point of Group 1.
    bpr1, set_bpr1 = "icc_bpr1_el1";
    /// EOImode, CBPR, and what is implemented.
    ctlr, set_ctlr = "icc_ctlr_el1";
    /// The active priorities of Group 0: a bit for each that is a multiple of 8.
    ap0r0, set_ap0r0 = "icc_ap0r0_el1";
    /// The active priorities of Group 1.
    ap1r0, set_ap1r0 = "icc_ap1r0_el1";
    /// System register access.
    sre, set_sre = "icc_sre_el1";
}

read_only! {
    /// The running priority; 0xff: idle.
    rpr = "icc_rpr_el1";
    /// Acknowledges the highest priority pending interrupt, if it is of Group 0.
    iar0 = "icc_iar0_el1";
    /// Acknowledges the highest priority pending interrupt, if it is of Group 1.
    iar1 = "icc_iar1_el1";
    /// The highest priority pending interrupt, if it is of Group 0.
    hppir0 = "icc_hppir0_el1";
    /// The highest priority pending interrupt, if it is of Group 1.
    hppir1 = "icc_hppir1_el1";
}

write_only! {
    /// Enables Group 0.
    set_igrpen0 = "icc_igrpen0_el1";
    /// Enables Group 1.
    set_igrpen1 = "icc_igrpen1_el1";
    /// Priority drop, and with EOImode 0 deactivation, of an interrupt of Group 0.
    set_eoir0 = "icc_eoir0_el1";
    /// The same of Group 1.
    set_eoir1 = "icc_eoir1_el1";
    /// Deactivates an interrupt; with EOImode 1.
    set_dir = "icc_dir_el1";
    /// Sends an SGI that is of Group 0 at its target.
    set_sgi0r = "icc_sgi0r_el1";
    /// Sends an SGI that is of Group 1 at its target.
    set_sgi1r = "icc_sgi1r_el1";
}

/// The INTID that says that there is none.
pub const NONE: u64 = intid::SPURIOUS as u64;
/// ICC_RPR_EL1 when nothing is active.
pub const IDLE: u64 = icc::IDLE_PRIORITY as u64;

/// How many of a priority's eight bits, the upper ones, are implemented.
pub fn priority_bits() -> u64 {
    icc::ctlr::PRI_BITS.get(ctlr()) + 1
}

/// ICC_SGI1R_EL1 of an SGI to one CPU.
pub fn sgi(intid: u32, affinity: u64) -> u64 {
    let aff = |n: u32| affinity >> n & 0xff;
    sgir::AFF3.put(aff(32))
        | sgir::RS.put(aff(0) >> 4)
        | sgir::AFF2.put(aff(16))
        | sgir::INTID.put(intid.into())
        | sgir::AFF1.put(aff(8))
        | sgir::TARGET_LIST.put(1 << (aff(0) & 0xf))
}

/// ICC_SGI1R_EL1 of an SGI to all CPUs but this one.
pub fn sgi_to_others(intid: u32) -> u64 {
    sgir::IRM | sgir::INTID.put(intid.into())
}

/// ISR_EL1.I: an IRQ is signalled to this CPU, masked or not.
pub const IRQ: u64 = 1 << 7;
/// ISR_EL1.F: a FIQ is.
pub const FIQ: u64 = 1 << 6;

/// What is signalled to this CPU now: [`IRQ`], [`FIQ`].
pub fn signalled() -> u64 {
    let isr: u64;
    // SAFETY: reads a register.
    unsafe { asm!("dsb sy", "isb", "mrs {}, isr_el1", out(reg) isr, options(nostack)) };
    isr & (IRQ | FIQ)
}
