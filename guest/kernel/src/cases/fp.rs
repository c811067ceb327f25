//! Floating-point and SIMD: the state that an exit must keep, and what the arithmetic says.
//!
//! V0 to V31, FPCR and FPSR are one set for EL0, EL1 and whoever is above. The hypervisor's own
//! code, its C library's `memcpy` above all, uses the same registers. So they must be saved at
//! exits, or protected by CPTR_EL2.TFP until somebody uses them. Arithmetic is the PE's; it is a
//! subject for emulators, whose host has NaNs, denormals and flags of its own.
//!
//! ```text
//!   guest: V, FPCR, FPSR --exit--> hypervisor uses V --entry--> guest
//!                           save                    restore
//! ```

use core::arch::{asm, global_asm};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CPACR_EL1, ID_AA64ISAR0_EL1, ID_AA64PFR0_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_abi::smccc::PSCI_VERSION;
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::id::{isar0, pfr0};
use tock_registers::interfaces::{Readable, Writeable};

use crate::user::{self, User};
use crate::{case, check_eq, hypercall, machine, skip, user_code};

/// Lets EL1 and EL0 use FP and SIMD (CPACR_EL1.FPEN = 0b11), or skips where there is none.
pub fn enable() {
    if pfr0::FP.get(ID_AA64PFR0_EL1.get()) == pfr0::NO_FP {
        skip!("ID_AA64PFR0_EL1.FP says no floating-point");
    }
    CPACR_EL1.set(0b11 << 20);
    barrier::isb(barrier::SY);
}

/// V0 to V31, FPCR and FPSR.
#[repr(C, align(16))]
#[derive(Clone, Copy, PartialEq)]
pub struct State {
    v: [u128; 32],
    pub fpcr: u64,
    pub fpsr: u64,
}

unsafe extern "C" {
    fn fp_load(state: *const State);
    fn fp_store(state: *mut State);
}

impl State {
    /// Different in every byte of every register; FPCR rounds toward zero and flushes, FPSR
    /// has QC and IXC.
    pub fn pattern(seed: u64) -> Self {
        let half = |n: u64| 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n + seed);
        let v = core::array::from_fn(|n| {
            let n = 2 * n as u64;
            u128::from(half(n + 1)) << 64 | u128::from(half(n))
        });
        Self { v, fpcr: 0b11 << 22 | 1 << 24, fpsr: 1 << 27 | 1 << 4 }
    }

    pub fn load(&self) {
        // SAFETY: the target is soft-float: the compiler keeps nothing in the V registers.
        unsafe { fp_load(self) };
    }

    fn now() -> Self {
        let mut state = Self { v: [0; 32], fpcr: 0, fpsr: 0 };
        // SAFETY: writes the whole of one state.
        unsafe { fp_store(&mut state) };
        state
    }

    #[track_caller]
    pub fn check(&self, after: &str) {
        let now = Self::now();
        for n in 0..32 {
            let (seen, wanted) = (now.v[n], self.v[n]);
            assert!(seen == wanted, "V{n} after {after}: {seen:#034x}, expected {wanted:#034x}");
        }
        assert!(now.fpcr == self.fpcr, "FPCR after {after}: {:#x}", now.fpcr);
        assert!(now.fpsr == self.fpsr, "FPSR after {after}: {:#x}", now.fpsr);
    }
}

case! {
    /// A hypervisor has uses of its own for the vector registers. The guest must not see them: all
    /// of V0 to V31, FPCR and FPSR are the same behind an exit. SMCCC says it of calls; for an
    /// access to an emulated device nothing needs to say it, as the guest does not know that there
    /// was an exit.
    ///
    /// The case loads a pattern into all of it (rounding toward zero, flush-to-zero, two sticky
    /// flags), calls PSCI_VERSION, compares; reads a register of the console, compares. Eight
    /// patterns.
    ///
    /// ```text
    ///   load V, FPCR, FPSR --> hvc  --> same
    ///                      --> ldr [UARTFR] --> same
    /// ```
    ///
    /// FPCR and FPSR are what is forgotten, and the upper halves of V8 to V15, since AAPCS64 keeps
    /// only the lower ones. Rounding that leaks out of the host shows as a program that computes
    /// something else after a page fault; a leaked V register as another guest's key.
    "fp.state_over_exits": "V0 to V31, FPCR and FPSR are the same after a call and after MMIO";
    reference: "DDI 0487: FP and SIMD state; DEN 0028: SMCCC preserves the SIMD registers";
    needs: Needs::PSCI;
    fn state_over_exits() {
        enable();
        for seed in 1..9 {
            let state = State::pattern(seed);
            state.load();
            hypercall::call32(PSCI_VERSION, 0);
            state.check("a hypervisor call");
            if let Some(uart) = machine::get().pl011() {
                const UARTFR: u64 = 0x18;
                // SAFETY: reads the flags of a PL011, which changes nothing.
                unsafe { ((uart.registers.start + UARTFR) as *const u32).read_volatile() };
                state.check("an MMIO read");
            }
        }
    }
}

case! {
    /// Exceptions leave the vector registers alone: there is one set, which EL0 and EL1 share. What
    /// EL1 has loaded EL0 finds there after ERET, and back by SVC.
    ///
    /// The case loads a pattern, goes to EL0, where 1.5 and 2.5 are added (FADD D0), and wants 4.0
    /// in V0 with the upper half cleared, and all the others unchanged.
    ///
    /// ```text
    ///   EL1  V1 = 1.5, V2 = 2.5 --eret--> EL0  fadd d0, d1, d2; svc
    ///   EL1  V0 = 4.0, the rest as loaded
    /// ```
    ///
    /// A scalar result clears the rest of its register: an emulator that stores 8 bytes and keeps
    /// the upper ones is wrong in a way that only the next vector operation sees. A kernel depends
    /// on the other half of the case. As the registers are shared it must save them before it uses
    /// them itself, and an emulator that banks them by exception level would give each process the
    /// registers of its last visit.
    "fp.state_el0": "V registers go to EL0 by ERET and come back by SVC; EL0 adds two doubles";
    reference: "DDI 0487: exception entry and return; FADD (scalar)";
    needs: Needs::NONE;
    fn state_el0() {
        enable();
        let mut state = State::pattern(77);
        (state.v[1], state.v[2]) = (0x3ff8_0000_0000_0000, 0x4004_0000_0000_0000); // 1.5, 2.5
        state.load();
        let trap = user::run(&mut User::at(user_code!(user_adds_doubles)));
        check_eq!(trap.esr.0, Esr::immediate(ExceptionClass::Svc, 0).0, "ESR_EL1");
        state.v[0] = 0x4010_0000_0000_0000; // 4.0, and the upper half is cleared
        state.check("EL0's addition");
    }
}

/// FDIV of doubles with a rounding mode (FPCR.RMode): the quotient and FPSR.
fn divide(a: u64, b: u64, fpcr: u64) -> (u64, u64) {
    let (quotient, fpsr): (u64, u64);
    // SAFETY: nobody else uses the V registers; FPCR and FPSR are put back to 0.
    unsafe {
        asm!(
            ".arch_extension fp",
            "msr fpcr, {fpcr}",
            "msr fpsr, xzr",
            "fmov d0, {a}",
            "fmov d1, {b}",
            "fdiv d0, d0, d1",
            "fmov {a}, d0",
            "mrs {b}, fpsr",
            "msr fpcr, xzr",
            "msr fpsr, xzr",
            fpcr = in(reg) fpcr,
            a = inlateout(reg) a => quotient,
            b = inlateout(reg) b => fpsr,
            options(nomem, nostack),
        );
    }
    (quotient, fpsr)
}

case! {
    /// IEEE 754 division in four rounding modes (FPCR.RMode: to nearest, up, down, to zero). 1/3 is
    /// inexact; 1/0 is an infinity and sets DZC; 0/0 is the default NaN and sets IOC; a result too
    /// small is denormal with UFC and IXC, or, with FPCR.FZ, zero with UFC alone.
    ///
    /// The case divides nine times and compares the quotient bit by bit and FPSR as a whole.
    ///
    /// ```text
    ///   FPSR   4 IXC  3 UFC  2 OFC  1 DZC  0 IOC
    ///   FPCR   24 FZ  23:22 RMode
    /// ```
    ///
    /// The flags accumulate until software clears them. An emulator that uses its host's arithmetic
    /// has four traps: the host's rounding mode, the sign of its default NaN (x86's is negative,
    /// Arm's positive), when tininess is detected, and that flushing sets UFC and not IXC here. A
    /// guest notices by wrong last digits, which is what numerical regression tests are made to
    /// find, and by JavaScript engines that look at NaN bits.
    "fp.division": "FDIV: four rounding modes, DZC, IOC, UFC and the default NaN as IEEE 754 has it";
    reference: "DDI 0487: FPDiv, FPRound; FPCR.RMode, FZ; FPSR cumulative bits";
    needs: Needs::NONE;
    fn division() {
        const ONE: u64 = 0x3ff0_0000_0000_0000;
        const THREE: u64 = 0x4008_0000_0000_0000;
        const SMALLEST_NORMAL: u64 = 0x0010_0000_0000_0000;
        let (ioc, dzc, ufc, ixc) = (1, 1 << 1, 1 << 3, 1 << 4);
        enable();
        let down = 0x3fd5_5555_5555_5555;
        for (mode, wanted) in [(0b00, down), (0b01, down + 1), (0b10, down), (0b11, down)] {
            let (seen, fpsr) = divide(ONE, THREE, mode << 22);
            check_eq!(seen, wanted, "1/3 with RMode {}", mode);
            check_eq!(fpsr, ixc, "FPSR of 1/3 with RMode {}", mode);
        }
        let cases = [
            (ONE, 0, 0, 0x7ff0_0000_0000_0000, dzc, "1/0"),
            (0, 0, 0, 0x7ff8_0000_0000_0000, ioc, "0/0"),
            (SMALLEST_NORMAL, THREE, 0, 0x0005_5555_5555_5555, ufc | ixc, "a denormal"),
            (SMALLEST_NORMAL, THREE, 1 << 24, 0, ufc, "a denormal with FZ"),
            (ONE, ONE, 0, ONE, 0, "1/1"),
        ];
        for (a, b, fpcr, wanted, flags, what) in cases {
            let (seen, fpsr) = divide(a, b, fpcr);
            check_eq!(seen, wanted, "the quotient: {}", what);
            check_eq!(fpsr, flags, "FPSR: {}", what);
        }
    }
}

case! {
    /// SIMD instructions work in lanes. SQADD saturates each lane and sets FPSR.QC if one did; ADDP
    /// adds neighbours, of the first source and then of the second; TBL looks bytes up in a
    /// register, and an index out of range gives 0.
    ///
    /// The case executes the three with inputs at the limits (0x7fff + 1, 0x8000 - 1, indices 0x10,
    /// 0x80 and 0xff) and compares all 16 bytes and QC.
    ///
    /// ```text
    ///   sqadd   7fff + 0001 -> 7fff, QC      8001 + ffff -> 8000
    ///   addp    [a1+a0, a3+a2, ... | b1+b0, ...]
    ///   tbl     index 15 -> byte, 16 .. 255 -> 0
    /// ```
    ///
    /// Carries between lanes, the order of the two sources in ADDP, and TBL with `index & 15` (as
    /// x86's PSHUFB nearly does) are how emulators get this wrong. Video decoders and `memchr` in
    /// the C library use just these. QC is sticky and often forgotten; codecs that test it for
    /// overflow then miss every one.
    "fp.simd_lanes": "SQADD saturates and sets QC, ADDP adds neighbours, TBL looks up";
    reference: "DDI 0487: SQADD, ADDP (vector), TBL; FPSR.QC";
    needs: Needs::NONE;
    fn simd_lanes() {
        enable();
        let mut state = State::pattern(5);
        state.fpcr = 0;
        state.fpsr = 0;
        state.v[1] = 0x7fff_8000_0001_ffff_7ffe_0002_8001_0000;
        state.v[2] = 0x0001_ffff_0001_ffff_0002_0002_ffff_0000;
        state.v[3] = 0x10_0f_0e_0d_0c_0b_0a_09_08_07_06_05_04_03_02_01;
        state.v[4] = 0xff_10_0f_00_1f_0f_80_01_0e_0d_0c_0b_0a_09_08_07;
        state.load();
        // SAFETY: nobody else uses the V registers.
        unsafe {
            asm!(
                ".arch_extension simd",
                "sqadd v5.8h, v1.8h, v2.8h",
                "addp v6.8h, v1.8h, v2.8h",
                "tbl v7.16b, {{v3.16b}}, v4.16b",
                options(nomem, nostack),
            );
        }
        let now = State::now();
        let lanes = |seen: u128, wanted: u128, what: &str| {
            assert!(seen == wanted, "{what}: {seen:#034x}, expected {wanted:#034x}");
        };
        lanes(now.v[5], 0x7fff_8000_0002_fffe_7fff_0004_8000_0000, "SQADD");
        lanes(now.v[6], 0x0000_0000_0004_ffff_ffff_0000_8000_8001, "ADDP");
        lanes(now.v[7], 0x00_00_10_01_00_10_00_02_0f_0e_0d_0c_0b_0a_09_08, "TBL");
        check_eq!(now.fpsr, 1 << 27, "FPSR");
    }
}

case! {
    /// AESE does AddRoundKey, SubBytes and ShiftRows, AESMC does MixColumns: together a round of
    /// AES. ID_AA64ISAR0_EL1.AES says whether they are there; else the case skips.
    ///
    /// The case takes the example of FIPS 197, appendix B: its input and first key, and wants the
    /// state after the first round.
    ///
    /// ```text
    ///   V0 = input, V1 = key     aese v0, v1     aesmc v0, v0
    ///   = state of round 1, after MixColumns
    /// ```
    ///
    /// Note the order: Arm XORs the key first, x86's AESENC last. An emulator that maps one onto
    /// the other needs a key of zero and an XOR of its own. A mistake gives no fault, only other
    /// bytes, and the guest encrypts its disk with them: it can read it back until it is moved to
    /// real hardware. Linux tests its crypto drivers at boot and reports a failure, if the
    /// self-tests are compiled in. A standard's test vector is the best of oracles.
    "fp.aes_round": "AESE and AESMC do the first round of the AES standard's example";
    reference: "DDI 0487: AESE, AESMC; FIPS 197, appendix B";
    needs: Needs::NONE;
    fn aes_round() {
        enable();
        if isar0::AES.get(ID_AA64ISAR0_EL1.get()) == 0 {
            skip!("ID_AA64ISAR0_EL1.AES says no AES instructions");
        }
        let bytes = |text: u128| text.swap_bytes(); // the standard writes the first byte first
        let mut state = State::pattern(3);
        state.v[0] = bytes(0x3243_f6a8_885a_308d_3131_98a2_e037_0734);
        state.v[1] = bytes(0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c);
        state.load();
        // SAFETY: nobody else uses the V registers.
        unsafe {
            asm!(
                ".arch_extension aes",
                "aese v0.16b, v1.16b",
                "aesmc v0.16b, v0.16b",
                options(nomem, nostack),
            );
        }
        // Round 1 after MixColumns.
        let wanted = bytes(0x0466_81e5_e0cb_199a_48f8_d37a_2806_264c);
        let seen = State::now().v[0];
        assert!(seen == wanted, "the state: {seen:#034x}, expected {wanted:#034x}");
    }
}

global_asm!(
    ".pushsection .text.fp, \"ax\"",
    ".arch_extension fp",
    ".arch_extension simd",
    ".global fp_load, fp_store",
    "fp_load:",
    "    ldp q0, q1, [x0, #0]",
    "    ldp q2, q3, [x0, #32]",
    "    ldp q4, q5, [x0, #64]",
    "    ldp q6, q7, [x0, #96]",
    "    ldp q8, q9, [x0, #128]",
    "    ldp q10, q11, [x0, #160]",
    "    ldp q12, q13, [x0, #192]",
    "    ldp q14, q15, [x0, #224]",
    "    ldp q16, q17, [x0, #256]",
    "    ldp q18, q19, [x0, #288]",
    "    ldp q20, q21, [x0, #320]",
    "    ldp q22, q23, [x0, #352]",
    "    ldp q24, q25, [x0, #384]",
    "    ldp q26, q27, [x0, #416]",
    "    ldp q28, q29, [x0, #448]",
    "    ldp q30, q31, [x0, #480]",
    "    add x0, x0, #{fpcr}",
    "    ldp x1, x2, [x0]",
    "    msr fpcr, x1",
    "    msr fpsr, x2",
    "    ret",
    "fp_store:",
    "    stp q0, q1, [x0, #0]",
    "    stp q2, q3, [x0, #32]",
    "    stp q4, q5, [x0, #64]",
    "    stp q6, q7, [x0, #96]",
    "    stp q8, q9, [x0, #128]",
    "    stp q10, q11, [x0, #160]",
    "    stp q12, q13, [x0, #192]",
    "    stp q14, q15, [x0, #224]",
    "    stp q16, q17, [x0, #256]",
    "    stp q18, q19, [x0, #288]",
    "    stp q20, q21, [x0, #320]",
    "    stp q22, q23, [x0, #352]",
    "    stp q24, q25, [x0, #384]",
    "    stp q26, q27, [x0, #416]",
    "    stp q28, q29, [x0, #448]",
    "    stp q30, q31, [x0, #480]",
    "    mrs x1, fpcr",
    "    mrs x2, fpsr",
    "    add x0, x0, #{fpcr}",
    "    stp x1, x2, [x0]",
    "    ret",
    ".popsection",
    ".pushsection .user.text, \"ax\"",
    ".global user_adds_doubles",
    "user_adds_doubles:",
    "    fadd d0, d1, d2",
    "    svc #0",
    ".popsection",
    fpcr = const core::mem::offset_of!(State, fpcr),
);
