//! Floating-point arithmetic at its corners: rounding modes, flushing, NaNs, conversions,
//! comparisons.
//!
//! ```text
//!   FPCR  | AHP | DN | FZ | RMode | .. | FZ16 |         FPSR | QC | .. | IDC | IXC UFC OFC DZC IOC |
//!           26    25   24   23:22         19                  27         7     4   3   2   1   0
//! ```
//!
//! On a CPU all of it is the hardware's and no hypervisor's business: FPCR and FPSR travel with
//! the vCPU, and that is all. It is a hypervisor's business where the CPU is made of software, and
//! where FP state is switched lazily: a vCPU that computes with another one's FPCR rounds the
//! other way.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CPACR_EL1, ID_AA64PFR0_EL1};
use anyvisor_abi::case::Needs;
use anyvisor_arch::id::pfr0;
use tock_registers::interfaces::{Readable, Writeable};

use super::fp_table::ROUNDED;
use crate::access::El;
use crate::probe::Probe;
use crate::{case, check_eq, skip};

/// FPCR.
const AHP: u64 = 1 << 26;
const DN: u64 = 1 << 25;
const FZ: u64 = 1 << 24;
/// FPSR.
const IOC: u64 = 1 << 0;
const DZC: u64 = 1 << 1;
const OFC: u64 = 1 << 2;
const UFC: u64 = 1 << 3;
const IXC: u64 = 1 << 4;
const IDC: u64 = 1 << 7;

/// Words with FP and SIMD allowed at both levels.
fn open() -> Probe {
    if pfr0::FP.get(ID_AA64PFR0_EL1.get()) == pfr0::NO_FP {
        skip!("ID_AA64PFR0_EL1.FP says no floating-point");
    }
    CPACR_EL1.set(0b11 << 20);
    barrier::isb(barrier::SY);
    Probe::open()
}

/// What an instruction left: D0, X5, NZCV and FPSR.
struct Left {
    d0: u64,
    x5: u64,
    nzcv: u64,
    fpsr: u64,
}

/// Runs one instruction with D0, D1, D2 (and X0) set, under FPCR.
fn compute(probe: &Probe, word: u32, operands: [u64; 3], fpcr: u64) -> Left {
    let words = [
        0x9e67_0000, // FMOV D0, X0
        0x9e67_0021, // FMOV D1, X1
        0x9e67_0042, // FMOV D2, X2
        0xd51b_4403, // MSR FPCR, X3
        0xd51b_443f, // MSR FPSR, XZR
        word,
        0xd53b_4207, // MRS X7, NZCV
        0xd53b_4424, // MRS X4, FPSR
        0x9e66_0006, // FMOV X6, D0
        0xd51b_441f, // MSR FPCR, XZR
    ];
    let [a, b, c] = operands;
    let x = probe.run(El::El1, &words, &[a, b, c, fpcr]).done(format_args!("{word:#010x}"));
    Left { d0: x[6], x5: x[5], nzcv: x[7] >> 28, fpsr: x[4] }
}

case! {
    /// Some ninety operations (FADD, FSUB, FMUL, FDIV, FSQRT, FMADD, FCVT to single, SCVTF, UCVTF,
    /// FRINTX) on operands that lie at the edge: exact halves, one bit above and below them, sums
    /// that cancel, numbers just above and below the largest, results that are denormal. Each is
    /// done in the four rounding modes of FPCR.RMode; result and FPSR's bits are compared with a
    /// table that was computed with exact fractions.
    ///
    /// ```text
    ///   1 + 2^-53     nearest: 1     up: 1 + 2^-52     down: 1     zero: 1      IXC
    ///   max + 2^970   nearest: inf   up: inf           down: max   zero: max    OFC IXC
    /// ```
    ///
    /// FMADD rounds once; as a multiplication and an addition it fails here. Tininess is found
    /// before rounding on Arm (UFC), x86 finds it after: an emulator that uses the host's
    /// arithmetic differs in just that bit. A hypervisor that loses RMode over a switch of vCPUs
    /// makes interval arithmetic in the guest wrong by one last bit, now and then.
    "fp.rounding": "ninety operations at the edge in four rounding modes: result and flags as exact arithmetic has them";
    reference: "DDI 0487: FPRound, FPAdd, FPMul, FPDiv, FPSqrt, FPMulAdd; FPCR.RMode; IEEE 754-2008";
    needs: Needs::NONE;
    fn rounding() {
        let probe = open();
        for row in ROUNDED {
            for mode in 0..4 {
                let left = compute(&probe, row.word, row.operands, (mode as u64) << 22);
                check_eq!(left.d0, row.results[mode], "{} {:x?}, RMode {}", row.name, row.operands, mode);
                check_eq!(left.fpsr, row.flags[mode], "FPSR of {} {:x?}, RMode {}", row.name, row.operands, mode);
            }
        }
    }
}

const ONE: u64 = 0x3ff0_0000_0000_0000;
const TWO: u64 = 0x4000_0000_0000_0000;
const HALF: u64 = 0x3fe0_0000_0000_0000;
const INFINITY: u64 = 0x7ff0_0000_0000_0000;
const NEGATIVE: u64 = 1 << 63;
const DENORMAL: u64 = 0x000f_0000_0000_0000;
const SMALLEST: u64 = 0x0010_0000_0000_0000;
const DEFAULT_NAN: u64 = 0x7ff8_0000_0000_0000;
/// A quiet NaN with a payload, and a signalling one.
const QUIET: u64 = 0x7ffc_0000_0000_1234;
const SIGNALLING: u64 = 0xfff0_0000_0000_5678;

const FADD: u32 = 0x1e61_2800;
const FMUL: u32 = 0x1e61_0800;
const FDIV: u32 = 0x1e61_1800;
const FSQRT: u32 = 0x1e61_c000;
const FMADD: u32 = 0x1f41_0800;

case! {
    /// FPCR.FZ makes denormal operands and results zero, keeping the sign: an operand sets IDC, a
    /// result sets UFC and not IXC. FPCR.DN makes every NaN result the default NaN. Without DN a
    /// NaN operand goes through: the first signalling one, made quiet, before the first quiet one;
    /// a signalling NaN sets IOC, a quiet one nothing. FNEG and FABS are no arithmetic: they touch
    /// the sign of anything, flag nothing and flush nothing.
    ///
    /// ```text
    ///                      DN = 0                      DN = 1
    ///   qNaN + 1           the qNaN                    default NaN
    ///   qNaN + sNaN        the sNaN, quiet bit set, IOC   default NaN, IOC
    ///   inf - inf          default NaN, IOC            the same
    /// ```
    ///
    /// Which NaN wins is where x86 and Arm differ, so an emulator on host arithmetic is seen; its
    /// default NaN is negative on x86, too. Flags and flushing are where FPCR gets lost: a VMM
    /// that loads FPCR for itself, to have IEEE arithmetic, and restores the guest's only when
    /// FPEN traps, has the guest compute with denormals that it had switched off.
    "fp.nan_and_flush": "FZ, DN, NaN propagation and the sign operations: result and flags, each as the manual's functions say";
    reference: "DDI 0487: FPProcessNaNs, FPUnpack; FPCR.FZ, DN; FPSR.IDC, UFC, IOC; FABS, FNEG";
    needs: Needs::NONE;
    fn nan_and_flush() {
        let probe = open();
        let quieted = SIGNALLING | 1 << 51;
        let (fneg, fabs) = (0x1e61_4000, 0x1e60_c000);
        #[rustfmt::skip]
        let rows = [
            ("qNaN + 1",           FADD,  [QUIET, ONE, 0],            0,  QUIET,            0),
            ("1 + qNaN",           FADD,  [ONE, QUIET, 0],            0,  QUIET,            0),
            ("qNaN + sNaN",        FADD,  [QUIET, SIGNALLING, 0],     0,  quieted,          IOC),
            ("sNaN + qNaN",        FADD,  [SIGNALLING, QUIET, 0],     0,  quieted,          IOC),
            ("qNaN + 1, DN",       FADD,  [QUIET, ONE, 0],            DN, DEFAULT_NAN,      0),
            ("sNaN + 1, DN",       FADD,  [SIGNALLING, ONE, 0],       DN, DEFAULT_NAN,      IOC),
            ("inf - inf",          FADD,  [INFINITY, INFINITY | NEGATIVE, 0], 0, DEFAULT_NAN, IOC),
            ("inf * 0",            FMUL,  [INFINITY, 0, 0],           0,  DEFAULT_NAN,      IOC),
            ("0 / 0",              FDIV,  [0, 0, 0],                  0,  DEFAULT_NAN,      IOC),
            ("inf / inf",          FDIV,  [INFINITY, INFINITY, 0],    0,  DEFAULT_NAN,      IOC),
            ("-1 / 0",             FDIV,  [ONE | NEGATIVE, 0, 0],     0,  INFINITY | NEGATIVE, DZC),
            ("sqrt(-1)",           FSQRT, [ONE | NEGATIVE, 0, 0],     0,  DEFAULT_NAN,      IOC),
            ("sqrt(-0)",           FSQRT, [NEGATIVE, 0, 0],           0,  NEGATIVE,         0),
            ("inf * 0 + qNaN",     FMADD, [INFINITY, 0, QUIET],       0,  DEFAULT_NAN,      IOC),
            ("1 * 1 + qNaN",       FMADD, [ONE, ONE, QUIET],          0,  QUIET,            0),
            ("denormal + 0",       FADD,  [DENORMAL, 0, 0],           0,  DENORMAL,         0),
            ("denormal + 0, FZ",   FADD,  [DENORMAL, 0, 0],           FZ, 0,                IDC),
            ("-denormal * 1, FZ",  FMUL,  [DENORMAL | NEGATIVE, ONE, 0], FZ, NEGATIVE,      IDC),
            ("smallest * 1/2, FZ", FMUL,  [SMALLEST, HALF, 0],        FZ, 0,                UFC),
            ("-smallest * 1/2, FZ", FMUL, [SMALLEST | NEGATIVE, HALF, 0], FZ, NEGATIVE,     UFC),
            ("smallest * 1/2",     FMUL,  [SMALLEST, HALF, 0],        0,  SMALLEST >> 1,    0),
            ("1 / denormal, FZ",   FDIV,  [ONE, DENORMAL, 0],         FZ, INFINITY,         DZC | IDC),
            ("max * 2",            FMUL,  [0x7fef_ffff_ffff_ffff, TWO, 0], 0, INFINITY,     OFC | IXC),
            ("-sNaN",              fneg,  [SIGNALLING, 0, 0],         DN, SIGNALLING ^ NEGATIVE, 0),
            ("|sNaN|",             fabs,  [SIGNALLING, 0, 0],         DN, SIGNALLING & !NEGATIVE, 0),
            ("-denormal, FZ",      fneg,  [DENORMAL, 0, 0],           FZ, DENORMAL | NEGATIVE, 0),
        ];
        for (what, word, operands, fpcr, result, flags) in rows {
            let left = compute(&probe, word, operands, fpcr);
            check_eq!(left.d0, result, "{}", what);
            check_eq!(left.fpsr, flags, "FPSR of {}", what);
        }
    }
}

case! {
    /// Floating point to integer: FCVTZS, FCVTZU to X and W, and the forms with a rounding of
    /// their own (FCVTNS, FCVTAS, FCVTMS, FCVTPS), which FPCR.RMode does not change. What is too
    /// large or small saturates and sets IOC (and not IXC); a NaN is 0 with IOC; what is not whole
    /// sets IXC; a W result clears the upper half of X.
    ///
    /// ```text
    ///   FCVTZS X, 1e300 = 0x7fff...     FCVTZU X, -1.0 = 0      FCVTZS W, 2^31 = 0x7fffffff
    ///   FCVTNS 2.5 = 2   FCVTAS 2.5 = 3   FCVTMS -2.5 = -3   FCVTPS -2.5 = -2
    /// ```
    ///
    /// On x86 the same conversion gives 0x8000... for all of them ("integer indefinite"), so an
    /// emulator has to do each by hand; and languages that promise saturation (Rust's `as`,
    /// WebAssembly's trunc_sat) lean on Arm's rule. Ties to away (FCVTAS) is a mode that FPCR does
    /// not have at all.
    "fp.to_integer": "FCVTZS, FCVTZU, FCVTNS, FCVTAS, FCVTMS, FCVTPS: saturation, NaN, ties, flags, W and X";
    reference: "DDI 0487: FPToFixed; FCVTZS, FCVTAS (scalar, integer); FPSR.IOC, IXC";
    needs: Needs::NONE;
    fn to_integer() {
        const MAX: u64 = i64::MAX as u64;
        const MIN: u64 = i64::MIN as u64;
        let (zs, zu, zsw, zuw) = (0x9e78_0005, 0x9e79_0005, 0x1e78_0005, 0x1e79_0005);
        let (ns, as_, ms, ps) = (0x9e60_0005, 0x9e64_0005, 0x9e70_0005, 0x9e68_0005);
        let n = |x: u64| x | NEGATIVE;
        let (two_and_half, three_and_half) = (0x4004_0000_0000_0000, 0x400c_0000_0000_0000);
        let (two31, two63, two64) = (0x41e0_0000_0000_0000, 0x43e0_0000_0000_0000, 0x43f0_0000_0000_0000);
        #[rustfmt::skip]
        let rows: &[(&str, u32, u64, u64, u64)] = &[
            ("FCVTZS X, 2.5",   zs,  two_and_half,      2,                      IXC),
            ("FCVTZS X, -2.5",  zs,  n(two_and_half),   2_u64.wrapping_neg(),   IXC),
            ("FCVTZS X, 2^63",  zs,  two63,             MAX,                    IOC),
            ("FCVTZS X, -2^63", zs,  n(two63),          MIN,                    0),
            ("FCVTZS X, inf",   zs,  INFINITY,          MAX,                    IOC),
            ("FCVTZS X, -inf",  zs,  n(INFINITY),       MIN,                    IOC),
            ("FCVTZS X, qNaN",  zs,  QUIET,             0,                      IOC),
            ("FCVTZS X, -0",    zs,  NEGATIVE,          0,                      0),
            ("FCVTZS X, tiny",  zs,  1,                 0,                      IXC),
            ("FCVTZU X, 2^63",  zu,  two63,             1 << 63,                0),
            ("FCVTZU X, 2^64",  zu,  two64,             u64::MAX,               IOC),
            ("FCVTZU X, -1",    zu,  n(ONE),            0,                      IOC),
            ("FCVTZU X, -0.5",  zu,  n(HALF),           0,                      IXC),
            ("FCVTZS W, 2^31",  zsw, two31,             0x7fff_ffff,            IOC),
            ("FCVTZS W, -2^31", zsw, n(two31),          0x8000_0000,            0),
            ("FCVTZS W, -1",    zsw, n(ONE),            0xffff_ffff,            0),
            ("FCVTZU W, 2^31",  zuw, two31,             0x8000_0000,            0),
            ("FCVTZU W, 2^63",  zuw, two63,             0xffff_ffff,            IOC),
            ("FCVTNS X, 2.5",   ns,  two_and_half,      2,                      IXC),
            ("FCVTNS X, 3.5",   ns,  three_and_half,    4,                      IXC),
            ("FCVTAS X, 2.5",   as_, two_and_half,      3,                      IXC),
            ("FCVTAS X, -2.5",  as_, n(two_and_half),   3_u64.wrapping_neg(),   IXC),
            ("FCVTMS X, -2.5",  ms,  n(two_and_half),   3_u64.wrapping_neg(),   IXC),
            ("FCVTPS X, -2.5",  ps,  n(two_and_half),   2_u64.wrapping_neg(),   IXC),
            ("FCVTPS X, 2.5",   ps,  two_and_half,      3,                      IXC),
            ("FCVTPS X, 2",     ps,  TWO,               2,                      0),
        ];
        let probe = open();
        for &(what, word, operand, result, flags) in rows {
            for mode in 0..4 {
                let left = compute(&probe, word, [operand, 0, 0], mode << 22);
                check_eq!(left.x5, result, "{}, RMode {}", what, mode);
                check_eq!(left.fpsr, flags, "FPSR of {}, RMode {}", what, mode);
            }
        }
    }
}

case! {
    /// FCMP and FCMPE set NZCV by four relations: less, equal, greater, unordered. Zeros are equal
    /// whatever their signs. A quiet NaN is unordered; FCMPE flags it (IOC) and FCMP does not; a
    /// signalling NaN is flagged by both. FMAX and FMIN order the zeros and return NaNs, FMAXNM
    /// and FMINNM prefer the number.
    ///
    /// ```text
    ///   NZCV    less 1000    equal 0110    greater 0010    unordered 0011
    /// ```
    ///
    /// NZCV is PSTATE: what FCMP leaves must survive an exit between it and its branch. A
    /// hypervisor that emulates something there and returns with its own flags in SPSR_EL2 makes a
    /// comparison come out otherwise once in a million. In software CPUs the classics are 0011
    /// taken for "less", and minimum and maximum made of a comparison and a choice, which gets -0
    /// and NaN wrong.
    "fp.compare": "FCMP, FCMPE, FMAX, FMIN, FMAXNM, FMINNM: four relations, signed zeros, NaNs and their flags";
    reference: "DDI 0487: FPCompare, FPMax, FPMaxNum; FCMP, FCMPE; FPSR.IOC";
    needs: Needs::NONE;
    fn compare() {
        const LESS: u64 = 0b1000;
        const EQUAL: u64 = 0b0110;
        const GREATER: u64 = 0b0010;
        const UNORDERED: u64 = 0b0011;
        let probe = open();
        let relations = [
            (ONE, TWO, LESS, 0, 0),
            (TWO, ONE, GREATER, 0, 0),
            (ONE, ONE, EQUAL, 0, 0),
            (0, NEGATIVE, EQUAL, 0, 0),
            (ONE | NEGATIVE, ONE, LESS, 0, 0),
            (TWO | NEGATIVE, ONE | NEGATIVE, LESS, 0, 0),
            (INFINITY, INFINITY, EQUAL, 0, 0),
            (INFINITY | NEGATIVE, INFINITY, LESS, 0, 0),
            (DENORMAL, 0, GREATER, 0, 0),
            (QUIET, ONE, UNORDERED, 0, IOC),
            (ONE, QUIET, UNORDERED, 0, IOC),
            (QUIET, QUIET, UNORDERED, 0, IOC),
            (SIGNALLING, ONE, UNORDERED, IOC, IOC),
        ];
        for (a, b, nzcv, quiet, signalling) in relations {
            for (word, flags) in [(0x1e61_2000, quiet), (0x1e61_2010, signalling)] {
                let left = compute(&probe, word, [a, b, 0], 0);
                check_eq!(left.nzcv, nzcv, "NZCV of {:#x} and {:#x}", a, b);
                check_eq!(left.fpsr, flags, "FPSR of {:#x} and {:#x}", a, b);
            }
        }
        // With FZ a denormal operand is zero.
        let left = compute(&probe, 0x1e61_2000, [DENORMAL, 0, 0], FZ);
        check_eq!(left.nzcv << 8 | left.fpsr, EQUAL << 8 | IDC, "a denormal and 0, FZ");
        let (max, min, maxnm, minnm) = (0x1e61_4800, 0x1e61_5800, 0x1e61_6800, 0x1e61_7800);
        #[rustfmt::skip]
        let rows: &[(&str, u32, u64, u64, u64, u64)] = &[
            ("FMAX 0, -0",      max,   0,        NEGATIVE,   0,        0),
            ("FMAX -0, 0",      max,   NEGATIVE, 0,          0,        0),
            ("FMIN 0, -0",      min,   0,        NEGATIVE,   NEGATIVE, 0),
            ("FMAX 1, qNaN",    max,   ONE,      QUIET,      QUIET,    0),
            ("FMAXNM 1, qNaN",  maxnm, ONE,      QUIET,      ONE,      0),
            ("FMINNM qNaN, 1",  minnm, QUIET,    ONE,        ONE,      0),
            ("FMAXNM 1, sNaN",  maxnm, ONE,      SIGNALLING, SIGNALLING | 1 << 51, IOC),
            ("FMINNM q, q",     minnm, QUIET,    QUIET,      QUIET,    0),
            ("FMIN -1, 2",      min,   ONE | NEGATIVE, TWO,  ONE | NEGATIVE, 0),
            ("FMAX -1, -2",     max,   ONE | NEGATIVE, TWO | NEGATIVE, ONE | NEGATIVE, 0),
        ];
        for &(what, word, a, b, result, flags) in rows {
            let left = compute(&probe, word, [a, b, 0], 0);
            check_eq!(left.d0, result, "{}", what);
            check_eq!(left.fpsr, flags, "FPSR of {}", what);
        }
    }
}

case! {
    /// Half precision as a storage format: FCVT between H and S, with FPCR.AHP = 0 (IEEE) and 1
    /// (the alternative format, without infinities and NaNs, whose largest number is 131008). FZ
    /// does not flush half-precision values in conversions. Overflow in the IEEE format is
    /// infinity with OFC and IXC, in the alternative one the largest number with IOC.
    ///
    /// ```text
    ///   S -> H        AHP = 0               AHP = 1
    ///   65520.0       inf, OFC IXC          0x7c00 (65536.0), IXC
    ///   inf           inf                   0x7fff, IOC
    ///   qNaN          qNaN                  zero, IOC
    /// ```
    ///
    /// Every Armv8 core has these conversions, FEAT_FP16's arithmetic or not. AHP is the bit of
    /// FPCR that nobody sets, so a hypervisor or an emulator that drops it is never found out by
    /// running programs; ARM's own guests of earlier days set it. (FZ16, which is for FEAT_FP16's
    /// arithmetic, does not count here.)
    "fp.half": "FCVT between half and single, IEEE and FPCR.AHP's format: overflow, infinity, NaN, denormals, flags";
    reference: "DDI 0487: FPConvert, FPRoundCV; FPCR.AHP, FZ; half-precision floating-point formats";
    needs: Needs::NONE;
    fn half() {
        let probe = open();
        let (to_half, to_single) = (0x1e23_c000, 0x1ee2_4000); // FCVT H0, S0 and S0, H0
        #[rustfmt::skip]
        let rows: &[(&str, u32, u64, u64, u64, u64)] = &[
            ("1.0 to H",              to_half, 0x3f80_0000, 0,   0x3c00, 0),
            ("65519 to H",            to_half, 0x477f_ef00, 0,   0x7bff, IXC),
            ("65520 to H",            to_half, 0x477f_f000, 0,   0x7c00, OFC | IXC),
            ("65520 to H, AHP",       to_half, 0x477f_f000, AHP, 0x7c00, IXC),
            ("131008 to H, AHP",      to_half, 0x47ff_e000, AHP, 0x7fff, 0),
            ("2^17 to H, AHP",        to_half, 0x4800_0000, AHP, 0x7fff, IOC),
            ("inf to H",              to_half, 0x7f80_0000, 0,   0x7c00, 0),
            ("-inf to H, AHP",        to_half, 0xff80_0000, AHP, 0xffff, IOC),
            ("qNaN to H",             to_half, 0x7fc0_2000, 0,   0x7e01, 0),
            ("sNaN to H",             to_half, 0x7f80_2000, 0,   0x7e01, IOC),
            ("qNaN to H, DN",         to_half, 0xffc0_2000, DN,  0x7e00, 0),
            ("-qNaN to H, AHP",       to_half, 0xffc0_2000, AHP, 0x8000, IOC),
            ("2^-24 to H",            to_half, 0x3380_0000, 0,   0x0001, 0),
            ("2^-24 to H, FZ",        to_half, 0x3380_0000, FZ,  0x0001, 0),
            ("2^-25 to H",            to_half, 0x3300_0000, 0,   0x0000, UFC | IXC),
            ("H 1.0",                 to_single, 0x3c00,    0,   0x3f80_0000, 0),
            ("H denormal",            to_single, 0x0001,    0,   0x3380_0000, 0),
            ("H denormal, FZ",        to_single, 0x0001,    FZ,  0x3380_0000, 0),
            ("H inf",                 to_single, 0x7c00,    0,   0x7f80_0000, 0),
            ("H 65536, AHP",          to_single, 0x7c00,    AHP, 0x4780_0000, 0),
            ("H -131008, AHP",        to_single, 0xffff,    AHP, 0xc7ff_e000, 0),
            ("H qNaN",                to_single, 0x7e01,    0,   0x7fc0_2000, 0),
            ("H sNaN",                to_single, 0x7c01,    0,   0x7fc0_2000, IOC),
        ];
        for &(what, word, operand, fpcr, result, flags) in rows {
            let left = compute(&probe, word, [operand, 0, 0], fpcr);
            check_eq!(left.d0, result, "{}", what);
            check_eq!(left.fpsr, flags, "FPSR of {}", what);
        }
    }
}
