//! Pointer authentication: what signing adds, what authenticating takes away, and what it makes of
//! a forged pointer.
//!
//! ```text
//!   63:56   55     54:39          38:0            (39-bit addresses)
//!   code    half   code           address
//!   PACIA: code = QARMA or other (address, modifier, key)
//! ```
//!
//! The keys are system registers of EL1 (APIAKeyLo_EL1 and so on), a pair each; a hypervisor
//! switches them with the vCPU. With HCR_EL2.API or APK = 0 their use traps to EL2, which is how it
//! finds out who needs them, and how it must not leave them when the ID registers claim the
//! feature.

use core::arch::asm;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ID_AA64ISAR1_EL1, SCTLR_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::{id::isar1, sctlr};
use tock_registers::interfaces::{Readable, Writeable};

use crate::{case, check_eq, skip};

/// A kernel address: TTBR1's half, 39 bits, so that the code has bits 54:39 (bit 55 says which
/// half, and the top byte is not a tag).
const POINTER: u64 = 0xffff_ff80_1234_5678;
const MODIFIER: u64 = 0x1122_3344_5566_7788;
/// Bits that a code may take: not the address, not bit 55.
const CODE: u64 = 0xff7f_ff80_0000_0000;

/// Turns the keys for instructions on, with known values, or skips.
fn enable() {
    let id = ID_AA64ISAR1_EL1.get();
    if isar1::APA.get(id) == 0 && isar1::API.get(id) == 0 {
        skip!("ID_AA64ISAR1_EL1 says no pointer authentication");
    }
    set_key_a(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
    // SAFETY: the keys are nobody else's.
    unsafe {
        asm!(
            ".arch armv8.3-a",
            "msr APIBKeyLo_EL1, {low}",
            "msr APIBKeyHi_EL1, {high}",
            "msr APGAKeyLo_EL1, {high}",
            "msr APGAKeyHi_EL1, {low}",
            low = in(reg) 0x1357_9bdf_0246_8ace_u64,
            high = in(reg) 0xdead_beef_cafe_f00d_u64,
            options(nomem, nostack),
        );
    }
    SCTLR_EL1.set(SCTLR_EL1.get() | sctlr::EN_IA | sctlr::EN_IB);
    barrier::isb(barrier::SY);
}

fn set_key_a(low: u64, high: u64) {
    // SAFETY: the keys are nobody else's.
    unsafe {
        asm!(
            ".arch armv8.3-a",
            "msr APIAKeyLo_EL1, {low}",
            "msr APIAKeyHi_EL1, {high}",
            "isb",
            low = in(reg) low,
            high = in(reg) high,
            options(nomem, nostack),
        );
    }
}

macro_rules! instruction {
    ($name:ident, $text:literal) => {
        fn $name(pointer: u64, modifier: u64) -> u64 {
            let mut result = pointer;
            // SAFETY: computes with registers.
            unsafe {
                asm!(
                    ".arch armv8.3-a",
                    concat!($text, " {result}, {modifier}"),
                    result = inout(reg) result,
                    modifier = in(reg) modifier,
                    options(nomem, nostack),
                );
            }
            result
        }
    };
}
instruction!(pacia, "pacia");
instruction!(pacib, "pacib");
instruction!(autia, "autia");
instruction!(autib, "autib");

fn xpaci(pointer: u64) -> u64 {
    let mut result = pointer;
    // SAFETY: computes with a register.
    unsafe {
        asm!(".arch armv8.3-a", "xpaci {}", inout(reg) result, options(nomem, nostack));
    }
    result
}

case! {
    /// PACIA fills the unused upper bits of an address with a code made of address, modifier and
    /// key A; AUTIA with the same modifier and key takes it away and gives the address back; XPACI
    /// strips it without a look. Bit 55 stays: it says which half the address is of.
    ///
    /// The case signs three pointers of both halves with four modifiers, and wants no bit changed
    /// outside the code, AUTIA and XPACI to give the pointer, and that at least one got a code at
    /// all.
    ///
    /// ```text
    ///   0xffff_ff80_1234_5678 --PACIA--> 0xXX[1]X_XX80_1234_5678
    ///                         <--AUTIA--
    /// ```
    ///
    /// The keys belong to the vCPU and must survive an exit: a hypervisor that loses one changes
    /// nothing until a function returns, whose AUTIA then fails, and the process dies at random.
    /// The size of the code follows TCR_EL1's T0SZ, T1SZ and TBI at that moment; an emulator that
    /// caches it misses a change.
    "pauth.round_trip": "PACIA then AUTIA gives the pointer back; XPACI strips it";
    reference: "DDI 0487: PACIA, AUTIA, XPACI; AddPAC, Auth, Strip";
    needs: Needs::NONE;
    fn round_trip() {
        enable();
        let mut codes = 0;
        for modifier in [0, MODIFIER, u64::MAX, 1] {
            for pointer in [POINTER, POINTER + 4, 0x0000_0012_3456_7890] {
                let signed = pacia(pointer, modifier);
                check_eq!((signed ^ pointer) & !CODE, 0, "bits beyond the code of {:#x}", signed);
                check_eq!(autia(signed, modifier), pointer, "AUTIA of {:#x}", signed);
                check_eq!(xpaci(signed), pointer, "XPACI of {:#x}", signed);
                codes |= signed ^ pointer;
            }
        }
        assert!(codes != 0, "no pointer got a code");
    }
}

case! {
    /// AUTIA of a pointer that was signed with another modifier, key or value gives something that
    /// is no address: an error code stands in its upper bits (62:61 with no tags, 54:53 with), 0b01
    /// for key A, 0b10 for B. The access through it faults later. With FEAT_FPAC the AUTIA itself
    /// faults; then, and with FEAT_EPAC or FEAT_PAuth2, the case skips.
    ///
    /// The case tries another modifier, key B for A, A for B, and key A with another value. All the
    /// rest of the address must be as it was. A code may fit by accident once in 2^16, so one of
    /// four may pass.
    ///
    /// ```text
    ///   AUTIA: code differs --> bits 62:61 = 01, rest sign-extended
    ///          --> blr: translation fault, FAR shows the error code
    /// ```
    ///
    /// An emulator that strips instead of checks runs every program correctly, and protects none. A
    /// hypervisor that shows ID registers of a core with FPAC on one without, or migrates between
    /// them, changes which instruction reports an attack.
    "pauth.forged": "AUTIA of a pointer signed otherwise gives no address: bits 62:61 or 54:53 show";
    reference: "DDI 0487: Auth: error code; ID_AA64ISAR1_EL1.APA, API";
    needs: Needs::NONE;
    fn forged() {
        enable();
        let id = ID_AA64ISAR1_EL1.get();
        if isar1::APA.get(id).max(isar1::API.get(id)) > 1 {
            skip!("ID_AA64ISAR1_EL1 says FEAT_EPAC, FEAT_PAuth2 or FEAT_FPAC");
        }
        let signed = pacia(POINTER, MODIFIER);
        // A code of 16 bits and more is right by accident once in 2^16: with these keys, never
        // for the same pointer in all four.
        let mut accepted = 0;
        let mut forged = |result: u64, key_b: bool| {
            if result == POINTER {
                accepted += 1;
                return;
            }
            // The pointer with an error code in bits 62:61 (no tag): 0b01 for A, 0b10 for B.
            let code = if key_b { 0b10 } else { 0b01 };
            check_eq!(result >> 61 & 0b11, code, "the error code in {:#x}", result);
            check_eq!(result << 3 >> 3, POINTER << 3 >> 3, "the other bits of {:#x}", result);
        };
        forged(autia(signed, MODIFIER + 1), false);
        forged(autib(signed, MODIFIER), true);
        forged(autia(pacib(POINTER, MODIFIER), MODIFIER), false);
        set_key_a(1, 2);
        forged(autia(signed, MODIFIER), false);
        assert!(accepted < 2, "{accepted} of 4 forged pointers were accepted");
    }
}

case! {
    /// SCTLR_EL1.EnIA = 0 makes PACIA and AUTIA do nothing: the pointer stays as it is. Each key
    /// has an enable of its own, so B still works while A is off.
    ///
    /// The case signs a pointer, clears EnIA, and wants PACIA and AUTIA to change nothing, the
    /// signed one included, while AUTIB undoes PACIB.
    ///
    /// ```text
    ///   EnIA = 0   pacia x, m -> x      autia signed -> signed
    ///   EnIB = 1   autib(pacib(x)) -> x
    /// ```
    ///
    /// The enables let a kernel set its keys first. A function that was entered with signing off
    /// must not return with it on, so kernels switch in a function that never returns. An emulator
    /// that applies the change late, at the end of a block, breaks that order. HCR_EL2.API = 0
    /// traps enabled instructions only: what SCTLR_EL1 disables does nothing, and EL2 does not hear
    /// of it.
    "pauth.disabled": "with SCTLR_EL1.EnIA = 0 PACIA and AUTIA change nothing; EnIB is apart";
    reference: "DDI 0487: SCTLR_EL1.EnIA, EnIB";
    needs: Needs::NONE;
    fn disabled() {
        enable();
        let signed = pacia(POINTER, MODIFIER);
        SCTLR_EL1.set(SCTLR_EL1.get() & !sctlr::EN_IA);
        barrier::isb(barrier::SY);
        check_eq!(pacia(POINTER, MODIFIER), POINTER, "PACIA");
        check_eq!(autia(signed, MODIFIER), signed, "AUTIA");
        check_eq!(autib(pacib(POINTER, MODIFIER), MODIFIER), POINTER, "AUTIB of PACIB");
    }
}

case! {
    /// PACGA computes a code of any 64-bit value, with a modifier and a key of its own (APGAKey).
    /// It stands in the upper half of the result, the lower is zero, and SCTLR_EL1's enables do not
    /// matter. ID_AA64ISAR1_EL1.GPA or GPI says whether it is there; else the case skips.
    ///
    /// The case wants the lower half zero, the same result twice, and another for another value or
    /// modifier. If GPA says QARMA5, the code must be one that another implementation (QEMU)
    /// computed with this key.
    ///
    /// ```text
    ///   pacga x0, x1, x2:  x0 = code(x1, x2, APGAKey) : 0000_0000
    /// ```
    ///
    /// With an IMPLEMENTATION DEFINED algorithm (GPI) the value is nobody's business. So a guest
    /// that is migrated between cores of different algorithms finds all its codes wrong, those in
    /// saved stack frames first; a hypervisor must not claim the same ID register there. The two
    /// halves of the 128-bit key are easily exchanged, and all but the comparison passes.
    "pauth.generic": "PACGA: a 32-bit code in the upper half, of value, modifier and key";
    reference: "DDI 0487: PACGA; ID_AA64ISAR1_EL1.GPA, GPI";
    needs: Needs::NONE;
    fn generic() {
        enable();
        let id = ID_AA64ISAR1_EL1.get();
        if isar1::GPA.get(id) == 0 && isar1::GPI.get(id) == 0 {
            skip!("ID_AA64ISAR1_EL1 says no generic authentication");
        }
        let pacga = |value: u64, modifier: u64| -> u64 {
            let result;
            // SAFETY: computes with registers.
            unsafe {
                asm!(
                    ".arch armv8.3-a",
                    "pacga {result}, {value}, {modifier}",
                    result = out(reg) result,
                    value = in(reg) value,
                    modifier = in(reg) modifier,
                    options(nomem, nostack),
                );
            }
            result
        };
        let code = pacga(POINTER, MODIFIER);
        check_eq!(code & 0xffff_ffff, 0, "the lower half");
        check_eq!(pacga(POINTER, MODIFIER), code, "the same again");
        assert!(pacga(POINTER + 1, MODIFIER) != code, "the value does not matter");
        assert!(pacga(POINTER, MODIFIER + 1) != code, "the modifier does not matter");
        if isar1::GPA.get(id) == 1 {
            // QARMA5 with this key, computed by another implementation.
            check_eq!(code, QARMA5, "QARMA5's code");
        }
    }
}

/// See `pauth.generic`: what QEMU 7.2 computes.
const QARMA5: u64 = 0xea78_6246_0000_0000;
